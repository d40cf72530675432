//! A request that its sender does not end: the beginning of a body, and then nothing, until the connection is gone or the sender goes on after all; or it is
//! taken back by a reset that says that nothing is wrong.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::line::{self, Line};
use super::{Answer, Call, Identity, Refused, chain, whole};

/// The frames that are sent, and then nothing until the end is asked for.
struct Beginning(Option<Bytes>, oneshot::Receiver<()>);

impl Body for Beginning {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // Whoever gave up asking for the end never gets there.
            None => match Pin::new(&mut self.1).poll(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(None),
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// A request under way.
pub struct Unfinished {
    driver: JoinHandle<hyper::Result<()>>,
    answer: JoinHandle<Result<Answer, Refused>>,
    end: oneshot::Sender<()>,
}

impl Unfinished {
    /// Sends the head and the body of a call, and does not end it.
    pub async fn begin(port: u16, identity: &Identity, call: Call) -> Result<Self, Refused> {
        let Line { mut sender, driver } = Line::open(port, identity, None).await?;
        let (end, ended) = oneshot::channel();
        let request = sender.request(port, &call, Beginning(Some(call.body.clone()), ended))?;
        let answer = tokio::spawn(async move {
            let answer = sender.send(request).await.map_err(|e| Refused(chain(&e)))?;
            whole(answer).await
        });
        Ok(Self { driver, answer, end })
    }

    /// Whether nothing was answered yet and the connection is there.
    pub fn is_open(&self) -> bool {
        !self.answer.is_finished() && !self.driver.is_finished()
    }

    /// Ends the body; gives the answer.
    pub async fn finish(self) -> Result<Answer, Refused> {
        // An answer that is there already is one too.
        let _ = self.end.send(());
        self.answer.await.map_err(|e| Refused(e.to_string()))?
    }

    /// Ends the body, and is gone so long after it; gives whether the answer was there by then.
    pub async fn finish_and_vanish(mut self, after: Duration) -> bool {
        let (end, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.end, end).send(());
        tokio::time::sleep(after).await;
        let answered = self.answer.is_finished();
        self.vanish().await;
        answered
    }

    /// The sender is gone: its socket is closed in the middle.
    pub async fn vanish(self) {
        self.driver.abort();
        self.answer.abort();
        // Aborted or ended: what they held is dropped.
        drop(self.driver.await);
        drop(self.answer.await);
    }
}

/// Sends the head and the body of a call over HTTP/2 without ending it, and some time after it resets the stream with `NO_ERROR` (RFC 9113, 7): no error, and no
/// end.
pub async fn reset_unfinished(port: u16, identity: &Identity, call: Call, before: Duration) -> Result<(), Refused> {
    let refused = |error: h2::Error| Refused(error.to_string());
    let tls = line::secured(port, &identity.speaking("h2"), None).await?;
    let (sender, connection) = h2::client::handshake(tls).await.map_err(refused)?;
    let driver = tokio::spawn(connection);
    let mut sender = sender.ready().await.map_err(refused)?;
    let mut request = http::Request::builder()
        .method(call.method.clone())
        .uri(format!("https://localhost:{port}{}", call.path));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(|e| Refused(e.to_string()))?;
    let (answer, mut body) = sender.send_request(request, false).map_err(refused)?;
    body.send_data(call.body.clone(), false).map_err(refused)?;
    // A stream that is reset before it was looked at is no request.
    tokio::time::sleep(before).await;
    body.send_reset(h2::Reason::NO_ERROR);
    // It never comes; meanwhile the reset is sent.
    drop(tokio::time::timeout(Duration::from_millis(100), answer).await);
    driver.abort();
    Ok(())
}
