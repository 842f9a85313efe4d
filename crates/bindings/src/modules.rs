//! The loader of JavaScript modules that are files: what `import()` and `import … from` find. Which files there are is the
//! process's business ([`FindModule`]); `cloudflare:workers` and `cloudflare:sockets` are there for all.

use std::io;
use std::path::{Path, PathBuf};

use isthmus_web::{SOCKETS_MODULE, sockets_module};
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Exception, Module, Result};

use crate::{WORKERS_MODULE, workers_module};

/// Which file a specifier means.
pub trait FindModule {
    /// The canonical path of what `name` means to the module `base`, a path as well, or to code that is in none.
    ///
    /// # Errors
    /// The message of an `Error`.
    fn find(&self, base: &str, name: &str) -> std::result::Result<PathBuf, String>;
}

/// The folder of the module `base`; `None` if that is no file, as for code that is in no module.
pub fn folder_of(base: &str) -> Option<&Path> {
    Path::new(base).parent().filter(|folder| folder.is_absolute())
}

/// Whether `name` is looked for beside the module that imports it.
pub fn is_relative(name: &str) -> bool {
    name.starts_with("./") || name.starts_with("../")
}

/// Whether a path is named as JavaScript is.
pub fn is_script(path: &Path) -> bool {
    matches!(
        path.extension().and_then(|kind| kind.to_str()),
        Some("js" | "mjs")
    )
}

/// Turns specifiers into `cloudflare:…` names or canonical paths.
pub struct ResolveModules<F>(pub F);

impl<F: FindModule> Resolver for ResolveModules<F> {
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
        self.0
            .find(base, name)
            .and_then(|path| {
                let text = path.into_os_string().into_string();
                text.map_err(|path| format!("Cannot import {}: its path is not UTF-8", path.display()))
            })
            .map_err(|message| Exception::throw_message(ctx, &message))
    }
}

/// Declares what [`ResolveModules`] found. Files are read by the process, with the function that it gives.
pub struct LoadModules(pub fn(&str) -> io::Result<Vec<u8>>);

impl Loader for LoadModules {
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
        let source = (self.0)(name).map_err(|error| {
            Exception::throw_message(ctx, &format!("Cannot read JavaScript module \"{name}\": {error}"))
        })?;
        Module::declare(ctx.clone(), name, source)
    }
}
