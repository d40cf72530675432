//! Plans: a grant compiled against the catalogue, and the gate that data goes through.
//!
//! Takes record batches that hold exactly the columns [`Plan::wanted`] names; gives batches that hold exactly [`Plan::output`].
//! Refuses anything else as a fault: a column that no grant names has no way through.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use shuguan_adapters::catalogue::{Field, Subject};
use shuguan_adapters::operation;

use crate::canonical::Canonical;
use crate::filter::Atom;
use crate::key::KeyRing;
use crate::operator::{Beside, Operator};
use crate::target::{Direction, Mode, Target};
use crate::terms::{Basis, Grantee, Hours, Limits, Obligations, Place, Terms, Validity};

mod compare;
mod manifest;
mod past;

pub use manifest::{Given, Manifest};
pub use past::{PastColumn, PastName, PastPlan};

/// First line of the bytes that are hashed.
const PLAN_DOMAIN: &str = "shuguan.plan.v1";

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
    released: [u8; 32],
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
    /// A value has no token: it is not of the form, or the birth in it lies outside the range.
    #[error("a value of column `{field}` has no token")]
    NoToken {
        /// The field.
        field: &'static str,
    },
    /// A key could not be derived.
    #[error("a key could not be derived")]
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
            released: [0; 32],
        };
        let mut canonical = Canonical::new(PLAN_DOMAIN);
        plan.encode(&mut canonical);
        plan.hash = canonical.hash();
        let mut canonical = Canonical::new("shuguan.released.v1");
        plan.encode_released(&mut canonical);
        plan.released = canonical.hash();
        plan
    }

    /// SHA-256 of the plan's canonical bytes; an unrelated edit of the bundle leaves it as it was.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// SHA-256 of what it releases: columns with their operators, and row filters. Another limit, ground or validity leaves it as it was.
    pub fn released_hash(&self) -> [u8; 32] {
        self.released
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

    /// Feed, extract or compare.
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
    pub fn hours(&self) -> Option<&Hours> {
        self.terms.hours.as_ref()
    }

    /// What whoever receives the data owes.
    pub fn obligations(&self) -> &Obligations {
        &self.terms.obligations
    }

    /// Fields that the caller of a comparison brings, in this order; empty in every other mode.
    pub fn require(&self) -> &[&'static str] {
        &self.terms.require
    }

    /// Why a sensitive field is needed, as the agreement says.
    pub fn necessity(&self) -> Option<&str> {
        self.terms.necessity.as_deref()
    }

    /// Number of the impact assessment.
    pub fn impact_assessment(&self) -> Option<&str> {
        self.terms.impact_assessment.as_deref()
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

    /// Subjects whose field is released whole, in order of preference: a pseudonym or a mask identifies nobody, so no person or
    /// enterprise index is built from it. Of a comparison, which releases none, those that its caller brings.
    pub fn subjects(&self) -> Vec<Subject> {
        let known = |subject: &Subject| match subject {
            Subject::Person(field) | Subject::Enterprise(field) => self.keeps(field) || self.require().contains(field),
        };
        self.terms.target.subjects().iter().copied().filter(known).collect()
    }

    /// Schema of what is released: output columns in order, nullable, empty metadata.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Applies row filters, then one operator a column.
    ///
    /// Takes a part with exactly the wanted columns in order; `today` (days since 1970-01-01 in Asia/Shanghai) is for operators that
    /// depend on age. The result owns compact buffers: no slices, null slots of length 0, no metadata. Columns that are kept and
    /// compact already are copied by pointer.
    ///
    /// # Errors
    /// [`ReleaseError`]; nothing of the part is released then.
    pub fn release(&self, part: &RecordBatch, keys: &KeyRing, today: i32) -> Result<ReleasedPart, ReleaseError> {
        self.check(part)?;
        let passing = self.passing(part, None)?;
        self.apply(part, passing.as_ref(), keys, today)
    }

    /// One operator a column, over the rows that pass.
    fn apply(
        &self,
        part: &RecordBatch,
        passing: Option<&FilterPredicate>,
        keys: &KeyRing,
        today: i32,
    ) -> Result<ReleasedPart, ReleaseError> {
        let rows = passing.map_or(part.num_rows(), FilterPredicate::count);
        let mut columns = Vec::with_capacity(self.output.len());
        for column in &self.output {
            columns.push(release_column(column, part, passing, rows, (keys, today))?);
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

    /// The same for a part with a column beside the fields that says what each row is about: insert, update, delete
    /// ([`shuguan_adapters::operation`]). It is no field, no grant names it and no operator reads it: it goes with its rows, and what is
    /// released of the fields is the same whatever it says. Row filters look at it in one way: a delete, which needs its keys alone, is not
    /// held back for lacking the field that a filter reads; one that has the field is judged by it. Gives it for the rows that passed.
    ///
    /// # Errors
    /// As [`Plan::release`], and [`ReleaseError::Columns`] for a column of another length or type.
    pub fn release_beside(
        &self,
        part: &RecordBatch,
        beside: &ArrayRef,
        keys: &KeyRing,
        today: i32,
    ) -> Result<(ReleasedPart, ArrayRef), ReleaseError> {
        let acts = beside
            .as_string_opt::<i32>()
            .filter(|acts| acts.len() == part.num_rows());
        let acts = acts.ok_or(ReleaseError::Columns)?;
        let is_bare = |act: Option<&str>| matches!(act, Some(operation::DELETE | operation::NAMED));
        let bare: BooleanBuffer = acts.iter().map(is_bare).collect();
        self.check(part)?;
        let passing = self.passing(part, Some(&bare))?;
        let released = self.apply(part, passing.as_ref(), keys, today)?;
        let beside = match passing {
            None => Arc::clone(beside),
            Some(passing) => passing.filter(beside).map_err(ReleaseError::Columnar)?,
        };
        Ok((released, beside))
    }

    /// The gate: exactly the wanted columns, with exactly their types.
    fn check(&self, part: &RecordBatch) -> Result<(), ReleaseError> {
        // A comparison goes another way, with the claims of its caller beside what is held.
        if self.terms.mode != Mode::Compare && holds(part, self.wanted.iter().zip(&self.wanted_types)) {
            Ok(())
        } else {
            Err(ReleaseError::Columns)
        }
    }

    /// Which rows pass every atom; `None` when all do. A bare row passes an atom whose field it lacks.
    fn passing(
        &self,
        part: &RecordBatch,
        bare: Option<&BooleanBuffer>,
    ) -> Result<Option<FilterPredicate>, ReleaseError> {
        let mut passing: Option<BooleanArray> = None;
        for atom in &self.atoms {
            let column = part.column_by_name(atom.field).ok_or(ReleaseError::Columns)?;
            let mut rows = atom.rows(column).ok_or(ReleaseError::IllTyped { field: atom.field })?;
            if let (Some(bare), Some(nulls)) = (bare, column.nulls()) {
                rows = BooleanArray::new(rows.values() | &(bare & &!nulls.inner()), None);
            }
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
        self.terms.encode_key(out);
        out.integer(self.terms.target.schema().into());
        self.encode_released(out);
        self.terms.encode_rest(out);
    }

    fn encode_released(&self, out: &mut Canonical) {
        out.count(self.output.len());
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

/// Whether a batch has exactly these columns in this order.
fn holds<'w>(part: &RecordBatch, wanted: impl ExactSizeIterator<Item = (&'w &'static str, &'w DataType)>) -> bool {
    let fields = part.schema_ref().fields();
    let same = |(field, (name, data_type)): (&Arc<arrow_schema::Field>, (&&'static str, &DataType))| {
        field.name() == name && field.data_type() == data_type
    };
    fields.len() == wanted.len() && fields.iter().zip(wanted).all(same)
}

fn release_column(
    column: &OutputColumn,
    part: &RecordBatch,
    passing: Option<&FilterPredicate>,
    rows: usize,
    (keys, today): (&KeyRing, i32),
) -> Result<ArrayRef, ReleaseError> {
    if let Operator::Constant(value) = &column.kind.operator {
        return Ok(crate::operator::constant::apply(rows, value));
    }
    let read = |name: &str| {
        let source = part.column_by_name(name).ok_or(ReleaseError::Columns)?;
        match passing {
            None => Ok(Arc::clone(source)),
            Some(passing) => passing.filter(source).map_err(ReleaseError::Columnar),
        }
    };
    let companion = column.kind.operator.companion().map(read).transpose()?;
    let beside = Beside {
        field: column.name,
        companion: companion.as_ref(),
        keys,
        today,
    };
    column.kind.operator.apply(&read(column.name)?, &beside)
}

#[cfg(test)]
mod tests;
