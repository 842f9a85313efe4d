//! The conformance suite on buckets in memory: what it asks of an engine is no peculiarity of SQLite's.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};
use isthmus_stores::StoredBody;
use isthmus_stores::r2::{
    Completion, Condition, Draft, Facts, Found, HttpMetadata, ListEntry, ListPage, ListRange, NewUpload,
    ObjectRecord, R2Store, StoreFuture, StoredPart, StoredValue, UploadState, assemble,
};

use crate::conformance::r2 as suite;

#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, (ObjectRecord, Bytes)>,
    uploads: BTreeMap<String, Upload>,
}

struct Upload {
    of: NewUpload,
    is_over: bool,
    parts: BTreeMap<u32, (StoredPart, Bytes)>,
}

impl Contents {
    fn open_upload(&mut self, key: &str, upload: &str) -> Option<&mut Upload> {
        let found = self.uploads.get_mut(upload)?;
        (found.of.key == key && !found.is_over).then_some(found)
    }
}

#[derive(Clone, Default)]
struct MemoryR2(Arc<Mutex<Contents>>);

impl MemoryR2 {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("nobody panics with it")
    }
}

struct MemoryValue(Bytes);

impl StoredValue for MemoryValue {
    fn body(self: Box<Self>, range: Range<u64>) -> StoredBody {
        StoredBody::of_bytes(self.0.slice(range.start as usize..range.end as usize))
    }
}

struct MemoryDraft {
    store: MemoryR2,
    value: BytesMut,
}

impl Draft for MemoryDraft {
    fn push(&mut self, chunk: Bytes) -> StoreFuture<'_, ()> {
        self.value.extend_from_slice(&chunk);
        Box::pin(async { Ok(()) })
    }

    fn into_object(
        self: Box<Self>,
        object: ObjectRecord,
        only_if: Option<Condition>,
    ) -> StoreFuture<'static, bool> {
        Box::pin(async move {
            let mut contents = self.store.contents();
            let facts = contents.objects.get(&object.key).map(|(object, _)| Facts {
                etag: &object.etag,
                uploaded: object.uploaded,
            });
            let holds = only_if.is_none_or(|condition| condition.holds(facts));
            if holds {
                let entry = (object.clone(), self.value.freeze());
                contents.objects.insert(object.key, entry);
            }
            Ok(holds)
        })
    }

    fn into_part(
        self: Box<Self>,
        key: String,
        upload: String,
        part: StoredPart,
    ) -> StoreFuture<'static, bool> {
        Box::pin(async move {
            let mut contents = self.store.contents();
            let Some(open) = contents.open_upload(&key, &upload) else {
                return Ok(false);
            };
            open.parts.insert(part.number, (part, self.value.freeze()));
            Ok(true)
        })
    }
}

/// The part of a key up to and with the delimiter behind the prefix.
fn together<'a>(key: &'a str, range: &ListRange) -> Option<&'a str> {
    let delimiter = range.delimiter.as_deref()?;
    let at = key[range.prefix.len()..].find(delimiter)?;
    Some(&key[..range.prefix.len() + at + delimiter.len()])
}

fn list(contents: &Contents, range: &ListRange) -> ListPage {
    let from = range.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let (mut entries, mut last) = (Vec::new(), None);
    for (key, (object, _)) in contents.objects.range::<str, _>((from, Bound::Unbounded)) {
        if !key.starts_with(&range.prefix) {
            continue;
        }
        let entry = match together(key, range) {
            Some(together) => ListEntry::Prefix(together.to_owned()),
            None => {
                let mut object = object.clone();
                if !range.with_http {
                    object.metadata.http = HttpMetadata::default();
                }
                if !range.with_custom {
                    object.metadata.custom.clear();
                }
                ListEntry::Object(Box::new(object))
            }
        };
        if entries.last() != Some(&entry) {
            if entries.len() == range.limit {
                return ListPage { entries, last };
            }
            entries.push(entry);
        }
        last = Some(key.clone());
    }
    ListPage { entries, last: None }
}

impl R2Store for MemoryR2 {
    fn head<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<ObjectRecord>> {
        Box::pin(async { Ok(self.contents().objects.get(key).map(|(object, _)| object.clone())) })
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Found>> {
        Box::pin(async {
            let found = self.contents().objects.get(key).cloned();
            Ok(found.map(|(object, value)| Found {
                object,
                value: Box::new(MemoryValue(value)),
            }))
        })
    }

    fn draft(&self) -> Box<dyn Draft> {
        Box::new(MemoryDraft {
            store: self.clone(),
            value: BytesMut::new(),
        })
    }

    fn delete(&self, keys: Vec<String>) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut contents = self.contents();
            keys.iter().for_each(|key| drop(contents.objects.remove(key)));
            Ok(())
        })
    }

    fn list(&self, range: ListRange) -> StoreFuture<'_, ListPage> {
        Box::pin(async move { Ok(list(&self.contents(), &range)) })
    }

    fn create_upload(&self, of: NewUpload) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let upload = Upload {
                of: of.clone(),
                is_over: false,
                parts: BTreeMap::new(),
            };
            self.contents().uploads.insert(of.id, upload);
            Ok(())
        })
    }

    fn upload_state<'a>(&'a self, key: &'a str, upload: &'a str) -> StoreFuture<'a, Option<UploadState>> {
        Box::pin(async move {
            let contents = self.contents();
            let found = contents.uploads.get(upload).filter(|found| found.of.key == key);
            Ok(found.map(|found| {
                if found.is_over {
                    UploadState::Over
                } else {
                    UploadState::Open {
                        created: found.of.created,
                    }
                }
            }))
        })
    }

    fn complete(&self, completion: Completion) -> StoreFuture<'_, Option<ObjectRecord>> {
        Box::pin(async move {
            let mut contents = self.contents();
            let Some(open) = contents.open_upload(&completion.key, &completion.upload) else {
                return Ok(None);
            };
            let stored: Vec<_> = open.parts.values().map(|(part, _)| part.clone()).collect();
            let assembled = assemble(&completion.parts, &stored)?;
            let values = assembled.numbers.iter().map(|number| &open.parts[number].1[..]);
            let value = Bytes::from(values.collect::<Vec<_>>().concat());
            open.is_over = true;
            let object = ObjectRecord {
                key: completion.key.clone(),
                version: completion.version,
                size: assembled.size,
                etag: assembled.etag,
                uploaded: completion.uploaded,
                checksums: Vec::new(),
                metadata: open.of.metadata.clone(),
            };
            contents.objects.insert(completion.key, (object.clone(), value));
            Ok(Some(object))
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a str, _: i64) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if let Some(open) = self.contents().open_upload(key, upload) {
                open.is_over = true;
                open.parts.clear();
            }
            Ok(())
        })
    }

    fn abort_begun_before(&self, moment: i64, _: i64) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let mut contents = self.contents();
            let uploads = contents.uploads.values_mut();
            for open in uploads.filter(|open| !open.is_over && open.of.created < moment) {
                open.is_over = true;
                open.parts.clear();
            }
            Ok(())
        })
    }
}

suite::suite!(((), Arc::new(MemoryR2::default())));
