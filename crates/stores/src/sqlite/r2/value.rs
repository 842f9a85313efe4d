//! Values as they are found: bytes, open files, and files that are not deleted as long as somebody reads them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Shared;
use super::read::{self, Segment, SegmentBody};
use crate::StoredBody;
use crate::body::{BodySource, Part};
use crate::r2::{Found, R2Error, StoredValue};
use crate::sqlite::bodies::Pinned;

/// The segments of a value, in order: their lengths and where their bytes are.
struct Value(Vec<(u64, Content)>);

enum Content {
    Bytes(bytes::Bytes),
    File(BodySource),
}

impl StoredValue for Value {
    fn body(self: Box<Self>, range: Range<u64>) -> StoredBody {
        let mut begin = 0;
        let mut parts = Vec::new();
        for (length, content) in self.0 {
            let end = begin + length;
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                let (from, to) = (from - begin, to - begin);
                parts.push(match content {
                    // In memory, so it fits.
                    Content::Bytes(bytes) => Part::Bytes(bytes.slice(from as usize..to as usize)),
                    Content::File(file) => Part::File {
                        file,
                        start: from,
                        end: to,
                    },
                });
            }
            begin = end;
        }
        StoredBody::new(parts)
    }
}

impl Shared {
    /// Looks an object up that has its value in one piece; the outer `None` says that it has parts.
    pub(super) fn find_single(self: &Arc<Self>, key: &str) -> Result<Option<Option<Found>>, R2Error> {
        let _reading = self.bodies.reading();
        let Some((object, segment)) = self.read(|connection| read::single(connection, key))? else {
            return Ok(Some(None));
        };
        let Some(segment) = segment else {
            return Ok(None);
        };
        let content = match segment.body {
            SegmentBody::Bytes(bytes) => Content::Bytes(bytes),
            SegmentBody::File(name) => {
                Content::File(BodySource::Open(Arc::new(self.open(&name, segment.size)?)))
            }
        };
        Ok(Some(Some(Found {
            object,
            value: Box::new(Value(vec![(segment.size, content)])),
        })))
    }

    /// Looks any object up. Its files are pinned, not opened: there may be thousands.
    pub(super) fn find(self: &Arc<Self>, key: &str) -> Result<Option<Found>, R2Error> {
        let _reading = self.bodies.reading();
        let Some((object, segments)) = self.read(|connection| read::whole(connection, key))? else {
            return Ok(None);
        };
        let content = |Segment { size, body }| {
            let content = match body {
                SegmentBody::Bytes(bytes) => Content::Bytes(bytes),
                SegmentBody::File(name) => Content::File(BodySource::Kept(Arc::new(Pinned::new(self, name)))),
            };
            (size, content)
        };
        Ok(Some(Found {
            object,
            value: Box::new(Value(segments.into_iter().map(content).collect())),
        }))
    }

    fn open(&self, name: &str, length: u64) -> Result<File, R2Error> {
        let opened = self.bodies.files.open_body(name, length);
        let missing = || io::Error::other("the file of its value is missing or has another length");
        opened
            .and_then(|file| file.ok_or_else(missing))
            .map_err(|error| R2Error::store(format!("the object can't be read: {error}")))
    }
}
