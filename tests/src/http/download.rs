//! An answer that its reader takes piece by piece: what must end a download in the middle.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;

use super::line::Line;
use super::{Call, Identity, Refused, chain};

/// A download under way, on a connection of its own that takes little more than is read.
pub struct Download {
    /// Of the answer.
    pub status: StatusCode,
    body: Incoming,
    /// The connection ends without it.
    line: Line<Empty<Bytes>>,
}

impl Drop for Download {
    fn drop(&mut self) {
        self.line.driver.abort();
    }
}

impl Download {
    /// What the other side may send ahead of the reader, bytes.
    pub const AHEAD: u32 = 64 * 1024;

    /// Asks, and reads the head of the answer.
    pub async fn begin(port: u16, identity: &Identity, call: Call) -> Result<Self, Refused> {
        let mut line = Line::open(port, identity, Some(Self::AHEAD)).await?;
        let request = line.sender.request(port, &call, Empty::new())?;
        let answer = line.sender.send(request).await.map_err(|e| Refused(chain(&e)))?;
        Ok(Self {
            status: answer.status(),
            body: answer.into_body(),
            line,
        })
    }

    /// The next bytes; none at the end of a whole answer.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refused> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Refused(chain(&error))),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}
