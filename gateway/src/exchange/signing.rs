//! Message signatures on the exchange path: who has to sign, who may, and what is remembered of it.
//!
//! Takes a request and its sender; gives a [`Signed`] that belongs to this sender, or none where the configuration lets him go without.
//! Holds the receipt keys, with which answers are signed. Keys and revocations are those of the moment: a reload changes both.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use shuguan_ledger::leaf::Commitment;
use shuguan_policies::{Partner, Role};

use super::Refused;
use super::receipt_keys::ReceiptKeys;
use super::tags::Tags;
use crate::config::SignatureMode;
use crate::edge::Peer;
use crate::edge::revocation::RevocationSet;
use crate::journal::{Evidence, Nonce};
use crate::pki::hex;
use crate::refusal::Refusal;
use crate::signature::input::{SIGNATURE, SIGNATURE_INPUT};
use crate::signature::verify::{self, Judge};
use crate::signature::{Message, MessageKeys, Profile, Signed};

/// What the stations sign and verify with.
#[derive(Debug)]
pub struct Signing {
    /// Message certificates by key id.
    pub keys: Arc<ArcSwap<MessageKeys>>,
    /// Who is revoked.
    pub revoked: Arc<ArcSwap<RevocationSet>>,
    /// By partner id; who is not in it: see [`default_mode`].
    pub modes: BTreeMap<String, SignatureMode>,
    /// The receipt keys.
    pub receipts: ReceiptKeys,
}

impl Signing {
    /// What is asked of a partner.
    pub fn mode(&self, partner: &Partner) -> SignatureMode {
        let stated = self.modes.get(&partner.id).copied();
        stated.unwrap_or_else(|| default_mode(partner.role))
    }

    /// Whether what this partner is told is signed: it signed, asks for it (RFC 9421, 5), or has to sign.
    pub fn answers(&self, partner: &Partner, headers: &HeaderMap) -> bool {
        is_signed(headers) || headers.contains_key("accept-signature") || self.mode(partner) == SignatureMode::Require
    }

    /// Judges a request of a partner.
    ///
    /// # Errors
    /// Those of [`verify::request`]; [`Refusal::SignatureRequired`], [`Refusal::SignatureForbidden`].
    pub fn judge(
        &self,
        profile: &Profile,
        message: &Message<'_>,
        peer: &Peer,
        now_us: i64,
    ) -> Result<Option<Signed>, Refused> {
        let mode = self.mode(peer.partner());
        if !is_signed(message.headers) {
            return match mode {
                SignatureMode::Require => Err(Refused::new(Refusal::SignatureRequired)),
                SignatureMode::Accept | SignatureMode::Forbid => Ok(None),
            };
        }
        if mode == SignatureMode::Forbid {
            return Err(Refused::new(Refusal::SignatureForbidden));
        }
        let judge = Judge {
            keys: &self.keys.load(),
            revoked: &self.revoked.load(),
            sender: &peer.partner().spiffe,
            now_s: now_us.div_euclid(1_000_000),
        };
        verify::request(profile, message, &judge)
    }
}

/// What is asked of a partner whom the configuration does not name. The registry signs: who asked for persons, and for what, must be provable when
/// the connection is gone. An agency may.
fn default_mode(role: Role) -> SignatureMode {
    match role {
        Role::Registry => SignatureMode::Require,
        Role::Agency | Role::Auditor | Role::SecurityOfficer | Role::PolicyOfficer | Role::Operator => {
            SignatureMode::Accept
        }
    }
}

fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE_INPUT) || headers.contains_key(SIGNATURE)
}

/// What the journal remembers of a signed request; `key` is the tag of its idempotency key.
pub(super) fn nonce(tags: &Tags, signed: &Signed, key: &[u8; 32]) -> Nonce {
    Nonce {
        tag: tags.nonce(signed.keyid(), signed.nonce()),
        bound: tags.signature(key, signed.signature()),
        until_us: signed.remember_until_us(),
    }
}

/// Commits to what was asked: the digest of the body and, when it was signed, signature and base too. The evidence record keeps all of them,
/// so that the commitment can be opened: digest ‖ 64 bytes of signature ‖ signature base.
/// It names the key that signs the answer as well, and signs it again as long as it is kept: a dispute is about both.
pub(super) fn commit_request(
    signing: &Signing,
    evidence: &mut Evidence,
    digest: &[u8; 32],
    signed: Option<&Signed>,
) -> Commitment {
    evidence.note("receipt-key", signing.receipts.in_force().public().id());
    let Some(signed) = signed else {
        return evidence.commit_digest("request", digest);
    };
    evidence.note("request", hex(digest));
    evidence.note("signature", BASE64.encode(signed.signature()));
    evidence.note("signature-base", signed.base());
    evidence.note("message-key", signed.keyid());
    evidence.note("message-certificate", hex(&signed.certificate_sha256()));
    let asked = [digest.as_slice(), signed.signature(), signed.base().as_bytes()].concat();
    evidence.commit("request", &asked)
}
