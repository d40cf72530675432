//! An officer's question: sealed first, answered then (C5).
//!
//! Takes who asks, for which case and why, and what; gives an [`Asked`], which only sealing makes and without which nothing is read.
//! Refuses roles that see no exchanges, a question without case or reason code, and words that are no codes: a name or an id number
//! cannot be typed into a filter.

use serde::{Deserialize, Deserializer, Serialize};
use shuguan_ledger::leaf::{Event, OfficerQueryEvent};
use shuguan_policies::Role;
use uuid::Uuid;

use crate::clock;
use crate::edge::Peer;
use crate::exchange::seal::unavailable;
use crate::exchange::{Fault, Refused, Stations, Stop};
use crate::journal::{Entry, Evidence, ExchangeView, Journal, LeafRow, Outcome, Query, ROWS_MAX, Sealed};
use crate::refusal::Refusal;

/// Longest case number, characters.
const CASE_CHARS_MAX: usize = 64;
/// Longest code in a filter, bytes.
const CODE_BYTES_MAX: usize = 80;
/// Rows of a page when none are named.
const ROWS_DEFAULT: u32 = 50;
/// An officer's question; only an auditor sees it.
const OFFICER_QUERY: &str = "officer-query";
/// What it found; only an auditor sees that too.
const OFFICER_RESULT: &str = "officer-result";

/// Why an officer asks: a closed list, because the log holds no free text (design 10.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A planned review.
    Routine,
    /// Somebody complained.
    Complaint,
    /// A security incident.
    Incident,
    /// Comparing our counts with a partner's.
    Reconciliation,
    /// A court or another authority asked.
    Court,
}

impl Reason {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Routine,
        Self::Complaint,
        Self::Incident,
        Self::Reconciliation,
        Self::Court,
    ];

    /// As it stands in the leaf.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Complaint => "complaint",
            Self::Incident => "incident",
            Self::Reconciliation => "reconciliation",
            Self::Court => "court",
        }
    }

    /// In Chinese.
    pub(super) fn zh(self) -> &'static str {
        match self {
            Self::Routine => "例行检查",
            Self::Complaint => "投诉举报",
            Self::Incident => "安全事件",
            Self::Reconciliation => "对账核对",
            Self::Court => "司法协查",
        }
    }

    /// The reason of that code.
    pub(super) fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What an officer sends, as JSON or as a form; a form's empty fields count as absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Request {
    /// Case number.
    pub case: String,
    /// Reason code.
    pub why: String,
    /// The exchange to show; in a search's form it is absent.
    pub exchange: String,
    /// Partner or officer.
    pub partner: String,
    /// Record type or dataset.
    pub record: String,
    /// Purpose.
    pub purpose: String,
    /// Outcome code.
    pub outcome: String,
    /// Kind of leaf.
    pub kind: String,
    /// From this moment.
    pub from: String,
    /// Before this moment.
    pub to: String,
    /// Rows wanted.
    #[serde(deserialize_with = "number")]
    pub limit: Option<u64>,
    /// Only leaves before this index.
    #[serde(deserialize_with = "number")]
    pub before: Option<u64>,
    /// The form's token; JSON needs none.
    pub token: String,
}

/// A number, or the text that a form makes of it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Number(number)) => Ok(Some(number)),
        Some(Either::Text(text)) if text.is_empty() => Ok(None),
        Some(Either::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// What is asked, with names in the order of the commitment.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "q", rename_all = "lowercase")]
enum Question {
    Search {
        partner: Option<String>,
        record: Option<String>,
        purpose: Option<String>,
        outcome: Option<String>,
        kind: Option<String>,
        from_us: Option<i64>,
        to_us: Option<i64>,
        limit: u32,
        before: Option<u64>,
    },
    Show {
        exchange: Uuid,
    },
    Export {
        exchange: Uuid,
        what: &'static str,
    },
}

/// What an officer wants to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// List leaves.
    Search,
    /// Show one exchange.
    Show,
    /// Take a file away: `receipt` or `leaf`.
    Export(&'static str),
}

/// A question whose leaf is durable. Only [`ask`] makes one, and only with one is anything read.
#[derive(Debug)]
pub(super) struct Asked {
    question: Question,
    index: u64,
    sees_officers: bool,
}

/// A page of results, newest first.
#[derive(Debug)]
pub(super) struct Found {
    /// The leaves.
    pub rows: Vec<LeafRow>,
    /// Where the next page begins, when there may be one.
    pub next_before: Option<u64>,
}

impl Question {
    fn asks_about_officers(&self) -> bool {
        matches!(self, Self::Search { kind: Some(kind), .. } if of_officers(kind))
    }
}

fn of_officers(kind: &str) -> bool {
    kind == OFFICER_QUERY || kind == OFFICER_RESULT
}

/// Whether this role sees exchanges (design 10.1).
pub(super) fn sees_exchanges(role: Role) -> bool {
    match role {
        Role::Auditor | Role::SecurityOfficer => true,
        Role::Agency | Role::Registry | Role::PolicyOfficer | Role::Operator => false,
    }
}

/// Checks a question and seals its leaf. After a crash behind the commit the log says that somebody asked, and nobody was answered.
///
/// # Errors
/// [`Refusal::WrongRole`], [`Refusal::ReasonRequired`], [`Refusal::BadRequest`]; [`Refusal::JournalUnavailable`]: nothing is shown.
pub(super) async fn ask(stations: &Stations, peer: &Peer, act: Act, request: &Request) -> Result<Asked, Stop> {
    let role = peer.partner().role;
    if !sees_exchanges(role) {
        return Err(Refusal::WrongRole.into());
    }
    let ground = Ground::of(&request.case, &request.why)?;
    let question = question(act, request)?;
    let sees_officers = role == Role::Auditor;
    if !sees_officers && question.asks_about_officers() {
        let detail = "what officers asked is for an auditor: an empty list would say that nobody did";
        return Err(Refused::new(Refusal::WrongRole).detail(detail).into());
    }
    let arguments = serde_json::to_string(&question).map_err(Fault::from_error("write a question"))?;
    let index = seal(stations, peer, &ground, question.name(), arguments).await?.index;
    Ok(Asked {
        question,
        index,
        sees_officers,
    })
}

/// Seals a question of a kind. `arguments` are codes, ids, moments and keyed tags only: they are kept in the evidence record.
///
/// # Errors
/// [`Refusal::JournalUnavailable`]: nothing is read then.
pub(super) async fn seal(
    stations: &Stations,
    peer: &Peer,
    ground: &Ground<'_>,
    kind: &str,
    arguments: String,
) -> Result<Sealed, Stop> {
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let event = OfficerQueryEvent {
        who: peer.partner().id.clone(),
        case: evidence.commit("case", ground.case.as_bytes()),
        why: ground.reason.code().into(),
        q: kind.into(),
        arg: evidence.commit("arguments", arguments.as_bytes()),
    };
    evidence.note("case", ground.case);
    evidence.note("arguments", arguments);
    let id = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an id"))?;
    let mut entry = Entry::new(id, Event::OfficerQuery(event));
    entry.evidence = Some(evidence);
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed),
        Outcome::KeyReused | Outcome::Replayed => Err(Fault::new("a question has no idempotency key").into()),
    }
}

/// A case number, trimmed.
///
/// # Errors
/// [`Refusal::ReasonRequired`].
pub(super) fn case_number(case: &str) -> Result<&str, Stop> {
    let case = case.trim();
    let length = case.chars().count();
    if length == 0 || length > CASE_CHARS_MAX || case.chars().any(char::is_control) {
        let detail = format!("`case` has 1 to {CASE_CHARS_MAX} characters");
        return Err(Refused::new(Refusal::ReasonRequired).detail(detail).into());
    }
    Ok(case)
}

/// For which case and why an officer acts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'r> {
    /// Case number, trimmed.
    pub case: &'r str,
    /// Reason.
    pub reason: Reason,
}

impl<'r> Ground<'r> {
    /// Reads case number and reason code.
    ///
    /// # Errors
    /// [`Refusal::ReasonRequired`].
    pub(super) fn of(case: &'r str, why: &str) -> Result<Self, Stop> {
        let case = case_number(case)?;
        let reason = Reason::parse(why).ok_or_else(|| {
            let codes = Reason::ALL.map(Reason::code).join(", ");
            Refused::new(Refusal::ReasonRequired).detail(format!("`why` is one of {codes}"))
        })?;
        Ok(Self { case, reason })
    }
}

fn question(act: Act, request: &Request) -> Result<Question, Stop> {
    let exchange = || -> Result<Uuid, Stop> {
        let id = request.exchange.trim().parse();
        id.map_err(|_| {
            Refused::new(Refusal::BadRequest)
                .detail("`exchange` is not an exchange id")
                .into()
        })
    };
    Ok(match act {
        Act::Show => Question::Show { exchange: exchange()? },
        Act::Export(what) => Question::Export {
            exchange: exchange()?,
            what,
        },
        Act::Search if is_backwards(moment("from", &request.from)?, moment("to", &request.to)?) => {
            let detail = "`to` is not after `from`";
            return Err(Refused::new(Refusal::BadRequest).detail(detail).into());
        }
        Act::Search => Question::Search {
            partner: code("partner", &request.partner)?,
            record: code("record", &request.record)?,
            purpose: code("purpose", &request.purpose)?,
            outcome: code("outcome", &request.outcome)?,
            kind: code("kind", &request.kind)?,
            from_us: moment("from", &request.from)?,
            to_us: moment("to", &request.to)?,
            limit: rows(request.limit),
            before: request.before,
        },
    })
}

fn is_backwards(from_us: Option<i64>, to_us: Option<i64>) -> bool {
    from_us.zip(to_us).is_some_and(|(from_us, to_us)| to_us <= from_us)
}

fn rows(limit: Option<u64>) -> u32 {
    let wanted = limit.and_then(|limit| u32::try_from(limit).ok());
    wanted.unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX)
}

/// A filter is a code: what is not one is refused without being repeated.
fn code(name: &str, text: &str) -> Result<Option<String>, Stop> {
    let text = text.trim();
    let fits = text.len() <= CODE_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/' | b'_'));
    // Eighteen digits are an id number, and an id number has no business in an address or a log.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !fits || digits > 14 {
        let detail = format!("`{name}` is not a code");
        return Err(Refused::new(Refusal::BadRequest).detail(detail).into());
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// RFC 3339 with a zone, or a date or date-time of Asia/Shanghai; gives microseconds UTC.
pub(super) fn moment(name: &str, text: &str) -> Result<Option<i64>, Stop> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    clock::read_moment(text).map(Some).ok_or_else(|| {
        let detail = format!("`{name}` is a moment such as 2026-11-23T09:42 (Asia/Shanghai) or RFC 3339 with a zone");
        Refused::new(Refusal::BadRequest).detail(detail).into()
    })
}

impl Question {
    fn name(&self) -> &'static str {
        match self {
            Self::Search { .. } => "search",
            Self::Show { .. } => "show",
            Self::Export { .. } => "export",
        }
    }
}

impl Asked {
    /// Index of the leaf that says who asked.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    /// The leaves that a search finds.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub(super) async fn search(&self, journal: &Journal) -> Result<Found, Stop> {
        let Question::Search {
            partner,
            record,
            purpose,
            outcome,
            kind,
            from_us,
            to_us,
            limit,
            before,
        } = self.question.clone()
        else {
            return Err(Fault::new("a search was not what was sealed").into());
        };
        let query = Query {
            partner,
            record,
            purpose,
            outcome,
            kind,
            from_us,
            to_us,
            // The question itself is no result of itself.
            before_index: Some(before.unwrap_or(self.index).min(self.index)),
            limit,
        };
        let mut rows = journal
            .search(query)
            .await
            .map_err(Fault::from_error("search the log"))?;
        let full = u32::try_from(rows.len()).is_ok_and(|found| found >= limit);
        let next_before = rows.last().filter(|_| full).map(|row| row.index);
        rows.retain(|row| self.sees_officers || !of_officers(&row.kind));
        Ok(Found { rows, next_before })
    }

    /// The exchange that was asked for.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], also for what this role does not see; a journal that cannot be read.
    pub(super) async fn exchange(&self, journal: &Journal) -> Result<ExchangeView, Stop> {
        let (Question::Show { exchange } | Question::Export { exchange, .. }) = &self.question else {
            return Err(Fault::new("an exchange was not what was sealed").into());
        };
        let view = journal
            .exchange(*exchange)
            .await
            .map_err(Fault::from_error("read an exchange"))?;
        view.filter(|view| self.sees_officers || !of_officers(view.leaf.event.kind()))
            .ok_or_else(|| Refusal::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Ground, Reason, Request, code, moment, sees_exchanges};
    use shuguan_policies::Role;

    #[test]
    fn only_auditors_and_security_officers_see_exchanges() {
        let roles = [
            Role::Auditor,
            Role::SecurityOfficer,
            Role::PolicyOfficer,
            Role::Operator,
        ];
        assert_eq!(roles.map(sees_exchanges), [true, true, false, false]);
    }

    #[test]
    fn a_question_without_a_case_or_with_a_reason_of_its_own_words_is_refused() {
        assert!(Ground::of("2026-117", "routine").is_ok());
        for (case, why) in [
            ("", "routine"),
            (" ", "routine"),
            ("2026-117", ""),
            ("2026-117", "curious"),
            ("a\nb", "court"),
        ] {
            assert!(Ground::of(case, why).is_err(), "{case:?} {why:?}");
        }
        assert_eq!(
            Reason::ALL.map(|reason| Reason::parse(reason.code()).unwrap()),
            Reason::ALL
        );
    }

    #[test]
    fn a_filter_takes_codes_and_no_names_or_id_numbers() {
        assert_eq!(
            code("record", "health/death-certificate").unwrap().unwrap(),
            "health/death-certificate"
        );
        assert_eq!(code("record", "").unwrap(), None);
        for text in ["张三", "320706187003150003", "a b", "<script>"] {
            assert!(code("record", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_without_a_zone_is_one_of_shanghai() {
        let utc = moment("from", "2026-11-23T01:42:00Z").unwrap().unwrap();
        assert_eq!(moment("from", "2026-11-23T09:42").unwrap(), Some(utc));
        assert_eq!(moment("from", "2026-11-23T09:42:00+08:00").unwrap(), Some(utc));
        assert!(moment("from", "2026-11-23").unwrap().is_some());
        assert!(moment("from", "yesterday").is_err());
    }

    #[test]
    fn a_form_and_a_json_document_say_the_same() {
        let form: Request = serde_json::from_str(r#"{"case":"1","why":"court","limit":"20","before":""}"#).unwrap();
        let json: Request = serde_json::from_str(r#"{"case":"1","why":"court","limit":20}"#).unwrap();
        assert_eq!((form.limit, form.before), (json.limit, json.before));
        assert!(serde_json::from_str::<Request>(r#"{"name":"x"}"#).is_err());
    }
}
