//! The project's static assets: what the front and the broker make of an answer.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use isthmus_assets::{Assets, Complaint, Content, Options, Unreadable};
use isthmus_project::Project;
use isthmus_stores::StoredBody;

use crate::logs::{LogLevel, Logs};

/// Up to so many bytes a file is read at once: passing the work to another thread would take longer.
const SHORT: u64 = 64 * 1024;

/// The body of an answer.
pub(crate) enum AssetBody {
    None,
    Whole(Bytes),
    /// It is read as it is asked for.
    File(StoredBody),
}

/// Opens the folder of a project's assets, if it has one. Rules that are ignored are told to the log.
///
/// # Errors
/// It can't be read.
pub(crate) fn open(project: &Project, logs: &Logs) -> Result<Option<Arc<Assets>>, Unreadable> {
    let Some(assets) = &project.assets else {
        return Ok(None);
    };
    let options = Options {
        html_handling: assets.html_handling,
        not_found_handling: assets.not_found_handling,
        run_worker_first: assets.run_worker_first.clone(),
        navigation_prefers_assets: project
            .flags
            .iter()
            .any(|&(name, on)| name == "assets_navigation_prefers_asset_serving" && on),
    };
    let (logs, directory) = (logs.clone(), isthmus_project::display_path(&assets.directory));
    let complain = move |Complaint { file, line, message }: Complaint| {
        logs.host(
            LogLevel::Warn,
            format_args!("{directory}/{file}:{line}: {message}; the line is ignored"),
        );
    };
    Assets::open(&assets.directory, options, Box::new(complain)).map(|assets| Some(Arc::new(assets)))
}

/// The body of an answer.
///
/// # Errors
/// The file can't be read.
pub(crate) fn body(content: Content) -> io::Result<AssetBody> {
    let Content::File { file, start, end } = content else {
        return Ok(AssetBody::None);
    };
    if end - start > SHORT {
        return Ok(AssetBody::File(StoredBody::of_file(file, start, end)));
    }
    let mut bytes = vec![0; (end - start) as usize];
    file.read_exact_at(&mut bytes, start)?;
    Ok(AssetBody::Whole(bytes.into()))
}
