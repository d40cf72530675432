//! The datasets as views: `population` and `enterprises`, one row a person or unit, each field from the first source that has it.
//!
//! Takes the tables that the push plans make; gives SQL. Sources that the plans do not name are left out, and a field that no
//! source supplies is a typed NULL, so the shape is always that of design 10.9. The newest open row of a source speaks for it; a row that
//! was closed speaks for nothing, and whom no open row of an admitting source names is not in the dataset.

use policies::dataset::Dataset;
use shuguan_policies as policies;

use super::schema::{ColumnType, TableSpec, kind_of, table_name};
use super::speaking::Speaking;

/// The few places where the stores' SQL differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Parameter `number`, from 1.
    pub(super) fn place(self, number: usize) -> String {
        match self {
            Self::Sqlite => "?".to_owned(),
            Self::Postgres => format!("${number}"),
        }
    }

    /// Behind a SELECT in brackets that is selected from.
    pub(super) fn derived(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " AS derived",
        }
    }

    /// A list of texts, bound as the first parameter, to be selected from.
    pub(super) fn listed(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT value FROM json_each(?1)",
            Self::Postgres => "SELECT * FROM unnest($1::text[])",
        }
    }

    /// Rows of that many texts, bound as one list on SQLite and as a list a column on PostgreSQL, to be selected from.
    pub(super) fn given(self, columns: usize) -> String {
        match self {
            Self::Sqlite => {
                let cells: Vec<String> = (0..columns).map(|place| format!("value ->> {place}")).collect();
                format!("SELECT {} FROM json_each(?1)", cells.join(", "))
            }
            Self::Postgres => {
                let lists: Vec<String> = (1..=columns).map(|place| format!("${place}::text[]")).collect();
                format!("SELECT * FROM unnest({})", lists.join(", "))
            }
        }
    }

    /// A day as a text, `YYYY-MM-DD`.
    pub(super) fn day_text(self, day: &str) -> String {
        match self {
            Self::Sqlite => day.to_owned(),
            Self::Postgres => format!("to_char({day}, 'YYYY-MM-DD')"),
        }
    }

    /// The number of an exchange as a text, with or without hyphens.
    pub(super) fn id_text(self, id: &str) -> String {
        match self {
            Self::Sqlite => format!("hex({id})"),
            Self::Postgres => format!("CAST({id} AS text)"),
        }
    }

    /// The number of an exchange out of a text with hyphens.
    pub(super) fn id_of(self, text: &str) -> String {
        match self {
            Self::Sqlite => format!("unhex({text}, '-')"),
            Self::Postgres => format!("CAST({text} AS uuid)"),
        }
    }

    /// The month of a day as the catalogue writes months, `yyyyMM`.
    pub(super) fn month_of(self, day: &str) -> String {
        match self {
            Self::Sqlite => format!("substr({day}, 1, 4) || substr({day}, 6, 2)"),
            Self::Postgres => format!("to_char({day}, 'YYYYMM')"),
        }
    }

    /// The year of a day, `yyyy`.
    pub(super) fn year_of(self, day: &str) -> String {
        match self {
            Self::Sqlite => format!("substr({day}, 1, 4)"),
            Self::Postgres => format!("to_char({day}, 'YYYY')"),
        }
    }

    fn null(self, kind: ColumnType) -> String {
        match (self, kind) {
            (Self::Sqlite, ColumnType::Text | ColumnType::Date) => "CAST(NULL AS TEXT)".to_owned(),
            (Self::Sqlite, _) => "CAST(NULL AS INTEGER)".to_owned(),
            // A view that is replaced must keep each column's type and collation.
            (Self::Postgres, ColumnType::Text) => "CAST(NULL AS text) COLLATE \"C\"".to_owned(),
            (Self::Postgres, kind) => format!("CAST(NULL AS {})", super::postgres::sql(kind)),
        }
    }

    fn never(self) -> &'static str {
        match self {
            Self::Sqlite => "0",
            Self::Postgres => "false",
        }
    }

    /// Whether a text begins with that many digits, the first no nought, and then, where one is named, with one of these characters.
    fn digits(self, text: &str, count: usize, then: &str) -> String {
        let more = count.saturating_sub(1);
        match self {
            Self::Sqlite => format!("{text} GLOB '[1-9]{}{then}*'", "[0-9]".repeat(more)),
            Self::Postgres => format!("{text} ~ '^[1-9][0-9]{{{more}}}{then}'"),
        }
    }

    fn greatest(self) -> &'static str {
        match self {
            Self::Sqlite => "max",
            Self::Postgres => "greatest",
        }
    }

    /// 1 where the condition holds, else 0.
    pub(super) fn flag(self, condition: &str) -> String {
        match self {
            Self::Sqlite => format!("({condition})"),
            Self::Postgres => format!("({condition})::int"),
        }
    }

    /// A text made of literals.
    fn word(self, literals: &str) -> String {
        match self {
            Self::Sqlite => literals.to_owned(),
            Self::Postgres => format!("({literals}) COLLATE \"C\""),
        }
    }

    /// A moment out of microseconds.
    fn instant(self, micros: &str) -> String {
        match self {
            Self::Sqlite => micros.to_owned(),
            Self::Postgres => format!("(timestamptz 'epoch' + {micros} * interval '1 microsecond')"),
        }
    }
}

/// Where the index keeps when a source that admits, or a change of numbers, last changed anything about a person or unit.
pub(super) const CHANGED: &str = "changed_us";
/// The same of the sources that report a death: whoever is not told about deaths must not see by a time that there is one.
pub(super) const DIED: &str = "death_us";

/// The column of the index that a record type's rows put their mark on; none when no field of the dataset comes from it.
pub(super) fn mark_of(dataset: Dataset, record: &str) -> Option<&'static str> {
    let source = sources(dataset).iter().find(|source| source.record == record)?;
    Some(if source.admits { CHANGED } else { DIED })
}

fn sources(dataset: Dataset) -> &'static [Source] {
    match dataset {
        Dataset::Population => POPULATION,
        Dataset::Enterprises => ENTERPRISES,
    }
}

/// Name of the column by which rows of a dataset are ordered; not part of the dataset.
pub(super) const SUBJECT: &str = "_subject";

/// A record type that a dataset draws on.
struct Source {
    record: &'static str,
    alias: &'static str,
    /// A person or unit is in the dataset when one of these has it.
    admits: bool,
    /// Rows with this column come before newer ones without it.
    prefer: Option<&'static str>,
}

const fn source(record: &'static str, alias: &'static str, admits: bool) -> Source {
    Source {
        record,
        alias,
        admits,
        prefer: None,
    }
}

const fn death(record: &'static str, alias: &'static str) -> Source {
    Source {
        record,
        alias,
        admits: false,
        prefer: Some("death_date"),
    }
}

/// In order of precedence.
const POPULATION: &[Source] = &[
    source("public-security/resident", "r", true),
    source("public-security/floating-resident", "f", true),
    source("public-security/birth", "b", true),
    death("public-security/death", "d1"),
    death("health/death-certificate", "d2"),
    death("civil-affairs/cremation", "d3"),
];

/// In order of precedence. What a change notice says stands in the next establishment row; it only shows that the unit exists.
const ENTERPRISES: &[Source] = &[
    source("commerce/establishment", "e", true),
    source("commerce/change", "g", true),
    source("commerce/cancellation", "c", true),
    source("civil-affairs/social-organisation", "s", true),
    source("tax/registration", "t", true),
];

/// Where a field comes from: `alias.column`, in order.
fn origins(dataset: Dataset, field: &str) -> &'static [(&'static str, &'static str)] {
    match (dataset, field) {
        (Dataset::Population, "name") => &[("r", "name"), ("f", "name"), ("b", "name")],
        (Dataset::Population, "former_name") => &[("r", "former_name")],
        (Dataset::Population, "sex") => &[("r", "sex"), ("f", "sex"), ("b", "sex")],
        (Dataset::Population, "ethnicity") => &[("r", "ethnicity"), ("f", "ethnicity"), ("b", "ethnicity")],
        (Dataset::Population, "birth_date") => &[("r", "birth_date"), ("f", "birth_date"), ("b", "birth_date")],
        (Dataset::Population, "hukou_region") => &[("r", "hukou_region"), ("f", "hukou_region")],
        (Dataset::Population, "town_code") => &[("r", "town_code"), ("f", "town_code")],
        (Dataset::Population, "village_code") => &[("r", "village_code"), ("f", "village_code")],
        (Dataset::Population, "hukou_address") => &[("r", "hukou_address"), ("f", "hukou_address")],
        (Dataset::Population, "residence_region") => &[("f", "residence_region")],
        (Dataset::Population, "person_status") => &[("r", "person_status")],
        (Dataset::Population, "death_date") => &[("d1", "death_date"), ("d2", "death_date"), ("d3", "death_date")],
        // The change notice last: it names the unit where nothing else does.
        (Dataset::Enterprises, "uscc") => &[
            ("e", "uscc"),
            ("s", "uscc"),
            ("c", "uscc"),
            ("t", "uscc"),
            ("g", "uscc"),
        ],
        (Dataset::Enterprises, "org_code") => &[("e", "org_code"), ("t", "org_code")],
        (Dataset::Enterprises, "reg_no") => &[("e", "reg_no"), ("c", "reg_no"), ("g", "reg_no")],
        (Dataset::Enterprises, "taxpayer_id" | "trader_id") => &[("t", "taxpayer_id")],
        (Dataset::Enterprises, "name") => &[
            ("e", "ent_name"),
            ("s", "ent_name"),
            ("c", "ent_name"),
            ("t", "taxpayer_name"),
            ("t", "ent_name"),
        ],
        (Dataset::Enterprises, "unit_kind") => &[("e", "ent_type"), ("s", "ent_type"), ("t", "reg_type")],
        (Dataset::Enterprises, "legal_rep_name") => &[
            ("e", "legal_rep_name"),
            ("s", "legal_rep_name"),
            ("t", "legal_rep_name"),
        ],
        (Dataset::Enterprises, "established_on") => &[
            ("e", "established_on"),
            ("s", "established_on"),
            ("t", "opened_on"),
            ("t", "registered_on"),
        ],
        (Dataset::Enterprises, "reg_status") => &[("e", "reg_status"), ("s", "reg_status")],
        (Dataset::Enterprises, "taxpayer_status") => &[("t", "taxpayer_status")],
        (Dataset::Enterprises, "region") => &[
            ("e", "region"),
            ("s", "region"),
            ("t", "reg_region"),
            ("t", "op_region"),
        ],
        (Dataset::Enterprises, "address") => &[
            ("e", "domicile"),
            ("e", "premises"),
            ("s", "domicile"),
            ("t", "reg_address"),
            ("t", "op_address"),
        ],
        (Dataset::Enterprises, "trader_name") => &[("t", "taxpayer_name"), ("t", "ent_name")],
        (Dataset::Enterprises, "trader_address") => &[("t", "reg_address"), ("t", "op_address")],
        (Dataset::Enterprises, "industry_code") => &[("e", "industry_code"), ("t", "industry_code")],
        (Dataset::Enterprises, "closed_on") => &[("c", "cancel_date"), ("c", "revoke_date")],
        _ => &[],
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_know_every_source_of_every_field() {
        for (dataset, sources) in [(Dataset::Population, POPULATION), (Dataset::Enterprises, ENTERPRISES)] {
            for field in dataset.fields() {
                let known = dataset.origins(field.name);
                for (alias, column) in origins(dataset, field.name) {
                    let record = sources
                        .iter()
                        .find(|source| source.alias == *alias)
                        .map(|source| source.record);
                    let feeds = known.iter().any(|(own, from)| Some(*own) == record && from == column);
                    assert!(feeds, "{}.{}: {alias}.{column}", dataset.name(), field.name);
                }
                assert!(
                    !known.is_empty(),
                    "{}.{} has no source at all",
                    dataset.name(),
                    field.name
                );
            }
        }
    }
}
