//! The loader of JavaScript modules: what `import()` and `import … from` find, from JavaScript and through the SDK's
//! `import_from_javascript`.
//!
//! | specifier | means |
//! |---|---|
//! | `./x.mjs`, `../x.mjs` | beside the importing module; beside the script where code outside any module imports |
//! | `/x.mjs`, `file:///x.mjs` | that file |
//! | `python_modules/x.mjs` | in the installed packages, the way an SDK brings scripts along |
//! | `x.mjs` | beside the script |
//! | `cloudflare:workers` | as in a Worker, with an empty `env` |
//! | `cloudflare:sockets` | as in a Worker |

use std::path::{Path, PathBuf};

use isthmus_bindings::{WORKERS_MODULE, workers_module};
use isthmus_web::{SOCKETS_MODULE, sockets_module};
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Exception, Module, Result};

/// Turns specifiers into canonical paths.
pub(crate) struct Resolve {
    /// The folder of the script.
    pub(crate) root: PathBuf,
    /// The folders of installed packages, in order.
    pub(crate) packages: Vec<PathBuf>,
}

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
        let refuse = |why: &str| -> Error {
            let text = format!("Cannot import JavaScript module \"{name}\" from \"{base}\": {why}");
            Exception::throw_message(ctx, &text)
        };
        let Some(path) = self.find(base, name) else {
            return Err(refuse("no such file"));
        };
        if path.is_dir() {
            return Err(refuse(&format!("{} is a folder", path.display())));
        }
        if !matches!(
            path.extension().and_then(|kind| kind.to_str()),
            Some("js" | "mjs")
        ) {
            return Err(refuse("a module's name ends in .mjs or .js"));
        }
        path.to_str()
            .map(ToOwned::to_owned)
            .ok_or_else(|| refuse("its path is not UTF-8"))
    }
}

impl Resolve {
    fn find(&self, base: &str, name: &str) -> Option<PathBuf> {
        if let Some(rest) = name.strip_prefix("python_modules/") {
            return self
                .packages
                .iter()
                .find_map(|folder| folder.join(rest).canonicalize().ok());
        }
        let beside = if name.starts_with("./") || name.starts_with("../") {
            Path::new(base).parent().filter(|folder| folder.is_absolute())
        } else {
            None
        };
        let path = name.strip_prefix("file://").unwrap_or(name);
        beside.unwrap_or(&self.root).join(path).canonicalize().ok()
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
        let source = std::fs::read(name).map_err(|error| {
            Exception::throw_message(ctx, &format!("Cannot read JavaScript module \"{name}\": {error}"))
        })?;
        Module::declare(ctx.clone(), name, source)
    }
}
