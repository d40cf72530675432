//! Whom the rows of a sample are about: part of a declaration, so that the generator needs to know no record type by name.

/// A sequence of numbers: row `r` has number `r * times / per + from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Numbers between two rows, more or less.
    pub times: u64,
    /// Rows that have one number in common.
    pub per: u64,
    /// The number of the first row.
    pub from: u64,
}

impl Drawn {
    /// Every number from this one on, so many apart.
    pub const fn every(times: u64, from: u64) -> Self {
        Self { times, per: 1, from }
    }

    /// The number of that row.
    pub fn number(self, row: u64) -> u64 {
        row.wrapping_mul(self.times) / self.per.max(1) + self.from
    }
}

/// The persons and units of a sample's rows. Under one seed a number is the same person or unit in every record type, so that the dead
/// of one source are the dead of the others, and who is closed was founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Which persons.
    pub people: Drawn,
    /// Which units.
    pub units: Drawn,
    /// The first two characters of their credit codes (GB 32100-2015, table 1), e.g. `91` for enterprises.
    pub unit_kind: &'static str,
}

impl Sampled {
    /// Every third person, every enterprise.
    pub const NEW: Self = Self {
        people: Drawn::every(3, 0),
        units: Drawn::every(1, 0),
        unit_kind: "91",
    };

    /// The same units, these persons.
    #[must_use]
    pub const fn people(self, people: Drawn) -> Self {
        Self { people, ..self }
    }

    /// The same persons, these units.
    #[must_use]
    pub const fn units(self, units: Drawn) -> Self {
        Self { units, ..self }
    }

    /// Units of that kind.
    #[must_use]
    pub const fn of_kind(self, unit_kind: &'static str) -> Self {
        Self { unit_kind, ..self }
    }
}
