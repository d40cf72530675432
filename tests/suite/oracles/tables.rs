//! Workbooks and tables that openpyxl, xlwt and the package dbf write, read back exactly: they give the columns that the same table in CSV
//! gives. Made anew from a printed seed at each run.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::Layout;

use super::{ask, today};
use crate::random::Random;

const NAMES: [&str; 5] = ["citizen_id", "name", "sex", "death_date", "police_station"];
const ROWS: u64 = 400;
/// What GBK has, because dbf writes no GB18030.
const GIVEN: [&str; 6] = ["甲", "欧阳乙", "阿卜杜拉·丙", "赟", "丁 戊", "镕"];

#[test]
#[cfg_attr(not(oracles), ignore = "run tests/oracles/install first")]
fn what_other_programs_write_is_read_back_exactly() {
    let mut random = Random::printed("tables");
    let rows: Vec<[String; 5]> = (1..=ROWS).map(|number| row(number, &mut random)).collect();
    let csv = std::iter::once(NAMES.map(str::to_owned)).chain(rows.iter().cloned());
    let csv: String = csv.map(|cells| cells.join(",") + "\n").collect();
    let expected = columns("table.csv", csv.as_bytes());
    assert_eq!(expected.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, ROWS);
    let answer = ask(
        "tables.py",
        json!({ "names": NAMES, "rows": rows }).to_string().into_bytes(),
    );
    let files: BTreeMap<String, String> = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(files.len(), 3);
    for (name, content) in files {
        let bytes = STANDARD.decode(content).expect("Base64");
        assert!(columns(&name, &bytes) == expected, "{name}");
    }
}

fn pick(random: &mut Random, of: &[&'static str]) -> &'static str {
    let at = random.below(of.len() as u64);
    of[at as usize]
}

fn row(number: u64, random: &mut Random) -> [String; 5] {
    let name = pick(random, &GIVEN);
    // Workbooks keep days from 1900 on; an empty one is one, too.
    let day = match random.below(4) {
        0 => String::new(),
        _ => format!(
            "20{:02}-{:02}-{:02}",
            random.below(24),
            1 + random.below(12),
            1 + random.below(28)
        ),
    };
    let sex = pick(random, &["1", "2"]);
    let station = pick(random, &["320707000", "320707010", ""]);
    [id(number, sex), name.into(), sex.into(), day, station.into()]
}

/// A resident number of 1800 of that sex: the check character follows GB 11643.
fn id(number: u64, sex: &str) -> String {
    let odd = u64::from(sex == "1");
    let front = format!("32070718000106{:03}", number * 2 % 998 + odd);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = front.bytes().zip(weights);
    let sum: u32 = digits.map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{front}{}", char::from(b"10X98765432"[sum as usize % 11]))
}

fn columns(name: &str, bytes: &[u8]) -> Vec<RecordBatch> {
    let record = record_type("public-security/death").expect("a record type");
    let layout = Layout::detect(name, bytes);
    let mut decoder = Decoder::new(record, &NAMES, &layout, DecodeLimits::default(), today());
    decoder.feed(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut parts = Vec::new();
    loop {
        let ended = decoder.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
        parts.extend(std::iter::from_fn(|| decoder.next_part()));
        if ended == Ended::Whole {
            break;
        }
    }
    let counts = decoder.counts();
    assert_eq!(
        (counts.rejected, counts.repeated),
        (0, 0),
        "{name}: {:?}",
        decoder.take_rejects()
    );
    parts
}
