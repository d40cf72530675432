//! Ceilings: upper bounds that law or a data owner sets, checked over the whole compiled table.
//!
//! Takes `ceilings.toml`; says what a bundle may at most disclose, and what is shared at all. A bound names grants (by role, partner,
//! purpose, direction, mode, record type or dataset) and fields (by name or class); everything that a plan tells about such a field, also
//! by implication, must be within `at_most`. Refuses names that do not exist: a misspelt bound would bound nothing.

use shuguan_adapters::catalogue::Class;
use toml::Spanned;

use crate::bound::Bound;
use crate::canonical::Canonical;
use crate::document::{Document, Fault, Table, nearest};
use crate::key::Keys;
use crate::partner::Partners;
use crate::plan::Plan;
use crate::purpose::Purposes;
use crate::set::Catalogue;
use crate::terms::Place;

/// One bound with its ground.
#[derive(Clone, Debug)]
pub struct Ceiling {
    /// Its id, e.g. `L-05`.
    pub id: String,
    /// Why: the article or the owner's decision.
    pub why: String,
    /// What is bounded.
    pub bound: Bound,
    /// Where it stands.
    pub place: Place,
}

/// How an owner shares a record type (政务数据共享条例: 无条件共享, 有条件共享, 不予共享).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareKind {
    /// 无条件共享.
    Free,
    /// 有条件共享: with an approved application.
    Conditional,
    /// 不予共享: never.
    None,
}

impl ShareKind {
    const ALL: [Self; 3] = [Self::Free, Self::Conditional, Self::None];

    /// `free`, `conditional` or `none`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Conditional => "conditional",
            Self::None => "none",
        }
    }
}

/// What an owner says about one record type.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) record: String,
    pub(crate) kind: ShareKind,
    pub(crate) ground: String,
    pub(crate) place: Place,
}

/// `ceilings.toml`.
#[derive(Debug, Default)]
pub(crate) struct Ceilings {
    pub(crate) list: Vec<Ceiling>,
    pub(crate) shares: Vec<Share>,
}

/// What bounds may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'n> {
    pub(crate) catalogue: &'n Catalogue,
    pub(crate) partners: &'n Partners,
    pub(crate) purposes: &'n Purposes,
    pub(crate) keys: &'n Keys,
}

impl Ceilings {
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut root: Table<'s>, names: Names<'_>) -> Self {
        let mut ceilings = Self::default();
        for table in root.tables(document, "share") {
            ceilings.read_share(document, table, names.catalogue);
        }
        for table in root.tables(document, "ceiling") {
            ceilings.read_one(document, table, names);
        }
        root.finish(document);
        ceilings.list.sort_by(|a, b| a.id.cmp(&b.id));
        ceilings.shares.sort_by(|a, b| a.record.cmp(&b.record));
        ceilings
    }

    fn read_one<'s>(&mut self, document: &mut Document<'s>, mut table: Table<'s>, names: Names<'_>) {
        let place = place_of(document, &table);
        let id: Option<Spanned<String>> = table.required(document, "id");
        let why: Option<Spanned<String>> = table.required(document, "why");
        let bound = Bound::read(document, table, names);
        if let Some(why) = &why
            && why.get_ref().is_empty()
        {
            document.fault(why.span(), "a ceiling says why".into(), None);
        }
        let (Some(id), Some(why), Some(bound)) = (id, why, bound) else {
            return;
        };
        if let Some(other) = self.list.iter().find(|other| other.id == *id.get_ref()) {
            let message = format!("ceiling `{}` stands here and at {}", id.get_ref(), other.place);
            document.fault(id.span(), message, None);
        }
        self.list.push(Ceiling {
            id: id.into_inner(),
            why: why.into_inner(),
            bound,
            place,
        });
    }

    fn read_share<'s>(&mut self, document: &mut Document<'s>, mut table: Table<'s>, catalogue: &Catalogue) {
        let place = place_of(document, &table);
        let record: Option<Spanned<String>> = table.required(document, "record");
        let kind: Option<Spanned<String>> = table.required(document, "kind");
        let ground: Option<Spanned<String>> = table.required(document, "ground");
        table.finish(document);
        if let Some(record) = &record
            && catalogue.record(record.get_ref()).is_none()
        {
            let hint = nearest(record.get_ref(), &catalogue.names()).map(|known| format!("did you mean `{known}`?"));
            document.fault(
                record.span(),
                format!("`{}` is not in the catalogue", record.get_ref()),
                hint,
            );
        }
        if let Some(ground) = &ground
            && ground.get_ref().is_empty()
        {
            document.fault(ground.span(), "the owner's decision names its ground".into(), None);
        }
        let found = kind.and_then(|kind| {
            let found = ShareKind::ALL.into_iter().find(|one| one.name() == kind.get_ref());
            if found.is_none() {
                let hint = ShareKind::ALL.map(ShareKind::name).join(", ");
                document.fault(
                    kind.span(),
                    format!("share `{}` is not known", kind.get_ref()),
                    Some(format!("one of {hint}")),
                );
            }
            found
        });
        let (Some(record), Some(kind), Some(ground)) = (record, found, ground) else {
            return;
        };
        if let Some(other) = self.share_of(record.get_ref()) {
            let message = format!("`{}` stands here and at {}", record.get_ref(), other.place);
            document.fault(record.span(), message, None);
        }
        self.shares.push(Share {
            record: record.into_inner(),
            kind,
            ground: ground.into_inner(),
            place,
        });
    }

    pub(crate) fn share_of(&self, record: &str) -> Option<&Share> {
        self.shares.iter().find(|share| share.record == record)
    }

    /// Every ceiling that a plan breaks, as faults at the lines that break it.
    pub(crate) fn check(&self, plan: &Plan, partners: &Partners, text: &dyn Fn(&str) -> String) -> Vec<Fault> {
        let mut faults = Vec::new();
        for ceiling in &self.list {
            for breach in ceiling.bound.breaches(plan, partners) {
                let message = format!("ceiling {} ({}) is broken: {}", ceiling.id, ceiling.why, breach.what);
                let hint = format!(
                    "{} allows at most `{}`",
                    ceiling.place,
                    ceiling.bound.at_most.describe()
                );
                let file = &*breach.place.file;
                let (line, word) = (breach.place.line, breach.word.as_str());
                faults.push(Fault::of_line(file, &text(file), line, word, message, Some(hint)));
            }
        }
        faults
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.count(self.list.len());
        for ceiling in &self.list {
            out.text(&ceiling.id).text(&ceiling.why);
            ceiling.bound.encode(out);
        }
        out.count(self.shares.len());
        for share in &self.shares {
            out.text(&share.record).text(share.kind.name()).text(&share.ground);
        }
    }
}

/// Where a table begins.
pub(crate) fn place_of(document: &Document<'_>, table: &Table<'_>) -> Place {
    Place {
        file: std::sync::Arc::from(document.file()),
        line: document.line(&table.span()),
    }
}

/// The class of that name.
pub(crate) fn class_of(name: &str) -> Option<Class> {
    [Class::C0, Class::C1, Class::C2, Class::C3, Class::C4]
        .into_iter()
        .find(|class| class.name() == name)
}
