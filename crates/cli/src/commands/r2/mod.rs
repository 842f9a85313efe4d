//! `isthmus r2 …`: the objects of R2 buckets, with wrangler's words.

mod bucket;
mod object;

use isthmus_project::Report;

use crate::args::R2Command;
use crate::printer::Printer;

pub(crate) fn run(command: R2Command, printer: &Printer) -> Result<(), Report> {
    match command {
        R2Command::Object(command) => object::run(*command, printer),
        R2Command::Bucket(command) => bucket::run(command, printer),
    }
}
