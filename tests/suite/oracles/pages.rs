//! Tables of HTML against html5lib, which parses as browsers do: end tags left out, references, comments, scripts, spans, tables in cells, hidden cells, stray end tags. Made anew
//! from a printed seed at each run; where a cell stands is reckoned here from what html5lib says that it covers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::decode::{DecodeLimits, Page, Shown};
use shuguan_adapters::layout::Layout;

use super::ask;
use crate::random::Random;

const PAGES: usize = 400;
const ROWS: u64 = 12;
const CONTENT: [&str; 42] = [
    "甲",
    "乙 丙",
    "a&amp;b",
    "&lt;td&gt;",
    "&copy",
    "&copy;right",
    "&notit;",
    "&nosuch;",
    "&#x4E59;",
    "&#19969",
    "&#128;",
    "&middot;",
    "&",
    "&#x;",
    "< 5",
    "</>",
    "</ x>",
    "<?php echo 1 ?>",
    "<!-- <td>子 -->",
    "<!-->丑",
    "<![CDATA[寅]]>",
    "<b>卯</b>",
    "<br/>",
    "<p>辰</p>",
    "<a href='<td>' title=\"</table>\">巳</a>",
    "<font\n size=1 color>午</font>",
    "<script>'<td>'</script>",
    "<style>td { color: red } /* <table> */</style>",
    "<table><tr><td>内<td rowspan=9>里</table>",
    "<table><tbody><tr><td>外</td></tr></tbody></table>未",
    "</div>申",
    "</b>",
    "</span>酉",
    "</caption>",
    "</body></html>",
    "</select>",
    "</p>戌",
    "<b hidden>亥</b>",
    "<span style='display:none'>金</span>木",
    "<select><option>水<option>火</select>",
    "<input value=土>",
    "<textarea><td></textarea>",
];

/// Line, column and text without blanks.
type Grid = BTreeMap<(u64, usize), String>;

/// Sections of rows of cells: text, rows, columns.
type Judged = Vec<Vec<Vec<(String, u64, usize)>>>;

#[test]
#[cfg_attr(not(oracles), ignore = "run tests/oracles/install first")]
fn tables_of_html_hold_what_a_browser_shows_in_them() {
    let mut random = Random::printed("pages");
    let pages: Vec<String> = (0..PAGES).map(|_| page(&mut random)).collect();
    let answer = ask("pages.py", json!(pages).to_string().into_bytes());
    let judged: Vec<Judged> = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(judged.len(), PAGES);
    let (mut of_all, mut of_bad) = (0, 0);
    for (page, judged) in pages.iter().zip(&judged) {
        let (ours, bad) = ours(page);
        let mut theirs = grid(judged);
        theirs.retain(|place, _| !bad.contains(place));
        assert_eq!(ours, theirs, "{page}");
        of_all += ours.len();
        of_bad += bad.len();
    }
    // A cell with a table in it, a field of a form or what is hidden is bad: nobody can tell what it says.
    assert!(of_bad > 0 && of_bad < of_all, "{of_bad} of {of_all}");
}

fn page(random: &mut Random) -> String {
    let mut pick = |of: &[&'static str]| of[usize::try_from(random.below(of.len() as u64)).expect("small")];
    let mut page = String::from("<!DOCTYPE html><html><body><p>标题<table border=1><tr><td>citizen_id<td>name</td>");
    for _ in 0..ROWS {
        page.push_str(pick(&["", "", "", "", "<tbody>", "<tfoot>", "<thead>\n"]));
        page.push_str(pick(&["<tr>", "<tr>\n", "<TR class=a>", "<tr><tr>"]));
        for _ in 0..pick(&["", "1", "12", "1234", "123"]).len() {
            let element = pick(&["td", "td", "TD", "th"]);
            let spans = [
                "",
                "",
                "",
                " rowspan=2",
                " rowspan='3' x",
                " colspan=2",
                " colspan=\"3\" rowspan=2",
                " rowspan=0",
                " colspan=0",
                " rowspan=x",
                " hidden",
                " style='DISPLAY: none' colspan=2",
            ];
            page.extend(["<", element, pick(&spans), ">"]);
            for _ in 0..pick(&["", "1", "12"]).len() {
                page.push_str(pick(&CONTENT));
            }
            if pick(&["", "1"]).is_empty() {
                page.extend(["</", element, ">"]);
            }
        }
        page.push_str(pick(&["</tr>", "", "\n</tr>\n"]));
    }
    page + "</table></body></html>"
}

/// Where each cell stands that says anything, by the table model of HTML.
fn grid(judged: &Judged) -> Grid {
    let mut grid = Grid::new();
    let mut line = 0;
    for section in judged {
        let end = line + section.len() as u64;
        let mut covered = BTreeSet::new();
        for row in section {
            line += 1;
            let mut column = 0;
            for (text, rows, columns) in row {
                while covered.contains(&(line, column)) {
                    column += 1;
                }
                let last = if *rows == 0 { end } else { (line + rows - 1).min(end) };
                for row in line..=last {
                    covered.extend((column..column + columns).map(|column| (row, column)));
                }
                if !text.is_empty() {
                    grid.insert((line, column), text.clone());
                }
                column += columns;
            }
        }
    }
    grid
}

fn ours(page: &str) -> (Grid, BTreeSet<(u64, usize)>) {
    let record = record_type("public-security/death").expect("a record type");
    let layout = Layout::from_content_type("text/html; charset=utf-8; sheet-number=1").expect("a type");
    let mut bytes = page.as_bytes();
    let mut read = Page::open(record, &layout, DecodeLimits::default(), &mut bytes)
        .unwrap_or_else(|error| panic!("{error}: {page}"));
    let (mut grid, mut bad) = (Grid::new(), BTreeSet::new());
    while let Some(row) = read.next_row().unwrap_or_else(|error| panic!("{error}: {page}")) {
        for (column, shown) in row.cells {
            let Shown::Text(text) = shown else {
                bad.insert((row.line, column));
                continue;
            };
            let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
            if !text.is_empty() {
                grid.insert((row.line, column), text);
            }
        }
    }
    (grid, bad)
}
