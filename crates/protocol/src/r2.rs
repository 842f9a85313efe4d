//! Records of an R2 bucket. The value of an object or a part travels as the stream's body, of a known length.
//! Moments are milliseconds since the Unix epoch.

use serde::{Deserialize, Serialize};

/// An operation of an R2 bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// Looks an object up; the answer is [`Reply::Object`] or [`Reply::Nothing`].
    Head {
        /// The key.
        key: &'a str,
    },
    /// Reads an object; the answer is [`Reply::Value`], [`Reply::Object`] if the condition doesn't hold, or
    /// [`Reply::Nothing`].
    Get {
        /// The key.
        key: &'a str,
        /// Which bytes; all of them if it is absent.
        #[serde(borrow)]
        range: Option<Range<'a>>,
        /// What must be true of the object.
        #[serde(borrow)]
        only_if: Option<Condition<'a>>,
    },
    /// Writes the object that is the stream's body; the answer, sent when it is durable, is [`Reply::Object`], or
    /// [`Reply::Nothing`] if the condition doesn't hold.
    Put {
        /// The key.
        key: &'a str,
        /// What goes with it.
        #[serde(borrow)]
        metadata: Metadata<'a>,
        /// What must be true of the object that is there already.
        #[serde(borrow)]
        only_if: Option<Condition<'a>>,
        /// What the value's digest has to be.
        #[serde(borrow)]
        checksum: Option<Checksum<'a>>,
    },
    /// Deletes objects, which need not exist; the answer is [`Reply::Done`], sent when it is durable.
    Delete {
        /// The keys.
        #[serde(borrow)]
        keys: Vec<&'a str>,
    },
    /// Lists objects in the order of their keys' UTF-8 bytes; the answer is [`Reply::List`].
    List {
        /// At most this many objects and prefixes.
        limit: Option<i32>,
        /// Only keys that begin with this.
        prefix: Option<&'a str>,
        /// Where an earlier list ended.
        cursor: Option<&'a str>,
        /// What ends the part of a key, behind the prefix, by which keys are put together.
        delimiter: Option<&'a str>,
        /// Only keys after this one.
        start_after: Option<&'a str>,
        /// Whether the objects come with their HTTP metadata.
        with_http: bool,
        /// Whether the objects come with their custom metadata.
        with_custom: bool,
    },
    /// Begins an upload in parts; the answer is [`Reply::Upload`].
    CreateUpload {
        /// The key of the object to be.
        key: &'a str,
        /// What goes with it.
        #[serde(borrow)]
        metadata: Metadata<'a>,
    },
    /// Writes the part that is the stream's body; the answer is [`Reply::Part`], sent when it is durable.
    UploadPart {
        /// The key of the object to be.
        key: &'a str,
        /// The upload.
        upload: &'a str,
        /// The part's number, from 1 on.
        number: u32,
    },
    /// Makes an object of parts; the answer is [`Reply::Object`], sent when it is durable.
    CompleteUpload {
        /// The key of the object to be.
        key: &'a str,
        /// The upload.
        upload: &'a str,
        /// The parts.
        #[serde(borrow)]
        parts: Vec<Part<'a>>,
    },
    /// Gives an upload up; the answer is [`Reply::Done`].
    AbortUpload {
        /// The key.
        key: &'a str,
        /// The upload.
        upload: &'a str,
    },
}

/// The answer of an R2 bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// There is no such object, or a put's condition didn't hold.
    Nothing,
    /// An object without its value.
    Object(#[serde(borrow)] Object<'a>),
    /// An object; its value, or the range asked for, is the reply's body.
    Value(#[serde(borrow)] Object<'a>),
    /// Answers `Delete` and `AbortUpload`.
    Done,
    /// Answers `List`.
    List {
        /// The objects.
        #[serde(borrow)]
        objects: Vec<Object<'a>>,
        /// The prefixes that stand for several keys each, up to and with the delimiter.
        #[serde(borrow)]
        prefixes: Vec<&'a str>,
        /// Where to go on; `None` when the list is complete.
        cursor: Option<&'a str>,
    },
    /// Answers `CreateUpload`.
    Upload {
        /// The upload's name.
        id: &'a str,
    },
    /// Answers `UploadPart`.
    Part {
        /// What [`Operation::CompleteUpload`] knows it by.
        etag: &'a str,
    },
}

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range<'a> {
    /// As an HTTP header has it. One that can't be read stands for all bytes.
    Header(&'a str),
    /// From an offset, of a length.
    Span {
        /// 0 if absent.
        offset: Option<u64>,
        /// To the end if absent.
        length: Option<u64>,
    },
    /// The last bytes.
    Suffix(u64),
}

/// What must be true of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition<'a> {
    /// Its etag is one of these.
    #[serde(borrow)]
    pub etag_matches: Option<Vec<Etag<'a>>>,
    /// Its etag is none of these.
    #[serde(borrow)]
    pub etag_does_not_match: Option<Vec<Etag<'a>>>,
    /// It was uploaded before.
    pub uploaded_before: Option<i64>,
    /// It was uploaded after.
    pub uploaded_after: Option<i64>,
    /// Moments are compared by whole seconds.
    pub seconds: bool,
}

/// An etag in a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Etag<'a> {
    /// `*`.
    Any,
    /// A strong one.
    Strong(&'a str),
    /// A weak one.
    Weak(&'a str),
}

/// What goes with an object beside its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata<'a> {
    /// What is said of it in HTTP headers.
    #[serde(borrow)]
    pub http: HttpMetadata<'a>,
    /// The user's own names and values.
    #[serde(borrow)]
    pub custom: Vec<(&'a str, &'a str)>,
    /// How it is to be stored.
    pub storage_class: Option<&'a str>,
}

/// What is said of an object in HTTP headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpMetadata<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Language`.
    pub content_language: Option<&'a str>,
    /// `Content-Disposition`.
    pub content_disposition: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `Expires`.
    pub cache_expiry: Option<i64>,
}

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// MD5, 16 bytes.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

/// A digest of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum<'a> {
    /// How it is made.
    pub algorithm: Algorithm,
    /// The digest.
    #[serde(borrow, with = "serde_bytes")]
    pub digest: &'a [u8],
}

/// A part to make an object of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part<'a> {
    /// Its number.
    pub number: u32,
    /// What [`Reply::Part`] said of it.
    pub etag: &'a str,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object<'a> {
    /// The key.
    pub key: &'a str,
    /// Differs from those of all other objects that had or will have this key.
    pub version: &'a str,
    /// Its length in bytes, also where a range of it was asked for.
    pub size: u64,
    /// Its etag, without quotes.
    pub etag: &'a str,
    /// When it was written.
    pub uploaded: i64,
    /// Digests of its value, in the order of their algorithms.
    #[serde(borrow)]
    pub checksums: Vec<Checksum<'a>>,
    /// What goes with it; a list leaves out what it wasn't asked for.
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
    /// Offset and length of what is, or would be, read of it.
    pub range: Option<(u64, u64)>,
}
