//! An R2 bucket in one folder: `index.sqlite` with what is known of the objects and with short values, `bodies/` with the
//! long ones, a file each ([`super::bodies`]). An object made of parts keeps them, each with a value of its own.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{
    SqliteOptions,
    bodies::{self, Bodies, BodyStore},
    database::{self, Schema},
    failure::Failure,
    readers::Readers,
    writer::Writer,
};
use crate::StoreError;
use crate::r2::{
    Completion, Draft, Found, ListPage, ListRange, NewUpload, ObjectRecord, R2Error, R2Store, StoreFuture,
    UploadState,
};

mod draft;
mod read;
mod value;
mod write;

pub(super) use read::bodies_named_by;

use draft::SqliteDraft;
use write::{R2Write, Slot};

/// Keys are BLOBs of UTF-8, so that they sort by bytes. Values come last: the columns before are read without touching
/// them. A row of `objects` without file and body has its value in `parts`.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x4973_5232, // "IsR2"
    create: "
        CREATE TABLE objects (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            version TEXT NOT NULL,
            size INTEGER NOT NULL,
            etag TEXT NOT NULL,
            uploaded INTEGER NOT NULL,
            checksums TEXT NOT NULL,
            storage_class TEXT,
            http TEXT NOT NULL,
            custom TEXT NOT NULL,
            file TEXT,
            body BLOB
        ) STRICT;
        CREATE INDEX objects_by_file ON objects (file) WHERE file IS NOT NULL;
        CREATE TABLE uploads (
            id TEXT PRIMARY KEY,
            key BLOB NOT NULL,
            created INTEGER NOT NULL,
            ended INTEGER,
            storage_class TEXT,
            http TEXT NOT NULL,
            custom TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX uploads_by_end ON uploads (ended) WHERE ended IS NOT NULL;
        CREATE TABLE parts (
            id INTEGER PRIMARY KEY,
            upload TEXT NOT NULL,
            number INTEGER NOT NULL,
            object INTEGER,
            size INTEGER NOT NULL,
            etag TEXT NOT NULL,
            md5 BLOB NOT NULL,
            file TEXT,
            body BLOB,
            UNIQUE (upload, number)
        ) STRICT;
        CREATE INDEX parts_by_object ON parts (object, number) WHERE object IS NOT NULL;
        CREATE INDEX parts_by_file ON parts (file) WHERE file IS NOT NULL;
        CREATE TABLE garbage (id INTEGER PRIMARY KEY, file TEXT NOT NULL) STRICT;
        CREATE TRIGGER object_removed AFTER DELETE ON objects BEGIN
            DELETE FROM parts WHERE object = old.id;
            INSERT INTO garbage (file) SELECT old.file WHERE old.file IS NOT NULL;
        END;
        CREATE TRIGGER object_replaced AFTER UPDATE OF version ON objects BEGIN
            DELETE FROM parts WHERE object = old.id;
            INSERT INTO garbage (file) SELECT old.file WHERE old.file IS NOT NULL;
        END;
        CREATE TRIGGER part_removed AFTER DELETE ON parts WHEN old.file IS NOT NULL BEGIN
            INSERT INTO garbage (file) VALUES (old.file);
        END;
        CREATE TRIGGER part_replaced AFTER UPDATE OF etag ON parts WHEN old.file IS NOT NULL BEGIN
            INSERT INTO garbage (file) VALUES (old.file);
        END;
    ",
    upgrades: &[],
};

/// The name of the database in the folder of a bucket.
pub(super) const INDEX: &str = "index.sqlite";

/// That an upload is over is remembered so long, in milliseconds: until then it is told from one that never was.
const REMEMBERED: i64 = 7 * 24 * 3_600_000;

/// A bucket in one folder.
pub struct SqliteR2 {
    shared: Arc<Shared>,
}

/// What drafts and values that are read have of the bucket, too.
struct Shared {
    readers: Readers,
    writer: Writer<R2Write>,
    bodies: Bodies,
}

impl SqliteR2 {
    /// Opens the bucket in `folder`, and makes it if it does not exist.
    ///
    /// # Errors
    /// It can't be opened, is a database of something else, or was written by a newer Isthmus.
    pub fn open(folder: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = folder.join(INDEX);
        let connection = database::open(&path, &SCHEMA, options)?;
        let shared = Arc::new(Shared {
            readers: Readers::new(path.clone()),
            writer: Writer::start(connection, &path, options)?,
            bodies: Bodies::new(&path, options.durability),
        });
        bodies::sweep(&shared);
        shared.tidy();
        Ok(Self { shared })
    }

    /// How many transactions were committed since it was opened. Many writes share one.
    pub fn commits(&self) -> u64 {
        self.shared.writer.commits()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer's connection is to be the last: it puts the log into the database.
        self.readers.close();
    }
}

impl Shared {
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, R2Error> {
        Ok(self.readers.with(read)?)
    }

    /// Deletes files that are not needed any more.
    fn tidy(self: &Arc<Self>) {
        bodies::tidy(self);
    }
}

impl BodyStore for Shared {
    fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    fn readers(&self) -> &Readers {
        &self.readers
    }

    fn forget(&self, ids: Vec<i64>) -> impl Future<Output = Result<(), Failure>> + Send {
        self.writer.submit(R2Write::ForgetGarbage { ids })
    }

    fn is_used(connection: &Connection, file: &str) -> rusqlite::Result<bool> {
        read::is_used(connection, file)
    }
}

impl From<Failure> for R2Error {
    fn from(failure: Failure) -> Self {
        Self::store(failure)
    }
}

impl R2Store for SqliteR2 {
    fn head<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<ObjectRecord>> {
        Box::pin(async { self.shared.read(|connection| read::head(connection, key)) })
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Found>> {
        Box::pin(async {
            if let Some(found) = self.shared.find_single(key)? {
                return Ok(found);
            }
            let (shared, key) = (Arc::clone(&self.shared), key.to_owned());
            let found = tokio::task::spawn_blocking(move || shared.find(&key));
            found.await.map_err(R2Error::store)?
        })
    }

    fn draft(&self) -> Box<dyn Draft> {
        Box::new(SqliteDraft::new(Arc::clone(&self.shared)))
    }

    fn delete(&self, keys: Vec<String>) -> StoreFuture<'_, ()> {
        let written = self.shared.writer.submit(R2Write::Delete { keys });
        Box::pin(async {
            written.await?;
            self.shared.tidy();
            Ok(())
        })
    }

    fn list(&self, range: ListRange) -> StoreFuture<'_, ListPage> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let read =
                tokio::task::spawn_blocking(move || shared.read(|connection| read::list(connection, &range)));
            read.await.map_err(R2Error::store)?
        })
    }

    fn create_upload(&self, upload: NewUpload) -> StoreFuture<'_, ()> {
        let written = self.shared.writer.submit(R2Write::CreateUpload(upload));
        Box::pin(async { Ok(written.await?) })
    }

    fn upload_state<'a>(&'a self, key: &'a str, upload: &'a str) -> StoreFuture<'a, Option<UploadState>> {
        Box::pin(async move {
            self.shared
                .read(|connection| read::upload_state(connection, key, upload))
        })
    }

    fn complete(&self, completion: Completion) -> StoreFuture<'_, Option<ObjectRecord>> {
        let outcome = Slot::default();
        let write = R2Write::Complete {
            completion,
            outcome: Arc::clone(&outcome),
        };
        let written = self.shared.writer.submit(write);
        Box::pin(async move {
            written.await?;
            self.shared.tidy();
            write::take(&outcome).unwrap_or(Ok(None))
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a str, now: i64) -> StoreFuture<'a, ()> {
        let write = R2Write::Abort {
            key: key.to_owned(),
            upload: upload.to_owned(),
            now,
        };
        let written = self.shared.writer.submit(write);
        Box::pin(async {
            written.await?;
            self.shared.tidy();
            Ok(())
        })
    }

    fn abort_begun_before(&self, moment: i64, now: i64) -> StoreFuture<'_, ()> {
        let aborted = self
            .shared
            .writer
            .submit(R2Write::AbortBegunBefore { moment, now });
        self.shared.writer.post(R2Write::ForgetUploads {
            before: now - REMEMBERED,
        });
        Box::pin(async {
            aborted.await?;
            self.shared.tidy();
            Ok(())
        })
    }
}
