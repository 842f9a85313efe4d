//! `isthmus r2 bucket …`.

use isthmus_host::shell::state::StoreKind;
use isthmus_project::Report;
use serde::Serialize;

use crate::args::{R2BucketCommand, R2BucketListArguments};
use crate::commands::state::{State, failed};
use crate::printer::Printer;

pub(super) fn run(command: R2BucketCommand, printer: &Printer) -> Result<(), Report> {
    match command {
        R2BucketCommand::List(arguments) => list(&arguments, printer),
    }
}

#[derive(Serialize)]
struct Bucket<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<&'a str>,
}

fn list(arguments: &R2BucketListArguments, printer: &Printer) -> Result<(), Report> {
    let state = State::of(&arguments.state)?;
    let bound = state
        .project
        .as_ref()
        .map_or(&[][..], |project| &project.r2_buckets);
    let held = state.held(StoreKind::R2)?;
    let mut buckets: Vec<_> = bound
        .iter()
        .map(|bucket| Bucket {
            name: &bucket.name,
            binding: Some(&bucket.binding),
        })
        .collect();
    for name in &held {
        if bound.iter().all(|bucket| bucket.name != *name) {
            buckets.push(Bucket { name, binding: None });
        }
    }
    if arguments.state.project.json {
        return printer.json(&buckets).map_err(failed);
    }
    let text: Vec<_> = buckets
        .iter()
        .map(|bucket| match bucket.binding {
            Some(binding) => format!("name:     {}\nbinding:  {binding}\n", bucket.name),
            None => format!("name:     {}\n", bucket.name),
        })
        .collect();
    printer.data(&format!("Listing buckets...\n{}", text.join("\n")));
    Ok(())
}
