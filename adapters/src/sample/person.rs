//! People who never were: each number under a seed is one person, the same in every record type.
//!
//! Nobody real is hit: an id has sequence 000, which is issued to nobody, or a birth in the years 1800 to 1899.
//! People come in pairs of a man and a woman. The first 200,000 women or so have sequence 000 and a birth between 1936 and 2012;
//! everybody else has a birth in the nineteenth century.

use super::day;
use super::place::{County, ISSUED, address, county};
use super::random::Random;

/// One person.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) male: bool,
    /// Days since 1970-01-01.
    pub(crate) birth: i32,
    pub(crate) county: &'static County,
    pub(crate) town_code: String,
    pub(crate) address: String,
}

impl Person {
    /// The person of that number. Two numbers below 280 million never share an id.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let pair = number / 2;
        let first_is_man = Random::new(seed, pair ^ PAIRS).next() & 1 == 0;
        let male = (number & 1 == 0) == first_is_man;
        let mut random = Random::new(seed, number);
        let (issued, today, birth, sequence) = place_in_register(seed, pair, male);
        let body = format!("{issued}{}{sequence:03}", day::compact(birth));
        let county = county(today);
        let (town_code, town) = county.town(&mut random);
        Self {
            id: with_check(body),
            name: name(male, &mut random),
            male,
            birth,
            county,
            town_code,
            address: address(county, town, &mut random),
        }
    }

    /// The woman of that pair: mothers are counted by pairs.
    pub(crate) fn woman(seed: u64, pair: u64) -> Self {
        Self::of_pair(seed, pair, false)
    }

    /// The man of that pair.
    pub(crate) fn man(seed: u64, pair: u64) -> Self {
        Self::of_pair(seed, pair, true)
    }

    fn of_pair(seed: u64, pair: u64, male: bool) -> Self {
        let first = Self::new(seed, pair * 2);
        if first.male == male { first } else { Self::new(seed, pair * 2 + 1) }
    }
}

/// Where an id was issued, the county of today, the birth and the sequence number; different for each pair and sex.
fn place_in_register(seed: u64, pair: u64, male: bool) -> (&'static str, &'static str, i32, u64) {
    let codes = ISSUED.len() as u64;
    let at = usize::try_from(pair % codes).unwrap_or_default();
    let (issued, today) = ISSUED.get(at).copied().unwrap_or(("320706", "320706"));
    let round = pair / codes;
    let shift = Random::new(seed, SHIFTS).next() % 10_000;
    if !male && round < MODERN_DAYS {
        let step = round * STRIDE + shift;
        return (issued, today, MODERN_START + days(step % MODERN_DAYS), 0);
    }
    let step = round * STRIDE + shift;
    let birth = OLD_START + days(step % OLD_DAYS);
    // Odd sequence numbers are men; a woman with an old birth has an even one.
    let turn = (round / OLD_DAYS) % 499;
    let sequence = if male { 2 * turn + 1 } else { 2 * turn + 2 };
    (issued, today, birth, sequence)
}

fn days(count: u64) -> i32 {
    i32::try_from(count).unwrap_or_default()
}

/// Seventeen digits and their check character, GB 11643 (ISO 7064 MOD 11-2).
pub(crate) fn with_check(mut body: String) -> String {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2_u32];
    let digit = |byte: u8| u32::from(byte.wrapping_sub(b'0'));
    let sum: u32 = body.bytes().zip(weights).map(|(byte, weight)| digit(byte) * weight).sum();
    let check = "10X98765432".chars().nth(usize::try_from(sum % 11).unwrap_or_default());
    body.extend(check);
    body
}

/// A name of two to four characters.
fn name(male: bool, random: &mut Random) -> String {
    if random.chance(20) {
        // Names with a middle dot, as 民族 other than Han have them.
        return format!("{}·{}", random.pick(&DOTTED), random.pick(&DOTTED));
    }
    let surname = if random.chance(150) { random.pick(&DOUBLE_SURNAMES) } else { random.pick(&SURNAMES) };
    let given: &[&str] = if male { &MEN } else { &WOMEN };
    let mut name = format!("{surname}{}", random.pick(given));
    if random.chance(30) {
        // Characters that GBK lacks or that only GB18030-2022 settles.
        name.push_str(random.pick(&["䶮", "㛃", "𬱖", "𫘦", "䲟"]));
    } else if random.chance(7_500) {
        name.push_str(random.pick(given));
    }
    name
}

/// Places of their own for what is drawn beside persons.
const PAIRS: u64 = 0x5041_4952_0000_0000;
const SHIFTS: u64 = 0x5348_4946_5453_0000;

/// Consecutive pairs are born this many days apart; a prime that divides neither span.
const STRIDE: u64 = 9_973;

/// 1936-01-01.
const MODERN_START: i32 = -12_419;
/// Up to the end of 2012, one day less, so that `STRIDE` reaches each.
const MODERN_DAYS: u64 = 28_124;
/// 1800-01-01.
const OLD_START: i32 = -62_091;
/// The nineteenth century up to 1899-12-31.
const OLD_DAYS: u64 = 36_524;

static SURNAMES: [&str; 60] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马", "罗", "梁", "宋", "郑", "谢",
    "韩", "唐", "冯", "于", "董", "萧", "程", "曹", "袁", "邓", "许", "傅", "沈", "曾", "彭", "吕", "苏", "卢", "蒋", "蔡", "贾", "丁", "魏", "薛",
    "叶", "阎", "仲", "惠", "相", "樊", "封", "穆", "尚", "武", "戴", "嵇",
];
static DOUBLE_SURNAMES: [&str; 6] = ["欧阳", "上官", "司马", "诸葛", "司徒", "东方"];
static MEN: [&str; 48] = [
    "伟", "强", "磊", "军", "洋", "勇", "杰", "涛", "明", "超", "刚", "平", "辉", "鹏", "华", "飞", "鑫", "波", "斌", "宇", "浩", "凯", "健", "俊",
    "帆", "帅", "旭", "宁", "龙", "林", "欢", "佳", "阳", "建", "亮", "成", "建国", "志强", "海波", "永胜", "学", "文", "昌", "庆", "春", "东", "振", "立",
];
static WOMEN: [&str; 44] = [
    "芳", "娜", "敏", "静", "秀英", "丽", "艳", "娟", "霞", "秀", "燕", "玲", "桂英", "丹", "萍", "红", "玉", "兰", "英", "梅", "莉", "秋", "雪",
    "倩", "颖", "洁", "琳", "婷", "云", "凤", "琴", "珍", "莲", "慧", "巧", "美", "娥", "月", "桂兰", "淑", "素", "彩", "蓉", "瑶",
];
static DOTTED: [&str; 6] = ["阿依古丽", "买买提", "热娜", "艾山", "古丽娜", "吐尔逊"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Person, day};

    #[test]
    fn no_two_numbers_share_an_id_and_nobody_real_is_hit() {
        let mut seen = HashSet::new();
        let near = 0..20_000;
        let far = (440_000..450_000).chain(600_000..610_000).chain(5_300_000..5_310_000);
        for number in near.chain(far) {
            let person = Person::new(7, number);
            assert_eq!(person.id.len(), 18);
            let old = person.id.get(6..8) == Some("18");
            assert!(old || person.id.get(14..17) == Some("000"), "{number}");
            let odd = person.id.as_bytes().get(16).is_some_and(|digit| digit % 2 == 1);
            assert_eq!(odd, person.male);
            assert_eq!(person.id.get(6..14), Some(day::compact(person.birth).as_str()));
            assert!(seen.insert(person.id), "{number}");
        }
    }

    #[test]
    fn a_pair_is_a_man_and_a_woman() {
        for pair in 0..100 {
            assert!(Person::man(3, pair).male);
            assert!(!Person::woman(3, pair).male);
        }
    }
}
