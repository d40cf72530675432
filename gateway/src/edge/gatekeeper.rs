//! Who may pass a listener: asked once after the handshake, and again at each request.
//!
//! Takes a verified certificate; gives a [`Caller`]. An open connection outlives a revocation, a change of the partner table and the certificate
//! itself, so each request on it is judged by the lists, the table and the time of its own moment.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use shuguan_policies::{Partner, PolicySet, Role};

use super::caller::Caller;
use super::peer::Peer;
use super::revocation::RevocationSet;
use crate::clock::Clock;
use crate::refusal::Refusal;

/// What decides who may pass a listener. Handlers find it as `Extension<Arc<Gatekeeper>>`.
#[derive(Debug)]
pub struct Gatekeeper {
    revoked: Arc<ArcSwap<RevocationSet>>,
    policies: Arc<ArcSwap<PolicySet>>,
    roles: &'static [Role],
    /// The machine's, by which the handshake judges as well.
    wall: Clock,
}

impl Gatekeeper {
    /// A gatekeeper that admits `roles`.
    pub fn new(
        revoked: Arc<ArcSwap<RevocationSet>>,
        policies: Arc<ArcSwap<PolicySet>>,
        roles: &'static [Role],
        wall: Clock,
    ) -> Self {
        Self {
            revoked,
            policies,
            roles,
            wall,
        }
    }

    /// Whether a peer may still pass. To be asked again before the end of anything that took long, an upload for one.
    ///
    /// # Errors
    /// [`Refusal::CertificateExpired`], [`Refusal::CertificateRevoked`], [`Refusal::RevocationListExpired`], [`Refusal::UnknownPartner`],
    /// [`Refusal::WrongRole`].
    pub fn recheck(&self, peer: &Peer) -> Result<(), Refusal> {
        self.judge(peer, &self.policies.load()).map(drop)
    }

    /// The revocation lists that a caller is judged by now: issuer, number, end of each.
    pub fn lists(&self) -> Arc<str> {
        self.revoked.load().lists()
    }

    /// Who stands behind a connection whose handshake succeeded.
    pub(super) fn identify(&self, chain: &[CertificateDer<'_>]) -> Caller {
        let Some(leaf) = chain.first() else {
            return Caller::Anonymous;
        };
        match Peer::identify(leaf, &self.policies.load()) {
            Ok(peer) => self.again(Arc::new(peer.with_chain(chain))),
            Err(refusal) => Caller::Refused(refusal, None),
        }
    }

    /// The caller as the lists and the table of this moment see it.
    pub(super) fn now(&self, caller: &Caller) -> Caller {
        match caller {
            Caller::Peer(peer) => self.again(Arc::clone(peer)),
            Caller::Refused(..) | Caller::Anonymous => caller.clone(),
        }
    }

    fn again(&self, peer: Arc<Peer>) -> Caller {
        let policies = self.policies.load();
        match self.judge(&peer, &policies) {
            Ok(partner) if partner == peer.partner() => Caller::Peer(peer),
            // The table says something new about the partner, its region for one.
            Ok(partner) => Caller::Peer(Arc::new(peer.with_partner(partner.clone()))),
            Err(refusal) => Caller::Refused(refusal, Some(peer)),
        }
    }

    fn judge<'p>(&self, peer: &Peer, policies: &'p PolicySet) -> Result<&'p Partner, Refusal> {
        let now_s = self.wall.now_us().div_euclid(1_000_000);
        if peer.has_expired(now_s) {
            return Err(Refusal::CertificateExpired);
        }
        let revoked = self.revoked.load();
        if revoked.is_revoked(peer.issuer(), peer.serial()) {
            return Err(Refusal::CertificateRevoked);
        }
        if revoked.is_too_old_for(peer.issuer(), now_s) {
            return Err(Refusal::RevocationListExpired);
        }
        let partner = policies
            .partner_by_spiffe(&peer.partner().spiffe)
            .ok_or(Refusal::UnknownPartner)?;
        if self.roles.contains(&partner.role) {
            Ok(partner)
        } else {
            Err(Refusal::WrongRole)
        }
    }
}
