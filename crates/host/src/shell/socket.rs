//! The socket of a running `isthmus dev` in its state folder.
//!
//! Only its user may connect: it gets its rights before it listens, and only then its name. A socket whose `dev` was
//! killed refuses connections and is replaced. A Unix address has room for 107 bytes; a longer path is named through
//! the descriptor of the folder.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// The socket's name in the state folder.
const NAME: &str = "dev.sock";

/// So many commands may wait to be taken up.
const BACKLOG: i32 = 64;

/// The listening socket; its file goes with it.
pub(crate) struct Listening {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file: another `dev` may have put its own in its place.
    file: (u64, u64),
}

impl Drop for Listening {
    fn drop(&mut self) {
        if identity(&self.path).ok() == Some(self.file) {
            // If it can't be removed, it is found to be stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Why nobody listens.
pub(crate) enum NotListening {
    /// Another `dev` does, on the same folder: this process.
    Taken(Option<i32>),
    /// The system refuses it.
    Failed(io::Error),
}

/// Listens in a state folder, which is made if it does not exist. Must be called within a tokio runtime.
///
/// # Errors
/// [`NotListening`].
pub(crate) fn listen(folder: &Path) -> Result<Listening, NotListening> {
    fs::create_dir_all(folder).map_err(NotListening::Failed)?;
    if let Some(other) = connect(folder).map_err(NotListening::Failed)? {
        let process = rustix::net::sockopt::socket_peercred(&other);
        let process = process
            .ok()
            .map(|credentials| credentials.pid.as_raw_nonzero().get());
        return Err(NotListening::Taken(process));
    }
    bind(folder).map_err(NotListening::Failed)
}

fn bind(folder: &Path) -> io::Result<Listening> {
    let mut new_name = OsString::from(NAME);
    new_name.push(format!(".{}", std::process::id()));
    let (new, path) = (folder.join(&new_name), folder.join(NAME));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = stream_socket()?;
    with_address(folder, &new_name, |address| rustix::net::bind(&socket, address))?;
    let made = || -> io::Result<Listening> {
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
        rustix::net::listen(&socket, BACKLOG)?;
        let listener = StdListener::from(socket);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let file = identity(&new)?;
        fs::rename(&new, &path)?;
        Ok(Listening { listener, path, file })
    };
    made().inspect_err(|_| {
        // The reason is what counts.
        let _ = fs::remove_file(&new);
    })
}

/// Connects to the `dev` that listens in a state folder; `None` if there is none.
///
/// # Errors
/// Something listens, or might, but can't be reached.
pub(super) fn connect(folder: &Path) -> io::Result<Option<StdStream>> {
    let socket = stream_socket()?;
    let connected = with_address(folder, NAME.as_ref(), |address| {
        rustix::net::connect(&socket, address)
    });
    match connected {
        Ok(()) => Ok(Some(StdStream::from(socket))),
        // No folder or no socket; the socket of a process that is gone.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// Does something with the address of a socket in `folder`.
fn with_address(
    folder: &Path,
    name: &std::ffi::OsStr,
    act: impl FnOnce(&SocketAddrUnix) -> Result<(), Errno>,
) -> Result<(), Errno> {
    match SocketAddrUnix::new(folder.join(name)) {
        Err(Errno::NAMETOOLONG) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(folder, flags, Mode::empty())?;
            let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
            act(&SocketAddrUnix::new(short.join(name))?)
        }
        address => act(&address?),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_user_may_connect_and_the_file_goes_with_the_listener() {
        let folder = tempfile::tempdir().expect("a folder");
        let Ok(listening) = listen(folder.path()) else {
            panic!("it listens");
        };
        let socket = folder.path().join(NAME);
        let mode = fs::metadata(&socket).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(connect(folder.path()).expect("connects").is_some());
        assert!(
            matches!(listen(folder.path()), Err(NotListening::Taken(Some(pid))) if pid as u32 == std::process::id())
        );
        drop(listening);
        assert!(!socket.exists());
        assert!(connect(folder.path()).expect("no error").is_none());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_newer_one_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let Ok(killed) = listen(folder.path()) else {
            panic!("it listens");
        };
        // Its file stays, as after `kill -9`.
        let Listening { listener, .. } = &killed;
        rustix::net::shutdown(listener, rustix::net::Shutdown::Both).expect("shuts down");
        assert!(connect(folder.path()).expect("no error").is_none());
        let Ok(newer) = listen(folder.path()) else {
            panic!("it takes the place");
        };
        drop(killed);
        assert!(connect(folder.path()).expect("connects").is_some());
        drop(newer);
    }

    #[tokio::test]
    async fn a_path_longer_than_an_address_is_no_obstacle() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(200));
        let Ok(_listening) = listen(&deep) else {
            panic!("it listens");
        };
        assert!(connect(&deep).expect("connects").is_some());
        assert!(deep.join(NAME).exists());
    }

    #[tokio::test]
    async fn what_stands_in_the_way_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("file"), "").expect("a file");
        assert!(matches!(
            listen(&folder.path().join("file")),
            Err(NotListening::Failed(_))
        ));
        assert!(connect(&folder.path().join("file")).expect("no error").is_none());
        fs::create_dir(folder.path().join(NAME)).expect("a folder");
        assert!(listen(folder.path()).is_err());
    }
}
