//! Compressed bytes → plain bytes, cut anywhere, never more than is allowed.
//!
//! Takes frames of gzip (RFC 1952, several members), zlib (RFC 1950) or zstd (RFC 8878, several frames); gives plain bytes in pieces of at
//! most about 64 KiB, so that what reads them can pause in between. Refuses, as [`InflateFault`], what expands beyond a size or a ratio, a
//! zstd window above 8 MiB, damage, and an end in the middle. Holds one frame and one piece, and the window of the format.

use std::io::Write;

use flate2::write::{MultiGzDecoder, ZlibDecoder};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950; no content coding of ours, but found inside XML.
    Zlib,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The content coding of that name (RFC 9110 section 8.4.1): `gzip`, `x-gzip`, `zstd`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why compressed bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateFault {
    /// More plain bytes than are taken.
    #[error("more than {limit} bytes when unpacked")]
    TooLarge {
        /// Plain bytes that would have been taken.
        limit: u64,
    },
    /// Far more plain bytes than any feed has: a bomb.
    #[error("unpacks to more than {RATIO_MAX} times its size")]
    TooDense,
    /// Not of this coding, or damaged.
    #[error("damaged, or not compressed as it declares")]
    Damaged,
    /// The end is missing.
    #[error("the compressed content ends early")]
    Incomplete,
}

/// Bytes taken and given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    taken: u64,
    given: u64,
}

/// The state between frames.
pub struct Inflater {
    engine: Engine,
    /// Compressed bytes not yet taken, from `at` on.
    frame: Vec<u8>,
    at: usize,
    /// The piece given last.
    piece: Vec<u8>,
    volume: Volume,
    limit: u64,
    failed: Option<InflateFault>,
}

enum Engine {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// With whether a frame is whole.
    Zstd(Box<ZstdDecoder<'static>>, bool),
}

impl Inflater {
    /// Unpacks up to `limit` plain bytes.
    pub fn new(coding: Coding, limit: u64) -> Result<Self, InflateFault> {
        Self::after(Volume::default(), coding, limit)
    }

    /// The same for one of several contents of a file, behind others: size and ratio are bounded for all of them together, so that many small bombs
    /// are one.
    pub fn after(volume: Volume, coding: Coding, limit: u64) -> Result<Self, InflateFault> {
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Coding::Zlib => Engine::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::new().map_err(|_| InflateFault::Damaged)?;
                decoder
                    .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
                    .map_err(|_| InflateFault::Damaged)?;
                Engine::Zstd(Box::new(decoder), false)
            }
        };
        Ok(Self {
            engine,
            frame: Vec::new(),
            at: 0,
            piece: Vec::new(),
            volume,
            limit,
            failed: None,
        })
    }

    /// Adds a frame of compressed bytes; [`Inflater::next`] gives what is in it.
    pub fn put(&mut self, frame: &[u8]) {
        self.frame.drain(..self.at);
        self.at = 0;
        self.frame.extend_from_slice(frame);
    }

    /// The next plain bytes; `None` when another frame is needed. After a fault, the same fault.
    #[expect(clippy::should_implement_trait, reason = "it lends its buffer and can fail")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, InflateFault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        self.piece.clear();
        loop {
            let rest = self.frame.get(self.at..).unwrap_or_default();
            let (read, done) = match self.engine.step(rest, &mut self.piece) {
                Ok(step) => step,
                Err(fault) => return self.fail(fault),
            };
            self.at += read;
            self.volume.taken += read as u64;
            if !self.piece.is_empty() {
                break;
            }
            if done {
                return Ok(None);
            }
        }
        self.volume.given += self.piece.len() as u64;
        if self.volume.given > self.limit {
            return self.fail(InflateFault::TooLarge { limit: self.limit });
        }
        if self.volume.given > FREE_BYTES && self.volume.given / RATIO_MAX > self.volume.taken {
            return self.fail(InflateFault::TooDense);
        }
        Ok(Some(&self.piece))
    }

    /// What went through it, with what went before.
    pub fn volume(&self) -> Volume {
        self.volume
    }

    /// Says that no frame follows; all was taken by [`Inflater::next`] before.
    pub fn finish(&mut self) -> Result<(), InflateFault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        // No byte at all is an empty body, whatever it declares.
        if self.volume.taken == 0 || self.engine.is_whole() {
            Ok(())
        } else {
            self.fail(InflateFault::Incomplete).map(|_| ())
        }
    }

    fn fail(&mut self, fault: InflateFault) -> Result<Option<&[u8]>, InflateFault> {
        self.failed = Some(fault);
        self.frame = Vec::new();
        self.at = 0;
        Err(fault)
    }
}

impl std::fmt::Debug for Inflater {
    // The buffers hold values of fields: counts only.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Inflater")
            .field("volume", &self.volume)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Takes some bytes and adds some plain ones; gives bytes taken, and whether nothing more can come out of what was given.
    fn step(&mut self, bytes: &[u8], piece: &mut Vec<u8>) -> Result<(usize, bool), InflateFault> {
        let (read, idle) = match self {
            Self::Gzip(decoder) => (write(decoder.as_mut(), bytes)?, bytes.is_empty()),
            Self::Zlib(decoder) => (write(decoder.as_mut(), bytes)?, bytes.is_empty()),
            Self::Zstd(decoder, whole) => {
                if bytes.is_empty() && *whole {
                    return Ok((0, true));
                }
                piece.resize(PIECE_BYTES, 0);
                let status = decoder
                    .run_on_buffers(bytes, piece)
                    .map_err(|_| InflateFault::Damaged)?;
                piece.truncate(status.bytes_written);
                *whole = status.remaining == 0;
                return Ok((status.bytes_read, bytes.is_empty() && status.bytes_written == 0));
            }
        };
        let out = match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Zstd(..) => return Ok((read, idle)),
        };
        std::mem::swap(out, piece);
        out.clear();
        Ok((read, idle))
    }

    /// Whether the bytes so far end where they may.
    fn is_whole(&mut self) -> bool {
        match self {
            Self::Gzip(decoder) => decoder.try_finish().is_ok(),
            Self::Zlib(decoder) => decoder.try_finish().is_ok(),
            Self::Zstd(_, whole) => *whole,
        }
    }
}

/// Gives a decoder some bytes; it takes at least one and adds at most a few times 32 KiB to its output.
fn write(decoder: &mut dyn Write, bytes: &[u8]) -> Result<usize, InflateFault> {
    if bytes.is_empty() {
        // What is still inside comes out now.
        decoder.flush().map_err(|_| InflateFault::Damaged)?;
        return Ok(0);
    }
    let read = decoder.write(bytes).map_err(|_| InflateFault::Damaged)?;
    if read == 0 {
        // Something follows the end.
        return Err(InflateFault::Damaged);
    }
    Ok(read)
}

/// Plain bytes that may come out of anything: a small feed of blanks is no bomb.
const FREE_BYTES: u64 = 1 << 20;

/// Plain bytes to one compressed byte. Feeds of people reach about 20, gzip can reach 1,032.
pub const RATIO_MAX: u64 = 200;

/// A zstd window of 8 MiB, which RFC 8878 section 3.1.1.1.2 asks every decoder to support.
const WINDOW_LOG_MAX: u32 = 23;

/// Plain bytes in one piece.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
