//! Signed calls: what a client with a message key sends, and what it believes of the answer.
//!
//! Takes a request with all its fields; adds the signature. Takes the answer; refuses a 2xx that is not signed by the gateway's receipt key
//! for this very request, and a refusal whose signature does not hold or is older than the request (exit 6): a client that signs its side wants the
//! other side's word too.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use super::settings::ClientSettings;
use super::{CallError, connect};
use crate::clock::{self, Clock};
use crate::command::exit::Failure;
use crate::sha256;
use crate::signature::verify::{self, AnswerFault};
use crate::signature::{Asked, Message, MessageKey, Profile, PublicKey, digest, profile, sign};

/// Our message key and the gateway's receipt keys.
#[derive(Debug)]
pub struct Signer {
    key: MessageKey,
    receipt_keys: Vec<PublicKey>,
    clock: Clock,
}

/// A request that we signed: what its answer must answer.
#[derive(Clone, Debug)]
pub struct Sent {
    asked: Asked,
    /// When it was signed, seconds since 1970.
    signed_s: i64,
}

impl Signer {
    /// Loads both; none: `client.toml` names no message key.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn open(settings: &ClientSettings) -> Result<Option<Self>, Failure> {
        let (Some(key), Some(receipt)) = (&settings.message_key, &settings.receipt_key) else {
            return Ok(None);
        };
        let text = crate::pki::keyfile::read_secret(key).map_err(|error| unusable(key, &error))?;
        let own = MessageKey::from_pem(&text).map_err(|error| unusable(key, &error))?;
        let text = std::fs::read_to_string(receipt).map_err(|error| unusable(receipt, &error))?;
        let receipt_keys = PublicKey::from_pem(&text).filter(|keys| !keys.is_empty());
        let what = "it holds no public key of Ed25519 or P-256";
        Ok(Some(Self {
            key: own,
            receipt_keys: receipt_keys.ok_or_else(|| unusable(receipt, &what))?,
            clock: Clock::system(),
        }))
    }

    /// Signs a request whose fields are complete; gives what its answer must answer.
    ///
    /// # Errors
    /// When there is no randomness, or a field is missing.
    pub fn sign(&self, profile: &Profile, request: &mut Request<connect::Body>) -> Result<Sent, CallError> {
        let cannot = |error: &dyn std::fmt::Display| CallError::Network(format!("the request was not signed: {error}"));
        let mut asked = asked(request);
        let nonce = clock::random::<16>().map_err(|_| cannot(&"no randomness"))?;
        let signed_s = self.clock.now_us().div_euclid(1_000_000);
        let fields = sign::request(profile, &asked.message(), &self.key, signed_s, nonce);
        fields.map_err(|error| cannot(&error))?.put(&mut asked.headers);
        *request.headers_mut() = asked.headers.clone();
        Ok(Sent { asked, signed_s })
    }

    /// Whether an answer to a signed request is the gateway's, whole, for this request and of its time.
    ///
    /// # Errors
    /// [`CallError::Unproven`].
    pub fn verify(&self, sent: &Sent, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Result<(), CallError> {
        if digest::stated(headers) != Some(Some(sha256::of(body))) {
            return Err(CallError::Unproven(
                "the answer does not have the digest that it states".into(),
            ));
        }
        self.judge(&profile::ANSWER, (&sent.asked, Some(sent.signed_s)), status, headers)
    }

    /// Whether the head of an extract's content is the gateway's; its `Repr-Digest` is that of the whole content.
    ///
    /// # Errors
    /// [`CallError::Unproven`].
    pub fn verify_content(&self, asked: &Asked, status: StatusCode, headers: &HeaderMap) -> Result<(), CallError> {
        // Its leaf is as old as the extract; the address names it.
        self.judge(&profile::CONTENT, (asked, None), status, headers)
    }

    fn judge(
        &self,
        profile: &Profile,
        (asked, asked_s): (&Asked, Option<i64>),
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<(), CallError> {
        let request = asked.message();
        let message = Message::response(status.as_u16(), headers, &request);
        let judged = verify::answer(profile, &message, &self.receipt_keys, asked_s);
        judged.map_err(|fault: AnswerFault| CallError::Unproven(fault.to_string()))
    }
}

/// A request as its answer will name it.
pub fn asked(request: &Request<connect::Body>) -> Asked {
    Asked {
        method: request.method().clone(),
        target_uri: request.uri().to_string(),
        headers: request.headers().clone(),
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::local(format!("`{}` cannot be used", path.display()))
        .because(why)
        .then("see the kit that the gateway issued, and `shuguan cert request`")
}
