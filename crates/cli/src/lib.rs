//! The command line. [`run`] takes the arguments and gives back the exit code; clap's types are in
//! `args`, each command has a file in `commands`, and `printer` alone writes to the terminal.

#![warn(missing_docs)]

mod args;
mod commands;
mod port_holder;
mod printer;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use isthmus_project::Report;

use args::{Arguments, Command};
use printer::Printer;

/// How Isthmus was started.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The Python interpreter (`sys.executable`) that runs Workers.
    pub python: PathBuf,
}

/// An exit code: 0 after success, 1 after an error that was shown, 2 for wrong arguments.
type ExitCode = i32;

const SUCCESS: ExitCode = 0;
const FAILURE: ExitCode = 1;

/// Runs the command that the arguments ask for, until it ends, and returns the exit code.
pub fn run(invocation: Invocation) -> i32 {
    run_with(invocation, Arc::new(Printer::terminal()))
}

fn run_with(invocation: Invocation, printer: Arc<Printer>) -> ExitCode {
    match Arguments::try_parse_from(&invocation.args) {
        Ok(Arguments {
            command: Command::Dev(arguments),
        }) => commands::dev::run(arguments, invocation.python, printer),
        Ok(Arguments {
            command: Command::Run(_),
        }) => {
            printer.message("`isthmus run` runs in the interpreter itself: start it as `isthmus run` or `python -m isthmus run`\n");
            FAILURE
        }
        Ok(Arguments {
            command: Command::Kv(command),
        }) => exit_code(commands::kv::run(command, &printer), &printer),
        Ok(Arguments {
            command: Command::D1(command),
        }) => exit_code(commands::d1::run(command, &printer), &printer),
        Ok(Arguments {
            command: Command::R2(command),
        }) => exit_code(commands::r2::run(command, &printer), &printer),
        Ok(Arguments {
            command: Command::Queues(command),
        }) => exit_code(commands::queues::run(command, &printer), &printer),
        Ok(Arguments {
            command: Command::SecretsStore(command),
        }) => exit_code(commands::secrets_store::run(command, &printer), &printer),
        Ok(Arguments {
            command: Command::Secret(command),
        }) => exit_code(commands::secret::run(command, &printer), &printer),
        Ok(Arguments {
            command: Command::Backup(arguments),
        }) => exit_code(commands::backup::backup(&arguments, &printer), &printer),
        Ok(Arguments {
            command: Command::Restore(arguments),
        }) => exit_code(commands::backup::restore(&arguments, &printer), &printer),
        Err(error) => {
            // Help and the version arrive here as well; clap knows which stream and code they have.
            let text = error.render().ansi().to_string();
            if error.use_stderr() {
                printer.message(&text)
            } else {
                printer.data(&text)
            }
            error.exit_code()
        }
    }
}

/// Shows the error of a command that failed.
fn exit_code(outcome: Result<(), Report>, printer: &Printer) -> ExitCode {
    match outcome {
        Ok(()) => SUCCESS,
        Err(report) => {
            printer.report(&report);
            FAILURE
        }
    }
}
