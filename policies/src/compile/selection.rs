//! What decides over rows: filters of the grant, the selection of a request, the claims of a comparison, limits on whom is told about.

use shuguan_adapters::catalogue::{Field, Subject};
use toml::Spanned;

use crate::agreement::GrantText;
use crate::document::{Document, nearest};
use crate::filter::{Atom, AtomText};
use crate::operator::Operator;
use crate::plan::{OutputColumn, keeps};
use crate::target::{Mode, Target};
use crate::terms::SUBJECTS_PER_DAY_MAX;

/// Row atoms read only what is released whole; anything else would tell a bit a row about a withheld field.
pub(super) fn read_atoms(
    document: &mut Document<'_>,
    rows: Vec<AtomText>,
    target: Target,
    output: &[OutputColumn],
) -> Vec<Atom> {
    let mut atoms = Vec::new();
    for text in rows {
        let field = released_field(document, &text.field, target, |field| keeps(output, field.name));
        if let Some(field) = field {
            atoms.extend(text.resolve(document, field));
        }
    }
    atoms
}

/// Fields that a request may select on: what it says by its rows it may say by its columns.
pub(super) fn read_select_by(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    mode: Mode,
    output: &[OutputColumn],
) -> Vec<&'static str> {
    let Some(first) = grant.select_by.first() else {
        return Vec::new();
    };
    let complaint = match (target, mode) {
        (Target::Record(_), _) => "a push selects nothing",
        (_, Mode::Compare) => "a comparison selects nothing",
        _ => {
            let fields = grant.select_by.iter();
            let named =
                fields.filter_map(|name| released_field(document, name, target, |field| keeps(output, field.name)));
            return named.map(|field| field.name).collect();
        }
    };
    let hint = if mode == Mode::Compare {
        "name what the caller brings in `require`"
    } else {
        "remove `select_by`"
    };
    document.fault(first.span(), complaint.into(), Some(hint.into()));
    Vec::new()
}

/// What the caller of a comparison must bring, all of it: the subject, and everything that is compared.
pub(super) fn read_require(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    mode: Mode,
    output: &[OutputColumn],
) -> Vec<&'static str> {
    if mode != Mode::Compare {
        if let Some(first) = grant.require.first() {
            let message = "only a comparison requires anything of its caller";
            document.fault(first.span(), message.into(), Some("remove `require`".into()));
        }
        return Vec::new();
    }
    let mut required: Vec<&'static str> = Vec::new();
    for name in &grant.require {
        match target.field(name.get_ref()) {
            Some(field) if required.contains(&field.name) => {
                document.fault(name.span(), format!("field `{}` stands twice", field.name), None);
            }
            Some(field) => required.push(field.name),
            None => unknown_field(document, name, target),
        }
    }
    let compared = output
        .iter()
        .filter(|column| matches!(column.kind.operator, Operator::Equal(_)));
    let mut needed: Vec<&str> = compared.map(|column| column.name).collect();
    if let Target::Dataset(dataset) = target {
        needed.insert(0, dataset.subject());
    }
    for field in needed.into_iter().filter(|field| !required.contains(field)) {
        let message = format!("a comparison by `{field}` must require it");
        let hint = format!("add `{field}` to `require`, so that nobody can fish for it");
        document.fault(grant.span.clone(), message, Some(hint));
    }
    required
}

/// A limit that nobody could count would be a promise that nobody keeps.
pub(super) fn check_limits(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    mode: Mode,
    output: &[OutputColumn],
) {
    let limits = &grant.limits;
    let misplaced = [
        // Answers of one grant are as long as any other to as many rows, so rows say it.
        ("bytes_per_day", limits.bytes_per_day, mode != Mode::Compare),
        ("subjects_per_day", limits.subjects_per_day, mode != Mode::Feed),
        ("per_subject_per_day", limits.per_subject_per_day, mode == Mode::Compare),
        ("absent_percent", limits.absent_percent, mode == Mode::Compare),
    ];
    for (name, _, _) in misplaced.iter().filter(|(_, limit, fits)| limit.is_some() && !fits) {
        let message = format!("`limits.{name}` does not belong in mode `{}`", mode.name());
        document.fault(grant.span.clone(), message, Some("nothing would count it".into()));
    }
    let Some(subjects) = limits.subjects_per_day else {
        return;
    };
    if subjects > SUBJECTS_PER_DAY_MAX {
        let message = format!("`limits.subjects_per_day` is at most {SUBJECTS_PER_DAY_MAX}");
        let hint = "each subject is remembered until midnight; `rows_per_day` has no such bound";
        document.fault(grant.span.clone(), message, Some(hint.into()));
    }
    let whole = |subject: &Subject| match subject {
        Subject::Person(field) | Subject::Enterprise(field) => keeps(output, field),
    };
    if mode == Mode::Extract && !target.subjects().iter().any(whole) {
        let message = "`limits.subjects_per_day` counts subjects, and this grant releases none whole";
        let hint = "write `rows_per_day`: a row is about one subject";
        document.fault(grant.span.clone(), message.into(), Some(hint.into()));
    }
}

fn released_field(
    document: &mut Document<'_>,
    name: &Spanned<String>,
    target: Target,
    may: impl Fn(&Field) -> bool,
) -> Option<&'static Field> {
    let Some(field) = target.field(name.get_ref()) else {
        unknown_field(document, name, target);
        return None;
    };
    if !may(field) {
        let message = format!(
            "rows cannot be chosen by `{}`, which this grant does not release whole",
            field.name
        );
        document.fault(
            name.span(),
            message,
            Some("what is withheld must not show in which rows come".into()),
        );
        return None;
    }
    Some(field)
}

fn unknown_field(document: &mut Document<'_>, name: &Spanned<String>, target: Target) {
    let names: Vec<String> = target.fields().iter().map(|field| field.name.to_owned()).collect();
    let hint = nearest(name.get_ref(), &names).map(|known| format!("did you mean `{known}`?"));
    let message = format!("`{}` has no field `{}`", target.name(), name.get_ref());
    document.fault(name.span(), message, hint);
}
