//! A checkout of the tests: which files there are, what their `// META:` lines say, and running them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::CHECKOUT;

/// How many files run at the same time.
const AT_ONCE: usize = 2;

/// Stands for the file as a whole: fails if the file throws, hangs or crashes.
pub(crate) const WHOLE_FILE: &str = "(the file)";

/// One way to run one file.
pub(crate) struct Run {
    /// Its path in the checkout.
    pub(crate) path: String,
    /// What follows the path in the URL: empty, or `?…`.
    pub(crate) variant: String,
}

impl Run {
    /// The name in the lists.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.path, self.variant)
    }

    /// Where the tests' server would have it.
    pub(crate) fn url(&self) -> String {
        let origin = match self.path.contains(".https.") {
            true => "https://web-platform.test:8443",
            false => "http://web-platform.test:8000",
        };
        format!("{origin}/{}", self.name())
    }
}

/// What became of a subtest.
pub(crate) struct Subtest {
    /// Its name; unique in the run.
    pub(crate) name: String,
    /// Nothing if it passed, otherwise why not.
    pub(crate) failure: Option<String>,
}

/// What a file of tests says of itself.
pub(crate) struct Meta {
    /// What to run it with, one after the other.
    pub(crate) variants: Vec<String>,
    /// Scripts to evaluate before it: paths in the checkout.
    pub(crate) scripts: Vec<String>,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// A folder with the tests.
pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    pub(crate) fn new(root: OsString) -> Self {
        Self { root: root.into() }
    }

    /// All `*.any.js` below some folders, as sorted paths in the checkout.
    pub(crate) fn files(&self, folders: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for folder in folders {
            self.collect(Path::new(folder), &mut found);
        }
        found.sort();
        found
    }

    fn collect(&self, folder: &Path, found: &mut Vec<String>) {
        let Ok(entries) = std::fs::read_dir(self.root.join(folder)) else {
            return;
        };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                self.collect(&path, found);
            } else if let Some(path) = path.to_str().filter(|path| path.ends_with(".any.js")) {
                found.push(path.to_owned());
            }
        }
    }

    /// A file by its path in the checkout, as the tests' server would give it; none outside the checkout.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let path = path.trim_start_matches('/');
        let path = match path {
            "resources/WebIDLParser.js" => "resources/webidl2/lib/webidl2.js",
            other => other,
        };
        if Path::new(path)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_)))
        {
            return None;
        }
        let bytes = std::fs::read(self.root.join(path)).ok()?;
        let substitutions = if path == "common/sab.js" {
            SHARED_BUFFERS
        } else if path.contains(".sub.") {
            SERVER
        } else {
            return Some(bytes);
        };
        let text = String::from_utf8(bytes).ok()?;
        Some(substitute(text, substitutions).into_bytes())
    }

    /// A script by its path in the checkout.
    pub(crate) fn script(&self, path: &str) -> Result<String, String> {
        let bytes = self
            .read(path)
            .ok_or_else(|| format!("the checkout has no {path}"))?;
        String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8"))
    }

    /// What the file says of itself.
    pub(crate) fn meta(&self, path: &str) -> Result<Meta, String> {
        let source = self.script(path)?;
        let mut meta = Meta {
            variants: Vec::new(),
            scripts: Vec::new(),
            limit: Duration::from_secs(10),
        };
        for line in source.lines().map_while(|line| line.strip_prefix("//")) {
            let Some((key, value)) = line
                .trim_start()
                .strip_prefix("META:")
                .and_then(|rest| rest.trim().split_once('='))
            else {
                continue;
            };
            match key {
                // Which HTTP lies below is the business of the process around the engine.
                "variant" if value.contains("wpt_flags=h2") => {}
                "variant" => meta.variants.push(value.to_owned()),
                "script" => meta.scripts.push(relative(path, value)),
                "timeout" if value == "long" => meta.limit = Duration::from_secs(60),
                _ => {}
            }
        }
        if meta.variants.is_empty() {
            meta.variants.push(String::new());
        }
        Ok(meta)
    }

    /// The runs of files.
    pub(crate) fn runs(&self, paths: &[&String]) -> Result<Vec<Run>, String> {
        let mut runs = Vec::new();
        for path in paths {
            for variant in self.meta(path)?.variants {
                runs.push(Run {
                    path: (*path).clone(),
                    variant,
                });
            }
        }
        Ok(runs)
    }

    /// Runs files, some at a time; every run's subtests, in their order.
    pub(crate) fn run_all(&self, runs: &[Run]) -> Result<Vec<Vec<Subtest>>, String> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|threads| {
            for _ in 0..AT_ONCE {
                threads.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(run) = runs.get(index) else { return };
                        let subtests = self.run(run);
                        // The lock is poisoned only if the other thread panicked: then so does the scope.
                        if let Ok(mut done) = done.lock() {
                            done.push((index, subtests));
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().map_err(|_| "a thread of the runner panicked")?;
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, subtests)| subtests).collect())
    }

    /// Runs one file in a process of its own.
    fn run(&self, run: &Run) -> Vec<Subtest> {
        let output = std::env::current_exe().and_then(|program| {
            Command::new(program)
                .args(["--child", &run.path, &run.variant])
                .env(CHECKOUT, &self.root)
                .stdin(Stdio::null())
                .output()
        });
        let output = match output {
            Ok(output) => output,
            Err(error) => return vec![failed(WHOLE_FILE, format!("could not be started: {error}"))],
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let mut subtests = parse_lines(&text);
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            let last = error.lines().last().unwrap_or_default().to_owned();
            for subtest in &mut subtests {
                subtest
                    .failure
                    .get_or_insert_with(|| "passed, but then the process died".to_owned());
            }
            subtests.push(failed(WHOLE_FILE, format!("{}: {last}", output.status)));
        } else if subtests.is_empty() {
            subtests.push(failed(WHOLE_FILE, "has no subtests".to_owned()));
        }
        subtests
    }
}

fn failed(name: &str, failure: String) -> Subtest {
    Subtest {
        name: name.to_owned(),
        failure: Some(failure),
    }
}

/// The subtests that a child printed; the second of a name gets a number.
fn parse_lines(text: &str) -> Vec<Subtest> {
    let mut subtests: Vec<Subtest> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for line in text.lines() {
        let Ok((mut name, failure)) = serde_json::from_str::<(String, Option<String>)>(line) else {
            continue;
        };
        let count: &mut u32 = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            let _ = write!(name, " ({count})");
        }
        subtests.push(Subtest { name, failure });
    }
    subtests
}

/// The path that a reference in the file `path` names.
pub(crate) fn relative(path: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = match reference.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => path.split('/').rev().skip(1).collect::<Vec<_>>(),
    };
    parts.reverse();
    for part in reference.trim_start_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What the tests' server fills in: its names and ports.
const SERVER: &[(&str, &str)] = &[
    ("{{host}}", "web-platform.test"),
    ("{{hosts[][]}}", "web-platform.test"),
    ("{{hosts[][www]}}", "www.web-platform.test"),
    ("{{hosts[alt][]}}", "not-web-platform.test"),
    ("{{hosts[alt][www]}}", "www.not-web-platform.test"),
    ("{{domains[]}}", "web-platform.test"),
    ("{{domains[www]}}", "www.web-platform.test"),
    ("{{domains[www1]}}", "www1.web-platform.test"),
    ("{{domains[www2]}}", "www2.web-platform.test"),
    ("{{ports[http][0]}}", "8000"),
    ("{{ports[http][1]}}", "8001"),
    ("{{ports[https][0]}}", "8443"),
    ("{{ports[https][1]}}", "8444"),
    ("{{ports[ws][0]}}", "8666"),
    ("{{ports[wss][0]}}", "8667"),
];

/// The tests take the constructor from where every browser has it; it is all they want of WebAssembly.
const SHARED_BUFFERS: &[(&str, &str)] = &[(
    "new WebAssembly.Memory({ shared:true, initial:0, maximum:0 }).buffer.constructor",
    "SharedArrayBuffer",
)];

fn substitute(text: String, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(text, |text, (name, value)| text.replace(name, value))
}
