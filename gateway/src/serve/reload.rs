//! SIGHUP: what is read anew while exchanges go on.
//!
//! Takes the files as they are now; puts certificates and revocation lists in force, all or nothing, then the policy bundle, all or nothing, then what is ordered
//! about the log's keys; seals what `cert` and `crl` did meanwhile. Refuses what is bad without touching what is in force. A crash on the way leaves the files, which the next start reads.

use super::{Gateway, StartFault, certificate_acts, log_keys};
use crate::bundle::BundleRefused;
use crate::edge::health::Light;
use crate::edge::tls;
use crate::exchange::Stop;

impl Gateway {
    /// Reads everything anew, each whatever became of the others: a revocation by policy does not wait for certificates.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub async fn reload(&self) -> Result<(), StartFault> {
        let edges = self.reload_edges().await;
        let policies = self.reload_policies().await;
        let keys = log_keys::carry_out(&self.stations.journal, &self.log_key).await;
        let faults = [edges, policies, keys].into_iter().filter_map(Result::err);
        let mut faults: Vec<StartFault> = faults.collect();
        match (faults.pop(), faults.is_empty()) {
            (None, _) => Ok(()),
            (Some(fault), true) => Err(fault),
            (Some(fault), false) => {
                faults.push(fault);
                Err(StartFault::Several(faults))
            }
        }
    }

    async fn reload_edges(&self) -> Result<(), StartFault> {
        let revoked = &self.stations.signing.revoked;
        let material = tls::reload(&self.tls, &revoked.load()).map_err(|faults| {
            let said = "the last reload was refused; what was in force stays";
            self.readiness.report("reload", Light::Yellow, said);
            StartFault::Tls(faults)
        })?;
        // First the list, so that no live connection is judged by the old one after a handshake was judged by the new.
        revoked.store(material.revoked);
        self.stations.signing.keys.store(material.message_keys);
        self.keeper.trust(material.signers);
        self.edges.swap(material.feed, material.console);
        let said = "certificates and revocation lists are in force";
        self.readiness.report("reload", Light::Green, said);
        certificate_acts::seal(&self.pki, &self.stations, &self.readiness).await;
        Ok(())
    }

    async fn reload_policies(&self) -> Result<(), StartFault> {
        match self.keeper.reload().await {
            Ok(_loaded) => Ok(()),
            Err(Stop::Refused(refused)) => {
                let (refusal, detail) = (refused.refusal, refused.detail.unwrap_or_default());
                // What an officer submits is counted where it is answered.
                metrics::counter!("shuguan_refusals_total", "code" => refusal.code()).increment(1);
                Err(StartFault::Policies(Box::new(BundleRefused::new(refusal, detail))))
            }
            Err(Stop::Fault(fault)) => Err(StartFault::Reload(fault.chain())),
        }
    }
}
