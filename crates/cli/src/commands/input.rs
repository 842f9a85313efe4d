//! What a command reads besides its arguments: files, standard input, a user's answer.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

use isthmus_project::Report;

use super::state::failed;
use crate::printer::Printer;

/// A file to read, or standard input.
pub(crate) struct Input {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Its length in bytes, where known.
    pub(crate) length: Option<u64>,
}

/// Opens a file; `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<Input, Report> {
    if path.as_os_str() == "-" {
        return Ok(Input {
            reader: Box::new(io::stdin()),
            length: None,
        });
    }
    let unreadable = |error: io::Error| failed(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(failed(format!("cannot read {}: it is a folder", path.display())));
    }
    Ok(Input {
        reader: Box::new(file),
        // A pipe or a device has none.
        length: metadata.is_file().then_some(metadata.len()),
    })
}

/// The whole of a file or of standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Report> {
    let mut bytes = Vec::new();
    open(path)?
        .reader
        .read_to_end(&mut bytes)
        .map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}

/// The items of a JSON array in a file.
pub(crate) fn json_array(path: &Path, expected: &str) -> Result<Vec<serde_json::Value>, Report> {
    let unexpected = |got: &str| {
        failed(format!(
            "Unexpected JSON input from \"{}\".\nExpected an array of {expected} but got {got}",
            path.display()
        ))
    };
    match serde_json::from_slice(&read(path)?) {
        Ok(serde_json::Value::Array(items)) => Ok(items),
        Ok(_) => Err(unexpected("another kind of value.")),
        Err(error) => Err(unexpected(&format!("no JSON: {error}"))),
    }
}

/// Asks a question that is answered by yes or no. Where nobody can answer the answer is yes, as wrangler's is.
pub(crate) fn confirm(printer: &Printer, question: &str) -> Result<bool, Report> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    printer.message(&format!("{question} (Y/n) "));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| failed(format!("cannot read the answer: {error}")))?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "" | "y" | "yes"
    ))
}

/// A secret from the terminal, where nobody sees it, or all of standard input; white space at its end is none of it.
pub(crate) fn secret(printer: &Printer) -> Result<String, Report> {
    let unreadable = |error: io::Error| failed(format!("cannot read the secret: {error}"));
    let mut text = String::new();
    if io::stdin().is_terminal() {
        printer.message("Enter a secret value: ");
        text = console::Term::stderr().read_secure_line().map_err(unreadable)?;
    } else {
        io::stdin().read_to_string(&mut text).map_err(unreadable)?;
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}
