//! The naive interpreter: linear search over the TOML as parsed, one row at a time, operators written from their description.
//!
//! Takes the texts of a bundle that loads; judges requests and rows. It knows nothing of what makes a bundle wrong.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::{Table, Value};

use crate::cell::{Cell, Row};
use crate::keyed;

/// A bundle as parsed.
pub struct Naive {
    purposes: Vec<Table>,
    partners: Vec<Table>,
    keys: Table,
    agreements: Vec<Table>,
    calendars: Vec<Table>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub partner: String,
    pub target: String,
    pub purpose: String,
    pub direction: &'static str,
    pub mode: &'static str,
    pub at_us: i64,
}

/// The grant that answers a request.
pub struct Grant<'n> {
    grant: &'n Table,
    naive: &'n Naive,
}

fn text<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key).and_then(Value::as_str)
}

fn list<'t>(table: &'t Table, key: &str) -> Vec<&'t Value> {
    table
        .get(key)
        .and_then(Value::as_array)
        .map(|list| list.iter().collect())
        .unwrap_or_default()
}

fn tables(table: &Table, key: &str) -> Vec<Table> {
    list(table, key)
        .into_iter()
        .map(|one| one.as_table().unwrap().clone())
        .collect()
}

impl Naive {
    pub fn parse(texts: &[(String, String)]) -> Self {
        let read = |name: &str| -> Table {
            let (_, text) = texts.iter().find(|(file, _)| file == name).unwrap();
            toml::from_str(text).unwrap()
        };
        let folder = |folder: &str| -> Vec<Table> {
            let files = texts.iter().filter(|(file, _)| file.starts_with(folder));
            files.map(|(_, text)| toml::from_str(text).unwrap()).collect()
        };
        Self {
            purposes: tables(&read("purposes.toml"), "purpose"),
            partners: tables(&read("partners.toml"), "partner"),
            keys: read("keys.toml")["key"].as_table().unwrap().clone(),
            agreements: folder("agreements/"),
            calendars: folder("calendars/"),
        }
    }

    /// The checks in their fixed order; the first that fails is the reason.
    pub fn decide(&self, request: &Request) -> Result<Grant<'_>, &'static str> {
        let purpose = self
            .purposes
            .iter()
            .find(|one| text(one, "code") == Some(&request.purpose));
        if purpose.is_none_or(|one| one.get("requestable").and_then(Value::as_bool) == Some(false)) {
            return Err("bad-purpose");
        }
        for agreement in &self.agreements {
            for grant in list(agreement, "grant") {
                let grant = grant.as_table().unwrap();
                if self.names(agreement, grant, request) {
                    check_time(agreement, request.at_us)?;
                    self.check_hours(grant, request.at_us)?;
                    return Ok(Grant { grant, naive: self });
                }
            }
        }
        Err("no-grant")
    }

    fn names(&self, agreement: &Table, grant: &Table, request: &Request) -> bool {
        let key = grant["for"].as_table().unwrap();
        let empty = Table::new();
        let defaults = agreement.get("defaults").and_then(Value::as_table).unwrap_or(&empty);
        let said = |name: &str| text(key, name).or(text(defaults, name));
        let target = text(key, "record").or(text(key, "dataset")).unwrap();
        let purposes: Vec<&str> = match key.get("purposes").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(Value::as_str).collect(),
            None => said("purpose").into_iter().collect(),
        };
        let partner = match (text(key, "partner"), key.get("partners"), target.split_once('/')) {
            (Some(id), _, _) => id == request.partner,
            (None, Some(ids), _) => ids
                .as_array()
                .unwrap()
                .iter()
                .any(|id| id.as_str() == Some(&request.partner)),
            (None, None, Some((agency, _))) => self.agency(&request.partner).as_deref() == Some(agency),
            (None, None, None) => false,
        };
        target == request.target
            && partner
            && purposes.contains(&request.purpose.as_str())
            && said("direction") == Some(request.direction)
            && said("mode") == Some(request.mode)
    }

    /// The agency in the SPIFFE path of a partner.
    fn agency(&self, id: &str) -> Option<String> {
        let partner = self.partners.iter().find(|one| text(one, "id") == Some(id))?;
        let path = text(partner, "spiffe")?.splitn(4, '/').nth(3)?;
        Some(path.strip_prefix("agency/")?.split('/').next()?.to_owned())
    }

    fn check_hours(&self, grant: &Table, at_us: i64) -> Result<(), &'static str> {
        let Some(hours) = grant.get("hours").and_then(Value::as_table) else {
            return Ok(());
        };
        let local = jiff::tz::offset(8).to_datetime(jiff::Timestamp::from_microsecond(at_us).unwrap());
        let now = local.strftime("%H:%M").to_string();
        let open = text(hours, "from").unwrap() <= now.as_str() && now.as_str() < text(hours, "to").unwrap();
        let works = match text(hours, "calendar") {
            None => true,
            Some(id) => self.works(id, local.date()),
        };
        if open && works { Ok(()) } else { Err("outside-hours") }
    }

    fn works(&self, id: &str, date: Date) -> bool {
        let calendar = self.calendars.iter().find(|one| text(one, "id") == Some(id)).unwrap();
        let years = tables(calendar, "year");
        let Some(year) = years
            .iter()
            .find(|one| one["year"].as_integer() == Some(date.year().into()))
        else {
            return false;
        };
        let day = date.to_string();
        let has = |key: &str| list(year, key).iter().any(|one| one.to_string() == day);
        let weekend = date.weekday().to_monday_zero_offset() >= 5;
        has("on") || (!weekend && !has("off"))
    }

    /// The HKDF info and the domain of a key.
    fn key(&self, id: &str) -> (String, String) {
        let key = self.keys[id].as_table().unwrap();
        let said = |name: &str| text(key, name).unwrap();
        let info = format!(
            "shuguan.key.v1\n{id}\n{}\n{}\n{}\n{}",
            key["epoch"],
            said("partner"),
            said("purpose"),
            said("domain")
        );
        (info, said("domain").to_owned())
    }
}

/// Both the first and the last second count.
fn check_time(agreement: &Table, at_us: i64) -> Result<(), &'static str> {
    let second = at_us.div_euclid(1_000_000);
    let valid = agreement["valid"].as_table().unwrap();
    let moment = |key: &str| valid[key].to_string().parse::<jiff::Timestamp>().unwrap().as_second();
    if second > moment("until") {
        Err("expired")
    } else if second < moment("from") {
        Err("not-yet")
    } else {
        Ok(())
    }
}

impl Grant<'_> {
    /// Columns in order: `keep` as written, then `reduce` as written; what is dropped is none.
    pub fn fields(&self, text_of_file: &str) -> Vec<String> {
        let mut names: Vec<String> = list(self.grant, "keep")
            .iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect();
        let mut reduced: Vec<(usize, String)> = Vec::new();
        if let Some(reduce) = self.grant.get("reduce").and_then(Value::as_table) {
            let id = text(self.grant, "id").unwrap();
            let from = text_of_file.find(&format!("id = \"{id}\"\n")).unwrap();
            for (name, how) in reduce {
                if text(how.as_table().unwrap(), "op") != Some("drop") {
                    let line = format!("reduce.{name} = ");
                    reduced.push((from + text_of_file[from..].find(&line).unwrap(), name.clone()));
                }
            }
        }
        reduced.sort();
        names.extend(reduced.into_iter().map(|(_, name)| name));
        names
    }

    pub fn id(&self) -> &str {
        text(self.grant, "id").unwrap()
    }

    /// Fields that the caller of a comparison brings.
    pub fn require(&self) -> Vec<String> {
        list(self.grant, "require")
            .iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    }

    /// Whether the row filter lets a row pass.
    pub fn passes(&self, row: &Row) -> bool {
        tables(self.grant, "rows").iter().all(|atom| {
            let cell = &row[text(atom, "field").unwrap()];
            if let Some(word) = text(atom, "is") {
                return (word == "null") == (*cell == Cell::Null);
            }
            let same = |value: &Value| match (value, cell) {
                (Value::String(text), Cell::Text(own)) => text == own,
                (Value::Integer(number), Cell::Number(own)) => number == own,
                _ => false,
            };
            if let Some(value) = atom.get("eq") {
                return same(value);
            }
            if atom.contains_key("in") {
                return list(atom, "in").into_iter().any(same);
            }
            if atom.contains_key("prefix") {
                let begins =
                    |value: &&Value| matches!(cell, Cell::Text(own) if own.starts_with(value.as_str().unwrap()));
                return list(atom, "prefix").iter().any(begins);
            }
            let bounds: Vec<i64> = list(atom, "between")
                .into_iter()
                .map(|value| match value {
                    Value::Integer(number) => *number,
                    day => (day.to_string().parse::<Date>().unwrap() - EPOCH).get_days().into(),
                })
                .collect();
            matches!(cell, Cell::Number(own) if bounds[0] <= *own && *own <= bounds[1])
        })
    }

    /// What becomes of one field of one row; `None` when the value has no token.
    pub fn cell(&self, name: &str, kind: &str, row: &Row, claim: Option<&Row>, today: i64) -> Option<Cell> {
        let own = &row[name];
        if list(self.grant, "keep").iter().any(|one| one.as_str() == Some(name)) {
            return Some(own.clone());
        }
        let how = self.grant["reduce"].as_table().unwrap()[name].as_table().unwrap();
        let op = text(how, "op").unwrap();
        match (op, own) {
            ("constant", _) => return Some(Cell::Text(text(how, "value").unwrap().into())),
            ("exists", own) => return Some(Cell::Flag(*own != Cell::Null)),
            ("equal", own) => return Some(Cell::Text(equal(how, own, &claim.unwrap()[name]).into())),
            (_, Cell::Null) => return Some(Cell::Null),
            _ => {}
        }
        Some(match own {
            Cell::Number(number) => self.number(op, how, kind, *number, row, today),
            Cell::Text(value) => self.text(op, how, kind, value)?,
            _ => unreachable!("fields hold texts and numbers"),
        })
    }

    fn number(&self, op: &str, how: &Table, kind: &str, number: i64, row: &Row, today: i64) -> Cell {
        match op {
            "keep" => Cell::Number(number),
            "bucket" => Cell::Text(bucket(how, number)),
            "round" => {
                Cell::Number(number.div_euclid(how["step"].as_integer().unwrap()) * how["step"].as_integer().unwrap())
            }
            "age_band" => Cell::Text(age_band(how, number, today)),
            "date" => {
                let days = if kind == "instant" {
                    shanghai_day(number)
                } else {
                    number
                };
                cut(how, days)
            }
            "date_shift" => {
                let (info, domain) = self.naive.key(text(how, "key").unwrap());
                match &row[text(how, "subject").unwrap()] {
                    Cell::Text(subject) => {
                        let days = how["days"].as_integer().unwrap();
                        Cell::Number(number + keyed::shift(&info, &domain, subject, days))
                    }
                    _ => Cell::Null,
                }
            }
            other => unreachable!("{other} on a number"),
        }
    }

    fn text(&self, op: &str, how: &Table, kind: &str, value: &str) -> Option<Cell> {
        let first = |count: usize| value.chars().take(count).collect::<String>();
        Some(Cell::Text(match op {
            "keep" => value.into(),
            "mask" => mask(how, value),
            "region" => first(match text(how, "to").unwrap() {
                "province" => 2,
                "city" => 4,
                "county" => 6,
                _ => 9,
            }),
            "date" if kind == "month" => match text(how, "to").unwrap() {
                "year" => first(4),
                "quarter" => format!("{}Q{}", first(4), value[4..].parse::<u32>().unwrap().div_ceil(3)),
                _ => value.into(),
            },
            "bucket" => bucket(how, floor(value)),
            "round" => {
                let step = how["step"].as_integer().unwrap();
                let decimals = value.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let down = floor(value).div_euclid(step) * step;
                if decimals == 0 {
                    down.to_string()
                } else {
                    format!("{down}.{}", "0".repeat(decimals))
                }
            }
            "sex_of" => if value.chars().nth(16)?.to_digit(10)? % 2 == 1 {
                "1"
            } else {
                "2"
            }
            .into(),
            "birth_of" => {
                let date = Date::new(
                    value[6..10].parse().ok()?,
                    value[10..12].parse().ok()?,
                    value[12..14].parse().ok()?,
                )
                .ok()?;
                return Some(cut(how, (date - EPOCH).get_days().into()));
            }
            "map" => {
                let list = how["list"].as_table().unwrap();
                text(list, value).or(text(how, "default")).unwrap().into()
            }
            "pseudonym" => {
                let (info, domain) = self.naive.key(text(how, "key").unwrap());
                let bytes = how.get("bytes").and_then(Value::as_integer).unwrap_or(16);
                keyed::pseudonym(&info, &domain, value, bytes as usize)
            }
            "token" => {
                let (info, _) = self.naive.key(text(how, "key").unwrap());
                match text(how, "kind").unwrap() {
                    "id18" => keyed::token_id18(&info, value)?,
                    _ => keyed::token_digits(&info, value),
                }
            }
            other => unreachable!("{other} on a text"),
        }))
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn date(days: i64) -> Date {
    EPOCH + jiff::Span::new().days(days)
}

/// By the time zone database: summers, and local mean time before 1901.
fn shanghai_day(us: i64) -> i64 {
    let moment = jiff::Timestamp::from_microsecond(us).unwrap();
    let local = TimeZone::get("Asia/Shanghai").unwrap().to_datetime(moment);
    i64::from((local.date() - EPOCH).get_days())
}

fn cut(how: &Table, days: i64) -> Cell {
    let date = date(days);
    Cell::Text(match text(how, "to").unwrap() {
        "year" => format!("{:04}", date.year()),
        "quarter" => format!("{:04}Q{}", date.year(), (date.month() + 2) / 3),
        "month" => format!("{:04}{:02}", date.year(), date.month()),
        _ => return Cell::Number(days),
    })
}

fn age_band(how: &Table, born: i64, today: i64) -> String {
    let (width, cap) = (how["width"].as_integer().unwrap(), how["cap"].as_integer().unwrap());
    let (born, today) = (date(born), date(today));
    let mut age = i64::from(today.year()) - i64::from(born.year());
    if (today.month(), today.day()) < (born.month(), born.day()) {
        age -= 1;
    }
    let age = age.max(0);
    if age >= cap {
        return format!("{cap}+");
    }
    let from = age / width * width;
    format!("{from}-{}", from + width - 1)
}

fn bucket(how: &Table, number: i64) -> String {
    let edges: Vec<i64> = list(how, "edges").iter().map(|one| one.as_integer().unwrap()).collect();
    let below: Vec<&i64> = edges.iter().filter(|edge| **edge <= number).collect();
    let above = edges.iter().find(|edge| **edge > number);
    match (below.last(), above) {
        (None, Some(first)) => format!("<{first}"),
        (Some(from), Some(to)) => format!("[{from},{to})"),
        (Some(last), None) => format!(">={last}"),
        (None, None) => unreachable!("a bucket has an edge"),
    }
}

fn floor(value: &str) -> i64 {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let number: i64 = whole.parse().unwrap();
    let part = fraction.chars().any(|c| c != '0');
    if value.starts_with('-') && part {
        number - 1
    } else {
        number
    }
}

fn mask(how: &Table, value: &str) -> String {
    let count = |key: &str| how.get(key).and_then(Value::as_integer).unwrap_or(0) as usize;
    let cover = text(how, "char").unwrap_or("＊");
    let chars: Vec<char> = value.chars().collect();
    let first = count("first").min(chars.len().saturating_sub(1));
    let last = count("last").min(chars.len().saturating_sub(1 + first));
    let hidden = chars.len() - first - last;
    let keeps = how.get("keep_length").and_then(Value::as_bool).unwrap_or(true);
    let covers = if keeps || hidden == 0 { hidden } else { 2 };
    let shown = |part: &[char]| part.iter().collect::<String>();
    shown(&chars[..first]) + &cover.repeat(covers) + &shown(&chars[chars.len() - last..])
}

fn equal(how: &Table, held: &Cell, claimed: &Cell) -> &'static str {
    let even = |cell: &Cell| match (text(how, "normalise"), cell) {
        (Some("name"), Cell::Text(text)) => {
            let dots = ['\u{2022}', '\u{30fb}', '\u{ff0e}', '\u{2027}', '.'];
            let kept = text.chars().filter(|c| !c.is_whitespace());
            Cell::Text(kept.map(|c| if dots.contains(&c) { '\u{b7}' } else { c }).collect())
        }
        (Some("id"), Cell::Text(text)) => Cell::Text(text.trim().to_uppercase()),
        (_, cell) => cell.clone(),
    };
    match held {
        Cell::Null => "absent",
        held if even(held) == even(claimed) => "agree",
        _ => "differ",
    }
}
