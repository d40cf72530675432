//! Random bundles, records and requests. Most bundles load; one that does not is left out, and too many of those fail the run.

use shuguan_adapters::catalogue::{Field, FieldType};
use shuguan_policies::{Catalogue, Dataset, Target};

use crate::cell::{Cell, Row};
use crate::keyed::check;
use crate::naive::Request;
use crate::random::Random;

pub const PURPOSES: [&str; 5] = [
    "enrolment",
    "enrolment.registration",
    "enrolment.survey",
    "enrolment.comparison",
    "no.such.purpose",
];

pub const PARTNERS: [&str; 8] = [
    "public-security-city",
    "civil-affairs-city",
    "health-city",
    "health-ganyu",
    "commerce-city",
    "information-centre",
    "survey-office",
    "auditor-zhao",
];

/// Who feeds what no random grant is about: push grants of one partner for one record type release the same columns.
const FEEDERS: [&str; 4] = [
    "public-security-base",
    "civil-affairs-base",
    "commerce-base",
    "tax-base",
];

const RECORDS: [&str; 5] = [
    "public-security/resident",
    "civil-affairs/subsistence-allowance",
    "health/birth-certificate",
    "health/death-certificate",
    "commerce/establishment",
];

/// Everything but agreements.
fn tables() -> Vec<(String, String)> {
    let purposes = r#"
format = 1
purpose = [
  { code = "enrolment", zh = "全民参保登记", requestable = false },
  { code = "enrolment.registration", zh = "参保登记", bases = ["statutory-duty"], allow = ["push/feed", "pull/extract"] },
  { code = "enrolment.survey", zh = "入户调查", bases = ["statutory-duty"], allow = ["push/feed", "pull/extract"] },
  { code = "enrolment.comparison", zh = "数据比对", bases = ["statutory-duty"], allow = ["pull/compare"] },
]
"#;
    let mut partners = "format = 1\ntrust_domain = \"lyg.example\"\n".to_owned();
    for id in PARTNERS.into_iter().chain(FEEDERS) {
        let path = match id {
            "information-centre" | "survey-office" => format!("registry/{id}"),
            "auditor-zhao" => "officer/auditor/office/zhao".to_owned(),
            _ => {
                let (agency, name) = id.rsplit_once('-').unwrap();
                format!("agency/{agency}/{name}")
            }
        };
        partners += &format!("[[partner]]\nid = \"{id}\"\nzh = \"单位\"\nspiffe = \"spiffe://lyg.example/{path}\"\n");
    }
    let mut keys = "format = 1\n[key]\n".to_owned();
    for partner in ["information-centre", "survey-office"] {
        for purpose in ["enrolment.registration", "enrolment.survey"] {
            for (name, alg) in [
                ("p", "hmac-sha256"),
                ("t", "ff1-aes256-id18"),
                ("d", "ff1-aes256-digits"),
            ] {
                let id = key(name, partner, purpose);
                keys += &format!(
                    "{id} = {{ alg = \"{alg}\", epoch = 1, partner = \"{partner}\", purpose = \"{purpose}\", domain = \"person\" }}\n"
                );
            }
        }
    }
    let calendar =
        "format = 1\nid = \"cn\"\n[[year]]\nyear = 2026\noff = [2026-10-01, 2026-10-02]\non = [2026-10-10]\n";
    vec![
        ("purposes.toml".into(), purposes.into()),
        ("partners.toml".into(), partners),
        ("keys.toml".into(), keys),
        ("calendars/cn.toml".into(), calendar.into()),
    ]
}

fn key(name: &str, partner: &str, purpose: &str) -> String {
    format!("{name}-{partner}-{}", purpose.trim_start_matches("enrolment."))
}

/// The texts of a bundle.
pub fn bundle(random: &mut Random) -> Vec<(String, String)> {
    let mut texts = tables();
    texts.push(("agreements/base.toml".into(), base()));
    let mut used = Vec::new();
    for number in 0..1 + random.below(3) {
        let mut text = header(random, &format!("XY-{number}"));
        for grant in 0..1 + random.below(4) {
            text += &grant_text(random, &format!("g-{number}-{grant}"), &mut used);
        }
        texts.push((format!("agreements/{number}.toml"), text));
    }
    texts
}

/// Record types that are fed whole, so that datasets have their fields.
const BASE: [&str; 9] = [
    "public-security/resident",
    "public-security/floating-resident",
    "public-security/birth",
    "public-security/death",
    "civil-affairs/cremation",
    "civil-affairs/social-organisation",
    "commerce/establishment",
    "commerce/cancellation",
    "tax/registration",
];

/// Whole feeds by partners of their own, so that every dataset field is supplied and no random grant collides with them.
fn base() -> String {
    let mut text =
        "format = 1\nagreement = \"BASE\"\nconsumer = \"survey-office\"\nimpact_assessment = \"P\"\n".to_owned();
    text += "basis = { kind = \"statutory-duty\", articles = [\"op-8\"], document = \"函\" }\n";
    text += "valid = { from = 2000-01-01T00:00:00+08:00, until = 2099-12-31T23:59:59+08:00 }\n";
    text += "defaults = { schema = 1, purpose = \"enrolment.survey\", direction = \"push\", mode = \"feed\" }\n";
    for name in BASE {
        let record = Catalogue::of_adapters().record(name).unwrap();
        let fields: Vec<String> = record.fields.iter().map(|field| format!("{:?}", field.name)).collect();
        text += &format!(
            "[[grant]]\nid = \"base-{}\"\nfor = {{ record = \"{}\", partner = \"{}-base\" }}\nschema = {}\nnecessity = \"必要\"\nkeep = [{}]\n",
            record.short(),
            record.name,
            record.agency.name(),
            record.schema,
            fields.join(", ")
        );
    }
    text
}

fn header(random: &mut Random, id: &str) -> String {
    let year = 2025 + random.below(3);
    let mut text =
        format!("format = 1\nagreement = \"{id}\"\nconsumer = \"information-centre\"\nimpact_assessment = \"P\"\n");
    text += "basis = { kind = \"statutory-duty\", articles = [\"op-8\"], document = \"函\" }\n";
    text += &format!(
        "valid = {{ from = {year}-03-01T00:00:00+08:00, until = {}-02-01T12:30:00Z }}\n",
        year + 1 + random.below(2)
    );
    text += "defaults = { schema = 1, direction = \"push\", mode = \"feed\", purpose = \"enrolment.registration\" }\n";
    text
}

fn grant_text(random: &mut Random, id: &str, used: &mut Vec<String>) -> String {
    let (target, mode) = match random.below(4) {
        0 => (Target::Dataset(*random.pick(&Dataset::ALL)), "extract"),
        1 => (Target::Dataset(*random.pick(&Dataset::ALL)), "compare"),
        _ => {
            let name = random.pick(&RECORDS);
            (Target::Record(Catalogue::of_adapters().record(name).unwrap()), "feed")
        }
    };
    let mut text = format!(
        "[[grant]]\nid = \"{id}\"\nnecessity = \"必要\"\nschema = {}\n",
        target.schema()
    );
    let mut registry = *random.pick(&["information-centre", "survey-office"]);
    let mut purpose = *random.pick(&["enrolment.registration", "enrolment.registration", "enrolment.survey"]);
    // One grant a key, but for one in ten: two are a fault, and the bundle is left out.
    let key = match target {
        Target::Record(record) => record.name.to_owned(),
        Target::Dataset(dataset) => format!("{} {mode} {registry}", dataset.name()),
    };
    if used.contains(&key) && !random.one_in(10) {
        return String::new();
    }
    used.push(key);
    match target {
        Target::Record(record) => {
            purpose = "enrolment.registration";
            registry = "information-centre";
            let city = format!(", partner = \"{}-city\"", record.agency.name());
            let whom = match random.below(4) {
                _ if BASE.contains(&record.name) => city.as_str(),
                0 if record.agency.name() == "health" => ", partner = \"health-ganyu\"",
                1 if record.agency.name() == "health" => ", partners = [\"health-city\", \"health-ganyu\"]",
                _ => "",
            };
            text += &format!("for = {{ record = \"{}\"{whom} }}\n", record.name);
        }
        Target::Dataset(dataset) => {
            let purposes = match (mode, random.one_in(4)) {
                ("compare", _) => "purpose = \"enrolment.comparison\"".to_owned(),
                (_, true) => {
                    // A key has one purpose, so nothing keyed goes to two.
                    purpose = "";
                    "purposes = [\"enrolment.registration\", \"enrolment.survey\"]".to_owned()
                }
                _ => format!("purpose = \"{purpose}\""),
            };
            text += &format!(
                "for = {{ dataset = \"{}\", partner = \"{registry}\", direction = \"pull\", mode = \"{mode}\", {purposes} }}\n",
                dataset.name()
            );
        }
    }
    if random.one_in(4) {
        let calendar = if random.one_in(2) { ", calendar = \"cn\"" } else { "" };
        text += &format!(
            "hours = {{ from = \"08:00\", to = \"{}:30\"{calendar} }}\n",
            17 + random.below(4)
        );
    }
    text + &if mode == "compare" {
        compared(random, target)
    } else {
        columns(random, target, registry, purpose)
    }
}

fn compared(random: &mut Random, target: Target) -> String {
    let Target::Dataset(dataset) = target else {
        unreachable!("datasets are compared")
    };
    let mut require = vec![dataset.subject().to_owned()];
    let mut text = String::new();
    for field in fed(target) {
        if !random.one_in(4) {
            continue;
        }
        if random.one_in(3) {
            text += &format!("reduce.{} = {{ op = \"exists\" }}\n", field.name);
            continue;
        }
        let normalise = match field.kind {
            FieldType::Name => ", normalise = \"name\"",
            FieldType::CitizenId => ", normalise = \"id\"",
            _ => "",
        };
        text += &format!("reduce.{} = {{ op = \"equal\"{normalise} }}\n", field.name);
        if !require.contains(&field.name.to_owned()) {
            require.push(field.name.to_owned());
        }
    }
    let quoted: Vec<String> = require.iter().map(|name| format!("{name:?}")).collect();
    format!("require = [{}]\n{text}", quoted.join(", "))
}

/// Whether the registry's column stays what the whole feed makes it.
fn keeps_type(field: &Field, how: &str) -> bool {
    let written = field.kind.data_type() == arrow_schema::DataType::Utf8;
    let written_out = !["exists", "birth_of"].iter().any(|op| how.contains(op));
    let same = ["to = \"day\"", "op = \"round\"", "op = \"drop\""]
        .iter()
        .any(|op| how.contains(op));
    if written {
        written_out
    } else {
        same && !matches!(field.kind, FieldType::Instant)
    }
}

/// Fields that others give away: reducing one beside them is mostly a fault, and the bundle is left out.
const TIED: [&str; 9] = [
    "birth_date",
    "sex",
    "birth_region",
    "town_code",
    "village_code",
    "hukou_region",
    "org_code",
    "reg_region",
    "taxpayer_id",
];

fn columns(random: &mut Random, target: Target, registry: &str, purpose: &str) -> String {
    let natural: Vec<&str> = target.keys().first().map(|key| key.to_vec()).unwrap_or_default();
    let (mut keep, mut reduce, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for field in fed(target) {
        let must = natural.contains(&field.name);
        if must || random.one_in(3) {
            keep.push(format!("{:?}", field.name));
            if random.one_in(8) {
                rows.extend(atom(random, field));
            }
        } else if random.one_in(2)
            && (!TIED.contains(&field.name) || random.one_in(30))
            && let Some(how) = operator(random, field, registry, purpose)
            && (!BASE.contains(&target.name()) || keeps_type(field, &how))
        {
            reduce.push(format!("reduce.{} = {{ {how} }}\n", field.name));
        }
    }
    // Not in the catalogue's order: the order of the output is the agreement's.
    let turn = random.below(reduce.len().max(1) as u64) as usize;
    reduce.rotate_left(turn);
    format!(
        "keep = [{}]\nrows = [{}]\n{}",
        keep.join(", "),
        rows.join(", "),
        reduce.concat()
    )
}

/// Fields of a record type, or those of a dataset that some record type of today's catalogue supplies.
fn fed(target: Target) -> Vec<&'static Field> {
    let all = Catalogue::of_adapters();
    let supplied = |field: &&'static Field| match target {
        Target::Record(_) => true,
        Target::Dataset(dataset) => dataset
            .origins(field.name)
            .iter()
            .any(|(record, own)| all.record(record).is_some_and(|record| record.field(own).is_some())),
    };
    target.fields().iter().filter(supplied).collect()
}

fn atom(random: &mut Random, field: &Field) -> Option<String> {
    let test = match (field.kind, random.below(4)) {
        (_, 0) => "is = \"present\"".to_owned(),
        (FieldType::Region, 1) => "prefix = [\"3207\"]".to_owned(),
        (FieldType::Region, _) => "in = [\"320706\", \"320707\"]".to_owned(),
        (FieldType::Division(_), _) => "prefix = [\"320706\", \"3208\"]".to_owned(),
        (FieldType::Code(table), _) => format!("eq = {:?}", random.pick(table.rows).code),
        (FieldType::Date, _) => "between = [1900-01-01, 1990-12-31]".to_owned(),
        (FieldType::Integer(_), 1) => "in = [0, 1, 2]".to_owned(),
        (FieldType::Integer(_), _) => "between = [1, 3]".to_owned(),
        (_, 1) => "is = \"null\"".to_owned(),
        _ => return None,
    };
    Some(format!("{{ field = \"{}\", {test} }}", field.name))
}

fn operator(random: &mut Random, field: &Field, partner: &str, purpose: &str) -> Option<String> {
    let level = |random: &mut Random, levels: &[&str]| format!("to = \"{}\"", random.pick(levels));
    let dates = ["year", "quarter", "month", "day"];
    let drawn = random.below(5);
    let keyed = matches!(
        (field.kind, drawn),
        (FieldType::CitizenId, 4)
            | (FieldType::RegNo, 2..)
            | (FieldType::DocumentNo(_) | FieldType::Uscc | FieldType::OrgCode, 1..)
            | (FieldType::Name | FieldType::Text(_) | FieldType::Phone, 1)
    );
    if keyed && purpose.is_empty() {
        return None;
    }
    Some(match (field.kind, drawn) {
        (_, 0) => "op = \"exists\"".into(),
        (_, 1) if random.one_in(3) => "op = \"constant\", value = \"-\"".into(),
        (_, 1) if random.one_in(3) => "op = \"drop\"".into(),
        (FieldType::CitizenId, 1) => "op = \"sex_of\"".into(),
        (FieldType::CitizenId, 2) => format!("op = \"birth_of\", {}", level(random, &dates)),
        (FieldType::CitizenId, 3) => format!("op = \"region\", {}", level(random, &["province", "city", "county"])),
        (FieldType::CitizenId, 4) => format!(
            "op = \"token\", kind = \"id18\", key = \"{}\"",
            key("t", partner, purpose)
        ),
        (FieldType::RegNo, 2..) => format!(
            "op = \"token\", kind = \"digits\", key = \"{}\"",
            key("d", partner, purpose)
        ),
        (FieldType::DocumentNo(_) | FieldType::Uscc | FieldType::OrgCode, _) => {
            format!(
                "op = \"pseudonym\", key = \"{}\", bytes = {}",
                key("p", partner, purpose),
                16 + random.below(17)
            )
        }
        (FieldType::Name | FieldType::Text(_) | FieldType::Phone, 1) => {
            format!("op = \"pseudonym\", key = \"{}\"", key("p", partner, purpose))
        }
        (FieldType::Name | FieldType::Text(_) | FieldType::Phone, _) => format!(
            "op = \"mask\", first = {}, last = {}, keep_length = {}",
            random.below(4),
            random.below(3),
            random.one_in(2)
        ),
        (FieldType::Code(table), _) => {
            let code = random.pick(table.rows).code;
            format!("op = \"map\", list = {{ {code:?} = \"甲\" }}, default = \"乙\"")
        }
        (FieldType::Region, _) => format!("op = \"region\", {}", level(random, &["province", "city", "county"])),
        (FieldType::Division(_), _) => {
            format!(
                "op = \"region\", {}",
                level(random, &["province", "city", "county", "town"])
            )
        }
        (FieldType::Date, 2) => {
            let width = 2 + random.below(19);
            format!(
                "op = \"age_band\", width = {width}, cap = {}",
                width * (1 + random.below(5))
            )
        }
        (FieldType::Date | FieldType::Instant, _) => format!("op = \"date\", {}", level(random, &dates)),
        (FieldType::Month, _) => format!("op = \"date\", {}", level(random, &dates[..3])),
        (FieldType::Integer(_) | FieldType::Decimal(_), 2) => {
            format!("op = \"round\", step = {}", 2 + random.below(50))
        }
        (FieldType::Integer(_) | FieldType::Decimal(_), _) => {
            let edge = random.between(0, 50);
            format!("op = \"bucket\", edges = [{edge}, {}, {}]", edge + 1, edge + 100)
        }
        _ => return None,
    })
}

/// A request that often fits a bundle and often nearly does.
pub fn request(random: &mut Random) -> Request {
    let (target, direction, mode) = match random.below(5) {
        0 => (random.pick(&Dataset::ALL).name(), "pull", "extract"),
        1 => (random.pick(&Dataset::ALL).name(), "pull", "compare"),
        _ => (*random.pick(&RECORDS), "push", "feed"),
    };
    let owner = target.split_once('/').map(|(agency, _)| agency);
    let partner = match owner {
        Some(agency) if !random.one_in(8) => {
            let own: Vec<&str> = PARTNERS.iter().filter(|id| id.starts_with(agency)).copied().collect();
            (*random.pick(&own)).to_owned()
        }
        None if !random.one_in(8) => (*random.pick(&["information-centre", "survey-office"])).to_owned(),
        _ => (*random.pick(&PARTNERS)).to_owned(),
    };
    let purpose = match mode {
        "compare" if !random.one_in(6) => "enrolment.comparison",
        _ if !random.one_in(3) => "enrolment.registration",
        _ => random.pick(&PURPOSES),
    };
    // From 2025 to 2029, to the microsecond; one in eight at an edge of a validity.
    let at_us = if random.one_in(8) {
        let edge = random.pick(&[
            "2026-03-01T00:00:00+08:00",
            "2027-02-01T12:30:00Z",
            "2026-10-10T09:00:00+08:00",
        ]);
        edge.parse::<jiff::Timestamp>().unwrap().as_microsecond() + random.between(-1, 1) * 1_000_000
    } else {
        random.between(1_735_700_000_000_000, 1_860_000_000_000_000)
    };
    Request {
        partner,
        target: target.to_owned(),
        purpose: purpose.to_owned(),
        direction,
        mode,
        at_us,
    }
}

/// A record in canonical form, each field drawn alone: what cross-field rules would refuse is a record to an operator all the same.
pub fn row(random: &mut Random, target: Target) -> Row {
    target
        .fields()
        .iter()
        .map(|field| (field.name, cell(random, field)))
        .collect()
}

fn cell(random: &mut Random, field: &Field) -> Cell {
    if random.one_in(8) {
        return Cell::Null;
    }
    let digits = |random: &mut Random, count: usize| -> String {
        (0..count).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
    };
    let region = |random: &mut Random| random.pick(&["320706", "320707", "320803", "330106"]).to_string();
    Cell::Text(match field.kind {
        FieldType::Date => return Cell::Number(random.between(-43_000, 21_000)),
        FieldType::Instant => return Cell::Number(random.between(-3_000_000_000_000_000, 1_900_000_000_000_000)),
        FieldType::Integer(max) => return Cell::Number(random.between(0, max.min(6))),
        FieldType::CitizenId => {
            let date = jiff::civil::Date::constant(1850, 1, 1) + jiff::Span::new().days(random.between(0, 70_000));
            let first = format!("{}{}{}", region(random), date.strftime("%Y%m%d"), digits(random, 3));
            let last = check(&first);
            first + &last.to_string()
        }
        FieldType::Region => region(random),
        FieldType::Division(length) => region(random) + &digits(random, usize::from(length) - 6),
        FieldType::Month => format!("{}{:02}", random.between(1880, 2030), random.between(1, 12)),
        FieldType::Decimal(scale) => {
            let whole = random.between(0, 300);
            if scale == 0 {
                whole.to_string()
            } else {
                format!("{whole}.{}", digits(random, usize::from(scale)))
            }
        }
        FieldType::Code(table) => random.pick(table.rows).code.to_owned(),
        FieldType::Name => random
            .pick(&["张", "张三", "张三丰", "阿依古丽·买买提", "𠮷田", "买 买提"])
            .to_string(),
        FieldType::Phone => format!("1{}", digits(random, 10)),
        FieldType::RegNo => digits(random, 15),
        FieldType::Uscc | FieldType::TaxpayerId => format!("91{}", digits(random, 16)),
        FieldType::OrgCode => digits(random, 9),
        FieldType::DocumentNo(_) => format!("A{}", digits(random, 4)),
        FieldType::Text(_) => random
            .pick(&["甲", "甲路1号", "江苏省连云港市", "a.b", "x"])
            .to_string(),
    })
}
