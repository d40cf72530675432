//! What a request for registry data proves of itself, and under which grant it is answered: the same for extracts and comparisons.
//!
//! Takes method, headers and body; gives digest, signature, nonce and idempotency key. Refuses a digest or a signature that does not hold, a purpose
//! said in two ways, a key in flight.

use shuguan_policies::dataset::Dataset;
use shuguan_policies::{Direction, Mode, Plan, PolicySet, Target};

use super::admit::{self, IDEMPOTENCY_KEY, PURPOSE, idempotency_key, text};
use super::inflight::InFlight;
use super::seal::unavailable;
use super::signing::nonce;
use super::{Fault, Refused, Stations, Stop};
use crate::edge::Peer;
use crate::journal::{Idempotency, Known, Nonce, Sealed, Seen};
use crate::refusal::Refusal;
use crate::sha256;
use crate::signature::{Message, Profile, Signed, digest};

/// How a request for registry data came.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Method, target and headers.
    pub message: Message<'a>,
    /// The body.
    pub body: &'a [u8],
}

/// What a request proves of itself.
#[derive(Debug)]
pub(super) struct Asked {
    /// SHA-256 of its body.
    pub(super) digest: [u8; 32],
    /// Its signature, when there is one.
    pub(super) signed: Option<Signed>,
    /// What the journal remembers of it.
    pub(super) nonce: Option<Nonce>,
    /// Its idempotency key, when there is one.
    pub(super) idempotency: Option<Idempotency>,
    _in_flight: Option<InFlight>,
}

impl Asked {
    /// Digest, signature, nonce and idempotency key. A signed request has all four. `act` says to what the key is bound besides data and purpose.
    pub(super) fn of(
        stations: &Stations,
        peer: &Peer,
        (dataset, purpose): (Dataset, &str),
        (profile, act): (&Profile, &str),
        head: &RequestHead<'_>,
    ) -> Result<Self, Stop> {
        let headers = head.message.headers;
        let found = sha256::of(head.body);
        if digest::stated(headers).is_some_and(|stated| stated != Some(found)) {
            return Err(Refusal::BadDigest.into());
        }
        let now_us = stations.wall.now_us();
        let signed = stations.signing.judge(profile, &head.message, peer, now_us)?;
        if headers.contains_key(PURPOSE) && text(headers, &PURPOSE) != Some(purpose) {
            let other = "`Exchange-Purpose` is not the purpose of the request";
            return Err(Refused::new(Refusal::BadRequest).detail(other).into());
        }
        if !headers.contains_key(IDEMPOTENCY_KEY) {
            return Ok(Self {
                digest: found,
                signed,
                nonce: None,
                idempotency: None,
                _in_flight: None,
            });
        }
        let key = idempotency_key(headers).ok_or(Refusal::BadIdempotencyKey)?;
        let tag = stations.tags.idempotency(&peer.partner().id, key);
        let tags = &stations.tags;
        let content = tags.content(&found, dataset.name(), act, purpose, "");
        let in_flight = InFlight::begin(&stations.in_flight, tag);
        Ok(Self {
            digest: found,
            nonce: signed.as_ref().map(|signed| nonce(tags, signed, &tag)),
            signed,
            idempotency: Some(Idempotency { tag, content }),
            _in_flight: Some(in_flight.ok_or_else(|| Refused::new(Refusal::KeyInFlight).retry_after(1))?),
        })
    }

    /// What this very request was answered earlier, when its key was used before.
    pub(super) async fn before(&self, stations: &Stations) -> Result<Option<Sealed>, Stop> {
        let Some(key) = self.idempotency else {
            return Ok(None);
        };
        let before = stations.journal.before(key.tag, key.content, self.nonce).await;
        let (seen, known) = before.map_err(Fault::from_error("look for an idempotency key"))?;
        let sealed = match (seen, known) {
            (Seen::Elsewhere, _) => return Err(Refusal::Replayed.into()),
            (_, Some(Known::KeyReused)) => return Err(Refusal::KeyReused.into()),
            (_, Some(Known::Repeated(sealed))) => sealed,
            (_, None) => return Ok(None),
        };
        // Signed anew: this nonce stands in no sealed entry, and must not serve for another request.
        if let (Some(nonce), Seen::Never) = (self.nonce, seen)
            && !stations.journal.remember(nonce).await.map_err(unavailable)?
        {
            return Err(Refusal::Replayed.into());
        }
        Ok(Some(*sealed))
    }
}

/// The grant that a request is answered under: asked again while it is worked on, and at each download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Partner id.
    pub partner: String,
    spiffe: String,
    dataset: Dataset,
    purpose: String,
    mode: Mode,
    /// What the plan that was pinned releases.
    released: [u8; 32],
}

impl Granted {
    pub(super) fn of(peer: &Peer, dataset: Dataset, plan: &Plan) -> Self {
        Self {
            partner: peer.partner().id.clone(),
            spiffe: peer.partner().spiffe.clone(),
            dataset,
            purpose: plan.purpose().to_owned(),
            mode: plan.mode(),
            released: plan.released_hash(),
        }
    }

    /// A grant of the population that no policies hold.
    #[cfg(test)]
    pub(crate) fn of_nobody(partner: &str) -> Self {
        Self {
            partner: partner.to_owned(),
            spiffe: String::new(),
            dataset: Dataset::Population,
            purpose: String::new(),
            mode: Mode::Extract,
            released: [0; 32],
        }
    }

    /// The dataset.
    pub fn dataset(&self) -> &'static str {
        self.dataset.name()
    }

    /// The purpose.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Whether these policies still have the partner and give it what the plan that was pinned gives, at a moment (µs since 1970).
    ///
    /// # Errors
    /// [`Refusal::GrantRevoked`], [`Refusal::GrantChanged`], [`Refusal::AgreementExpired`].
    pub fn upheld(&self, policies: &PolicySet, now_us: i64) -> Result<(), Refusal> {
        let partner = policies.partner(&self.partner);
        if partner.is_none_or(|partner| partner.spiffe != self.spiffe) {
            return Err(Refusal::GrantRevoked);
        }
        let target = Target::Dataset(self.dataset);
        let key = (target, self.purpose.as_str(), Direction::Pull, self.mode);
        admit::upheld(policies, &self.partner, key, &self.released, now_us)
    }

    /// # Errors
    /// Those of [`Granted::upheld`], under the policies in force.
    pub(super) fn still(&self, stations: &Stations) -> Result<(), Refused> {
        let upheld = self.upheld(&stations.policies.load(), stations.wall.now_us());
        upheld.map_err(admit::changed)
    }
}

/// The case that a request is for: 1 to 64 bytes.
///
/// # Errors
/// [`Refusal::CaseRequired`].
pub(super) fn case(named: &str) -> Result<String, Refusal> {
    let case = named.trim();
    if case.is_empty() || case.len() > 64 {
        return Err(Refusal::CaseRequired);
    }
    Ok(case.to_owned())
}
