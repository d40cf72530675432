//! The fuzz targets by name, with what each of them checks: `fuzz_targets/` has one file each, and the corpus test runs the same.

#[path = "checks.rs"]
mod checks;

/// A name and what runs under it.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Names and bodies. A folder `corpus/<name>` belongs to each.
pub(crate) const TARGETS: &[Target] = &[
    ("delimited", delimited),
    ("json", json),
    ("ndjson", ndjson),
    ("xml", xml),
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
        ],
        data,
    );
}

/// One JSON document.
pub(crate) fn json(data: &[u8]) {
    checks::check_decode(
        &["application/json; charset=utf-8", "application/json; charset=gb18030"],
        data,
    );
}

/// One XML document.
pub(crate) fn xml(data: &[u8]) {
    checks::check_decode(
        &["application/xml; charset=utf-8", "application/xml; charset=gb18030"],
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
