//! Changing a project's `.dev.vars`: one assignment at a time, all else in the file stays.
//!
//! With an environment the file is `.dev.vars.<environment>`. Where that doesn't exist yet, `.dev.vars` holds for the
//! environment too, and would not any more: the new file begins as its copy. A project whose secrets are in `.env` files
//! is left alone, since a `.dev.vars` would hide them all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::dotenv;
use crate::model::Project;
use crate::report::{Diagnostic, Report};
use crate::secrets::{read, set};
use crate::source::display_path;

/// A file of secrets under change; nothing is written before [`SecretFile::save`].
#[derive(Clone, Debug)]
pub struct SecretFile {
    path: PathBuf,
    text: String,
    copied_from: Option<PathBuf>,
}

impl SecretFile {
    /// The file that secrets of a project are to be written to. It need not exist.
    ///
    /// # Errors
    /// It can't be read, or the project's secrets are in `.env` files.
    pub fn of(project: &Project) -> Result<Self, Report> {
        let general = project.root.join(".dev.vars");
        let path = match &project.environment {
            Some(environment) => project.root.join(format!(".dev.vars.{environment}")),
            None => general.clone(),
        };
        let mut copied_from = None;
        let text = match read(&path)? {
            Some(text) => text,
            None => match read(&general)? {
                Some(text) => {
                    copied_from = Some(general);
                    text
                }
                None => String::new(),
            },
        };
        let hidden = project.secret_files.iter().find(|file| {
            let name = file.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(".env"))
        });
        match hidden {
            Some(file) => Err(Diagnostic::error(format!(
                "the secrets of this project are in {}, which {} would hide",
                display_path(file),
                display_path(&path)
            ))
            .hint("change that file, or rename it to .dev.vars first")
            .into()),
            None => Ok(Self {
                path,
                text,
                copied_from,
            }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that this one begins as a copy of.
    pub fn copied_from(&self) -> Option<&Path> {
        self.copied_from.as_deref()
    }

    /// Sets a secret.
    ///
    /// # Errors
    /// The name or the value has no form in such a file, or what stands in the file already is in the way.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Report> {
        let line = dotenv::assign(name, value).map_err(Diagnostic::error)?;
        let mut expected = dotenv::parse(&self.text);
        set(&mut expected, name.to_owned(), value.to_owned());
        self.edit(&expected, |text| {
            // The last one counts.
            match dotenv::places(text, name).pop() {
                Some(place) => text.replace_range(place, &line),
                None => {
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push('\n');
                    }
                    text.push_str(&line);
                }
            }
        })
    }

    /// Removes a secret; `false` if there is none of this name.
    ///
    /// # Errors
    /// What else stands in the file would change.
    pub fn remove(&mut self, name: &str) -> Result<bool, Report> {
        let mut expected = dotenv::parse(&self.text);
        let before = expected.len();
        expected.retain(|(other, _)| other != name);
        let removed = expected.len() < before;
        self.edit(&expected, |text| {
            for place in dotenv::places(text, name).into_iter().rev() {
                text.replace_range(place, "");
            }
        })?;
        Ok(removed)
    }

    /// Changes the text, whose line ends are `\n` meanwhile, if it then says what is expected.
    fn edit(
        &mut self,
        expected: &[(String, String)],
        change: impl FnOnce(&mut String),
    ) -> Result<(), Report> {
        let mut text = dotenv::with_plain_line_ends(&self.text);
        change(&mut text);
        if dotenv::parse(&text) != expected {
            return Err(Diagnostic::error(format!(
                "{} can't be changed without changing other secrets in it",
                display_path(&self.path)
            ))
            .hint("is a quote in it never closed? Change the file by hand")
            .into());
        }
        self.text = if self.text.contains("\r\n") {
            text.replace('\n', "\r\n")
        } else {
            text
        };
        Ok(())
    }

    /// Writes the file: the old one or the new one is there at any moment. A new file is its user's alone.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self) -> Result<(), Report> {
        replace(&self.path, self.text.as_bytes()).map_err(|error| {
            Diagnostic::error(format!("cannot write {}: {error}", display_path(&self.path))).into()
        })
    }
}

/// The names of a project's secrets, in the order of its files.
///
/// # Errors
/// A file can't be read.
pub fn secret_names(project: &Project) -> Result<Vec<String>, Report> {
    let mut names: Vec<String> = Vec::new();
    for file in &project.secret_files {
        for (name, _) in dotenv::parse(&read(file)?.unwrap_or_default()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Names and values of a text in the form of `.dev.vars`.
pub fn parse_secrets(text: &str) -> Vec<(String, String)> {
    dotenv::parse(text)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link is to go on pointing where it does.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut new = path.clone().into_os_string();
    new.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(new);
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(Permissions::from_mode(old.permissions().mode()))?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().inspect_err(|_| {
        // The reason is what counts.
        let _ = fs::remove_file(&new);
    })
}
