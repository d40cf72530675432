//! Small record types under the names that the datasets look for, and parts of them. Births in 18xx, sequence 000.

use std::sync::Arc;

use adapters::catalogue::{Agency, Class, Field, FieldType, RecordType, Subject};
use arrow_array::builder::{Date32Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field as ArrowField, Schema};
use shuguan_adapters as adapters;
use uuid::Uuid;

use crate::registry::schema::{TableSpec, keep_all};
use crate::registry::{Ahead, Part};

const fn field(name: &'static str, kind: FieldType) -> Field {
    Field::new(name, "字段", kind, Class::C2)
}

const fn record(
    name: &'static str,
    fields: &'static [Field],
    keys: &'static [&'static [&'static str]],
    subjects: &'static [Subject],
) -> RecordType {
    RecordType {
        fields,
        keys,
        subjects,
        ..RecordType::new(Agency::PublicSecurity, name, "数据类")
    }
}

const PERSON: &[Subject] = &[Subject::Person("citizen_id")];
const UNIT: &[Subject] = &[Subject::Enterprise("uscc")];

pub(crate) static RESIDENT: RecordType = record(
    "public-security/resident",
    &[
        field("citizen_id", FieldType::CitizenId),
        field("name", FieldType::Name),
        field("birth_date", FieldType::Date),
        field("hukou_region", FieldType::Region),
        field("source_updated_at", FieldType::Instant),
    ],
    &[&["citizen_id"]],
    PERSON,
);
pub(crate) static DEATH: RecordType = record(
    "public-security/death",
    &[
        field("citizen_id", FieldType::CitizenId),
        field("death_date", FieldType::Date),
        field("cancel_date", FieldType::Date),
    ],
    &[&["citizen_id", "cancel_date"]],
    PERSON,
);
pub(crate) static CERTIFICATE: RecordType = record(
    "health/death-certificate",
    &[
        field("cert_no", FieldType::DocumentNo(20)),
        field("citizen_id", FieldType::CitizenId),
        field("death_date", FieldType::Date),
    ],
    &[&["cert_no"], &["citizen_id", "death_date"]],
    PERSON,
);
pub(crate) static ESTABLISHMENT: RecordType = record(
    "commerce/establishment",
    &[
        field("uscc", FieldType::Uscc),
        field("reg_no", FieldType::RegNo),
        field("ent_name", FieldType::Text(200)),
        field("established_on", FieldType::Date),
    ],
    &[&["uscc"], &["reg_no"]],
    UNIT,
);
pub(crate) static TAX: RecordType = record(
    "tax/registration",
    &[
        field("tax_reg_seq", FieldType::DocumentNo(20)),
        field("taxpayer_id", FieldType::TaxpayerId),
        field("org_code", FieldType::OrgCode),
        field("taxpayer_name", FieldType::Text(200)),
        field("taxpayer_status", FieldType::Text(2)),
    ],
    &[&["tax_reg_seq"]],
    UNIT,
);
/// A list that no dataset draws on.
pub(crate) static ALLOWANCE: RecordType = record(
    "civil-affairs/subsistence-allowance",
    &[
        field("citizen_id", FieldType::CitizenId),
        field("month", FieldType::Text(6)),
    ],
    &[&["citizen_id", "month"]],
    PERSON,
);

/// Records with every field kept.
pub(crate) fn kept(records: &[&'static RecordType]) -> Vec<TableSpec> {
    records.iter().map(|record| keep_all(record).unwrap()).collect()
}

/// A batch from text: a date as `YYYY-MM-DD`, an instant in microseconds, `-` for null.
pub(crate) fn batch(record: &RecordType, names: &[&str], rows: &[&[&str]]) -> RecordBatch {
    let fields: Vec<&Field> = names.iter().map(|name| record.field(name).unwrap()).collect();
    let columns = fields.iter().enumerate().map(|(place, field)| {
        let cells: Vec<Option<&str>> = rows
            .iter()
            .map(|row| Some(row[place]).filter(|cell| *cell != "-"))
            .collect();
        column(field, &cells)
    });
    let schema = Schema::new(
        fields
            .iter()
            .map(|field| ArrowField::new(field.name, field.kind.data_type(), true))
            .collect::<Vec<_>>(),
    );
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn column(field: &Field, cells: &[Option<&str>]) -> ArrayRef {
    match field.kind {
        FieldType::Date => {
            let mut builder = Date32Builder::new();
            for cell in cells {
                builder.append_option(cell.map(|text| crate::registry::day::from_text(text).unwrap()));
            }
            Arc::new(builder.finish())
        }
        FieldType::Instant => {
            let mut builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
            for cell in cells {
                builder.append_option(cell.map(|text| text.parse().unwrap()));
            }
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = StringBuilder::new();
            for cell in cells {
                builder.append_option(*cell);
            }
            Arc::new(builder.finish())
        }
    }
}

/// All fields of the record type, in catalogue order.
pub(crate) fn whole(record: &RecordType, rows: &[&[&str]]) -> RecordBatch {
    let names: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
    batch(record, &names, rows)
}

/// Part `number` of the exchange whose leaf is `leaf`, received at `leaf` seconds after the year 2000 or so.
pub(crate) fn part(record: &RecordType, leaf: u64, number: u32, batch: RecordBatch) -> Part {
    Part {
        exchange: Uuid::from_u128(u128::from(leaf)),
        number,
        // Enough to come that a store reads what stands, where it may.
        parts: number + 8,
        leaf,
        record: record.name.into(),
        partner: "public-security-city".into(),
        received_us: received(leaf),
        snapshot: false,
        confirm: false,
        batch,
        ahead: Ahead::default(),
    }
}

pub(crate) fn received(leaf: u64) -> i64 {
    1_000_000_000_000_000 + i64::try_from(leaf).unwrap() * 1_000_000
}

pub(crate) const ANNA: &str = "320706188002290004";
pub(crate) const BORIS: &str = "320706188503150009";
