//! The light of the revocation lists: takes those in force and the machine's time; gives a colour and words for people. Refuses nothing: whom a list that ran out
//! lets in, the edge says.

use crate::edge::health::Light;
use crate::edge::revocation::RevocationSet;

/// `/readyz` warns so long before a revocation list runs out.
const CRL_WARN_S: i64 = 7 * 86_400;

pub(super) fn describe(revoked: &RevocationSet, now_s: i64) -> (Light, String) {
    let Some(next) = revoked.next_update_s() else {
        return (Light::Red, "there is no revocation list".into());
    };
    let until = shuguan_ledger::time::format(next.saturating_mul(1_000_000));
    if next <= now_s {
        (
            Light::Red,
            format!("ran out at {until}; nobody is let in: shuguan crl issue"),
        )
    } else if next - now_s < CRL_WARN_S {
        (Light::Yellow, format!("runs out at {until}: shuguan crl issue"))
    } else {
        (Light::Green, format!("current until {until}"))
    }
}
