//! Operators as a person writes them in a cell: the Chinese word, and in brackets what it is given, e.g. `掩码(first = 1, char = "＊")`.

use toml::{Table, Value};

use crate::document::nearest;
use crate::operator::Operator;

/// The Chinese word of each operator.
const WORDS: [(&str, &str); Operator::NAMES.len()] = [
    ("keep", "原样"),
    ("drop", "不给"),
    ("constant", "常数"),
    ("exists", "有无"),
    ("equal", "是否一致"),
    ("bucket", "分段"),
    ("round", "取整"),
    ("age_band", "年龄段"),
    ("date", "日期"),
    ("region", "区划"),
    ("address", "地址"),
    ("sex_of", "取性别"),
    ("birth_of", "取出生日期"),
    ("mask", "掩码"),
    ("pseudonym", "假名"),
    ("date_shift", "日期平移"),
    ("token", "代号"),
    ("map", "归并"),
];

/// The cell of `{ op = "…", … }`; none for an operator without a word.
pub(super) fn cell(operator: &Table) -> Option<String> {
    let name = operator.get("op")?.as_str()?;
    let (_, word) = WORDS.iter().find(|(known, _)| *known == name)?;
    let given: Vec<String> = operator
        .iter()
        .filter(|(key, _)| *key != "op")
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    Some(if given.is_empty() {
        (*word).to_owned()
    } else {
        format!("{word}({})", given.join(", "))
    })
}

/// The operator of a cell. The name in agreements is taken too, and brackets of full width.
///
/// # Errors
/// What is expected.
pub(super) fn read(cell: &str) -> Result<Table, String> {
    let (word, given) = match cell.split_once(['(', '(']) {
        None => (cell.trim(), ""),
        Some((word, rest)) => {
            let given = rest.trim_end().strip_suffix([')', ')']);
            (word.trim(), given.ok_or("a closing bracket is missing")?)
        }
    };
    let known = WORDS.iter().find(|(name, zh)| *name == word || *zh == word);
    let Some((name, _)) = known else {
        let words: Vec<String> = WORDS.iter().map(|(_, zh)| (*zh).to_owned()).collect();
        return Err(match nearest(word, &words) {
            Some(near) => format!("no such operator; `{near}` is near"),
            None => format!("no such operator; there are {}", words.join("、")),
        });
    };
    let mut operator = toml::from_str::<Table>(&format!("given = {{ {given} }}"))
        .ok()
        .and_then(|mut table| match table.remove("given") {
            Some(Value::Table(given)) if table.is_empty() => Some(given),
            _ => None,
        })
        .ok_or("in the brackets stands e.g. `first = 1, char = \"＊\"`")?;
    if operator.insert("op".into(), (*name).into()).is_some() {
        return Err("`op` is the word before the brackets".into());
    }
    Ok(operator)
}
