//! Whether the Worker or the assets get a request first:
//! [`run_worker_first`](https://developers.cloudflare.com/workers/static-assets/routing/worker-script/).

use crate::pattern::glob;

/// The most patterns.
const PATTERNS_MAX: usize = 100;

/// Who gets which path first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Routes {
    /// The assets; what they don't have is the Worker's.
    #[default]
    AssetsFirst,
    /// The Worker, always.
    WorkerFirst,
    /// By patterns; what fits none goes to the assets first.
    Patterns {
        /// The Worker's.
        worker: Vec<String>,
        /// The assets', though they may fit a pattern of the Worker's.
        assets: Vec<String>,
    },
}

/// A pattern that says nothing, or too many of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnusableRoute {
    /// Which pattern, from 0; `None` if it concerns all.
    pub at: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// To whom a path goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Worker,
    Assets,
    /// The assets if they have it.
    Undecided,
}

impl Routes {
    /// Routes by the patterns of a configuration; those that begin with `!` are the assets'.
    ///
    /// # Errors
    /// The first pattern that can't be used.
    pub fn from_patterns(patterns: &[String]) -> Result<Self, UnusableRoute> {
        let of_all = |message: &str| UnusableRoute {
            at: None,
            message: message.to_owned(),
        };
        if patterns.len() > PATTERNS_MAX {
            return Err(of_all(&format!("there may be {PATTERNS_MAX} patterns")));
        }
        let (mut worker, mut assets) = (Vec::new(), Vec::new());
        for (at, pattern) in patterns.iter().enumerate() {
            let (list, path) = match pattern.strip_prefix('!') {
                Some(path) => (&mut assets, path),
                None => (&mut worker, pattern.as_str()),
            };
            let message = if !path.starts_with('/') {
                "a pattern begins with `/` or `!/`"
            } else if path.len() > 100 {
                "a pattern has at most 100 characters"
            } else if list.iter().any(|known| known == path) {
                "the pattern is there twice"
            } else {
                list.push(path.to_owned());
                continue;
            };
            return Err(UnusableRoute {
                at: Some(at),
                message: message.to_owned(),
            });
        }
        if worker.is_empty() {
            return Err(of_all("at least one pattern must be without `!`"));
        }
        Ok(Self::Patterns { worker, assets })
    }

    pub(crate) fn of(&self, path: &str) -> Route {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, path));
        match self {
            Self::AssetsFirst => Route::Undecided,
            Self::WorkerFirst => Route::Worker,
            Self::Patterns { assets, .. } if any(assets) => Route::Assets,
            Self::Patterns { worker, .. } if any(worker) => Route::Worker,
            Self::Patterns { .. } => Route::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> Result<Routes, UnusableRoute> {
        let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Routes::from_patterns(&patterns)
    }

    #[test]
    fn exceptions_come_first() {
        let routes = patterns(&["/api/*", "!/api/docs/*", "/oauth"]).expect("routes");
        assert_eq!(routes.of("/api/x"), Route::Worker);
        assert_eq!(routes.of("/api/docs/x"), Route::Assets);
        assert_eq!(routes.of("/oauth"), Route::Worker);
        assert_eq!(routes.of("/oauth/x"), Route::Undecided);
    }

    #[test]
    fn patterns_that_cannot_be_used() {
        assert_eq!(patterns(&["/a", "b"]).map_err(|error| error.at), Err(Some(1)));
        assert_eq!(patterns(&["/a", "/a"]).map_err(|error| error.at), Err(Some(1)));
        assert_eq!(patterns(&["!/a"]).map_err(|error| error.at), Err(None));
        assert_eq!(patterns(&[]).map_err(|error| error.at), Err(None));
    }
}
