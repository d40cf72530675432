//! Requests that another site made a browser send are refused: a certificate goes along with them, so it proves nothing.
//!
//! Takes headers, officer, route and form token; refuses [`Refusal::CrossSite`]. A program that is no browser sends neither `Origin` nor
//! `Sec-Fetch-Site`; it is let in to the JSON routes only. The token is an HMAC of officer, route and hour under a key of this process: no
//! cookie, nothing stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use http::{HeaderMap, HeaderName, Uri, header};
use ring::hmac;
use shuguan_policies::Role;

use crate::clock;
use crate::edge::Peer;
use crate::exchange::{Refused, Stop};
use crate::refusal::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const HOUR_US: i64 = 3_600_000_000;

/// The key of the form tokens, made anew with each start.
pub(super) struct FormKey(Option<hmac::Key>);

impl std::fmt::Debug for FormKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("FormKey")
    }
}

impl FormKey {
    /// A fresh key. Without randomness there is none, and every form is refused.
    pub(super) fn fresh() -> Self {
        let seed = clock::random::<32>().ok();
        Self(seed.map(|seed| hmac::Key::new(hmac::HMAC_SHA256, &seed)))
    }

    #[cfg(test)]
    fn of(seed: [u8; 32]) -> Self {
        Self(Some(hmac::Key::new(hmac::HMAC_SHA256, &seed)))
    }

    /// The token for a form that this officer sends to this route within one to two hours.
    pub(super) fn token(&self, peer: &Peer, route: &str, now_us: i64) -> String {
        self.sign(&peer.certificate_sha256(), route, now_us.div_euclid(HOUR_US))
            .map(|tag| BASE64URL.encode(tag))
            .unwrap_or_default()
    }

    /// Whether a token was made here for this officer and route, in this hour or the one before.
    ///
    /// # Errors
    /// [`Refusal::CrossSite`].
    pub(super) fn check(&self, peer: &Peer, route: &str, now_us: i64, token: &str) -> Result<(), Stop> {
        if self.holds(&peer.certificate_sha256(), route, now_us, token) {
            return Ok(());
        }
        let detail = "the form is older than an hour or was not made here; open the page again and repeat";
        Err(Refused::new(Refusal::CrossSite).detail(detail).into())
    }

    fn holds(&self, officer: &[u8; 32], route: &str, now_us: i64, token: &str) -> bool {
        let (Some(key), Ok(tag)) = (&self.0, BASE64URL.decode(token)) else {
            return false;
        };
        let hour = now_us.div_euclid(HOUR_US);
        // `verify` compares in constant time.
        [hour, hour - 1]
            .into_iter()
            .any(|hour| hmac::verify(key, &text(officer, route, hour), &tag).is_ok())
    }

    fn sign(&self, officer: &[u8; 32], route: &str, hour: i64) -> Option<hmac::Tag> {
        self.0.as_ref().map(|key| hmac::sign(key, &text(officer, route, hour)))
    }
}

fn text(officer: &[u8; 32], route: &str, hour: i64) -> Vec<u8> {
    let mut text = b"shuguan.form.v1\n".to_vec();
    text.extend_from_slice(officer);
    text.extend_from_slice(format!("\n{hour}\n{route}").as_bytes());
    text
}

/// For forms: the browser says that our own page sent it, by `Sec-Fetch-Site` or else by an equal `Origin`.
///
/// # Errors
/// [`Refusal::CrossSite`].
pub(super) fn from_our_page(headers: &HeaderMap, uri: &Uri) -> Result<(), Stop> {
    let ours = match site(headers) {
        Some("same-origin") => true,
        Some("none") | None => same_origin(headers, uri),
        Some(_) => false,
    };
    if ours { Ok(()) } else { Err(Refusal::CrossSite.into()) }
}

/// Acts of the operator's.
///
/// # Errors
/// [`Refusal::WrongRole`].
pub(super) fn operators_only(peer: &Peer) -> Result<(), Refusal> {
    if peer.partner().role == Role::Operator {
        Ok(())
    } else {
        Err(Refusal::WrongRole)
    }
}

/// For JSON: our own page, or a program that is no browser.
///
/// # Errors
/// [`Refusal::CrossSite`].
pub(super) fn from_no_other_site(headers: &HeaderMap, uri: &Uri) -> Result<(), Stop> {
    let browser = headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN);
    if browser { from_our_page(headers, uri) } else { Ok(()) }
}

fn site(headers: &HeaderMap) -> Option<&str> {
    // A value that is no text is a site that is not ours.
    headers.get(SEC_FETCH_SITE).map(|site| site.to_str().unwrap_or("?"))
}

fn same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    match (
        authority.or(host),
        origin.and_then(|origin| origin.strip_prefix("https://")),
    ) {
        (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{FormKey, HOUR_US, from_no_other_site, from_our_page};
    use base64::Engine as _;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_form_is_taken_from_our_own_page_only() {
        let uri = "/console/exchanges".parse().unwrap();
        let ours = "https://gw.example:8444";
        for (pairs, taken) in [
            (vec![("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (vec![("host", "gw.example:8444"), ("origin", ours)], true),
            (
                vec![
                    ("sec-fetch-site", "none"),
                    ("host", "gw.example:8444"),
                    ("origin", ours),
                ],
                true,
            ),
            (vec![("sec-fetch-site", "none")], false),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("host", "gw.example:8444"),
                    ("origin", ours),
                ],
                false,
            ),
            (vec![("sec-fetch-site", "same-site")], false),
            (
                vec![("host", "gw.example:8444"), ("origin", "https://evil.example")],
                false,
            ),
            (vec![("host", "gw.example:8444"), ("origin", "null")], false),
            (vec![], false),
        ] {
            assert_eq!(from_our_page(&headers(&pairs), &uri).is_ok(), taken, "{pairs:?}");
        }
    }

    #[test]
    fn a_program_that_is_no_browser_may_use_the_json_routes() {
        let uri = "https://gw.example:8444/console/api/search".parse().unwrap();
        assert!(from_no_other_site(&headers(&[]), &uri).is_ok());
        assert!(from_no_other_site(&headers(&[("origin", "https://gw.example:8444")]), &uri).is_ok());
        assert!(from_no_other_site(&headers(&[("origin", "https://evil.example")]), &uri).is_err());
        assert!(from_no_other_site(&headers(&[("sec-fetch-site", "cross-site")]), &uri).is_err());
    }

    #[test]
    fn a_token_holds_for_its_officer_route_and_hour_only() {
        let (key, officer, now_us) = (FormKey::of([7; 32]), [1; 32], 10 * HOUR_US + 5);
        let tag = key.sign(&officer, "/console/exchanges", 10).unwrap();
        let token = super::BASE64URL.encode(tag);
        let holds = |officer: &[u8; 32], route, now_us| key.holds(officer, route, now_us, &token);
        assert!(holds(&officer, "/console/exchanges", now_us));
        assert!(holds(&officer, "/console/exchanges", now_us + HOUR_US));
        assert!(!holds(&officer, "/console/exchanges", now_us + 2 * HOUR_US));
        assert!(!holds(&officer, "/console/exchanges", now_us - HOUR_US));
        assert!(!holds(&officer, "/console/exchanges/{exchange}", now_us));
        assert!(!holds(&[2; 32], "/console/exchanges", now_us));
        assert!(!FormKey::of([8; 32]).holds(&officer, "/console/exchanges", now_us, &token));
        assert!(!key.holds(&officer, "/console/exchanges", now_us, ""));
        assert!(!FormKey(None).holds(&officer, "/console/exchanges", now_us, &token));
    }
}
