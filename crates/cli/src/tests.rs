//! The command line, run up to the point where a Worker would be served.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use isthmus_host::{LogLevel, LogLine, LogOrigin, LogSink};

use crate::printer::Printer;
use crate::{Invocation, run_with};

/// A stream that keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// The text, without colours.
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no test panics while it writes").clone();
        anstream::adapter::strip_str(&String::from_utf8(bytes).expect("text")).to_string()
    }

    fn raw(&self) -> String {
        String::from_utf8(self.0.lock().expect("no test panics while it writes").clone()).expect("text")
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while it writes")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn printer() -> (Arc<Printer>, Kept, Kept) {
    let (out, err) = (Kept::default(), Kept::default());
    (
        Arc::new(Printer::new(
            Box::new(out.clone()),
            Box::new(out.clone()),
            Box::new(err.clone()),
        )),
        out,
        err,
    )
}

/// Exit code, standard output and standard error.
fn isthmus(arguments: &[&str]) -> (i32, String, String) {
    let (printer, out, err) = printer();
    let args = ["isthmus"].iter().chain(arguments).map(OsString::from).collect();
    let code = run_with(
        Invocation {
            args,
            python: "/nonexistent/python".into(),
        },
        printer,
    );
    (code, out.text(), err.text())
}

fn project(further: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("entry.py"), "").expect("a file");
    let text = format!(
        "main = \"entry.py\"\ncompatibility_date = \"2026-11-01\"\ncompatibility_flags = [\"python_workers\"]\n{further}"
    );
    std::fs::write(dir.path().join("wrangler.toml"), text).expect("a file");
    dir
}

fn dev(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let dir = dir.to_str().expect("a path in UTF-8");
    let (code, out, err) = isthmus(&[&["dev", dir], arguments].concat());
    assert_eq!(out, "");
    (code, err.replace(dir, "[DIR]"))
}

#[test]
fn version() {
    let text = format!("isthmus {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(isthmus(&["--version"]), (0, text, String::new()));
}

#[test]
fn help_is_data_and_wrong_usage_is_not() {
    let (code, out, err) = isthmus(&["dev", "--help"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for option in [
        "--port",
        "--ip",
        "--env",
        "--config",
        "--persist-to",
        "--var",
        "--log-level",
        "--isolates",
        "--outbound",
    ] {
        assert!(out.contains(option), "{option} is not in:\n{out}");
    }
    for arguments in [
        &[][..],
        &["dve"],
        &["dev", "--prot", "1"],
        &["dev", "--port", "65536"],
        &["dev", "--ip", "example.com"],
        &["dev", "--log-level", "loud"],
        &["dev", "--isolates", "0"],
        &["dev", "--outbound", "private"],
        &["dev", "--outbound", "10.0.0.0/33"],
        &["dev", "a", "b"],
    ] {
        let (code, out, err) = isthmus(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(!err.is_empty(), "{arguments:?}");
    }
    assert!(isthmus(&["dev", "--prot", "1"]).2.contains("'--port'"));
}

#[test]
fn a_bad_configuration_is_reported() {
    let dir = project("name = 5\n");
    assert_eq!(
        dev(dir.path(), &[]),
        (
            1,
            "\
error: `name` must be a string, but this is a number
 --> [DIR]/wrangler.toml:4:8
  |
4 | name = 5
  |        ^

"
            .into()
        )
    );
    let (code, text) = dev(dir.path(), &["--env", "test"]);
    assert_eq!(code, 1);
    assert!(text.contains("error: there is no environment `test`\n"), "{text}");
    let (code, text) = dev(dir.path(), &["--var", "A"]);
    assert_eq!(code, 1);
    assert!(text.contains("error: `--var A` has no value\n"), "{text}");
}

#[test]
fn a_binding_that_is_not_served_stops_it_before_the_build() {
    let dir =
        project("build.command = \"touch built\"\n[[vectorize]]\nbinding = \"INDEX\"\nindex_name = \"i\"\n");
    let (code, text) = dev(dir.path(), &["--port", "0"]);
    assert_eq!(code, 1);
    assert!(
        text.starts_with(
            "error: `INDEX`: bindings of the kind Vectorize index can't be served by Isthmus yet\n"
        ),
        "{text}"
    );
    assert!(!dir.path().join("built").exists());
}

#[test]
fn a_build_that_fails_stops_it() {
    let dir = project("[build]\ncommand = \"exit 3\"\n");
    assert_eq!(
        dev(dir.path(), &[]),
        (
            1,
            "[wrangler:info] Running the build: exit 3\nerror: the build `exit 3` failed: exit status: 3\n\n"
                .into()
        )
    );
    let dir = project("[build]\ncommand = \"true\"\ncwd = \"nowhere\"\n");
    assert_eq!(
        dev(dir.path(), &["--log-level", "none"]),
        (
            1,
            "error: the build `true` cannot run in [DIR]/nowhere: No such file or directory (os error 2)\n\n"
                .into()
        )
    );
}

#[test]
fn a_build_command_gives_the_terminal_no_orders() {
    let dir = project("[build]\ncommand = \"exit 1; \\u001b]0;owned\\u0007\"\n");
    let (printer, _, err) = printer();
    let args = ["isthmus".into(), "dev".into(), dir.path().into()];
    let code = run_with(
        Invocation {
            args: args.into(),
            python: "python".into(),
        },
        printer,
    );
    assert_eq!(code, 1);
    let text = err.raw();
    assert!(
        text.contains("[wrangler:info] Running the build: exit 1;  ]0;owned "),
        "{text:?}"
    );
    assert!(!text.contains("\u{1b}]") && !text.contains('\u{7}'), "{text:?}");
}

#[test]
fn a_build_runs_in_its_folder_and_must_make_main() {
    let dir = project("[build]\ncommand = \"pwd > where; rm ../entry.py\"\ncwd = \"sub\"\n");
    std::fs::create_dir(dir.path().join("sub")).expect("a folder");
    let (code, text) = dev(dir.path(), &["--log-level", "error"]);
    assert_eq!(code, 1);
    assert!(
        text.starts_with("error: the main module doesn't exist: [DIR]/entry.py\n"),
        "{text}"
    );
    let place = std::fs::read_to_string(dir.path().join("sub/where")).expect("the build ran");
    assert_eq!(Path::new(place.trim()).file_name(), Some("sub".as_ref()));
}

#[test]
fn a_taken_port_names_its_holder() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let dir = project(&format!("[dev]\nport = {port}\n"));
    let command = std::fs::read_to_string("/proc/self/comm").expect("this process");
    let command = command.trim();
    let pid = std::process::id();
    assert_eq!(
        dev(dir.path(), &[]),
        (
            1,
            format!(
                "\
error: port {port} is taken by {command} (process {pid})
 |
 = help: stop it, or choose another port with --port N (0 takes a free one)

"
            )
        )
    );
}

#[test]
fn warnings_come_with_their_level() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let dir = project("nmae = \"x\"\n");
    let text = dev(dir.path(), &["--port", &port]).1;
    assert!(
        text.starts_with("warning: `nmae` is no key of the top level, so it is ignored\n"),
        "{text}"
    );
    let text = dev(dir.path(), &["--port", &port, "--log-level", "error"]).1;
    assert!(text.starts_with("error: port"), "{text}");
}

#[test]
fn secret_files_are_named() {
    let dir = project("[build]\ncommand = \"false\"\n");
    std::fs::write(dir.path().join(".dev.vars"), "A=1").expect("a file");
    let text = dev(dir.path(), &[]).1;
    assert!(
        text.starts_with("[wrangler:info] Using secrets defined in [DIR]/.dev.vars\n"),
        "{text}"
    );
}

#[test]
fn the_log_goes_to_standard_error_and_the_ready_line_to_standard_output() {
    let (printer, out, err) = printer();
    let line = |level, origin, text: &str| LogLine {
        level,
        origin,
        text: text.into(),
        position: None,
    };
    printer.line(&line(LogLevel::Log, LogOrigin::Console, "hello"));
    printer.line(&line(LogLevel::Error, LogOrigin::Isthmus, "bad"));
    printer.ready("127.0.0.1:8787".parse().expect("an address"));
    assert_eq!(out.text(), "[wrangler:info] Ready on http://127.0.0.1:8787\n");
    assert_eq!(err.text(), "hello\n[wrangler:error] bad\n");
    assert_eq!(err.raw(), "hello\n\u{1b}[31m[wrangler:error] bad\u{1b}[0m\n");
    printer.ready("[::1]:80".parse().expect("an address"));
    assert!(out.text().ends_with("Ready on http://[::1]:80\n"));
}
