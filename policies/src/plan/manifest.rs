//! The manifest of an extract: under what it was given, and what whoever holds it owes.

use serde::Serialize;

use super::Plan;
use crate::canonical::Canonical;
use crate::set::PolicySet;

/// What an extract carries, signed, so that its obligations travel with it.
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
    /// Commitment to the columns as released, hex.
    pub columns: String,
}

const SECONDS_PER_DAY: i64 = 86_400;

impl Plan {
    /// The manifest of what this plan released: so many rows with that column commitment, at a moment (µs since the epoch, UTC).
    pub fn manifest(&self, set: &PolicySet, rows: u64, columns: &[u8; 32], now_us: i64) -> Manifest {
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
            bundle: hex(&set.hash()),
            keys,
            delete_by_s: owed.retain_days.map(delete_by),
            onward: owed.onward.name(),
            attest_deletion: owed.attest_deletion,
            rows,
            columns: hex(columns),
        }
    }
}

impl Manifest {
    /// The bytes that are signed: canonical, after the line `shuguan.manifest.v1`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Canonical::new(self.schema);
        out.text(&self.agreement)
            .text(&self.document)
            .text(&self.grant)
            .text(&self.purpose);
        out.text(self.target)
            .text(&self.consumer)
            .text(&self.plan)
            .text(&self.bundle);
        out.set(&self.keys).option(self.delete_by_s, |out, second| {
            out.instant(second);
        });
        out.text(self.onward)
            .flag(self.attest_deletion)
            .integer(self.rows)
            .text(&self.columns);
        out.into_bytes()
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}
