//! `isthmus r2 object …`: one object at a time, and their list.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use isthmus_host::shell::{Access, Answer, Operation, Reply, Resource, StoresClient, Upload, r2};
use isthmus_project::Report;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::args::{
    R2DeleteArguments, R2GetArguments, R2ListArguments, R2ObjectArguments, R2ObjectCommand, R2PutArguments,
    StateArguments,
};
use crate::commands::input;
use crate::commands::state::{State, failed};
use crate::printer::{Printer, Unit};

pub(super) fn run(command: R2ObjectCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        R2ObjectCommand::Get(arguments) => get(&arguments, printer),
        R2ObjectCommand::Put(arguments) => put(&arguments, printer),
        R2ObjectCommand::Delete(arguments) => delete(&arguments, printer),
        R2ObjectCommand::List(arguments) => list(&arguments, printer),
    }
}

/// A bucket that a command works on.
struct Bucket(StoresClient);

impl Bucket {
    fn open(
        name: &str,
        arguments: &StateArguments,
        access: Access,
        printer: &Printer,
    ) -> Result<Self, Report> {
        let state = State::of(arguments)?;
        let buckets = state.project.iter().flat_map(|project| &project.r2_buckets);
        let bound: Vec<_> = buckets
            .map(|bucket| (bucket.name.as_str(), Some(bucket.binding.as_str())))
            .collect();
        // A bucket without a name of its own is known by that of its binding.
        let is_bound = bound.iter().any(|(known, _)| *known == name);
        if !is_bound && !isthmus_project::is_bucket_name(name) {
            return Err(failed(format!(
                "The bucket name \"{name}\" is invalid. Bucket names must begin and end with an alphanumeric character, \
                 only contain lowercase letters, numbers, and hyphens, and be between 3 and 63 characters long."
            )));
        }
        let client = state.connect(Resource::R2 { name }, access)?;
        if !client.existed()
            && let Some(doubt) = state.doubt(access, "R2 bucket", name, &bound)
        {
            printer.report(&doubt);
        }
        Ok(Self(client))
    }

    async fn call(&self, operation: r2::Operation<'_>, value: Upload) -> Result<Answer, Report> {
        self.0
            .call(0, Operation::R2(operation), value)
            .await
            .map_err(failed)
    }
}

/// The bucket and the key of an object.
fn parts_of(arguments: &R2ObjectArguments) -> Result<(&str, &str), Report> {
    let path = &arguments.path;
    path.split_once('/')
        .filter(|(bucket, _)| !bucket.is_empty())
        .ok_or_else(|| {
            failed(format!(
                "The object path must be in the form of {{bucket}}/{{key}} you provided {path}"
            ))
        })
}

fn unexpected() -> Report {
    failed("the answer is none to the question asked")
}

fn get(arguments: &R2GetArguments, printer: &Printer) -> Result<(), Report> {
    let (name, key) = parts_of(&arguments.object)?;
    let json_only = arguments.object.state.project.json;
    let file = match (&arguments.file, arguments.pipe) {
        (Some(file), _) => Some(file.clone()),
        (None, true) => None,
        (None, false) => Some(file_of(key)?),
    };
    let bucket = Bucket::open(name, &arguments.object.state, Access::Existing, printer)?;
    if !arguments.pipe && !json_only {
        printer.data(&format!("Downloading \"{key}\" from \"{name}\".\n"));
    }
    bucket.0.block_on(async {
        let operation = r2::Operation::Get {
            key,
            range: None,
            only_if: None,
        };
        let mut answer = bucket.call(operation, Upload::None).await?;
        let about = match answer.reply() {
            Reply::R2(r2::Reply::Value(object)) => shown(&object),
            Reply::R2(r2::Reply::Nothing) => return Err(failed("The specified key does not exist.")),
            _ => return Err(unexpected()),
        };
        let progress = printer.progress("Downloading", answer.length(), Unit::Bytes);
        let Some(path) = file else {
            while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                printer.bytes(&chunk).map_err(failed)?;
                progress.add(chunk.len() as u64);
            }
            return Ok(());
        };
        let unwritten = |error| failed(format!("cannot write {}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unwritten)?;
        }
        let mut written = File::create(&path).map_err(unwritten)?;
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            written.write_all(&chunk).map_err(unwritten)?;
            progress.add(chunk.len() as u64);
        }
        drop(progress);
        if json_only {
            let mut about = json!(about);
            about["file"] = json!(path);
            return printer.json(&about).map_err(failed);
        }
        printer.data("Download complete.\n");
        Ok(())
    })
}

/// The file that is made where none is named. A key may not lead out of the folder that the command runs in.
fn file_of(key: &str) -> Result<PathBuf, Report> {
    let path = Path::new(key);
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if key.is_empty() || key.ends_with('/') || !is_plain {
        return Err(failed(format!(
            "\"{key}\" can't be the name of a file here: name one with --file"
        )));
    }
    Ok(path.to_owned())
}

fn put(arguments: &R2PutArguments, printer: &Printer) -> Result<(), Report> {
    let (name, key) = parts_of(&arguments.object)?;
    let json_only = arguments.object.state.project.json;
    // Standard input has no length, and isn't gathered to have one.
    let path = arguments.file.as_deref().unwrap_or(Path::new("-"));
    let input = input::open(path)?;
    let bucket = Bucket::open(name, &arguments.object.state, Access::Make, printer)?;
    if !json_only {
        let class = arguments
            .storage_class
            .as_ref()
            .map_or_else(String::new, |class| format!(" with {class} storage class"));
        printer.data(&format!(
            "Creating object \"{key}\"{class} in bucket \"{name}\".\n"
        ));
    }
    let progress = printer.progress("Uploading", input.length, Unit::Bytes);
    let value = Upload::Reader {
        reader: progress.counting(input.reader),
        length: input.length,
    };
    let metadata = r2::Metadata {
        http: r2::HttpMetadata {
            content_type: arguments.content_type.as_deref(),
            content_language: arguments.content_language.as_deref(),
            content_disposition: arguments.content_disposition.as_deref(),
            content_encoding: arguments.content_encoding.as_deref(),
            cache_control: arguments.cache_control.as_deref(),
            cache_expiry: arguments.expires,
        },
        custom: Vec::new(),
        storage_class: arguments.storage_class.as_deref(),
    };
    let operation = r2::Operation::Put {
        key,
        metadata,
        only_if: None,
        checksum: None,
    };
    let answer = bucket.0.block_on(bucket.call(operation, value))?;
    drop(progress);
    let Reply::R2(r2::Reply::Object(object)) = answer.reply() else {
        return Err(unexpected());
    };
    if json_only {
        return printer.json(&shown(&object)).map_err(failed);
    }
    printer.data("Upload complete.\n");
    Ok(())
}

fn delete(arguments: &R2DeleteArguments, printer: &Printer) -> Result<(), Report> {
    let (name, key) = parts_of(&arguments.object)?;
    let json_only = arguments.object.state.project.json;
    let bucket = Bucket::open(name, &arguments.object.state, Access::Existing, printer)?;
    if !json_only {
        printer.data(&format!("Deleting object \"{key}\" from bucket \"{name}\".\n"));
    }
    let operation = r2::Operation::Delete { keys: vec![key] };
    bucket.0.block_on(bucket.call(operation, Upload::None))?;
    if json_only {
        return printer
            .json(&json!({ "key": key, "bucket": name }))
            .map_err(failed);
    }
    printer.data("Delete complete.\n");
    Ok(())
}

fn list(arguments: &R2ListArguments, printer: &Printer) -> Result<(), Report> {
    let bucket = Bucket::open(&arguments.bucket, &arguments.state, Access::Existing, printer)?;
    let mut list = printer.json_list();
    let mut position: Option<String> = None;
    bucket.0.block_on(async {
        loop {
            let operation = r2::Operation::List {
                limit: None,
                prefix: arguments.prefix.as_deref(),
                cursor: position.as_deref(),
                delimiter: None,
                start_after: None,
                with_http: true,
                with_custom: true,
            };
            let answer = bucket.call(operation, Upload::None).await?;
            let Reply::R2(r2::Reply::List { objects, cursor, .. }) = answer.reply() else {
                return Err(unexpected());
            };
            list.extend(objects.iter().map(shown)).map_err(failed)?;
            position = cursor.map(str::to_owned);
            if position.is_none() {
                return Ok(());
            }
        }
    })?;
    list.end().map_err(failed)
}

/// An object as the platform's REST interface shows it.
#[derive(Serialize)]
struct Shown {
    key: String,
    size: u64,
    etag: String,
    last_modified: String,
    storage_class: String,
    http_metadata: Map<String, Value>,
    custom_metadata: Map<String, Value>,
}

fn shown(object: &r2::Object<'_>) -> Shown {
    let http = &object.metadata.http;
    let fields = [
        ("contentType", http.content_type),
        ("contentLanguage", http.content_language),
        ("contentDisposition", http.content_disposition),
        ("contentEncoding", http.content_encoding),
        ("cacheControl", http.cache_control),
    ];
    let mut http_metadata: Map<_, _> = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect();
    if let Some(expiry) = http.cache_expiry {
        http_metadata.insert("cacheExpiry".to_owned(), iso(expiry).into());
    }
    Shown {
        key: object.key.to_owned(),
        size: object.size,
        etag: object.etag.to_owned(),
        last_modified: iso(object.uploaded),
        storage_class: object.metadata.storage_class.unwrap_or("Standard").to_owned(),
        http_metadata,
        custom_metadata: object
            .metadata
            .custom
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.into()))
            .collect(),
    }
}

/// Milliseconds since the epoch as ISO 8601 has them, in UTC.
fn iso(milliseconds: i64) -> String {
    let (days, rest) = (
        milliseconds.div_euclid(86_400_000),
        milliseconds.rem_euclid(86_400_000),
    );
    // Years begin in March here, so that a leap day is the last of its year; 400 of them have 146 097 days.
    let day = days + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (seconds, thousandths) = (rest / 1000, rest % 1000);
    format!(
        "{year:04}-{month:02}-{of_month:02}T{:02}:{:02}:{:02}.{thousandths:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::{file_of, iso};

    #[test]
    fn moments_are_shown_as_iso_8601_has_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(iso(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_709_251_200_000), "2024-03-01T00:00:00.000Z");
        assert_eq!(iso(4_102_444_800_123), "2100-01-01T00:00:00.123Z");
    }

    #[test]
    fn no_key_leads_out_of_the_folder() {
        for key in ["", ".", "..", "/etc/passwd", "a/../../b", "../a", "a/"] {
            assert!(file_of(key).is_err(), "{key}");
        }
        assert_eq!(
            file_of("a/b.txt").expect("it is plain"),
            std::path::Path::new("a/b.txt")
        );
    }
}
