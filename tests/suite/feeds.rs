//! Small feeds that tests push: made by the project's own generator, births in 18xx.

use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::layout::Layout;
use shuguan_adapters::sample::{Dirt, write_sample};

/// The record type that most tests push.
pub const RESIDENT: &str = "public-security/resident";
/// Its sender.
pub const POLICE: &str = "public-security-city";

pub const CSV_UTF8: &str = "text/csv; charset=utf-8";
pub const CSV_GB18030: &str = "text/csv; charset=gb18030";
pub const NDJSON: &str = "application/x-ndjson; charset=utf-8";

/// A feed without dirt.
pub fn clean(record: &str, content_type: &str, rows: u64, seed: u64) -> Vec<u8> {
    dirty(record, content_type, rows, seed, Dirt::none())
}

/// A feed with dirt.
pub fn dirty(record: &str, content_type: &str, rows: u64, seed: u64, dirt: Dirt) -> Vec<u8> {
    let layout = Layout::from_content_type(content_type).expect("a layout");
    let mut feed = Vec::new();
    write_sample(
        record_type(record).expect("a record type"),
        &layout,
        rows,
        seed,
        dirt,
        &mut feed,
    )
    .expect("a feed");
    feed
}

/// One resident of the city with these values, as NDJSON.
pub fn resident(citizen_id: &str, name: &str) -> Vec<u8> {
    let sex = if citizen_id.as_bytes()[16] % 2 == 1 { "1" } else { "2" };
    let line = serde_json::json!({
        "citizen_id": citizen_id, "name": name, "sex": sex, "birth_date": &citizen_id[6..14], "hukou_region": "320706",
        "person_status": "0",
    });
    format!("{line}\n").into_bytes()
}

/// A citizen id of nobody: sequence 000, born on the n-th day after 1801-01-01.
pub fn nobody(n: u32) -> String {
    let day = n % 28 + 1;
    let month = n / 28 % 12 + 1;
    let year = 1801 + n / 336;
    let body = format!("320706{year:04}{month:02}{day:02}000");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    format!("{body}{}", char::from(b"10X98765432"[sum as usize % 11]))
}

/// The layout of all three content types, for tests that go through them.
pub const ALL: [&str; 3] = [CSV_UTF8, CSV_GB18030, NDJSON];
