//! `[[layout]]` tables → layouts, every fault with its line.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use shuguan_adapters::catalogue::{self, FieldType, RecordType};
use shuguan_adapters::layout::{
    Delimited, Delimiter, Encoding, Envelope, Fixed, FixedColumn, Format, HeaderRows, Layout, LayoutFault, Mapping,
    Sheet, Span, Total, Trailer, Xml,
};
use shuguan_adapters::operation;
use shuguan_policies::document::{Document, Table, nearest};

use super::NamedLayout;

/// Longest name of a layout; it stands in leaves.
const NAME_MAX: usize = 64;

/// Takes every `[[layout]]` out of a table. With `owned` each must name its partner.
pub(crate) fn read<'s>(document: &mut Document<'s>, root: &mut Table<'s>, owned: bool) -> Vec<NamedLayout> {
    let mut layouts: Vec<NamedLayout> = Vec::new();
    for table in root.tables(document, "layout") {
        let span = table.span();
        let Some(layout) = one(document, table, owned) else {
            continue;
        };
        let same = |of: &&NamedLayout| of.partner == layout.partner && of.record.name == layout.record.name;
        if layouts.iter().filter(same).any(|of| of.name == layout.name) {
            document.fault(span, format!("the layout `{}` is there twice", layout.name), None);
        } else if layout.default
            && layouts
                .iter()
                .filter(same)
                .any(|of| of.default && super::same_form(&of.layout.format, &layout.layout.format))
        {
            let hint = Some("of one partner, record type and form only one can be meant without its name".to_owned());
            document.fault(span, format!("`{}` is a second default", layout.name), hint);
        } else {
            layouts.push(layout);
        }
    }
    layouts
}

fn one<'s>(document: &mut Document<'s>, mut table: Table<'s>, owned: bool) -> Option<NamedLayout> {
    let before = document.fault_count();
    let name_span = table.span_of("name").unwrap_or(table.span());
    let name: Option<String> = table.required(document, "name");
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        let hint = Some("it stands in the log: 1 to 64 of a to z, 0 to 9, `-`, `_`, `.`".to_owned());
        document.fault(name_span, "`layout.name` is no name".into(), hint);
    }
    let partner = if owned {
        table.required(document, "partner")
    } else {
        table.optional(document, "partner")
    };
    let record = record(document, &mut table);
    let default = table.or(document, "default", false);
    let format = format(document, &mut table);
    let encoding = encoding(document, &mut table);
    let mapping = record.and_then(|record| mapping(document, &mut table, record));
    let stated = record.map_or_else(Vec::new, |record| stated(document, &mut table, record));
    table.finish(document);
    if document.fault_count() > before {
        return None;
    }
    let layout = match encoding {
        Some(encoding) => Layout::new(format?, encoding),
        None => Layout::new(format?, Encoding::Gb18030).left_open(),
    };
    Some(NamedLayout {
        name: name?,
        partner,
        record: record?,
        default,
        layout: match mapping {
            Some(mapping) => layout.with_mapping(Arc::new(mapping)),
            None => layout,
        },
        stated,
    })
}

/// `stated`: fields that the sender may state of a whole file. What is stated goes into the log, so they are those of codes.
fn stated<'s>(document: &mut Document<'s>, table: &mut Table<'s>, record: &'static RecordType) -> Vec<&'static str> {
    let span = table.span_of("stated").unwrap_or_default();
    let names: Vec<String> = table.optional(document, "stated").unwrap_or_default();
    let mut fields = Vec::new();
    for name in names {
        match record.field(&name) {
            Some(field) if is_coded(&field.kind) => fields.push(field.name),
            Some(_) => {
                let hint = Some("a division, a month, or a field with a code table".to_owned());
                document.fault(
                    span.clone(),
                    format!("`{name}` holds no codes, and what is stated stands in the log"),
                    hint,
                );
            }
            None => {
                let known: Vec<String> = record.fields.iter().map(|field| field.name.to_owned()).collect();
                let hint = nearest(&name, &known).map(|near| format!("did you mean `{near}`?"));
                document.fault(span.clone(), format!("there is no field `{name}`"), hint);
            }
        }
    }
    fields
}

fn is_coded(kind: &FieldType) -> bool {
    matches!(
        kind,
        FieldType::Code(_) | FieldType::Region | FieldType::Month | FieldType::Division(_)
    )
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(fits)
}

fn record<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<&'static RecordType> {
    let span = table.span_of("record");
    let name: String = table.required(document, "record")?;
    let record = catalogue::record_type(&name);
    if record.is_none() {
        let known: Vec<String> = catalogue::record_types().map(|record| record.name.to_owned()).collect();
        let hint = nearest(&name, &known).map(|near| format!("did you mean `{near}`?"));
        document.fault(
            span.unwrap_or_default(),
            format!("there is no record type `{name}`"),
            hint,
        );
    }
    record
}

/// The charset, if one is stated that is read here.
fn encoding<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Encoding> {
    let span = table.span_of("charset");
    let name: String = table.optional(document, "charset")?;
    let encoding = Encoding::parse(&name);
    if encoding.is_none() {
        let hint = Some("`gb18030` or `utf-8`".to_owned());
        document.fault(
            span.unwrap_or_default(),
            format!("`{name}` is no charset that is read here"),
            hint,
        );
    }
    encoding
}

fn format<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Format> {
    let span = table.span_of("form").unwrap_or(table.span());
    let form: String = table.required(document, "form")?;
    match form.as_str() {
        "delimited" => delimited(document, table).map(Format::Delimited),
        "fixed" => fixed(document, table).map(|fixed| Format::Fixed(Arc::new(fixed))),
        "ndjson" => Some(Format::Ndjson),
        "xlsx" => sheet(document, table).map(Format::Xlsx),
        "xls" => sheet(document, table).map(Format::Xls),
        "dbf" => Some(Format::Dbf),
        "json" => Some(Format::Json(Envelope {
            records: table.optional::<Vec<String>>(document, "records").map(Into::into),
            count: table.optional::<String>(document, "count").map(Into::into),
        })),
        "xml" => Some(Format::Xml(Xml {
            record: table.optional::<String>(document, "element").map(Into::into),
            packed: table.optional::<String>(document, "packed").map(Into::into),
            count: table.optional::<String>(document, "count").map(Into::into),
        })),
        _ => {
            let hint = Some("`delimited`, `fixed`, `ndjson`, `json`, `xml`, `xlsx`, `xls` or `dbf`".to_owned());
            document.fault(span, format!("`{form}` is no form"), hint);
            None
        }
    }
}

fn delimited<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Delimited> {
    let span = table.span_of("delimiter").unwrap_or_default();
    let text = table.or(document, "delimiter", String::from(","));
    let delimiter = Delimiter::parse(&text);
    if delimiter.is_none() {
        let known: Vec<&str> = Delimiter::ALL.iter().map(|of| of.word()).collect();
        let hint = Some(format!("one of {}", known.join(", ")));
        document.fault(span, "`layout.delimiter` is none that is read here".into(), hint);
    }
    let mut form = Delimited::new(delimiter?);
    form.quotes = table.or(document, "quotes", form.quotes);
    form.title_rows = table.or(document, "title_rows", 0);
    let columns_span = table.span_of("columns");
    if let Some(columns) = table.optional::<Vec<String>>(document, "columns") {
        form = told(document, columns_span, form.with_columns(columns))?;
    }
    let trailer_span = table.span_of("trailer");
    if let Some(mut inner) = table.table(document, "trailer") {
        let (mark, count) = (inner.required(document, "mark"), inner.required(document, "count"));
        let sums = sums(document, &mut inner, |document, table| table.required(document, "at"));
        inner.finish(document);
        let trailer = Trailer {
            mark: mark?,
            count: count?,
            sums: sums?,
        };
        form = told(document, trailer_span, form.with_trailer(trailer))?;
    }
    Some(form)
}

/// Where the records of a workbook are.
fn sheet<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Sheet> {
    let number_span = table.span_of("sheet_number").unwrap_or_default();
    let number: Option<u32> = table.optional(document, "sheet_number");
    let number = number.map(|number| {
        let known = NonZeroU32::new(number);
        if known.is_none() {
            document.fault(number_span, "`layout.sheet_number` counts from 1".into(), None);
        }
        known
    });
    let header_span = table.span_of("header_rows").unwrap_or_default();
    let header_rows: Option<u32> = table.optional(document, "header_rows");
    let header_rows = header_rows.map(|rows| {
        let known = HeaderRows::of(rows);
        if known.is_none() {
            document.fault(header_span, "`layout.header_rows` is 1 or 2".into(), None);
        }
        known
    });
    let span = table.span();
    let sheet = Sheet {
        sheet: table.optional::<String>(document, "sheet").map(Into::into),
        number: number.flatten(),
        title_rows: table.or(document, "title_rows", 0),
        header_rows: header_rows.flatten(),
        skip_rows: table.or(document, "skip_rows", 0),
        footer: table.optional::<String>(document, "footer").map(Into::into),
        columns: table.optional::<Vec<String>>(document, "columns").map(Into::into),
    };
    told(document, Some(span), sheet.checked())
}

fn fixed<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Fixed> {
    let span = table.span_of("column").unwrap_or(table.span());
    let mut columns = Vec::new();
    let mut at = 0_usize;
    for mut inner in table.tables(document, "column") {
        let name = inner.required(document, "name");
        let start: usize = inner.or(document, "start", at);
        let width: Option<usize> = inner.required(document, "width");
        inner.finish(document);
        let (Some(name), Some(width)) = (name, width) else {
            continue;
        };
        at = start.saturating_add(width);
        columns.push(FixedColumn {
            name,
            span: Span { start, width },
        });
    }
    let mut form = told(document, Some(span), Fixed::new(columns))?;
    form.title_rows = table.or(document, "title_rows", 0);
    form.cut_blanks = table.or(document, "cut_blanks", false);
    let trailer_span = table.span_of("trailer");
    if let Some(mut inner) = table.table(document, "trailer") {
        let mark = inner.required(document, "mark");
        let count = span_of(document, &mut inner);
        let sums = sums(document, &mut inner, span_of);
        inner.finish(document);
        let trailer = Trailer {
            mark: mark?,
            count: count?,
            sums: sums?,
        };
        form = told(document, trailer_span, form.with_trailer(trailer))?;
    }
    Some(form)
}

/// `start` and `width` of a table.
fn span_of<'s>(document: &mut Document<'s>, table: &mut Table<'s>) -> Option<Span> {
    let (start, width) = (table.required(document, "start"), table.required(document, "width"));
    Some(Span {
        start: start?,
        width: width?,
    })
}

/// `sums` of a trailer: which column each is of, and where it stands.
fn sums<'s, P>(
    document: &mut Document<'s>,
    trailer: &mut Table<'s>,
    place: impl Fn(&mut Document<'s>, &mut Table<'s>) -> Option<P>,
) -> Option<Vec<Total<P>>> {
    let mut sums = Vec::new();
    for mut inner in trailer.tables(document, "sums") {
        let column = inner.required(document, "column");
        let at = place(document, &mut inner);
        inner.finish(document);
        sums.push(column.zip(at).map(|(column, at)| Total { column, at }));
    }
    sums.into_iter().collect()
}

fn told<T>(document: &mut Document<'_>, span: Option<Range<usize>>, made: Result<T, LayoutFault>) -> Option<T> {
    made.map_err(|fault| document.fault(span.unwrap_or_default(), fault.to_string(), None))
        .ok()
}

/// `[layout.headers]`, `[layout.codes.FIELD]` and `[layout.constants]`; each entry is tried by itself, so that each fault has its line.
fn mapping<'s>(document: &mut Document<'s>, table: &mut Table<'s>, record: &'static RecordType) -> Option<Mapping> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut codes: Vec<(String, String, String)> = Vec::new();
    let whole = table.span();
    if let Some(mut inner) = table.table(document, "headers") {
        for (header, span) in inner.keys() {
            if let Some(field) = inner.optional::<String>(document, &header) {
                try_entry(
                    document,
                    span,
                    record,
                    &field,
                    Mapping::new(record, [(header.as_str(), field.as_str())], []),
                );
                headers.push((header, field));
            }
        }
        inner.finish(document);
    }
    if let Some(mut of_fields) = table.table(document, "codes") {
        for (field, field_span) in of_fields.keys() {
            let Some(mut inner) = of_fields.table(document, &field) else {
                continue;
            };
            if record.field(&field).is_none() && field != operation::NAME {
                try_entry(
                    document,
                    field_span,
                    record,
                    &field,
                    Mapping::new(record, [("x", field.as_str())], []),
                );
                continue;
            }
            for (sent, span) in inner.keys() {
                if let Some(code) = inner.optional::<String>(document, &sent) {
                    let entry = (field.as_str(), sent.as_str(), code.as_str());
                    try_entry(document, span, record, &field, Mapping::new(record, [], [entry]));
                    codes.push((field.clone(), sent, code));
                }
            }
            inner.finish(document);
        }
        of_fields.finish(document);
    }
    let own = codes
        .iter()
        .map(|(field, sent, code)| (field.as_str(), sent.as_str(), code.as_str()));
    let own = Mapping::new(record, [], own).unwrap_or_default();
    let constants = constants(document, table, record, &own);
    if headers.is_empty() && codes.is_empty() && constants.is_empty() {
        return None;
    }
    let headers = headers.iter().map(|(header, field)| (header.as_str(), field.as_str()));
    let codes = codes
        .iter()
        .map(|(field, sent, code)| (field.as_str(), sent.as_str(), code.as_str()));
    let constants = constants.iter().map(|(field, value)| (field.as_str(), value.as_str()));
    match Mapping::new(record, headers, codes).and_then(|mapping| mapping.with_constants(record, constants)) {
        Ok(mapping) => Some(mapping),
        Err(faults) => {
            // What an entry has wrong by itself is told already; here is what two have wrong together.
            if document.fault_count() == 0 {
                for fault in faults {
                    document.fault(whole.clone(), fault.to_string(), None);
                }
            }
            None
        }
    }
}

/// `[layout.constants]`, field and value as the sender writes it; `own` has its codes.
fn constants<'s>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    record: &'static RecordType,
    own: &Mapping,
) -> Vec<(String, String)> {
    let mut constants = Vec::new();
    let Some(mut inner) = table.table(document, "constants") else {
        return constants;
    };
    for (field, span) in inner.keys() {
        if let Some(value) = inner.optional::<String>(document, &field) {
            let entry = [(field.as_str(), value.as_str())];
            try_entry(
                document,
                span,
                record,
                &field,
                own.clone().with_constants(record, entry),
            );
            constants.push((field, value));
        }
    }
    inner.finish(document);
    constants
}

fn try_entry<T, F: std::fmt::Display>(
    document: &mut Document<'_>,
    span: Range<usize>,
    record: &'static RecordType,
    field: &str,
    made: Result<T, Vec<F>>,
) {
    for fault in made.err().into_iter().flatten() {
        let known: Vec<String> = record.fields.iter().map(|field| field.name.to_owned()).collect();
        let near = nearest(field, &known).filter(|near| *near != field);
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        document.fault(span.clone(), fault.to_string(), hint);
    }
}
