//! A first case for a grant: a made-up record with every field of its target, and what the grant makes of it today.
//!
//! For the officer to read, correct and keep: a case that says what the bundle does proves nothing until somebody has agreed with it.

use shuguan_adapters::catalogue::{Field, FieldType};
use shuguan_adapters::value::{Scratch, Value, parse};

use super::run::answer;
use crate::filter::Test;
use crate::plan::Plan;
use crate::target::Mode;

/// A day after every made-up date.
const TODAY: i32 = 20_000;

/// A `[[case]]` for a plan, as TOML text; `at` is a moment with its offset at which the grant holds.
///
/// # Errors
/// Says why no record could be made up.
pub fn sketch(plan: &Plan, at: &str) -> Result<String, String> {
    let stamp: jiff::Timestamp = at.parse().map_err(|_| format!("`{at}` is no moment with an offset"))?;
    let mut members = Vec::new();
    for field in plan.target().fields() {
        let value = filtered(plan, field).map_or_else(|| made_up(field), Ok)?;
        let quoted = serde_json::Value::String(value);
        members.push(match field.kind {
            FieldType::Integer(_) => format!("\"{}\":{}", field.name, quoted.as_str().unwrap_or_default()),
            _ => format!("\"{}\":{quoted}", field.name),
        });
    }
    let record = format!("{{{}}}", members.join(","));
    let out = answer(plan, &record, stamp.as_microsecond())?;
    let claim = if plan.mode() == Mode::Compare {
        format!("claim = '{record}'\n")
    } else {
        String::new()
    };
    Ok(format!(
        "[[case]]\ngrant = \"{}\"\nat = {at}\nin = '{record}'\n{claim}out = '{out}'\n",
        plan.grant_id()
    ))
}

/// A value that the plan's row filter lets pass.
fn filtered(plan: &Plan, field: &Field) -> Option<String> {
    let atom = plan.rows().iter().find(|atom| atom.field == field.name)?;
    match &atom.test {
        Test::In(texts) => texts.first().cloned(),
        Test::InNumbers(numbers) => numbers.first().map(i64::to_string),
        Test::Between(from, _) if matches!(field.kind, FieldType::Integer(_)) => Some(from.to_string()),
        Test::Between(from, _) => i32::try_from(*from).ok().map(crate::filter::day_text),
        Test::Prefix(texts) => {
            let whole = match field.kind {
                FieldType::Region => 6,
                FieldType::Division(digits) => usize::from(digits),
                _ => 0,
            };
            texts.first().map(|text| format!("{text:0<whole$}"))
        }
        Test::Null | Test::Present => None,
    }
}

/// A value of a field's type that belongs to nobody.
fn made_up(field: &Field) -> Result<String, String> {
    let fixed = match field.kind {
        FieldType::CitizenId => return completed(field, "32070718800229000"),
        FieldType::Uscc | FieldType::TaxpayerId => "913207000000000004",
        FieldType::OrgCode => return completed(field, "00000001"),
        FieldType::RegNo => return completed(field, "32070000000000"),
        FieldType::DocumentNo(_) => return shortened(field, "A00000000000000001"),
        FieldType::Name => "张三丰",
        FieldType::Text(_) => return shortened(field, "甲乡乙村1号"),
        FieldType::Code(table) => table.rows.first().map_or("", |row| row.code),
        FieldType::Region => "320707",
        FieldType::Division(9) => "320707100",
        FieldType::Division(_) => "320707100201",
        FieldType::Date => "1880-02-29",
        FieldType::Month => "188002",
        FieldType::Instant => "1880-02-29T12:30:00+08:00",
        FieldType::Integer(_) => "1",
        FieldType::Decimal(_) => "12",
        FieldType::Phone => "13900000001",
    };
    Ok(fixed.to_owned())
}

/// The digits with the check character that makes them valid.
fn completed(field: &Field, first: &str) -> Result<String, String> {
    let candidates = "0123456789X".chars().map(|last| format!("{first}{last}"));
    good(field, candidates)
}

/// The longest beginning that the field takes.
fn shortened(field: &Field, text: &str) -> Result<String, String> {
    let lengths = (1..=text.chars().count()).rev();
    good(field, lengths.map(|length| text.chars().take(length).collect()))
}

fn good(field: &Field, mut candidates: impl Iterator<Item = String>) -> Result<String, String> {
    let holds = |text: &String| {
        let mut scratch = Scratch::default();
        parse(field, text, &mut scratch, TODAY).is_ok_and(|value| value != Value::Missing)
    };
    candidates
        .find(holds)
        .ok_or_else(|| format!("no value of `{}` could be made up", field.name))
}
