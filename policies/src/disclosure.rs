//! Disclosure: which of two operators tells less, and what a released field tells about another one.
//!
//! `a` is within `b` when whoever has what `b` leaves can compute what `a` leaves. Between a pair for which that is not known, neither
//! is within the other, so a doubtful change of a bundle counts as incomparable and never as narrower.

use shuguan_adapters::catalogue::{Class, FieldType};
use shuguan_adapters::code::CodeRow;

use crate::operator::Operator;
use crate::operator::date::DateTo;
use crate::operator::equal::Equal;
use crate::operator::map::Map;
use crate::operator::mask::Mask;
use crate::operator::region::RegionTo;
use crate::plan::{OutputColumn, Plan};
use crate::target::{Mode, Target};

mod implied;

pub use implied::{Told, implied};

/// One thing that a plan tells about a field.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// The field that it is about; perhaps one that the target does not have, e.g. the birth date in a resident id.
    pub field: &'static str,
    /// Type of that field.
    pub kind: FieldType,
    /// How sensitive it is.
    pub class: Class,
    /// How much of it, in normal form.
    pub operator: Operator,
    /// How it gets out.
    pub way: Way,
}

/// How something gets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The plan releases the field itself.
    Own,
    /// It can be read out of this released field.
    Implied(&'static str),
    /// An answer tells whether the claimed value occurs.
    Lookup,
}

/// Everything that a plan tells about whom its rows are about, own columns first.
pub fn disclosed(plan: &Plan) -> Vec<Disclosed> {
    let mut all = Vec::new();
    for column in plan.output() {
        let field = column.kind.field;
        push(
            &mut all,
            (field.name, field.kind, field.class),
            &column.kind.operator,
            Way::Own,
        );
    }
    for (source, told) in told(plan.target(), plan.output()) {
        if told.own {
            add(&mut all, source, &told);
        }
    }
    if plan.mode() == Mode::Compare {
        let asked = plan.require().iter().filter_map(|name| plan.target().field(name));
        for field in asked.filter(|field| !plan.output().iter().any(|column| column.name == field.name)) {
            push(
                &mut all,
                (field.name, field.kind, field.class),
                &Operator::Equal(Equal::None),
                Way::Lookup,
            );
        }
    }
    all
}

/// What a plan tells about somebody else than its rows are about: a parent, whoever represents a unit or trades as one. Apart from
/// the rest, because a field of that name is another person's.
pub fn of_others(plan: &Plan) -> Vec<Disclosed> {
    let mut all = Vec::new();
    for (source, told) in told(plan.target(), plan.output()) {
        if !told.own {
            add(&mut all, source, &told);
        }
    }
    all
}

fn add(all: &mut Vec<Disclosed>, source: &'static str, told: &Told) {
    push(
        all,
        (told.field, told.kind, told.class),
        &told.operator,
        Way::Implied(source),
    );
}

/// What a plan tells about one field: the maximal ones among everything it tells, so that none is within another.
pub fn strongest(all: &[Disclosed], field: &str) -> Vec<Disclosed> {
    let about: Vec<&Disclosed> = all.iter().filter(|one| one.field == field).collect();
    let mut kept: Vec<Disclosed> = Vec::new();
    for (at, one) in about.iter().enumerate() {
        let beaten = about.iter().enumerate().any(|(other_at, other)| {
            let below = within(&one.operator, &other.operator, &one.kind);
            let equal = below && within(&other.operator, &one.operator, &one.kind);
            // Of two that tell the same, the first is shown.
            below && (!equal || other_at < at)
        });
        if !beaten {
            kept.push((*one).clone());
        }
    }
    kept
}

/// Whether everything in `a` is within something in `b`; nothing at all is within everything.
pub fn all_within(a: &[Disclosed], b: &[Disclosed]) -> bool {
    a.iter()
        .all(|one| b.iter().any(|other| within(&one.operator, &other.operator, &one.kind)))
}

fn push(
    all: &mut Vec<Disclosed>,
    (field, kind, class): (&'static str, FieldType, Class),
    operator: &Operator,
    way: Way,
) {
    let operator = normal(operator, &kind);
    if operator != Operator::Drop {
        all.push(Disclosed {
            field,
            kind,
            class,
            operator,
            way,
        });
    }
}

/// Everything that can be read out of released columns about other fields, each with the column that it is read out of.
pub(crate) fn told(target: Target, output: &[OutputColumn]) -> Vec<(&'static str, Told)> {
    let of_column = |column: &OutputColumn| {
        let source = column.name;
        let told = implied(target, column.kind.field, &column.kind.operator).into_iter();
        told.map(move |told| (source, told)).collect::<Vec<_>>()
    };
    let released: Vec<_> = output
        .iter()
        .map(|column| (column.name, &column.kind.operator))
        .collect();
    let heads = implied::of_the_head(target, &released);
    output.iter().flat_map(of_column).chain(heads).collect()
}

fn digits(kind: &FieldType) -> usize {
    match kind {
        FieldType::Region => 6,
        FieldType::Division(digits) => usize::from(*digits),
        _ => usize::MAX,
    }
}

/// An operator in its one form for a type: what changes nothing is `keep`, what tells nothing is `drop`, and how a cover looks does
/// not count.
pub fn normal(operator: &Operator, kind: &FieldType) -> Operator {
    match (operator, kind) {
        (Operator::Constant(_), _) => Operator::Drop,
        (Operator::Date(DateTo::Day), FieldType::Date) | (Operator::Date(DateTo::Month), FieldType::Month) => {
            Operator::Keep
        }
        (Operator::Region(to), FieldType::Region | FieldType::Division(_)) if to.digits() >= digits(kind) => {
            Operator::Keep
        }
        (Operator::Region(RegionTo::Town), FieldType::CitizenId) => Operator::Region(RegionTo::County),
        // Two covers for whatever there is: no text is empty, an empty one is a null.
        (Operator::Mask(mask), _) if mask.first == 0 && mask.last == 0 && !mask.keep_length => Operator::Exists,
        (Operator::Mask(mask), _) => Operator::Mask(Mask {
            cover: '＊',
            ..mask.clone()
        }),
        (Operator::Map(map), FieldType::Code(_)) if map_within(&Operator::Keep, map, kind) => Operator::Keep,
        (Operator::Map(map), FieldType::Code(table)) if table.rows.windows(2).all(|pair| same(map, pair)) => {
            Operator::Exists
        }
        _ => operator.clone(),
    }
}

/// Whether a list makes the same of every code here.
fn same(map: &Map, rows: &[CodeRow]) -> bool {
    rows.iter()
        .all(|row| rows.first().is_some_and(|first| map.of(row.code) == map.of(first.code)))
}

/// Whether `a` tells no more than `b` about a field of this type.
pub fn within(a: &Operator, b: &Operator, kind: &FieldType) -> bool {
    let (a, b) = (normal(a, kind), normal(b, kind));
    match (&a, &b) {
        (Operator::Drop, _) | (_, Operator::Keep) => true,
        (_, Operator::Drop) | (Operator::Keep, _) => false,
        // Whether there is a value shows through everything that keeps nulls null and nothing else.
        (Operator::Exists, b) => !matches!(b, Operator::Address(_) | Operator::DateShift(_)),
        (Operator::Bucket(a), Operator::Bucket(b)) => a.edges().iter().all(|edge| b.edges().contains(edge)),
        (Operator::Bucket(a), Operator::Round(b)) => a.edges().iter().all(|edge| edge.rem_euclid(b.step) == 0),
        (Operator::Round(a), Operator::Round(b)) => a.step.rem_euclid(b.step) == 0,
        (Operator::AgeBand(a), Operator::AgeBand(b)) => a.edges().all(|edge| b.edges().any(|other| other == edge)),
        (Operator::Date(a), Operator::Date(b)) | (Operator::BirthOf(a), Operator::BirthOf(b)) => a <= b,
        (Operator::Region(a), Operator::Region(b)) => a.digits() <= b.digits(),
        (Operator::Address(a), Operator::Address(b)) => a.code == b.code && a.to <= b.to,
        (Operator::Mask(a), Operator::Mask(b)) => mask_within(a, b),
        (Operator::Pseudonym(a), Operator::Pseudonym(b)) => a.key == b.key && a.bytes <= b.bytes,
        (Operator::Pseudonym(a), Operator::Token(b)) => {
            let scope = |key: &crate::key::Key| (key.partner.clone(), key.purpose.clone(), key.domain);
            scope(&a.key) == scope(&b.key)
        }
        (Operator::Map(_), Operator::Map(b)) => map_within(&a, b, kind),
        (a, b) => a == b,
    }
}

/// A text of n characters shows min(first, n−1) at its start and min(last, n−1−that) at its end, so a mask that shows more at the
/// start may show less at the end: only these two cases hold for every n.
fn mask_within(a: &Mask, b: &Mask) -> bool {
    let shows_less = (a.last == 0 && a.first <= b.first) || (a.first == b.first && a.last <= b.last);
    shows_less && (b.keep_length || !a.keep_length)
}

/// Whether codes that `b` puts together are put together by `a` too; for `a` = `keep`: whether `b` puts none together.
fn map_within(a: &Operator, b: &Map, kind: &FieldType) -> bool {
    let FieldType::Code(table) = kind else { return false };
    let of_a = |code: &'static str| match a {
        Operator::Map(map) => map.of(code).map(str::to_owned),
        _ => Some(code.to_owned()),
    };
    let codes = || table.rows.iter().map(|row| row.code);
    codes().all(|one| codes().all(|other| b.of(one) != b.of(other) || of_a(one) == of_a(other)))
}

#[cfg(test)]
pub(crate) mod tests;
