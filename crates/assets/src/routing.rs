//! Whether the Worker or the assets get a request first:
//! [`run_worker_first`](https://developers.cloudflare.com/workers/static-assets/routing/worker-script/).

use isthmus_project::RunWorkerFirst;

use crate::pattern::glob;

/// To whom a path goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Worker,
    Assets,
    /// The assets if they have it.
    Undecided,
}

/// To whom a path goes by the configuration.
pub(crate) fn of(first: &RunWorkerFirst, path: &str) -> Route {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, path));
    match first {
        RunWorkerFirst::Never => Route::Undecided,
        RunWorkerFirst::Always => Route::Worker,
        RunWorkerFirst::Patterns { assets, .. } if any(assets) => Route::Assets,
        RunWorkerFirst::Patterns { worker, .. } if any(worker) => Route::Worker,
        RunWorkerFirst::Patterns { .. } => Route::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_come_first() {
        let first = RunWorkerFirst::Patterns {
            worker: vec!["/api/*".to_owned(), "/oauth".to_owned()],
            assets: vec!["/api/docs/*".to_owned()],
        };
        assert_eq!(of(&first, "/api/x"), Route::Worker);
        assert_eq!(of(&first, "/api/docs/x"), Route::Assets);
        assert_eq!(of(&first, "/oauth"), Route::Worker);
        assert_eq!(of(&first, "/oauth/x"), Route::Undecided);
    }
}
