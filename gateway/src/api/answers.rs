//! Answers that say where their leaf stands, and are signed for those who sign, ask for it, or have to sign.
//!
//! Takes an answer that is complete; adds `Exchange-Id`, `Exchange-Receipt` and, under the receipt key of its time, `Content-Digest`, `Signature-Input`
//! and `Signature` (RFC 9421). `created` is the time of the checkpoint that the leaf stands under, so that the answer to a repeated key has
//! the same signature (C4); what has no leaf is signed as of now.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::Api;
use crate::edge::Peer;
use crate::extract::Ready;
use crate::journal::Sealed;
use crate::sha256;
use crate::signature::{Asked, Message, digest, profile, sign};

const EXCHANGE_ID: HeaderName = HeaderName::from_static("exchange-id");
const EXCHANGE_RECEIPT: HeaderName = HeaderName::from_static("exchange-receipt");
/// Longest body of an answer that is signed here; extracts are signed by their digest.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Where and when an answer was sealed: goes along with the response.
#[derive(Clone, Copy, Debug)]
struct SealedAt {
    index: u64,
    /// Microseconds UTC.
    t_us: i64,
}

/// Says where the leaf of an answer stands.
pub(crate) fn place(response: &mut Response, sealed: &Sealed) {
    let (index, t_us) = (sealed.index, sealed.t_us);
    response.extensions_mut().insert(SealedAt { index, t_us });
    put_place(response.headers_mut(), sealed);
}

/// The log is the one whose checkpoint the receipt has: what was sealed in an earlier volume is answered again as it was.
fn put_place(headers: &mut HeaderMap, sealed: &Sealed) {
    let log = sealed.log();
    let Sealed {
        index, checkpoint_size, ..
    } = sealed;
    let hash = BASE64.encode(sealed.leaf_hash);
    let text = format!("log=\"{log}\", index={index}, size={checkpoint_size}, leaf=:{hash}:");
    put(headers, EXCHANGE_RECEIPT, &text);
    if let Some(exchange) = sealed.exchange {
        put(headers, EXCHANGE_ID, &exchange.to_string());
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// The answer, signed when its caller gets signed answers.
pub(crate) async fn signed(api: &Api, peer: &Peer, asked: &Asked, response: Response) -> Response {
    let signing = &api.stations.signing;
    if !signing.answers(peer.partner(), &asked.headers) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // It is in memory already: handlers of this listener answer with whole documents.
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
        tracing::error!("an answer could not be read to be signed");
        return Response::from_parts(parts, Body::empty());
    };
    let digest = digest::write(&sha256::of(&bytes));
    put(&mut parts.headers, digest::CONTENT_DIGEST, &digest);
    let sealed = parts.extensions.get::<SealedAt>();
    let t_us = sealed.map_or_else(|| api.stations.clock.now_us(), |sealed| sealed.t_us);
    let receipts = &signing.receipts;
    let key = sealed.map_or_else(|| receipts.in_force(), |sealed| receipts.about(sealed.index));
    let request = asked.message();
    let message = Message::response(parts.status.as_u16(), &parts.headers, &request);
    match sign::answer(&profile::ANSWER, &message, key, t_us.div_euclid(1_000_000)) {
        Ok(fields) => fields.put(&mut parts.headers),
        // The caller, who asked for it, sees that it is not there.
        Err(fault) => tracing::error!(error = %fault, "an answer could not be signed"),
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Signs the head of an extract's content; its digest is that of the whole, so one value fits every range.
pub(crate) fn sign_content(
    api: &Api,
    peer: &Peer,
    asked: &Asked,
    ready: &Ready,
    exchange: Uuid,
    response: &mut Response,
) {
    let signing = &api.stations.signing;
    let headers = response.headers_mut();
    put_place(headers, &ready.sealed);
    put(headers, EXCHANGE_ID, &exchange.to_string());
    if !ready.signed && !signing.answers(peer.partner(), &asked.headers) {
        return;
    }
    let request = asked.message();
    let message = Message::response(response.status().as_u16(), response.headers(), &request);
    let created = ready.sealed.t_us.div_euclid(1_000_000);
    let key = signing.receipts.about(ready.sealed.index);
    match sign::answer(&profile::CONTENT, &message, key, created) {
        Ok(fields) => fields.put(response.headers_mut()),
        Err(fault) => tracing::error!(error = %fault, "the content of an extract could not be signed"),
    }
}
