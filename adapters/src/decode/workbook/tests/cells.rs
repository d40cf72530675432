//! Cells of pages of HTML: what Excel hides, wraps and groups, what spoils a cell, and what of a spoiled one still counts.

use super::html::{death_of, death_page, dibao_of, ended, page, table};
use super::*;

const EXCEL: &str = "<meta name=Generator content=\"Microsoft Excel 15\">";

fn marked(line: u64) -> Result<(), Unreadable> {
    Err(Unreadable::SecrecyMark { line })
}

/// A death with that in the cell of the name, on a page with that before its table.
fn named(before: &str, cell: &str) -> Told {
    let header = "<tr><th>身份证号</th><th>姓名</th><th>死亡日期</th></tr>";
    let row = format!("<tr><td>{}</td>{cell}<td>2025-01-02</td></tr>", id(1));
    death_of(page(&format!("{before}<table>{header}{row}</table>")).as_bytes())
}

fn reads(told: &Told, name: &str) {
    assert_eq!((told.ended.clone(), told.rejects.len()), (Ok(()), 0), "{name}");
    assert_eq!(column(told, "name"), [Some(name.into())]);
}

fn spoils(told: &Told, cell: &str) {
    let reject = (1, 2, Some("name"), RejectCode::ErrorCell);
    assert_eq!(
        (told.ended.clone(), told.rejects.as_slice()),
        (Ok(()), &[reject][..]),
        "{cell}"
    );
}

#[test]
fn a_mark_of_secrecy_in_a_spoiled_cell_refuses_the_page() {
    let with = |cell: &str| death_page(&format!("<tr><td>{}<td>甲<td>2025-01-02<td>{cell}</tr>", id(1))).ended;
    for cell in [
        "机密<span hidden>0</span>",
        "<span style='display:none'>机密</span>",
        "公开<span style='display:none'>绝密★</span>",
        "秘密<table><tr><td>甲</table>",
        "<table><tr><td>机密★10年</table>",
        "<table><tr><td>机<table><tr><td>绝密</table></table>",
        "<select><option>公开<option>机密</select>",
        "<input value='机密'>",
        "<textarea>秘密</textarea>",
    ] {
        assert_eq!(with(cell), marked(1), "{cell}");
    }
    assert_eq!(with("公开<span hidden>0</span>"), Ok(()));
    assert_eq!(with("保密局<span hidden>0</span>"), Ok(()));
    let title = format!(
        "<tr><td>机密<span hidden>1</span><tr><td>身份证号<td>姓名<tr><td>{}<td>甲",
        id(1)
    );
    assert_eq!(ended(&format!("<table>{title}</table>")), marked(1));
}

#[test]
fn what_a_column_of_marks_shows_decides_whatever_is_hidden_beside_it() {
    let with = |mark: &str| {
        let row = format!("<tr><td>{}<td>甲<td>{mark}</tr>", id(1));
        ended(&format!("<table><tr><td>身份证号<td>姓名<td>密级</tr>{row}</table>"))
    };
    assert_eq!(with("公开<span hidden>0</span>"), Ok(()));
    assert_eq!(with("公开<select></select>"), Ok(()));
    let refused = |mark: &str| assert!(matches!(with(mark), Err(Unreadable::SecrecyMark { .. })), "{mark}");
    refused("内部<span hidden>0</span>");
    refused("公开<span hidden>机密</span>");
    // Nobody can tell what it says.
    refused("<span hidden>内部</span>");
    refused("<table><tr><td>内部</table>");
}

#[test]
fn a_header_that_is_spoiled_is_read_by_what_it_shows_and_told_where_that_is_nothing() {
    let with = |header: &str| {
        let row = format!("<tr><td>{}<td>甲<td>2025-01-02</tr>", id(1));
        death_of(
            page(&format!(
                "<table><tr><td>身份证号<td>姓名<td>{header}</tr>{row}</table>"
            ))
            .as_bytes(),
        )
    };
    for header in [
        "死亡日期<span hidden>SWRQ</span>",
        "死亡日期<select><option>全部<option>今年</select>",
        "死亡日期<input value='2025'>",
        "死亡日期<table><tr><td>升序</table>",
    ] {
        let told = with(header);
        assert_eq!((told.ended.clone(), told.unknown.len()), (Ok(()), 0), "{header}");
        assert_eq!(dates(&told, "death_date"), [days_from_civil(2025, 1, 2)], "{header}");
    }
    for header in [
        "<table><tr><td>死亡日期</table>",
        "<span hidden>死亡日期</span>",
        "<select><option>死亡日期<option>迁出日期</select>",
    ] {
        let told = with(header);
        assert_eq!((told.ended, told.unknown), (Ok(()), vec!["?".to_owned()]), "{header}");
    }
}

#[test]
fn a_group_whose_name_cannot_be_read_lends_none() {
    let groups =
        "<tr><td colspan=2><table><tr><td>家属</table><td rowspan=2>死亡日期</tr><tr><td>姓名<td>身份证号</tr>";
    let told = death_of(page(&format!("<table>{groups}<tr><td>甲<td>{}<td>2025-01-02</table>", id(1))).as_bytes());
    let missing = Unreadable::BadHeaderRow {
        missing: vec!["citizen_id"],
        twice: vec![],
    };
    assert_eq!(told.ended, Err(missing));
}

#[test]
fn what_excel_hides_of_a_text_that_is_too_wide_belongs_to_it() {
    let cut = "<td>阿卜杜拉<span style='display:none'>·甲</span></td>";
    reads(&named(EXCEL, cut), "阿卜杜拉·甲");
    let old = "<meta name=ProgId content=Excel.Sheet>";
    reads(&named(old, cut), "阿卜杜拉·甲");
    // Other programs hide what is no part of the value, and so does Excel elsewhere in a cell.
    spoils(&named("", cut), cut);
    for cell in [
        "<td><span style='display:none'>乙</span>甲</td>",
        "<td><span style='display:none'>乙</span></td>",
        "<td>甲<div style='display:none'>乙</div></td>",
        "<td>甲<span style='display:none'>乙</span>丙</td>",
        "<td>甲<span style='display:none'>乙</span><p hidden>丙</p></td>",
    ] {
        spoils(&named(EXCEL, cell), cell);
    }
}

#[test]
fn the_table_that_excel_puts_around_a_text_beside_a_picture_is_none() {
    let around = |attributes: &str, text: &str| {
        format!(
            "<td><span style='mso-ignore:vglayout;position:absolute'><img src=a></span><span style='mso-ignore:vglayout2'>
             <table cellpadding=0><tr><td class=xl24 {attributes}>{text}</td></tr></table></span></td>"
        )
    };
    reads(&named(EXCEL, &around("", "欧阳<font>甲</font>")), "欧阳甲");
    reads(&named(EXCEL, &around("", "欧阳<span>甲</span>")), "欧阳甲");
    reads(
        &named(EXCEL, &around("", "欧阳甲").replace("<tr>", "<tbody><tr>")),
        "欧阳甲",
    );
    spoils(&named(EXCEL, &around("x:err=\"#N/A\"", "#N/A")), "x:err");
    spoils(&named(EXCEL, &around("hidden", "甲")), "hidden");
    // What no table follows is a span like any other.
    reads(
        &named(EXCEL, "<td><span style='mso-ignore:vglayout2'>欧阳甲</span></td>"),
        "欧阳甲",
    );
    let damaged = Err(Unreadable::File(FileFault::Damaged {
        part: "a table of its page",
    }));
    for more in [
        "甲<td>乙",
        "甲</td><td>乙",
        "甲<tr><td>乙",
        "甲<table><tr><td>乙</table>",
    ] {
        assert_eq!(named(EXCEL, &around("", more)).ended, damaged, "{more}");
    }
    let mark = around("", "机密★");
    assert_eq!(ended(&format!("<table><tr>{mark}</table>{}", table("甲"))), marked(1));
}

#[test]
fn tables_in_which_there_can_be_no_records_are_as_many_as_there_are_rows() {
    let one = |number: u32| {
        format!(
            "<tr><td>{}<td>甲<td><table><tr><td>2025<tr><td>打印</table></tr>",
            id(number)
        )
    };
    let rows: String = (1..=300).map(one).collect();
    let told = death_page(&rows);
    assert_eq!((told.ended, told.counts.received), (Ok(()), 300));
    let two = one(1).replace("打印", "打印<td>删除").repeat(300);
    let limit = DecodeLimits::default().workbook_sheets_max;
    assert_eq!(death_page(&two).ended, Err(FileFault::TooManySheets { limit }.into()));
}

#[test]
fn a_hidden_cell_with_a_table_in_it_does_not_end_the_list() {
    let inner = "<table><tr><td>KEY<td>乙</table>";
    let row = |number: u32| {
        let id = id(number);
        format!("<tr><td>{id}</td><td style='display:none'>{inner}</td><td>甲</td><td>2025-01-02</td></tr>")
    };
    let told = death_page(&(row(1) + &row(2)));
    assert_eq!((told.ended.clone(), told.counts.accepted), (Ok(()), 2));
    // Not even one with records is shown.
    let hidden = format!("<tr><td hidden>{}</td><td>{}<td>甲</tr>", table("乙"), id(1));
    let told = death_page(&hidden);
    assert_eq!((told.ended.clone(), told.passed_over.sheets), (Ok(()), 1));
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
    let secret = row(1).replace("KEY", "机密★");
    assert_eq!(death_page(&secret).ended, marked(1));
}

#[test]
fn fields_of_forms_spoil_their_cell_unless_they_say_nothing() {
    for cell in [
        "<td><select><option>甲<option>乙</select></td>",
        "<td>甲<select><option>乙</select></td>",
        "<td><input value=甲></td>",
        "<td><INPUT type=text value=' 甲 '></td>",
        "<td>甲<textarea>乙</textarea></td>",
    ] {
        spoils(&named("", cell), cell);
    }
    for beside in [
        "<input type=checkbox value=on>",
        "<input type='Hidden' value=17>",
        "<input type=button value=删除>",
        "<input value=17 style='display:none'>",
        "<input value=''>",
        "<textarea></textarea>",
        "<select></select>",
    ] {
        reads(&named("", &format!("<td>{beside}甲</td>")), "甲");
    }
}

#[test]
fn a_number_with_marks_between_its_thousands_is_that_number() {
    let with = |cell: &str| {
        let row = format!("<tr><td>甲<td>{}<td>202401{cell}</tr>", id(1));
        dibao_of(
            page(&format!(
                "<table><tr><td>姓名<td>身份证号<td>月份<td>金额</tr>{row}</table>"
            ))
            .as_bytes(),
        )
    };
    for (cell, amount) in [
        ("<td x:num=\"1234.5\">1,234.50", "1234.50"),
        ("<td x:num=\"1234567\"> 1,234,567 ", "1234567.00"),
        ("<td x:num=\"1234.5678\">1,234.57", "1234.57"),
    ] {
        assert_eq!(column(&with(cell), "amount"), [Some(amount.into())], "{cell}");
    }
    // What is shown is another number, in thousands perhaps.
    let other = with("<td x:num=\"1234567\">1,235");
    let unnumbered = with("<td>1,235");
    assert_eq!(other.counts, unnumbered.counts);
    assert_eq!(other.rejects, unnumbered.rejects);
}

#[test]
fn a_charset_has_several_names_and_a_latin_one_says_nothing_of_bytes_that_leave_no_doubt() {
    let declared = |name: &str, text: &str| page(text).replace("charset=utf-8", &format!("charset={name}"));
    let list = table("欧阳甲");
    for name in ["gb_2312-80", "x-gbk", "MS936", "ascii"] {
        for bytes in [
            declared(name, &list).into_bytes(),
            encoding_rs::GB18030.encode(&declared(name, &list)).0.into_owned(),
        ] {
            let told = death_of(&bytes);
            assert_eq!(column(&told, "name"), [Some("欧阳甲".into())], "{name}");
        }
    }
    let ascii = format!("<table><tr><td>citizen_id<td>name<tr><td>{}<td>Anna</table>", id(1));
    for name in ["iso-8859-1", "Windows-1252", "latin1"] {
        assert_eq!(death_of(declared(name, &list).as_bytes()).ended, Ok(()), "{name}");
        assert_eq!(death_of(declared(name, &ascii).as_bytes()).ended, Ok(()), "{name}");
        let gb = encoding_rs::GB18030.encode(&declared(name, &list)).0.into_owned();
        let refused = death_of(&gb).ended;
        assert!(
            matches!(refused, Err(Unreadable::File(FileFault::OtherCharset { .. }))),
            "{name}: {refused:?}"
        );
    }
    // A charset of East Asia is another: what is ASCII in it need not be so here.
    let other = FileFault::OtherCharset { found: "big5" };
    assert_eq!(death_of(declared("big5", &ascii).as_bytes()).ended, Err(other.into()));
    for (name, encoding) in [("ms936", Encoding::Gb18030), ("ASCII", Encoding::Utf8)] {
        assert_eq!(Encoding::parse(name), Some(encoding));
    }
}
