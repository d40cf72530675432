//! Leaves of what `cert` and `crl` did to the folder of certificates since the last time, at the start and at SIGHUP.
//!
//! Takes the spool (`pki/acts.rs`); gives a `certificate` leaf for each act. Refuses none: one that no leaf can hold is set aside and shown, so that what follows
//! it, a revocation perhaps, does not wait for it; when the journal cannot commit, the rest stays spooled. A crash in between seals an act twice, never not at all.

use std::path::Path;

use shuguan_ledger::leaf::Event;

use crate::clock;
use crate::edge::health::{Light, Readiness};
use crate::exchange::Stations;
use crate::journal::{Entry, SealError};
use crate::pki::acts::{self, Act, Taken};

/// Seals what is spooled in the folder of certificates, and shows what cannot be.
pub(super) async fn seal(pki: &Path, stations: &Stations, readiness: &Readiness) {
    match acts::take(pki) {
        Ok(Some(taken)) => seal_all(taken, stations).await,
        Ok(None) => {}
        Err(fault) => tracing::error!(error = %fault, "the certificate acts cannot be read"),
    }
    show_unfit(pki, readiness);
}

async fn seal_all(taken: Taken, stations: &Stations) {
    for act in &taken.acts {
        if !seal_one(&taken, act, stations).await {
            return;
        }
    }
    if let Err(fault) = taken.sealed() {
        tracing::error!(error = %fault, "sealed certificate acts could not be removed from the spool");
    }
}

/// Whether it is done with: sealed, or set aside.
async fn seal_one(taken: &Taken, act: &Act, stations: &Stations) -> bool {
    let Ok(id) = clock::exchange_id(&stations.clock) else {
        return false;
    };
    let entry = Entry::new(id, Event::Certificate(act.into()));
    match stations.journal.seal(entry).await {
        Ok(_) => true,
        Err(SealError::Unfit(why)) => {
            tracing::error!(error = %why, act = %act.act, "no leaf can hold a certificate act; it is set aside");
            let aside = taken.set_aside(act);
            aside
                .inspect_err(|fault| {
                    tracing::error!(error = %fault, "a certificate act could not be set aside; it stays spooled");
                })
                .is_ok()
        }
        Err(error) => {
            tracing::error!(error = %error, "a certificate act could not be sealed; it stays spooled");
            false
        }
    }
}

/// Shows that an act was set aside; until a start without its file.
fn show_unfit(pki: &Path, readiness: &Readiness) {
    if acts::set_aside_in(pki).exists() {
        let said =
            "acts.unfit.ndjson holds certificate acts that no leaf can hold: note them elsewhere, then remove it";
        readiness.report("certificate-acts", Light::Yellow, said);
    }
}
