//! What guards a bundle and what its grants rest on: ceilings, shares, tests, identities, purposes, keys, calendars, the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use super::plans::turned;
use super::{Change, Turn};
use crate::canonical::Canonical;
use crate::ceiling::{Ceiling, ShareKind};
use crate::disclosure::within;
use crate::hex::hex;
use crate::set::PolicySet;

/// Entries of one table: name → (what the hash covers of it, how it reads).
type Entries = BTreeMap<String, (String, String)>;

pub(super) fn compare(old: &PolicySet, new: &PolicySet, out: &mut Vec<Change>) {
    ceilings(old, new, out);
    shares(old, new, out);
    // A test that is gone guards nothing any more, though no cell changed.
    let lost = |before: bool, _: bool| if before { Turn::Widened } else { Turn::Narrowed };
    table("test", &trials(old), &trials(new), lost, out);
    // A new identity may act; one that changed is somebody else.
    let identity = |before: bool, after: bool| match (before, after) {
        (false, _) => Turn::Widened,
        (_, false) => Turn::Narrowed,
        _ => Turn::Incomparable,
    };
    table("partner", &partners(old), &partners(new), identity, out);
    let key = |before: bool, after: bool| {
        if before && after {
            Turn::Incomparable
        } else {
            Turn::Restated
        }
    };
    table("key", &keys(old), &keys(new), key, out);
    // What follows from these for a grant shows in its cells.
    let words = |_: bool, _: bool| Turn::Restated;
    table("purpose", &purposes(old), &purposes(new), words, out);
    table("calendar", &calendars(old), &calendars(new), words, out);
    table("catalogue", &catalogue(old), &catalogue(new), words, out);
    if old.trust_domain() != new.trust_domain() {
        out.push(Change {
            subject: "partners".into(),
            component: "trust_domain".into(),
            turn: Turn::Incomparable,
            before: old.trust_domain().into(),
            after: new.trust_domain().into(),
        });
    }
}

fn table(name: &str, old: &Entries, new: &Entries, turn: impl Fn(bool, bool) -> Turn, out: &mut Vec<Change>) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for entry in names {
        let (before, after) = (old.get(entry), new.get(entry));
        if before.map(|(code, _)| code) == after.map(|(code, _)| code) {
            continue;
        }
        let read = |entry: Option<&(String, String)>| entry.map_or("none".to_owned(), |(_, text)| text.clone());
        out.push(Change {
            subject: format!("{name} {entry}"),
            component: name.into(),
            turn: turn(before.is_some(), after.is_some()),
            before: read(before),
            after: read(after),
        });
    }
}

fn code(write: impl FnOnce(&mut Canonical)) -> String {
    let mut canonical = Canonical::new("entry");
    write(&mut canonical);
    hex(&canonical.hash())
}

fn ceilings(old: &PolicySet, new: &PolicySet, out: &mut Vec<Change>) {
    let by_id = |set: &PolicySet| -> BTreeMap<String, Ceiling> {
        set.ceilings().iter().map(|one| (one.id.clone(), one.clone())).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for id in ids {
        let turn = match (before.get(id), after.get(id)) {
            (Some(old), Some(new)) if old.bound == new.bound && old.why == new.why => None,
            (Some(old), Some(new)) if old.bound.names_the_same(&new.bound) => bound_turn(old, new),
            (Some(_), Some(_)) => Some(Turn::Incomparable),
            (Some(_), None) => Some(Turn::Widened),
            (None, _) => Some(Turn::Narrowed),
        };
        let read = |one: Option<&Ceiling>| one.map_or("none".to_owned(), |one| one.bound.describe());
        out.extend(turn.map(|turn| Change {
            subject: format!("ceiling {id}"),
            component: "ceiling".into(),
            turn,
            before: read(before.get(id)),
            after: read(after.get(id)),
        }));
    }
}

/// The same fields bounded by two operators. Without a field there is no type to compare them for, so only the ends are known.
fn bound_turn(old: &Ceiling, new: &Ceiling) -> Option<Turn> {
    let kind = shuguan_adapters::catalogue::FieldType::Text(1);
    let (old, new) = (&old.bound.at_most, &new.bound.at_most);
    match turned(within(new, old, &kind), within(old, new, &kind)) {
        None => Some(Turn::Restated),
        turn => turn,
    }
}

fn shares(old: &PolicySet, new: &PolicySet, out: &mut Vec<Change>) {
    let by_record = |set: &PolicySet| -> BTreeMap<String, (ShareKind, String)> {
        let shares = set.shares().iter();
        shares
            .map(|one| (one.record.clone(), (one.kind, one.ground.clone())))
            .collect()
    };
    let (before, after) = (by_record(old), by_record(new));
    let records: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for record in records {
        // What no owner speaks of is shared freely.
        let openness = |share: Option<&(ShareKind, String)>| match share.map(|(kind, _)| *kind) {
            Some(ShareKind::None) => 0,
            Some(ShareKind::Conditional) => 1,
            Some(ShareKind::Free) | None => 2,
        };
        let (old, new) = (before.get(record), after.get(record));
        if old == new {
            continue;
        }
        let turn = turned(openness(new) <= openness(old), openness(old) <= openness(new));
        let read = |share: Option<&(ShareKind, String)>| {
            share.map_or("none".to_owned(), |(kind, ground)| {
                format!("{} ({ground})", kind.name())
            })
        };
        out.push(Change {
            subject: format!("share {record}"),
            component: "share".into(),
            turn: turn.unwrap_or(Turn::Restated),
            before: read(old),
            after: read(new),
        });
    }
}

fn trials(set: &PolicySet) -> Entries {
    let trials = set.trials();
    let cases = trials
        .cases
        .iter()
        .map(|case| (code(|out| case.encode(out)), case.describe()));
    let nevers = trials.nevers.iter().map(|never| {
        let said = format!("never {} ({})", never.bound.describe(), never.place);
        (
            code(|out| {
                out.text("never");
                never.bound.encode(out);
            }),
            said,
        )
    });
    cases
        .chain(nevers)
        .map(|(code, text)| (code.chars().take(16).collect(), (code, text)))
        .collect()
}

fn partners(set: &PolicySet) -> Entries {
    let entry = |one: &crate::partner::Partner| {
        (
            one.id.clone(),
            (code(|out| one.encode(out)), format!("{} {}", one.zh, one.spiffe)),
        )
    };
    set.partners().iter().map(entry).collect()
}

fn keys(set: &PolicySet) -> Entries {
    let entry = |key: &crate::key::Key| {
        let text = format!(
            "{} epoch {} {} {}",
            key.algorithm.name(),
            key.epoch,
            key.partner,
            key.purpose
        );
        (key.id.clone(), (code(|out| key.encode(out)), text))
    };
    set.key_list().iter().map(entry).collect()
}

fn purposes(set: &PolicySet) -> Entries {
    let entry = |one: &crate::purpose::Purpose| (one.code.clone(), (code(|out| one.encode(out)), one.zh.clone()));
    set.purposes().iter().map(entry).collect()
}

fn calendars(set: &PolicySet) -> Entries {
    let entry = |one: &std::sync::Arc<crate::calendar::Calendar>| {
        let years: Vec<String> = one.years().map(|year| year.to_string()).collect();
        (one.id.clone(), (code(|out| one.encode(out)), years.join(" ")))
    };
    set.calendars().iter().map(entry).collect()
}

fn catalogue(set: &PolicySet) -> Entries {
    let entry = |target: crate::target::Target| {
        let text = format!("schema {}, {} fields", target.schema(), target.fields().len());
        (target.name().to_owned(), (code(|out| target.encode(out)), text))
    };
    set.catalogue().targets().into_iter().map(entry).collect()
}
