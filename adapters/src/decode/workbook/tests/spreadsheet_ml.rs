//! `SpreadsheetML` 2003 under the name of XLS: what is read of it as of any workbook, and what is not.

use super::html::{death_of, dibao_of};
use super::*;

const STYLES: &str = r#"<Styles><Style ss:ID="Default"/><Style ss:ID="d"><NumberFormat ss:Format="yyyy\-mm\-dd"/></Style>
<Style ss:ID="m"><NumberFormat ss:Format="yyyy&quot;年&quot;m&quot;月&quot;"/></Style><Style ss:ID="z"><NumberFormat ss:Format="000000"/></Style>
<Style ss:ID="p" ss:Parent="z"><Font/></Style></Styles>"#;

pub(super) fn book(sheets: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<?mso-application progid=\"Excel.Sheet\"?>\n<Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\" \
         xmlns:x=\"urn:schemas-microsoft-com:office:excel\" xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\">{STYLES}{sheets}</Workbook>"
    )
}

pub(super) fn sheet(name: &str, rows: &str) -> String {
    format!("<Worksheet ss:Name=\"{name}\"><Table>{rows}</Table></Worksheet>")
}

pub(super) fn row(cells: &[&str]) -> String {
    let cell = |text: &&str| match *text {
        "" => "<Cell/>".to_owned(),
        text => format!("<Cell><Data ss:Type=\"String\">{text}</Data></Cell>"),
    };
    format!("<Row>{}</Row>", cells.iter().map(cell).collect::<String>())
}

fn typed(kind: &str, value: &str) -> String {
    format!("<Cell><Data ss:Type=\"{kind}\">{value}</Data></Cell>")
}

fn death_rows(rows: &str) -> Told {
    let header = row(&["身份证号", "姓名", "死亡日期"]);
    death_of(book(&sheet("名单", &format!("{header}{rows}"))).as_bytes())
}

fn table(name: &str) -> String {
    row(&["身份证号", "姓名"]) + &row(&[&id(1), name])
}

fn ended(sheets: &str) -> Result<(), Unreadable> {
    death_of(book(sheets).as_bytes()).ended
}

#[test]
fn titles_gaps_and_footers_are_no_records_and_lines_are_those_of_the_sheet() {
    let rows = [
        row(&["某县最低生活保障名单"]),
        r#"<Row ss:Index="2" ss:Span="1"/>"#.to_owned(),
        row(&["序号", "*姓名", "身 份 证 号（必填）", "金额", "月份"]),
        row(&["1", "甲", &id(1), "100.50", "202401"]),
        format!(
            r#"<Row ss:Index="7" ss:Hidden="1"><Cell ss:Index="2"><Data ss:Type="String">乙</Data><Comment><ss:Data>丙</ss:Data></Comment></Cell>{}{}{}</Row>"#,
            typed("String", "x"),
            typed("Number", "100"),
            typed("Number", "202401")
        ),
        row(&["合 计", "2"]),
    ];
    let told = dibao_of(book(&sheet("名单", &rows.concat())).as_bytes());
    assert_eq!(told.ended, Ok(()));
    assert_eq!((told.counts.received, told.counts.accepted), (2, 1));
    assert_eq!(told.rejects, [(2, 7, Some("citizen_id"), RejectCode::BadLength)]);
    assert_eq!(told.passed_over.footers, 1);
    assert_eq!(column(&told, "amount"), [Some("100.50".into())]);
}

#[test]
fn merged_groups_give_each_column_its_whole_name_and_merged_rows_their_value() {
    let data = |text: &str| format!("<Data ss:Type=\"String\">{text}</Data>");
    let rows = format!(
        r#"<Row><Cell ss:MergeDown="1">{}</Cell><Cell ss:MergeAcross="1">{}</Cell><Cell ss:MergeAcross="1">{}</Cell></Row>
        <Row><Cell ss:Index="2">{}</Cell><Cell>{}</Cell><Cell>{}</Cell><Cell>{}</Cell></Row>
        <Row><Cell ss:MergeDown="1">{}</Cell><Cell ss:Index="4">{}</Cell><Cell>{}</Cell></Row>
        <Row><Cell ss:Index="4">{}</Cell><Cell>{}</Cell></Row>"#,
        data("月份"),
        data("户主"),
        data("保障对象"),
        data("姓名"),
        data("身份证号"),
        data("姓名"),
        data("身份证号"),
        data("202401"),
        data("甲"),
        data(&id(1)),
        data("乙"),
        data(&id(2)),
    );
    let told = dibao_of(book(&sheet("名单", &rows)).as_bytes());
    assert_eq!(told.ended, Ok(()));
    assert_eq!(column(&told, "name"), [Some("甲".into()), Some("乙".into())]);
    assert_eq!(column(&told, "month"), [Some("202401".into()), Some("202401".into())]);
}

#[test]
fn numbers_days_and_truths_are_as_in_other_workbooks() {
    let of = |number, kind: &str, style: &str, value: &str| {
        format!(
            "<Row>{}<Cell/><Cell{style}><Data ss:Type=\"{kind}\">{value}</Data></Cell></Row>",
            typed("String", &id(number))
        )
    };
    let rows = [
        of(1, "DateTime", r#" ss:StyleID="d""#, "2024-01-01T00:00:00.000"),
        of(2, "Number", r#" ss:StyleID="d""#, "45292"),
        of(3, "Number", "", "45292"),
        of(4, "String", "", "2024-01-01"),
        of(5, "DateTime", r#" ss:StyleID="d""#, "1899-12-31T00:00:00.000"),
        of(6, "DateTime", r#" ss:StyleID="m""#, "2009-02-01T00:00:00.000"),
        of(7, "Number", r#" ss:StyleID="m""#, "39845"),
        of(8, "DateTime", "", "1899-12-31T08:30:00.000"),
        of(9, "Error", "", "#N/A"),
        format!(
            "<Row>{}<Cell/><Cell ss:Formula=\"=NOW()\"/></Row>",
            typed("String", &id(10))
        ),
        // A midnight in Shanghai, as programs write it that know only moments.
        of(11, "DateTime", r#" ss:StyleID="d""#, "2023-12-31T16:00:00.000Z"),
        of(12, "DateTime", r#" ss:StyleID="m""#, "2023-12-31T16:00:00.000Z"),
    ];
    let told = death_rows(&rows.concat());
    let new_year = days_from_civil(2024, 1, 1);
    assert_eq!(
        dates(&told, "death_date"),
        [new_year, new_year, new_year, new_year, None, new_year]
    );
    let rejects: Vec<_> = told.rejects.iter().map(|reject| (reject.1, reject.3)).collect();
    assert_eq!(
        rejects,
        [
            (7, RejectCode::ImpreciseDate),
            (8, RejectCode::ImpreciseDate),
            (9, RejectCode::BadDate),
            (10, RejectCode::ErrorCell),
            (11, RejectCode::UncomputedFormula),
            (13, RejectCode::ImpreciseDate),
        ]
    );
}

#[test]
fn a_cell_without_a_style_has_that_of_its_row_column_or_table() {
    let number = "<Cell><Data ss:Type=\"Number\">1234</Data></Cell>";
    let first = |number| typed("String", &id(number));
    let rows = [
        r#"<Column/><Column ss:StyleID="d"/><Column ss:Index="2"/>"#.replace(r#"<Column ss:Index="2"/>"#, ""),
        row(&["身份证号", "派出所"]),
        format!(
            "<Row>{}<Cell ss:StyleID=\"p\"><Data ss:Type=\"Number\">1234</Data></Cell></Row>",
            first(1)
        ),
        format!("<Row ss:StyleID=\"z\">{}{number}</Row>", first(2)),
        format!("<Row>{}{number}</Row>", first(3)),
    ];
    let columns = |style: &str| {
        let rows = rows.concat().replace("\"d\"/>", &format!("\"{style}\"/>"));
        let bytes = book(&sheet("名单", &rows));
        let wanted = ["citizen_id", "police_station"];
        let told = read(
            DEATH,
            &wanted,
            &super::html::XLS,
            DecodeLimits::default(),
            bytes.as_bytes(),
        );
        column(&told, "police_station")
    };
    let padded = Some("001234".to_owned());
    assert_eq!(columns("z"), [padded.clone(), padded.clone(), padded.clone()]);
    assert_eq!(columns("Default"), [padded.clone(), padded, Some("1234".into())]);
}

#[test]
fn a_number_that_lost_digits_is_a_reject_of_its_own_code() {
    let rows: String = ["3.2070718000106E+17", "320707180001060012"]
        .map(|number| format!("<Row>{}{}</Row>", typed("Number", number), typed("String", "甲")))
        .concat();
    let told = death_rows(&rows);
    let lost = |row, line| (row, line, Some("citizen_id"), RejectCode::LostDigits);
    assert_eq!(told.rejects, [lost(1, 2), lost(2, 3)]);
}

#[test]
fn rich_text_is_one_text_and_readings_are_no_part_of_it() {
    let cell = "<Cell><ss:Data ss:Type=\"String\" xmlns=\"http://www.w3.org/TR/REC-html40\"><B>欧</B><Font>阳&#30002;</Font></ss:Data>\
                <PhoneticText>x</PhoneticText></Cell>";
    let told = death_rows(&format!("<Row>{}{cell}</Row>", typed("String", &id(1))));
    assert_eq!(column(&told, "name"), [Some("欧阳甲".into())]);
}

#[test]
fn the_bytes_say_the_charset_and_the_declaration_does_not() {
    for declared in ["", " encoding=\"GBK\"", " encoding='UTF-8'"] {
        let text = book(&sheet("名单", &table("欧阳甲"))).replace("\"1.0\"", &format!("\"1.0\"{declared}"));
        for bytes in [
            text.clone().into_bytes(),
            encoding_rs::GB18030.encode(&text).0.into_owned(),
        ] {
            let told = death_of(&bytes);
            assert_eq!(told.ended, Ok(()), "{declared}");
            assert_eq!(column(&told, "name"), [Some("欧阳甲".into())], "{declared}");
        }
    }
    let big5 = book("").replace("\"1.0\"", "\"1.0\" encoding=\"Big5\"");
    assert_eq!(
        death_of(big5.as_bytes()).ended,
        Err(FileFault::OtherCharset { found: "big5" }.into())
    );
}

#[test]
fn of_several_worksheets_hidden_ones_are_counted_and_two_with_records_are_refused() {
    let hidden = "<WorksheetOptions><Visible>SheetHidden</Visible></WorksheetOptions></Worksheet>";
    let second = sheet("乙", &table("乙"));
    let both = format!(
        "{}{}",
        sheet("甲", &table("甲")),
        second.replace("</Worksheet>", hidden)
    );
    let told = death_of(book(&both).as_bytes());
    assert_eq!((told.ended.clone(), told.passed_over.sheets), (Ok(()), 1));
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
    let two = format!("{}{second}", sheet("甲", &table("甲")));
    assert_eq!(ended(&two), Err(FileFault::SeveralSheets { sheets: 2 }.into()));
    let named = super::html::XLS.of_sheet("乙").unwrap();
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &named,
        DecodeLimits::default(),
        book(&two).as_bytes(),
    );
    assert_eq!(column(&told, "name"), [Some("乙".into())]);
}

#[test]
fn a_mark_of_secrecy_in_a_title_or_the_name_of_a_sheet_refuses_the_workbook() {
    let marked = Err(Unreadable::SecrecyMark { line: 1 });
    assert_eq!(ended(&sheet("机密级名单", &table("甲"))), marked);
    assert_eq!(ended(&sheet("名单", &(row(&["秘密★10年"]) + &table("甲")))), marked);
}

#[test]
fn links_to_other_files_are_refused() {
    let link = "<x:ExcelWorkbook><x:SupBook><x:Path>C:\\a.xls</x:Path></x:SupBook></x:ExcelWorkbook>";
    let linked = format!("{link}{}", sheet("名单", &table("甲")));
    assert_eq!(ended(&linked), Err(FileFault::ExternalLinks.into()));
}

#[test]
fn places_that_go_backwards_or_beyond_a_sheet_are_damage() {
    let damaged = Err(FileFault::Damaged {
        part: "its SpreadsheetML",
    }
    .into());
    for rows in [
        r#"<Row ss:Index="2"/><Row ss:Index="2"/>"#,
        r#"<Row ss:Index="0"/>"#,
        r#"<Row ss:Index="x"/>"#,
        r#"<Row ss:Index="1048577"/>"#,
        r#"<Row ss:Span="1048576"/><Row/>"#,
        r#"<Row><Cell ss:Index="3"/><Cell ss:Index="2"/></Row>"#,
        r#"<Row><Cell ss:Index="16385"/></Row>"#,
        r#"<Row><Cell ss:MergeAcross="1000000"/></Row>"#,
        r#"<Row><Cell ss:MergeAcross="-1"/></Row>"#,
        r#"<Column ss:Index="3" ss:Span="16382"/>"#,
        r#"<Row><Cell><Data ss:Type="Nonsense">1</Data></Cell></Row>"#,
        "<Row><Cell><Data>1</Data></Cell></Row>",
        "<Row><Cell><Data ss:Type=\"String\">&nbsp;</Data></Cell></Row>",
    ] {
        assert_eq!(
            ended(&sheet("名单", &format!("{}{rows}", table("甲")))),
            damaged,
            "{rows}"
        );
    }
    let two = sheet("名单", &table("甲")).replace("</Worksheet>", "<Table/></Worksheet>");
    assert_eq!(ended(&two), damaged);
}
