//! One record of a sample: a text for each field of its type.
//!
//! Takes the record type, the seed and the row; gives what an agency's system would send: what the declaration says is usual, else by
//! field name where a name says more than its type, else by type. No record type is known here by name. Persons, units and deaths are
//! the same in every record type under one seed.

use super::day;
use super::person::Person;
use super::random::Random;
use super::unit::Unit;
use crate::catalogue::{Field, FieldType, Implied, RecordType};
use crate::code::CodeTable;

/// Who and what one row is about.
pub(crate) struct Case<'a> {
    record: &'a RecordType,
    seed: u64,
    row: u64,
    person: Person,
    unit: Unit,
    /// The day of what is reported, in days since 1970-01-01: between 2016 and 2024.
    event: i32,
    random: Random,
}

impl<'a> Case<'a> {
    pub(crate) fn new(record: &'a RecordType, seed: u64, row: u64) -> Self {
        let person = record.sampled.people.number(row);
        let unit = record.sampled.units.number(row);
        // What happens to a person happens on one day, whoever reports it.
        let event = EVENTS_START + i32::try_from(Random::new(seed, person ^ EVENTS).below(EVENTS_DAYS)).unwrap_or(0);
        Self {
            record,
            seed,
            row,
            person: Person::new(seed, person),
            unit: Unit::new(seed, unit, record.sampled.unit_kind),
            event,
            random: Random::new(seed, row ^ ROWS),
        }
    }

    /// What is sent for that field; empty for nothing.
    pub(crate) fn text(&mut self, field: &Field) -> String {
        if !field.required && !self.identifies(field.name) && self.random.chance(u64::from(field.blank)) {
            return String::new();
        }
        self.usual(field)
            .or_else(|| self.of_unit(field))
            .or_else(|| self.of_person(field))
            .unwrap_or_else(|| self.of_type(field))
    }

    /// One of the values that the declaration names.
    fn usual(&mut self, field: &Field) -> Option<String> {
        let usual = self.random.pick(field.usual);
        if usual.is_empty() {
            return None;
        }
        let written = match field.kind {
            FieldType::Code(table) => table.canonical(usual).and_then(|code| table.written(code)),
            _ => None,
        };
        Some(written.unwrap_or(usual).to_owned())
    }

    /// Whether the record is found by this field: it is then never left out.
    fn identifies(&self, name: &str) -> bool {
        self.record.keys.first().is_some_and(|key| key.contains(&name)) || name == "citizen_id" || name == "uscc"
    }

    fn of_unit(&mut self, field: &Field) -> Option<String> {
        let unit = &self.unit;
        if let Some(what) = RESPONSIBLE.iter().find_map(|whose| field.name.strip_prefix(whose)) {
            return match what {
                "name" => Some(unit.legal_rep.name.clone()),
                "id" => Some(unit.legal_rep.id.clone()),
                _ => None,
            };
        }
        let text = match field.name {
            "ent_name" | "taxpayer_name" | "withholder_name" | "employer_name" => &unit.name,
            "domicile" | "premises" | "op_address" | "reg_address" => &unit.address,
            "op_region" | "reg_region" | "region" => return Some(unit.county.code.into()),
            "town_code" if self.record.field("uscc").is_some() => &unit.town_code,
            _ => match field.kind {
                FieldType::Uscc | FieldType::TaxpayerId => &unit.uscc,
                FieldType::OrgCode => &unit.org_code,
                FieldType::RegNo => &unit.reg_no,
                _ => return None,
            },
        };
        Some(text.clone())
    }

    /// A field about the person of the row, or about a relative when its name says so.
    fn of_person(&mut self, field: &Field) -> Option<String> {
        let (whose, what) = RELATIVES
            .into_iter()
            .find_map(|prefix| Some((prefix, field.name.strip_prefix(prefix)?)))
            .unwrap_or(("", field.name));
        let pair = self.row * 3 + 1;
        let relative = match whose {
            "mother_" | "guardian1_" | "guardian_" | "woman_" => Some(Person::woman(self.seed, pair)),
            "spouse_" => Some(self.spouse()),
            "father_" | "guardian2_" | "man_" => Some(Person::man(self.seed, pair)),
            "child_" => Some(Person::new(self.seed, self.row ^ CHILDREN)),
            // Most heads of household are the person itself.
            _ => None,
        };
        let person = relative.as_ref().unwrap_or(&self.person);
        let text = match (what, field.kind) {
            ("id_no", _) if !self.holds_resident_cards() => return None,
            ("id" | "citizen_id" | "id_no", _) => person.id.clone(),
            (_, FieldType::DocumentNo(_)) if field.telling.contains(&Implied::Disability) => {
                format!("{}{}{}", person.id, 1 + self.row % 7, 1 + self.row % 4)
            }
            (_, FieldType::DocumentNo(_)) if field.telling.contains(&Implied::CitizenId) => person.id.clone(),
            ("name", _) => person.name.clone(),
            ("sex", FieldType::Code(table)) => {
                let (code, word) = if person.male { ("1", "男") } else { ("2", "女") };
                let code = table.written(code).unwrap_or(code);
                if self.random.chance(1_000) {
                    word.into()
                } else {
                    code.into()
                }
            }
            ("birth_date", _) => {
                let birth = person.birth;
                self.day(birth)
            }
            ("town_code", _) => person.town_code.clone(),
            ("village_code", _) => format!("{}{:03}", person.town_code, 1 + self.row % 20),
            (name, FieldType::Text(_)) if name.contains("address") => person.address.clone(),
            (_, FieldType::Region) => person.county.code.into(),
            _ => return None,
        };
        Some(text)
    }

    fn of_type(&mut self, field: &Field) -> String {
        let later = 10 * rank(self.record, field.name, 0);
        let on = self.event + later;
        match field.kind {
            FieldType::CitizenId => self.person.id.clone(),
            FieldType::Uscc | FieldType::TaxpayerId => self.unit.uscc.clone(),
            FieldType::OrgCode => self.unit.org_code.clone(),
            FieldType::RegNo => self.unit.reg_no.clone(),
            FieldType::DocumentNo(max) => self.document(field.name, max),
            FieldType::Name => self.person.name.clone(),
            FieldType::Text(max) => self.words(field, max),
            FieldType::Code(table) => self.code(table),
            FieldType::Region => self.person.county.code.into(),
            FieldType::Division(9) => self.person.town_code.clone(),
            FieldType::Division(_) => format!("{}{:03}", self.person.town_code, 1 + self.row % 20),
            FieldType::Date => self.day(on),
            FieldType::Month => day::month(on),
            FieldType::Instant => self.instant(on),
            FieldType::Integer(max) => {
                let bound = u64::try_from(max).unwrap_or_default().min(200);
                (1 + self.random.below(bound.max(1))).min(bound).to_string()
            }
            FieldType::Decimal(scale) => {
                let cents = self.random.below(100);
                let whole = 1 + self.random.below(5_000);
                match scale {
                    0 => whole.to_string(),
                    1 => format!("{whole}.{}", cents / 10),
                    _ => format!("{whole}.{cents:02}"),
                }
            }
            // Local numbers never start with 0: nobody is called.
            FieldType::Phone => format!("0518-0{:07}", self.random.below(10_000_000)),
        }
    }

    /// Mostly `yyyyMMdd`, sometimes with dashes or with a time.
    fn day(&mut self, days: i32) -> String {
        match self.random.below(10) {
            0 => day::dashed(days),
            1 => format!("{} 00:00:00", day::dashed(days)),
            _ => day::compact(days),
        }
    }

    fn instant(&mut self, days: i32) -> String {
        let second = self.random.below(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        if self.random.chance(1_500) {
            return format!("{} {hour:02}:{minute:02}:{second:02}", day::dashed(days));
        }
        format!("{}{hour:02}{minute:02}{second:02}", day::compact(days))
    }

    /// A number of some register, different for each row; 出生医学证明 has a letter and nine digits.
    fn document(&mut self, name: &str, max: u16) -> String {
        if name.contains("birth_cert") {
            return format!("Y{:09}", self.row);
        }
        if name == "police_station" {
            return format!("{}530000", self.person.county.code);
        }
        let width = usize::from(max.saturating_sub(4)).clamp(1, 9);
        let text = format!("3207{:0width$}", self.row + 1);
        text.chars().take(usize::from(max)).collect()
    }

    fn code(&mut self, table: &'static CodeTable) -> String {
        // An id in a person's field is a resident id card wherever the table knows one.
        let card = table.canonical("居民身份证").and_then(|card| table.written(card));
        if let Some(card) = card {
            return card.into();
        }
        let at = if self.random.chance(9_200) {
            0
        } else {
            self.random.below(table.rows.len() as u64)
        };
        let row = usize::try_from(at).ok().and_then(|at| table.rows.get(at));
        let spelled = self.random.chance(300);
        row.map(|row| match table.written(row.code) {
            Some(written) if !spelled => written,
            _ => row.zh,
        })
        .unwrap_or_default()
        .into()
    }

    fn words(&mut self, field: &Field, max: u16) -> String {
        let text = match field.name {
            name if name.contains("address") => self.person.address.clone(),
            name if name.contains("name") => self.unit.name.clone(),
            _ => format!("{}", 10 + self.random.below(90)),
        };
        text.chars().take(usize::from(max)).collect()
    }

    /// Whether `id_no` is mostly a resident card's; a record type of other people says in its `id_type` what is usual.
    fn holds_resident_cards(&self) -> bool {
        self.record.field("id_type").is_none_or(|kind| kind.usual.is_empty())
    }

    /// The other one of the person's pair.
    fn spouse(&self) -> Person {
        let pair = self.record.sampled.people.number(self.row) / 2;
        if self.person.male {
            Person::woman(self.seed, pair)
        } else {
            Person::man(self.seed, pair)
        }
    }
}

/// How many fields must lie before this one: `later` fields get later days.
fn rank(record: &RecordType, name: &str, depth: u8) -> i32 {
    if depth > 8 {
        return 0;
    }
    let before = record.order.iter().filter(|(_, later)| *later == name);
    before
        .map(|(earlier, _)| 1 + rank(record, earlier, depth + 1))
        .max()
        .unwrap_or(0)
}

/// Prefixes of fields about whoever answers for the unit.
static RESPONSIBLE: [&str; 3] = ["legal_rep_", "operator_", "member_"];

/// Prefixes of fields about somebody beside the person of the row.
static RELATIVES: [&str; 10] = [
    "woman_",
    "man_",
    "mother_",
    "father_",
    "spouse_",
    "child_",
    "head_",
    "guardian_",
    "guardian1_",
    "guardian2_",
];

/// Places of their own for what is drawn beside persons.
const EVENTS: u64 = 0x4556_454e_5400_0000;
const ROWS: u64 = 0x524f_5753_0000_0000;
/// Children stand far behind all residents, so that no birth repeats one.
const CHILDREN: u64 = 1 << 26;

/// 2016-01-01.
const EVENTS_START: i32 = 16_801;
/// Up to the middle of 2024, with room for what follows.
const EVENTS_DAYS: u64 = 3_100;
