//! Compiling: one grant as written, checked against catalogue, purposes and partners, becomes a [`Plan`] or faults with places.

use std::ops::Range;
use std::sync::Arc;

use shuguan_adapters::catalogue::{Agency, Class, Field};
use toml::Spanned;

use crate::agreement::{GrantText, Granted, Header};
use crate::dataset::Dataset;
use crate::document::{Document, nearest};
use crate::filter::Atom;
use crate::operator::Operator;
use crate::partner::{Partners, Role};
use crate::plan::{Dropped, Grantee, OutputColumn, OutputKind, Place, Plan, Terms, keeps};
use crate::purpose::{Purposes, way};
use crate::set::Catalogue;
use crate::target::{Direction, Mode, Target};

/// What a grant is checked against.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) purposes: &'c Purposes,
    pub(crate) partners: &'c Partners,
}

/// Checks what stands above the grants: the consumer is a registry partner.
pub(crate) fn check_header(document: &mut Document<'_>, header: &Header, context: &Context<'_>) {
    let consumer = header.consumer.get_ref();
    let role = role_of(consumer, context);
    if role != Some(Role::Registry) {
        let message = format!("consumer `{consumer}` is no registry partner of partners.toml");
        let hint = role.map_or_else(
            || context.partners.suggest(consumer),
            |role| Some(format!("its role is `{}`", role.name())),
        );
        document.fault(header.consumer.span(), message, hint);
    }
}

fn role_of(id: &str, context: &Context<'_>) -> Option<Role> {
    context.partners.by_id(id).map(|partner| partner.role)
}

/// One plan, or `None` when faults were recorded.
pub(crate) fn compile(
    document: &mut Document<'_>,
    grant: GrantText,
    header: &Header,
    context: &Context<'_>,
) -> Option<Plan> {
    let before = document.fault_count();
    let target = read_target(document, &grant, context);
    let way = read_way(document, &grant, target);
    let purpose = read_purpose(document, &grant, header, way, context);
    let grantee = target.and_then(|target| read_grantee(document, &grant, target, context));
    let target = target?;
    check_schema(document, &grant, target);
    let (output, dropped) = read_columns(document, &grant, target);
    check_natural_key(document, &grant, target, &output);
    // An unknown consumer or purpose is a fault of its own; the keys are judged once it is mended.
    if let (Some(purpose), Some(Role::Registry)) = (&purpose, role_of(header.consumer.get_ref(), context)) {
        check_pseudonyms(document, &grant, &output, header, purpose);
    }
    check_sensitive(document, &grant, &output, header);
    let select_by = read_selection(document, &grant, target, &output);
    let place = Place {
        file: Arc::from(document.file()),
        line: document.line(&grant.span),
    };
    let id = grant.id.as_ref().map_or(target.name(), |id| id.get_ref()).to_owned();
    let atoms = read_atoms(document, grant.rows, target, &output);
    let ((direction, mode), (grantee, partner_ids)) = (way?, grantee?);
    let terms = Terms {
        id,
        agreement: header.agreement.get_ref().clone(),
        consumer: header.consumer.get_ref().clone(),
        basis: header.basis.get_ref().clone(),
        impact_assessment: header.impact_assessment.clone(),
        necessity: grant.necessity,
        grantee,
        partner_ids,
        target,
        purpose: purpose?,
        direction,
        mode,
        valid: header.valid,
        hours: grant.hours,
        limits: grant.limits,
        select_by,
        place,
    };
    (document.fault_count() == before).then(|| Plan::new(terms, output, dropped, atoms))
}

fn read_target(document: &mut Document<'_>, grant: &GrantText, context: &Context<'_>) -> Option<Target> {
    let (name, found, known) = match (&grant.record, &grant.dataset) {
        (Some(record), None) => {
            let found = context.catalogue.record(record.get_ref()).map(Target::Record);
            (record, found, context.catalogue.names())
        }
        (None, Some(dataset)) => {
            let known = Dataset::ALL.map(|dataset| dataset.name().to_owned()).to_vec();
            (dataset, Dataset::parse(dataset.get_ref()).map(Target::Dataset), known)
        }
        _ => {
            let message = "a grant is for exactly one of `record` and `dataset`";
            document.fault(grant.span.clone(), message.into(), None);
            return None;
        }
    };
    if found.is_none() {
        let hint = nearest(name.get_ref(), &known).map(|known| format!("did you mean `{known}`?"));
        document.fault(
            name.span(),
            format!("`{}` is not in the catalogue", name.get_ref()),
            hint,
        );
    }
    found
}

/// Direction and mode. Records are pushed and datasets pulled, never the other way: nothing flows back to an agency (C1).
fn read_way(document: &mut Document<'_>, grant: &GrantText, target: Option<Target>) -> Option<(Direction, Mode)> {
    let direction = read_word(
        document,
        grant.direction.as_ref(),
        &grant.span,
        "direction",
        Direction::parse,
    );
    let mode = read_word(document, grant.mode.as_ref(), &grant.span, "mode", Mode::parse);
    let (direction, mode, target) = (direction?, mode?, target?);
    if (direction, mode) != (target.direction(), target.mode()) {
        let at = grant.direction.as_ref().map_or(grant.span.clone(), Spanned::span);
        let message = format!("`{}` cannot go as `{}`", target.name(), way(direction, mode));
        let hint = format!("write `{}`", way(target.direction(), target.mode()));
        document.fault(at, message, Some(hint));
        return None;
    }
    Some((direction, mode))
}

fn read_word<T>(
    document: &mut Document<'_>,
    word: Option<&Spanned<String>>,
    span: &Range<usize>,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let Some(word) = word else {
        document.fault(
            span.clone(),
            format!("`for.{key}` is missing, and `defaults` has none"),
            None,
        );
        return None;
    };
    let found = parse(word.get_ref());
    if found.is_none() {
        document.fault(word.span(), format!("{key} `{}` is not known", word.get_ref()), None);
    }
    found
}

fn read_purpose(
    document: &mut Document<'_>,
    grant: &GrantText,
    header: &Header,
    used: Option<(Direction, Mode)>,
    context: &Context<'_>,
) -> Option<String> {
    let code = read_word(document, grant.purpose.as_ref(), &grant.span, "purpose", |code| {
        Some(code.to_owned())
    })?;
    let span = grant.purpose.as_ref().map_or(grant.span.clone(), Spanned::span);
    let Some(purpose) = context.purposes.find(&code) else {
        let message = format!("purpose `{code}` is not in purposes.toml");
        document.fault(span, message, context.purposes.suggest(&code));
        return None;
    };
    if !purpose.requestable {
        let hint = "name a leaf of the purpose tree";
        document.fault(span, format!("purpose `{code}` cannot be requested"), Some(hint.into()));
        return None;
    }
    if let Some((direction, mode)) = used
        && !purpose.allow.contains(&(direction, mode))
    {
        let message = format!("purpose `{code}` does not allow `{}`", way(direction, mode));
        document.fault(span, message, None);
    }
    let kind = &header.basis.get_ref().kind;
    if !purpose.bases.contains(kind) {
        let hint = format!("it takes {}", purpose.bases.join(", "));
        let message = format!("purpose `{code}` does not take a basis of kind `{kind}`");
        document.fault(header.basis.span(), message, Some(hint));
    }
    Some(code)
}

/// Whom the grant is for: the named partner or agency, or else the whole agency of the record's name.
fn read_grantee(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    context: &Context<'_>,
) -> Option<(Grantee, Vec<String>)> {
    let owner = match target {
        Target::Record(record) => Some(record.agency),
        Target::Dataset(_) => None,
    };
    match (&grant.partner, &grant.agency, owner) {
        (Some(id), None, _) => {
            let Some(partner) = context.partners.by_id(id.get_ref()) else {
                let message = format!("partner `{}` is not in partners.toml", id.get_ref());
                document.fault(id.span(), message, context.partners.suggest(id.get_ref()));
                return None;
            };
            let fits = match owner {
                Some(agency) => partner.role == Role::Agency && partner.agency == Some(agency),
                None => partner.role == Role::Registry,
            };
            if !fits {
                document.fault(id.span(), wrong_partner(id.get_ref(), target), None);
            }
            Some((Grantee::Partner(partner.id.clone()), vec![partner.id.clone()]))
        }
        (None, Some(name), Some(owner)) => {
            if Agency::parse(name.get_ref()) != Some(owner) {
                document.fault(name.span(), wrong_partner(name.get_ref(), target), None);
            }
            Some(whole_agency(owner, context))
        }
        (None, None, Some(owner)) => Some(whole_agency(owner, context)),
        (None, _, None) => {
            let message = "a grant on a dataset names its `partner`";
            document.fault(grant.span.clone(), message.into(), None);
            None
        }
        (Some(_), Some(name), _) => {
            let message = "a grant names a `partner` or an `agency`, not both";
            document.fault(name.span(), message.into(), None);
            None
        }
    }
}

fn wrong_partner(name: &str, target: Target) -> String {
    match target {
        Target::Record(record) => format!(
            "`{name}` may not push `{}`: it belongs to `{}`",
            record.name,
            record.agency.name()
        ),
        Target::Dataset(dataset) => format!("`{name}` may not pull `{}`: only registry partners may", dataset.name()),
    }
}

fn whole_agency(agency: Agency, context: &Context<'_>) -> (Grantee, Vec<String>) {
    let of_agency = context
        .partners
        .list
        .iter()
        .filter(|partner| partner.agency == Some(agency));
    let ids = of_agency.map(|partner| partner.id.clone()).collect();
    (Grantee::Agency(agency), ids)
}

/// A grant builds only against the schema that a person has looked at.
fn check_schema(document: &mut Document<'_>, grant: &GrantText, target: Target) {
    let Some(schema) = &grant.schema else {
        let message = "`schema` is missing, and `defaults` has none";
        document.fault(
            grant.span.clone(),
            message.into(),
            Some(format!("write `schema = {}`", target.schema())),
        );
        return;
    };
    if *schema.get_ref() != target.schema() {
        let message = format!(
            "`{}` has schema {}, not {}",
            target.name(),
            target.schema(),
            schema.get_ref()
        );
        let hint = "look at what changed in the catalogue, then write the new number";
        document.fault(schema.span(), message, Some(hint.into()));
    }
}

fn read_columns(document: &mut Document<'_>, grant: &GrantText, target: Target) -> (Vec<OutputColumn>, Vec<Dropped>) {
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
        read_column(document, granted, target, &mut output, &mut dropped);
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
fn check_pseudonyms(
    document: &mut Document<'_>,
    grant: &GrantText,
    output: &[OutputColumn],
    header: &Header,
    purpose: &str,
) {
    for column in output {
        let Operator::Pseudonym(pseudonym) = &column.kind.operator else {
            continue;
        };
        let key = &pseudonym.key;
        let consumer = grant
            .partner
            .as_ref()
            .filter(|_| grant.dataset.is_some())
            .unwrap_or(&header.consumer);
        if consumer.get_ref() == &key.partner && purpose == key.purpose {
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

/// Sensitive fields (C3) need a stated necessity and an impact assessment (PIPL 28, 55).
fn check_sensitive(document: &mut Document<'_>, grant: &GrantText, output: &[OutputColumn], header: &Header) {
    let Some(column) = output.iter().find(|column| column.kind.field.class >= Class::C3) else {
        return;
    };
    let why = format!("`{}` is sensitive ({})", column.name, column.kind.field.class.name());
    if grant.necessity.as_ref().is_none_or(String::is_empty) {
        document.fault(grant.span.clone(), "`necessity` is missing".into(), Some(why.clone()));
    }
    if header.impact_assessment.as_ref().is_none_or(String::is_empty) {
        let message = "the agreement's `impact_assessment` is missing";
        document.fault(grant.span.clone(), message.into(), Some(why));
    }
}

/// Row atoms read only what is released whole; anything else would tell a bit a row about a withheld field.
fn read_atoms(
    document: &mut Document<'_>,
    rows: Vec<crate::filter::AtomText>,
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

/// Fields that a request may select on: kept ones, and public or administrative ones.
fn read_selection(
    document: &mut Document<'_>,
    grant: &GrantText,
    target: Target,
    output: &[OutputColumn],
) -> Vec<&'static str> {
    if let (Some(first), Target::Record(_)) = (grant.select_by.first(), target) {
        document.fault(
            first.span(),
            "a push selects nothing".into(),
            Some("remove `select_by`".into()),
        );
        return Vec::new();
    }
    let reduced = |name: &str| output.iter().any(|column| column.name == name) && !keeps(output, name);
    let may = |field: &Field| keeps(output, field.name) || (field.class <= Class::C1 && !reduced(field.name));
    let fields = grant.select_by.iter();
    fields
        .filter_map(|name| released_field(document, name, target, may))
        .map(|field| field.name)
        .collect()
}

fn released_field(
    document: &mut Document<'_>,
    name: &Spanned<String>,
    target: Target,
    may: impl Fn(&Field) -> bool,
) -> Option<&'static Field> {
    let Some(field) = target.field(name.get_ref()) else {
        let names: Vec<String> = target.fields().iter().map(|field| field.name.to_owned()).collect();
        let hint = nearest(name.get_ref(), &names).map(|known| format!("did you mean `{known}`?"));
        let message = format!("`{}` has no field `{}`", target.name(), name.get_ref());
        document.fault(name.span(), message, hint);
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
