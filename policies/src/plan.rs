//! Plans: a grant compiled against the catalogue, and the gate that data goes through.
//!
//! Takes record batches that hold exactly the columns [`Plan::wanted`] names; gives batches that hold exactly [`Plan::output`].
//! Refuses anything else as a fault: a column that no grant names has no way through.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use shuguan_adapters::catalogue::{Agency, Field, Subject};

use crate::canonical::Canonical;
use crate::filter::Atom;
use crate::key::KeyRing;
use crate::operator::Operator;
use crate::target::{Direction, Mode, Target};

/// Where something stands in the bundle: file and 1-based line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the bundle.
    pub file: Arc<str>,
    /// First line is 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// Every partner of an agency.
    Agency(Agency),
    /// One partner.
    Partner(String),
}

/// Legal ground of an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Kind, e.g. `statutory-duty`; the purpose says which kinds it takes.
    pub kind: String,
    /// Article ids, e.g. `si-57.3`.
    pub articles: Vec<String>,
    /// The signed paper.
    pub document: String,
}

/// When a grant holds: both seconds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second, since the epoch, UTC.
    pub from_s: i64,
    /// Last second, since the epoch, UTC.
    pub until_s: i64,
}

/// Hours of each day in Asia/Shanghai at which a grant holds, in minutes after midnight: from included, to not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// First minute.
    pub from_minute: u16,
    /// First minute after.
    pub to_minute: u16,
}

/// Legal quotas of a grant; absent means unlimited by law, not by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows in one push.
    pub rows_per_push: Option<u64>,
    /// Rows in one pull.
    pub rows_per_pull: Option<u64>,
    /// Rows a day, in Asia/Shanghai.
    pub rows_per_day: Option<u64>,
    /// Pulls a day, in Asia/Shanghai.
    pub pulls_per_day: Option<u64>,
    /// Highest share of rejects in a push, in percent, 0 to 100.
    pub reject_percent: Option<u64>,
}

/// What a grant says apart from its columns.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) id: String,
    pub(crate) agreement: String,
    pub(crate) consumer: String,
    pub(crate) basis: Basis,
    pub(crate) impact_assessment: Option<String>,
    pub(crate) necessity: Option<String>,
    pub(crate) grantee: Grantee,
    pub(crate) partner_ids: Vec<String>,
    pub(crate) target: Target,
    pub(crate) purpose: String,
    pub(crate) direction: Direction,
    pub(crate) mode: Mode,
    pub(crate) valid: Validity,
    pub(crate) hours: Option<Hours>,
    pub(crate) limits: Limits,
    pub(crate) select_by: Vec<&'static str>,
    pub(crate) place: Place,
}

/// How an output column comes about.
#[derive(Clone, Debug)]
pub struct OutputKind {
    /// What is done to the field.
    pub operator: Operator,
    /// The source field.
    pub field: &'static Field,
}

/// One column of what is released.
#[derive(Clone, Debug)]
pub struct OutputColumn {
    /// English name: the source field's.
    pub name: &'static str,
    /// Chinese name.
    pub zh: &'static str,
    /// Arrow type after the operator.
    pub data_type: DataType,
    /// Operator and source field.
    pub kind: OutputKind,
    /// Where the bundle grants it.
    pub granted_line: Place,
}

/// A field that the grant names in order to withhold it.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// The field.
    pub field: &'static Field,
    /// Where the bundle says so.
    pub place: Place,
}

/// A compiled grant.
#[derive(Debug)]
pub struct Plan {
    terms: Terms,
    output: Vec<OutputColumn>,
    dropped: Vec<Dropped>,
    atoms: Vec<Atom>,
    wanted: Vec<&'static str>,
    wanted_types: Vec<DataType>,
    schema: SchemaRef,
    hash: [u8; 32],
}

/// One part after the gate.
#[derive(Clone, Debug)]
pub struct ReleasedPart {
    /// Output columns in order, compact, without metadata.
    pub batch: RecordBatch,
    /// Rows that the grant's row filters held back.
    pub filtered: u64,
}

/// Why a part could not be released: always a fault of ours, never of the sender. Names fields, never values.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The part does not hold exactly the wanted columns with their types.
    #[error("the part does not hold exactly the columns that the plan wants")]
    Columns,
    /// A column holds what its field type cannot.
    #[error("column `{field}` is not of the type that the plan was compiled for")]
    IllTyped {
        /// The field.
        field: &'static str,
    },
    /// A key could not be derived.
    #[error("a pseudonym key could not be derived")]
    Key,
    /// The column library refused.
    #[error("the columns could not be put together")]
    Columnar(#[source] ArrowError),
}

impl Plan {
    pub(crate) fn new(terms: Terms, output: Vec<OutputColumn>, dropped: Vec<Dropped>, atoms: Vec<Atom>) -> Self {
        let mut wanted: Vec<&'static Field> = Vec::new();
        let read = output.iter().filter(|column| column.kind.operator.reads_source());
        wanted.extend(read.map(|column| column.kind.field));
        let columns: Vec<_> = output
            .iter()
            .map(|column| arrow_schema::Field::new(column.name, column.data_type.clone(), true))
            .collect();
        let mut plan = Self {
            wanted: wanted.iter().map(|field| field.name).collect(),
            wanted_types: wanted.iter().map(|field| field.kind.data_type()).collect(),
            schema: Arc::new(Schema::new(columns)),
            terms,
            output,
            dropped,
            atoms,
            hash: [0; 32],
        };
        let mut canonical = Canonical::new("shuguan.plan.v1");
        plan.encode(&mut canonical);
        plan.hash = canonical.hash();
        plan
    }

    /// SHA-256 of the plan's canonical bytes; an unrelated edit of the bundle leaves it as it was.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Id of the grant, unique in the bundle.
    pub fn grant_id(&self) -> &str {
        &self.terms.id
    }

    /// Id of the agreement.
    pub fn agreement(&self) -> &str {
        &self.terms.agreement
    }

    /// Legal ground.
    pub fn basis(&self) -> &Basis {
        &self.terms.basis
    }

    /// Legal-basis ids, e.g. `si-57.3`.
    pub fn articles(&self) -> &[String] {
        &self.terms.basis.articles
    }

    /// The registry partner for whom the data is.
    pub fn consumer(&self) -> &str {
        &self.terms.consumer
    }

    /// Whom it is for, as the bundle says it.
    pub fn grantee(&self) -> &Grantee {
        &self.terms.grantee
    }

    /// Every partner it is for, sorted.
    pub fn partner_ids(&self) -> &[String] {
        &self.terms.partner_ids
    }

    /// Record type or dataset.
    pub fn target(&self) -> Target {
        self.terms.target
    }

    /// Purpose code.
    pub fn purpose(&self) -> &str {
        &self.terms.purpose
    }

    /// Push or pull.
    pub fn direction(&self) -> Direction {
        self.terms.direction
    }

    /// Feed or extract.
    pub fn mode(&self) -> Mode {
        self.terms.mode
    }

    /// Legal quotas.
    pub fn limits(&self) -> &Limits {
        &self.terms.limits
    }

    /// Dataset fields that a request may select on; empty for a push.
    pub fn select_by(&self) -> &[&'static str] {
        &self.terms.select_by
    }

    /// When it holds.
    pub fn valid(&self) -> Validity {
        self.terms.valid
    }

    /// Hours of the day at which it holds; none means any.
    pub fn hours(&self) -> Option<Hours> {
        self.terms.hours
    }

    /// Where the grant stands in the bundle.
    pub fn place(&self) -> &Place {
        &self.terms.place
    }

    /// Source fields to decode or query, in this order: what the output is made of. Row filters, keys and subjects read only fields
    /// that are released, so they add none.
    pub fn wanted(&self) -> &[&'static str] {
        &self.wanted
    }

    /// What is released, in order: `keep` as written, then `reduce` as written.
    pub fn output(&self) -> &[OutputColumn] {
        &self.output
    }

    /// Fields that the grant names in order to withhold them.
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// Row filters; all must hold.
    pub fn rows(&self) -> &[Atom] {
        &self.atoms
    }

    /// Whether the field is released as it is.
    pub fn keeps(&self, field: &str) -> bool {
        keeps(&self.output, field)
    }

    /// Natural keys of the record type that are released whole, in order of preference; at least one for a push.
    pub fn natural_keys(&self) -> Vec<&'static [&'static str]> {
        let keys = self.terms.target.keys().iter().copied();
        keys.filter(|key| key.iter().all(|field| self.keeps(field))).collect()
    }

    /// Subjects whose field is released whole, in order of preference: a pseudonym or a mask identifies nobody, so no person or
    /// enterprise index is built from it.
    pub fn subjects(&self) -> Vec<Subject> {
        let Target::Record(record) = self.terms.target else {
            return Vec::new();
        };
        let known = |subject: &Subject| match subject {
            Subject::Person(field) | Subject::Enterprise(field) => self.keeps(field),
        };
        record.subjects.iter().copied().filter(known).collect()
    }

    /// Schema of what is released: output columns in order, nullable, empty metadata.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Applies row filters, then one operator a column.
    ///
    /// Takes a part with exactly the wanted columns in order; `_today` (days since 1970-01-01 in Asia/Shanghai) is for operators that
    /// depend on age. The result owns compact buffers: no slices, null slots of length 0, no metadata. Columns that are kept and
    /// compact already are copied by pointer.
    ///
    /// # Errors
    /// [`ReleaseError`]; nothing of the part is released then.
    pub fn release(&self, part: &RecordBatch, keys: &KeyRing, _today: i32) -> Result<ReleasedPart, ReleaseError> {
        self.check(part)?;
        let passing = self.passing(part)?;
        let rows = passing.as_ref().map_or(part.num_rows(), FilterPredicate::count);
        let mut columns = Vec::with_capacity(self.output.len());
        for column in &self.output {
            columns.push(release_column(column, part, passing.as_ref(), rows, keys)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(self.schema(), columns, &options).map_err(ReleaseError::Columnar)?;
        let filtered = part.num_rows().saturating_sub(rows);
        Ok(ReleasedPart {
            batch,
            filtered: u64::try_from(filtered).unwrap_or(u64::MAX),
        })
    }

    /// The gate: exactly the wanted columns, with exactly their types.
    fn check(&self, part: &RecordBatch) -> Result<(), ReleaseError> {
        let schema = part.schema_ref();
        let wanted = self.wanted.iter().zip(&self.wanted_types);
        let same = schema.fields().len() == self.wanted.len()
            && schema
                .fields()
                .iter()
                .zip(wanted)
                .all(|(field, (name, data_type))| field.name() == name && field.data_type() == data_type);
        if same { Ok(()) } else { Err(ReleaseError::Columns) }
    }

    /// Which rows pass every atom; `None` when all do.
    fn passing(&self, part: &RecordBatch) -> Result<Option<FilterPredicate>, ReleaseError> {
        let mut passing: Option<BooleanArray> = None;
        for atom in &self.atoms {
            let column = part.column_by_name(atom.field).ok_or(ReleaseError::Columns)?;
            let rows = atom.rows(column).ok_or(ReleaseError::IllTyped { field: atom.field })?;
            passing = Some(match passing {
                None => rows,
                Some(before) => BooleanArray::new(before.values() & rows.values(), None),
            });
        }
        let passing = passing.filter(|rows| rows.true_count() < part.num_rows());
        Ok(passing.map(|rows| FilterBuilder::new(&rows).optimize().build()))
    }

    /// The grant in canonical bytes: key, ground, the catalogue rows it uses, operators, row atoms, limits, validity.
    pub(crate) fn encode(&self, out: &mut Canonical) {
        let terms = &self.terms;
        match &terms.grantee {
            Grantee::Agency(agency) => out.text("agency").text(agency.name()),
            Grantee::Partner(id) => out.text("partner").text(id),
        };
        out.text(terms.target.name()).text(&terms.purpose);
        out.text(terms.direction.name()).text(terms.mode.name());
        out.text(&terms.id).text(&terms.agreement).text(&terms.consumer);
        out.text(&terms.basis.kind)
            .set(&terms.basis.articles)
            .text(&terms.basis.document);
        for remark in [&terms.impact_assessment, &terms.necessity] {
            out.option(remark.as_deref(), |out, text| {
                out.text(text);
            });
        }
        out.integer(terms.target.schema().into()).count(self.output.len());
        for column in &self.output {
            let field = column.kind.field;
            out.text(field.name)
                .text(&field.kind.describe())
                .text(field.class.name());
            column.kind.operator.encode(out);
        }
        // A row filter is a set of atoms: all must hold, in whatever order.
        let mut atoms: Vec<&Atom> = self.atoms.iter().collect();
        atoms.sort_by_key(|atom| atom.describe());
        out.count(atoms.len());
        for atom in atoms {
            atom.encode(out);
        }
        out.set(&terms.select_by);
        terms.limits.encode(out);
        out.instant(terms.valid.from_s).instant(terms.valid.until_s);
        out.option(terms.hours, |out, hours| {
            out.integer(hours.from_minute.into()).integer(hours.to_minute.into());
        });
    }

    /// What the table is sorted by.
    pub(crate) fn sort_key(&self) -> (&Grantee, &'static str, &str, Direction, Mode) {
        let terms = &self.terms;
        let target = terms.target.name();
        (&terms.grantee, target, &terms.purpose, terms.direction, terms.mode)
    }
}

/// Whether a column of that name is released as it is.
pub(crate) fn keeps(output: &[OutputColumn], name: &str) -> bool {
    output
        .iter()
        .any(|column| column.name == name && column.kind.operator == Operator::Keep)
}

fn release_column(
    column: &OutputColumn,
    part: &RecordBatch,
    passing: Option<&FilterPredicate>,
    rows: usize,
    keys: &KeyRing,
) -> Result<ArrayRef, ReleaseError> {
    if let Operator::Constant(value) = &column.kind.operator {
        return Ok(crate::operator::constant::apply(rows, value));
    }
    let source = part.column_by_name(column.name).ok_or(ReleaseError::Columns)?;
    match passing {
        None => column.kind.operator.apply(source, column.name, keys),
        Some(passing) => {
            let source = passing.filter(source).map_err(ReleaseError::Columnar)?;
            column.kind.operator.apply(&source, column.name, keys)
        }
    }
}

impl Limits {
    /// Each limit with the name that agreements use, in a fixed order.
    pub fn named(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("rows_per_push", self.rows_per_push),
            ("rows_per_pull", self.rows_per_pull),
            ("rows_per_day", self.rows_per_day),
            ("pulls_per_day", self.pulls_per_day),
            ("reject_percent", self.reject_percent),
        ]
    }

    fn encode(&self, out: &mut Canonical) {
        for (name, limit) in self.named() {
            out.text(name).option(limit, |out, limit| {
                out.integer(limit);
            });
        }
    }
}

#[cfg(test)]
mod tests;
