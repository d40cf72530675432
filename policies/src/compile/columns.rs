//! The columns of a grant: each field with its operator, checked alone and beside the others.

use std::sync::Arc;

use arrow_schema::DataType;
use shuguan_adapters::catalogue::{Class, Field, FieldType};

use crate::agreement::{GrantText, Granted, Header};
use crate::disclosure::{Told, normal, told, within};
use crate::document::{Document, nearest};
use crate::operator::Operator;
use crate::operator::address::Address;
use crate::plan::{Dropped, OutputColumn, OutputKind, keeps};
use crate::target::{Mode, Target};
use crate::terms::Place;

/// The columns that a grant releases, and those that it names in order to withhold them.
pub(super) fn read(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    mode: Mode,
) -> (Vec<OutputColumn>, Vec<Dropped>) {
    let mut output = Vec::new();
    let mut dropped = Vec::new();
    let mut seen: Vec<(&str, bool)> = Vec::new();
    let written = grant.keep.iter().map(|granted| (granted, true));
    for (granted, kept) in written.chain(grant.reduce.iter().map(|granted| (granted, false))) {
        if let Some((_, before)) = seen.iter().find(|(name, _)| *name == granted.name) {
            let both = if *before == kept {
                "twice"
            } else {
                "in `keep` and in `reduce`"
            };
            document.fault(
                granted.span.clone(),
                format!("field `{}` stands {both}", granted.name),
                None,
            );
            continue;
        }
        seen.push((&granted.name, kept));
        read_column(document, granted, target, mode, &mut output, &mut dropped);
    }
    if output.is_empty() {
        let message = "this grant releases no field";
        document.fault(
            grant.span.clone(),
            message.into(),
            Some("leave it out: silence refuses".into()),
        );
    }
    (output, dropped)
}

fn read_column(
    document: &mut Document<'_>,
    granted: &Granted,
    target: Target,
    mode: Mode,
    output: &mut Vec<OutputColumn>,
    dropped: &mut Vec<Dropped>,
) {
    let name = &granted.name;
    let Some(field) = target.field(name) else {
        let names: Vec<String> = target.fields().iter().map(|field| field.name.to_owned()).collect();
        let hint = nearest(name, &names).map(|known| format!("did you mean `{known}`?"));
        document.fault(
            granted.span.clone(),
            format!("`{}` has no field `{name}`", target.name()),
            hint,
        );
        return;
    };
    let Some(operator) = granted.operator.clone() else {
        return;
    };
    let place = Place {
        file: Arc::from(document.file()),
        line: document.line(&granted.span),
    };
    if operator == Operator::Drop {
        dropped.push(Dropped { field, place });
        return;
    }
    if field.class == Class::C4 {
        let message = format!("field `{name}` is of class C4, which no purpose needs");
        document.fault(
            granted.span.clone(),
            message,
            Some("leave it out or write `op = \"drop\"`".into()),
        );
    }
    if let Some(why) = misplaced(&operator, mode) {
        let message = format!("`{}` does not belong in mode `{}`", operator.name(), mode.name());
        document.fault(granted.span.clone(), message, Some(why.into()));
        return;
    }
    match operator.fits(&field.kind) {
        Ok(data_type) => output.push(OutputColumn {
            name: field.name,
            zh: field.zh,
            data_type,
            kind: OutputKind { operator, field },
            granted_line: place,
        }),
        Err(why) => {
            let message = format!(
                "`{}` does not fit `{name}`, a {}",
                operator.name(),
                field.kind.describe()
            );
            document.fault(granted.span.clone(), message, Some(why));
        }
    }
}

/// The registry merges records by a natural key, so at least one must arrive whole.
fn check_natural_key(document: &mut Document<'_>, grant: &GrantText, target: Target, output: &[OutputColumn]) {
    let keys = target.keys();
    let whole = |key: &&[&str]| key.iter().all(|name| keeps(output, name));
    if keys.is_empty() || keys.iter().any(whole) {
        return;
    }
    let named: Vec<String> = keys.iter().map(|key| key.join(" + ")).collect();
    let message = format!("no natural key of `{}` is kept whole", target.name());
    let hint = format!("the registry merges by it; keep {}", named.join(", or "));
    document.fault(grant.span.clone(), message, Some(hint));
}

/// A key's scope is one consumer and one purpose; used elsewhere it would let two of them join.
pub(super) fn check_keys(
    document: &mut Document<'_>,
    grant: &GrantText,
    output: &[OutputColumn],
    header: &Header,
    purpose: &str,
) {
    for column in output {
        let Some(key) = column.kind.operator.key() else {
            continue;
        };
        // A pull goes to the partner that it names; one key for several of them would let them join.
        let consumers: Vec<&str> = match (&grant.dataset, &grant.partner, &grant.partners) {
            (Some(_), Some(partner), _) => vec![partner.get_ref()],
            (Some(_), None, Some(list)) => list.get_ref().iter().map(|id| id.get_ref().as_str()).collect(),
            _ => vec![header.consumer.get_ref()],
        };
        if consumers.iter().all(|consumer| *consumer == key.partner) && purpose == key.purpose {
            continue;
        }
        let message = format!(
            "key `{}` is for `{}` and purpose `{}` only",
            key.id, key.partner, key.purpose
        );
        let at = grant.reduce.iter().find(|granted| granted.name == column.name);
        document.fault(
            at.map_or(grant.span.clone(), |granted| granted.span.clone()),
            message,
            None,
        );
    }
}

/// Sensitive fields (C3), and whatever is about a child, need a stated necessity and an impact assessment (PIPL 28, 31, 55).
pub(super) fn check_sensitive(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    output: &[OutputColumn],
    header: &Header,
) {
    let column = output.iter().find(|column| column.kind.field.class >= Class::C3);
    let told = told(target, output);
    let told = told.iter().find(|(_, one)| one.class >= Class::C3);
    let minors = output.iter().find_map(|column| match target {
        Target::Record(record) => record.minors.then_some(record.name),
        Target::Dataset(dataset) => dataset.of_children(column.name),
    });
    let why = match (column, told) {
        (Some(column), _) => format!("`{}` is sensitive ({})", column.name, column.kind.field.class.name()),
        (None, Some((source, one))) => format!(
            "`{source}` gives away a `{}`, which is sensitive ({})",
            one.field,
            one.class.name()
        ),
        (None, None) => match minors {
            Some(record) => format!("everything in `{record}` is about a child"),
            None => return,
        },
    };
    if grant.necessity.as_ref().is_none_or(String::is_empty) {
        document.fault(grant.span.clone(), "`necessity` is missing".into(), Some(why.clone()));
    }
    if header.impact_assessment.as_ref().is_none_or(String::is_empty) {
        let message = "the agreement's `impact_assessment` is missing";
        document.fault(grant.span.clone(), message.into(), Some(why));
    }
}

/// Why an operator does not belong in a mode.
fn misplaced(operator: &Operator, mode: Mode) -> Option<&'static str> {
    match (operator, mode) {
        (Operator::Equal(_) | Operator::Exists | Operator::Drop, Mode::Compare) => None,
        (Operator::Equal(_), _) => Some("it answers a claim, and only a comparison brings one"),
        (_, Mode::Compare) => Some("a comparison answers with `equal` and `exists` only"),
        _ => None,
    }
}

/// What one column asks of the others: natural keys whole, companions released, nothing reduced that another gives away.
pub(super) fn check(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    output: &[OutputColumn],
    dropped: &[Dropped],
) {
    check_natural_key(document, grant, target, output);
    for column in output {
        check_companion(document, grant, target, column, output);
    }
    let told = told(target, output);
    let reduced = output.iter().map(|column| (column.kind.field, &column.kind.operator));
    for (field, operator) in reduced.chain(dropped.iter().map(|one| (one.field, &Operator::Drop))) {
        if normal(operator, &field.kind) != Operator::Keep {
            check_theatre(document, grant, (field, operator), &told, output);
        }
    }
}

/// Reducing a field that another released field gives away hides nothing.
fn check_theatre(
    document: &mut Document<'_>,
    grant: &GrantText,
    (field, operator): (&'static Field, &Operator),
    told: &[(&'static str, Told)],
    output: &[OutputColumn],
) {
    let given = told.iter().find(|(source, one)| {
        *source != field.name && one.own && one.field == field.name && !within(&one.operator, operator, &one.kind)
    });
    let Some((source, given)) = given else { return };
    let released = output.iter().find(|column| column.name == *source);
    let message = format!(
        "reducing `{}` hides nothing: `{source}`, released as `{}`, gives it away ({})",
        field.name,
        released.map_or("keep", |column| column.kind.operator.name()),
        given.operator.describe()
    );
    let hint = format!("reduce `{source}` as well, or release `{}` as it is", field.name);
    document.fault(span_of(grant, field.name), message, Some(hint));
}

/// A second field that an operator reads is part of what the grant names, and for an address at least as fine as the cut.
fn check_companion(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    column: &OutputColumn,
    output: &[OutputColumn],
) {
    let Some(name) = column.kind.operator.companion() else {
        return;
    };
    let other = output.iter().find(|other| other.name == name);
    let complaint = match (&column.kind.operator, other) {
        _ if target.field(name).is_none() => Some(format!("`{}` has no field `{name}`", target.name())),
        (_, None) => Some(format!("`{name}` is read here and not released by this grant")),
        (_, Some(other)) if !other.kind.operator.reads_source() => {
            Some(format!("`{name}` is read here and released as a constant"))
        }
        (_, Some(other)) if other.kind.field.kind.data_type() != DataType::Utf8 => {
            Some(format!("`{name}` is no text, so nothing can be read from it here"))
        }
        (Operator::Address(address), Some(other)) => coarser(address, other),
        _ => None,
    };
    if let Some(message) = complaint {
        let hint = "what decides over a value must be granted itself";
        document.fault(span_of(grant, column.name), message, Some(hint.into()));
    }
}

/// An address tells the level that it is cut at, so its code must be released to that level.
fn coarser(address: &Address, code: &OutputColumn) -> Option<String> {
    let digits = match (&code.kind.operator, code.kind.field.kind) {
        (Operator::Keep, FieldType::Region) => 6,
        (Operator::Keep, FieldType::Division(digits)) => usize::from(digits),
        (Operator::Region(to), FieldType::Region | FieldType::Division(_)) => to.digits(),
        _ => 0,
    };
    (digits < address.to.digits()).then(|| {
        format!(
            "`{}` is released with {digits} digits, and `{}` takes {}",
            code.name,
            address.to.name(),
            address.to.digits()
        )
    })
}

/// Where a field is granted, or the whole grant.
fn span_of(grant: &GrantText, field: &str) -> std::ops::Range<usize> {
    let mut named = grant.keep.iter().chain(&grant.reduce);
    named
        .find(|granted| granted.name == field)
        .map_or(grant.span.clone(), |granted| granted.span.clone())
}
