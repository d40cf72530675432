//! Clients that are slow, silent or too many, and a gateway that stops.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SOON: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the other side ends the connection in time.
async fn is_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut bytes = [0; 4096];
    let read = async { while matches!(stream.read(&mut bytes).await, Ok(read) if read > 0) {} };
    tokio::time::timeout(PATIENCE, read).await.is_ok()
}

/// Writes raw bytes to an HTTP/1.1 connection; gives all that comes back until it ends.
async fn raw(city: &City, gateway: &Gateway, bytes: &[u8]) -> String {
    let config = client(city, Some(&city.partner()), "http/1.1");
    let mut stream = gateway.connect(&config).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_speaks_is_closed() {
    let city = City::new();
    let short = ListenSettings {
        handshake_timeout: SOON,
        first_request_timeout: SOON,
        ..settings()
    };
    let mut gateway = Gateway::with(&city, short).await;
    let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
    assert!(is_closed(&mut tcp).await, "silent TCP");
    assert_eq!(gateway.refusal().await, Refusal::HandshakeFailed);
    for alpn in ["h2", "http/1.1"] {
        let config = client(&city, Some(&city.partner()), alpn);
        let mut stream = gateway.connect(&config).await.unwrap();
        assert!(is_closed(&mut stream).await, "silent {alpn}");
    }
    let config = client(&city, Some(&city.partner()), "h2");
    let mut stream = gateway.connect(&config).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await, "a preface and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_crowd_takes_no_handshake_from_a_partner() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    let who = city.partner();
    let asked = gateway.ask(&city, Some(&who), "h2", "/who");
    let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(answer.as_deref(), Ok("peer health-city"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_says_hello_and_nothing_more_takes_no_handshake_from_another_address() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let config = client(&city, Some(&city.partner()), "h2");
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut hello = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).unwrap();
        let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
        tcp.write_all(&bytes).await.unwrap();
        crowd.push(tcp);
    }
    tokio::time::sleep(SOON).await;
    let connected = gateway.connect_from(Ipv4Addr::new(127, 0, 0, 2), &config);
    let stream = tokio::time::timeout(PATIENCE, connected).await.unwrap().unwrap();
    let mut session = Session::open(stream, "h2").await.unwrap();
    assert_eq!(session.get("/who").await.as_deref(), Ok("peer health-city"));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_closed_and_a_pause_between_requests_is_not() {
    let city = City::new();
    let short = ListenSettings {
        header_read_timeout: SOON,
        ..settings()
    };
    let gateway = Gateway::with(&city, short).await;
    let config = client(&city, Some(&city.partner()), "http/1.1");
    let mut stream = gateway.connect(&config).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    assert!(is_closed(&mut stream).await);
    let stream = gateway.connect(&config).await.unwrap();
    let mut session = Session::open(stream, "http/1.1").await.unwrap();
    for _ in 0..3 {
        assert_eq!(session.get("/who").await.as_deref(), Ok("peer health-city"));
        tokio::time::sleep(SOON * 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_old_connections_end_between_requests() {
    let city = City::new();
    let idle = ListenSettings {
        idle_timeout: SOON,
        ..settings()
    };
    let old = ListenSettings {
        connection_age_max: SOON,
        ..settings()
    };
    for (settings, path) in [(idle, "/who"), (old, "/slow")] {
        let gateway = Gateway::with(&city, settings).await;
        for alpn in ["h2", "http/1.1"] {
            let stream = gateway
                .connect(&client(&city, Some(&city.partner()), alpn))
                .await
                .unwrap();
            let mut session = Session::open(stream, alpn).await.unwrap();
            assert!(session.get(path).await.is_ok(), "{alpn} {path}");
            let ended = tokio::time::timeout(PATIENCE, session.connection.join_next()).await;
            assert!(ended.is_ok(), "{alpn} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_answer_is_closed() {
    let city = City::new();
    let short = ListenSettings {
        idle_timeout: SOON,
        ..settings()
    };
    let gateway = Gateway::with(&city, short).await;
    let config = client(&city, Some(&city.partner()), "http/1.1");
    let mut stream = gateway.connect(&config).await.unwrap();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(SOON * 10).await;
    assert!(is_closed(&mut stream).await);
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A request for a path: HEADERS that end the stream; the path is a literal, the rest stands in the static table (RFC 7541, A).
fn asking(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x01, 1, b'a', 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    frame(1, 5, stream, &block)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_window_stays_shut_ends_its_connection_whatever_the_others_do() {
    let city = City::new();
    let short = ListenSettings {
        idle_timeout: SOON * 2,
        ..settings()
    };
    for (path, window) in [
        ("/endless", 0_u32),
        ("/endless", 70_000),
        ("/large", 1),
        ("/large", 70_000),
    ] {
        let gateway = Gateway::with(&city, short).await;
        assert!(ends_untaken(&city, &gateway, path, window).await, "{path}, {window}");
    }
    // What the others do ends no connection by itself.
    let gateway = Gateway::with(&city, settings()).await;
    for (path, window) in [("/endless", 70_000), ("/large", 1)] {
        assert!(!ends_untaken(&city, &gateway, path, window).await, "{path}, {window}");
    }
}

/// Asks for a path, takes no more of the answer than the first window, and asks for others meanwhile; whether the connection ends.
async fn ends_untaken(city: &City, gateway: &Gateway, path: &str, window: u32) -> bool {
    let config = client(city, Some(&city.partner()), "h2");
    let (mut read, mut write) = tokio::io::split(gateway.connect(&config).await.unwrap());
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
    begin.extend(frame(4, 0, 0, &setting));
    begin.extend(asking(1, path));
    write.write_all(&begin).await.unwrap();
    let mut others = JoinSet::new();
    others.spawn(async move {
        for stream in 1..200 {
            tokio::time::sleep(SOON / 2).await;
            // Nobody takes these answers either, so each is taken back (RST_STREAM): the connection is never idle.
            let taken_back = frame(3, 0, stream * 2 + 1, &[0, 0, 0, 8]);
            let asked = [asking(stream * 2 + 1, "/who"), taken_back].concat();
            if write.write_all(&asked).await.is_err() {
                return;
            }
        }
    });
    is_closed(&mut read).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_one_piece_comes_whole() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    for alpn in ["h2", "http/1.1"] {
        let answer = gateway.ask(&city, Some(&city.partner()), alpn, "/large").await;
        assert_eq!(answer.as_deref(), Ok(large().as_str()), "{alpn}");
    }
    let request = b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = raw(&city, &gateway, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", large().len())), "{head}");
    assert_eq!(body, large());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_has_only_so_many_connections() {
    let city = City::new();
    let mut gateway = Gateway::feed(&city).await;
    let config = client(&city, Some(&city.partner()), "http/1.1");
    let mut open = Vec::new();
    for _ in 0..4 {
        let stream = gateway.connect(&config).await.unwrap();
        let mut session = Session::open(stream, "http/1.1").await.unwrap();
        session.get("/who").await.unwrap();
        open.push(session);
    }
    gateway
        .ask(&city, Some(&city.partner()), "http/1.1", "/who")
        .await
        .unwrap_err();
    assert_eq!(gateway.refusal().await, Refusal::TooManyAtOnce);
    open.pop();
    tokio::time::sleep(SOON).await;
    let answer = gateway.ask(&city, Some(&city.partner()), "http/1.1", "/who").await;
    assert_eq!(answer.as_deref(), Ok("peer health-city"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_gateway_finishes_what_is_in_flight() {
    let city = City::new();
    for alpn in ["h2", "http/1.1"] {
        let mut gateway = Gateway::feed(&city).await;
        let stream = gateway
            .connect(&client(&city, Some(&city.partner()), alpn))
            .await
            .unwrap();
        let mut session = Session::open(stream, alpn).await.unwrap();
        let stop = gateway.stop.clone();
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.cancel();
        };
        let (answer, ()) = tokio::join!(session.get("/slow"), stopping);
        assert_eq!(answer.as_deref(), Ok("done"), "{alpn}");
        let ended = tokio::time::timeout(PATIENCE, gateway.tasks.join_next()).await;
        assert!(ended.is_ok(), "{alpn}: the listener does not end");
        assert!(TcpStream::connect(gateway.address).await.is_err(), "{alpn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_programs_could_read_in_two_ways_is_the_last_request_of_its_connection() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let second = "GET /who HTTP/1.1\r\nHost: a\r\n\r\n";
    for head in [
        "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "X-A: b\n\r\n",
        "Upgrade: h2c\r\n\r\n",
        "Host: b\r\n\r\n",
    ] {
        let bytes = format!("POST /framing HTTP/1.1\r\nHost: a\r\n{head}{second}");
        let answer = raw(&city, &gateway, bytes.as_bytes()).await;
        assert!(answer.contains("Some(\""), "{head:?}: {answer}");
        assert!(!answer.contains("peer"), "{head:?}: {answer}");
    }
    let bytes = format!(
        "POST /framing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n\
         POST /framing HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd{second}"
    );
    let closing = bytes.replace("/who HTTP/1.1\r\n", "/who HTTP/1.1\r\nConnection: close\r\n");
    let answer = raw(&city, &gateway, closing.as_bytes()).await;
    assert_eq!(answer.matches("None Ok(4)").count(), 2, "{answer}");
    assert!(answer.contains("peer health-city"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_control_frames_ends_the_connection() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let config = client(&city, Some(&city.partner()), "h2");
    let mut stream = gateway.connect(&config).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let ping = b"\0\0\x08\x06\0\0\0\0\0abcdefgh".repeat(2_000);
    // The gateway may be gone before the last of them is written.
    let _ = stream.write_all(&ping).await;
    assert!(is_closed(&mut stream).await);
}
