//! Pages of HTML under the name of XLS: what is read of them as of any workbook, and what is not.

use super::*;

pub(super) const XLS: Layout = Layout {
    format: Format::XLS,
    encoding: Encoding::Utf8,
    open: true,
    mapping: None,
};

pub(super) fn page(table: &str) -> String {
    format!(
        "<html xmlns:x=\"urn:schemas-microsoft-com:office:excel\"><head><meta http-equiv=Content-Type content=\"text/html; charset=utf-8\">\
         <style>td {{ mso-number-format: '\\@' }} /* <table> */</style></head><body>{table}</body></html>"
    )
}

pub(super) fn dibao_of(bytes: &[u8]) -> Told {
    let wanted = ["name", "citizen_id", "head_name", "month", "amount"];
    read(DIBAO, &wanted, &XLS, DecodeLimits::default(), bytes)
}

pub(super) fn death_of(bytes: &[u8]) -> Told {
    let wanted = ["citizen_id", "name", "death_date", "source_updated_at"];
    read(DEATH, &wanted, &XLS, DecodeLimits::default(), bytes)
}

pub(super) fn death_page(rows: &str) -> Told {
    let header = "<tr><th>身份证号</th><th>姓名</th><th>死亡日期</th></tr>";
    death_of(page(&format!("<table border=1>{header}{rows}</table>")).as_bytes())
}

pub(super) fn ended(table: &str) -> Result<(), Unreadable> {
    death_of(page(table).as_bytes()).ended
}

pub(super) fn table(name: &str) -> String {
    format!("<table><tr><td>身份证号<td>姓名<tr><td>{}<td>{name}</table>", id(1))
}

#[test]
fn titles_blank_rows_and_footers_are_no_records_and_lines_are_those_of_the_table() {
    let told = dibao_of(
        page(&format!(
            "<table><caption>名单</caption><thead><tr><td colspan=5>某县最低生活保障名单</td></tr><tr><td>填报单位：某局<td><td>2024年1月</tr>
             <tr></tr><tr><th>序号</th><th>*姓名</th><th>身 份 证 号（必填）</th><th>金额</th><th>月份</th></tr></thead><tbody>
             <tr><td>1<td>甲<td>{}<td>100.50<td>202401
             <tr><td><td>&nbsp;<td>
             <tr><td>2</td><td>乙</td><td>x</td><td>100</td><td>202401</td></tr>
             <tr><td>小计</td><td>2人</td><td></td><td>200.5</td></tr>
             <tr><td>3</td><td>丙</td><td>{}</td><td>1</td><td>202401</td></tr></tbody>
             <tfoot><tr><td>合 计</td><td>3</td></tr><tr><td>填表人：丁<td><td>审核人：戊</tfoot></table>",
            id(1),
            id(2)
        ))
        .as_bytes(),
    );
    assert_eq!(told.ended, Ok(()));
    assert_eq!((told.counts.received, told.counts.accepted), (3, 2));
    assert_eq!(told.rejects, [(2, 7, Some("citizen_id"), RejectCode::BadLength)]);
    assert_eq!(told.passed_over.footers, 3);
    assert_eq!(told.unknown, ["序号"]);
    assert_eq!(column(&told, "amount"), [Some("100.50".into()), Some("1.00".into())]);
}

#[test]
fn two_header_rows_with_merged_groups_give_each_column_its_whole_name() {
    let told = dibao_of(
        page(&format!(
            "<table><tr><td rowspan=2>序号</td><td colspan=2>户主信息</td><td colspan='2'>保障对象</td><td rowspan=\"2\">月份</td></tr>
             <tr><td>姓名</td><td>身份证号</td><td>姓名</td><td>身份证号</td></tr>
             <tr><td>1</td><td>甲</td><td>{}</td><td>乙</td><td>{}</td><td>202401</td></tr></table>",
            id(1),
            id(2)
        ))
        .as_bytes(),
    );
    assert_eq!(told.ended, Ok(()));
    assert_eq!(column(&told, "head_name"), [Some("甲".into())]);
    assert_eq!(column(&told, "name"), [Some("乙".into())]);
    assert_eq!(column(&told, "citizen_id"), [Some(id(2))]);
    assert_eq!(column(&told, "month"), [Some("202401".into())]);
}

#[test]
fn what_is_merged_over_several_rows_counts_for_each_and_moves_their_cells() {
    let told = dibao_of(
        page(&format!(
            "<table><tr><td>月份<td>姓名<td>身份证号</tr><tr><td rowspan=2>202401<td>甲<td>{}</tr><tr><td>乙<td>{}</tr>
             <tr><td>202402<td>丙<td>{}</tr></table>",
            id(1),
            id(2),
            id(3)
        ))
        .as_bytes(),
    );
    let months = ["202401", "202401", "202402"].map(|month| Some(month.to_owned()));
    assert_eq!(column(&told, "month"), months);
    assert_eq!(column(&told, "citizen_id"), [id(1), id(2), id(3)].map(Some));
}

#[test]
fn a_span_ends_with_its_section_and_with_its_table() {
    let told = death_of(
        page(&format!(
            "<table><thead><tr><th rowspan=9>身份证号<th rowspan=0>姓名</thead><tbody><tr><td>{}<td>甲</tbody></table>",
            id(1)
        ))
        .as_bytes(),
    );
    assert_eq!((told.ended.clone(), told.counts.accepted), (Ok(()), 1));
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
}

#[test]
fn entities_breaks_and_blanks_are_what_a_browser_shows() {
    let told = death_page(&format!(
        "<tr><td>&#51;{}</td><td>\n  阿卜杜拉<b>&middot;</b>&#x4E19;\n </td><td>1990-01-01<!-- 甲 --><script>'<td>'</script></td></tr>",
        id(1).get(1..).unwrap()
    ));
    assert_eq!(told.rejects, []);
    assert_eq!(column(&told, "name"), [Some("阿卜杜拉·丙".into())]);
    assert_eq!(dates(&told, "death_date"), [days_from_civil(1990, 1, 1)]);
}

#[test]
fn two_names_in_one_cell_are_not_one_name() {
    let told = death_page(&format!("<tr><td>{}<td>甲<br>乙<br></tr>", id(1)));
    let in_workbook = death(&Made::of(&[
        texts(1, &["身份证号", "姓名"]),
        texts(2, &[&id(1), "甲&#10;乙"]),
    ]));
    assert_eq!(told.rejects, in_workbook.rejects);
    assert_eq!(told.counts.rejected, 1);
}

#[test]
fn a_number_that_lost_digits_is_a_reject_and_one_that_only_hides_them_is_read() {
    let told = death_page(&format!(
        "<tr><td>3.2071E+17<td>甲</tr><tr><td x:num=\"3.2070718000106E+17\">3.2071E+17<td>乙</tr>
         <tr><td x:num>320707180001060012<td>丙</tr><tr><td>{}<td>丁<td x:num=\"36892\">######</tr><tr><td x:str>{}<td>戊<td x:num=36892>2001/1/1</tr>
         <tr><td>{}<td x:err=\"#N/A\">#N/A<td>&#xD800;</tr>",
        id(1),
        id(2),
        id(3)
    ));
    let lost = |row, line| (row, line, Some("citizen_id"), RejectCode::LostDigits);
    assert_eq!(told.rejects.get(..3), Some(&[lost(1, 2), lost(2, 3), lost(3, 4)][..]));
    assert_eq!(dates(&told, "death_date"), [days_from_civil(2001, 1, 1); 2]);
    let bad: Vec<_> = told.rejects.iter().skip(3).map(|reject| (reject.2, reject.3)).collect();
    assert_eq!(bad, [(Some("name"), RejectCode::ErrorCell)]);
}

#[test]
fn the_bytes_say_the_charset_and_the_meta_element_does_not() {
    for (text, declared) in [
        ("utf-8", "utf-8"),
        ("utf-8", "gb2312"),
        ("gb18030", "gb2312"),
        ("gb18030", "utf-8"),
    ] {
        let page = page(&table("欧阳甲")).replace("charset=utf-8", &format!("charset={declared}"));
        let bytes = match text {
            "utf-8" => page.into_bytes(),
            _ => encoding_rs::GB18030.encode(&page).0.into_owned(),
        };
        let told = death_of(&bytes);
        assert_eq!(told.ended, Ok(()), "{text} {declared}");
        assert_eq!(column(&told, "name"), [Some("欧阳甲".into())], "{text} {declared}");
    }
}

#[test]
fn a_stated_charset_that_the_bytes_contradict_and_one_that_is_not_read_refuse_the_page() {
    let stated = XLS.in_charset(Encoding::Gb18030);
    let bytes = page(&table("欧阳甲"));
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &stated,
        DecodeLimits::default(),
        bytes.as_bytes(),
    );
    assert!(
        matches!(told.ended, Err(Unreadable::WrongCharset { .. })),
        "{:?}",
        told.ended
    );
    for declared in [
        "<meta charset=big5>",
        "<META http-equiv=x CONTENT='text/html; CHARSET=Big5; a'>",
    ] {
        let other = FileFault::OtherCharset { found: "big5" };
        assert_eq!(
            ended(&format!("{declared}{}", table("甲"))),
            Err(other.into()),
            "{declared}"
        );
    }
    let mut broken = page(&table("欧阳甲")).into_bytes();
    let at = broken.iter().rposition(|byte| !byte.is_ascii()).unwrap();
    broken[at] = b'a';
    assert!(matches!(death_of(&broken).ended, Err(Unreadable::BadEncoding { .. })));
}

#[test]
fn of_several_tables_the_one_with_records_is_read_and_two_with_records_are_refused() {
    let form = "<table><tr><td>姓名<td>身份证号</tr></table>";
    let layout = format!("<table><tr><td>标题<td>{}<td></table>", table("甲"));
    for beside in [
        format!("{form}{}", table("甲")),
        layout,
        format!("<table></table>{}", table("甲")),
    ] {
        let told = death_of(page(&beside).as_bytes());
        assert_eq!(told.ended, Ok(()), "{beside}");
        assert_eq!(column(&told, "name"), [Some("甲".into())], "{beside}");
    }
    let several = Err(FileFault::SeveralSheets { sheets: 2 }.into());
    let two = format!("{}{}", table("甲"), table("乙"));
    assert_eq!(ended(&two), several);
    // A table that goes on, and a header that is a table by itself.
    let on = format!("<table><tr><td>{}<td>乙</tr></table>", id(2));
    assert_eq!(ended(&format!("{}{on}", table("甲"))), several);
    assert_eq!(ended(&format!("{form}{on}")), several);
    let second = Layout::from_content_type("application/vnd.ms-excel; sheet-number=2").unwrap();
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &second,
        DecodeLimits::default(),
        page(&two).as_bytes(),
    );
    assert_eq!(column(&told, "name"), [Some("乙".into())]);
}

#[test]
fn a_table_within_a_cell_is_one_by_itself_and_the_cell_is_bad() {
    let rows = format!("<tr><td>{}<td>甲<table><tr><td>乙</table>丙</tr>", id(1));
    let told = death_page(&rows);
    assert_eq!(told.rejects, [(1, 2, Some("name"), RejectCode::ErrorCell)]);
    let rows = format!("<tr><td>{}<td>甲{}</tr>", id(1), table("乙"));
    assert_eq!(
        death_page(&rows).ended,
        Err(FileFault::SeveralSheets { sheets: 2 }.into())
    );
}

#[test]
fn a_hidden_table_is_a_hidden_sheet_and_hidden_rows_are_read() {
    let hidden = table("乙").replace("<table>", "<table style='width:1px; DISPLAY : none'>");
    let told = death_of(page(&format!("{}{hidden}", table("甲"))).as_bytes());
    assert_eq!((told.ended.clone(), told.passed_over.sheets), (Ok(()), 1));
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
    let rows = format!("<tr style='display:none'><td>{}<td>甲</tr>", id(1));
    assert_eq!(death_page(&rows).counts.accepted, 1);
}

#[test]
fn a_hidden_cell_takes_no_place_and_what_is_hidden_within_one_makes_it_bad() {
    let told = death_page(&format!(
        "<tr><td>{}</td><td style='display:none'>KEY</td><td>甲</td><td>2025-01-02</td></tr>",
        id(1)
    ));
    assert_eq!(told.ended, Ok(()));
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
    for cell in [
        "<span style=\"display: none\">乙</span>甲",
        "<div hidden><b>乙</b></div>甲",
        "甲<p style='display:none'>乙",
        "<table><tr><td>甲</table>",
    ] {
        let told = death_page(&format!(
            "<tr><td>{}</td><td>{cell}</td><td>2025-01-02</td></tr>",
            id(1)
        ));
        assert_eq!(told.rejects, [(1, 2, Some("name"), RejectCode::ErrorCell)], "{cell}");
    }
    // What is hidden and says nothing hides nothing.
    let boxes = "<input type=checkbox style='display:none'><span hidden></span>甲";
    let told = death_page(&format!(
        "<tr><td>{}</td><td>{boxes}</td><td>2025-01-02</td></tr>",
        id(1)
    ));
    assert_eq!(
        (told.rejects.len(), column(&told, "name")),
        (0, vec![Some("甲".into())])
    );
}

#[test]
fn a_list_that_goes_on_in_a_further_table_with_empty_cells_is_refused_and_a_narrower_table_is_none_of_it() {
    let first = format!(
        "<table><tr><th>身份证号</th><th>姓名</th><th>备注</th></tr><tr><td>{}</td><td>甲</td><td></td></tr></table>",
        id(1)
    );
    let further = format!("<table><tr><td>{}</td><td>乙</td><td></td></tr></table>", id(2));
    let refused = ended(&format!("{first}{further}"));
    assert_eq!(refused, Err(Unreadable::File(FileFault::SeveralSheets { sheets: 2 })));
    let signed = "<table><tr><td>填表人：丁</td><td>审核人：戊</td></tr></table>";
    assert_eq!(ended(&format!("{first}{signed}")), Ok(()));
}

#[test]
fn rows_outside_of_a_table_refuse_the_page() {
    let row = format!("<tr><td>{}</td><td>甲</td><td>2025-01-02</td></tr>", id(1));
    let more = format!(
        "{row}</table><tr><td>{}</td><td>乙</td><td>2025-01-02</td></tr><table>",
        id(2)
    );
    let damaged = Err(Unreadable::File(FileFault::Damaged {
        part: "a table of its page",
    }));
    assert_eq!(death_page(&more).ended, damaged);
}

#[test]
fn of_an_attribute_that_comes_twice_the_first_counts() {
    let told = death_page(&format!(
        "<tr><td colspan=1 colspan=2>{}</td><td>甲</td><td>2025-01-02</td></tr>",
        id(1)
    ));
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
}

#[test]
fn a_sheet_is_called_what_excel_notes_in_a_comment() {
    let note = "<!--[if gte mso 9]><xml><x:ExcelWorkbook><x:ExcelWorksheet><x:Name>名单</x:Name></x:ExcelWorksheet></xml><![endif]-->";
    let bytes = page(&format!("{note}{}", table("甲")));
    let named = XLS.of_sheet("名单").unwrap();
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &named,
        DecodeLimits::default(),
        bytes.as_bytes(),
    );
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
    let other = XLS.of_sheet("清单").unwrap();
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &other,
        DecodeLimits::default(),
        bytes.as_bytes(),
    );
    assert_eq!(told.ended, Err(FileFault::NoSuchSheet.into()));
    let secret = note.replace("名单", "机密级名单");
    assert_eq!(
        ended(&format!("{secret}{}", table("甲"))),
        Err(Unreadable::SecrecyMark { line: 1 })
    );
}

#[test]
fn a_mark_of_secrecy_anywhere_on_the_page_refuses_it() {
    let table = table("甲");
    let marked = Err(Unreadable::SecrecyMark { line: 1 });
    for page in [
        format!("<h1>机<b>密</b>★10年</h1>{table}"),
        format!("<p>密级：</p><p>秘密</p>{table}"),
        format!("{table}<div>绝密</div>"),
        format!("<title>机密级名单</title>{table}"),
        format!("<table><caption>秘密</caption></table>{table}"),
        format!("<table><tr><td>机密★</table>{table}"),
        format!("<table><tr><td>{table}<td>绝密</table>"),
    ] {
        assert_eq!(ended(&page), marked, "{page}");
    }
    let open = format!("<p>密级：</p><p>公开</p><h1>绝密级剧本娱乐有限公司</h1>{table}<p>审核</p>");
    assert_eq!(ended(&open), Ok(()));
}

#[test]
fn what_breaks_off_within_its_table_is_refused() {
    let truncated = Err(FileFault::Truncated {
        part: "a table of its page",
    }
    .into());
    for page in [
        "<table><tr><td>姓名",
        "<table><tr><td>姓名<!-- </table>",
        "<table><tr><td>姓名<script></table>",
        "<table><tr><td>姓名<table></table>",
    ] {
        assert_eq!(ended(page), truncated, "{page}");
    }
}
