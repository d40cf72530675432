//! The datasets as views: `population` and `enterprises`, one row a person or unit, each field from the first source that has it.
//!
//! Takes the tables that the push plans make; gives SQL. Sources that the plans do not name are left out, and a field that no
//! source supplies is a typed NULL, so the shape is always that of design 10.9. The newest open row of a source speaks for it; a row that
//! was closed speaks for nothing, and whom no open row of an admitting source names is not in the dataset.

mod origins;

use policies::dataset::Dataset;
use shuguan_policies as policies;

use self::origins::{Source, origins, sources};
use super::dialect::Dialect;
use super::schema::{ColumnType, TableSpec, kind_of, table_name};
use super::speaking::Speaking;
pub(super) use origins::{CHANGED, mark_of};

/// Name of the column by which rows of a dataset are ordered; not part of the dataset.
pub(super) const SUBJECT: &str = "_subject";

/// The sources of a dataset that the plans feed, each with its table.
struct Fed<'a> {
    dialect: Dialect,
    dataset: Dataset,
    /// The fields that are selected.
    fields: &'a [&'a str],
    sources: Vec<(&'static Source, &'a TableSpec)>,
}

/// The statements that make both views.
pub(super) fn views(dialect: Dialect, tables: &[TableSpec]) -> Vec<(&'static str, String)> {
    Dataset::ALL
        .into_iter()
        .map(|dataset| {
            let names: Vec<&str> = dataset.fields().iter().map(|field| field.name).collect();
            let sql = format!(
                "CREATE VIEW {} AS SELECT {} FROM ({}){}",
                dataset.name(),
                names.join(", "),
                select(dialect, dataset, tables, &names),
                dialect.derived()
            );
            (dataset.name(), sql)
        })
        .collect()
}

/// Those fields of the dataset as a SELECT, with [`SUBJECT`] before them.
pub(super) fn select(dialect: Dialect, dataset: Dataset, tables: &[TableSpec], fields: &[&str]) -> String {
    of_fed(dialect, dataset, tables, fields).select("")
}

/// The same of those alone who may have changed at or after the mark that stands in `place`: no row of anybody else is looked for.
pub(super) fn select_changed(
    dialect: Dialect,
    dataset: Dataset,
    tables: &[TableSpec],
    fields: &[&str],
    place: &str,
) -> String {
    let fed = of_fed(dialect, dataset, tables, fields);
    let newest: Vec<String> = fed
        .marks()
        .iter()
        .map(|mark| format!("coalesce(p.{mark}, 0)"))
        .collect();
    let newest = match &newest[..] {
        [only] => only.clone(),
        several => format!("{}({})", dialect.greatest(), several.join(", ")),
    };
    // Who has no mark is in an older registry, where the rows must tell.
    let condition = format!("({newest} >= {place} OR p.{CHANGED} IS NULL) AND ");
    fed.select(&condition)
}

fn of_fed<'a>(dialect: Dialect, dataset: Dataset, tables: &'a [TableSpec], fields: &'a [&'a str]) -> Fed<'a> {
    let sources = sources(dataset)
        .iter()
        .filter_map(|source| {
            let table = tables.iter().find(|table| table.name == table_name(source.record))?;
            let joins = match dataset {
                Dataset::Population => table.person_column().is_some(),
                Dataset::Enterprises => table.has_unit(),
            };
            joins.then_some((source, table))
        })
        .collect();
    Fed {
        dialect,
        dataset,
        fields,
        sources,
    }
}

impl Fed<'_> {
    /// `among` is a condition on the persons or units, with its `AND`, or nothing.
    fn select(&self, among: &str) -> String {
        let (index, subject) = match self.dataset {
            Dataset::Population => ("person", "citizen_id"),
            Dataset::Enterprises => ("enterprise", "unit"),
        };
        let fields: Vec<String> = self
            .dataset
            .fields()
            .iter()
            .filter(|field| self.fields.contains(&field.name))
            .map(|field| {
                format!(
                    "{} AS {}",
                    self.expression(field.name, kind_of(&field.kind)),
                    field.name
                )
            })
            .collect();
        let joins: Vec<String> = self
            .sources
            .iter()
            .map(|(source, table)| self.join(source, table, subject))
            .collect();
        let admitted: Vec<String> = self
            .sources
            .iter()
            .filter(|(source, _)| source.admits)
            .map(|(source, _)| format!("{}._key IS NOT NULL", source.alias))
            .collect();
        let condition = if admitted.is_empty() {
            self.dialect.never().to_owned()
        } else {
            admitted.join(" OR ")
        };
        let one_number = match self.dataset {
            // A number that was replaced is no person of its own.
            Dataset::Population => "(p.subject IS NULL OR p.subject = p.citizen_id) AND ",
            Dataset::Enterprises => "",
        };
        format!(
            "SELECT p.{subject} AS {SUBJECT}, {} FROM {index} p{} WHERE {among}{one_number}({condition})",
            fields.join(", "),
            joins.concat()
        )
    }

    /// Joins the newest row of a source. LEFT JOIN on a primary key, so that SQLite leaves out what a query does not use.
    fn join(&self, source: &Source, table: &TableSpec, subject: &str) -> String {
        let (name, alias) = (&table.name, source.alias);
        let speaks = Speaking::of(self.dialect, table, source.prefer);
        if self.dataset == Dataset::Enterprises {
            let one = speaks.under("_unit", &format!("p.{subject}"));
            return format!(" LEFT JOIN {name} {alias} ON {alias}._key = {one}");
        }
        let keyed = table.keyed_by_person();
        let column = if keyed {
            "_key"
        } else {
            table.person_column().unwrap_or_default()
        };
        let one = speaks.under(column, &format!("p.{subject}"));
        let several = speaks.of_person(column, &format!("p.{subject}"));
        let (one, open) = if keyed {
            (format!("p.{subject}"), format!(" AND {alias}._open <> 0"))
        } else {
            (one, String::new())
        };
        format!(
            " LEFT JOIN {name} {alias} ON {alias}._key = CASE WHEN p.subject IS NULL THEN {one} ELSE {several} END{open}"
        )
    }

    fn expression(&self, field: &str, kind: ColumnType) -> String {
        let special = match (self.dataset, field) {
            (Dataset::Population, "citizen_id") => Some("p.citizen_id".to_owned()),
            (Dataset::Population, "death_certainty") => self.certainty(),
            (Dataset::Enterprises, "region") => self.region(kind),
            (Dataset::Enterprises, "trader_id" | "trader_name" | "trader_address") => self.of_a_trader(field, kind),
            (_, "source") => self.source(),
            (_, "updated_at") => self.updated(),
            _ => self.first_of(field, kind),
        };
        special.unwrap_or_else(|| self.dialect.null(kind))
    }

    /// The first source that has the field. What the tax register says of a person who trades is not in the fields of units.
    fn first_of(&self, field: &str, kind: ColumnType) -> Option<String> {
        let of_units = matches!(
            (self.dataset, field),
            (Dataset::Enterprises, "taxpayer_id" | "name" | "address")
        );
        let columns = self.columns_of(field, kind).into_iter();
        let columns: Vec<String> = columns
            .filter_map(|column| {
                if !of_units || !column.starts_with("t.") {
                    return Some(column);
                }
                // Where nobody can tell who trades, nothing of the tax register is called a unit's.
                let trades = self.trades()?;
                Some(format!("CASE WHEN {trades} THEN NULL ELSE {column} END"))
            })
            .collect();
        coalesce(&columns)
    }

    /// What the tax register says of a person who trades, and of nobody else.
    fn of_a_trader(&self, field: &str, kind: ColumnType) -> Option<String> {
        let (trades, value) = (self.trades()?, coalesce(&self.columns_of(field, kind))?);
        Some(format!("CASE WHEN {trades} THEN {value} END"))
    }

    /// When a taxpayer is a person: his resident id is the tax number, of 18 digits or of the 15 of before 2000, with two more or without. What looks like one
    /// counts as one, unless it is what other registers have as the code of the unit. None where no tax number is kept whole.
    fn trades(&self) -> Option<String> {
        let number = "t.taxpayer_id";
        let (_, table) = self.sources.iter().find(|(source, _)| source.alias == "t")?;
        table.column("taxpayer_id").filter(|column| column.plain)?;
        let part = |from: usize, length: usize| format!("substr({number}, {from}, {length})");
        let day = |from: usize| {
            let (month, day) = (part(from, 2), part(from + 2, 2));
            format!("{month} BETWEEN '01' AND '12' AND {day} BETWEEN '01' AND '31'")
        };
        let codes = self.columns_of("uscc", ColumnType::Text).into_iter();
        let codes = codes
            .filter(|column| !column.starts_with("t."))
            .map(|code| format!("{number} = {code}"));
        // An old tax number of a unit ends with its organisation code, which the tax register itself may name.
        let old = self.columns_of("org_code", ColumnType::Text).into_iter();
        let old = old.map(|code| format!("{} = {code}", part(7, 9)));
        let of_unit: Vec<String> = codes
            .chain(old)
            .map(|same| format!("coalesce({same}, {})", self.dialect.never()))
            .collect();
        let but = if of_unit.is_empty() {
            String::new()
        } else {
            format!(" AND NOT ({})", of_unit.join(" OR "))
        };
        let (long, short) = (
            self.dialect.digits(number, 17, "[0-9X]"),
            self.dialect.digits(number, 15, ""),
        );
        Some(format!(
            "(((length({number}) IN (18, 20) AND {long} AND {} BETWEEN '18' AND '20' AND {}) \
             OR (length({number}) IN (15, 17) AND {short} AND {})){but})",
            part(7, 2),
            day(11),
            day(9)
        ))
    }

    fn columns_of(&self, field: &str, kind: ColumnType) -> Vec<String> {
        origins(self.dataset, field)
            .iter()
            .filter(|(alias, column)| {
                self.sources.iter().any(|(source, table)| {
                    source.alias == *alias && table.column(column).is_some_and(|column| column.kind == kind)
                })
            })
            .map(|(alias, column)| format!("{alias}.{column}"))
            .collect()
    }

    /// Where no source names the division: digits 3 to 8 of a credit code are that of the authority that registered the unit (GB 32100).
    fn region(&self, kind: ColumnType) -> Option<String> {
        let code = self.first_of("uscc", ColumnType::Text);
        let of_code = code.map(|code| format!("CASE length({code}) WHEN 18 THEN substr({code}, 3, 6) END"));
        let ways: Vec<String> = self.first_of("region", kind).into_iter().chain(of_code).collect();
        coalesce(&ways)
    }

    /// Two sources that report a death, and not on different days, make it certain; else it is suspected.
    fn certainty(&self) -> Option<String> {
        let reports: Vec<(&str, &TableSpec)> = self
            .sources
            .iter()
            .filter(|(source, _)| source.prefer.is_some())
            .map(|(source, table)| (source.alias, *table))
            .collect();
        let there: Vec<String> = reports
            .iter()
            .map(|(alias, _)| format!("{alias}._key IS NOT NULL"))
            .collect();
        let agreeing = reports.iter().enumerate().flat_map(|(place, one)| {
            let others = reports.iter().skip(place + 1);
            others.map(|other| agree(*one, *other))
        });
        let agreeing: Vec<String> = agreeing.collect();
        let certain = if agreeing.is_empty() {
            String::new()
        } else {
            format!("WHEN {} THEN 'certain' ", agreeing.join(" OR "))
        };
        (!reports.is_empty()).then(|| {
            self.dialect.word(&format!(
                "CASE {certain}WHEN {} THEN 'suspected' END",
                there.join(" OR ")
            ))
        })
    }

    fn source(&self) -> Option<String> {
        let cases: Vec<String> = self
            .sources
            .iter()
            .map(|(source, _)| format!("WHEN {}._key IS NOT NULL THEN '{}'", source.alias, source.record))
            .collect();
        (!cases.is_empty()).then(|| self.dialect.word(&format!("CASE {} END", cases.join(" "))))
    }

    /// Whether a time may tell of the source: it admits, or a selected field comes from it. A person of whose deaths nothing is selected has no other
    /// time for one, so that neither [`Self::updated`] nor a selection by it tells what the fields do not.
    fn is_told(&self, source: &Source) -> bool {
        let of_deaths = ["death_date", "death_certainty"];
        source.admits || of_deaths.iter().any(|field| self.fields.contains(field))
    }

    /// The marks of the index that tell of the sources that may be told of.
    fn marks(&self) -> Vec<&'static str> {
        let told = sources(self.dataset).iter().filter(|source| self.is_told(source));
        let mut marks: Vec<&str> = told.filter_map(|source| mark_of(self.dataset, source.record)).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// When anything that the selected fields come from last changed here: a pull since then misses nothing, also of what was sealed long before it came,
    /// closed, emptied or opened again. In a registry that is older than these marks, when the last of the rows that speak here was received.
    fn updated(&self) -> Option<String> {
        let told = self.sources.iter().filter(|(source, _)| self.is_told(source));
        let mut times: Vec<String> = told
            .map(|(source, _)| format!("coalesce({}._received_us, 0)", source.alias))
            .collect();
        if times.is_empty() {
            return None;
        }
        times.extend(self.marks().iter().map(|mark| format!("coalesce(p.{mark}, 0)")));
        if self.dataset == Dataset::Population {
            times.push("coalesce(p.joined_us, 0)".to_owned());
        }
        let newest = format!("{}({})", self.dialect.greatest(), times.join(", "));
        Some(self.dialect.instant(&newest))
    }
}

/// Whether both report a death and not on different days. One that does not state the day as its source sent it cannot differ.
fn agree((one, one_table): (&str, &TableSpec), (other, other_table): (&str, &TableSpec)) -> String {
    let dated = |table: &TableSpec| table.column("death_date").is_some_and(|column| column.plain);
    let both = format!("{one}._key IS NOT NULL AND {other}._key IS NOT NULL");
    if !dated(one_table) || !dated(other_table) {
        return format!("({both})");
    }
    format!(
        "({both} AND ({one}.death_date = {other}.death_date OR {one}.death_date IS NULL OR {other}.death_date IS NULL))"
    )
}

fn coalesce(columns: &[String]) -> Option<String> {
    match columns {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("coalesce({})", several.join(", "))),
    }
}
