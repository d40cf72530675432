//! `shuguan audit person`: who sent or received what about one person or unit.
//!
//! Takes the number at a prompt or on stdin, never as an argument: arguments stand in process lists and histories. Gives a table, JSON, or with `--report` the
//! report that a citizen may ask for (个人信息保护法 44, 45, 50): Chinese, without the number. Never a value: the gateway has none to give. Names the years
//! that were not searched, in each of them, so that `0` is never read as `nobody`.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Ground, cell, sealed};
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;

/// What is read of stdin, bytes: enough to see that it is more than one number.
const STDIN_BYTES_MAX: u64 = 4_096;
/// Longest number that is read, bytes.
const NUMBER_BYTES_MAX: usize = 256;

#[derive(Debug, clap::Args)]
pub(super) struct PersonArgs {
    #[command(flatten)]
    ground: Ground,
    /// Write the report for the person concerned to this file, `-` for stdout.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Laws by the prefix of an article's id; an unknown id is printed as it is.
const LAWS: [(&str, &str); 9] = [
    ("si", "社会保险法"),
    ("op", "社会保险经办条例"),
    ("hk", "户口登记条例"),
    ("id", "居民身份证法"),
    ("rp", "居住证暂行条例"),
    ("as", "社会救助暂行办法"),
    ("mr", "市场主体登记管理条例"),
    ("tx", "税收征收管理法"),
    ("lv", "社会保险费征缴暂行条例"),
];

/// Runs the command.
pub(super) fn run(args: &PersonArgs, output: &Output) -> Result<Exit, Failure> {
    let number = typed()?;
    let question = json!({ "case": args.ground.case, "why": args.ground.why, "person": number });
    let document = args.ground.ask("/console/api/person", &question)?;
    if let Some(file) = &args.report {
        output.file(file, report(&document, &args.ground.case).as_bytes())?;
        sealed(&document, output);
        unsearched(&document, output);
        return Ok(Exit::Done);
    }
    if output.is_json() {
        output.json("shuguan.audit.person.v1", &document);
        return Ok(Exit::Done);
    }
    let header = [
        "INDEX",
        "TIME",
        "KIND",
        "PARTNER",
        "DATA",
        "PURPOSE",
        "AGREEMENT",
        "FIELDS",
        "EXCHANGE",
    ];
    output.rows(&header, &items(&document).map(row).collect::<Vec<_>>());
    sealed(&document, output);
    unsearched(&document, output);
    Ok(Exit::Done)
}

/// A year of the search and how far it was reached; what an older gateway answers names none.
fn years(document: &Value) -> impl Iterator<Item = (&str, &str)> {
    let years = document.get("years").and_then(Value::as_array).into_iter().flatten();
    years.filter_map(|year| Some((year.get("year")?.as_str()?, year.get("reach")?.as_str()?)))
}

/// A number that is neither a resident id nor a credit code, a digit left out perhaps.
fn is_other(document: &Value) -> bool {
    document.get("number").and_then(Value::as_str) == Some("other")
}

/// Says which years are not in the answer, and whether another number may have been meant.
fn unsearched(document: &Value, output: &Output) {
    if is_other(document) {
        output.note("this is neither a resident id nor a credit code, so it was looked for as the number of another document; if a digit is missing, ask again");
    }
    for (year, reach) in years(document) {
        let why = match reach {
            "searched" => continue,
            "shredded" => {
                "its index key was destroyed by an officer, as the log says: shuguan audit search --kind shred"
            }
            "missing" => "its index key is not there; put the file back into keys/index",
            "partly" => "its index key was lost and another one made; what was sealed before is not found",
            _ => "its index key is another one than its exchanges are indexed under; put the file back into keys/index",
        };
        let searched = if reach == "partly" {
            "searched only in part"
        } else {
            "not searched"
        };
        output.note(format!("{year} was {searched}, so this answer is not complete: {why}"));
    }
    output.note("whether the index itself was edited, shuguan doctor --deep says on the gateway's host");
}

/// The number that stands on stdin.
fn typed() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        // Without a terminal to write to, the number can be typed all the same.
        let _ = write!(std::io::stderr(), "公民身份号码或统一社会信用代码: ");
        let _ = std::io::stderr().flush();
    }
    let mut text = String::new();
    let read = if std::io::stdin().is_terminal() {
        std::io::stdin().read_line(&mut text)
    } else {
        std::io::stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text)
    };
    read.map_err(|error| Failure::local("no number could be read from stdin").because(error))?;
    one_number(&text)
}

/// A search is sealed for one person: a second number is not left out silently.
fn one_number(text: &str) -> Result<String, Failure> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let wrong =
        |what| Failure::new(Exit::Usage, what).then("shuguan audit person --case NO --why CODE -c OFFICER.toml < FILE");
    match (lines.next(), lines.next()) {
        (Some(_), Some(_)) => Err(wrong("stdin holds more than one number, and a search is about one")),
        (Some(number), None) if number.len() <= NUMBER_BYTES_MAX => Ok(number.to_owned()),
        _ => Err(wrong("the number is read from stdin, one line")),
    }
}

fn items(document: &Value) -> impl Iterator<Item = &Value> {
    document.get("items").and_then(Value::as_array).into_iter().flatten()
}

fn fields<'d>(item: &'d Value, member: &'static str) -> impl Iterator<Item = &'d str> {
    let fields = item.get("fields").and_then(Value::as_array).into_iter().flatten();
    fields.filter_map(move |field| field.get(member).and_then(Value::as_str))
}

fn row(item: &Value) -> Vec<String> {
    let mut cells: Vec<String> = ["index", "t", "kind"].map(|member| cell(item.get(member))).to_vec();
    cells.extend(["partner", "data", "purpose"].map(|member| cell(item.get(member).and_then(|of| of.get("id")))));
    cells.push(cell(item.get("agreement")));
    let names = fields(item, "name").collect::<Vec<_>>().join(" ");
    cells.push(if is_edited(item) {
        "edited: not believed".to_owned()
    } else if names.is_empty() {
        "not known".to_owned()
    } else {
        names
    });
    cells.push(cell(item.get("exchange")));
    cells
}

/// The report: one paragraph an exchange.
fn report(document: &Value, case: &str) -> String {
    let (not, count) = (unsearched_zh(document), items(document).count());
    let part = if not.is_empty() {
        ""
    } else {
        "（不完整，见未检索或部分检索的年度）"
    };
    let mut text = format!(
        "个人信息共享情况报告\n\n案件编号：{case}\n查询对象：由申请人提供，本报告不重复其号码{}\n涉及的交换：{count} 次{part}\n{}",
        if is_other(document) { OTHER_ZH } else { "" },
        searched_zh(document)
    );
    text.extend(not);
    for (number, item) in (1..).zip(items(document)) {
        text.push_str(&paragraph(number, item));
    }
    let indices = ["query_index", "result_index"].map(|member| cell(document.get(member)));
    let [query, result] = indices;
    let last = format!(
        "\n本次查询及其结果已写入存证日志，为第 {query}、{result} 条。本报告只说明谁在何时为何用途提供或取得了哪些字段，不含字段内容。检索依据主体索引；索引与存证是否一致，由 shuguan doctor --deep 核对。\n"
    );
    text + &last
}

const OTHER_ZH: &str = "。该号码既不是公民身份号码，也不是统一社会信用代码，按其他证件或登记号码检索";

fn searched_zh(document: &Value) -> String {
    let searched = years(document).filter(|(_, reach)| *reach == "searched");
    let searched: Vec<&str> = searched.map(|(year, _)| year).collect();
    if searched.is_empty() {
        return String::new();
    }
    format!("已检索年度：{}\n", searched.join("、"))
}

/// A line a year that was not searched, or only in part.
fn unsearched_zh(document: &Value) -> Vec<String> {
    let line = |(year, reach): (&str, &str)| {
        let why = match reach {
            "searched" => return None,
            "shredded" => "该年度的索引密钥已按规定销毁，无法检索",
            "missing" => "该年度的索引密钥缺失，无法检索",
            "partly" => "该年度的索引密钥曾丢失并更换，更换前的交换无法检索",
            _ => "该年度的索引密钥与存证不符，无法检索",
        };
        let term = if reach == "partly" {
            "部分检索年度"
        } else {
            "未检索年度"
        };
        Some(format!("{term}：{year}（{why}）\n"))
    };
    years(document).filter_map(line).collect()
}

fn paragraph(number: u32, item: &Value) -> String {
    let zh = |member: &str| cell(item.get(member).and_then(|of| of.get("zh")));
    let at = item.get("t").and_then(Value::as_str).unwrap_or("-");
    let act = match item.get("kind").and_then(Value::as_str) {
        Some("pull") => format!("{} 从登记库取得", zh("partner")),
        Some("compare") => format!("{} 与登记库比对（只得到一致、不一致或查无）", zh("partner")),
        _ => format!("{} 向 {} 报送", zh("partner"), zh("consumer")),
    };
    let names = fields(item, "zh").collect::<Vec<_>>().join("、");
    let names = match (names.is_empty(), is_past(item)) {
        (true, _) if is_edited(item) => EDITED_ZH.to_owned(),
        (true, _) => UNKNOWN_ZH.to_owned(),
        (false, true) => names + "（按当时的授权，现已变更）",
        (false, false) => names,
    };
    let articles = item
        .pointer("/basis/articles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let laws: Vec<String> = articles.filter_map(Value::as_str).map(law).collect();
    let paper = item.pointer("/basis/document").and_then(Value::as_str).unwrap_or("-");
    format!(
        "\n{number}. {} {act}\n   数据：{}\n   用途：{}\n   字段：{names}\n   法律依据：{}\n   协议：{}（{paper}）\n   存证：第 {} 条，交换 {}\n",
        shanghai(at),
        zh("data"),
        zh("purpose"),
        if laws.is_empty() {
            "-".to_owned()
        } else {
            laws.join("、")
        },
        cell(item.get("agreement")),
        cell(item.get("index")),
        cell(item.get("exchange")),
    )
}

/// Sealed before the gateway kept what grants said; two officers can open the exchange's own record.
const UNKNOWN_ZH: &str = "当时的授权内容没有留存，可由两个单位的审计人员共同开启存证记录（shuguan audit unseal）查明";

/// Somebody wrote into the journal's database; the log names the hash, and so shows it.
const EDITED_ZH: &str = "当时授权内容的留存在交换台账中被改动，与存证日志所记的哈希不符，不予采信，可由两个单位的审计人员共同开启存证记录（shuguan audit unseal）查明";

/// Whether what was kept of the grant was changed past the gateway.
fn is_edited(item: &Value) -> bool {
    item.get("plan_edited").and_then(Value::as_bool) == Some(true)
}

/// Whether the grant says something else by now, or is gone.
fn is_past(item: &Value) -> bool {
    item.get("in_force").and_then(Value::as_bool) == Some(false)
}

/// `si-57.3` → 社会保险法第57条第3款.
fn law(id: &str) -> String {
    let named = id.split_once('-').and_then(|(law, article)| {
        let name = LAWS.iter().find(|(prefix, _)| *prefix == law)?.1;
        Some(match article.split_once('.') {
            Some((article, clause)) => format!("{name}第{article}条第{clause}款"),
            None => format!("{name}第{article}条"),
        })
    });
    named.unwrap_or_else(|| id.to_owned())
}

/// A moment of a leaf in Asia/Shanghai, to the second.
fn shanghai(utc: &str) -> String {
    shuguan_ledger::time::parse(utc).map_or_else(|| utc.to_owned(), crate::clock::shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Exit, law, one_number, report};

    #[test]
    fn a_search_is_about_one_number_and_a_second_is_not_left_out() {
        for text in ["110", "110\n", "\n 110 \r\n\n"] {
            assert!(one_number(text).is_ok_and(|number| number == "110"), "{text:?}");
        }
        for text in ["", "\n", "110\n111\n", "110\n\n111"] {
            assert!(
                one_number(text).is_err_and(|failure| failure.exit == Exit::Usage),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_report_says_who_when_why_and_under_which_law() {
        let document = json!({ "query_index": 40, "result_index": 41, "items": [{
            "index": 12, "t": "2026-11-23T09:42:53.000053Z", "kind": "push", "exchange": "0193",
            "partner": { "id": "health-city", "zh": "市卫生健康委员会" }, "consumer": { "id": "c", "zh": "人社信息中心" },
            "data": { "id": "x", "zh": "出生医学证明" }, "purpose": { "id": "y", "zh": "参保登记" }, "agreement": "XY-2026-03",
            "basis": { "articles": ["op-8", "xx-1"], "document": "3号" }, "fields": [{ "name": "child_name", "zh": "新生儿姓名" }],
        }]});
        let text = report(&document, "T-1");
        for part in [
            "涉及的交换：1 次",
            "1. 2026-11-23 17:42:53 市卫生健康委员会 向 人社信息中心 报送",
            "用途：参保登记",
            "字段：新生儿姓名",
            "法律依据：社会保险经办条例第8条、xx-1",
            "协议：XY-2026-03（3号）",
            "第 40、41 条",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(law("si-57.3"), "社会保险法第57条第3款");
    }

    #[test]
    fn a_report_of_nothing_names_the_years_that_nobody_searched() {
        let years = [
            ("2023", "shredded"),
            ("2024", "missing"),
            ("2025", "another"),
            ("2026", "searched"),
            ("2027", "partly"),
        ];
        let years: Vec<_> = years
            .iter()
            .map(|(year, reach)| json!({ "year": year, "reach": reach }))
            .collect();
        let text = report(
            &json!({ "query_index": 1, "result_index": 2, "items": [], "years": years }),
            "T-1",
        );
        for part in [
            "涉及的交换：0 次（不完整，见未检索或部分检索的年度）",
            "已检索年度：2026\n",
            "未检索年度：2023（该年度的索引密钥已按规定销毁，无法检索）",
            "未检索年度：2024（该年度的索引密钥缺失，无法检索）",
            "未检索年度：2025（该年度的索引密钥与存证不符，无法检索）",
            "部分检索年度：2027（该年度的索引密钥曾丢失并更换，更换前的交换无法检索）",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let whole = |number: &str| {
            let years = json!([{ "year": "2026", "reach": "searched" }]);
            report(&json!({ "items": [], "years": years, "number": number }), "T-1")
        };
        let said = whole("resident-id");
        assert!(
            said.contains("不重复其号码\n涉及的交换：0 次\n已检索年度：2026\n"),
            "{said}"
        );
        let said = whole("other");
        assert!(said.contains("不重复其号码。该号码既不是公民身份号码"), "{said}");
    }
}
