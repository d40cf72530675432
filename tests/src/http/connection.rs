//! One connection over mutual TLS that carries several calls: what a revocation must reach, and what a load is made of.

use bytes::Bytes;
use http_body_util::Full;

use super::line::{Line, Sender};
use super::{Answer, Call, Identity, Refused, chain, whole};

/// An open connection, h2 or HTTP/1.1, whichever was negotiated.
pub struct Connection {
    port: u16,
    line: Line<Full<Bytes>>,
}

impl Connection {
    /// Connects; a certificate that is refused may show only at the first call, as TLS 1.3 has it.
    pub async fn open(port: u16, identity: &Identity) -> Result<Self, Refused> {
        let line = Line::open(port, identity, None).await?;
        Ok(Self { port, line })
    }

    /// `h2` or `http/1.1`.
    pub fn protocol(&self) -> &'static str {
        match self.line.sender {
            Sender::H1(_) => "http/1.1",
            Sender::H2(_) => "h2",
        }
    }

    /// Waits, sending nothing, until the other side ends the connection; fails when it does not.
    pub async fn closed_within(self, patience: std::time::Duration) -> Result<(), ()> {
        // The sender lives as long as the wait: without it our side would end the connection.
        let ended = tokio::time::timeout(patience, self.line.driver).await;
        drop(self.line.sender);
        ended.map(|_| ()).map_err(|_| ())
    }

    /// Sends a call and reads its whole answer.
    pub async fn send(&mut self, call: Call) -> Result<Answer, Refused> {
        let Line { sender, driver } = &mut self.line;
        let request = sender.request(self.port, &call, Full::new(call.body.clone()))?;
        match sender.send(request).await {
            Ok(answer) => whole(answer).await,
            Err(error) => Err(Refused(match driver.await {
                Ok(Err(cause)) => chain(&cause),
                _ => chain(&error),
            })),
        }
    }
}
