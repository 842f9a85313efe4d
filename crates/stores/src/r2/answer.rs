//! What an operation comes to.

use isthmus_protocol::r2::Reply;

use super::ObjectRecord;
use crate::StoredBody;

/// What an operation comes to.
pub enum R2Answer {
    /// There is no such object, or a put's condition didn't hold.
    Nothing,
    /// An object, and offset and length of what would be read of it.
    Object(ObjectRecord, Option<(u64, u64)>),
    /// An object and what is read of it.
    Value {
        /// The object.
        object: ObjectRecord,
        /// Offset and length of what is read.
        range: (u64, u64),
        /// The bytes.
        body: StoredBody,
    },
    /// It is done.
    Done,
    /// Objects.
    List {
        /// The objects.
        objects: Vec<ObjectRecord>,
        /// Prefixes that stand for several.
        prefixes: Vec<String>,
        /// Where to go on.
        cursor: Option<String>,
    },
    /// An upload has begun.
    Upload {
        /// Its name.
        id: String,
    },
    /// A part was written.
    Part {
        /// What it is known by.
        etag: String,
    },
}

impl R2Answer {
    /// The answer as it travels.
    pub fn reply(&self) -> Reply<'_> {
        match self {
            Self::Nothing => Reply::Nothing,
            Self::Object(object, range) => Reply::Object(object.object(*range)),
            Self::Value { object, range, .. } => Reply::Value(object.object(Some(*range))),
            Self::Done => Reply::Done,
            Self::List {
                objects,
                prefixes,
                cursor,
            } => Reply::List {
                objects: objects.iter().map(|object| object.object(None)).collect(),
                prefixes: prefixes.iter().map(String::as_str).collect(),
                cursor: cursor.as_deref(),
            },
            Self::Upload { id } => Reply::Upload { id },
            Self::Part { etag } => Reply::Part { etag },
        }
    }

    /// The value that is the reply's body.
    pub fn take_body(&mut self) -> Option<StoredBody> {
        match self {
            Self::Value { body, .. } => Some(std::mem::replace(body, StoredBody::new([]))),
            _ => None,
        }
    }
}
