//! Strict HTTP framing: messages that two programs could read in two ways are refused before any handler (edge table 2.3).
//!
//! Takes the head of a request as hyper parsed it; gives nothing. Refuses the first fault by name. What hyper answers by itself before
//! our code (bare 400, 414, 431) is the documented exception to C10.

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Version, header, request};
use percent_encoding::percent_decode_str;

/// What the bytes of a request showed that its parsed head no longer shows; the connection attaches it to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFault(pub &'static str);

/// The first fault of a request's framing, or `None`.
pub fn fault(parts: &request::Parts) -> Option<&'static str> {
    if let Some(WireFault(fault)) = parts.extensions.get::<WireFault>() {
        return Some(fault);
    }
    if matches!(parts.method, Method::TRACE | Method::CONNECT) {
        return Some("the method is not taken");
    }
    if percent_decode_str(parts.uri.path()).decode_utf8().is_err() {
        return Some("the path is not UTF-8");
    }
    let headers = &parts.headers;
    if headers.contains_key(header::UPGRADE) {
        return Some("`Upgrade` is not taken");
    }
    if headers.get(header::EXPECT).is_some_and(|value| value != "100-continue") {
        return Some("`Expect` other than 100-continue");
    }
    if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Some("`Content-Length` twice");
    }
    if headers.keys().any(|name| name.as_str().contains('_')) {
        return Some("a header name holds `_`");
    }
    if headers.values().any(|value| !value.as_bytes().is_ascii()) {
        return Some("a header value is not ASCII");
    }
    if parts.version < Version::HTTP_2 {
        return http1_fault(parts, headers);
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (parts.uri.authority(), hosts.next(), hosts.next()) {
        (Some(_), None, None) => None,
        (Some(authority), Some(host), None) if host == authority.as_str() => None,
        (None, Some(host), None) if is_host(host) => None,
        _ => Some("`Host` is missing, stands twice or is not the `:authority`"),
    }
}

/// A host with an optional port, and nothing else (RFC 9112, 3.2).
fn is_host(host: &HeaderValue) -> bool {
    let authority = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    authority.is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
}

fn http1_fault(parts: &request::Parts, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Some("`Host` is missing or stands twice");
    };
    if !is_host(host) {
        return Some("`Host` is not a host");
    }
    if let Some(authority) = parts.uri.authority()
        && host != authority.as_str()
    {
        return Some("`Host` is not the host of the request target");
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, None) => {}
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            if headers.contains_key(header::CONTENT_LENGTH) {
                return Some("`Transfer-Encoding` together with `Content-Length`");
            }
        }
        _ => return Some("`Transfer-Encoding` other than one `chunked`"),
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http::{Request, Version};

    use super::fault;

    fn parts(version: Version, headers: &[(&str, &str)]) -> http::request::Parts {
        let mut request = Request::builder().version(version).uri("/v1/catalog");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn messages_that_can_be_read_in_two_ways_are_refused() {
        let refused: &[&[(&str, &str)]] = &[
            &[],
            &[("host", "a"), ("host", "a")],
            &[("host", "")],
            &[("host", "user@a")],
            &[("host", "a/b")],
            &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
            &[
                ("host", "a"),
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            &[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "1")],
            &[("host", "a"), ("content-length", "1"), ("content-length", "1")],
            &[("host", "a"), ("expect", "something")],
            &[("host", "a"), ("upgrade", "h2c")],
            &[("host", "a"), ("content_length", "1")],
            &[("host", "a"), ("x-name", "\u{e9}")],
        ];
        for headers in refused {
            assert!(fault(&parts(Version::HTTP_11, headers)).is_some(), "{headers:?}");
        }
        assert_eq!(
            fault(&parts(
                Version::HTTP_11,
                &[("host", "a"), ("transfer-encoding", "chunked")]
            )),
            None
        );
        assert_eq!(fault(&parts(Version::HTTP_2, &[("host", "a")])), None);
        for (path, taken) in [
            ("/v1/%E7%94%B2", true),
            ("/v1/%zz", true),
            ("/v1/%FF", false),
            ("/%C0%AF", false),
        ] {
            let mut asked = parts(Version::HTTP_2, &[("host", "a")]);
            asked.uri = path.parse().unwrap();
            assert_eq!(fault(&asked).is_none(), taken, "{path}");
        }
        assert!(fault(&parts(Version::HTTP_2, &[])).is_some());
    }
}
