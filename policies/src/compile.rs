//! Compiling: one grant as written, checked against catalogue, purposes and partners, becomes a [`Plan`] or faults with places.

mod columns;
mod selection;

use std::ops::Range;
use std::sync::Arc;

use shuguan_adapters::catalogue::Agency;
use toml::Spanned;

use crate::agreement::{GrantText, Header};
use crate::ceiling::{Ceilings, ShareKind};
use crate::dataset::Dataset;
use crate::document::{Document, nearest};
use crate::partner::{Partners, Role};
use crate::plan::Plan;
use crate::purpose::{Purposes, way};
use crate::set::Catalogue;
use crate::target::{Direction, Mode, Target};
use crate::terms::{Grantee, Place, Terms};

/// What a grant is checked against.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) purposes: &'c Purposes,
    pub(crate) partners: &'c Partners,
    pub(crate) ceilings: &'c Ceilings,
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

/// The plans of one grant, one a purpose; none when faults were recorded.
pub(crate) fn compile(
    document: &mut Document<'_>,
    grant: GrantText,
    header: &Header,
    context: &Context<'_>,
) -> Vec<Plan> {
    let before = document.fault_count();
    let target = read_target(document, &grant, context);
    let way = read_way(document, &grant, target);
    let purposes = read_purposes(document, &grant, header, way, context);
    let grantee = target.and_then(|target| read_grantee(document, &grant, target, context));
    let Some(target) = target else { return Vec::new() };
    check_schema(document, &grant, target);
    check_share(document, &grant, header, target, context);
    let mode = way.map_or(target.mode(), |(_, mode)| mode);
    let (output, dropped) = columns::read(document, &grant, target, mode);
    columns::check(document, &grant, target, &output, &dropped);
    // An unknown consumer or purpose is a fault of its own; the keys are judged once it is mended.
    if role_of(header.consumer.get_ref(), context) == Some(Role::Registry) {
        for purpose in &purposes {
            columns::check_keys(document, &grant, &output, header, purpose);
        }
    }
    columns::check_sensitive(document, &grant, target, &output, header);
    let select_by = selection::read_select_by(document, &grant, target, mode, &output);
    let require = selection::read_require(document, &grant, target, mode, &output);
    selection::check_limits(document, &grant, target, mode, &output);
    let place = Place {
        file: Arc::from(document.file()),
        line: document.line(&grant.span),
    };
    let id = grant.id.as_ref().map_or(target.name(), |id| id.get_ref()).to_owned();
    let atoms = selection::read_atoms(document, grant.rows, target, &output);
    let (Some((direction, mode)), Some((grantee, partner_ids))) = (way, grantee) else {
        return Vec::new();
    };
    if document.fault_count() != before {
        return Vec::new();
    }
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
        purpose: String::new(),
        direction,
        mode,
        valid: header.valid,
        hours: grant.hours,
        limits: grant.limits,
        obligations: grant.obligations,
        select_by,
        require,
        place,
    };
    let several = purposes.len() > 1;
    let expanded = purposes.into_iter().map(|purpose| Terms {
        // Ids are unique in a bundle, so each leaf has its own.
        id: if several {
            format!("{}@{purpose}", terms.id)
        } else {
            terms.id.clone()
        },
        purpose,
        ..terms.clone()
    });
    expanded
        .map(|terms| Plan::new(terms, output.clone(), dropped.clone(), atoms.clone()))
        .collect()
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
    let goes = match target {
        Target::Record(_) => (direction, mode) == (Direction::Push, Mode::Feed),
        Target::Dataset(_) => direction == Direction::Pull && mode != Mode::Feed,
    };
    if !goes {
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

fn read_purposes(
    document: &mut Document<'_>,
    grant: &GrantText,
    header: &Header,
    used: Option<(Direction, Mode)>,
    context: &Context<'_>,
) -> Vec<String> {
    if grant.purposes.is_empty() {
        let message = "`for.purpose` is missing, and `defaults` has none";
        document.fault(grant.span.clone(), message.into(), None);
    }
    let mut codes: Vec<String> = Vec::new();
    for code in &grant.purposes {
        if codes.contains(code.get_ref()) {
            document.fault(
                code.span(),
                format!("purpose `{}` stands here twice", code.get_ref()),
                None,
            );
        } else {
            codes.extend(read_purpose(document, code, header, used, context));
        }
    }
    codes
}

fn read_purpose(
    document: &mut Document<'_>,
    code: &Spanned<String>,
    header: &Header,
    used: Option<(Direction, Mode)>,
    context: &Context<'_>,
) -> Option<String> {
    let (span, code) = (code.span(), code.get_ref());
    let Some(purpose) = context.purposes.find(code) else {
        let message = format!("purpose `{code}` is not in purposes.toml");
        document.fault(span, message, context.purposes.suggest(code));
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
    Some(code.clone())
}

/// Whom the grant is for: the named partners or agency, or else the whole agency of the record's name.
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
    let named = [
        grant.partner.as_ref().map(Spanned::span),
        grant.partners.as_ref().map(Spanned::span),
        grant.agency.as_ref().map(Spanned::span),
    ];
    if let [_, second, ..] = named.into_iter().flatten().collect::<Vec<_>>().as_slice() {
        let message = "a grant names one of `partner`, `partners` and `agency`";
        document.fault(second.clone(), message.into(), None);
        return None;
    }
    if let Some(id) = &grant.partner {
        let id = read_partner(document, id, target, context)?;
        return Some((Grantee::Partner(id.clone()), vec![id]));
    }
    if let Some(list) = &grant.partners {
        return read_partners(document, list, target, context);
    }
    let Some(owner) = owner else {
        let message = "a grant on a dataset names its `partner`";
        document.fault(grant.span.clone(), message.into(), None);
        return None;
    };
    if let Some(name) = &grant.agency
        && Agency::parse(name.get_ref()) != Some(owner)
    {
        document.fault(name.span(), wrong_partner(name.get_ref(), target), None);
    }
    Some(whole_agency(owner, context))
}

fn read_partners(
    document: &mut Document<'_>,
    list: &Spanned<Vec<Spanned<String>>>,
    target: Target,
    context: &Context<'_>,
) -> Option<(Grantee, Vec<String>)> {
    let mut ids: Vec<String> = Vec::new();
    for id in list.get_ref() {
        if ids.contains(id.get_ref()) {
            document.fault(id.span(), format!("partner `{}` stands here twice", id.get_ref()), None);
        } else {
            ids.extend(read_partner(document, id, target, context));
        }
    }
    if ids.is_empty() {
        document.fault(list.span(), "`partners` names none".into(), None);
        return None;
    }
    ids.sort();
    Some((Grantee::Partners(ids.clone()), ids))
}

fn read_partner(
    document: &mut Document<'_>,
    id: &Spanned<String>,
    target: Target,
    context: &Context<'_>,
) -> Option<String> {
    let Some(partner) = context.partners.by_id(id.get_ref()) else {
        let message = format!("partner `{}` is not in partners.toml", id.get_ref());
        document.fault(id.span(), message, context.partners.suggest(id.get_ref()));
        return None;
    };
    let fits = match target {
        Target::Record(record) => partner.role == Role::Agency && partner.agency == Some(record.agency),
        Target::Dataset(_) => partner.role == Role::Registry,
    };
    if !fits {
        document.fault(id.span(), wrong_partner(id.get_ref(), target), None);
    }
    Some(partner.id.clone())
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

/// What the data owner said about sharing: what is not shared is never granted, and what is shared under conditions names the
/// approved application (政务数据共享条例).
fn check_share(document: &mut Document<'_>, grant: &GrantText, header: &Header, target: Target, context: &Context<'_>) {
    let at = grant.record.as_ref().map_or(grant.span.clone(), Spanned::span);
    match context.ceilings.share_of(target.name()) {
        Some(share) if share.kind == ShareKind::None => {
            let message = format!("`{}` is not shared (不予共享) and can never be granted", target.name());
            document.fault(at, message, Some(format!("{}: {}", share.place, share.ground)));
        }
        Some(share)
            if share.kind == ShareKind::Conditional
                && header.basis.get_ref().application.as_ref().is_none_or(String::is_empty) =>
        {
            let message = format!("`{}` is shared under conditions (有条件共享)", target.name());
            let hint = "write the number of the approved application as `application` above the grants";
            document.fault(at, message, Some(hint.into()));
        }
        _ => {}
    }
}
