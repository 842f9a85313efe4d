//! `isthmus r2 …`, with wrangler's words.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::state::StateArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum R2Command {
    /// Work with objects.
    #[command(subcommand)]
    Object(Box<R2ObjectCommand>),
    /// Work with buckets.
    #[command(subcommand)]
    Bucket(R2BucketCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum R2ObjectCommand {
    /// Fetch an object from an R2 bucket.
    Get(R2GetArguments),
    /// Create an object in an R2 bucket.
    Put(R2PutArguments),
    /// Delete an object in an R2 bucket.
    Delete(R2DeleteArguments),
    /// List the objects of an R2 bucket, as JSON.
    List(R2ListArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum R2BucketCommand {
    /// List the buckets that the project binds or the state folder holds.
    List(R2BucketListArguments),
}

/// Which object.
#[derive(Debug, Args)]
pub(crate) struct R2ObjectArguments {
    /// The object, as BUCKET/KEY.
    #[arg(value_name = "BUCKET/KEY")]
    pub(crate) path: String,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct R2GetArguments {
    #[command(flatten)]
    pub(crate) object: R2ObjectArguments,

    /// The file to create [default: one of the key's name].
    #[arg(long, short, value_name = "FILE", conflicts_with = "pipe")]
    pub(crate) file: Option<PathBuf>,

    /// Write the object to standard output.
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) pipe: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("content").required(true).args(["file", "pipe"]))]
pub(crate) struct R2PutArguments {
    #[command(flatten)]
    pub(crate) object: R2ObjectArguments,

    /// The file to upload.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Take the object from standard input.
    #[arg(long, short)]
    pub(crate) pipe: bool,

    /// The media type of the object.
    #[arg(long, visible_alias = "ct", value_name = "TEXT")]
    pub(crate) content_type: Option<String>,

    /// How the object is to be presented.
    #[arg(long, visible_alias = "cd", value_name = "TEXT")]
    pub(crate) content_disposition: Option<String>,

    /// The content codings that were applied to the object.
    #[arg(long, visible_alias = "ce", value_name = "TEXT")]
    pub(crate) content_encoding: Option<String>,

    /// The language of the object.
    #[arg(long, visible_alias = "cl", value_name = "TEXT")]
    pub(crate) content_language: Option<String>,

    /// How the object may be cached.
    #[arg(long, visible_alias = "cc", value_name = "TEXT")]
    pub(crate) cache_control: Option<String>,

    /// From when on the object may not be cached, in milliseconds since the epoch.
    #[arg(long, value_name = "MILLISECONDS", allow_negative_numbers = true)]
    pub(crate) expires: Option<i64>,

    /// The storage class, Standard or InfrequentAccess.
    #[arg(long, short, value_name = "CLASS")]
    pub(crate) storage_class: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct R2DeleteArguments {
    #[command(flatten)]
    pub(crate) object: R2ObjectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct R2ListArguments {
    /// The bucket.
    pub(crate) bucket: String,

    /// Only keys that begin with this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,

    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct R2BucketListArguments {
    #[command(flatten)]
    pub(crate) state: StateArguments,
}
