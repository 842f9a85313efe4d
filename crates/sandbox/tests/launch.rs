//! Launching: namespace, session, descriptors, and that no zygote outlives its host or is outlived by
//! its children. The zygotes here are shells.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use isthmus_sandbox::{ExitStatus, SandboxError, ZygoteCommand, ZygoteProcess, global_pid, launch_zygote};

/// A shell in the place of a zygote: what it prints, and our end of its control socket.
struct Shell {
    process: ZygoteProcess,
    output: File,
    control: UnixStream,
}

fn command(program: &str, args: &[&str]) -> (ZygoteCommand, File, UnixStream) {
    let (output, stdout) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let (control, theirs) = UnixStream::pair().unwrap();
    let stderr = stdout.try_clone().unwrap();
    let command = ZygoteCommand {
        program: PathBuf::from(program),
        args: args.iter().map(Into::into).collect(),
        env: vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("GREETING".into(), "hello".into()),
        ],
        cwd: PathBuf::from("/usr"),
        control: theirs.into(),
        stdout,
        stderr,
    };
    (command, output.into(), control)
}

fn shell(script: &str) -> Shell {
    let (command, output, control) = command("/bin/sh", &["-c", script]);
    Shell {
        process: launch_zygote(command).unwrap(),
        output,
        control,
    }
}

impl Shell {
    fn line(&mut self) -> String {
        let mut line = String::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0] as char);
        }
        line
    }

    fn everything(&mut self) -> String {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        text
    }
}

fn runs(pid: i32) -> bool {
    // A zombie that nobody has reaped yet has ended too.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with(['Z', 'X'])
    })
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn runs_the_program_with_its_environment_and_folder() {
    let mut shell = shell("echo $GREETING $HOME in $PWD; exit 3");
    assert_eq!(shell.everything(), "hello in /usr\n");
    let status = shell.process.wait().unwrap();
    assert_eq!(status, ExitStatus::Code(3));
    assert_eq!(status.to_string(), "exit code 3");
    assert_eq!(shell.process.try_wait(), Some(status), "a status is kept");
}

#[test]
fn is_the_first_process_of_its_namespace() {
    let mut shell = shell("echo $$; read wait <&3");
    if shell.process.namespaced() {
        assert_eq!(shell.line(), "1");
        assert_eq!(shell.process.refusal(), None);
    } else {
        assert_eq!(shell.line(), shell.process.pid().to_string());
        assert!(
            shell
                .process
                .refusal()
                .is_some_and(|reason| reason.contains("no PID namespace"))
        );
    }
    assert!(runs(shell.process.pid()));
    assert_eq!(shell.process.try_wait(), None);
}

#[test]
fn has_no_descriptor_but_stdio_and_control() {
    let leaked = File::open("/etc/passwd").unwrap();
    // Inheritable on purpose: not every descriptor of a host is its own making.
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let mut shell = shell("echo up; exec sleep 1000");
    assert_eq!(shell.line(), "up");
    let mut open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", shell.process.pid()))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_owned(), fs::read_link(path).unwrap()))
        .map(|(number, target)| format!("{}: {}", number.display(), target.display()))
        .collect();
    open.sort();
    assert_eq!(open.len(), 4, "{open:?}");
    assert_eq!(open[0], "0: /dev/null");
    assert!(
        open[1].starts_with("1: pipe:") && open[2].starts_with("2: pipe:"),
        "{open:?}"
    );
    assert!(open[3].starts_with("3: socket:"), "{open:?}");
}

#[test]
fn finds_its_control_socket_and_the_host_its_end() {
    let mut shell = shell("read word <&3; echo \"got $word\" >&3");
    shell.control.write_all(b"ping\n").unwrap();
    let mut answer = String::new();
    // Ends because the host keeps no copy of the zygote's end.
    shell.control.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "got ping\n");
}

#[test]
fn has_a_session_and_default_signals() {
    let mut shell = shell("grep -E '^(SigIgn|SigBlk)' /proc/self/status; read wait <&3");
    for expected in ["SigBlk", "SigIgn"] {
        let line = shell.line();
        let (name, mask) = line.split_once(':').unwrap();
        assert_eq!((name, u64::from_str_radix(mask.trim(), 16)), (expected, Ok(0)));
    }
    // Field 6 of `stat` is the session.
    let stat = fs::read_to_string(format!("/proc/{}/stat", shell.process.pid())).unwrap();
    let session = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .nth(3)
        .unwrap()
        .to_owned();
    assert_eq!(session, shell.process.pid().to_string());
}

#[test]
fn its_children_are_found_and_die_with_it() {
    let mut shell = shell("sleep 1000 & echo $!; read wait <&3");
    let inner: i32 = shell.line().parse().unwrap();
    let child = global_pid(shell.process.pid(), inner).expect("the child is listed");
    assert!(runs(child));
    assert_eq!(global_pid(shell.process.pid(), 99_999), None);
    if !shell.process.namespaced() {
        return; // A shell's child asks for no parent-death signal; `settle` tests that isolates do.
    }
    assert_ne!(child, inner);
    shell.process.kill();
    assert_eq!(
        shell.process.wait().map(|status| status.to_string()).as_deref(),
        Some("signal 9 (SIGKILL)")
    );
    eventually("the child has ended", || !runs(child));
}

#[test]
fn dropping_it_ends_and_reaps_it() {
    let shell = shell("read wait <&3");
    let pid = shell.process.pid();
    drop(shell.process);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn its_pidfd_tells_its_end() {
    let shell = shell("read wait <&3; exit 7");
    let mut polled = [rustix::event::PollFd::from_borrowed_fd(
        shell.process.pidfd(),
        rustix::event::PollFlags::IN,
    )];
    assert_eq!(
        rustix::event::poll(
            &mut polled,
            Some(&rustix::event::Timespec {
                tv_sec: 0,
                tv_nsec: 0
            })
        ),
        Ok(0)
    );
    drop(shell.control);
    assert_eq!(rustix::event::poll(&mut polled, None), Ok(1));
    assert_eq!(shell.process.try_wait(), Some(ExitStatus::Code(7)));
}

#[test]
fn outlives_the_thread_that_asked_for_it() {
    let mut shell = thread::spawn(|| shell("echo up; read word <&3; echo $word"))
        .join()
        .unwrap();
    assert_eq!(shell.line(), "up");
    shell.control.write_all(b"still\n").unwrap();
    assert_eq!(shell.line(), "still");
}

#[test]
fn failures_name_their_step() {
    let (missing, ..) = command("/no/such/program", &[]);
    let error = launch_zygote(missing).unwrap_err();
    assert!(matches!(&error, SandboxError::Child { source, .. } if source.kind() == io::ErrorKind::NotFound));
    assert!(error.to_string().contains("running the program"), "{error}");

    let (mut nowhere, ..) = command("/bin/sh", &[]);
    nowhere.cwd = "/no/such/folder".into();
    let error = launch_zygote(nowhere).unwrap_err();
    assert!(
        error.to_string().contains("changing to the working folder"),
        "{error}"
    );

    let (nul, ..) = command("/bin/sh", &["a\0b"]);
    assert!(matches!(
        launch_zygote(nul),
        Err(SandboxError::Nul { what: "an argument" })
    ));
}

/// What a host of another kind (see [`as_another_host`]) reports about the zygote it started.
struct Report {
    host: std::process::Child,
    zygote: i32,
    inner: String,
    refusal: String,
    // Dropped last: the copied program lies in it.
    _folder: tempfile::TempDir,
}

impl Drop for Report {
    fn drop(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

/// Starts this program again, changed by `change`, as a host: it runs [`role_host`].
fn as_another_host(change: impl FnOnce(&mut Command)) -> Report {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Another user may not be able to reach the build folder.
    let program = folder.path().join("host");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let report = folder.path().join("report");
    let mut command = Command::new(program);
    command.args(["--exact", "role_host", "--ignored"]);
    command
        .env("ISTHMUS_TEST_REPORT", &report)
        .current_dir("/")
        .stdout(Stdio::null());
    change(&mut command);
    let host = loop {
        match command.spawn() {
            // A process that another test forks just now has our copy still open for writing.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            result => break result.unwrap(),
        }
    };
    eventually("the host reports", || report.exists());
    let text = fs::read_to_string(report).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    let zygote = next().parse().unwrap();
    Report {
        host,
        zygote,
        inner: next(),
        refusal: next(),
        _folder: folder,
    }
}

#[test]
#[ignore = "a role that other tests start, not a test"]
fn role_host() {
    let Some(report) = std::env::var_os("ISTHMUS_TEST_REPORT") else {
        return;
    };
    let mut shell = shell("echo $$; read wait <&3");
    let inner = shell.line();
    let refusal = shell.process.refusal().unwrap_or_default();
    let text = format!("{}\n{inner}\n{refusal}\n", shell.process.pid());
    // Appears whole or not at all.
    let draft = Path::new(&report).with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, report).unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn dies_with_the_host() {
    let mut report = as_another_host(|_| ());
    assert!(runs(report.zygote));
    report.host.kill().unwrap();
    report.host.wait().unwrap();
    eventually("the zygote has ended", || !runs(report.zygote));
}

#[test]
fn an_unprivileged_user_has_it_too() {
    let mut report = as_another_host(|command| {
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
    });
    if report.refusal.is_empty() {
        assert_eq!(report.inner, "1");
    } else {
        assert_eq!(report.inner, report.zygote.to_string());
    }
    report.host.kill().unwrap();
    report.host.wait().unwrap();
    eventually("the zygote has ended", || !runs(report.zygote));
}

#[test]
fn where_the_kernel_refuses_it_runs_without_a_namespace() {
    let mut report = as_another_host(|command| {
        // A user namespace without a map: no capability after `execve`, and no further user namespace. Where
        // even that is refused, so is everything that the launch tries.
        // SAFETY: between fork and exec only a system call is made.
        unsafe {
            command.pre_exec(|| {
                libc::unshare(libc::CLONE_NEWUSER);
                Ok(())
            });
        }
    });
    assert!(report.refusal.contains("no PID namespace"), "{}", report.refusal);
    assert_eq!(report.inner, report.zygote.to_string());
    report.host.kill().unwrap();
    report.host.wait().unwrap();
    eventually("the zygote has ended", || !runs(report.zygote));
}

#[test]
fn low_descriptors_of_the_host_are_no_trouble() {
    // The host's own stdio may be closed: then new descriptors take the very numbers the zygote needs.
    let report = as_another_host(|command| {
        // SAFETY: between fork and exec only system calls are made.
        unsafe {
            command.pre_exec(|| {
                libc::close(0);
                libc::close(1);
                Ok(())
            });
        }
    });
    assert!(runs(report.zygote));
}
