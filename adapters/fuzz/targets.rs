//! The fuzz targets by name, with what each of them checks: `fuzz_targets/` has one file each, and the corpus test runs the same.

#[path = "checks.rs"]
mod checks;
#[path = "files.rs"]
mod files;

use shuguan_adapters::layout::{Format, Layout};

/// A name and what runs under it.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Names and bodies. A folder `corpus/<name>` belongs to each.
pub(crate) const TARGETS: &[Target] = &[
    ("delimited", delimited),
    ("json", json),
    ("ndjson", ndjson),
    ("xml", xml),
    ("packed", packed),
    ("inflate", checks::check_inflate),
    ("fixed", fixed),
    ("xlsx", xlsx),
    ("xls", xls),
    ("html", html),
    ("spreadsheet_ml", spreadsheet_ml),
    ("dbf", dbf),
    ("values", checks::check_values),
];

/// Text of one record a line.
pub(crate) fn delimited(data: &[u8]) {
    checks::check_decode(
        &[
            "text/csv; charset=utf-8",
            "text/csv; charset=gb18030",
            "text/tab-separated-values; charset=gb18030",
            "text/csv; charset=utf-8; delimiter=\"|\"",
            "text/csv; charset=gb18030; delimiter=\"|!|\"; quotes=none",
            "text/csv; charset=utf-8; delimiter=\"@#\"; quotes=none",
            "text/csv; charset=gb18030; delimiter=esc",
            "text/csv",
        ],
        data,
    );
}

/// One JSON object a line.
pub(crate) fn ndjson(data: &[u8]) {
    checks::check_decode(
        &[
            "application/x-ndjson; charset=utf-8",
            "application/x-ndjson; charset=gb18030",
            "application/x-ndjson",
        ],
        data,
    );
}

/// One JSON document.
pub(crate) fn json(data: &[u8]) {
    checks::check_decode(
        &[
            "application/json; charset=utf-8",
            "application/json; charset=gb18030",
            "application/json",
        ],
        data,
    );
}

/// One XML document.
pub(crate) fn xml(data: &[u8]) {
    checks::check_decode(
        &[
            "application/xml; charset=utf-8",
            "application/xml; charset=gb18030",
            "application/xml",
        ],
        data,
    );
}

/// A document of XML or JSON inside the envelope of the tax offices.
pub(crate) fn packed(data: &[u8]) {
    checks::check_feed(data, |choice, _, feed| {
        let layout = Layout::from_content_type("application/xml").expect("a type that is decoded");
        (layout, files::envelope(choice, feed))
    });
}

/// Every field of the record type in a column of 20 bytes.
pub(crate) fn fixed(data: &[u8]) {
    checks::check_feed(data, |choice, record, feed| {
        (files::fixed(choice, record), feed.to_vec())
    });
}

/// A workbook, or the XML of its one sheet.
pub(crate) fn xlsx(data: &[u8]) {
    checks::check_feed(data, |choice, _, feed| {
        (files::sheet(Format::XLSX, choice), files::xlsx(feed))
    });
}

/// A compound file, or the stream of the workbook in it.
pub(crate) fn xls(data: &[u8]) {
    checks::check_feed(data, |choice, _, feed| {
        (files::sheet(Format::XLS, choice), files::xls(feed))
    });
}

/// A page of HTML, or the rows of its one table.
pub(crate) fn html(data: &[u8]) {
    checks::check_feed(data, |choice, _, feed| (files::markup(choice), files::html(feed)));
}

/// `SpreadsheetML`, or the rows of its one worksheet.
pub(crate) fn spreadsheet_ml(data: &[u8]) {
    checks::check_feed(data, |choice, _, feed| {
        (files::markup(choice), files::spreadsheet_ml(feed))
    });
}

/// A table of dBASE.
pub(crate) fn dbf(data: &[u8]) {
    checks::check_decode(
        &["application/x-dbf; charset=gb18030", "application/x-dbf; charset=utf-8"],
        data,
    );
}

/// Runs one of them.
pub(crate) fn run(name: &str, data: &[u8]) {
    for (target, check) in TARGETS {
        if *target == name {
            check(data);
        }
    }
}
