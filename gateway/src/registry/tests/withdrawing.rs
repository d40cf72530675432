//! Random sequences of upserts, deltas, snapshots and recalls of any earlier push, of two partners, against the plainest model: rows with their
//! content, every delete that was ever said, and what every snapshot held. A push that is recalled leaves the model whole: its content, and all that it
//! closed. Any push may be set aside and come later, with its own leaf.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::prop_oneof;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::closing::{self, acts};
use super::fixture::{RESIDENT, kept, received};
use super::store::{Place, Store};
use crate::registry::{Counts, Ending, Part, Recall, Registry, Walk};

const PARTNERS: [&str; 2] = ["public-security-city", "public-security-ganyu"];
const REGIONS: [&str; 2] = ["320706", "320707"];

/// One row of a push.
#[derive(Clone, Copy, Debug)]
struct Sent {
    id: u8,
    act: Act,
    name: u8,
    region: u8,
    source: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Put,
    Delete,
    Name,
}

#[derive(Clone, Debug)]
enum Step {
    /// An upsert or a delta: of which partner, and whether it goes in with the one before.
    Push(usize, Vec<Sent>, bool),
    /// A snapshot of a partner, of one region or of all, and which earlier push is recalled while it closes, if any.
    Snapshot(usize, Vec<Sent>, Option<u8>, Option<(u8, u8)>),
    /// A push that is set aside.
    Aside(usize, Vec<Sent>, Manner),
    /// One of those is let go.
    Release(u8),
    /// The recall of an earlier push.
    Recall(u8),
}

/// What a push is that is set aside.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Changes,
    /// With its scope.
    Snapshot(Option<u8>),
}

/// A push that is set aside.
struct Aside {
    leaf: u64,
    partner: usize,
    rows: Vec<Sent>,
    manner: Manner,
}

/// The pattern by which all is counted, then the recall goes from its beginning to its end, then rows are closed.
const BETWEEN: u8 = 0b1111_1111;

fn sent(acts: &'static [Act]) -> impl Strategy<Value = Sent> {
    let act = prop::sample::select(acts);
    let source = prop_oneof![2 => prop::option::of(0_u8..4), 1 => prop::strategy::Just(None)];
    (0_u8..4, act, 0_u8..2, 0_u8..2, source).prop_map(|(id, act, name, region, source)| Sent {
        id,
        act,
        name,
        region,
        source,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let partner = || prop_oneof![3 => prop::strategy::Just(0_usize), 1 => prop::strategy::Just(1)];
    let changes = || prop::collection::vec(sent(&[Act::Put, Act::Put, Act::Delete]), 0..8);
    let held = || prop::collection::vec(sent(&[Act::Put, Act::Put, Act::Name]), 0..5);
    let scope = || prop::option::of(0_u8..2);
    let pattern = prop_oneof![any::<u8>(), prop::strategy::Just(BETWEEN)];
    let meanwhile = prop::option::weighted(0.5, (any::<u8>(), pattern));
    let step = prop_oneof![
        3 => (partner(), changes(), any::<bool>()).prop_map(|(partner, rows, joins)| Step::Push(partner, rows, joins)),
        3 => (partner(), held(), scope(), meanwhile).prop_map(|(partner, rows, scope, meanwhile)| Step::Snapshot(partner, rows, scope, meanwhile)),
        1 => (partner(), changes()).prop_map(|(partner, rows)| Step::Aside(partner, rows, Manner::Changes)),
        1 => (partner(), held(), scope()).prop_map(|(partner, rows, scope)| Step::Aside(partner, rows, Manner::Snapshot(scope))),
        2 => any::<u8>().prop_map(Step::Release),
        3 => any::<u8>().prop_map(Step::Recall),
    ];
    prop::collection::vec(step, 2..14)
}

type Order = (i64, u64, u64);

#[derive(Clone, Debug, PartialEq)]
struct Kept {
    content: (u8, u8, Option<u8>),
    order: Order,
    partner: usize,
    open: bool,
}

/// A delete that was said of a key.
#[derive(Clone, Copy, Debug)]
struct Deleted {
    id: u8,
    partner: usize,
    order: Order,
}

/// A snapshot that has ended.
#[derive(Clone, Debug)]
struct Ended {
    leaf: u64,
    partner: usize,
    scope: Option<u8>,
    holds: Vec<u8>,
}

#[derive(Default)]
struct Model {
    rows: BTreeMap<u8, Kept>,
    deleted: Vec<Deleted>,
    ended: Vec<Ended>,
    /// Partner of each push that was not recalled, by leaf.
    pushes: BTreeMap<u64, usize>,
}

impl Model {
    fn closes(&self, id: u8, kept: &Kept) -> bool {
        let deletes = |said: &Deleted| said.id == id && said.partner == kept.partner && said.order > kept.order;
        let lacks = |ended: &Ended| {
            let covers = ended.scope.is_none_or(|scope| scope == kept.content.1);
            ended.partner == kept.partner && ended.leaf > kept.order.1 && covers && !ended.holds.contains(&id)
        };
        self.deleted.iter().any(deletes) || self.ended.iter().any(lacks)
    }

    fn push(&mut self, leaf: u64, partner: usize, rows: &[Sent], confirm: bool) -> Counts {
        self.pushes.insert(leaf, partner);
        let mut counts = Counts::default();
        for (row, sent) in (1..).zip(rows) {
            let order = (sent.source.map_or(received(leaf), i64::from), leaf, row);
            match sent.act {
                Act::Put => self.put((partner, confirm), sent, order, &mut counts),
                Act::Delete => self.delete(partner, sent.id, order, &mut counts),
                Act::Name => {}
            }
        }
        counts
    }

    fn put(&mut self, (partner, confirm): (usize, bool), sent: &Sent, order: Order, counts: &mut Counts) {
        let mut new = Kept {
            content: (sent.name, sent.region, sent.source),
            order,
            partner,
            open: false,
        };
        new.open = !self.closes(sent.id, &new);
        let old = self.rows.get(&sent.id);
        let alike = |old: &Kept| old.partner == partner && old.content == new.content && old.open == new.open;
        let stays = old.is_some_and(|old| old.order >= order);
        if stays || old.is_some_and(alike) {
            counts.same += 1;
            if confirm && !stays {
                self.rows.insert(sent.id, new);
            }
            return;
        }
        match (old.is_some_and(|old| old.open), new.open) {
            (true, true) => counts.upd += 1,
            (false, true) => counts.ins += 1,
            (true, false) => counts.del += 1,
            (false, false) => counts.same += 1,
        }
        self.rows.insert(sent.id, new);
    }

    fn delete(&mut self, partner: usize, id: u8, order: Order, counts: &mut Counts) {
        self.deleted.push(Deleted { id, partner, order });
        if self.judge(id) {
            counts.del += 1;
        } else {
            counts.same += 1;
        }
    }

    /// Opens or closes a row by what is said; true when it is another now.
    fn judge(&mut self, id: u8) -> bool {
        let Some(kept) = self.rows.get(&id) else {
            return false;
        };
        let open = !self.closes(id, kept);
        let changed = open != kept.open;
        self.rows.get_mut(&id).unwrap().open = open;
        changed
    }

    /// Gives how many rows it closed.
    fn end(&mut self, leaf: u64, partner: usize, rows: &[Sent], scope: Option<u8>) -> u64 {
        self.ended.push(Ended {
            leaf,
            partner,
            scope,
            holds: rows.iter().map(|sent| sent.id).collect(),
        });
        self.judge_all()
    }

    /// Gives how many rows are open that were not, or the other way round.
    fn judge_all(&mut self) -> u64 {
        let ids: Vec<u8> = self.rows.keys().copied().collect();
        ids.into_iter().filter(|id| self.judge(*id)).count() as u64
    }

    /// Rows withdrawn and open again.
    fn recall(&mut self, push: u64) -> (u64, u64) {
        self.pushes.remove(&push);
        self.deleted.retain(|said| said.order.1 != push);
        self.ended.retain(|ended| ended.leaf != push);
        let withdrawn = self
            .rows
            .values()
            .filter(|kept| kept.order.1 == push && kept.open)
            .count();
        self.rows.retain(|_, kept| kept.order.1 != push);
        (withdrawn as u64, self.judge_all())
    }

    fn pick(&self, which: u8) -> Option<u64> {
        let which = usize::from(which).checked_rem(self.pushes.len())?;
        self.pushes.keys().nth(which).copied()
    }

    fn lines(&self) -> BTreeSet<String> {
        let line = |(id, kept): (&u8, &Kept)| {
            let ((name, region, _), (source_us, leaf, row)) = (kept.content, kept.order);
            let (region, partner, open) = (
                REGIONS[usize::from(region)],
                PARTNERS[kept.partner],
                u8::from(kept.open),
            );
            format!(
                "{} 人{name} {region} {source_us} {leaf} {row} {partner} {open}",
                name_of(*id)
            )
        };
        self.rows.iter().map(line).collect()
    }
}

fn name_of(id: u8) -> String {
    format!("3207061880010100{id:02}")
}

const STATES: &str = "SELECT citizen_id, name, hukou_region, _source_us, _leaf, _row, _partner, \
    CASE WHEN _open <> 0 THEN 1 ELSE 0 END FROM public_security_resident WHERE name IS NOT NULL OR _open <> 0";

/// What the cases run on; making it costs more than a case.
struct Shared {
    place: Place,
    runtime: Runtime,
    registry: Registry,
}

impl Shared {
    fn new(store: Store) -> Self {
        let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
        let runtime = Runtime::new().unwrap();
        Self {
            place,
            runtime,
            registry,
        }
    }
}

static ON_SQLITE: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Sqlite)));
static ON_POSTGRES: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Postgres)));

/// The end of a snapshot as the relay goes about it: it counts, then closes where counting found something.
struct Closer {
    ending: Arc<Ending>,
    walk: Walk,
    /// The key up to which was counted; none: all was.
    counted: Option<String>,
    place: String,
}

impl Closer {
    fn of(ending: &Arc<Ending>) -> Self {
        Self {
            ending: Arc::clone(ending),
            walk: Walk::default(),
            counted: Some(String::new()),
            place: String::new(),
        }
    }

    /// The next stride; true when there are more.
    fn step(&mut self, shared: &Shared) -> bool {
        let ending = Arc::clone(&self.ending);
        if let Some(behind) = self.counted.take() {
            let weighed = shared.registry.weigh(ending, behind.clone());
            let weighed = shared.runtime.block_on(weighed).unwrap();
            self.walk.counted(behind, &weighed);
            self.counted = weighed.after;
            return true;
        }
        let closed = shared.registry.end(ending, self.walk.resume(&self.place));
        let after = shared.runtime.block_on(closed).unwrap().after;
        self.place = after.clone().unwrap_or_default();
        after.is_some()
    }

    fn upset(&mut self, recall: &Recall) {
        if self.ending.is_upset_by(&recall.record, 0) {
            self.walk = Walk::everywhere();
        }
    }
}

/// One case: the registry and the model beside each other.
struct Case<'c> {
    shared: &'c Shared,
    model: Model,
    leaf: u64,
    /// Pushes that are not merged yet, with the counts that are expected.
    waiting: Vec<(Part, Counts)>,
    aside: Vec<Aside>,
}

impl Case<'_> {
    /// Whether an older push is set aside, of that partner, or of any: an operator may let it go.
    fn older_aside(&self, leaf: u64, partner: Option<usize>) -> bool {
        let is_older = |aside: &Aside| aside.leaf < leaf && partner.is_none_or(|partner| partner == aside.partner);
        self.aside.iter().any(is_older)
    }

    /// The push as the relay brings it, with the counts that are expected.
    fn bring(&mut self, leaf: u64, partner: usize, rows: &[Sent]) -> (Part, Counts) {
        let mut part = Self::part(leaf, partner, rows);
        part.confirm = self.older_aside(leaf, None);
        let counts = self.model.push(leaf, partner, rows, part.confirm);
        (part, counts)
    }

    fn release(&mut self, which: u8) -> Result<(), TestCaseError> {
        let Some(which) = usize::from(which).checked_rem(self.aside.len()) else {
            return Ok(());
        };
        let aside = self.aside.remove(which);
        if let Manner::Snapshot(scope) = aside.manner {
            return self.snapshot((aside.leaf, aside.partner), &aside.rows, scope, None);
        }
        let brought = self.bring(aside.leaf, aside.partner, &aside.rows);
        self.waiting.push(brought);
        self.flush()?;
        self.agrees()
    }

    fn part(leaf: u64, partner: usize, rows: &[Sent]) -> Part {
        let text = |sent: &Sent| {
            let put = sent.act == Act::Put;
            let field = |text: String| if put { text } else { "-".to_owned() };
            let region = REGIONS[usize::from(sent.region)];
            let source = sent.source.map_or("-".to_owned(), |source| source.to_string());
            let fields = [
                name_of(sent.id),
                field(format!("人{}", sent.name)),
                "-".to_owned(),
                field(region.to_owned()),
                source,
            ];
            let act = match sent.act {
                Act::Put => "U",
                Act::Delete => "D",
                Act::Name => "N",
            };
            (act, fields)
        };
        let texts: Vec<(&str, [String; 5])> = rows.iter().map(text).collect();
        let cells: Vec<(&str, [&str; 5])> = texts
            .iter()
            .map(|(act, fields)| (*act, fields.each_ref().map(String::as_str)))
            .collect();
        let mut part = acts(leaf, &cells);
        part.partner = PARTNERS[partner].into();
        part
    }

    fn flush(&mut self) -> Result<(), TestCaseError> {
        let (parts, counts): (Vec<Part>, Vec<Counts>) = self.waiting.drain(..).unzip();
        if parts.is_empty() {
            return Ok(());
        }
        let merged = self
            .shared
            .runtime
            .block_on(self.shared.registry.merge_all(parts.into()));
        let merged: Vec<Counts> = merged.unwrap().iter().map(|merged| merged.counts).collect();
        prop_assert_eq!(merged, counts);
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.leaf += 1;
        match step {
            Step::Push(partner, rows, joins) => {
                if !joins {
                    self.flush()?;
                }
                let brought = self.bring(self.leaf, partner, &rows);
                self.waiting.push(brought);
                Ok(())
            }
            Step::Snapshot(partner, rows, scope, meanwhile) => {
                self.flush()?;
                self.snapshot((self.leaf, partner), &rows, scope, meanwhile)
            }
            Step::Aside(partner, rows, manner) => {
                // What waits came before, and need not confirm anything.
                self.flush()?;
                self.aside.push(Aside {
                    leaf: self.leaf,
                    partner,
                    rows,
                    manner,
                });
                Ok(())
            }
            Step::Release(which) => {
                self.flush()?;
                self.release(which)
            }
            Step::Recall(index) => {
                self.flush()?;
                let Some(push) = self.model.pick(index) else {
                    return Ok(());
                };
                let recall = self.recall(self.leaf, push);
                let expected = self.model.recall(push);
                let mut done = None;
                while done.is_none() {
                    done = self.undo(&recall);
                }
                prop_assert_eq!(done, Some(expected));
                self.agrees()
            }
        }
    }

    /// A snapshot; with a recall, their strides alternate by the bits of the pattern: the recall may come before what is counted, between counting and
    /// closing, and while rows are closed.
    fn snapshot(
        &mut self,
        (leaf, partner): (u64, usize),
        rows: &[Sent],
        scope: Option<u8>,
        meanwhile: Option<(u8, u8)>,
    ) -> Result<(), TestCaseError> {
        let recalled = meanwhile.and_then(|(index, pattern)| Some((self.model.pick(index)?, pattern)));
        let (mut part, counts) = self.bring(leaf, partner, rows);
        part.snapshot = true;
        self.waiting.push((part, counts));
        self.flush()?;
        let ending = self.ending(leaf, partner, scope);
        let closed = self.model.end(leaf, partner, rows, scope);
        let Some((push, mut pattern)) = recalled else {
            let ended = closing::ended(&self.shared.registry, &ending);
            prop_assert_eq!(self.shared.runtime.block_on(ended).0, closed);
            return self.agrees();
        };
        self.leaf += 1;
        let recall = self.recall(self.leaf, push);
        self.model.recall(push);
        let mut closer = Closer::of(&ending);
        let (mut ends, mut undoes) = (true, true);
        while ends || undoes {
            pattern = pattern.rotate_left(1);
            let counts = pattern == BETWEEN && closer.counted.is_some();
            if ends && (counts || pattern & 1 == 0 || !undoes) {
                ends = closer.step(self.shared);
            } else {
                undoes = self.undo(&recall).is_none();
                closer.upset(&recall);
            }
        }
        self.agrees()
    }

    fn ending(&self, leaf: u64, partner: usize, scope: Option<u8>) -> Arc<Ending> {
        let codes = |scope: u8| vec![REGIONS[usize::from(scope)].to_owned()];
        Arc::new(Ending {
            exchange: Uuid::from_u128(leaf.into()),
            leaf,
            record: RESIDENT.name.into(),
            partner: PARTNERS[partner].into(),
            received_us: received(leaf),
            scope: scope.map(|scope| ("hukou_region".to_owned(), codes(scope))),
            keep: self.older_aside(leaf, Some(partner)),
            held: Arc::default(),
        })
    }

    fn recall(&self, leaf: u64, push: u64) -> Arc<Recall> {
        let partner = PARTNERS[self.partner_of(push)];
        Arc::new(Recall {
            exchange: Uuid::from_u128(leaf.into()),
            leaf,
            push: Uuid::from_u128(push.into()),
            push_leaf: push,
            record: RESIDENT.name.into(),
            partner: partner.into(),
            received_us: received(leaf),
        })
    }

    fn partner_of(&self, push: u64) -> usize {
        self.model.pushes[&push]
    }

    /// One stride of a recall; at the end the rows withdrawn and open again.
    fn undo(&self, recall: &Arc<Recall>) -> Option<(u64, u64)> {
        let undone = self
            .shared
            .runtime
            .block_on(self.shared.registry.recall(Arc::clone(recall)));
        let undone = undone.unwrap();
        let counts = undone.progress.counts;
        undone.done.then_some((counts.del, counts.ins))
    }

    fn agrees(&self) -> Result<(), TestCaseError> {
        let stored: BTreeSet<String> = self.shared.place.query(STATES).into_iter().collect();
        prop_assert_eq!(stored, self.model.lines());
        self.rows_fit_the_counts()
    }

    /// What `db fsck --deep` finds: nothing.
    fn rows_fit_the_counts(&self) -> Result<(), TestCaseError> {
        let traces = Registry::traces(&self.shared.place.settings, &kept(&[&RESIDENT]), &mut || {}).unwrap();
        for table in &traces.tables {
            prop_assert_eq!(table.held, table.stated);
        }
        for trace in traces.exchanges.values() {
            prop_assert_eq!(trace.odd, 0);
            prop_assert!(trace.rows <= trace.sent, "{trace:?}");
        }
        prop_assert_eq!((traces.strangers.len(), traces.leafless), (0, 0));
        Ok(())
    }
}

fn ends_where_what_was_recalled_never_came(shared: &Mutex<Shared>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    for table in crate::registry::schema::BASE_TABLES {
        shared.place.execute(&format!("DELETE FROM {}", table.name));
    }
    shared.place.execute("DELETE FROM public_security_resident");
    let mut case = Case {
        shared: &shared,
        model: Model::default(),
        leaf: 0,
        waiting: Vec::new(),
        aside: Vec::new(),
    };
    for step in steps {
        case.step(step)?;
    }
    case.flush()?;
    case.agrees()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn any_sequence_with_recalls_ends_where_what_was_recalled_never_came(steps in steps()) {
        ends_where_what_was_recalled_never_came(&ON_SQLITE, steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_sequence_with_recalls_ends_there_on_postgres_too(steps in steps()) {
        if Store::has_postgres() {
            ends_where_what_was_recalled_never_came(&ON_POSTGRES, steps)?;
        }
    }
}

#[test]
fn what_a_recall_opens_between_counting_and_closing_is_closed_by_the_snapshot_that_lacks_it() {
    let row = |id, act| Sent {
        id,
        act,
        name: 0,
        region: 0,
        source: None,
    };
    let steps = || {
        vec![
            Step::Push(0, vec![row(0, Act::Put), row(1, Act::Put)], false),
            Step::Push(0, vec![row(0, Act::Delete)], false),
            Step::Snapshot(0, vec![row(1, Act::Put)], None, Some((1, BETWEEN))),
        ]
    };
    ends_where_what_was_recalled_never_came(&ON_SQLITE, steps()).unwrap();
    if Store::has_postgres() {
        ends_where_what_was_recalled_never_came(&ON_POSTGRES, steps()).unwrap();
    }
}
