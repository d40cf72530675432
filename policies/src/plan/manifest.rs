//! The manifest of an extract: under what it was given, and what whoever holds it owes.

use serde::Serialize;

use super::Plan;
use crate::hex::hex;

/// What an extract carries so that its obligations travel with it; its leaf holds the SHA-256 of [`Manifest::text`], so that the log's signature
/// covers it. It says nothing about a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// `shuguan.manifest.v1`.
    pub schema: &'static str,
    /// Id of the agreement.
    pub agreement: String,
    /// The signed paper.
    pub document: String,
    /// Id of the grant.
    pub grant: String,
    /// Purpose code: what the data may be used for.
    pub purpose: String,
    /// Record type or dataset.
    pub target: &'static str,
    /// Whom it is for.
    pub consumer: String,
    /// SHA-256 of the plan, hex.
    pub plan: String,
    /// SHA-256 of the bundle, hex.
    pub bundle: String,
    /// Ids and epochs of the keys behind pseudonyms, tokens and shifted dates, e.g. `token-survey/1`.
    pub keys: Vec<String>,
    /// Last second at which the data may be held, since the epoch, UTC; none: as long as the purpose lasts.
    pub delete_by_s: Option<i64>,
    /// To whom it may be passed on.
    pub onward: &'static str,
    /// Whether its deletion must be attested.
    pub attest_deletion: bool,
    /// Rows of the extract.
    pub rows: u64,
    /// As of when the registry was read, RFC 3339 UTC: what changed since then is in no row. None when nothing was ever written to it.
    pub as_of: Option<String>,
    /// Commitment to the columns as released, hex.
    pub columns: String,
}

/// What an extract holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Rows.
    pub rows: u64,
    /// As of when the registry was read, RFC 3339 UTC.
    pub as_of: Option<String>,
    /// The commitment to its columns.
    pub columns: [u8; 32],
}

const SECONDS_PER_DAY: i64 = 86_400;

impl Plan {
    /// The manifest of what this plan of that bundle released, at a moment (µs since the epoch, UTC).
    pub fn manifest(&self, bundle: &[u8; 32], given: Given, now_us: i64) -> Manifest {
        let owed = self.obligations();
        let delete_by = |days: u32| {
            now_us
                .div_euclid(1_000_000)
                .saturating_add(i64::from(days) * SECONDS_PER_DAY)
        };
        let mut keys: Vec<String> = self
            .output()
            .iter()
            .filter_map(|column| column.kind.operator.key())
            .map(|key| format!("{}/{}", key.id, key.epoch))
            .collect();
        keys.sort();
        keys.dedup();
        Manifest {
            schema: "shuguan.manifest.v1",
            agreement: self.agreement().to_owned(),
            document: self.basis().document.clone(),
            grant: self.grant_id().to_owned(),
            purpose: self.purpose().to_owned(),
            target: self.target().name(),
            consumer: self.consumer().to_owned(),
            plan: hex(&self.hash()),
            bundle: hex(bundle),
            keys,
            delete_by_s: owed.retain_days.map(delete_by),
            onward: owed.onward.name(),
            attest_deletion: owed.attest_deletion,
            rows: given.rows,
            as_of: given.as_of,
            columns: hex(&given.columns),
        }
    }
}

impl Manifest {
    /// The file that travels: one JSON object, its members in the order of their declaration, and a line feed.
    pub fn text(&self) -> String {
        // It has only texts, numbers and lists of texts, so it can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
