//! Descriptors over Unix sockets.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use isthmus_sandbox::{MAX_PASSED, recv_with_fds, send_with_fds};

#[test]
fn descriptors_travel() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let sent = send_with_fds(ours.as_fd(), b"frame", &[reader.as_fd(), writer.as_fd()]).unwrap();
    assert_eq!(sent, 5);

    let mut buffer = [0; 16];
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    let count = recv_with_fds(theirs.as_fd(), &mut buffer, &mut descriptors).unwrap();
    assert_eq!(&buffer[..count], b"frame");
    let [reader, writer]: [OwnedFd; 2] = descriptors.try_into().unwrap();
    for descriptor in [&reader, &writer] {
        let flags = rustix::io::fcntl_getfd(descriptor).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
    File::from(writer).write_all(b"through").unwrap();
    let mut text = String::new();
    drop((ours, theirs));
    File::from(reader).take(7).read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

#[test]
fn plain_bytes_and_the_end_arrive_as_such() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut buffer = [0; 16];
    let mut descriptors = Vec::new();
    send_with_fds(ours.as_fd(), b"x", &[]).unwrap();
    assert_eq!(
        recv_with_fds(theirs.as_fd(), &mut buffer, &mut descriptors).unwrap(),
        1
    );
    drop(ours);
    assert_eq!(
        recv_with_fds(theirs.as_fd(), &mut buffer, &mut descriptors).unwrap(),
        0
    );
    assert!(descriptors.is_empty());
}

#[test]
fn what_cannot_travel_is_refused() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let many = vec![ours.as_fd(); MAX_PASSED + 1];
    let error = send_with_fds(ours.as_fd(), b"x", &many).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = send_with_fds(ours.as_fd(), b"", &[theirs.as_fd()]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    drop(theirs);
    let error = send_with_fds(ours.as_fd(), b"x", &[]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "an error, not a signal");
}
