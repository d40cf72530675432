//! Units that never were: each number under a seed is one enterprise, the same in every record type.
//!
//! Their organisation codes start with `Y000`, a range that no register issues; every check character is right.

use super::person::Person;
use super::place::{County, address, county};
use super::random::Random;

/// One unit.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) uscc: String,
    /// With its hyphen, as registers print it.
    pub(crate) org_code: String,
    pub(crate) reg_no: String,
    pub(crate) name: String,
    pub(crate) county: &'static County,
    pub(crate) town_code: String,
    pub(crate) address: String,
    pub(crate) legal_rep: Person,
}

impl Unit {
    /// The unit of that number; two numbers below ten million never share a code. `kind` is the first two characters of the unified
    /// social credit code, e.g. `91` for an enterprise.
    pub(crate) fn new(seed: u64, number: u64, kind: &str) -> Self {
        let mut random = Random::new(seed, number ^ UNITS);
        let code = random.pick(&["320703", "320706", "320706", "320707", "320722", "320723", "320724"]);
        let county = county(code);
        let (town_code, town) = county.town(&mut random);
        let body = format!("Y{number:07}");
        let check = org_check(&body);
        Self {
            uscc: with_uscc_check(format!("{kind}{code}{body}{check}")),
            org_code: format!("{body}-{check}"),
            reg_no: with_reg_check(format!("{code}{:08}", number % 100_000_000)),
            name: name(county, &mut random),
            county,
            town_code,
            address: address(county, town, &mut random),
            legal_rep: Person::new(seed, number * 11 + 5),
        }
    }
}

fn name(county: &County, random: &mut Random) -> String {
    let place = if random.chance(7_000) { "连云港" } else { county.name };
    let style = random.pick(&["鑫", "海", "瑞", "宏", "恒", "金", "盛", "华", "东", "连"]);
    let word = random.pick(&["达", "源", "泰", "丰", "通", "晟", "润", "和", "宇", "联", "发", "祥"]);
    let trade = random.pick(&[
        "商贸", "建设工程", "水产", "物流", "新材料", "化工", "机械制造", "餐饮管理", "劳务", "信息科技", "服饰", "农业科技",
    ]);
    format!("{place}{style}{word}{trade}有限公司")
}

/// The check character of eight, GB 11714.
fn org_check(body: &str) -> char {
    let weights = [3, 7, 9, 10, 5, 8, 4, 2_u32];
    let sum: u32 = body
        .chars()
        .zip(weights)
        .map(|(letter, weight)| letter.to_digit(36).unwrap_or_default() * weight)
        .sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        check => char::from_digit(check, 10).unwrap_or('0'),
    }
}

/// Seventeen characters and their check character, GB 32100 (weights 3^i modulo 31).
fn with_uscc_check(mut body: String) -> String {
    let mut weight = 1;
    let mut sum = 0;
    for letter in body.chars() {
        let value = USCC_ALPHABET.chars().position(|other| other == letter).unwrap_or_default();
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    body.extend(USCC_ALPHABET.chars().nth((31 - sum % 31) % 31));
    body
}

/// Fourteen digits and their check digit, ISO 7064 MOD 11,10.
fn with_reg_check(mut body: String) -> String {
    let mut product = 10;
    for digit in body.chars().filter_map(|letter| letter.to_digit(10)) {
        let sum = match (product + digit) % 10 {
            0 => 10,
            sum => sum,
        };
        product = sum * 2 % 11;
    }
    body.extend(char::from_digit((11 - product) % 10, 10));
    body
}

const USCC_ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/// A place of their own for what is drawn for units.
const UNITS: u64 = 0x554e_4954_0000_0000;
