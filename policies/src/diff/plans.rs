//! Two plans of one key, component by component.

use std::collections::BTreeSet;

use super::{Change, Turn};
use crate::disclosure::{Disclosed, all_within, disclosed, strongest};
use crate::filter::Atom;
use crate::filter::rows::Rows;
use crate::plan::Plan;
use crate::terms::Hours;

/// Every component that differs; a missing plan tells and allows nothing.
pub(super) fn compare(
    subject: &str,
    old: Option<&std::sync::Arc<Plan>>,
    new: Option<&std::sync::Arc<Plan>>,
    out: &mut Vec<Change>,
) {
    let mut add = |component: String, turn: Option<Turn>, before: String, after: String| {
        out.extend(turn.map(|turn| Change {
            subject: subject.to_owned(),
            component,
            turn,
            before,
            after,
        }));
    };
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) if old.hash() == new.hash() => return,
        (Some(old), Some(new)) => (old, new),
        (old, new) => {
            let id = |plan: Option<&std::sync::Arc<Plan>>| plan.map_or("no grant", |plan| plan.grant_id()).to_owned();
            let turn = if new.is_some() { Turn::Widened } else { Turn::Narrowed };
            add("grant".into(), Some(turn), id(old), id(new));
            return;
        }
    };
    let (told, tells) = (disclosed(old), disclosed(new));
    let fields: BTreeSet<&str> = told.iter().chain(&tells).map(|one| one.field).collect();
    for field in fields {
        let (before, after) = (strongest(&told, field), strongest(&tells, field));
        let turn = turned(all_within(&after, &before), all_within(&before, &after));
        add(field.to_owned(), turn, words(&before), words(&after));
    }
    let (before, after) = (Rows::of(old.rows()), Rows::of(new.rows()));
    let turn = turned(after.within(&before), before.within(&after));
    add("rows".into(), turn, atoms(old.rows()), atoms(new.rows()));

    let (before, after) = (old.valid(), new.valid());
    let inside = |a: crate::terms::Validity, b: crate::terms::Validity| b.from_s <= a.from_s && a.until_s <= b.until_s;
    let span = |valid: crate::terms::Validity| format!("{}..{}", valid.from_s, valid.until_s);
    let turn = turned(inside(after, before), inside(before, after));
    add("valid".into(), turn, span(before), span(after));

    let (before, after) = (old.hours(), new.hours());
    let turn = turned(hours_within(after, before), hours_within(before, after));
    let clock = |hours: Option<&Hours>| hours.map_or("any hour".to_owned(), Hours::describe);
    add("hours".into(), turn, clock(before), clock(after));

    for ((name, before), (_, after)) in old.limits().named().into_iter().zip(new.limits().named()) {
        let most = |limit: Option<u64>| limit.map_or(u128::MAX, u128::from);
        let turn = turned(most(after) <= most(before), most(before) <= most(after));
        let show = |limit: Option<u64>| limit.map_or("no limit".to_owned(), |limit| limit.to_string());
        add(format!("limits.{name}"), turn, show(before), show(after));
    }
    let within = |a: &[&str], b: &[&str]| a.iter().all(|one| b.contains(one));
    let (before, after) = (old.select_by(), new.select_by());
    add(
        "select_by".into(),
        turned(within(after, before), within(before, after)),
        before.join(" "),
        after.join(" "),
    );
    // Who must bring more may ask less.
    let (before, after) = (old.require(), new.require());
    add(
        "require".into(),
        turned(within(before, after), within(after, before)),
        before.join(" "),
        after.join(" "),
    );

    let (before, after) = (old.obligations(), new.obligations());
    let kept = |days: Option<u32>| days.map_or(u64::MAX, u64::from);
    let show = |days: Option<u32>| days.map_or("no end".to_owned(), |days| days.to_string());
    let (b, a) = (before.retain_days, after.retain_days);
    add(
        "retain_days".into(),
        turned(kept(a) <= kept(b), kept(b) <= kept(a)),
        show(b),
        show(a),
    );
    let (b, a) = (before.attest_deletion, after.attest_deletion);
    add(
        "attest_deletion".into(),
        turned(a >= b, b >= a),
        b.to_string(),
        a.to_string(),
    );
}

/// From "is the new one within the old" and "is the old one within the new".
pub(super) fn turned(new_in_old: bool, old_in_new: bool) -> Option<Turn> {
    match (new_in_old, old_in_new) {
        (true, true) => None,
        (true, false) => Some(Turn::Narrowed),
        (false, true) => Some(Turn::Widened),
        (false, false) => Some(Turn::Incomparable),
    }
}

fn words(told: &[Disclosed]) -> String {
    let words: Vec<String> = told.iter().map(|one| one.operator.describe()).collect();
    if words.is_empty() {
        "drop".into()
    } else {
        words.join(" + ")
    }
}

fn atoms(atoms: &[Atom]) -> String {
    let mut words: Vec<String> = atoms.iter().map(Atom::describe).collect();
    words.sort();
    if words.is_empty() {
        "every row".into()
    } else {
        words.join(" and ")
    }
}

fn hours_within(a: Option<&Hours>, b: Option<&Hours>) -> bool {
    let Some(b) = b else { return true };
    let Some(a) = a else { return false };
    let clock = b.from_minute <= a.from_minute && a.to_minute <= b.to_minute;
    let days = match (&a.calendar, &b.calendar) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => a.works_within(b),
    };
    clock && days
}
