//! Where the Worker's JavaScript modules are, for `import()` and the SDK's `import_from_javascript`. Names that are not
//! listed here or a file of the Worker raise.

use std::path::{Path, PathBuf};

use isthmus_bindings::modules::{FindModule, folder_of, is_relative, is_script};

/// Where the Worker's modules are.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// The root of the Worker's own modules.
    pub(crate) root: PathBuf,
    /// Where `python_modules/NAME` is looked for, in order: the folder itself, then the environment's packages,
    /// which an installed SDK is part of.
    pub(crate) packages: Vec<PathBuf>,
}

impl FindModule for Folders {
    fn find(&self, base: &str, name: &str) -> Result<PathBuf, String> {
        let found = if is_relative(name) {
            self.file(&folder_of(base).unwrap_or(&self.root).join(name))
        } else if let Some(rest) = name.strip_prefix("python_modules/") {
            self.packages
                .iter()
                .find_map(|folder| self.file(&folder.join(rest)))
        } else {
            self.file(&self.root.join(name))
        };
        found.ok_or_else(|| format!("No such module \"{name}\".\n  imported from \"{base}\""))
    }
}

impl Folders {
    /// The canonical path of a JavaScript file within one of the folders.
    fn file(&self, path: &Path) -> Option<PathBuf> {
        let named = is_script(path);
        let path = path.canonicalize().ok()?;
        let within = std::iter::once(&self.root)
            .chain(&self.packages)
            .any(|folder| folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)));
        (named && within && path.is_file()).then_some(path)
    }
}
