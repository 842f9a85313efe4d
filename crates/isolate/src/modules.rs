//! The loader of JavaScript modules: what `import()` finds, from JavaScript and through the SDK's
//! `import_from_javascript`. Names that are not listed here or a file of the Worker raise.

use std::path::{Path, PathBuf};

use isthmus_bindings::{WORKERS_MODULE, workers_module};
use isthmus_web::{SOCKETS_MODULE, sockets_module};
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Exception, Module, Result};

/// Where the Worker's modules are.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// The root of the Worker's own modules.
    pub(crate) root: PathBuf,
    /// Where `python_modules/NAME` is looked for, in order: the folder itself, then the environment's packages,
    /// which an installed SDK is part of.
    pub(crate) packages: Vec<PathBuf>,
}

/// Turns specifiers into `cloudflare:…` names or absolute paths.
pub(crate) struct Resolve(pub(crate) Folders);

impl Resolver for Resolve {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if name == WORKERS_MODULE || name == SOCKETS_MODULE {
            return Ok(name.to_owned());
        }
        let found = if name.starts_with("./") || name.starts_with("../") {
            let folder = Path::new(base).parent().filter(|folder| folder.is_absolute());
            self.file(&folder.unwrap_or(&self.0.root).join(name))
        } else if let Some(rest) = name.strip_prefix("python_modules/") {
            self.0
                .packages
                .iter()
                .find_map(|folder| self.file(&folder.join(rest)))
        } else {
            self.file(&self.0.root.join(name))
        };
        found.ok_or_else(|| {
            let text = format!("No such module \"{name}\".\n  imported from \"{base}\"");
            Exception::throw_message(ctx, &text)
        })
    }
}

impl Resolve {
    /// The canonical path of a JavaScript file within one of the folders.
    fn file(&self, path: &Path) -> Option<String> {
        let script = matches!(path.extension()?.to_str()?, "js" | "mjs");
        let path = path.canonicalize().ok()?;
        let within = std::iter::once(&self.0.root)
            .chain(&self.0.packages)
            .any(|folder| folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)));
        (script && within && path.is_file())
            .then(|| path.to_str().map(ToOwned::to_owned))
            .flatten()
    }
}

/// Reads what [`Resolve`] found.
pub(crate) struct Load;

impl Loader for Load {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if name == WORKERS_MODULE {
            return workers_module(ctx);
        }
        if name == SOCKETS_MODULE {
            return sockets_module(ctx);
        }
        let source =
            std::fs::read(name).map_err(|error| Error::new_loading_message(name, error.to_string()))?;
        Module::declare(ctx.clone(), name, source)
    }
}
