//! How a batch is meant: `Exchange-Mode`, `Exchange-Scope`, `Exchange-Count` (design 10.3), `Exchange-Constants`.
//!
//! Takes the four headers; gives a [`Manner`]. Refuses what contradicts itself: a snapshot without scope or count, a scope without a
//! snapshot, a scope by a field that is no code, a count that is no number. Values of a scope go into the log, so they can only be
//! codes that their field allows: divisions, code tables, months.

use std::fmt;

use http::{HeaderMap, HeaderName};
use shuguan_adapters::catalogue::{FieldType, RecordType};
use shuguan_adapters::operation::Intent;

use super::Refused;
use super::stated::Stated;
use crate::refusal::Refusal;

pub(crate) const MODE: HeaderName = HeaderName::from_static("exchange-mode");
pub(crate) const SCOPE: HeaderName = HeaderName::from_static("exchange-scope");
pub(crate) const COUNT: HeaderName = HeaderName::from_static("exchange-count");
pub(crate) const CONSTANTS: HeaderName = HeaderName::from_static("exchange-constants");

/// Codes that one scope may name.
const SCOPE_CODES_MAX: usize = 64;
/// Largest number that a leaf can hold.
const COUNT_MAX: u64 = (1 << 53) - 1;

/// What a batch does to rows that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PushMode {
    /// Inserts and updates; never closes a row.
    #[default]
    Upsert,
    /// Each row says insert, update or delete.
    Delta,
    /// Everything that the partner has within the scope; what is not in it is closed.
    Snapshot(Scope),
}

/// The rows that a snapshot speaks for: all of the partner's, or those whose field has one of the codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    field: Option<&'static str>,
    codes: Vec<String>,
}

/// Mode and count of one batch, and what is stated of all its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// What it does to rows that are there.
    pub mode: PushMode,
    /// Data rows as the sender counted them.
    pub count: Option<u64>,
    /// What every record of it says that says nothing else.
    pub stated: Stated,
}

impl PushMode {
    /// `upsert`, `delta` or `snapshot`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delta => "delta",
            Self::Snapshot(_) => "snapshot",
        }
    }

    /// The scope of a snapshot.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Snapshot(scope) => Some(scope),
            Self::Upsert | Self::Delta => None,
        }
    }
}

impl Scope {
    /// Reads `all` or `FIELD=CODE[,CODE…]`, e.g. `hukou_region=320706,320707`; codes are sorted, so that each scope has one spelling.
    ///
    /// # Errors
    /// What is wrong with it, without a value.
    pub fn parse(record: &'static RecordType, text: &str) -> Result<Self, &'static str> {
        if text == "all" {
            return Ok(Self {
                field: None,
                codes: Vec::new(),
            });
        }
        let (name, codes) = text.split_once('=').ok_or("it is `all` or `FIELD=CODE,CODE`")?;
        let field = record
            .field(name.trim())
            .ok_or("it names no field of the record type")?;
        let mut codes: Vec<String> = codes.split(',').map(|code| code.trim().to_owned()).collect();
        if codes.len() > SCOPE_CODES_MAX {
            return Err("it names more than 64 codes");
        }
        for code in &codes {
            if !is_code(&field.kind, code) {
                return Err("it goes by codes only: a division, a month, or a code of the field's table");
            }
        }
        codes.sort_unstable();
        codes.dedup();
        Ok(Self {
            field: Some(field.name),
            codes,
        })
    }

    /// The field that it goes by; none: all rows.
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// The codes that are inside.
    pub fn codes(&self) -> &[String] {
        &self.codes
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            None => out.write_str("all"),
            Some(field) => write!(out, "{field}={}", self.codes.join(",")),
        }
    }
}

/// Whether a text is a code of this kind of field; free text, names and numbers of persons never are.
pub(super) fn is_code(kind: &FieldType, text: &str) -> bool {
    let digits = |count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        FieldType::Code(table) => table.rows.iter().any(|row| row.code == text),
        FieldType::Region | FieldType::Month => digits(6),
        FieldType::Division(count) => digits(usize::from(*count)),
        FieldType::CitizenId
        | FieldType::Uscc
        | FieldType::OrgCode
        | FieldType::RegNo
        | FieldType::TaxpayerId
        | FieldType::DocumentNo(_)
        | FieldType::Name
        | FieldType::Text(_)
        | FieldType::Date
        | FieldType::Instant
        | FieldType::Integer(_)
        | FieldType::Decimal(_)
        | FieldType::Phone => false,
    }
}

impl Manner {
    /// Reads the headers of a push.
    ///
    /// # Errors
    /// [`Refusal::BadManner`] with what contradicts what, [`Refusal::ModeUnsupported`].
    pub fn of(headers: &HeaderMap, record: &'static RecordType) -> Result<Self, Refused> {
        let [mode, scope, count] = [one(headers, &MODE)?, one(headers, &SCOPE)?, one(headers, &COUNT)?];
        let count = count.map(number).transpose()?;
        let stated = one(headers, &CONSTANTS)?.map(|text| Stated::parse(record, text));
        let stated = stated.transpose();
        let stated = stated
            .map_err(|why| bad(format!("`Exchange-Constants`: {why}")))?
            .unwrap_or_default();
        let mode = match (mode.unwrap_or("upsert"), scope) {
            ("upsert", None) => PushMode::Upsert,
            ("delta", None) => PushMode::Delta,
            ("upsert" | "delta", Some(_)) => return Err(bad("only a snapshot has an `Exchange-Scope`")),
            ("snapshot", None) => return Err(bad("a snapshot names its `Exchange-Scope`: `all` or `FIELD=CODE,CODE`")),
            ("snapshot", Some(_)) if count.is_none() => {
                return Err(bad(
                    "a snapshot states its rows in `Exchange-Count`: a cut file must close nothing",
                ));
            }
            ("snapshot", Some(scope)) => {
                let scope = Scope::parse(record, scope);
                PushMode::Snapshot(scope.map_err(|why| bad(format!("`Exchange-Scope`: {why}")))?)
            }
            _ => return Err(Refused::new(Refusal::ModeUnsupported)),
        };
        Ok(Self { mode, count, stated })
    }

    /// What has to be read of the rows for the mode; of a record of which only the keys matter, also the fields named `besides`.
    pub fn intent(&self, besides: Vec<&'static str>) -> Intent {
        match &self.mode {
            PushMode::Upsert => Intent::Upsert,
            PushMode::Delta => Intent::Delta(besides),
            PushMode::Snapshot(scope) => {
                let scope = scope.field().map(|field| (field, scope.codes().to_vec()));
                Intent::Snapshot(scope, besides)
            }
        }
    }

    /// What it adds to the content that an idempotency key is bound to; empty for a plain upsert.
    pub fn canonical(&self) -> String {
        let mode = match &self.mode {
            PushMode::Upsert => String::new(),
            PushMode::Delta => "delta".into(),
            PushMode::Snapshot(scope) => format!("snapshot {scope}"),
        };
        let mut text = match self.count {
            Some(count) => format!("{mode} count {count}"),
            None => mode,
        };
        if !self.stated.is_empty() {
            text.extend([" stated ", &self.stated.to_string()]);
        }
        text
    }
}

/// A header that may be absent but not twice or unreadable.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) if !text.is_empty() => Ok(Some(text)),
        _ => Err(bad(format!("`{name}` must stand once, in visible characters"))),
    }
}

fn number(text: &str) -> Result<u64, Refused> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain
        .then(|| text.parse().ok())
        .flatten()
        .filter(|count| *count <= COUNT_MAX);
    number.ok_or_else(|| bad("`Exchange-Count` is a whole number of rows"))
}

fn bad(detail: impl fmt::Display) -> Refused {
    Refused::new(Refusal::BadManner).detail(detail)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use http::{HeaderMap, HeaderValue};
    use shuguan_adapters::catalogue::record_type;

    use super::{Manner, PushMode};

    fn manner(headers: &[(&'static str, &str)]) -> Result<Manner, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let record = record_type("public-security/resident").unwrap();
        Manner::of(&map, record).map_err(|refused| refused.refusal.slug().to_owned())
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (headers, slug) in [
            (&[("exchange-mode", "merge")][..], "mode-unsupported"),
            (&[("exchange-mode", "")], "bad-manner"),
            (
                &[("exchange-mode", "upsert"), ("exchange-mode", "upsert")],
                "bad-manner",
            ),
            (&[("exchange-mode", "snapshot")], "bad-manner"),
            (&[("exchange-mode", "snapshot"), ("exchange-count", "3")], "bad-manner"),
            (
                &[("exchange-mode", "snapshot"), ("exchange-scope", "all")],
                "bad-manner",
            ),
            (&[("exchange-scope", "all")], "bad-manner"),
            (&[("exchange-mode", "delta"), ("exchange-scope", "all")], "bad-manner"),
            (&[("exchange-count", "-1")], "bad-manner"),
            (&[("exchange-count", "+1")], "bad-manner"),
            (&[("exchange-count", "9007199254740992")], "bad-manner"),
        ] {
            assert_eq!(manner(headers), Err(slug.to_owned()), "{headers:?}");
        }
    }

    #[test]
    fn a_scope_goes_by_codes_and_never_by_a_persons_value() {
        for scope in [
            "name=某某",
            "citizen_id=320706189001010014",
            "hukou_address=x",
            "hukou_region=3207",
            "hukou_region=",
            "hukou_region=320706,,320707",
            "sex=7",
            "nothing=1",
            "everything",
        ] {
            let headers = [
                ("exchange-mode", "snapshot"),
                ("exchange-scope", scope),
                ("exchange-count", "1"),
            ];
            assert_eq!(manner(&headers), Err("bad-manner".to_owned()), "{scope}");
        }
    }

    #[test]
    fn a_scope_has_one_spelling() {
        let of = |scope| {
            let headers = [
                ("exchange-mode", "snapshot"),
                ("exchange-scope", scope),
                ("exchange-count", "1"),
            ];
            manner(&headers).unwrap()
        };
        let one = of("hukou_region=320707, 320706,320707");
        assert_eq!(one, of("hukou_region=320706,320707"));
        assert_eq!(one.canonical(), "snapshot hukou_region=320706,320707 count 1");
        assert_eq!(of("sex=1").canonical(), "snapshot sex=1 count 1");
        assert_eq!(of("all").canonical(), "snapshot all count 1");
    }

    #[test]
    fn a_plain_upsert_adds_nothing_to_its_content() {
        assert_eq!(manner(&[]).unwrap().canonical(), "");
        assert_eq!(manner(&[("exchange-mode", "upsert")]).unwrap(), Manner::default());
        let delta = manner(&[("exchange-mode", "delta"), ("exchange-count", "7")]).unwrap();
        assert_eq!(
            (delta.mode.clone(), delta.canonical().as_str()),
            (PushMode::Delta, "delta count 7")
        );
    }
}
