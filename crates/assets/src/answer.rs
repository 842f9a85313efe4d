//! What a request gets.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use isthmus_project::{HtmlHandling, NotFoundHandling, RunWorkerFirst};
use url::Url;

use crate::folder::{self, Folder, Found, Opened};
use crate::headers::Headers;
use crate::intent::{self, Intent};
use crate::paths;
use crate::range::{self, Part};
use crate::redirects::{Led, Redirects};
use crate::routing::{self, Route};
use crate::rules::{Complaint, Complaints};
use crate::{Options, Unreadable};

/// How often it is looked whether the files of rules have changed, in milliseconds.
const LOOK_MS: u64 = 500;

/// Files that say how others are served.
const RULE_FILES: [&str; 3] = [".assetsignore", "_redirects", "_headers"];

/// Browsers keep an asset, but ask each time whether it is still the same.
const ALWAYS_ASK: &str = "public, max-age=0, must-revalidate";

/// A folder that is served.
pub struct Assets {
    root: PathBuf,
    options: Options,
    complain: Box<dyn Fn(Complaint) + Send + Sync>,
    rules: RwLock<Arc<Rules>>,
    opened: Instant,
    /// When it was last looked for changed rules, in milliseconds since `opened`.
    looked: AtomicU64,
}

/// What the files of rules say.
struct Rules {
    folder: Folder,
    redirects: Redirects,
    headers: Headers,
    stamps: [Option<SystemTime>; RULE_FILES.len()],
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its URL, absolute.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// What it gets.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, but for the length.
    pub headers: HeaderMap,
    /// The body.
    pub content: Content,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// There is none.
    Nothing,
    /// Part of a file, from the byte `start` to before the byte `end`.
    File {
        /// The file, open for reading.
        file: File,
        /// Where it begins.
        start: u64,
        /// Where it ends.
        end: u64,
    },
}

/// What came of looking for a request's asset.
enum Outcome {
    Answer(Answer),
    /// There is nothing for it.
    Nothing,
}

impl Assets {
    /// Opens a folder. `complain` hears of rules that are ignored, now and when their files have changed.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(
        root: &Path,
        options: Options,
        complain: Box<dyn Fn(Complaint) + Send + Sync>,
    ) -> Result<Self, Unreadable> {
        let rules = Rules::read(root, options.html_handling, &complain)?;
        Ok(Self {
            root: root.to_owned(),
            options,
            complain,
            rules: RwLock::new(Arc::new(rules)),
            opened: Instant::now(),
            looked: AtomicU64::new(0),
        })
    }

    /// What a request of a client gets; `None` if it is the Worker's.
    pub fn route(&self, asked: Asked<'_>) -> Option<Answer> {
        let url = Url::parse(asked.url).ok()?;
        match routing::of(&self.options.run_worker_first, url.path()) {
            Route::Worker => return None,
            Route::Assets => return Some(self.whatever(&url, asked)),
            Route::Undecided => {}
        }
        // A page for what doesn't exist is for browsers that go there; other requests may be the Worker's.
        let mode = asked.headers.get("sec-fetch-mode");
        let navigates = self.options.navigation_prefers_assets && mode.is_some_and(|mode| mode == "navigate");
        let missing = if navigates || matches!(self.options.run_worker_first, RunWorkerFirst::Patterns { .. })
        {
            self.options.not_found_handling
        } else {
            NotFoundHandling::None
        };
        match self.look(&url, asked, missing) {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Nothing => None,
        }
    }

    /// What a request gets that is meant for the assets: status 404 if there is nothing for it.
    ///
    /// # Errors
    /// The URL is none.
    pub fn fetch(&self, asked: Asked<'_>) -> Result<Answer, url::ParseError> {
        Ok(self.whatever(&Url::parse(asked.url)?, asked))
    }

    fn whatever(&self, url: &Url, asked: Asked<'_>) -> Answer {
        match self.look(url, asked, self.options.not_found_handling) {
            Outcome::Answer(answer) => answer,
            Outcome::Nothing => {
                let mut answer = Answer::bare(StatusCode::NOT_FOUND);
                self.rules().headers.apply(url, &mut answer.headers);
                answer
            }
        }
    }

    fn look(&self, url: &Url, asked: Asked<'_>, missing: NotFoundHandling) -> Outcome {
        let rules = self.rules();
        let mut answer = match rules.redirects.lead(url) {
            Some(Led::Sent { status, location }) => Answer::redirect(status, &location),
            Some(Led::Rewritten(path)) => match self.serve(&rules, &path, url, asked, missing) {
                Outcome::Answer(answer) => answer,
                // The rule says that it is an asset.
                Outcome::Nothing => Answer::bare(StatusCode::NOT_FOUND),
            },
            None => match self.serve(&rules, url.path(), url, asked, missing) {
                Outcome::Answer(answer) => answer,
                Outcome::Nothing => return Outcome::Nothing,
            },
        };
        rules.headers.apply(url, &mut answer.headers);
        Outcome::Answer(answer)
    }

    fn serve(
        &self,
        rules: &Rules,
        path: &str,
        url: &Url,
        asked: Asked<'_>,
        missing: NotFoundHandling,
    ) -> Outcome {
        let decoded = paths::decode(path);
        let find = |path: &str| rules.folder.find(path);
        let Some(intent) = intent::of(&decoded, self.options.html_handling, missing, &find) else {
            return Outcome::Nothing;
        };
        if !matches!(*asked.method, Method::GET | Method::HEAD) {
            let mut answer = Answer::bare(StatusCode::METHOD_NOT_ALLOWED);
            answer
                .headers
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Outcome::Answer(answer);
        }
        // An asset has one URL, with what may be encoded or not in one way.
        let target = match &intent {
            Intent::Redirect(to) => Some(paths::encode(to)),
            Intent::Serve { .. } => Some(paths::encode(&decoded)).filter(|encoded| encoded != path),
        };
        if let Some(mut location) = target {
            if let Some(query) = url.query().filter(|query| !query.is_empty()) {
                location.push('?');
                location.push_str(query);
            }
            return Outcome::Answer(Answer::redirect(307, &location));
        }
        let Intent::Serve {
            path,
            found,
            is_missing,
        } = intent
        else {
            return Outcome::Nothing;
        };
        match found.open(&path) {
            Ok(opened) => Outcome::Answer(Answer::of_file(&found, opened, is_missing, asked)),
            // It was deleted just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Nothing,
            Err(_) => Outcome::Answer(Answer::bare(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }

    /// The rules as they are now.
    fn rules(&self) -> Arc<Rules> {
        let rules = Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner));
        let now = self.opened.elapsed().as_millis() as u64;
        let looked = self.looked.load(Ordering::Relaxed);
        let is_time = now >= looked + LOOK_MS
            && self
                .looked
                .compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_time || stamps(&self.root) == rules.stamps {
            return rules;
        }
        match Rules::read(&self.root, self.options.html_handling, &self.complain) {
            Ok(new) => {
                let new = Arc::new(new);
                *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
                new
            }
            // They may be about to be written; the old ones hold until they can be read.
            Err(_) => rules,
        }
    }
}

impl Rules {
    fn read(
        root: &Path,
        html: HtmlHandling,
        complain: &(dyn Fn(Complaint) + Send + Sync),
    ) -> Result<Self, Unreadable> {
        // Taken first: what changes meanwhile is read once more.
        let stamps = stamps(root);
        let folder = Folder::open(root)?;
        let mut complaints = Complaints {
            file: "_redirects",
            list: Vec::new(),
        };
        let redirects = folder::about(root, "_redirects")?.unwrap_or_default();
        let redirects = Redirects::read(&redirects, html, &mut complaints);
        complaints.file = "_headers";
        let headers = folder::about(root, "_headers")?.unwrap_or_default();
        let headers = Headers::read(&headers, &mut complaints);
        complaints.list.into_iter().for_each(complain);
        Ok(Self {
            folder,
            redirects,
            headers,
            stamps,
        })
    }
}

fn stamps(root: &Path) -> [Option<SystemTime>; RULE_FILES.len()] {
    RULE_FILES.map(|name| {
        fs::metadata(root.join(name))
            .and_then(|metadata| metadata.modified())
            .ok()
    })
}

impl Answer {
    fn bare(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::Nothing,
        }
    }

    fn redirect(status: u16, location: &str) -> Self {
        let mut answer = Self::bare(StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND));
        // Paths and URLs are ASCII without control characters.
        if let Ok(location) = HeaderValue::from_str(location) {
            answer.headers.insert(header::LOCATION, location);
        }
        answer
    }

    fn of_file(found: &Found, opened: Opened, is_missing: bool, asked: Asked<'_>) -> Self {
        let mut answer = Self::bare(if is_missing {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        });
        let tag = format!("\"{}\"", opened.tag);
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.headers.insert(name, value);
            }
        };
        set(header::ETAG, &tag);
        if let Some(content_type) = found.content_type() {
            set(header::CONTENT_TYPE, &content_type);
        }
        let range = asked.headers.get(header::RANGE);
        if range.is_none() && !asked.headers.contains_key(header::AUTHORIZATION) {
            set(header::CACHE_CONTROL, ALWAYS_ASK);
        }
        if asked
            .headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|value| names(value, &tag))
        {
            answer.status = StatusCode::NOT_MODIFIED;
            return answer;
        }
        let mut part = Part::Whole;
        if let (Some(range), StatusCode::OK, &Method::GET) = (range, answer.status, asked.method) {
            // Of a file that isn't the one that the client knows, it gets all.
            let is_same = asked
                .headers
                .get(header::IF_RANGE)
                .is_none_or(|known| *known == *tag);
            if let (true, Ok(range)) = (is_same, range.to_str()) {
                part = range::part(range, opened.length);
            }
        }
        let (start, end) = match part {
            Part::Whole => (0, opened.length),
            Part::Bytes(start, end) => {
                answer.status = StatusCode::PARTIAL_CONTENT;
                let content_range = format!("bytes {start}-{}/{}", end - 1, opened.length);
                if let Ok(value) = HeaderValue::from_str(&content_range) {
                    answer.headers.insert(header::CONTENT_RANGE, value);
                }
                (start, end)
            }
            Part::Unsatisfiable => {
                answer.status = StatusCode::RANGE_NOT_SATISFIABLE;
                if let Ok(value) = HeaderValue::from_str(&format!("bytes */{}", opened.length)) {
                    answer.headers.insert(header::CONTENT_RANGE, value);
                }
                return answer;
            }
        };
        answer.content = Content::File {
            file: opened.file,
            start,
            end,
        };
        answer
    }
}

/// Whether an `If-None-Match` names a tag, weakly or not.
fn names(value: &HeaderValue, tag: &str) -> bool {
    let Ok(value) = value.to_str() else { return false };
    value
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
