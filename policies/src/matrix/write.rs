//! From the files to the sheets.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::columns::{AGREEMENTS_NAME, FIELD, FIELDS_NAME, FILE, GRANTS_NAME, NUMBER, OPERATOR};
use super::{AGREEMENTS, Column, FIELDS, Form, GRANTS, Matrix, Sheet};
use crate::bundle::Bundle;
use crate::document::Fault;
use crate::set::Catalogue;
use crate::target::Target;

/// Folder of the agreement files in a bundle.
pub(super) const FOLDER: &str = "agreements/";
/// Ending of the files.
pub(super) const ENDING: &str = ".toml";

impl Matrix {
    /// The sheets of a bundle. Under each grant stand its fields as the columns of its output, then the fields that it does not name.
    ///
    /// # Errors
    /// Everything in the agreement files that a sheet cannot hold, and files that are no TOML. A bundle that compiles has none but a text
    /// with `、` in a list.
    pub fn of(bundle: &Bundle, catalogue: &Catalogue) -> Result<Self, Vec<Fault>> {
        let mut writing = Writing {
            matrix: Self {
                agreements: empty(AGREEMENTS_NAME, AGREEMENTS),
                grants: empty(GRANTS_NAME, GRANTS),
                fields: empty(FIELDS_NAME, FIELDS),
                comments: 0,
            },
            catalogue,
            faults: Vec::new(),
        };
        for (name, text) in bundle.texts() {
            if let Some(file) = name.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(ENDING)) {
                writing.file(name, file, text);
            }
        }
        if writing.faults.is_empty() {
            Ok(writing.matrix)
        } else {
            Err(writing.faults)
        }
    }
}

fn empty(name: &'static str, columns: &'static [Column]) -> Sheet {
    Sheet {
        name,
        columns,
        rows: Vec::new(),
    }
}

struct Writing<'c> {
    matrix: Matrix,
    catalogue: &'c Catalogue,
    faults: Vec<Fault>,
}

impl Writing<'_> {
    fn file(&mut self, name: &str, file: &str, text: &str) {
        let Ok(mut root) = toml::from_str::<Table>(text) else {
            return self.faults.push(Fault::of_file(name, "it is no TOML", None));
        };
        self.matrix.comments += text.lines().filter(|line| has_comment(line)).count();
        let orders = reduce_orders(text);
        let grants = match root.remove("grant") {
            Some(Value::Array(grants)) => grants,
            _ => Vec::new(),
        };
        let row = self.row(name, AGREEMENTS, &mut root, |key| {
            (key == FILE).then(|| file.to_owned())
        });
        self.matrix.agreements.rows.push(row);
        self.nothing_left(name, &root);
        for (at, grant) in grants.into_iter().enumerate() {
            if let Value::Table(grant) = grant {
                let place = Place {
                    name,
                    file,
                    number: (at + 1).to_string(),
                };
                self.grant(&place, grant, orders.get(at).map_or(&[], Vec::as_slice));
            }
        }
    }

    fn grant(&mut self, place: &Place<'_>, mut grant: Table, order: &[String]) {
        let target = target(self.catalogue, &grant);
        let granted = granted(&mut grant, order);
        let row = self.row(place.name, GRANTS, &mut grant, |key| match key {
            "shown.target" => Some(target.map_or(String::new(), |target| target.zh().to_owned())),
            key => place.cell(key),
        });
        self.matrix.grants.rows.push(row);
        self.nothing_left(place.name, &grant);
        let named: Vec<String> = granted.iter().map(|(field, _)| field.clone()).collect();
        for (field, operator) in granted {
            match Form::Operator.cell(&operator) {
                Ok(cell) => self.field(place, target, &field, cell),
                Err(why) => self.cannot(place.name, &format!("the operator of `{field}`"), why),
            }
        }
        let others = target.map_or(&[][..], Target::fields).iter().map(|field| field.name);
        for field in others.filter(|field| !named.iter().any(|name| name == field)) {
            self.field(place, target, field, String::new());
        }
    }

    fn field(&mut self, place: &Place<'_>, target: Option<Target>, name: &str, operator: String) {
        let known = target.and_then(|target| target.field(name));
        let cells = FIELDS.iter().map(|column| match column.key {
            "shown.target" => target.map_or(String::new(), |target| target.zh().to_owned()),
            "shown.zh" => known.map_or(String::new(), |field| field.zh.to_owned()),
            "shown.kind" => known.map_or(String::new(), |field| field.kind.describe()),
            "shown.class" => known.map_or(String::new(), |field| field.class.name().to_owned()),
            FIELD => name.to_owned(),
            OPERATOR => operator.clone(),
            key => place.cell(key).unwrap_or_default(),
        });
        self.matrix.fields.rows.push(cells.collect());
    }

    /// Takes out of a table what the columns name; `own` gives the cells that do not come from the table.
    fn row(
        &mut self,
        name: &str,
        columns: &[Column],
        table: &mut Table,
        own: impl Fn(&str) -> Option<String>,
    ) -> Vec<String> {
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            let cell = match own(column.key) {
                Some(cell) => Ok(cell),
                None => take(table, column.key).map_or(Ok(String::new()), |value| column.form.cell(&value)),
            };
            cells.push(cell.unwrap_or_else(|why| {
                self.cannot(name, &format!("`{}`", column.key), why);
                String::new()
            }));
        }
        cells
    }

    fn nothing_left(&mut self, name: &str, table: &Table) {
        for key in table.iter().filter(|(_, value)| !is_empty(value)).map(|(key, _)| key) {
            self.cannot(
                name,
                &format!("`{key}`"),
                "there is no column for it, or not for all of it",
            );
        }
    }

    fn cannot(&mut self, name: &str, what: &str, why: &str) {
        let message = format!("{what} cannot go into a sheet: {why}");
        self.faults.push(Fault::of_file(name, message, None));
    }
}

struct Place<'p> {
    name: &'p str,
    file: &'p str,
    number: String,
}

impl Place<'_> {
    fn cell(&self, key: &str) -> Option<String> {
        match key {
            FILE => Some(self.file.to_owned()),
            NUMBER => Some(self.number.clone()),
            _ => None,
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_table().is_some_and(Table::is_empty)
}

/// The value at a key or a dotted key.
fn take(table: &mut Table, key: &str) -> Option<Value> {
    match key.split_once('.') {
        None => table.remove(key),
        Some((outer, inner)) => take(table.get_mut(outer)?.as_table_mut()?, inner),
    }
}

fn target(catalogue: &Catalogue, grant: &Table) -> Option<Target> {
    let name = |key: &str| grant.get("for")?.get(key)?.as_str();
    let record = name("record")
        .and_then(|name| catalogue.record(name))
        .map(Target::Record);
    let dataset = || name("dataset").and_then(crate::Dataset::parse).map(Target::Dataset);
    record.or_else(dataset)
}

/// The fields of a grant with their operators, in the order of its output: `keep`, then `reduce` as written.
fn granted(grant: &mut Table, order: &[String]) -> Vec<(String, Value)> {
    let keep = match grant.remove("keep") {
        Some(Value::Array(names)) => names,
        _ => Vec::new(),
    };
    let mut granted: Vec<(String, Value)> = keep
        .iter()
        .filter_map(Value::as_str)
        .map(|name| {
            (
                name.to_owned(),
                Value::Table([("op".to_owned(), "keep".into())].into_iter().collect()),
            )
        })
        .collect();
    if let Some(Value::Table(mut reduce)) = grant.remove("reduce") {
        granted.extend(
            order
                .iter()
                .filter_map(|name| Some((name.clone(), reduce.remove(name)?))),
        );
    }
    granted
}

/// The names under `reduce` of each grant, in the order in which they stand in the file.
fn reduce_orders(text: &str) -> Vec<Vec<String>> {
    let Ok(root) = DeTable::parse(text) else {
        return Vec::new();
    };
    let grants = root
        .get_ref()
        .get("grant")
        .and_then(|grants| grants.get_ref().as_array());
    let Some(grants) = grants else {
        return Vec::new();
    };
    grants.iter().map(|grant| names_in_order(grant.get_ref())).collect()
}

fn names_in_order(grant: &DeValue<'_>) -> Vec<String> {
    let reduce = grant.as_table().and_then(|grant| grant.get("reduce"));
    let Some(reduce) = reduce.and_then(|reduce| reduce.get_ref().as_table()) else {
        return Vec::new();
    };
    let mut names: Vec<_> = reduce
        .keys()
        .map(|name| (name.span().start, name.get_ref().to_string()))
        .collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

/// Whether a line has a comment: a `#` outside quotes. A text of several lines is taken for more comments, never for fewer.
fn has_comment(line: &str) -> bool {
    let mut quoted = false;
    line.chars().any(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    })
}
