//! How long a gateway may be silent before it counts as gone.
//!
//! A process that was stopped, a machine without power and a table of addresses that forgot us all look like an answer that takes its time. Takes how long to
//! listen; gives connections that find out: over HTTP/2 by a ping, which a gateway answers however long its answer takes; over HTTP/1.1, which knows none,
//! by what the other machine's TCP acknowledges, so a process that stopped on a machine that runs shows there only once its buffers are full.

use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout};
use tokio::net::TcpStream;

/// How long to listen to a gateway that says nothing, while something was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// After so long it is asked whether it is there.
    pub ask_after: Duration,
    /// So long it has to say yes.
    pub answer_within: Duration,
}

impl Default for Silence {
    /// A ping waits behind what of the body is on its way, 1 MiB at most by the gateway's window: 20 s are enough at 0.5 Mbit/s.
    fn default() -> Self {
        Self {
            ask_after: Duration::from_secs(20),
            answer_within: Duration::from_secs(20),
        }
    }
}

impl Silence {
    /// Has the kernel listen: what it sends and nobody acknowledges ends the connection.
    ///
    /// # Errors
    /// When the kernel takes no such setting.
    pub(super) fn heed(self, tcp: &TcpStream) -> std::io::Result<()> {
        let gone = self.ask_after.saturating_add(self.answer_within);
        // The kernel counts keep-alives in whole seconds.
        let second = Duration::from_secs(1);
        set_socket_keepalive(tcp, true)?;
        set_tcp_keepidle(tcp, self.ask_after.max(second))?;
        set_tcp_keepintvl(tcp, (self.answer_within / 4).max(second))?;
        set_tcp_user_timeout(tcp, u32::try_from(gone.as_millis()).unwrap_or(u32::MAX))?;
        Ok(())
    }

    /// HTTP/2 that asks by pings, while an answer is due.
    pub(super) fn http2(self) -> http2::Builder<TokioExecutor> {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .keep_alive_interval(self.ask_after)
            .keep_alive_timeout(self.answer_within);
        http2
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::Duration;

    use http::{Request, Response};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{DuplexStream, duplex};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{sleep, timeout};

    use super::Silence;
    use crate::client::connect::empty;

    const SHORT: Silence = Silence {
        ask_after: Duration::from_millis(50),
        answer_within: Duration::from_millis(50),
    };

    /// Asks something over this connection; how it ended.
    async fn ask(io: DuplexStream) -> Result<(), hyper::Error> {
        let (mut sender, connection) = SHORT.http2().handshake(TokioIo::new(io)).await?;
        let asked = async {
            sender.ready().await?;
            let request = Request::get("https://gateway/").body(empty()).unwrap();
            sender.send_request(request).await.map(|_| ())
        };
        tokio::select! {
            asked = asked => asked,
            ended = connection => ended,
        }
    }

    #[tokio::test]
    async fn a_gateway_that_says_nothing_at_all_is_gone_and_one_that_takes_its_time_is_not() {
        let (ours, theirs) = duplex(1 << 16);
        let silent = timeout(Duration::from_secs(10), ask(ours)).await.unwrap();
        assert!(silent.unwrap_err().is_timeout());
        drop(theirs);

        let (ours, theirs) = duplex(1 << 16);
        let paced = service_fn(|_| async {
            sleep(SHORT.ask_after * 10).await;
            Ok::<_, std::convert::Infallible>(Response::new(empty()))
        });
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let serving = serving.serve_connection(TokioIo::new(theirs), paced);
        tokio::select! {
            answered = ask(ours) => answered.unwrap(),
            _ = serving => unreachable!("the client ends first"),
        }
    }

    #[tokio::test]
    async fn the_kernel_is_told_how_long_to_wait_for_a_machine_that_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        Silence::default().heed(&tcp).unwrap();
        assert!(rustix::net::sockopt::socket_keepalive(&tcp).unwrap());
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&tcp).unwrap(), 40_000);
        assert_eq!(
            rustix::net::sockopt::tcp_keepidle(&tcp).unwrap(),
            Duration::from_secs(20)
        );
    }
}
