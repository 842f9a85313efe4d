//! The formats as transforms of bytes: DEFLATE (RFC 1951), alone or within zlib (RFC 1950) or gzip (RFC 1952).

use bytes::{Buf, Bytes};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::body::ByteTransform;

/// The length of a piece of output, in bytes.
const PIECE: usize = 64 * 1024;

/// 32 KiB, the largest window: what every decoder can read, and what a decoder must be able to.
const WINDOW_BITS: u8 = 15;

/// What is around the DEFLATE data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Raw,
    Zlib,
    Gzip,
}

impl Format {
    /// By the name that JavaScript has for it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "deflate" => Some(Self::Zlib),
            "deflate-raw" => Some(Self::Raw),
            "gzip" => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// How far one call of a codec has come.
struct Step {
    taken: usize,
    given: usize,
    is_end: bool,
}

/// Where output is written before it is copied into a piece of its own length.
struct Scratch(Box<[u8]>);

impl Scratch {
    fn new() -> Self {
        Self(vec![0; PIECE].into())
    }

    /// The next piece: `step(input, output)` is called until it has filled one, or gives nothing more.
    fn piece(
        &mut self,
        input: &mut Bytes,
        mut step: impl FnMut(&[u8], &mut [u8]) -> Result<Step, String>,
    ) -> Result<Option<Bytes>, String> {
        let mut filled = 0;
        while filled < self.0.len() {
            let done = step(input, &mut self.0[filled..])?;
            input.advance(done.taken);
            filled += done.given;
            if done.is_end || (done.taken == 0 && done.given == 0) {
                break;
            }
        }
        Ok((filled > 0).then(|| Bytes::copy_from_slice(&self.0[..filled])))
    }
}

/// `CompressionStream`.
pub(super) struct Compressor {
    codec: Compress,
    scratch: Scratch,
    is_ended: bool,
}

impl Compressor {
    pub(super) fn new(format: Format) -> Self {
        // The level is that of every other implementation.
        let level = Compression::default();
        let codec = match format {
            Format::Raw => Compress::new(level, false),
            Format::Zlib => Compress::new(level, true),
            Format::Gzip => Compress::new_gzip(level, WINDOW_BITS),
        };
        Self {
            codec,
            scratch: Scratch::new(),
            is_ended: false,
        }
    }

    fn piece(&mut self, input: &mut Bytes, flush: FlushCompress) -> Result<Option<Bytes>, String> {
        if self.is_ended {
            return Ok(None);
        }
        let Self {
            codec,
            scratch,
            is_ended,
        } = self;
        scratch.piece(input, |input, output| {
            let (taken, given) = (codec.total_in(), codec.total_out());
            let status = codec
                .compress(input, output, flush)
                .map_err(|_| "Compression failed.".to_owned())?;
            *is_ended = status == Status::StreamEnd;
            Ok(Step {
                taken: (codec.total_in() - taken) as usize,
                given: (codec.total_out() - given) as usize,
                is_end: *is_ended,
            })
        })
    }
}

impl ByteTransform for Compressor {
    fn transform(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, String> {
        self.piece(input, FlushCompress::None)
    }

    fn finish(&mut self) -> Result<Option<Bytes>, String> {
        self.piece(&mut Bytes::new(), FlushCompress::Finish)
    }

    fn is_slow(&self) -> bool {
        true
    }
}

/// `DecompressionStream`.
pub(super) struct Decompressor {
    codec: Decompress,
    scratch: Scratch,
    is_ended: bool,
}

impl Decompressor {
    pub(super) fn new(format: Format) -> Self {
        let codec = match format {
            Format::Raw => Decompress::new(false),
            Format::Zlib => Decompress::new(true),
            Format::Gzip => Decompress::new_gzip(WINDOW_BITS),
        };
        Self {
            codec,
            scratch: Scratch::new(),
            is_ended: false,
        }
    }
}

impl ByteTransform for Decompressor {
    fn transform(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, String> {
        let Self {
            codec,
            scratch,
            is_ended,
        } = self;
        if *is_ended {
            return if input.is_empty() {
                Ok(None)
            } else {
                Err("Trailing bytes after end of compressed data".to_owned())
            };
        }
        scratch.piece(input, |input, output| {
            let (taken, given) = (codec.total_in(), codec.total_out());
            let status = codec
                .decompress(input, output, FlushDecompress::None)
                .map_err(|_| "Decompression failed.".to_owned())?;
            *is_ended = status == Status::StreamEnd;
            Ok(Step {
                taken: (codec.total_in() - taken) as usize,
                given: (codec.total_out() - given) as usize,
                is_end: *is_ended,
            })
        })
    }

    fn finish(&mut self) -> Result<Option<Bytes>, String> {
        if self.is_ended {
            Ok(None)
        } else {
            Err("Called close() on a decompression stream with incomplete data".to_owned())
        }
    }

    fn is_slow(&self) -> bool {
        true
    }
}
