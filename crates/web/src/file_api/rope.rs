//! Bytes in pieces that are shared, never copied: what a blob holds, and what a form is sent as.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use rquickjs::Ctx;

use crate::body::{ByteSource, IncomingBody, PullDone, Pulled};

/// A piece shorter than this is copied into its neighbour when ropes are joined, so that adding to a blob again and
/// again does not pile up pieces.
const WORTH_SHARING: usize = 4096;

/// How much of a piece one pull of a stream hands out.
const CHUNK: usize = 64 * 1024;

/// Immutable bytes in pieces, none of them empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rope {
    pieces: Vec<Bytes>,
    length: u64,
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let mut builder = Builder::default();
        builder.share(bytes);
        builder.finish()
    }
}

impl Rope {
    /// In bytes.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// The bytes from `start` to `end`, which must not be beyond the end nor before `start`.
    pub(crate) fn slice(&self, start: u64, end: u64) -> Self {
        let mut pieces = Vec::new();
        let mut position = 0_u64;
        for piece in &self.pieces {
            let length = piece.len() as u64;
            let from = start.clamp(position, position + length) - position;
            let to = end.clamp(position, position + length) - position;
            if from < to {
                // Both are at most the length of a piece, which is a `usize`.
                pieces.push(piece.slice(from as usize..to as usize));
            }
            position += length;
        }
        Self {
            pieces,
            length: end - start,
        }
    }

    /// All of them in one piece; no copy is made if they are in one already.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [piece] => piece.clone(),
            pieces => pieces.concat().into(),
        }
    }

    /// As a body: whole if it is in one piece, else piece by piece.
    pub(crate) fn into_body(mut self) -> IncomingBody {
        match self.pieces.len() {
            0 => IncomingBody::Bytes(Bytes::new()),
            1 => IncomingBody::Bytes(self.pieces.remove(0)),
            _ => IncomingBody::Source {
                length: Some(self.length),
                source: Rc::new(self.into_source()),
            },
        }
    }

    /// As a source of chunks of moderate size.
    pub(crate) fn into_source(self) -> RopeSource {
        RopeSource {
            pieces: RefCell::new(self.pieces.into()),
        }
    }
}

/// Makes a [`Rope`].
#[derive(Default)]
pub(crate) struct Builder {
    pieces: Vec<Bytes>,
    length: u64,
    /// Bytes of our own that are not a piece yet.
    tail: BytesMut,
}

impl Builder {
    /// Adds a copy of `bytes`.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
    }

    /// Adds `bytes`, shared unless they are few.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING {
            self.copy(&bytes);
            return;
        }
        self.flush();
        self.length += bytes.len() as u64;
        self.pieces.push(bytes);
    }

    /// Adds all pieces of `rope`, shared unless they are small.
    pub(crate) fn append(&mut self, rope: &Rope) {
        for piece in &rope.pieces {
            self.share(piece.clone());
        }
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }

    pub(crate) fn finish(mut self) -> Rope {
        self.flush();
        Rope {
            pieces: self.pieces,
            length: self.length,
        }
    }
}

/// Hands out the pieces of a rope; never waits.
pub(crate) struct RopeSource {
    pieces: RefCell<VecDeque<Bytes>>,
}

impl RopeSource {
    fn next(&self) -> Pulled {
        let mut pieces = self.pieces.borrow_mut();
        match pieces.pop_front() {
            None => Pulled::End,
            Some(mut piece) => {
                if piece.len() > CHUNK {
                    pieces.push_front(piece.split_off(CHUNK));
                }
                Pulled::Chunk(piece)
            }
        }
    }
}

impl ByteSource for RopeSource {
    fn pull(&self, ctx: &Ctx<'_>, done: PullDone) {
        let next = self.next();
        done(ctx, next);
    }

    fn cancel(&self) {
        self.pieces.borrow_mut().clear();
    }
}
