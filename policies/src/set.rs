//! The policy set: every plan of a bundle, found by key. Default deny.
//!
//! Takes a folder or texts; gives the set or every fault in it. Reads each file once into memory, follows no symlink and refuses
//! files that it does not know.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use shuguan_adapters::catalogue::{RecordType, record_types};

use crate::agreement;
use crate::bundle::SIGNATURE_FILE;
use crate::canonical::Canonical;
use crate::compile::{Context, check_header, compile};
use crate::dataset::Dataset;
use crate::document::{Document, Fault, Table};
use crate::key::Keys;
use crate::partner::{Partner, Partners};
use crate::plan::{Place, Plan};
use crate::purpose::{Purpose, Purposes};
use crate::target::{Direction, Mode, Target};

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

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|record| record.name.to_owned()).collect()
    }

    fn encode(&self, out: &mut Canonical) {
        let mut targets: Vec<Target> = self.0.iter().copied().map(Target::Record).collect();
        targets.extend(Dataset::ALL.map(Target::Dataset));
        targets.sort_by_key(|target| target.name());
        out.count(targets.len());
        for target in targets {
            out.text(target.name()).integer(target.schema().into());
            out.count(target.fields().len());
            for field in target.fields() {
                out.text(field.name)
                    .text(&field.kind.describe())
                    .text(field.class.name());
            }
            out.count(target.keys().len());
            for key in target.keys() {
                out.set(key);
            }
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
    /// Sorted by key.
    plans: Vec<Arc<Plan>>,
    /// Partner id → target → plans: two look-ups whatever the size of the bundle.
    table: HashMap<String, HashMap<&'static str, Vec<Arc<Plan>>>>,
}

/// Largest file of a bundle; a person has to read it.
const FILE_BYTES_MAX: u64 = 1 << 20;

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
        // One order, so that faults and the second of two colliding grants do not depend on the file system.
        texts.sort();
        let mut builder = Builder::default();
        let purposes = builder.read(&texts, "purposes.toml", Purposes::read);
        let partners = builder.read(&texts, "partners.toml", Partners::read);
        let keys = builder.read(&texts, "keys.toml", |document, root| {
            Keys::read(document, root, &partners, &purposes)
        });
        let context = Context {
            catalogue: &catalogue,
            purposes: &purposes,
            partners: &partners,
        };
        for (file, text) in &texts {
            if file.starts_with("agreements/") {
                builder.read_agreement(file, text, &keys, &context);
            } else if !["purposes.toml", "partners.toml", "keys.toml"].contains(&file.as_str()) {
                builder.faults.push(unknown_file(file));
            }
        }
        if !builder.faults.is_empty() {
            return Err(builder.faults);
        }
        let mut plans = builder.plans;
        plans.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        let mut set = Self {
            hash: [0; 32],
            table: index(&plans),
            catalogue,
            partners,
            purposes,
            plans,
        };
        set.hash = set.canonical_hash(&keys);
        Ok(set)
    }

    fn canonical_hash(&self, keys: &Keys) -> [u8; 32] {
        let mut out = Canonical::new("shuguan.policy.v1");
        self.catalogue.encode(&mut out);
        self.purposes.encode(&mut out);
        out.text(&self.partners.trust_domain).count(self.partners.list.len());
        self.partners.list.iter().for_each(|partner| partner.encode(&mut out));
        out.count(keys.list.len());
        keys.list.iter().for_each(|key| key.encode(&mut out));
        out.count(self.plans.len());
        self.plans.iter().for_each(|plan| plan.encode(&mut out));
        out.hash()
    }

    /// SHA-256 of the bundle's canonical bytes; comments, file names and the order of tables do not change it.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
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
        plans.and_then(|plans| plans.iter().find(same)).ok_or(Denial::NoGrant)
    }
}

const US_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 24 * 60;

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
    let Some(hours) = plan.hours() else { return Ok(()) };
    // Asia/Shanghai is UTC+8 all year.
    let minute = (now_us.div_euclid(US_PER_MINUTE) + 8 * 60).rem_euclid(MINUTES_PER_DAY);
    let open = i64::from(hours.from_minute)..i64::from(hours.to_minute);
    if open.contains(&minute) {
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

/// Partner, target, purpose, direction and mode, as text: what may have one grant only.
type Key = (String, &'static str, String, Direction, Mode);

/// Collects plans and faults file by file.
#[derive(Debug, Default)]
struct Builder {
    faults: Vec<Fault>,
    plans: Vec<Arc<Plan>>,
    keys: BTreeMap<Key, Place>,
    ids: BTreeMap<String, Place>,
    agreements: BTreeMap<String, Place>,
}

impl Builder {
    fn read<'t, T: Default>(
        &mut self,
        texts: &'t [(String, String)],
        name: &str,
        read: impl FnOnce(&mut Document<'t>, Table<'t>) -> T,
    ) -> T {
        let Some((file, text)) = texts.iter().find(|(file, _)| file == name) else {
            self.faults.push(Fault::of_file(name, "this file is missing", None));
            return T::default();
        };
        let (mut document, mut root) = Document::parse(file.clone(), text);
        check_format(&mut document, &mut root);
        let table = read(&mut document, root);
        self.faults.extend(document.into_faults());
        table
    }

    fn read_agreement(&mut self, file: &str, text: &str, keys: &Keys, context: &Context<'_>) {
        let (mut document, mut root) = Document::parse(file, text);
        check_format(&mut document, &mut root);
        let (header, grants) = agreement::read(&mut document, root, keys);
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
                if let Some(plan) = compile(&mut document, grant, &header, context) {
                    self.add(&mut document, span, plan);
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
}

fn check_format<'s>(document: &mut Document<'s>, root: &mut Table<'s>) {
    let format: Option<toml::Spanned<u32>> = root.required(document, "format");
    if let Some(format) = format
        && *format.get_ref() != 1
    {
        let message = format!("format {} is not known", format.get_ref());
        document.fault(format.span(), message, Some("write `format = 1`".into()));
    }
}

fn unknown_file(file: &str) -> Fault {
    let hint = "a bundle holds purposes.toml, partners.toml, keys.toml and agreements/*.toml";
    Fault::of_file(file, "this file does not belong to a bundle", Some(hint.into()))
}

/// The files of a bundle folder, each read once.
pub(crate) fn read_folder(dir: &Path) -> Result<Vec<(String, String)>, Vec<Fault>> {
    let mut texts = Vec::new();
    let mut faults = Vec::new();
    read_level(dir, "", &mut texts, &mut faults);
    if faults.is_empty() { Ok(texts) } else { Err(faults) }
}

fn read_level(dir: &Path, prefix: &str, texts: &mut Vec<(String, String)>, faults: &mut Vec<Fault>) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            faults.push(Fault::of_file(
                dir.display().to_string(),
                format!("cannot be read: {error}"),
                None,
            ));
            return;
        }
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in names {
        let path = dir.join(&name);
        let label = format!("{prefix}{name}");
        // Metadata of the entry itself: a symlink is neither file nor folder here.
        match std::fs::symlink_metadata(&path) {
            // The officers' envelope is no text of the bundle: `bundle` reads it.
            Ok(meta) if meta.is_file() && label == SIGNATURE_FILE => {}
            Ok(meta) if meta.is_dir() && label == "agreements" => read_level(&path, "agreements/", texts, faults),
            Ok(meta)
                if meta.is_file()
                    && path.extension().is_some_and(|ending| ending == "toml")
                    && meta.len() <= FILE_BYTES_MAX =>
            {
                match std::fs::read_to_string(&path) {
                    Ok(text) => texts.push((label, text)),
                    Err(error) => faults.push(Fault::of_file(label, format!("cannot be read: {error}"), None)),
                }
            }
            _ => faults.push(unknown_file(&label)),
        }
    }
}

#[cfg(test)]
mod tests;
