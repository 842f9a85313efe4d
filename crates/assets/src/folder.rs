//! The files of a folder, looked at when they are asked for.

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::Unreadable;
use crate::paths;

/// Files that say how others are served, and are no assets themselves.
const ABOUT: [&str; 3] = [IGNORE, "_redirects", "_headers"];
const IGNORE: &str = ".assetsignore";

/// A folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    ignored: Gitignore,
}

/// A file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Changes with the file: 32 digits.
    pub(crate) tag: String,
}

/// A file that was opened.
pub(crate) struct Opened {
    pub(crate) file: File,
    /// In bytes.
    pub(crate) length: u64,
    /// That of what was opened, should it have changed since it was found.
    pub(crate) tag: String,
}

impl Folder {
    /// Opens a folder and reads which of its files are none of its assets.
    pub(crate) fn open(root: &Path) -> Result<Self, Unreadable> {
        let unreadable = |path: &Path, reason| Unreadable {
            path: path.display().to_string(),
            reason,
        };
        if !fs::metadata(root)
            .map_err(|error| unreadable(root, error))?
            .is_dir()
        {
            return Err(unreadable(root, io::ErrorKind::NotADirectory.into()));
        }
        let mut builder = GitignoreBuilder::new("/");
        for name in ABOUT {
            // A literal pattern is always a good one.
            let _ = builder.add_line(None, &format!("/{name}"));
        }
        for line in about(root, IGNORE)?.unwrap_or_default().lines() {
            builder
                .add_line(None, line)
                .map_err(|error| unreadable(&root.join(IGNORE), io::Error::other(error)))?;
        }
        let ignored = builder
            .build()
            .map_err(|error| unreadable(&root.join(IGNORE), io::Error::other(error)))?;
        Ok(Self {
            root: root.to_owned(),
            ignored,
        })
    }

    /// The file that a decoded path names.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let below = paths::relative(path)?;
        let file = self.root.join(below);
        let metadata = fs::metadata(&file).ok().filter(Metadata::is_file)?;
        if self.ignored.matched_path_or_any_parents(path, false).is_ignore() {
            return None;
        }
        Some(Found {
            path: file,
            tag: tag(path, &metadata),
        })
    }
}

impl Found {
    /// Opens the file; `path` is the one it was found by.
    pub(crate) fn open(&self, path: &str) -> io::Result<Opened> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        Ok(Opened {
            length: metadata.len(),
            tag: tag(path, &metadata),
            file,
        })
    }

    /// `text/html; charset=utf-8` and so on, by the file's name; `None` if that tells nothing.
    pub(crate) fn content_type(&self) -> Option<String> {
        let extension = self.path.extension()?.to_str()?.to_ascii_lowercase();
        let known = TYPES.iter().find(|(known, _)| *known == extension);
        let essence = match known {
            Some((_, essence)) => (*essence)?,
            None => mime_guess::from_ext(&extension).first_raw()?,
        };
        Some(if essence.starts_with("text/") {
            format!("{essence}; charset=utf-8")
        } else {
            essence.to_owned()
        })
    }
}

/// Where upstream's table of types, that of the registry, and ours differ.
const TYPES: &[(&str, Option<&str>)] = &[
    ("cjs", Some("application/node")),
    ("ico", Some("image/vnd.microsoft.icon")),
    ("jsx", Some("text/jsx")),
    ("m4a", Some("audio/mp4")),
    ("map", Some("application/json")),
    ("mjs", Some("text/javascript")),
    ("otf", Some("font/otf")),
    ("py", None),
    ("toml", Some("application/toml")),
    ("ts", Some("video/mp2t")),
    ("wgsl", Some("text/wgsl")),
    ("woff", Some("font/woff")),
    ("xml", Some("application/xml")),
    ("yaml", Some("text/yaml")),
    ("yml", Some("text/yaml")),
];

/// A file of the folder that says something about others.
pub(crate) fn about(root: &Path, name: &str) -> Result<Option<String>, Unreadable> {
    let path = root.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(Unreadable {
            path: path.display().to_string(),
            reason,
        }),
    }
}

/// Upstream's are of the content; reading it all for each answer would cost more than a client ever saves.
fn tag(path: &str, metadata: &Metadata) -> String {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        let times = (
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        (seed, path, metadata.len(), metadata.ino(), times).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(0), half(1))
}
