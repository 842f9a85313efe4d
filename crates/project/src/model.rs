//! A project as Isthmus uses it: paths are absolute, defaults filled in, the environment chosen.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::cron::Cron;
use crate::flags::FlagState;
use crate::report::{Diagnostic, Report};
use crate::source::{Origin, display_path};

/// A resolved project.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Project {
    /// The Worker's name, with the environment's behind it if one was chosen.
    pub name: String,
    /// The chosen environment.
    pub environment: Option<String>,
    /// The configuration.
    pub config_path: PathBuf,
    /// Its folder.
    pub root: PathBuf,
    /// The file of the main module. It exists, unless a build has yet to make it: see
    /// [`Project::check_main`].
    pub main: PathBuf,
    /// The folder from which the Worker's modules are named: `base_dir`, or that of [`Self::main`].
    pub module_root: PathBuf,
    /// `python_modules` beside the configuration, if it exists.
    pub python_modules: Option<PathBuf>,
    /// The compatibility date, `YYYY-MM-DD`.
    pub compatibility_date: String,
    /// Every compatibility flag by the name that enables it, and whether it is on; those of Python first.
    pub flags: Vec<FlagState>,
    /// The plain values of `env`: `vars`, then what only the command line or a file of secrets has.
    pub vars: Vec<(String, VarValue)>,
    /// The files of secrets that were read.
    pub secret_files: Vec<PathBuf>,
    /// The KV namespaces.
    pub kv_namespaces: Vec<KvNamespace>,
    /// What the Worker sends messages to.
    pub queue_producers: Vec<QueueProducer>,
    /// Which queues have a consumer.
    pub queue_consumers: Vec<QueueConsumer>,
    /// When `scheduled` runs.
    pub crons: Vec<Cron>,
    /// The D1 databases.
    pub d1_databases: Vec<D1Database>,
    /// The R2 buckets.
    pub r2_buckets: Vec<R2Bucket>,
    /// The static assets.
    pub assets: Option<Assets>,
    /// The rate limits.
    pub rate_limits: Vec<RateLimit>,
    /// The secrets of a Secrets Store.
    pub stored_secrets: Vec<StoredSecret>,
    /// The name in `env` of what is said of the Worker's version.
    pub version_metadata: Option<String>,
    /// Which further files are modules.
    pub rules: Vec<ModuleRule>,
    /// What to run before the Worker starts.
    pub build: Option<Build>,
    /// The address to serve on, unless the command line has one.
    pub dev_ip: IpAddr,
    /// The port to serve on, unless the command line has one.
    pub dev_port: u16,
    /// Bindings that Isthmus can't serve yet.
    pub unserved: Vec<Unserved>,
    /// What should be said about the project though it can be used.
    pub warnings: Report,
    /// Where values were written, by their path in the configuration.
    pub(crate) origins: BTreeMap<String, Origin>,
}

/// A plain value in `env`. Its `Debug` doesn't show it: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum VarValue {
    /// A string.
    Text(String),
    /// Any other value, as JSON.
    Json(String),
}

impl fmt::Debug for VarValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Json(_) => "Json(…)",
        })
    }
}

/// A KV namespace bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvNamespace {
    /// The name in `env`.
    pub binding: String,
    /// Which namespace it is; the name of the binding if the configuration doesn't say.
    pub id: String,
}

/// A D1 database bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct D1Database {
    /// The name in `env`.
    pub binding: String,
    /// Which database it is; the name of the binding if the configuration doesn't say.
    pub id: String,
    /// What the command line calls it.
    pub name: Option<String>,
    /// The table that says which migrations were applied.
    pub migrations_table: String,
    /// The folder of migrations, from that of the configuration.
    pub migrations_dir: PathBuf,
}

/// A queue bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueProducer {
    /// The name in `env`.
    pub binding: String,
    /// The queue's name.
    pub queue: String,
    /// How long its messages wait that don't say so themselves, in seconds.
    pub delivery_delay: u32,
}

/// A queue that has a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConsumer {
    /// The queue's name.
    pub queue: String,
    /// Who gets the messages.
    pub consumer_type: ConsumerType,
    /// The most messages of a batch.
    pub max_batch_size: u32,
    /// How long a batch may wait to be full, in seconds.
    pub max_batch_timeout: u32,
    /// How often a message is tried again.
    pub max_retries: u32,
    /// Where messages go that were tried so often; they are dropped if it is `None`.
    pub dead_letter_queue: Option<String>,
    /// How many batches are delivered at once.
    pub max_concurrency: u32,
    /// How long pulled messages stay invisible, in milliseconds.
    pub visibility_timeout_ms: u32,
    /// How long a message waits before it is tried again, in seconds.
    pub retry_delay: u32,
}

/// Who gets the messages of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerType {
    /// This Worker's `queue` handler.
    Worker,
    /// Whoever asks over HTTP.
    HttpPull,
}

/// An R2 bucket bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2Bucket {
    /// The name in `env`.
    pub binding: String,
    /// Which bucket it is; the name of the binding if the configuration doesn't say.
    pub name: String,
}

/// A folder of static assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// The folder. It exists, unless a build has yet to make it.
    pub directory: PathBuf,
    /// The name in `env`, if the Worker may ask for them.
    pub binding: Option<String>,
    /// Which URLs HTML files have.
    pub html_handling: HtmlHandling,
    /// What becomes of paths without a file.
    pub not_found_handling: NotFoundHandling,
    /// Which requests are the Worker's first.
    pub run_worker_first: RunWorkerFirst,
}

/// Which URLs HTML files have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HtmlHandling {
    /// `/a/` for `a/index.html`, `/a` for `a.html`.
    #[default]
    AutoTrailingSlash,
    /// `/a/` for both.
    ForceTrailingSlash,
    /// `/a` for both.
    DropTrailingSlash,
    /// Their paths.
    None,
}

/// What becomes of paths without a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotFoundHandling {
    /// They are the Worker's.
    #[default]
    None,
    /// They get `/index.html`.
    SinglePageApplication,
    /// They get the nearest `404.html`, with status 404.
    NotFoundPage,
}

/// Which requests are the Worker's before it is looked whether there is an asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunWorkerFirst {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// Those whose path fits a pattern, in which `*` is any text.
    Patterns {
        /// The Worker's.
        worker: Vec<String>,
        /// The assets' alone, though they may fit a pattern of the Worker's.
        assets: Vec<String>,
    },
}

/// A rate limit bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The name in `env`.
    pub binding: String,
    /// What counts together.
    pub namespace_id: String,
    /// How often in each period.
    pub limit: u64,
    /// 10 or 60 seconds.
    pub period: u32,
}

/// A secret of a Secrets Store, bound to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// The name in `env`.
    pub binding: String,
    /// The store.
    pub store_id: String,
    /// What the secret is called there.
    pub secret_name: String,
}

/// Which files are modules of which type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleRule {
    /// `Text`, `Data`, `PythonModule` and so on.
    pub module_type: String,
    /// The files, relative to the module root.
    pub globs: Vec<String>,
    /// Whether later rules of the same type hold too.
    pub fallthrough: bool,
}

/// A command to run before the Worker starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// For `sh -c`.
    pub command: String,
    /// Where to run it.
    pub cwd: PathBuf,
    /// Folders whose changes call for a new build.
    pub watch_dirs: Vec<PathBuf>,
}

/// A binding that Isthmus can't serve yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// Its name in `env`; the key itself if it has none.
    pub binding: String,
    /// The key of the configuration that asks for it.
    pub key: &'static str,
    /// What it is, in words: `R2 bucket`.
    pub kind: &'static str,
    /// Where it is written.
    pub origin: Origin,
}

impl Project {
    /// Where a value was written, by its path in the configuration: `main`, `vars.NAME`,
    /// `kv_namespaces[0]`, also if an environment has it. `None` if it wasn't.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.origins.get(path)
    }

    /// Checks that the main module exists, which a build may have had to make first.
    ///
    /// # Errors
    /// A report with one error, at `main`.
    pub fn check_main(&self) -> Result<(), Report> {
        match main_fault(&self.main, self.build.as_ref()) {
            Some(diagnostic) => Err(self.place(diagnostic, "main").into()),
            None => Ok(()),
        }
    }

    /// One error for each binding that can't be served yet; `None` if there is no such binding.
    pub fn unserved_report(&self) -> Option<Report> {
        let diagnostics: Vec<Diagnostic> = self
            .unserved
            .iter()
            .map(|unserved| {
                let Unserved {
                    binding,
                    key,
                    kind,
                    origin,
                } = unserved;
                let message = if binding == key {
                    format!("`{key}` can't be served by Isthmus yet")
                } else {
                    format!("`{binding}`: bindings of the kind {kind} can't be served by Isthmus yet")
                };
                Diagnostic::error(message).at(origin.clone())
            })
            .collect();
        (!diagnostics.is_empty()).then_some(Report { diagnostics })
    }

    fn place(&self, diagnostic: Diagnostic, path: &str) -> Diagnostic {
        match self.origin(path) {
            Some(origin) => diagnostic.at(origin.clone()),
            None => diagnostic,
        }
    }
}

/// What is wrong with the file of the main module.
pub(crate) fn main_fault(main: &Path, build: Option<&Build>) -> Option<Diagnostic> {
    let shown = display_path(main);
    if main.is_file() {
        return None;
    }
    if main.is_dir() {
        return Some(
            Diagnostic::error(format!("`main` is a folder: {shown}"))
                .hint("`main` names the file of the Worker's main module"),
        );
    }
    let diagnostic = Diagnostic::error(format!("the main module doesn't exist: {shown}"));
    Some(match build {
        Some(build) => diagnostic.hint(format!("`{}` was to make it", build.command)),
        None => diagnostic.hint("`main` is relative to the folder of the configuration"),
    })
}
