//! Lists that go on in another table of their page, and tables beside a list that are none of it.

use super::html::{ended, table};
use super::*;

fn several() -> Result<(), Unreadable> {
    Err(FileFault::SeveralSheets { sheets: 2 }.into())
}

/// A list of three columns below that title.
fn list(title: &str) -> String {
    format!(
        "<table>{title}<tr><th>身份证号</th><th>姓名</th><th>备注</th></tr><tr><td>{}</td><td>甲</td><td>乙</td></tr></table>",
        id(1)
    )
}

fn rows(row: &str) -> String {
    format!("<table><tr><td>{}</td>{row}</tr></table>", id(2))
}

#[test]
fn a_list_that_goes_on_in_a_table_of_another_width_is_refused() {
    let title = "<tr><td colspan=10>某县死亡人员名单</td></tr>";
    let empty = "<td>乙</td><td></td>";
    for (title, row) in [
        (title, "<td>乙</td><td>丙</td>"),
        // Half of the names are enough: what is empty at the end of a row is left out.
        (title, empty),
        ("", "<td>乙</td>"),
        ("", empty),
    ] {
        let page = format!("{}{}", list(title), rows(row));
        assert_eq!(ended(&page), several(), "{page}");
    }
    // A title of each page stands above its rows.
    let titled = format!(
        "<table><tr><td colspan=9>第2页</td></tr><tr><td>{}<td>乙</table>",
        id(2)
    );
    assert_eq!(ended(&format!("{}{titled}", list(""))), several());
}

#[test]
fn a_list_that_begins_above_the_table_with_its_header_is_refused() {
    for row in ["<td>乙</td><td>丙</td>", "<td>乙</td>"] {
        let page = format!("{}{}", rows(row), list(""));
        assert_eq!(ended(&page), several(), "{page}");
    }
}

#[test]
fn who_signed_sums_and_the_form_that_asked_for_the_list_are_none_of_it() {
    for beside in [
        "<table><tr><td>填表人：丁</td><td>审核人：戊</td></tr></table>",
        "<table><tr><td>填表人：</td><td>丁</td><td>审核人：</td></tr></table>",
        "<table><tr><td>制表人：丁</td><td>2024年1月1日</td></tr></table>",
        "<table><tr><td>合计</td><td>1人</td><td>1</td></tr></table>",
        "<table><tr><td>开始日期：</td><td>2024-01-01</td><td>结束日期：</td></tr></table>",
        "<table><tr><td>身份证号</td><td>姓名</td><td></td></tr></table>",
        "<table><tr><td>&nbsp;</td><td>第1页</td><td>&nbsp;</td></tr></table>",
        "<table><tr><td>1</td><td>2</td><td>3</td><td>4</td><td>5</td></tr></table>",
    ] {
        assert_eq!(ended(&format!("{}{beside}", list(""))), Ok(()), "{beside}");
        assert_eq!(ended(&format!("{beside}{}", list(""))), Ok(()), "{beside}");
    }
}

#[test]
fn what_is_named_or_hidden_is_not_asked_whether_it_goes_on() {
    let page = format!("{}{}", list(""), rows("<td>乙</td><td>丙</td>"));
    let first = Layout::from_content_type("application/vnd.ms-excel; sheet-number=1").unwrap();
    let page_of = super::html::page(&page);
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &first,
        DecodeLimits::default(),
        page_of.as_bytes(),
    );
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
    let hidden = rows("<td>乙</td><td>丙</td>").replace("<table>", "<table hidden>");
    assert_eq!(ended(&format!("{}{hidden}", list(""))), Ok(()));
    assert_eq!(ended(&format!("{}{}", table("甲"), table("乙"))), several());
}
