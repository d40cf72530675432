//! The bytes of a connection on their way to hyper: what hyper does not tell about them.
//!
//! Takes decrypted bytes and passes every one on. In HTTP/1.1 it follows heads and bodies to notice what hyper settles silently (a
//! repeated `Content-Length`, `Transfer-Encoding` beside it, lines that end in a bare LF) and since when a head is unfinished. In HTTP/2
//! it counts control frames, which the h2 library answers without limit, and ends the connection when they are too many.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::connection::Activity;

/// Longest line of a head that is followed; hyper gives up at this size by itself.
const LINE_BYTES_MAX: usize = 32 * 1024;
/// PING, SETTINGS, PRIORITY, `RST_STREAM`, CONTINUATION and unknown frames that a client may send in [`BUDGET_WINDOW`].
const CONTROL_FRAMES_MAX: u32 = 1_000;
/// `WINDOW_UPDATE` frames in the same time: a large extract needs many.
const WINDOW_FRAMES_MAX: u32 = 100_000;
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// A stream that is watched while it is read.
#[derive(Debug)]
pub(super) struct Wire<IO> {
    io: IO,
    reader: Reader,
    activity: Arc<Activity>,
}

#[derive(Debug)]
enum Reader {
    One(Heads),
    Two(Frames),
}

impl<IO> Wire<IO> {
    pub(super) fn new(io: IO, h2: bool, activity: Arc<Activity>) -> Self {
        let reader = if h2 {
            Reader::Two(Frames::new())
        } else {
            Reader::One(Heads::default())
        };
        Self { io, reader, activity }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut wire.io).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        match &mut wire.reader {
            Reader::One(heads) => {
                heads.feed(fresh, |fault| wire.activity.head_read(fault));
                wire.activity.head_open(heads.is_open());
                Poll::Ready(Ok(()))
            }
            Reader::Two(frames) => Poll::Ready(if frames.feed(fresh) {
                Ok(())
            } else {
                Err(io::Error::other("too many control frames"))
            }),
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Follows the messages of an HTTP/1.1 connection (RFC 9112, 6 and 7.1).
#[derive(Debug, Default)]
struct Heads {
    at: At,
    line: Vec<u8>,
    head: Head,
}

/// Where in a message the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    Trailers,
    /// No longer followed: the connection ends after the next answer.
    Lost,
}

/// What matters of the head being read.
#[derive(Debug, Default)]
struct Head {
    begun: bool,
    bare_lf: bool,
    lengths: u32,
    length: u64,
    codings: u32,
}

impl Heads {
    /// Whether a head was begun and is not finished.
    fn is_open(&self) -> bool {
        self.at == At::Head && (self.head.begun || !self.line.is_empty())
    }

    /// Follows the bytes; calls `read` at the end of each head with its fault.
    fn feed(&mut self, mut bytes: &[u8], mut read: impl FnMut(Option<&'static str>)) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost => return,
                At::Body(left) => self.skip(bytes, left, At::Head, At::Body),
                // The line end after the data counts as data.
                At::Chunk(left) => self.skip(bytes, left, At::ChunkSize, At::Chunk),
                At::Head | At::ChunkSize | At::Trailers => self.take_line(bytes, &mut read),
            };
        }
    }

    fn skip<'b>(&mut self, bytes: &'b [u8], left: u64, then: At, still: impl Fn(u64) -> At) -> &'b [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left.saturating_sub(here as u64);
        self.at = if left == 0 { then } else { still(left) };
        bytes.get(here..).unwrap_or_default()
    }

    fn take_line<'b>(&mut self, bytes: &'b [u8], read: &mut impl FnMut(Option<&'static str>)) -> &'b [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (here, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.line.extend_from_slice(here);
        if self.line.len() > LINE_BYTES_MAX {
            self.at = At::Lost;
        } else if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, read);
        }
        rest
    }

    fn end_line(&mut self, line: &[u8], read: &mut impl FnMut(Option<&'static str>)) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let (text, bare_lf) = text.strip_suffix(b"\r").map_or((text, true), |text| (text, false));
        match self.at {
            At::Head if text.is_empty() && self.head.begun => {
                let head = std::mem::take(&mut self.head);
                let fault = head.fault(bare_lf);
                self.at = if fault.is_some() { At::Lost } else { head.body() };
                read(fault);
            }
            // hyper passes over empty lines before a request.
            At::Head if text.is_empty() => {}
            At::Head => {
                self.head.bare_lf |= bare_lf;
                if !std::mem::replace(&mut self.head.begun, true) {
                    return;
                }
                if !self.head.field(text) {
                    self.at = At::Lost;
                }
            }
            At::ChunkSize => self.at = chunk(text),
            At::Trailers if text.is_empty() => self.at = At::Head,
            At::Trailers | At::Body(_) | At::Chunk(_) | At::Lost => {}
        }
    }
}

impl Head {
    /// Takes a field line; whether it can be followed further.
    fn field(&mut self, line: &[u8]) -> bool {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.length = length.unwrap_or_default();
            return length.is_some();
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.codings += 1;
            return value.eq_ignore_ascii_case(b"chunked");
        }
        true
    }

    fn fault(&self, bare_lf: bool) -> Option<&'static str> {
        if self.bare_lf || bare_lf {
            Some("a line of the head ends in a bare LF")
        } else if self.lengths > 1 {
            Some("`Content-Length` twice")
        } else if self.codings > 1 {
            Some("`Transfer-Encoding` other than one `chunked`")
        } else if self.codings > 0 && self.lengths > 0 {
            Some("`Transfer-Encoding` together with `Content-Length`")
        } else {
            None
        }
    }

    fn body(&self) -> At {
        match (self.codings, self.length) {
            (0, 0) => At::Head,
            (0, length) => At::Body(length),
            _ => At::ChunkSize,
        }
    }
}

fn chunk(line: &[u8]) -> At {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok());
    match size {
        None => At::Lost,
        Some(0) => At::Trailers,
        Some(size) => size.checked_add(2).map_or(At::Lost, At::Chunk),
    }
}

/// Counts the frames of an HTTP/2 connection (RFC 9113, 4.1).
#[derive(Debug)]
struct Frames {
    skip: usize,
    header: [u8; 9],
    filled: usize,
    since: Instant,
    control: u32,
    window: u32,
}

impl Frames {
    fn new() -> Self {
        Self {
            // The preface (RFC 9113, 3.4).
            skip: 24,
            header: [0; 9],
            filled: 0,
            since: Instant::now(),
            control: 0,
            window: 0,
        }
    }

    /// Follows the bytes; whether the client is still within its budget.
    fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            for (byte, place) in bytes.iter().zip(self.header.iter_mut().skip(self.filled)) {
                *place = *byte;
            }
            let taken = bytes.len().min(self.header.len() - self.filled);
            self.filled += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.filled == self.header.len() {
                self.filled = 0;
                if !self.count() {
                    return false;
                }
            }
        }
        true
    }

    fn count(&mut self) -> bool {
        let [high, middle, low, kind, ..] = self.header;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if self.since.elapsed() > BUDGET_WINDOW {
            (self.since, self.control, self.window) = (Instant::now(), 0, 0);
        }
        match kind {
            0 | 1 => {}
            8 => self.window += 1,
            _ => self.control += 1,
        }
        self.control <= CONTROL_FRAMES_MAX && self.window <= WINDOW_FRAMES_MAX
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    const TWO: &[u8] =
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nab\n\r\n\r\n0\r\nT: v\r\n\r\n\
        POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n";

    fn faults(bytes: &[u8], piece: usize) -> Vec<Option<&'static str>> {
        let (mut heads, mut faults) = (Heads::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            heads.feed(piece, |fault| faults.push(fault));
        }
        faults
    }

    #[test]
    fn messages_are_followed_however_the_bytes_are_cut() {
        for piece in 1..TWO.len() {
            assert_eq!(faults(TWO, piece), [None, None, None], "pieces of {piece}");
        }
    }

    #[test]
    fn what_hyper_settles_silently_is_a_fault() {
        let of = |head: &str| faults(head.as_bytes(), 7)[0];
        assert!(of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n").is_some());
        assert!(of("POST / HTTP/1.1\r\ncontent-length: 4\r\nTransfer-Encoding: chunked\r\n\r\n").is_some());
        assert!(of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n").is_some());
        assert!(of("GET / HTTP/1.1\nHost: a\r\n\r\n").is_some());
        assert!(of("GET / HTTP/1.1\r\nHost: a\r\n\n").is_some());
        assert_eq!(of("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), None);
    }

    #[test]
    fn an_unfinished_head_is_seen() {
        let mut heads = Heads::default();
        for (bytes, open) in [("GET / H", true), ("TTP/1.1\r\n", true), ("Host: a\r\n\r\n", false)] {
            heads.feed(bytes.as_bytes(), |_| {});
            assert_eq!(heads.is_open(), open, "{bytes}");
        }
    }

    #[test]
    fn control_frames_have_a_budget_and_data_has_none() {
        let mut frames = Frames::new();
        assert!(frames.feed(&[0; 24]));
        for _ in 0..5_000 {
            assert!(frames.feed(&[0, 0, 3, 0, 0, 0, 0, 0, 1, 1, 2, 3]));
        }
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        for count in 1..=CONTROL_FRAMES_MAX + 1 {
            assert_eq!(frames.feed(&ping), count <= CONTROL_FRAMES_MAX);
        }
    }
}
