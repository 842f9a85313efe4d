//! Why an operation failed: the platform's codes and messages.

use std::fmt::Write;

use isthmus_protocol::r2::{Algorithm, Operation};

use crate::StoreError;

const INTERNAL: u32 = 10001;

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct R2Error {
    /// The platform's code.
    pub code: u32,
    /// The message, without the operation and the code.
    pub message: String,
    /// What the log says of a store that fails: where it lies, too.
    pub log: Option<String>,
}

impl R2Error {
    fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            log: None,
        }
    }

    /// The store can't be opened.
    pub(super) fn unopened(error: &StoreError) -> Self {
        Self {
            log: Some(error.to_string()),
            ..Self::store(error.reason())
        }
    }

    /// The store failed, for this reason.
    pub fn store(reason: impl ToString) -> Self {
        Self::new(INTERNAL, reason.to_string())
    }

    /// Whether the store failed rather than the caller.
    pub fn is_internal(&self) -> bool {
        self.code == INTERNAL
    }

    /// The message of the JavaScript `Error`: `put: The specified object name is not valid. (10020)`.
    pub fn message_of(&self, operation: &Operation<'_>) -> String {
        let action = match operation {
            Operation::Head { .. } => "head",
            Operation::Get { .. } => "get",
            Operation::Put { .. } => "put",
            Operation::Delete { .. } => "delete",
            Operation::List { .. } => "list",
            Operation::CreateUpload { .. } => "createMultipartUpload",
            Operation::UploadPart { .. } => "uploadPart",
            Operation::CompleteUpload { .. } => "completeMultipartUpload",
            Operation::AbortUpload { .. } => "abortMultipartUpload",
        };
        format!("{action}: {self}")
    }

    pub(super) fn too_large() -> Self {
        Self::new(
            100_100,
            "Your proposed upload exceeds the maximum allowed object size.",
        )
    }

    pub(super) fn too_small() -> Self {
        Self::new(
            10011,
            "Your proposed upload is smaller than the minimum allowed object size.",
        )
    }

    pub(super) fn metadata_too_large() -> Self {
        Self::new(
            10012,
            "Your metadata headers exceed the maximum allowed metadata size.",
        )
    }

    pub(super) fn invalid_key() -> Self {
        Self::new(10020, "The specified object name is not valid.")
    }

    pub(super) fn invalid_limit() -> Self {
        Self::new(10022, "MaxKeys params must be positive integer <= 1000.")
    }

    /// No upload of this key has this name, or it is over.
    pub(super) fn no_such_upload() -> Self {
        Self::new(10024, "The specified multipart upload does not exist.")
    }

    pub(super) fn invalid_part() -> Self {
        Self::new(10025, "One or more of the specified parts could not be found.")
    }

    /// Miniflare deletes as many as it is told; this is the platform's own.
    pub(super) fn too_many_keys() -> Self {
        Self::new(
            10027,
            "The number of keys in the request must be between 1 and 1000 inclusive.",
        )
    }

    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(10029, message)
    }

    pub(super) fn bad_digest(algorithm: Algorithm, provided: &[u8], calculated: &[u8]) -> Self {
        let name = match algorithm {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha384 => "SHA-384",
            Algorithm::Sha512 => "SHA-512",
        };
        Self::new(
            10037,
            format!(
                "The {name} checksum you specified did not match what we received.\n\
                 You provided a {name} checksum with value: {}\nActual {name} was: {}",
                hex(provided),
                hex(calculated)
            ),
        )
    }

    pub(super) fn invalid_range() -> Self {
        Self::new(10039, "The requested range is not satisfiable")
    }

    pub(super) fn bad_upload() -> Self {
        Self::new(10048, "There was a problem with the multipart upload.")
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
