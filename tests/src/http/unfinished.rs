//! A request that its sender does not end: the beginning of a body, and then nothing, until the connection is gone or the sender goes on after all.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::line::Line;
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

    /// The sender is gone: its socket is closed in the middle.
    pub async fn vanish(self) {
        self.driver.abort();
        self.answer.abort();
        // Aborted or ended: what they held is dropped.
        drop(self.driver.await);
        drop(self.answer.await);
    }
}
