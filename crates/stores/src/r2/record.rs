//! What is known of an object.

use isthmus_protocol::r2::{self, Algorithm};
use serde::{Deserialize, Serialize};

/// Digests of a value by their algorithm, in its order.
pub type Checksums = Vec<(Algorithm, Vec<u8>)>;

/// What is known of an object beside its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// The key.
    pub key: String,
    /// Differs from those of all other objects that had or will have this key.
    pub version: String,
    /// The value's length in bytes.
    pub size: u64,
    /// The etag, without quotes.
    pub etag: String,
    /// When it was written, in milliseconds since the epoch.
    pub uploaded: i64,
    /// Digests of the value.
    pub checksums: Checksums,
    /// What the user has said of it.
    pub metadata: Metadata,
}

/// What the user has said of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// In HTTP headers.
    pub http: HttpMetadata,
    /// By names of the user's own.
    pub custom: Vec<(String, String)>,
    /// How it is to be stored; every class is the same here.
    pub storage_class: Option<String>,
}

/// What the user has said of an object in HTTP headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpMetadata {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Expires`, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_expiry: Option<i64>,
}

impl ObjectRecord {
    /// The record as it travels, with offset and length of what is read.
    pub(super) fn object(&self, range: Option<(u64, u64)>) -> r2::Object<'_> {
        let Self {
            key,
            version,
            size,
            etag,
            uploaded,
            checksums,
            metadata,
        } = self;
        let checksums = checksums.iter().map(|(algorithm, digest)| r2::Checksum {
            algorithm: *algorithm,
            digest,
        });
        r2::Object {
            key,
            version,
            size: *size,
            etag,
            uploaded: *uploaded,
            checksums: checksums.collect(),
            metadata: metadata.borrowed(),
            range,
        }
    }
}

impl Metadata {
    fn borrowed(&self) -> r2::Metadata<'_> {
        let http = &self.http;
        r2::Metadata {
            http: r2::HttpMetadata {
                content_type: http.content_type.as_deref(),
                content_language: http.content_language.as_deref(),
                content_disposition: http.content_disposition.as_deref(),
                content_encoding: http.content_encoding.as_deref(),
                cache_control: http.cache_control.as_deref(),
                cache_expiry: http.cache_expiry,
            },
            custom: self
                .custom
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect(),
            storage_class: self.storage_class.as_deref(),
        }
    }
}

impl From<&r2::Metadata<'_>> for Metadata {
    fn from(metadata: &r2::Metadata<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let http = metadata.http;
        Self {
            http: HttpMetadata {
                content_type: owned(http.content_type),
                content_language: owned(http.content_language),
                content_disposition: owned(http.content_disposition),
                content_encoding: owned(http.content_encoding),
                cache_control: owned(http.cache_control),
                cache_expiry: http.cache_expiry,
            },
            custom: metadata
                .custom
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            storage_class: owned(metadata.storage_class),
        }
    }
}
