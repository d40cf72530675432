#![expect(clippy::unwrap_used, reason = "a test may panic")]

use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::layout::{Encoding, Format, Layout};
use shuguan_policies::document::Document;

use super::{Layouts, read};

fn layouts(text: &str) -> Result<Layouts, Vec<String>> {
    let (mut document, mut root) = Document::parse("shuguan.toml", text);
    let layouts = read(&mut document, &mut root, true);
    root.finish(&mut document);
    let faults = document.into_faults();
    if faults.is_empty() {
        return Ok(Layouts::new(layouts));
    }
    let line = |fault: &shuguan_policies::document::Fault| {
        format!(
            "{}: {} {}",
            fault.line,
            fault.message,
            fault.hint.as_deref().unwrap_or_default()
        )
    };
    Err(faults.iter().map(line).collect())
}

const RESIDENT: &str = r#"
[[layout]]
name = "hukou-2016"
partner = "public-security-city"
record = "public-security/resident"
default = true
form = "delimited"
delimiter = "|!|"
quotes = false
[layout.headers]
"身份证" = "citizen_id"
"xm" = "-"
[layout.codes.sex]
"10" = "1"
"20" = "2"

[[layout]]
name = "old-tape"
partner = "public-security-city"
record = "public-security/resident"
form = "fixed"
charset = "utf-8"
column = [{ name = "gmsfhm", width = 18 }, { name = "xm", width = 30 }, { name = "xb", start = 50, width = 1 }]
trailer = { mark = "TRL", start = 3, width = 8 }
"#;

#[test]
fn a_layout_states_no_charset_that_it_does_not_name_but_for_byte_positions() {
    let text = RESIDENT.replace("charset = \"utf-8\"\n", "");
    let layouts = layouts(&text).unwrap();
    let resident = record_type("public-security/resident").unwrap();
    let open = |name: &str, stated| {
        let named = layouts.named("public-security-city", resident, name).unwrap();
        named.layout_for(stated).open
    };
    assert!(open("hukou-2016", None));
    assert!(!open("hukou-2016", Some(Encoding::Utf8)));
    assert!(!open("old-tape", None));
}

#[test]
fn layouts_are_found_by_name_by_default_and_by_nobody_else() {
    let layouts = layouts(RESIDENT).unwrap();
    let resident = record_type("public-security/resident").unwrap();
    let named = layouts.named("public-security-city", resident, "old-tape").unwrap();
    assert_eq!(named.layout.label(), "fixed+utf8");
    assert_eq!(named.layout_for(Some(Encoding::Gb18030)).label(), "fixed+gb18030");
    let csv = Layout::from_content_type("text/csv").unwrap();
    let ndjson = Layout::from_content_type("application/x-ndjson").unwrap();
    let default = |stated: Option<&Layout>| {
        let found = layouts.default_for("public-security-city", resident, stated);
        found.map(|of| of.layout.label())
    };
    assert_eq!(default(None), Some("pipe-bang+gb18030"));
    assert_eq!(default(Some(&csv)), Some("pipe-bang+gb18030"));
    assert_eq!(default(Some(&ndjson)), None);
    assert!(layouts.named("tax-city", resident, "old-tape").is_none());
    let death = record_type("public-security/death").unwrap();
    assert!(layouts.named("public-security-city", death, "old-tape").is_none());
    assert_eq!(layouts.of_partner("public-security-city").count(), 2);
}

#[test]
fn a_trailer_has_sums_of_columns_that_there_are() {
    let text = |columns: &str, sums: &str| {
        format!(
            "[[layout]]\nname = \"a\"\npartner = \"p\"\nrecord = \"tax/contribution-payment\"\n{columns}\n\
             trailer = {{ mark = \"TRL\", {sums} }}\n"
        )
    };
    let lines = "form = \"delimited\"";
    let fixed = "form = \"fixed\"\ncolumn = [{ name = \"NSRSBH\", width = 18 }, { name = \"AAB122\", width = 10 }]";
    for (columns, sums) in [
        (
            lines,
            "count = 1, sums = [{ column = \"AAB122\", at = 2 }, { column = \"缴费基数\", at = 3 }]",
        ),
        (
            fixed,
            "start = 3, width = 5, sums = [{ column = \"aab122\", start = 8, width = 12 }]",
        ),
    ] {
        let layouts = layouts(&text(columns, sums)).unwrap();
        let record = record_type("tax/contribution-payment").unwrap();
        let stated = match &layouts.named("p", record, "a").unwrap().layout.format {
            Format::Delimited(form) => form.trailer.as_ref().unwrap().sums.len(),
            Format::Fixed(form) => form.trailer().unwrap().sums.len(),
            _ => 0,
        };
        assert_eq!(stated, if columns == lines { 2 } else { 1 });
    }
    for (columns, sums, fault) in [
        (
            fixed,
            "start = 3, width = 5, sums = [{ column = \"AAB123\", start = 8, width = 12 }]",
            "which is no column",
        ),
        (
            fixed,
            "start = 3, width = 5, sums = [{ column = \"AAB122\", at = 8 }]",
            "`layout.trailer.sums.start` is missing",
        ),
        (
            lines,
            "count = 1, sums = [{ at = 2 }]",
            "`layout.trailer.sums.column` is missing",
        ),
        (lines, "count = 1, sum = 2", "unknown key"),
    ] {
        let faults = layouts(&text(columns, sums)).unwrap_err();
        assert!(faults.iter().any(|told| told.contains(fault)), "{fault}: {faults:#?}");
    }
}

#[test]
fn every_fault_has_its_line() {
    let text = r#"
[[layout]]
name = "Käse"
record = "public-security/residant"
form = "delimited"
delimiter = "~"
[[layout]]
name = "a"
partner = "p"
record = "public-security/resident"
form = "fixed"
charset = "latin1"
column = [{ name = "gmsfhm", width = 18 }, { name = "xm", start = 17, width = 3 }]
[layout.headers]
"身份证" = "citizenid"
[layout.constants]
sexes = "1"
ethnicity = "99"
name = ""
[layout.codes.sex]
"10" = "7"
[layout.codes.nothing]
"1" = "1"
[[layout]]
name = "b"
partner = "p"
record = "public-security/resident"
form = "tape"
colour = "red"
"#;
    let faults = layouts(text).unwrap_err();
    for expected in [
        "3: `layout.name` is no name",
        "2: `layout.partner` is missing",
        "4: there is no record type `public-security/residant` did you mean `public-security/resident`?",
        "6: `layout.delimiter` is none",
        "12: `latin1` is no charset",
        "13: columns `gmsfhm` and `xm` overlap",
        "15: there is no field `citizenid` did you mean `citizen_id`?",
        "17: there is no field `sexes`",
        "18: the table of field `ethnicity` has no code `99`",
        "19: the constant of field `name` says nothing",
        "21: the table of field `sex` has no code `7`",
        "22: there is no field `nothing`",
        "28: `tape` is no form",
        "29: unknown key `layout.colour`",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(expected)),
            "{expected}: {faults:#?}"
        );
    }
    assert_eq!(faults.len(), 14, "{faults:#?}");
}

#[test]
fn two_of_one_name_and_two_defaults_of_one_form_are_refused() {
    let twice = RESIDENT.replace("old-tape", "hukou-2016");
    assert!(
        layouts(&twice)
            .unwrap_err()
            .iter()
            .any(|fault| fault.contains("is there twice"))
    );
    let one = "[[layout]]\nname = \"NAME\"\npartner = \"p\"\nrecord = \"tax/registration\"\nform = \"delimited\"\ndefault = true\n";
    let two = format!("{}{}", one.replace("NAME", "a"), one.replace("NAME", "b"));
    assert_eq!(
        layouts(&two).unwrap_err(),
        ["7: `b` is a second default of one partner, record type and form only one can be meant without its name"]
    );
}

#[test]
fn a_file_of_its_own_needs_no_partner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout.toml");
    std::fs::write(&path, RESIDENT.replace("partner = \"public-security-city\"\n", "")).unwrap();
    let layouts = Layouts::load(&path).unwrap();
    let resident = record_type("public-security/resident").unwrap();
    assert!(layouts.only(resident, None).is_none(), "two are there");
    assert!(layouts.only(resident, Some("old-tape")).is_some());
    std::fs::write(&path, "[[layouts]]\n").unwrap();
    assert!(
        Layouts::load(&path)
            .unwrap_err()
            .iter()
            .any(|fault| fault.hint.as_deref() == Some("did you mean `layout`?"))
    );
}

#[test]
fn a_workbooks_layout_says_where_in_it_the_records_are() {
    let text = |more: &str| {
        let record = "public-security/resident";
        format!("[[layout]]\nname = \"a\"\npartner = \"p\"\nrecord = \"{record}\"\n{more}")
    };
    let good = text(
        "form = \"xls\"\nsheet = \"名单\"\ntitle_rows = 2\nheader_rows = 2\nskip_rows = 1\nfooter = \"以上\"\n\
         headers = { \"证号\" = \"citizen_id\" }\n",
    );
    let known = layouts(&good).unwrap();
    let resident = record_type("public-security/resident").unwrap();
    let layout = &known.named("p", resident, "a").unwrap().layout;
    assert_eq!(layout.label(), "xls");
    let sheet = layout.sheet().unwrap();
    assert_eq!(
        (sheet.title_rows, sheet.skip_rows, sheet.sheet.as_deref()),
        (2, 1, Some("名单"))
    );
    assert_eq!(
        sheet.header_rows.map(shuguan_adapters::layout::HeaderRows::count),
        Some(2)
    );
    assert_eq!(sheet.footer.as_deref(), Some("以上"));
    assert!(layouts(&text("form = \"dbf\"\n")).is_ok());
    for (more, why) in [
        ("form = \"xlsx\"\nheader_rows = 3\n", "`layout.header_rows` is 1 or 2"),
        (
            "form = \"xlsx\"\nsheet_number = 0\n",
            "`layout.sheet_number` counts from 1",
        ),
        ("form = \"xlsx\"\ntitle_rows = 5000\n", "more than 1000 rows"),
        (
            "form = \"xlsx\"\ncolumns = [\"xm\"]\nheader_rows = 1\n",
            "header rows too",
        ),
        (
            "form = \"dbf\"\nstated = [\"nam\"]\n",
            "there is no field `nam` did you mean `name`?",
        ),
        ("form = \"dbf\"\nstated = [\"name\"]\n", "`name` holds no codes"),
        ("form = \"dbf\"\nstated = \"sex\"\n", "stated"),
        ("form = \"xlsx\"\nfooter = \"\"\n", "the footer is an empty text"),
        ("form = \"ndjson\"\nsheet = \"a\"\n", "sheet"),
    ] {
        let faults = layouts(&text(more)).err().unwrap();
        assert!(faults.iter().any(|fault| fault.contains(why)), "{more}: {faults:?}");
    }
}
