//! May this bundle come into force?
//!
//! Takes a bundle, the authorities, and what the log knows; gives a [`Vouched`] bundle. In this order, so that the first reason is the same everywhere: it
//! compiles, it is signed, the files are the signed ones, its serial is due, it has nothing that only bundles of before are forgiven, each signature holds,
//! both roles signed.
//!
//! A certificate has to be good when the bundle is first accepted. What the log says was accepted stays so: a gateway starts again with its bundle
//! although an officer has left since.

use std::fmt;
use std::sync::Arc;

use shuguan_policies::document::Fault;
use shuguan_policies::envelope::{Envelope, Signature, Statement};
use shuguan_policies::{Bundle, PolicySet, Role};

use super::history::{History, Load};
use crate::clock::shown;
use crate::edge::peer::Claim;
use crate::edge::signers::Signers;
use crate::hex::hex;
use crate::refusal::Refusal;
use crate::sha256;

/// A signer's clock may be so much ahead of ours.
const AHEAD_S: i64 = 300;
/// Faults that a refusal shows.
const FAULTS_SHOWN: usize = 20;

/// Why a bundle does not come into force.
#[derive(Clone, Debug)]
pub struct BundleRefused {
    /// The code.
    pub refusal: Refusal,
    /// Names, hashes and serial numbers; never a value.
    pub detail: String,
    /// Its serial, when its envelope could be read.
    pub serial: Option<u64>,
    /// Its hash, when it could be compiled.
    pub bundle: Option<[u8; 32]>,
}

impl BundleRefused {
    /// A refusal of a bundle that is known by nothing yet.
    pub fn new(refusal: Refusal, detail: impl fmt::Display) -> Self {
        Self {
            refusal,
            detail: detail.to_string(),
            serial: None,
            bundle: None,
        }
    }

    /// A bundle that does not load.
    pub fn faulty(faults: &[Fault]) -> Self {
        let mut lines: Vec<String> = faults.iter().take(FAULTS_SHOWN).map(ToString::to_string).collect();
        if faults.len() > FAULTS_SHOWN {
            lines.push(format!("… and {} more", faults.len() - FAULTS_SHOWN));
        }
        Self::new(Refusal::BundleFaulty, lines.join("\n"))
    }
}

impl fmt::Display for BundleRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refusal, detail, .. } = self;
        write!(
            out,
            "{} {}: {}\n{detail}\n   next: {}",
            refusal.code(),
            refusal.slug(),
            refusal.en(),
            refusal.next()
        )
    }
}

/// An officer whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Partner id; the SPIFFE id when the partner table no longer has the officer.
    pub id: String,
    /// Policy officer or security officer.
    pub role: Role,
}

/// A bundle whose signatures were judged. Only [`judge`] makes one.
#[derive(Debug)]
pub struct Vouched {
    pub(super) bundle: Bundle,
    pub(super) set: Arc<PolicySet>,
    pub(super) statement: Statement,
    pub(super) signers: Vec<Signer>,
    pub(super) accepted: bool,
}

/// What to do about push grants that release unevenly ([`PolicySet::uneven_from`]).
pub(crate) const EVEN_OUT: &str = "give both grants the same columns, then `shuguan policy sign` and `shuguan policy submit`; `shuguan policy check` names them all";

impl Vouched {
    /// What it allows.
    pub fn set(&self) -> Arc<PolicySet> {
        Arc::clone(&self.set)
    }

    /// Push grants that release unevenly, now or once both of them hold, the earliest first: what a bundle of before is forgiven still empties columns.
    pub fn uneven(&self, now_us: i64) -> Vec<String> {
        let said = |(fault, from_s): (&Fault, i64)| {
            let from_us = from_s.saturating_mul(1_000_000);
            let later = (from_us > now_us).then(|| format!("from {} on: ", shown(from_us)));
            format!("{}{}", later.unwrap_or_default(), fault.message)
        };
        self.set.uneven_from(now_us).into_iter().map(said).collect()
    }

    /// What was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Who signed.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Whether the log knows it already.
    pub fn accepted(&self) -> bool {
        self.accepted
    }

    /// As the log will know it.
    pub(super) fn load(&self) -> Load {
        Load {
            serial: self.statement.serial,
            bundle: self.set.hash(),
            statement: digest_of(&self.statement),
        }
    }
}

/// Against what a bundle is judged.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// Authorities and revocation lists.
    pub signers: &'a Signers,
    /// What the log knows.
    pub history: &'a History,
    /// The partner table in force, which has to know the signers; the bundle's own at a first start.
    pub table: Option<&'a PolicySet>,
    /// Seconds since 1970.
    pub now_s: i64,
}

/// SHA-256 of a statement's text.
pub(crate) fn digest_of(statement: &Statement) -> [u8; 32] {
    sha256::of(statement.text().as_bytes())
}

/// Judges a bundle.
///
/// # Errors
/// The first reason against it.
pub(crate) fn judge(bundle: Bundle, bench: &Bench<'_>) -> Result<Vouched, BundleRefused> {
    let set = bundle.compile().map_err(|faults| BundleRefused::faulty(&faults))?;
    let hash = set.hash();
    let envelope = read(&bundle).map_err(|refused| BundleRefused {
        bundle: Some(hash),
        ..refused
    })?;
    let refused = |refused: BundleRefused| BundleRefused {
        serial: Some(envelope.statement.serial),
        bundle: Some(hash),
        ..refused
    };
    unchanged(&bundle, hash, &envelope.statement).map_err(refused)?;
    let accepted = due(&envelope.statement, bench.history).map_err(refused)?;
    even(&set, bench.history).map_err(refused)?;
    let signers = signers(&envelope, &set, bench, accepted).map_err(refused)?;
    Ok(Vouched {
        bundle,
        set: Arc::new(set),
        statement: envelope.statement,
        signers,
        accepted,
    })
}

/// What officers signed of a bundle, and who they were, by the authorities alone: for who has neither the log nor revocation lists. Whether its turn had come is not
/// asked.
///
/// # Errors
/// The first reason against it: it is not signed, a file was changed since, a signature does not hold, a role is missing. [`Refusal::UnknownIssuer`]: each signature
/// holds, and whose certificate one of them is the authorities do not know.
pub(crate) fn signed(
    bundle: &Bundle,
    set: &PolicySet,
    signers: &Signers,
) -> Result<(Statement, Vec<Signer>), BundleRefused> {
    let envelope = read(bundle)?;
    unchanged(bundle, set.hash(), &envelope.statement)?;
    let bench = Bench {
        signers,
        history: &History::default(),
        table: None,
        now_s: i64::MAX,
    };
    stranger(&envelope, signers)?;
    // Judged as one that was accepted: by the certificates of the day on which it was signed.
    let signers = self::signers(&envelope, set, &bench, true)?;
    Ok((envelope.statement, signers))
}

/// Whether the authorities know each certificate. Where one is of others, nothing tells who signed; that each signature is of this statement, by the certificate that
/// stands beside it, is told first.
fn stranger(envelope: &Envelope, signers: &Signers) -> Result<(), BundleRefused> {
    let unknown = |signature: &&Signature| {
        let by = &signature.by;
        signers.good_then(&by.certificates, by.signed_at_s) == Err(Refusal::UnknownIssuer)
    };
    let Some(stranger) = envelope.signatures.iter().find(unknown) else {
        return Ok(());
    };
    for signature in &envelope.signatures {
        let leaf = signature.by.certificates.first();
        let claim = leaf.and_then(|leaf| Claim::read(leaf).ok());
        if !claim.is_some_and(|claim| holds(signature, &claim, &envelope.statement)) {
            let detail = format!("the signature of `{}` does not hold", signature.by.spiffe);
            return Err(BundleRefused::new(Refusal::BundleSigner, detail));
        }
    }
    let detail = format!(
        "no authority of the trust file knows the certificate of `{}`",
        stranger.by.spiffe
    );
    Err(BundleRefused::new(Refusal::UnknownIssuer, detail))
}

fn read(bundle: &Bundle) -> Result<Envelope, BundleRefused> {
    let Some(text) = bundle.envelope() else {
        return Err(BundleRefused::new(
            Refusal::BundleUnsigned,
            "there is no `bundle.sig` in it",
        ));
    };
    let envelope = Envelope::parse(text).map_err(|fault| BundleRefused::new(Refusal::BundleMalformed, fault))?;
    if envelope.signatures.is_empty() {
        return Err(BundleRefused::new(
            Refusal::BundleUnsigned,
            "`bundle.sig` holds no signature",
        ));
    }
    Ok(envelope)
}

fn unchanged(bundle: &Bundle, hash: [u8; 32], statement: &Statement) -> Result<(), BundleRefused> {
    let tampered = |what: &str, signed: &[u8; 32], found: &[u8; 32]| {
        let detail = format!("{what}: signed sha256:{}, found sha256:{}", hex(signed), hex(found));
        Err(BundleRefused::new(Refusal::BundleTampered, detail))
    };
    let files = bundle.files_hash();
    if files != statement.files {
        return tampered(
            "a file was changed, added or removed after signing",
            &statement.files,
            &files,
        );
    }
    if hash != statement.bundle {
        let what = "the files are the signed ones, but this program's record types give them another meaning";
        return tampered(what, &statement.bundle, &hash);
    }
    Ok(())
}

/// Whether its turn has come; true when the log has accepted this very statement before, and nothing newer.
fn due(statement: &Statement, history: &History) -> Result<bool, BundleRefused> {
    let Some(newest) = history.newest() else {
        return Ok(false);
    };
    if newest.statement == digest_of(statement) {
        return Ok(true);
    }
    let serial = statement.serial;
    if serial <= newest.serial {
        let detail = format!("it has serial {serial}; the log knows serial {}", newest.serial);
        return Err(BundleRefused::new(Refusal::BundleStale, detail));
    }
    if statement.replaces != Some(newest.bundle) {
        let named = statement.replaces.map_or("none".to_owned(), |hash| hex(&hash));
        let detail = format!("it replaces {named}; in force is sha256:{}", hex(&newest.bundle));
        return Err(BundleRefused::new(Refusal::BundleBase, detail));
    }
    let goes_back = history.had(&statement.bundle);
    match statement.goes_back_from {
        None if goes_back => {
            let detail = format!("this bundle was in force before serial {}", newest.serial);
            Err(BundleRefused::new(Refusal::BundleGoesBack, detail))
        }
        Some(from) if from != newest.serial => {
            let detail = format!("it goes back from serial {from}; in force is serial {}", newest.serial);
            Err(BundleRefused::new(Refusal::BundleGoesBack, detail))
        }
        _ => Ok(false),
    }
}

/// A new bundle releases evenly. One that the log names was not asked for it: it starts again and comes back as it was.
fn even(set: &PolicySet, history: &History) -> Result<(), BundleRefused> {
    if set.uneven().is_empty() || history.names(&set.hash()) {
        Ok(())
    } else {
        Err(BundleRefused::faulty(&set.uneven()))
    }
}

fn signers(
    envelope: &Envelope,
    set: &PolicySet,
    bench: &Bench<'_>,
    accepted: bool,
) -> Result<Vec<Signer>, BundleRefused> {
    let mut signers = Vec::new();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for signature in &envelope.signatures {
        let by = &signature.by;
        let fault = |what: &str| {
            let detail = format!("the signature of `{}` as {}: {what}", by.spiffe, by.role.name());
            BundleRefused::new(Refusal::BundleSigner, detail)
        };
        let claim = certified(signature, set, bench, accepted).map_err(|what| fault(&what))?;
        if !holds(signature, &claim, &envelope.statement) {
            return Err(fault("it does not hold: what was signed is not what stands here"));
        }
        let known = bench.table.unwrap_or(set).partner_by_spiffe(&by.spiffe);
        if known.is_none() && !accepted {
            return Err(fault("the partner table in force has no such officer"));
        }
        if keys.contains(&claim.public_key) {
            return Err(fault("the same key has signed already"));
        }
        keys.push(claim.public_key);
        signers.push(Signer {
            id: known.map_or_else(|| by.spiffe.clone(), |partner| partner.id.clone()),
            role: by.role,
        });
    }
    let signed = |role| signers.iter().any(|signer: &Signer| signer.role == role);
    for (role, missing) in [
        (Role::PolicyOfficer, "a policy officer"),
        (Role::SecurityOfficer, "a security officer"),
    ] {
        if !signed(role) {
            let detail = format!("the signature of {missing} is missing");
            return Err(BundleRefused::new(Refusal::BundleQuorum, detail));
        }
    }
    Ok(signers)
}

/// The signer's certificate, if it may sign: its chain, its name, its moment.
fn certified(signature: &Signature, set: &PolicySet, bench: &Bench<'_>, accepted: bool) -> Result<Claim, String> {
    let by = &signature.by;
    let said = |refusal: Refusal| format!("{} {}", refusal.code(), refusal.en());
    let leaf = by.certificates.first().ok_or_else(|| said(Refusal::NoCertificate))?;
    let claim = Claim::read(leaf).map_err(said)?;
    if claim.spiffe != by.spiffe || claim.algorithm != Some(by.algorithm) {
        return Err("its certificate is another officer's, or of another kind of key".into());
    }
    let ours = by
        .spiffe
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'));
    if ours.is_none_or(|(domain, _)| domain != set.trust_domain()) {
        return Err("its certificate is of another trust domain".into());
    }
    // When it was made, the certificate had to be valid, whoever judges it later.
    bench
        .signers
        .good_then(&by.certificates, by.signed_at_s)
        .map_err(said)?;
    if accepted {
        return Ok(claim);
    }
    if by.signed_at_s > bench.now_s.saturating_add(AHEAD_S) {
        return Err("it was made in the future: compare the clocks".into());
    }
    bench.signers.good_now(&by.certificates, bench.now_s).map_err(said)?;
    Ok(claim)
}

fn holds(signature: &Signature, claim: &Claim, statement: &Statement) -> bool {
    claim.verifies(&signature.by.message(statement), &signature.bytes)
}

#[cfg(test)]
mod tests;
