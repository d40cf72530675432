//! Agreements: one file each, a header and its grants, as written and before the catalogue is asked.

use std::ops::Range;

use toml::Spanned;
use toml::value::Datetime;

use crate::calendar::Calendars;
use crate::document::{Document, Table};
use crate::filter::AtomText;
use crate::key::Keys;
use crate::operator::Operator;
use crate::terms::{Basis, Hours, Limits, Obligations, Onward, Validity};

/// What stands above the grants of one file.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) agreement: Spanned<String>,
    pub(crate) consumer: Spanned<String>,
    pub(crate) basis: Spanned<Basis>,
    pub(crate) impact_assessment: Option<String>,
    pub(crate) valid: Validity,
}

/// What a grant leaves out is taken from here.
#[derive(Clone, Debug, Default)]
struct Defaults {
    schema: Option<Spanned<u32>>,
    obligations: Owed,
    purpose: Option<Spanned<String>>,
    direction: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
}

/// Obligations as written; what is absent is filled in from the defaults.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    retain_days: Option<u32>,
    onward: Option<Onward>,
    attest_deletion: Option<bool>,
}

/// What a grant is checked with while it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'k> {
    pub(crate) keys: &'k Keys,
    pub(crate) calendars: &'k Calendars,
}

/// A field with what is to be done to it.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) name: String,
    pub(crate) span: Range<usize>,
    /// `None` when the operator was faulty; the fault is recorded.
    pub(crate) operator: Option<Operator>,
}

/// One `[[grant]]` as written.
#[derive(Debug)]
pub(crate) struct GrantText {
    pub(crate) span: Range<usize>,
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) record: Option<Spanned<String>>,
    pub(crate) dataset: Option<Spanned<String>>,
    pub(crate) partner: Option<Spanned<String>>,
    pub(crate) partners: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) agency: Option<Spanned<String>>,
    /// `purpose`, or each of `purposes`.
    pub(crate) purposes: Vec<Spanned<String>>,
    pub(crate) direction: Option<Spanned<String>>,
    pub(crate) mode: Option<Spanned<String>>,
    pub(crate) schema: Option<Spanned<u32>>,
    pub(crate) keep: Vec<Granted>,
    pub(crate) reduce: Vec<Granted>,
    pub(crate) rows: Vec<AtomText>,
    pub(crate) limits: Limits,
    pub(crate) obligations: Obligations,
    pub(crate) select_by: Vec<Spanned<String>>,
    pub(crate) require: Vec<Spanned<String>>,
    pub(crate) hours: Option<Hours>,
    pub(crate) necessity: Option<String>,
}

/// Reads one agreement file. Grants are read even when the header is faulty, so that one run shows all faults.
pub(crate) fn read<'s>(
    document: &mut Document<'s>,
    mut root: Table<'s>,
    known: Known<'_>,
) -> (Option<Header>, Vec<GrantText>) {
    let header = read_header(document, &mut root);
    let defaults = read_defaults(document, &mut root);
    let mut grants = Vec::new();
    for table in root.tables(document, "grant") {
        grants.extend(read_grant(document, table, &defaults, known));
    }
    root.finish(document);
    (header, grants)
}

fn read_header<'s>(document: &mut Document<'s>, root: &mut Table<'s>) -> Option<Header> {
    let agreement = root.required(document, "agreement");
    let consumer = root.required(document, "consumer");
    let application = root.optional(document, "application");
    let impact_assessment = root.optional(document, "impact_assessment");
    let basis_span = root.span_of("basis").unwrap_or_else(|| root.span());
    let basis = match root.table(document, "basis") {
        Some(table) => read_basis(document, table, application),
        None => missing(document, root, "basis"),
    };
    let valid = match root.table(document, "valid") {
        Some(table) => read_validity(document, table),
        None => missing(document, root, "valid"),
    };
    Some(Header {
        agreement: agreement?,
        consumer: consumer?,
        basis: Spanned::new(basis_span, basis?),
        impact_assessment,
        valid: valid?,
    })
}

fn missing<'s, T>(document: &mut Document<'s>, root: &Table<'s>, key: &str) -> Option<T> {
    document.fault(root.span(), format!("`{key}` is missing"), None);
    None
}

fn read_basis<'s>(document: &mut Document<'s>, mut table: Table<'s>, application: Option<String>) -> Option<Basis> {
    let kind = table.required(document, "kind");
    let articles: Option<Spanned<Vec<String>>> = table.required(document, "articles");
    let paper = table.required(document, "document");
    table.finish(document);
    let articles = articles?;
    if articles.get_ref().is_empty() {
        document.fault(articles.span(), "an agreement names at least one article".into(), None);
    }
    Some(Basis {
        kind: kind?,
        articles: articles.into_inner(),
        document: paper?,
        application,
    })
}

fn read_validity<'s>(document: &mut Document<'s>, mut table: Table<'s>) -> Option<Validity> {
    let from: Option<Spanned<Datetime>> = table.required(document, "from");
    let until: Option<Spanned<Datetime>> = table.required(document, "until");
    table.finish(document);
    let (from, until) = (from?, until?);
    let from_s = read_second(document, &from)?;
    let until_s = read_second(document, &until)?;
    if until_s < from_s {
        document.fault(until.span(), "`until` lies before `from`".into(), None);
    }
    Some(Validity { from_s, until_s })
}

/// A moment with its offset, on a whole second: without an offset it would mean something else on another machine.
fn read_second(document: &mut Document<'_>, moment: &Spanned<Datetime>) -> Option<i64> {
    let text = moment.get_ref().to_string();
    if let Ok(stamp) = text.parse::<jiff::Timestamp>()
        && stamp.subsec_nanosecond() == 0
    {
        return Some(stamp.as_second());
    }
    let hint = "write e.g. `2026-01-01T00:00:00+08:00`";
    let message = "a moment has a date, a time on the second and an offset";
    document.fault(moment.span(), message.into(), Some(hint.into()));
    None
}

fn read_defaults<'s>(document: &mut Document<'s>, root: &mut Table<'s>) -> Defaults {
    let Some(mut table) = root.table(document, "defaults") else {
        return Defaults::default();
    };
    let defaults = Defaults {
        schema: table.optional(document, "schema"),
        obligations: read_owed(document, &mut table),
        purpose: table.optional(document, "purpose"),
        direction: table.optional(document, "direction"),
        mode: table.optional(document, "mode"),
    };
    table.finish(document);
    defaults
}

fn read_grant<'s>(
    document: &mut Document<'s>,
    mut table: Table<'s>,
    defaults: &Defaults,
    known: Known<'_>,
) -> Option<GrantText> {
    let span = table.span();
    let id = table.optional(document, "id");
    let schema = table.optional(document, "schema").or(defaults.schema.clone());
    let keep = read_keep(document, &mut table);
    let reduce = read_reduce(document, &mut table, known.keys);
    let rows = table.tables(document, "rows");
    let rows = rows
        .into_iter()
        .filter_map(|atom| AtomText::read(document, atom))
        .collect();
    let limits = read_limits(document, &mut table);
    let select_by = table.or(document, "select_by", Vec::new());
    let require = table.or(document, "require", Vec::new());
    let obligations = read_owed(document, &mut table).or(defaults.obligations);
    let hours = read_hours(document, &mut table, known.calendars);
    refuse_reserved(document, &mut table);
    let necessity = table.optional(document, "necessity");
    let key = table.table(document, "for");
    if key.is_none() && !table.has("for") {
        document.fault(span.clone(), "`grant.for` is missing".into(), None);
    }
    table.finish(document);
    let mut key = key?;
    let grant = GrantText {
        span,
        id,
        record: key.optional(document, "record"),
        dataset: key.optional(document, "dataset"),
        partner: key.optional(document, "partner"),
        partners: key.optional(document, "partners"),
        agency: key.optional(document, "agency"),
        purposes: read_purposes(document, &mut key, defaults),
        direction: key.optional(document, "direction").or(defaults.direction.clone()),
        mode: key.optional(document, "mode").or(defaults.mode.clone()),
        schema,
        keep,
        reduce,
        rows,
        limits,
        obligations,
        select_by,
        require,
        hours,
        necessity,
    };
    key.finish(document);
    Some(grant)
}

/// One purpose, or a list that is expanded to one grant a leaf.
fn read_purposes<'s>(document: &mut Document<'s>, key: &mut Table<'s>, defaults: &Defaults) -> Vec<Spanned<String>> {
    let one: Option<Spanned<String>> = key.optional(document, "purpose");
    let several: Option<Spanned<Vec<Spanned<String>>>> = key.optional(document, "purposes");
    match (one, several) {
        (Some(_), Some(several)) => {
            document.fault(
                several.span(),
                "a grant names `purpose` or `purposes`, not both".into(),
                None,
            );
            Vec::new()
        }
        (None, Some(several)) if several.get_ref().is_empty() => {
            document.fault(several.span(), "`purposes` names none".into(), None);
            Vec::new()
        }
        (None, Some(several)) => several.into_inner(),
        (Some(one), None) => vec![one],
        (None, None) => defaults.purpose.clone().into_iter().collect(),
    }
}

impl Owed {
    fn or(self, defaults: Self) -> Obligations {
        Obligations {
            retain_days: self.retain_days.or(defaults.retain_days),
            onward: self.onward.or(defaults.onward).unwrap_or_default(),
            attest_deletion: self.attest_deletion.or(defaults.attest_deletion).unwrap_or_default(),
        }
    }
}

fn read_owed<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Owed {
    let onward: Option<Spanned<String>> = table.optional(document, "onward");
    let retain_days: Option<Spanned<u32>> = table.optional(document, "retain_days");
    if let Some(word) = &onward
        && word.get_ref() != Onward::None.name()
    {
        let message = format!("onward transfer `{}` is not known", word.get_ref());
        document.fault(
            word.span(),
            message,
            Some("write `none`: data goes to nobody else".into()),
        );
    }
    if let Some(days) = &retain_days
        && *days.get_ref() == 0
    {
        document.fault(days.span(), "`retain_days` is 1 or more".into(), None);
    }
    Owed {
        retain_days: retain_days.map(Spanned::into_inner),
        onward: onward.map(|_| Onward::None),
        attest_deletion: table.optional(document, "attest_deletion"),
    }
}

/// Words of the format that nothing stands behind yet: better a fault than an emergency door that is not there.
fn refuse_reserved<'s>(document: &mut Document<'s>, table: &mut Table<'s>) {
    for word in ["break_glass", "tabulate"] {
        if let Some(span) = table.span_of(word) {
            let _ = table.table(document, word);
            let message = format!("`{word}` is reserved and not offered yet");
            document.fault(span, message, Some("remove it: nothing would come of it".into()));
        }
    }
}

fn read_keep<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Vec<Granted> {
    let names: Vec<Spanned<String>> = table.or(document, "keep", Vec::new());
    names
        .into_iter()
        .map(|name| Granted {
            span: name.span(),
            name: name.into_inner(),
            operator: Some(Operator::Keep),
        })
        .collect()
}

fn read_reduce<'s>(document: &mut Document<'s>, table: &mut Table<'s>, keys: &Keys) -> Vec<Granted> {
    let Some(mut reduce) = table.table(document, "reduce") else {
        return Vec::new();
    };
    let mut names = reduce.keys();
    // As written: the order of the output columns.
    names.sort_by_key(|(_, span)| span.start);
    let mut granted = Vec::new();
    for (name, span) in names {
        let entry = reduce.table(document, &name);
        let operator = entry.and_then(|entry| Operator::read(document, entry, keys));
        granted.push(Granted { name, span, operator });
    }
    granted
}

fn read_limits<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Limits {
    let Some(mut table) = table.table(document, "limits") else {
        return Limits::default();
    };
    let limits = Limits {
        rows_per_push: table.optional(document, "rows_per_push"),
        rows_per_pull: table.optional(document, "rows_per_pull"),
        rows_per_day: table.optional(document, "rows_per_day"),
        bytes_per_day: table.optional(document, "bytes_per_day"),
        pulls_per_day: table.optional(document, "pulls_per_day"),
        requests_per_day: table.optional(document, "requests_per_day"),
        subjects_per_day: table.optional(document, "subjects_per_day"),
        per_subject_per_day: table.optional(document, "per_subject_per_day"),
        reject_percent: read_percent(document, &mut table, "reject_percent"),
        absent_percent: read_percent(document, &mut table, "absent_percent"),
    };
    table.finish(document);
    limits
}

fn read_percent<'s>(document: &mut Document<'s>, table: &mut Table<'s>, key: &str) -> Option<u64> {
    let percent: Spanned<u64> = table.optional(document, key)?;
    if *percent.get_ref() > 100 {
        document.fault(percent.span(), format!("`{key}` is 0 to 100"), None);
    }
    Some(percent.into_inner())
}

fn read_hours<'s>(document: &mut Document<'s>, table: &mut Table<'s>, calendars: &Calendars) -> Option<Hours> {
    let mut table = table.table(document, "hours")?;
    let from: Option<Spanned<String>> = table.required(document, "from");
    let to: Option<Spanned<String>> = table.required(document, "to");
    let calendar: Option<Spanned<String>> = table.optional(document, "calendar");
    let zone: Option<Spanned<String>> = table.optional(document, "zone");
    table.finish(document);
    if let Some(zone) = zone
        && zone.get_ref() != "Asia/Shanghai"
    {
        let message = format!("zone `{}` is not offered", zone.get_ref());
        document.fault(zone.span(), message, Some("write `Asia/Shanghai`".into()));
    }
    let calendar = calendar.and_then(|id| {
        let found = calendars.find(id.get_ref()).cloned();
        if found.is_none() {
            let message = format!("calendar `{}` is not in calendars/", id.get_ref());
            document.fault(id.span(), message, calendars.suggest(id.get_ref()));
        }
        found
    });
    let (from, to) = (from?, to?);
    let from_minute = read_minute(document, &from)?;
    let to_minute = read_minute(document, &to)?;
    if to_minute <= from_minute {
        document.fault(to.span(), "`to` comes after `from` on the same day".into(), None);
    }
    Some(Hours {
        from_minute,
        to_minute,
        calendar,
    })
}

fn read_minute(document: &mut Document<'_>, text: &Spanned<String>) -> Option<u16> {
    let minute = text.get_ref().split_once(':').and_then(|(hour, minute)| {
        let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let (hour, minute) = (
            two(hour).then(|| hour.parse::<u16>().ok())??,
            two(minute).then(|| minute.parse::<u16>().ok())??,
        );
        (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
    });
    if minute.is_none() {
        document.fault(text.span(), "an hour is written `08:00`".into(), None);
    }
    minute
}
