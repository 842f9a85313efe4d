//! `isthmus dev`: loads the project, runs its build, serves it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use isthmus_host::{LogLevel, LogLine, LogOrigin, LogSink, ServeError, ServeOptions};
use isthmus_project::{Build, Diagnostic, Project, Report};

use super::{project, state};
use crate::args::DevArguments;
use crate::printer::Printer;
use crate::{ExitCode, FAILURE, SUCCESS, port_holder};

pub(crate) fn run(arguments: DevArguments, python: PathBuf, printer: Arc<Printer>) -> ExitCode {
    let log_level = arguments.log_level;
    let served = prepare(&arguments, &printer).and_then(|project| {
        let options = ServeOptions {
            addr: SocketAddr::new(
                arguments.ip.unwrap_or(project.dev_ip),
                arguments.port.unwrap_or(project.dev_port),
            ),
            persist_to: arguments
                .persist_to
                .unwrap_or_else(|| project.root.join(state::FOLDER)),
            log_level,
            isolates: arguments.isolates.get(),
            outbound: arguments.outbound,
            test_scheduled: arguments.test_scheduled,
            python,
            project,
        };
        let result = isthmus_host::serve(options, printer.clone());
        printer.flush();
        result.map_err(|error| serve_diagnostic(error).into())
    });
    match served {
        Ok(()) => SUCCESS,
        Err(report) => {
            printer.report(&report);
            FAILURE
        }
    }
}

/// Loads the project and builds it. Its warnings are shown here.
fn prepare(arguments: &DevArguments, printer: &Printer) -> Result<Project, Report> {
    let project = project::load(
        arguments.dir.clone(),
        arguments.config.clone(),
        arguments.env.clone(),
        arguments.vars.clone(),
    )?;
    if arguments.log_level <= LogLevel::Warn && !project.warnings.is_empty() {
        printer.report(&project.warnings);
    }
    if let Some(report) = project.unserved_report() {
        return Err(report);
    }
    let say = |text: String| {
        if arguments.log_level <= LogLevel::Info {
            let (level, origin) = (LogLevel::Info, LogOrigin::Isthmus);
            // A configuration may come from elsewhere: what it contains gives a terminal no orders.
            let text = text.replace(char::is_control, " ");
            printer.line(&LogLine {
                level,
                origin,
                text,
                position: None,
            });
            printer.flush();
        }
    };
    for file in &project.secret_files {
        say(format!(
            "Using secrets defined in {}",
            isthmus_project::display_path(file)
        ));
    }
    if let Some(build) = &project.build {
        say(format!("Running the build: {}", build.command));
        self::build(build)?;
    }
    project.check_main()?;
    Ok(project)
}

/// Runs the build to its end. What it prints is shown as it comes, on standard error.
fn build(build: &Build) -> Result<(), Report> {
    let status = Command::new("sh")
        .arg("-c")
        .arg(&build.command)
        .current_dir(&build.cwd)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status();
    let failure = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("the build `{}` failed: {status}", build.command),
        Err(error) => {
            let cwd = isthmus_project::display_path(&build.cwd);
            format!("the build `{}` cannot run in {cwd}: {error}", build.command)
        }
    };
    Err(Diagnostic::error(failure).into())
}

fn serve_diagnostic(error: ServeError) -> Diagnostic {
    let ServeError::Port { addr, source } = &error else {
        return Diagnostic::error(error.to_string());
    };
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = match port_holder::find(*addr) {
                Some(holder) => format!("{} (process {})", holder.command, holder.pid),
                None => "a process of another user or in a container".to_owned(),
            };
            Diagnostic::error(format!("port {} is taken by {holder}", addr.port()))
                .hint("stop it, or choose another port with --port N (0 takes a free one)")
        }
        io::ErrorKind::PermissionDenied => Diagnostic::error(error.to_string())
            .hint("ports below 1024 are the system's: choose another one with --port N"),
        io::ErrorKind::AddrNotAvailable => Diagnostic::error(error.to_string())
            .hint("--ip takes an address of this machine: 127.0.0.1 for itself alone, 0.0.0.0 for all"),
        _ => Diagnostic::error(error.to_string()),
    }
}
