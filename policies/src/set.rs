//! The policy set: every plan of a bundle, found by key. Default deny.
//!
//! Takes a folder or texts; gives the set or every fault in it. Reads each file once into memory, follows no symlink and refuses
//! files that it does not know.

mod build;
mod folder;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use shuguan_adapters::catalogue::{RecordType, record_types};

use crate::agreement::Known;
use crate::calendar::{Calendar, Calendars};
use crate::canonical::Canonical;
use crate::ceiling::{Ceiling, Ceilings, Names, Share};
use crate::compile::Context;
use crate::dataset::Dataset;
use crate::document::Fault;
use crate::key::{Key, Keys};
use crate::partner::{Partner, Partners};
use crate::plan::Plan;
use crate::purpose::{Purpose, Purposes};
use crate::target::{Direction, Mode, Target};
use crate::terms::Validity;
use crate::trial::Trials;
use build::Builder;
pub(crate) use folder::read_folder;
use folder::{FOLDERS, ROOT, unknown_file};

/// The record types that grants may name.
#[derive(Clone, Debug)]
pub struct Catalogue(Vec<&'static RecordType>);

impl Catalogue {
    /// The record types of the five agencies.
    pub fn of_adapters() -> Self {
        Self(record_types().collect())
    }

    /// These record types only.
    pub fn of(records: &[&'static RecordType]) -> Self {
        Self(records.to_vec())
    }

    /// The record type of that exact name.
    pub fn record(&self, name: &str) -> Option<&'static RecordType> {
        self.0.iter().copied().find(|record| record.name == name)
    }

    /// Every record type.
    pub fn records(&self) -> impl Iterator<Item = &'static RecordType> {
        self.0.iter().copied()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|record| record.name.to_owned()).collect()
    }

    /// Every record type and dataset, sorted by name.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = self.0.iter().copied().map(Target::Record).collect();
        targets.extend(Dataset::ALL.map(Target::Dataset));
        targets.sort_by_key(|target| target.name());
        targets
    }

    fn encode(&self, out: &mut Canonical) {
        let targets = self.targets();
        out.count(targets.len());
        for target in targets {
            target.encode(out);
        }
    }
}

/// Why a request is refused, in the order in which it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The purpose does not exist or cannot be requested.
    BadPurpose,
    /// No grant names this partner, data, purpose, direction and mode.
    NoGrant,
    /// The agreement has expired.
    Expired,
    /// The agreement is not valid yet.
    NotYet,
    /// The grant does not hold at this hour.
    OutsideHours,
}

impl Denial {
    /// Short name, the same as the refusal's, e.g. `no-grant`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::BadPurpose => "bad-purpose",
            Self::NoGrant => "no-grant",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::OutsideHours => "outside-hours",
        }
    }
}

/// Everything that one bundle allows.
#[derive(Debug)]
pub struct PolicySet {
    hash: [u8; 32],
    catalogue: Catalogue,
    partners: Partners,
    purposes: Purposes,
    keys: Keys,
    ceilings: Ceilings,
    calendars: Calendars,
    trials: Trials,
    /// Sorted by key.
    plans: Vec<Arc<Plan>>,
    /// What [`PolicySet::without_expired`] put aside.
    expired: Vec<Arc<Plan>>,
    /// See [`PolicySet::uneven`]; each with when both of its grants hold.
    uneven: Vec<(Fault, Validity)>,
    /// Partner id → target → plans: two look-ups whatever the size of the bundle.
    table: HashMap<String, HashMap<&'static str, Vec<Arc<Plan>>>>,
}

impl PolicySet {
    /// Loads a bundle folder.
    ///
    /// # Errors
    /// Every fault of every file; nothing is loaded then.
    pub fn load(dir: &Path) -> Result<Self, Vec<Fault>> {
        Self::from_texts(read_folder(dir)?)
    }

    /// Builds a set from (file name relative to the bundle, text) pairs.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn from_texts(texts: Vec<(String, String)>) -> Result<Self, Vec<Fault>> {
        Self::build(texts, Catalogue::of_adapters())
    }

    /// The same against a given catalogue.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn build(mut texts: Vec<(String, String)>, catalogue: Catalogue) -> Result<Self, Vec<Fault>> {
        let set = Self::build_untested(&mut texts, catalogue)?;
        let failures = set.test().failures;
        if failures.is_empty() { Ok(set) } else { Err(failures) }
    }

    /// A bundle folder whose own tests may fail: for whoever is writing them.
    ///
    /// # Errors
    /// Every other fault of every file.
    pub fn load_untested(dir: &Path) -> Result<Self, Vec<Fault>> {
        Self::build_untested(&mut read_folder(dir)?, Catalogue::of_adapters())
    }

    pub(crate) fn build_untested(texts: &mut [(String, String)], catalogue: Catalogue) -> Result<Self, Vec<Fault>> {
        // One order, so that faults and the second of two colliding grants do not depend on the file system.
        texts.sort();
        let texts: &[(String, String)] = texts;
        let mut builder = Builder::default();
        let purposes = builder.read(texts, "purposes.toml", Purposes::read);
        let partners = builder.read(texts, "partners.toml", Partners::read);
        let keys = builder.read(texts, "keys.toml", |document, root| {
            Keys::read(document, root, &partners, &purposes)
        });
        let names = Names {
            catalogue: &catalogue,
            partners: &partners,
            purposes: &purposes,
            keys: &keys,
        };
        let ceilings = builder.read(texts, "ceilings.toml", |document, root| {
            Ceilings::read(document, root, names)
        });
        let mut calendars = Calendars::default();
        builder.read_each(texts, "calendars/", |document, root| calendars.read(document, root));
        let mut trials = Trials::default();
        builder.read_each(texts, "tests/", |document, root| trials.read(document, root, names));
        let context = Context {
            catalogue: &catalogue,
            purposes: &purposes,
            partners: &partners,
            ceilings: &ceilings,
        };
        let known = Known {
            keys: &keys,
            calendars: &calendars,
        };
        for (file, text) in texts {
            let folder = file.split_once('/').map(|(folder, _)| folder);
            if folder == Some("agreements") {
                builder.read_agreement(file, text, known, &context);
            } else if !ROOT.contains(&file.as_str()) && folder.is_none_or(|folder| !FOLDERS.contains(&folder)) {
                builder.faults.push(unknown_file(file));
            }
        }
        // Most faults make others seem; what the whole table shows is shown once the files are good.
        if builder.faults.is_empty() {
            builder.check_table(texts, &ceilings, &partners);
        }
        if !builder.faults.is_empty() {
            return Err(builder.faults);
        }
        let uneven = builder.uneven_faults(texts);
        let mut plans = builder.plans;
        plans.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        let mut set = Self {
            hash: [0; 32],
            table: index(&plans),
            expired: Vec::new(),
            uneven,
            catalogue,
            partners,
            purposes,
            keys,
            ceilings,
            calendars,
            trials,
            plans,
        };
        set.hash = set.canonical_hash();
        Ok(set)
    }

    /// The same set without the plans whose agreement is over at a moment (µs since the epoch, UTC): they decide nothing and show
    /// nowhere, but a request under one is still told `expired`. The hash names the bundle as it was signed and stays.
    #[must_use]
    pub fn without_expired(mut self, now_us: i64) -> Self {
        let (over, held) = self
            .plans
            .into_iter()
            .partition(|plan: &Arc<Plan>| check_validity(plan, now_us) == Err(Denial::Expired));
        self.expired = over;
        self.plans = held;
        self.table = index(&self.plans);
        self
    }

    fn canonical_hash(&self) -> [u8; 32] {
        let mut out = Canonical::new("shuguan.policy.v1");
        self.catalogue.encode(&mut out);
        self.purposes.encode(&mut out);
        out.text(&self.partners.trust_domain).count(self.partners.list.len());
        self.partners.list.iter().for_each(|partner| partner.encode(&mut out));
        out.count(self.keys.list.len());
        self.keys.list.iter().for_each(|key| key.encode(&mut out));
        out.count(self.calendars.list.len());
        self.calendars
            .list
            .iter()
            .for_each(|calendar| calendar.encode(&mut out));
        self.ceilings.encode(&mut out);
        self.trials.encode(&mut out);
        out.count(self.plans.len());
        self.plans.iter().for_each(|plan| plan.encode(&mut out));
        out.hash()
    }

    /// SHA-256 of the bundle's canonical bytes; comments, file names and the order of tables do not change it.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Push grants of one partner for one record type that are in force at the same time and do not release the same columns. A bundle that has such comes
    /// into force no more; one that the log names was not asked for it, and is read and comes back as it was.
    pub fn uneven(&self) -> Vec<Fault> {
        self.uneven.iter().map(|(fault, _)| fault.clone()).collect()
    }

    /// Those of them whose two grants both hold at a moment (µs since the epoch, UTC) or later, each with the first second from then on at which they do;
    /// the earliest first.
    pub fn uneven_from(&self, now_us: i64) -> Vec<(&Fault, i64)> {
        let now_s = now_us.div_euclid(1_000_000);
        let to_come = self.uneven.iter().filter(|(_, both)| both.until_s >= now_s);
        let mut to_come: Vec<_> = to_come.map(|(fault, both)| (fault, both.from_s.max(now_s))).collect();
        to_come.sort_by_key(|(_, from_s)| *from_s);
        to_come
    }

    /// The same set, if it may come into force for the first time.
    ///
    /// # Errors
    /// What [`PolicySet::uneven`] names.
    pub fn into_new(self) -> Result<Self, Vec<Fault>> {
        if self.uneven.is_empty() {
            Ok(self)
        } else {
            Err(self.uneven())
        }
    }

    /// Every partner, sorted by id.
    pub fn partners(&self) -> &[Partner] {
        &self.partners.list
    }

    /// The partner whose certificate carries exactly this SPIFFE id.
    pub fn partner_by_spiffe(&self, spiffe: &str) -> Option<&Partner> {
        self.partners.list.iter().find(|partner| partner.spiffe == spiffe)
    }

    /// The partner of that id.
    pub fn partner(&self, id: &str) -> Option<&Partner> {
        self.partners.by_id(id)
    }

    /// The trust domain of all SPIFFE ids, e.g. `lyg.example`.
    pub fn trust_domain(&self) -> &str {
        &self.partners.trust_domain
    }

    /// Every purpose, sorted by code.
    pub fn purposes(&self) -> &[Purpose] {
        self.purposes.list()
    }

    /// The record types that this set was compiled against.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Every plan, sorted by key.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.plans.iter()
    }

    /// The plans of one partner, sorted by key.
    pub fn plans_of(&self, partner: &Partner) -> Vec<&Arc<Plan>> {
        let its = |plan: &&Arc<Plan>| plan.partner_ids().contains(&partner.id);
        self.plans.iter().filter(its).collect()
    }

    /// Decides one request at a moment (µs since the epoch, UTC).
    ///
    /// # Errors
    /// The first reason, in a fixed order: purpose, grant, validity, hours.
    pub fn decide(
        &self,
        partner: &Partner,
        target: Target,
        purpose: &str,
        direction: Direction,
        mode: Mode,
        now_us: i64,
    ) -> Result<Arc<Plan>, Denial> {
        self.check_purpose(purpose)?;
        let plan = self.find(&partner.id, target, purpose, direction, mode)?;
        check_validity(plan, now_us)?;
        check_hours(plan, now_us)?;
        Ok(Arc::clone(plan))
    }

    /// The grant of that key, if this bundle has one; its validity and hours are not asked.
    pub fn grant(
        &self,
        partner_id: &str,
        target: Target,
        purpose: &str,
        direction: Direction,
        mode: Mode,
    ) -> Option<&Arc<Plan>> {
        self.find(partner_id, target, purpose, direction, mode).ok()
    }

    pub(crate) fn check_purpose(&self, code: &str) -> Result<&Purpose, Denial> {
        let purpose = self.purposes.find(code).ok_or(Denial::BadPurpose)?;
        if purpose.requestable {
            Ok(purpose)
        } else {
            Err(Denial::BadPurpose)
        }
    }

    pub(crate) fn find(
        &self,
        partner_id: &str,
        target: Target,
        purpose: &str,
        direction: Direction,
        mode: Mode,
    ) -> Result<&Arc<Plan>, Denial> {
        let plans = self
            .table
            .get(partner_id)
            .and_then(|targets| targets.get(target.name()));
        let same = |plan: &&Arc<Plan>| (plan.purpose(), plan.direction(), plan.mode()) == (purpose, direction, mode);
        plans.and_then(|plans| plans.iter().find(same)).ok_or_else(|| {
            let mut over = self.expired.iter().filter(|plan| plan.target() == target);
            let its = |plan: &&Arc<Plan>| same(plan) && plan.partner_ids().iter().any(|id| id == partner_id);
            if over.any(|plan| its(&plan)) {
                Denial::Expired
            } else {
                Denial::NoGrant
            }
        })
    }

    /// The bounds of `ceilings.toml`, sorted by id.
    pub fn ceilings(&self) -> &[Ceiling] {
        &self.ceilings.list
    }

    pub(crate) fn shares(&self) -> &[Share] {
        &self.ceilings.shares
    }

    pub(crate) fn key_list(&self) -> &[Key] {
        &self.keys.list
    }

    pub(crate) fn calendars(&self) -> &[Arc<Calendar>] {
        &self.calendars.list
    }

    /// The bundle's own tests: cases and `never` lines.
    pub(crate) fn trials(&self) -> &Trials {
        &self.trials
    }

    pub(crate) fn partner_table(&self) -> &Partners {
        &self.partners
    }
}

/// Both the first and the last second of an agreement belong to it.
pub(crate) fn check_validity(plan: &Plan, now_us: i64) -> Result<(), Denial> {
    let now_s = now_us.div_euclid(1_000_000);
    let valid = plan.valid();
    if now_s > valid.until_s {
        return Err(Denial::Expired);
    }
    if now_s < valid.from_s {
        Err(Denial::NotYet)
    } else {
        Ok(())
    }
}

pub(crate) fn check_hours(plan: &Plan, now_us: i64) -> Result<(), Denial> {
    if plan.hours().is_none_or(|hours| hours.open_at(now_us)) {
        Ok(())
    } else {
        Err(Denial::OutsideHours)
    }
}

fn index(plans: &[Arc<Plan>]) -> HashMap<String, HashMap<&'static str, Vec<Arc<Plan>>>> {
    let mut table: HashMap<String, HashMap<&'static str, Vec<Arc<Plan>>>> = HashMap::new();
    for plan in plans {
        for partner in plan.partner_ids() {
            let targets = table.entry(partner.clone()).or_default();
            targets.entry(plan.target().name()).or_default().push(Arc::clone(plan));
        }
    }
    table
}

#[cfg(test)]
mod tests;
