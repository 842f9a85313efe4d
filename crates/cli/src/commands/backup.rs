//! `isthmus backup` and `isthmus restore`: all data of a state folder.

use isthmus_host::shell::{
    Access, Operation, Reply, Resource, Restored, Upload, restore as restore_state, state,
};
use isthmus_project::{Report, display_path};
use serde_json::json;

use super::input;
use super::state::{State, failed};
use crate::args::{BackupArguments, RestoreArguments};
use crate::printer::{Printer, Unit};

pub(crate) fn backup(arguments: &BackupArguments, printer: &Printer) -> Result<(), Report> {
    let state = State::of(&arguments.state)?;
    // The process that makes the copy may have another working directory.
    let to = std::path::absolute(&arguments.to).map_err(failed)?;
    let Some(to) = to.to_str() else {
        return Err(failed(format!("the path {} is not valid UTF-8", to.display())));
    };
    let client = state.connect(Resource::State, Access::Existing)?;
    if !client.existed() {
        return Err(failed(format!(
            "there is no data to back up in {}",
            display_path(&state.folder)
        )));
    }
    let progress = printer.progress("Copying", None, Unit::Items);
    let operation = Operation::State(state::Operation::Backup { to });
    let answer = client
        .block_on(client.call(0, operation, Upload::None))
        .map_err(failed)?;
    drop(progress);
    let Reply::State(state::Reply::BackedUp {
        databases,
        bodies,
        bytes,
    }) = answer.reply()
    else {
        return Err(failed("the answer is none to the question asked"));
    };
    if arguments.state.project.json {
        let told = json!({ "folder": to, "databases": databases, "bodies": bodies, "bytes": bytes });
        return printer.json(&told).map_err(failed);
    }
    printer.data(&format!(
        "Backed up {databases} databases and {bodies} other files ({bytes} bytes) to {to}.\n"
    ));
    Ok(())
}

pub(crate) fn restore(arguments: &RestoreArguments, printer: &Printer) -> Result<(), Report> {
    let state = State::of(&arguments.state)?;
    let json_only = arguments.state.project.json;
    let question = format!(
        "Are you sure you want to replace all data in {} by that of {}?",
        state.folder.display(),
        arguments.from.display()
    );
    if !json_only && !arguments.force && !input::confirm(printer, &question)? {
        return Ok(());
    }
    let mut progress = None;
    let restored = restore_state(&state.folder, &arguments.from, |_, count| {
        let bar = || printer.progress("Copying", Some(count as u64), Unit::Items);
        progress.get_or_insert_with(bar).add(1);
    });
    drop(progress);
    let Restored { databases, bodies } = restored.map_err(failed)?;
    if json_only {
        let told = json!({ "databases": databases, "bodies": bodies });
        return printer.json(&told).map_err(failed);
    }
    printer.data(&format!(
        "Restored {databases} databases and {bodies} other files to {}.\n",
        state.folder.display()
    ));
    Ok(())
}
