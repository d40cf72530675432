//! Message signatures: who signed what, and every way in which a signature does not count. On real TLS, from outside.

mod answers;
mod client;
mod comparisons;
mod extracts;
mod pushes;
mod replays;

use shuguan_tests::signed::{Manner, Signer};
use shuguan_tests::{Answer, Call, Deployment, Identity, Running, leaves, registry_count};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const TABLE: &str = "public_security_resident";

/// One gateway, its police, and their message key.
struct Scene {
    gateway: Deployment,
    police: Identity,
    signer: Signer,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    /// With more lines in the configuration.
    fn with(lines: &str) -> Self {
        let gateway = Deployment::with(|text| format!("{text}\n{lines}\n"));
        Self {
            police: gateway.partner(POLICE),
            signer: Signer::of_kit(&gateway.path("partners").join(POLICE)),
            gateway,
        }
    }

    fn signer(&self, partner: &str) -> Signer {
        Signer::of_kit(&self.gateway.path("partners").join(partner))
    }

    fn signed(&self, call: Call, manner: &Manner) -> Call {
        self.signer.sign(call, self.gateway.feed, manner)
    }

    fn receipt_pem(&self) -> String {
        std::fs::read_to_string(self.gateway.path("trust/receipt.pem")).expect("a key")
    }

    fn count(&self, kind: &str, code: Option<&str>) -> usize {
        let all = leaves(&self.gateway.journal());
        let like = |leaf: &&serde_json::Value| leaf["k"] == kind && code.is_none_or(|code| leaf["code"] == code);
        all.iter().filter(like).count()
    }

    /// Sends a call that must be refused so, with one leaf, and without any effect.
    async fn refused(&self, running: &Running<'_>, call: Call, (status, code, slug): (u16, &str, &str)) -> Answer {
        let before = (self.count("refusal", Some(slug)), self.count("push", None));
        let answer = running.call(call, &self.police).await.expect("an answer");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{text}"
        );
        let after = (self.count("refusal", Some(slug)), self.count("push", None));
        assert_eq!(after, (before.0 + 1, before.1), "one `{slug}` leaf and no push");
        assert_eq!(registry_count(&self.gateway.registry(), TABLE), 0);
        answer
    }
}

fn push() -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"))
}

const BAD: (u16, &str, &str) = (400, "SG2151", "bad-signature");
const STALE: (u16, &str, &str) = (400, "SG2152", "stale-signature");
const REPLAYED: (u16, &str, &str) = (403, "SG2153", "replayed");
const REQUIRED: (u16, &str, &str) = (403, "SG2154", "signature-required");
const FORBIDDEN: (u16, &str, &str) = (403, "SG2155", "signature-forbidden");
const UNKNOWN: (u16, &str, &str) = (403, "SG2156", "unknown-signer");
const MISMATCH: (u16, &str, &str) = (403, "SG2157", "signer-mismatch");
const REVOKED: (u16, &str, &str) = (403, "SG2158", "signer-revoked");
