//! What a grant is about: a record type that is pushed or a dataset that is pulled, and which way it goes.

use shuguan_adapters::catalogue::{Field, RecordType, Subject};

use crate::canonical::Canonical;
use crate::dataset::Dataset;

/// A record type (pushed) or a dataset (pulled).
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A record type of an agency.
    Record(&'static RecordType),
    /// A dataset of the registry.
    Dataset(Dataset),
}

impl Target {
    /// `agency/record`, or the dataset's name; the two never collide, because only one has a slash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record(record) => record.name,
            Self::Dataset(dataset) => dataset.name(),
        }
    }

    /// Chinese name.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Record(record) => record.zh,
            Self::Dataset(dataset) => dataset.zh(),
        }
    }

    /// Every field that a grant may name.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Record(record) => record.fields,
            Self::Dataset(dataset) => dataset.fields(),
        }
    }

    /// The field of that exact name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// Schema number that a grant must state.
    pub fn schema(self) -> u32 {
        match self {
            Self::Record(record) => record.schema,
            Self::Dataset(dataset) => dataset.schema(),
        }
    }

    /// Natural keys of a record type; a dataset has none, because nothing is merged after it is pulled.
    pub fn keys(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Record(record) => record.keys,
            Self::Dataset(_) => &[],
        }
    }

    /// Whom a row is about: what the index of subjects is built from.
    pub fn subjects(self) -> &'static [Subject] {
        match self {
            Self::Record(record) => record.subjects,
            Self::Dataset(dataset) => dataset.subjects(),
        }
    }

    /// Schema, fields with type and class, natural keys.
    pub(crate) fn encode(self, out: &mut Canonical) {
        out.text(self.name()).integer(self.schema().into());
        out.count(self.fields().len());
        for field in self.fields() {
            out.text(field.name)
                .text(&field.kind.describe())
                .text(field.class.name());
        }
        out.count(self.keys().len());
        for key in self.keys() {
            out.set(key);
        }
    }

    /// The way in which it goes: record types are pushed, datasets are pulled (C1).
    pub fn direction(self) -> Direction {
        match self {
            Self::Record(_) => Direction::Push,
            Self::Dataset(_) => Direction::Pull,
        }
    }

    /// The mode in which it goes unless said otherwise: `feed` or `extract`.
    pub fn mode(self) -> Mode {
        match self {
            Self::Record(_) => Mode::Feed,
            Self::Dataset(_) => Mode::Extract,
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Target {}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From an agency to the registry.
    Push,
    /// Out of the registry.
    Pull,
}

impl Direction {
    /// `push` or `pull`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }

    /// The direction of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Push, Self::Pull].into_iter().find(|one| one.name() == name)
    }
}

/// How data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Records as the agency has them.
    Feed,
    /// Rows of a dataset.
    Extract,
    /// Agree, differ or absent, one subject at a time.
    Compare,
}

impl Mode {
    /// `feed`, `extract` or `compare`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Extract => "extract",
            Self::Compare => "compare",
        }
    }

    /// The mode of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Feed, Self::Extract, Self::Compare]
            .into_iter()
            .find(|one| one.name() == name)
    }
}
