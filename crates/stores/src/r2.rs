//! R2 as the platform sees it, over a store of any kind. <https://developers.cloudflare.com/r2/api/workers/>
//!
//! | file | what |
//! |---|---|
//! | `bucket` | [`R2Bucket`]: one operation after the other |
//! | `upload` | [`R2Upload`]: a value on its way in |
//! | `limits`, `condition`, `range`, `multipart` | the platform's rules, in its order of checks |
//! | `digest` | the digests of a value as it comes |
//! | `record` | what is known of an object |
//! | `answer` | what an operation comes to |
//! | `store` | [`R2Store`]: what an engine must do |

mod answer;
mod bucket;
mod condition;
mod digest;
mod error;
mod limits;
mod multipart;
mod range;
mod record;
mod store;
mod upload;

pub use answer::R2Answer;
pub use bucket::R2Bucket;
pub use condition::{Condition, Etag, Facts};
pub use error::R2Error;
pub(crate) use error::hex;
pub use limits::{
    MAX_DELETED_KEYS, MAX_KEY_BYTES, MAX_LIST_KEYS, MAX_METADATA_BYTES, MAX_VALUE_BYTES, MIN_PART_BYTES,
};
pub use multipart::{Assembled, ChosenPart, StoredPart, assemble};
pub use record::{Checksums, HttpMetadata, Metadata, ObjectRecord};
pub use store::{
    Completion, Draft, Found, ListEntry, ListPage, ListRange, NewUpload, R2Store, StoreFuture, StoredValue,
    UploadState,
};
pub use upload::R2Upload;
