//! Stores on SQLite: one file per store under a root folder, one writing thread per file.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use isthmus_protocol::shell::Resource;
use rusqlite::Connection;

use crate::{
    Clock, Durability, RateLimiter, StoreError, SystemClock,
    cache::{CacheLimits, Caches},
    d1::D1Database,
    kv::KvNamespace,
    queue::Queue,
    r2::{R2Bucket, R2Store},
    state::{StateError, StateFolder, holds_stores},
};

mod ahead;
mod bodies;
mod body_draft;
pub(crate) mod cache_index;
mod d1;
mod database;
mod failure;
mod file_name;
mod kv;
mod large;
mod log_room;
mod open;
mod opened;
mod queue;
mod r2;
mod readers;
mod writer;

use opened::Opened;

pub(crate) use bodies::NamedBody;

pub use d1::SqliteD1;
pub use kv::SqliteKv;
pub use open::wait_until_closed;
pub use queue::SqliteQueue;
pub use r2::SqliteR2;

/// How the databases are kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqliteOptions {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// How large one database may grow, in bytes, rounded down to whole pages of 4 KiB; `None` for no limit but
    /// the disk's. Beyond it writes fail with status 507.
    pub max_bytes: Option<u64>,
}

/// For how long one statement of D1 may run, unless the caller says otherwise.
const D1_STATEMENT_TIME: Duration = Duration::from_secs(30);

/// All stores of one host, as files under one folder. The same id always gives the same open database.
pub struct SqliteStores {
    root: PathBuf,
    /// Held for its lock; `None` where the caller has none to share the folder with.
    folder: Option<StateFolder>,
    options: SqliteOptions,
    d1_statement_time: Duration,
    clock: Arc<dyn Clock>,
    open_kv: Opened<SqliteKv>,
    open_d1: Opened<SqliteD1>,
    /// For as long as the stores: consumers wait for what producers send.
    open_queues: Mutex<HashMap<String, Queue>>,
    open_r2: Arc<Opened<SqliteR2>>,
    open_secrets: Opened<SqliteKv>,
    limiters: Mutex<HashMap<String, Arc<RateLimiter>>>,
}

impl SqliteStores {
    /// Stores in a state folder, which need not exist yet; one of an older version is upgraded. Other processes may have
    /// stores open in it too, but none replaces them meanwhile.
    ///
    /// # Errors
    /// The folder can't be used: a newer Isthmus wrote it, it is being restored, the system refuses it.
    pub fn open(root: &Path, options: SqliteOptions) -> Result<Self, StateError> {
        let folder = StateFolder::open(root)?;
        let mut stores = Self::new(root.to_owned(), options);
        stores.folder = Some(folder);
        Ok(stores)
    }

    /// The state folder.
    pub fn root(&self) -> &Path {
        self.folder.as_ref().map_or(&self.root, StateFolder::path)
    }

    /// Stores under `root`, which need not exist yet, without a look at its version.
    pub fn new(root: PathBuf, options: SqliteOptions) -> Self {
        Self::with_clock(root, options, Arc::new(SystemClock))
    }

    /// The same with a clock of the caller's.
    pub fn with_clock(root: PathBuf, options: SqliteOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            root,
            folder: None,
            options,
            d1_statement_time: D1_STATEMENT_TIME,
            clock,
            open_kv: Opened::default(),
            open_d1: Opened::default(),
            open_queues: Mutex::default(),
            open_r2: Arc::default(),
            open_secrets: Opened::default(),
            limiters: Mutex::default(),
        }
    }

    /// The same stores, with another limit on how long one statement of D1 may run (usually 30 seconds). It counts for
    /// databases that are opened from now on.
    #[must_use]
    pub fn with_d1_statement_time(self, time: Duration) -> Self {
        Self {
            d1_statement_time: time,
            ..self
        }
    }

    /// The KV namespace `id`, made if it does not exist: the file `kv/ID.sqlite`, and the folder `kv/ID.bodies` once a value is
    /// long. It is closed when the last handle is dropped.
    ///
    /// # Errors
    /// The id can't name a file, or the database can't be opened.
    pub fn kv(&self, id: &str) -> Result<KvNamespace, StoreError> {
        self.namespace(&self.open_kv, "kv", id)
    }

    fn namespace(
        &self,
        opened: &Opened<SqliteKv>,
        folder: &str,
        id: &str,
    ) -> Result<KvNamespace, StoreError> {
        let path = self.file(folder, id)?;
        let store = opened.get(id, || SqliteKv::open(&path, self.options))?;
        let place = path.display().to_string();
        Ok(KvNamespace::new(store, Arc::clone(&self.clock), place))
    }

    /// The database file of a store.
    fn file(&self, folder: &str, id: &str) -> Result<PathBuf, StoreError> {
        let name = file_name::of(id).map_err(|reason| StoreError::InvalidId {
            id: id.to_owned(),
            reason,
        })?;
        Ok(self.root.join(folder).join(name))
    }

    /// Where the file is, in the state folder `root`, of what a command asks for; `None` if it is no single store, or has no
    /// name that a file can have.
    pub fn path_of(root: &Path, resource: &Resource<'_>) -> Option<PathBuf> {
        let (folder, id) = match resource {
            Resource::State => return None,
            Resource::R2 { name } => {
                let bucket = file_name::folder_of(name).ok()?;
                return Some(root.join("r2").join(bucket).join(r2::INDEX));
            }
            Resource::Kv { id } => ("kv", id),
            Resource::Secrets { id } => ("secrets_store", id),
            Resource::D1 { id } => ("d1", id),
            Resource::Queue { name } => ("queues", name),
        };
        Some(root.join(folder).join(file_name::of(id).ok()?))
    }

    /// Whether there is, in the state folder `root`, what a command asks for; of the folder itself, whether it holds any
    /// store. What has no name that a file can have is nowhere.
    ///
    /// # Errors
    /// It can't be looked for.
    pub fn has(root: &Path, resource: &Resource<'_>) -> io::Result<bool> {
        match (resource, Self::path_of(root, resource)) {
            (Resource::State, _) => holds_stores(root),
            (_, Some(path)) => path.try_exists(),
            (_, None) => Ok(false),
        }
    }

    /// The store of secrets `id`: its keys are their names. The file `secrets_store/ID.sqlite`, else as [`Self::kv`].
    ///
    /// # Errors
    /// As [`Self::kv`].
    pub fn secrets(&self, id: &str) -> Result<KvNamespace, StoreError> {
        self.namespace(&self.open_secrets, "secrets_store", id)
    }

    /// The rate limits of the namespace `id`; the same for the same id.
    pub fn rate_limiter(&self, id: &str) -> Arc<RateLimiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters
            .entry(id.to_owned())
            .or_insert_with(|| Arc::new(RateLimiter::new(Arc::clone(&self.clock))));
        Arc::clone(limiter)
    }

    /// The D1 database `id`, made if it does not exist: the file `d1/ID.sqlite`. It is closed when the last handle is
    /// dropped.
    ///
    /// # Errors
    /// The id can't name a file, or the database can't be opened.
    pub fn d1(&self, id: &str) -> Result<D1Database, StoreError> {
        let open = || {
            let path = self.file("d1", id)?;
            SqliteD1::open(&path, self.options, self.d1_statement_time, self.clock.now_ms())
        };
        Ok(D1Database::new(self.open_d1.get(id, open)?))
    }

    /// The ids of the KV namespaces that exist, sorted.
    ///
    /// # Errors
    /// Their folder can't be read.
    pub fn kv_ids(&self) -> Result<Vec<String>, StoreError> {
        self.ids_in("kv")
    }

    /// The ids of the stores of secrets that exist, sorted.
    ///
    /// # Errors
    /// Their folder can't be read.
    pub fn secrets_ids(&self) -> Result<Vec<String>, StoreError> {
        self.ids_in("secrets_store")
    }

    fn ids_in(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let path = self.root.join(folder);
        file_name::ids_in(&path).map_err(|source| StoreError::ReadFolder { path, source })
    }

    /// The queue `name`, made if it does not exist: the file `queues/NAME.sqlite`.
    ///
    /// # Errors
    /// The name can't name a file, or the database can't be opened.
    pub fn queue(&self, name: &str) -> Result<Queue, StoreError> {
        let mut open = self.open_queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = open.get(name) {
            return Ok(queue.clone());
        }
        let store = SqliteQueue::open(&self.file("queues", name)?, self.options)?;
        let queue = Queue::new(name, Arc::new(store), Arc::clone(&self.clock));
        open.insert(name.to_owned(), queue.clone());
        Ok(queue)
    }

    /// The R2 bucket `name`: the folder `r2/NAME`, which is opened, and made if it does not exist, at its first use.
    ///
    /// # Errors
    /// The name can't be that of a folder.
    pub fn r2(&self, name: &str) -> Result<R2Bucket, StoreError> {
        let folder = file_name::folder_of(name).map_err(|reason| StoreError::InvalidId {
            id: name.to_owned(),
            reason,
        })?;
        let folder = self.root.join("r2").join(folder);
        let (opened, options) = (Arc::clone(&self.open_r2), self.options);
        let name = name.to_owned();
        let find = move || {
            let (opened, name, folder) = (Arc::clone(&opened), name.clone(), folder.clone());
            let path = folder.clone();
            let find = move || opened.get(&name, || SqliteR2::open(&folder, options));
            async {
                match tokio::task::spawn_blocking(find).await {
                    Ok(found) => found.map(|store| store as Arc<dyn R2Store>),
                    Err(error) => Err(StoreError::Open {
                        path,
                        reason: error.to_string(),
                    }),
                }
            }
        };
        Ok(R2Bucket::new(find, Arc::clone(&self.clock)))
    }

    /// The names of the R2 buckets that exist, sorted.
    ///
    /// # Errors
    /// Their folder can't be read.
    pub fn r2_names(&self) -> Result<Vec<String>, StoreError> {
        let path = self.root.join("r2");
        file_name::folder_ids_in(&path).map_err(|source| StoreError::ReadFolder { path, source })
    }

    /// The names of the queues that exist, sorted.
    ///
    /// # Errors
    /// Their folder can't be read.
    pub fn queue_names(&self) -> Result<Vec<String>, StoreError> {
        self.ids_in("queues")
    }

    /// The caches of the Cache API: the folder `cache`. It is opened at its first use.
    pub fn caches(&self, limits: CacheLimits) -> Caches {
        Caches::new(
            self.root.join("cache"),
            self.options,
            limits,
            Arc::clone(&self.clock),
        )
    }
}

/// The newest version that is known of a kind of database (`PRAGMA user_version`), by its `PRAGMA application_id`; `None` if
/// the kind isn't known.
pub(crate) fn newest_version(application_id: i64) -> Option<i64> {
    let known = [
        &kv::SCHEMA,
        &d1::SCHEMA,
        &queue::SCHEMA,
        &r2::SCHEMA,
        &cache_index::SCHEMA,
    ];
    let schema = known
        .iter()
        .find(|schema| schema.application_id == application_id)?;
    Some(schema.version())
}

/// The bodies in files beside it that a database names; none if it is of a kind that has no such.
pub(crate) fn bodies_named_by(database: &Connection) -> rusqlite::Result<Vec<NamedBody>> {
    let kind: i64 = database.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if kind == r2::SCHEMA.application_id {
        r2::bodies_named_by(database)
    } else if kind == kv::SCHEMA.application_id {
        kv::bodies_named_by(database)
    } else {
        Ok(Vec::new())
    }
}
