//! Building: the files of a bundle one after the other, every fault kept, and the checks that need the whole table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::agreement::{self, Known};
use crate::ceiling::Ceilings;
use crate::compile::{Context, check_header, compile};
use crate::document::{Document, Fault, Table};
use crate::partner::Partners;
use crate::plan::{OutputColumn, Plan};
use crate::target::{Direction, Mode, Target};
use crate::terms::{Place, Validity};

/// Partner, target, purpose, direction and mode, as text: what may have one grant only.
type Key = (String, &'static str, String, Direction, Mode);

/// Collects plans and faults file by file.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) faults: Vec<Fault>,
    pub(super) plans: Vec<Arc<Plan>>,
    keys: BTreeMap<Key, Place>,
    ids: BTreeMap<String, Place>,
    agreements: BTreeMap<String, Place>,
}

impl Builder {
    pub(super) fn read<'t, T: Default>(
        &mut self,
        texts: &'t [(String, String)],
        name: &str,
        read: impl FnOnce(&mut Document<'t>, Table<'t>) -> T,
    ) -> T {
        let Some((file, text)) = texts.iter().find(|(file, _)| file == name) else {
            // A bundle without ceilings is bounded by its agreements alone.
            if name != "ceilings.toml" {
                self.faults.push(Fault::of_file(name, "this file is missing", None));
            }
            return T::default();
        };
        let (mut document, mut root) = Document::parse(file.clone(), text);
        check_format(&mut document, &mut root);
        let table = read(&mut document, root);
        self.faults.extend(document.into_faults());
        table
    }

    /// Every file of a folder into one table.
    pub(super) fn read_each<'t>(
        &mut self,
        texts: &'t [(String, String)],
        folder: &str,
        mut read: impl FnMut(&mut Document<'t>, Table<'t>),
    ) {
        for (file, text) in texts.iter().filter(|(file, _)| file.starts_with(folder)) {
            let (mut document, mut root) = Document::parse(file.clone(), text);
            check_format(&mut document, &mut root);
            read(&mut document, root);
            self.faults.extend(document.into_faults());
        }
    }

    pub(super) fn read_agreement(&mut self, file: &str, text: &str, known: Known<'_>, context: &Context<'_>) {
        let (mut document, mut root) = Document::parse(file, text);
        check_format(&mut document, &mut root);
        let (header, grants) = agreement::read(&mut document, root, known);
        if let Some(header) = header {
            check_header(&mut document, &header, context);
            let place = Place {
                file: Arc::from(file),
                line: document.line(&header.agreement.span()),
            };
            let id = header.agreement.get_ref();
            if let Some(other) = self.agreements.insert(id.clone(), place) {
                let message = format!("agreement `{id}` stands here and at {other}");
                document.fault(header.agreement.span(), message, None);
            }
            for grant in grants {
                let span = grant.span.clone();
                for plan in compile(&mut document, grant, &header, context) {
                    self.add(&mut document, span.clone(), plan);
                }
            }
        }
        self.faults.extend(document.into_faults());
    }

    /// One key has one grant, and one id names one grant; the second of two is a fault that names both places.
    fn add(&mut self, document: &mut Document<'_>, span: std::ops::Range<usize>, plan: Plan) {
        let place = plan.place().clone();
        let (target, way) = (plan.target().name(), (plan.direction(), plan.mode()));
        for partner in plan.partner_ids() {
            let key = (partner.clone(), target, plan.purpose().to_owned(), way.0, way.1);
            if let Some(other) = self.keys.insert(key, place.clone()) {
                let message = format!(
                    "two grants for one key: `{partner}`, `{target}`, `{}`: here ({place}) and at {other}",
                    plan.purpose()
                );
                document.fault(span, message, Some("keep one of them; grants are never merged".into()));
                return;
            }
        }
        if let Some(other) = self.ids.insert(plan.grant_id().to_owned(), place.clone()) {
            let message = format!(
                "two grants with the id `{}`: here ({place}) and at {other}",
                plan.grant_id()
            );
            document.fault(span, message, Some("give one of them another `id`".into()));
            return;
        }
        self.plans.push(Arc::new(plan));
    }

    /// What only the whole table shows: ceilings, columns that two grants make differently, dataset fields that nothing feeds.
    pub(super) fn check_table(&mut self, texts: &[(String, String)], ceilings: &Ceilings, partners: &Partners) {
        let text = |file: &str| text_of(texts, file);
        let mut faults = Vec::new();
        for plan in &self.plans {
            faults.extend(ceilings.check(plan, partners, &text));
        }
        for (column, other) in self.contradictions() {
            let message = format!(
                "`{}` leaves this grant as {} and another one as {} ({})",
                column.name,
                column.kind.operator.describe(),
                other.kind.operator.describe(),
                other.granted_line
            );
            let hint = "the registry has one column for it; reduce it the same way in both, or drop it in one";
            faults.push(at(column, &text, message, hint));
        }
        for column in self.unfed() {
            let message = format!("no granted feed supplies `{}` of this dataset", column.name);
            let hint = "grant a record type that has it, kept as it is, or leave it out";
            faults.push(at(column, &text, message, hint));
        }
        self.faults.extend(faults);
    }

    /// Pairs of pushed columns of one record type and name with different types.
    fn contradictions(&self) -> Vec<(&OutputColumn, &OutputColumn)> {
        let mut first: BTreeMap<(&str, &str), &OutputColumn> = BTreeMap::new();
        let mut found = Vec::new();
        for plan in self.plans.iter().filter(|plan| plan.direction() == Direction::Push) {
            for column in plan.output() {
                let before = first.entry((plan.target().name(), column.name)).or_insert(column);
                if before.data_type != column.data_type {
                    found.push((column, *before));
                }
            }
        }
        found
    }

    /// What keeps a bundle from coming into force and leaves it readable: columns that only one of a partner's two grants releases. The bundles of before
    /// were not asked for it, and the log names them. Each with when both grants hold.
    pub(super) fn uneven_faults(&self, texts: &[(String, String)]) -> Vec<(Fault, Validity)> {
        let text = |file: &str| text_of(texts, file);
        let uneven = self.uneven();
        let said = uneven.iter().map(|uneven| (uneven.fault(&text), uneven.both()));
        said.collect()
    }

    /// Pairs of push grants of one partner for one record type that are in force at the same time and release different columns: a row has one content,
    /// with one provenance and one hash, so what a push does not bring is not there any more.
    fn uneven(&self) -> Vec<Uneven<'_>> {
        let mut beside: BTreeMap<(&str, &str), Vec<&Arc<Plan>>> = BTreeMap::new();
        let (mut found, mut named) = (Vec::new(), BTreeSet::new());
        for plan in self.plans.iter().filter(|plan| plan.direction() == Direction::Push) {
            for partner in plan.partner_ids() {
                let others = beside.entry((partner, plan.target().name())).or_default();
                let uneven = others
                    .iter()
                    .filter(|other| overlap(&plan.valid(), &other.valid()))
                    .filter_map(|other| differing(partner, plan, other));
                found.extend(uneven.filter(|one| named.insert((one.of.grant_id(), one.other.grant_id()))));
                others.push(plan);
            }
        }
        found
    }

    /// Columns of pulls whose field comes out of no push.
    fn unfed(&self) -> Vec<&OutputColumn> {
        let feeds = |record: &str, field: &str| {
            let mut pushes = self.plans.iter().filter(|plan| plan.target().name() == record);
            pushes.any(|plan| plan.keeps(field))
        };
        let mut unfed = Vec::new();
        for plan in &self.plans {
            let Target::Dataset(dataset) = plan.target() else {
                continue;
            };
            let empty = |column: &&OutputColumn| {
                let reads = column.kind.operator.reads_source();
                reads
                    && !dataset
                        .origins(column.name)
                        .iter()
                        .any(|(record, field)| feeds(record, field))
            };
            unfed.extend(plan.output().iter().filter(empty));
        }
        unfed
    }
}

/// Two push grants of a partner, and the first column that only one of them releases so.
struct Uneven<'p> {
    partner: &'p str,
    column: &'p OutputColumn,
    of: &'p Plan,
    other: &'p Plan,
}

impl Uneven<'_> {
    /// When both grants hold.
    fn both(&self) -> Validity {
        let (one, other) = (self.of.valid(), self.other.valid());
        Validity {
            from_s: one.from_s.max(other.from_s),
            until_s: one.until_s.min(other.until_s),
        }
    }

    fn fault(&self, text: &dyn Fn(&str) -> String) -> Fault {
        let Self {
            partner,
            column,
            of,
            other,
        } = self;
        let message = format!(
            "`{partner}` pushes `{}` by two grants that do not release the same columns: `{}` leaves `{}` as {} and `{}` ({}) not so",
            of.target().name(),
            column.name,
            of.grant_id(),
            column.kind.operator.describe(),
            other.grant_id(),
            other.place()
        );
        let hint = "a row holds what was pushed last, by whichever grant, so the other's columns would be emptied; give both the same columns, reduced alike";
        at(column, text, message, hint)
    }
}

fn text_of(texts: &[(String, String)], file: &str) -> String {
    let found = texts.iter().find(|(name, _)| name == file);
    found.map(|(_, text)| text.clone()).unwrap_or_default()
}

fn overlap(one: &Validity, other: &Validity) -> bool {
    one.from_s <= other.until_s && other.from_s <= one.until_s
}

fn differing<'p>(partner: &'p str, one: &'p Plan, other: &'p Plan) -> Option<Uneven<'p>> {
    let lacks = |of: &'p Plan, other: &'p Plan| {
        let releases = |column: &OutputColumn| {
            let mut columns = other.output().iter();
            columns.any(|same| same.name == column.name && same.kind.operator == column.kind.operator)
        };
        let column = of.output().iter().find(|column| !releases(column))?;
        Some(Uneven {
            partner,
            column,
            of,
            other,
        })
    };
    lacks(one, other).or_else(|| lacks(other, one))
}

fn at(column: &OutputColumn, text: &dyn Fn(&str) -> String, message: String, hint: &str) -> Fault {
    let place = &column.granted_line;
    Fault::of_line(
        &place.file,
        &text(&place.file),
        place.line,
        column.name,
        message,
        Some(hint.into()),
    )
}

/// Each file names the form that it is written in.
fn check_format<'s>(document: &mut Document<'s>, root: &mut Table<'s>) {
    let format: Option<toml::Spanned<u32>> = root.required(document, "format");
    if let Some(format) = format
        && *format.get_ref() != 1
    {
        let message = format!("format {} is not known", format.get_ref());
        document.fault(format.span(), message, Some("write `format = 1`".into()));
    }
}
