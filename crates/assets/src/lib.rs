//! Static assets: a folder and what a request gets of it
//! ([`assets`](https://developers.cloudflare.com/workers/static-assets/) of the configuration).
//!
//! | file | what |
//! |---|---|
//! | `folder` | which files there are, their tags and types |
//! | `paths` | the path of a URL and the path of a file |
//! | `intent` | which file a path means: `html_handling`, `not_found_handling` |
//! | `pattern` | the patterns of rules: `*`, `:name` |
//! | `redirects`, `headers` | the files `_redirects` and `_headers` |
//! | `range` | `Range` and `If-Range` |
//! | `answer` | all of it together: [`Assets`] |
//! | `routing` | whether the Worker or the assets get a request first |
//!
//! Files are looked at when they are asked for, so that a change is seen at once; each look is a system call or three.

#![warn(missing_docs)]

mod answer;
mod folder;
mod headers;
mod intent;
mod paths;
mod pattern;
mod range;
mod redirects;
mod routing;
mod rules;

pub use answer::{Answer, Asked, Assets, Content};
pub use rules::Complaint;

use isthmus_project::{HtmlHandling, NotFoundHandling, RunWorkerFirst};

/// How a folder is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which URLs HTML files have.
    pub html_handling: HtmlHandling,
    /// What becomes of paths without a file.
    pub not_found_handling: NotFoundHandling,
    /// Which requests are the Worker's first.
    pub run_worker_first: RunWorkerFirst,
    /// A browser that goes to a path without a file gets what [`Self::not_found_handling`] says, and not the Worker's answer:
    /// the compatibility flag `assets_navigation_prefers_asset_serving`.
    pub navigation_prefers_assets: bool,
}

/// A folder that can't be served.
#[derive(Debug, thiserror::Error)]
#[error("{path} can't be read: {reason}")]
pub struct Unreadable {
    /// The folder or the file in it.
    pub path: String,
    /// Why not.
    pub reason: std::io::Error,
}
