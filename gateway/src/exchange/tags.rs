//! Keyed tags: what the journal may know of idempotency keys and contents without being able to guess them (design 10.7).

use ring::hmac;

/// Makes tags under the index key.
#[derive(Clone)]
pub struct Tags(hmac::Key);

impl std::fmt::Debug for Tags {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tags")
    }
}

impl Tags {
    /// Tags under this key.
    pub fn new(index_key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, index_key))
    }

    /// The tag of a partner's idempotency key.
    pub fn idempotency(&self, partner: &str, key: &str) -> [u8; 32] {
        self.tag("shuguan.idempotency.v1", &[partner.as_bytes(), key.as_bytes()])
    }

    /// The tag of a content: its digest, and what it was sent to, as, for and how. A plain upsert adds no piece for the last, so that its
    /// tag stays what it was before there were other modes.
    pub fn content(&self, digest: &[u8; 32], record: &str, layout: &str, purpose: &str, manner: &str) -> [u8; 32] {
        let pieces: [&[u8]; 5] = [
            digest,
            record.as_bytes(),
            layout.as_bytes(),
            purpose.as_bytes(),
            manner.as_bytes(),
        ];
        let count = if manner.is_empty() { 4 } else { 5 };
        self.tag("shuguan.content.v1", pieces.get(..count).unwrap_or(&pieces))
    }

    /// The tag of a nonce under the key that signed with it.
    pub fn nonce(&self, keyid: &str, nonce: &str) -> [u8; 32] {
        self.tag("shuguan.nonce.v1", &[keyid.as_bytes(), nonce.as_bytes()])
    }

    /// The tag of a signature under the tag of an idempotency key.
    pub fn signature(&self, key: &[u8; 32], signature: &[u8; 64]) -> [u8; 32] {
        self.tag("shuguan.signature.v1", &[key, signature])
    }

    /// Each piece goes in with its length, so that no two lists of pieces have the same tag.
    fn tag(&self, domain: &str, pieces: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(domain.as_bytes());
        for piece in pieces {
            context.update(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_le_bytes());
            context.update(piece);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}
