//! Discrepancies for people: counts by kind, and where both sides came from. No number of a person, no key and no value: who has to look
//! further has the registry itself, or asks for the exchange as an officer.

use uuid::Uuid;

use super::super::dialect::Dialect;
use super::Kind;

/// Which are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// Those that are settled instead of those that hold.
    pub settled: bool,
    /// First found at or after this moment, microseconds since the epoch.
    pub from_us: i64,
    /// Lines at most.
    pub limit: u32,
}

/// How many there are of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The kind.
    pub kind: Kind,
    /// That hold.
    pub open: u64,
    /// That are settled.
    pub settled: u64,
}

/// Where one side came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The exchange.
    pub exchange: Uuid,
    /// The row in it, from 1.
    pub row: i64,
}

/// One discrepancy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What contradicts what.
    pub kind: Kind,
    /// One record type.
    pub record: String,
    /// Its row.
    pub one: Origin,
    /// The other record type.
    pub other_record: String,
    /// Its row; none where a row is missing.
    pub other: Option<Origin>,
    /// First found, microseconds since the epoch.
    pub first_us: i64,
    /// Last confirmed.
    pub last_us: i64,
    /// When it was settled, and by which exchange.
    pub settled: Option<(i64, Uuid)>,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// By kind, in order of their codes; kinds of which there is none are left out.
    pub tallies: Vec<Tally>,
    /// Newest first.
    pub lines: Vec<Shown>,
}

/// Counts by kind since the moment bound first.
pub(in crate::registry) fn tallies(dialect: Dialect) -> String {
    format!(
        "SELECT kind, count(*) - count(settled_us), count(settled_us) FROM discrepancy WHERE first_us >= {} GROUP BY kind ORDER BY kind",
        dialect.place(1)
    )
}

/// Lines since the moment bound first, of the code bound second, or of any when that is empty.
pub(in crate::registry) fn lines(dialect: Dialect, wanted: &Wanted) -> String {
    let settled = if wanted.settled { "IS NOT NULL" } else { "IS NULL" };
    let code = match wanted.kind {
        Some(_) => format!("kind = {}", dialect.place(2)),
        // Each parameter must stand somewhere.
        None => format!("{} = ''", dialect.place(2)),
    };
    format!(
        "SELECT kind, record, exchange, row_no, other_record, other_exchange, other_row, first_us, last_us, settled_us, settled_by \
         FROM discrepancy WHERE first_us >= {} AND {code} AND settled_us {settled} \
         ORDER BY first_us DESC, kind, exchange, row_no, other_record LIMIT {}",
        dialect.place(1),
        wanted.limit
    )
}

impl Wanted {
    /// The code that is bound second.
    pub(in crate::registry) fn code(&self) -> &'static str {
        self.kind.map_or("", Kind::code)
    }
}
