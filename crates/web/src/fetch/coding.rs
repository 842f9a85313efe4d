//! Content codings: <https://www.rfc-editor.org/rfc/rfc9110#name-content-codings>.
//!
//! A [`Coder`] turns some bytes into others piece by piece; its output per step is bounded, whatever a hostile input
//! expands to.

use std::io::Write;

use brotli::BrotliResult;
use brotli::enc::StandardAlloc;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How much a coder may put out in one step, in bytes.
const STEP: usize = 64 * 1024;

/// How many codings of one body are taken off. Each costs memory and may expand the one before, and nobody applies more.
const CODINGS_MAX: usize = 5;

/// Quality and window of Brotli for bodies that are made on the fly.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW: u32 = 22;

/// The level of Zstandard for the same.
const ZSTD_LEVEL: i32 = 3;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, also as `x-gzip`.
    Gzip,
    /// `deflate`: the zlib format.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

impl Coding {
    /// The codings that the values of `content-encoding` name, in the order they were applied; `None` if one of them
    /// is unknown, or they are too many, and the body opaque for it.
    pub(super) fn list<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Self>> {
        let mut codings = Vec::new();
        for value in values {
            for name in std::str::from_utf8(value).ok()?.split(',') {
                match name.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    "gzip" | "x-gzip" => codings.push(Self::Gzip),
                    "deflate" => codings.push(Self::Deflate),
                    "br" => codings.push(Self::Brotli),
                    "zstd" => codings.push(Self::Zstd),
                    _ => return None,
                }
            }
        }
        (codings.len() <= CODINGS_MAX).then_some(codings)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "Gzip",
            Self::Deflate => "Deflate",
            Self::Brotli => "Brotli",
            Self::Zstd => "Zstandard",
        }
    }
}

/// Takes the codings off a body, the last one first.
pub(super) struct Decoder(Vec<Stage>);

struct Stage {
    coding: Coding,
    input: Vec<u8>,
    /// How much of `input` is used up.
    taken: usize,
    machine: Machine,
    /// The coded data has ended; more would be garbage, which is ignored.
    ended: bool,
}

enum Machine {
    /// gzip, with or without a header in front of the deflated data: flate2 knows both.
    Flate(Box<Decompress>),
    Brotli(Box<brotli::BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Box<zstd::stream::raw::Decoder<'static>>),
}

impl Decoder {
    /// A decoder for codings in the order they were applied. Fails only if there is no memory.
    pub(super) fn new(codings: &[Coding]) -> Result<Self, String> {
        let stage = |&coding: &Coding| {
            let machine = match coding {
                Coding::Gzip => Machine::Flate(Box::new(Decompress::new_gzip(15))),
                Coding::Deflate => Machine::Flate(Box::new(Decompress::new(true))),
                Coding::Brotli => Machine::Brotli(Box::new(brotli::BrotliState::new(
                    StandardAlloc::default(),
                    StandardAlloc::default(),
                    StandardAlloc::default(),
                ))),
                Coding::Zstd => {
                    let decoder = zstd::stream::raw::Decoder::new().map_err(|error| error.to_string())?;
                    Machine::Zstd(Box::new(decoder))
                }
            };
            Ok(Stage {
                coding,
                input: Vec::new(),
                taken: 0,
                machine,
                ended: false,
            })
        };
        codings
            .iter()
            .rev()
            .map(stage)
            .collect::<Result<_, String>>()
            .map(Self)
    }

    /// Takes coded bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Some(first) = self.0.first_mut() {
            first.feed(bytes);
        }
    }

    /// The next decoded bytes; empty if more must be fed first.
    ///
    /// # Errors
    /// What is wrong with the coded data.
    pub(super) fn next(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let mut moved = false;
            for index in (0..self.0.len()).rev() {
                let out = self.0[index].step()?;
                if out.is_empty() {
                    continue;
                }
                match self.0.get_mut(index + 1) {
                    None => return Ok(out),
                    Some(next) => next.feed(&out),
                }
                moved = true;
                break;
            }
            if !moved {
                return Ok(Vec::new());
            }
        }
    }

    /// All was fed, and [`Self::next`] has nothing more.
    ///
    /// # Errors
    /// If the coded data is not complete.
    pub(super) fn finish(&self) -> Result<(), String> {
        match self.0.iter().find(|stage| !stage.ended) {
            None => Ok(()),
            Some(stage) => Err(format!(
                "{} compressed stream ended prematurely.",
                stage.coding.name()
            )),
        }
    }
}

impl Stage {
    fn feed(&mut self, bytes: &[u8]) {
        if self.taken == self.input.len() {
            self.input.clear();
            self.taken = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    fn step(&mut self) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        if self.ended && !matches!(self.coding, Coding::Gzip | Coding::Zstd) {
            self.taken = self.input.len();
            return Ok(out);
        }
        if self.taken == self.input.len() && matches!(self.machine, Machine::Zstd(_)) && self.ended {
            return Ok(out);
        }
        if self.ended && self.taken < self.input.len() {
            // Another member or frame; what is none is ignored, as by everybody.
            if !self.begin_next() {
                self.taken = self.input.len();
                return Ok(out);
            }
        }
        let failed = || format!("{} decompression failed.", self.coding.name());
        out.resize(STEP, 0);
        let (read, written, ended) = match &mut self.machine {
            Machine::Flate(machine) => {
                let (read, written) = (machine.total_in(), machine.total_out());
                let status = machine
                    .decompress(&self.input[self.taken..], &mut out, FlushDecompress::None)
                    .map_err(|_| failed())?;
                (
                    (machine.total_in() - read) as usize,
                    (machine.total_out() - written) as usize,
                    status == Status::StreamEnd,
                )
            }
            Machine::Brotli(state) => {
                let (mut left, mut read, mut room, mut written, mut total) =
                    (self.input.len() - self.taken, self.taken, STEP, 0, 0);
                let result = brotli::BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    &self.input,
                    &mut room,
                    &mut written,
                    &mut out,
                    &mut total,
                    state,
                );
                if matches!(result, BrotliResult::ResultFailure) {
                    return Err(failed());
                }
                (
                    read - self.taken,
                    written,
                    matches!(result, BrotliResult::ResultSuccess),
                )
            }
            Machine::Zstd(machine) => {
                use zstd::stream::raw::Operation;
                let status = machine
                    .run_on_buffers(&self.input[self.taken..], &mut out)
                    .map_err(|_| failed())?;
                (status.bytes_read, status.bytes_written, status.remaining == 0)
            }
        };
        self.taken += read;
        self.ended = ended;
        out.truncate(written);
        Ok(out)
    }

    /// Begins the next of several members (gzip) or frames (zstd) in a row; `false` if there is none.
    fn begin_next(&mut self) -> bool {
        let rest = &self.input[self.taken..];
        match &mut self.machine {
            Machine::Flate(machine) if self.coding == Coding::Gzip && rest.starts_with(&[0x1f]) => {
                **machine = Decompress::new_gzip(15);
            }
            // The decoder begins anew by itself.
            Machine::Zstd(_)
                if rest.starts_with(&[0x28]) || rest.first().is_some_and(|byte| byte >> 4 == 5) => {}
            _ => return false,
        }
        self.ended = false;
        true
    }
}

/// Puts a coding on a body.
pub(super) enum Encoder {
    Flate(Box<Compress>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    /// Fails only if there is no memory.
    pub(super) fn new(coding: Coding) -> Result<Self, String> {
        Ok(match coding {
            Coding::Gzip => Self::Flate(Box::new(Compress::new_gzip(Compression::default(), 15))),
            Coding::Deflate => Self::Flate(Box::new(Compress::new(Compression::default(), true))),
            Coding::Brotli => {
                let writer = brotli::CompressorWriter::new(Vec::new(), STEP, BROTLI_QUALITY, BROTLI_WINDOW);
                Self::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL);
                Self::Zstd(Box::new(encoder.map_err(|error| error.to_string())?))
            }
        })
    }

    /// The coded form of some bytes, complete so far: whoever reads it can decode all of them.
    pub(super) fn encode(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Flate(machine) => compress(machine, bytes, FlushCompress::Sync),
            Self::Brotli(writer) => {
                let written = writer.write_all(bytes).and_then(|()| writer.flush());
                written.map_err(|error| error.to_string())?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Self::Zstd(encoder) => {
                let written = encoder.write_all(bytes).and_then(|()| encoder.flush());
                written.map_err(|error| error.to_string())?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// What ends the coded form.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Flate(mut machine) => compress(&mut machine, &[], FlushCompress::Finish),
            Self::Brotli(writer) => Ok(writer.into_inner()),
            Self::Zstd(encoder) => encoder.finish().map_err(|error| error.to_string()),
        }
    }
}

fn compress(machine: &mut Compress, mut bytes: &[u8], flush: FlushCompress) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
    loop {
        let before = machine.total_in();
        let status = machine
            .compress_vec(bytes, &mut out, flush)
            .map_err(|error| error.to_string())?;
        bytes = &bytes[(machine.total_in() - before) as usize..];
        let room = out.capacity() > out.len();
        // With room left all that was asked for is out; a finished stream says so itself.
        if status == Status::StreamEnd
            || (room && bytes.is_empty() && !matches!(flush, FlushCompress::Finish))
        {
            return Ok(out);
        }
        out.reserve(out.capacity().max(4096));
    }
}

/// The coded form of a body that is all here.
pub(super) fn encode_all(coding: Coding, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = Encoder::new(coding)?;
    let mut out = encoder.encode(bytes)?;
    out.extend_from_slice(&encoder.finish()?);
    Ok(out)
}
