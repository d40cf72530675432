//! What two officers sign before an evidence record is opened.
//!
//! Takes an exchange, a case, a reason and who asks; gives a statement that holds for 24 hours, and checks signatures under it. Refuses every byte that the writer
//! would not have written, another officer's certificate than that of the connection, a certificate that is not good now, and clocks that are 5 minutes apart.
//!
//! ```text
//! shuguan-unseal/v1
//! exchange 01a2117e-4ced-77cc-a3c2-5b263f43c48e
//! case 2026-031
//! why court
//! asked-by spiffe://lyg.example/officer/security/information-security/qian
//! asked-at 2026-11-25T07:30:00Z
//! nonce 5b263f43c48e4cedb3c2a2117e01a2ff
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use shuguan_policies::Role;
use shuguan_policies::envelope::{Algorithm, Signatory, Signature};
use uuid::Uuid;

use crate::bundle::SigningRoles;
use crate::edge::Peer;
use crate::edge::peer::Claim;
use crate::edge::signers::Signers;
use crate::refusal::Refusal;
use crate::sha256;

const HEAD: &str = "shuguan-unseal/v1";
/// A statement holds so long.
pub(crate) const VALID_S: i64 = 24 * 3_600;
/// Clocks may be so much apart.
const SKEW_S: u64 = 300;

/// What is signed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Whose record is opened.
    pub exchange: Uuid,
    /// Case number.
    pub case: String,
    /// Reason code.
    pub why: String,
    /// SPIFFE id of the officer who asks.
    pub asked_by: String,
    /// Seconds since 1970.
    pub asked_at_s: i64,
    /// 16 random bytes: the log holds the statement's digest, and a case number can be guessed.
    pub nonce: [u8; 16],
}

impl fmt::Debug for Statement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Statement({})", self.exchange)
    }
}

impl Statement {
    /// Its text, every line with its line feed.
    pub(crate) fn text(&self) -> String {
        let moment = jiff::Timestamp::from_second(self.asked_at_s).unwrap_or(jiff::Timestamp::MIN);
        let Self {
            exchange,
            case,
            why,
            asked_by,
            ..
        } = self;
        let nonce = Uuid::from_bytes(self.nonce).simple();
        format!(
            "{HEAD}\nexchange {exchange}\ncase {case}\nwhy {why}\nasked-by {asked_by}\nasked-at {moment}\nnonce {nonce}\n"
        )
    }

    /// Reads a statement in the spelling of its writer and no other.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == HEAD).then_some(())?;
        let mut next = |word: &str| lines.next()?.strip_prefix(word)?.strip_prefix(' ');
        let statement = Self {
            exchange: next("exchange")?.parse().ok()?,
            case: next("case")?.to_owned(),
            why: next("why")?.to_owned(),
            asked_by: next("asked-by")?.to_owned(),
            asked_at_s: next("asked-at")?.parse::<jiff::Timestamp>().ok()?.as_second(),
            nonce: *next("nonce")?.parse::<Uuid>().ok()?.as_bytes(),
        };
        (statement.text() == text).then_some(statement)
    }

    /// SHA-256 of the text, member `stmt` of the leaves.
    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256::of(self.text().as_bytes())
    }

    /// Whether it still holds, seconds since 1970.
    pub(crate) fn holds_at(&self, now_s: i64) -> bool {
        (self.asked_at_s.saturating_sub_unsigned(SKEW_S)..self.asked_at_s.saturating_add(VALID_S)).contains(&now_s)
    }

    /// Whether it was made just now.
    pub(crate) fn is_fresh(&self, now_s: i64) -> bool {
        is_now(self.asked_at_s, now_s)
    }
}

/// Whether a moment that somebody states is this one; any number can be stated.
fn is_now(stated_s: i64, now_s: i64) -> bool {
    stated_s.abs_diff(now_s) <= SKEW_S
}

/// An officer's signature over a statement, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedBy {
    spiffe: String,
    signed_at_s: i64,
    certificates: Vec<String>,
    algorithm: String,
    signature: String,
}

impl SignedBy {
    /// A signature for the wire.
    pub(crate) fn of(signature: &Signature) -> Self {
        let by = &signature.by;
        Self {
            spiffe: by.spiffe.clone(),
            signed_at_s: by.signed_at_s,
            certificates: by.certificates.iter().map(|der| BASE64.encode(der)).collect(),
            algorithm: by.algorithm.name().to_owned(),
            signature: BASE64.encode(&signature.bytes),
        }
    }

    /// Whether this officer signed this statement just now with a certificate that is good.
    ///
    /// # Errors
    /// [`Refusal::BadStatement`], or why the certificate is not good.
    pub(crate) fn verify(&self, text: &str, peer: &Peer, signers: &Signers, now_s: i64) -> Result<(), Refusal> {
        let partner = peer.partner();
        let algorithm = Algorithm::named(&self.algorithm).ok_or(Refusal::BadStatement)?;
        let certificates = self.certificates.iter().map(|der| BASE64.decode(der));
        let certificates = certificates
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Refusal::BadStatement)?;
        let claim = Claim::read(certificates.first().ok_or(Refusal::BadStatement)?)?;
        let same =
            self.spiffe == partner.spiffe && claim.spiffe == partner.spiffe && claim.algorithm == Some(algorithm);
        if !same || !is_now(self.signed_at_s, now_s) {
            return Err(Refusal::BadStatement);
        }
        signers.good_now(&certificates, now_s)?;
        let by = Signatory {
            role: partner.role,
            spiffe: self.spiffe.clone(),
            signed_at_s: self.signed_at_s,
            certificates,
            algorithm,
        };
        let signature = BASE64.decode(&self.signature).map_err(|_| Refusal::BadStatement)?;
        if claim.verifies(&by.message_over(text), &signature) {
            Ok(())
        } else {
            Err(Refusal::BadStatement)
        }
    }
}

/// Who may sign such a statement: the officers whom design 10.1 names.
pub(crate) const SIGNERS: SigningRoles = SigningRoles {
    may_sign,
    others: "it is the certificate of neither a security officer nor an auditor",
};

fn may_sign(role: Role) -> bool {
    matches!(role, Role::SecurityOfficer | Role::Auditor)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use uuid::Uuid;

    use super::{Statement, VALID_S, is_now};

    fn statement() -> Statement {
        Statement {
            exchange: Uuid::from_u128(7),
            case: "审计 2026-031".into(),
            why: "court".into(),
            asked_by: "spiffe://lyg.example/officer/security/is/qian".into(),
            asked_at_s: 1_795_424_400,
            nonce: [9; 16],
        }
    }

    #[test]
    fn a_statement_has_one_spelling() {
        let text = statement().text();
        assert_eq!(Statement::parse(&text).unwrap(), statement());
        for (from, to) in [
            ("v1", "v2"),
            ("why court", "WHY court"),
            ("Z\n", "+00:00\n"),
            ("nonce 09", "nonce 0909-"),
            ("exchange 0", "exchange {0"),
            ("court\n", "court\r\n"),
        ] {
            assert_eq!(Statement::parse(&text.replacen(from, to, 1)), None, "{to:?}");
        }
        assert_eq!(Statement::parse(&(text.clone() + "\n")), None);
        assert_eq!(Statement::parse(text.trim_end()), None);
        assert_eq!(Statement::parse(""), None);
    }

    #[test]
    fn a_statement_holds_for_a_day() {
        let statement = statement();
        let at = statement.asked_at_s;
        assert!(statement.holds_at(at) && statement.holds_at(at + VALID_S - 1));
        assert!(!statement.holds_at(at + VALID_S) && !statement.holds_at(at - 301));
        assert!(statement.is_fresh(at + 300) && !statement.is_fresh(at + 301));
    }

    #[test]
    fn a_moment_at_the_end_of_all_numbers_is_another_one_and_nothing_overflows() {
        let now_s = statement().asked_at_s;
        for stated_s in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            assert!(!is_now(stated_s, now_s), "{stated_s}");
            let statement = Statement {
                asked_at_s: stated_s,
                ..statement()
            };
            assert!(!statement.holds_at(now_s) && !statement.is_fresh(now_s), "{stated_s}");
        }
        assert!(is_now(now_s - 300, now_s) && is_now(now_s + 300, now_s));
        assert!(!is_now(now_s - 301, now_s) && !is_now(now_s + 301, now_s));
    }
}
