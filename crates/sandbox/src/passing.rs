//! Descriptors over Unix sockets (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The most descriptors that one message carries.
pub const MAX_PASSED: usize = 8;

const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_PASSED));

/// Sends bytes and, with the first of them, descriptors (at most [`MAX_PASSED`]); answers how many
/// bytes the socket took. The descriptors are on their way as soon as that is at least one.
///
/// # Errors
/// What the kernel says; `InvalidInput` for no bytes (descriptors travel only with some) or too many
/// descriptors; `WouldBlock` from a full non-blocking socket.
pub fn send_with_fds(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    if bytes.is_empty() || descriptors.len() > MAX_PASSED {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Receives bytes into `buffer` and appends the descriptors that came with them, closed on `execve`;
/// answers how many bytes came, 0 at the end of the stream.
///
/// # Errors
/// What the kernel says; `InvalidData` if descriptors were lost because more than [`MAX_PASSED`] came
/// or this process may open no more (those that did come are closed).
pub fn recv_with_fds(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let buffers = &mut [IoSliceMut::new(buffer)];
        match recvmsg(socket, buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    let before = descriptors.len();
    for received in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = received {
            descriptors.extend(rights);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) {
        descriptors.truncate(before);
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "descriptors were lost on the way",
        ));
    }
    Ok(message.bytes)
}
