//! Where JavaScript modules are in plain CPython, for `import()`, `import … from` and the SDK's `import_from_javascript`.
//!
//! | specifier | means |
//! |---|---|
//! | `./x.mjs`, `../x.mjs` | beside the importing module; beside the script where code outside any module imports |
//! | `/x.mjs`, `file:///x.mjs` | that file |
//! | `python_modules/x.mjs` | in the installed packages, the way an SDK brings scripts along |
//! | `x.mjs` | beside the script |
//! | `cloudflare:workers` | as in a Worker, with an empty `env` |
//! | `cloudflare:sockets` | as in a Worker |

use std::path::PathBuf;

use isthmus_bindings::modules::{FindModule, folder_of, is_relative, is_script};

/// Where modules are.
pub(crate) struct Folders {
    /// The folder of the script.
    pub(crate) root: PathBuf,
    /// The folders of installed packages, in order.
    pub(crate) packages: Vec<PathBuf>,
}

impl FindModule for Folders {
    fn find(&self, base: &str, name: &str) -> Result<PathBuf, String> {
        let refuse = |why: &str| format!("Cannot import JavaScript module \"{name}\" from \"{base}\": {why}");
        let path = self.place(base, name).ok_or_else(|| refuse("no such file"))?;
        if path.is_dir() {
            return Err(refuse(&format!("{} is a folder", path.display())));
        }
        if !is_script(&path) {
            return Err(refuse("a module's name ends in .mjs or .js"));
        }
        Ok(path)
    }
}

impl Folders {
    fn place(&self, base: &str, name: &str) -> Option<PathBuf> {
        if let Some(rest) = name.strip_prefix("python_modules/") {
            return self
                .packages
                .iter()
                .find_map(|folder| folder.join(rest).canonicalize().ok());
        }
        let beside = if is_relative(name) { folder_of(base) } else { None };
        let path = name.strip_prefix("file://").unwrap_or(name);
        beside.unwrap_or(&self.root).join(path).canonicalize().ok()
    }
}
