//! No value of a record shows in what a decoder says of itself: errors, rejects, counts, Debug output.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashSet;
use std::fmt::{Debug, Write};

use shuguan_adapters::catalogue::{RecordType, record_types};
use shuguan_adapters::decode::{DecodeLimits, Decoder};
use shuguan_adapters::layout::Layout;
use shuguan_adapters::sample::{Dirt, write_sample};
use shuguan_adapters::value::{Scratch, parse};

const SEED: u64 = 4711;
/// 2026-07-01.
const TODAY: i32 = 20_635;
const CONTENT_TYPES: [&str; 3] = [
    "text/csv; charset=utf-8",
    "text/csv; charset=gb18030",
    "application/x-ndjson; charset=utf-8",
];

#[test]
fn nothing_that_a_decoder_says_of_itself_holds_a_value() {
    let mut looked_for = 0;
    for (at, content_type) in (0_u64..).zip(CONTENT_TYPES) {
        for (of, record) in (0_u64..).zip(record_types()) {
            let mut feed = Vec::new();
            write_sample(
                record,
                &layout_of(content_type),
                40,
                SEED + at + of,
                Dirt::spread(40.0),
                &mut feed,
            )
            .unwrap();
            let values = values_of(&feed, record);
            assert!(values.len() > 40, "{}: few values to look for", record.name);
            looked_for += values.len();
            let mut random = Random(SEED + 100 * at + of);
            for round in 0..4 {
                let mut sent = feed.clone();
                for _ in 0..2 * round {
                    let place = random.below(sent.len());
                    sent[place] = [b'"', b'\n', b',', 0, 0xFF, 0x80, b'{', b'9'][random.below(8)];
                }
                let said = said_of(record, content_type, &sent);
                let shown = values.iter().find(|value| said.contains(value.as_str()));
                assert_eq!(
                    shown, None,
                    "{} shows a value in {content_type}, seed {SEED}",
                    record.name
                );
            }
        }
    }
    assert!(looked_for > 3_000);
}

#[test]
fn nothing_that_a_value_says_of_itself_is_the_value() {
    let mut random = Random(SEED);
    let mut scratch = Scratch::default();
    for record in record_types() {
        for field in record.fields {
            for _ in 0..20 {
                let secret = format!("{:06}王canary{}", random.below(1_000_000), random.below(1_000_000));
                for sent in [
                    secret.as_str(),
                    "320706186001010008",
                    "913207000000000004",
                    "2012-01-09",
                    "13912345678",
                ] {
                    let said = format!("{:?}", parse(field, sent, &mut scratch, TODAY));
                    assert!(!said.contains(sent) && !said.contains("canary"), "{}", field.name);
                    assert!(!format!("{scratch:?}").contains(sent), "{}", field.name);
                }
            }
        }
    }
}

/// Everything that the decoder of a feed, whole or in frames, prints on the way.
fn said_of(record: &'static RecordType, content_type: &str, feed: &[u8]) -> String {
    let wanted: Vec<&'static str> = record.fields.iter().map(|field| field.name).collect();
    let limits = DecodeLimits {
        part_rows: 7,
        record_bytes_max: 3000,
        ..DecodeLimits::default()
    };
    let mut said = String::new();
    let mut say = |what: &dyn Debug| write!(said, "{what:?} {what:#?} ").unwrap();
    let mut decoder = Decoder::new(record, &wanted, &layout_of(content_type), limits, TODAY);
    for frame in feed.chunks(997) {
        if let Err(unreadable) = decoder.feed(frame) {
            say(&unreadable);
            say(&unreadable.to_string());
            break;
        }
        say(&decoder);
        say(&decoder.take_rejects());
    }
    if let Err(unreadable) = decoder.finish() {
        say(&unreadable);
        say(&unreadable.to_string());
    }
    say(&decoder);
    say(&decoder.take_rejects());
    say(decoder.counts());
    // Parts hold the values and are never printed; headers that are no field are shown to their sender only.
    said
}

fn layout_of(content_type: &str) -> Layout {
    Layout::from_content_type(content_type).unwrap()
}

/// What stands between the delimiters of the feed, long enough to be found by itself, and no name of the catalogue or of a reject.
fn values_of(feed: &[u8], record: &RecordType) -> HashSet<String> {
    let text = match std::str::from_utf8(feed) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::GB18030.decode(feed).0.into_owned(),
    };
    let names: HashSet<&str> = record.fields.iter().flat_map(|field| [field.name, field.zh]).collect();
    text.lines()
        .skip(1)
        .flat_map(|line| line.split(['"', ',', '{', '}', ':', '\t']))
        .map(|value| value.trim().to_owned())
        .filter(|value| value.chars().count() >= if value.is_ascii() { 6 } else { 2 })
        .filter(|value| !names.contains(value.as_str()) && !value.contains("alse") && !value.contains("rue"))
        .collect()
}

/// Repeatable choices (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}
