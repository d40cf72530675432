//! Keys of pseudonyms, tokens and shifted dates: the bundle names them, a 0400 file at the gateway holds the secret they are derived from.
//!
//! Two consumers or two purposes cannot join what they got, because scope is part of the derivation; inside a scope all record types
//! can. Nothing here prints key material.

use std::fmt;

use aes::Aes256;
use aes::cipher::KeyInit;
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac::HMAC_SHA256;
use toml::Spanned;
use zeroize::Zeroizing;

use crate::canonical::{Canonical, Reading};
use crate::document::{Document, Table, nearest};
use crate::hex::hex;
use crate::mac::Mac;
use crate::partner::Partners;
use crate::purpose::Purposes;

/// What the values under a key are about: pseudonyms of persons and of units never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Natural persons.
    Person,
    /// Units.
    Unit,
}

impl Domain {
    /// `person` or `unit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Unit => "unit",
        }
    }
}

/// What a key is for; one key never serves two operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`: pseudonyms and shifted dates.
    Hmac,
    /// `ff1-aes256-id18`: tokens of resident ids.
    TokenId18,
    /// `ff1-aes256-digits`: tokens of other numbers.
    TokenDigits,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Hmac, Self::TokenId18, Self::TokenDigits];

    /// The word that `keys.toml` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hmac => "hmac-sha256",
            Self::TokenId18 => "ff1-aes256-id18",
            Self::TokenDigits => "ff1-aes256-digits",
        }
    }
}

/// A key as the bundle declares it; no key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id, e.g. `pseudonym-father`.
    pub id: String,
    /// What it is for.
    pub algorithm: Algorithm,
    /// Grows when the key is to change.
    pub epoch: u32,
    /// The consumer who may see its pseudonyms.
    pub partner: String,
    /// The purpose inside which they are equal.
    pub purpose: String,
    /// Whom they are about.
    pub domain: Domain,
}

impl Key {
    /// HKDF info: `shuguan.key.v1`, id, epoch, partner, purpose and domain, one a line.
    pub(crate) fn info(&self) -> String {
        let domain = self.domain.name();
        let Self {
            id,
            epoch,
            partner,
            purpose,
            ..
        } = self;
        format!("shuguan.key.v1\n{id}\n{epoch}\n{partner}\n{purpose}\n{domain}")
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(&self.id)
            .text(self.algorithm.name())
            .integer(u64::from(self.epoch));
        out.text(&self.partner).text(&self.purpose).text(self.domain.name());
    }

    /// What [`Key::encode`] wrote.
    pub(crate) fn decode(from: &mut Reading<'_>) -> Option<Self> {
        let (id, algorithm, epoch) = (from.owned()?, from.text()?, from.integer()?);
        let (partner, purpose, domain) = (from.owned()?, from.owned()?, from.text()?);
        Some(Self {
            id,
            algorithm: Algorithm::ALL.into_iter().find(|one| one.name() == algorithm)?,
            epoch: epoch.try_into().ok()?,
            partner,
            purpose,
            domain: [Domain::Person, Domain::Unit]
                .into_iter()
                .find(|one| one.name() == domain)?,
        })
    }
}

/// Derives the bundle's keys from the master key by HKDF-SHA-256 (RFC 5869) with an empty salt.
#[derive(Clone)]
pub struct KeyRing(Prk);

impl KeyRing {
    /// A ring over a master key of 32 random bytes.
    pub fn from_master(master: &[u8; 32]) -> Self {
        Self(Salt::new(HKDF_SHA256, &[]).extract(master))
    }

    /// A value by which the master key is known again, 32 hexadecimal digits; nothing else follows from it.
    pub fn check(&self) -> String {
        let mut bytes = [0; 32];
        // Any output length of 32 bytes will do.
        let made = self.0.expand(&[b"shuguan.master-check.v1"], HMAC_SHA256);
        let _ = made.and_then(|made| made.fill(&mut bytes));
        hex(bytes.first_chunk::<16>().map_or(&[][..], |half| half))
    }

    /// The HMAC key of a declared key; `None` only if the derived length were impossible.
    pub(crate) fn hmac(&self, key: &Key) -> Option<Mac> {
        self.derived(key, |bytes| Some(Mac::new(bytes)))
    }

    /// The AES-256 key of a declared key, derived in the same way.
    pub(crate) fn aes(&self, key: &Key) -> Option<Aes256> {
        self.derived(key, |bytes| Aes256::new_from_slice(bytes).ok())
    }

    fn derived<T>(&self, key: &Key, make: impl FnOnce(&[u8; 32]) -> Option<T>) -> Option<T> {
        let info = key.info();
        let parts = [info.as_bytes()];
        let mut bytes = Zeroizing::new([0; 32]);
        // Any output length of 32 bytes will do; HMAC_SHA256 names one.
        self.0
            .expand(&parts, HMAC_SHA256)
            .ok()?
            .fill(bytes.as_mut_slice())
            .ok()?;
        make(&bytes)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyRing")
    }
}

/// The key table.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) list: Vec<Key>,
}

impl Keys {
    pub(crate) fn read<'s>(
        document: &mut Document<'s>,
        mut root: Table<'s>,
        partners: &Partners,
        purposes: &Purposes,
    ) -> Self {
        let mut keys = Self::default();
        if let Some(mut table) = root.table(document, "key") {
            for (id, _) in table.keys() {
                let Some(entry) = table.table(document, &id) else {
                    continue;
                };
                keys.list.extend(read_one(document, id, entry, partners, purposes));
            }
        }
        root.finish(document);
        keys.list.sort_by(|a, b| a.id.cmp(&b.id));
        keys
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Key> {
        self.list.iter().find(|key| key.id == id)
    }

    pub(crate) fn suggest(&self, id: &str) -> Option<String> {
        let ids: Vec<String> = self.list.iter().map(|key| key.id.clone()).collect();
        nearest(id, &ids).map(|known| format!("did you mean `{known}`?"))
    }
}

fn read_one<'s>(
    document: &mut Document<'s>,
    id: String,
    mut table: Table<'s>,
    partners: &Partners,
    purposes: &Purposes,
) -> Option<Key> {
    let algorithm: Option<Spanned<String>> = table.required(document, "alg");
    let epoch = table.required(document, "epoch");
    let partner: Option<Spanned<String>> = table.required(document, "partner");
    let purpose: Option<Spanned<String>> = table.required(document, "purpose");
    let domain: Option<Spanned<String>> = table.required(document, "domain");
    table.finish(document);
    let algorithm = algorithm.and_then(|word| {
        let found = Algorithm::ALL.into_iter().find(|one| one.name() == word.get_ref());
        if found.is_none() {
            let message = format!("algorithm `{}` is not offered", word.get_ref());
            let hint = format!("one of {}", Algorithm::ALL.map(Algorithm::name).join(", "));
            document.fault(word.span(), message, Some(hint));
        }
        found
    });
    if let Some(partner) = &partner
        && partners.by_id(partner.get_ref()).is_none()
    {
        let message = format!("partner `{}` is not in partners.toml", partner.get_ref());
        document.fault(partner.span(), message, partners.suggest(partner.get_ref()));
    }
    if let Some(purpose) = &purpose
        && purposes.find(purpose.get_ref()).is_none()
    {
        let message = format!("purpose `{}` is not in purposes.toml", purpose.get_ref());
        document.fault(purpose.span(), message, purposes.suggest(purpose.get_ref()));
    }
    let domain = domain?;
    let found = [Domain::Person, Domain::Unit]
        .into_iter()
        .find(|known| known.name() == domain.get_ref());
    if found.is_none() {
        let message = format!("domain `{}` is not known", domain.get_ref());
        document.fault(domain.span(), message, Some("`person` or `unit`".into()));
    }
    Some(Key {
        id,
        // An unknown word is one fault, and not another at every grant that uses the key.
        algorithm: algorithm.unwrap_or(Algorithm::Hmac),
        epoch: epoch?,
        partner: partner?.into_inner(),
        purpose: purpose?.into_inner(),
        domain: found?,
    })
}
