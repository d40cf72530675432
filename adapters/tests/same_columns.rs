//! What decoding gives is the same, to the byte, as it was before it was made faster.
//!
//! Takes feeds of every record type in the charsets and forms that are read most, clean, dirty and with bytes gone wrong, in frames of several
//! sizes; reduces all that the decoder gives (buffers of columns, rejects, counts, refusals) to one number a form. The numbers stand here as the
//! decoder of commit f49817f gave them, but for one change: they change only with the samples or the catalogue, and then the change has to be explained.
//! Since then rows of history are passed over and counted, also where only their keys matter, and a sample's residents are not reversed. The numbers
//! of delimited forms changed once more by themselves: where a byte gone wrong is a `"`, the record that it seemed to begin took every row up to the
//! next quote with it as one reject; it is read line by line now, and only the row with the quote can suffer. All changed
//! when the place that somebody moves from took the form of one abroad: the samples of moves draw it from a list now (nothing else did: with that
//! field as it was, the numbers were the old ones). And when a source's table took no codes but its own: samples of five record types write others, and
//! the bytes that go wrong lie elsewhere. Those of NDJSON once more when headers were cleaned alike in every form: a colon that comes to stand at the end
//! of a name is no part of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::fmt::Write as _;

use arrow_array::{Array, RecordBatch};
use shuguan_adapters::catalogue::{RecordType, record_types};
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::Layout;
use shuguan_adapters::operation::Intent;
use shuguan_adapters::sample::{Dirt, write_sample};

/// 2026-07-01.
const TODAY: i32 = 20_635;

#[test]
fn gb18030_csv_gives_the_columns_and_rejects_that_it_gave() {
    assert_eq!(all("text/csv; charset=gb18030"), 0x12b1_fa51_7033_da97);
}

#[test]
fn utf8_csv_gives_the_columns_and_rejects_that_it_gave() {
    assert_eq!(all("text/csv; charset=utf-8"), 0x09ae_e360_3532_7248);
}

#[test]
fn tab_separated_values_give_the_columns_and_rejects_that_they_gave() {
    assert_eq!(all("text/tab-separated-values; charset=gb18030"), 0x1e2c_a785_20ab_24b9);
}

#[test]
fn utf8_ndjson_gives_the_columns_and_rejects_that_it_gave() {
    assert_eq!(all("application/x-ndjson; charset=utf-8"), 0xedbc_4c14_9681_34a2);
}

#[test]
fn gb18030_ndjson_gives_the_columns_and_rejects_that_it_gave() {
    assert_eq!(all("application/x-ndjson; charset=gb18030"), 0x4fff_1056_6119_af08);
}

#[test]
fn gb18030_xml_gives_the_columns_and_rejects_that_it_gave() {
    assert_eq!(all("application/xml; charset=gb18030"), 0x7128_a792_2e79_6574);
}

/// Everything that decoding gives of feeds of every record type in that form, as one number.
fn all(content_type: &str) -> u64 {
    let layout = Layout::from_content_type(content_type).unwrap();
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    for (number, record) in (1..).zip(record_types()) {
        for dirt in [0.0, 30.0] {
            let mut feed = Vec::new();
            write_sample(record, &layout, 60, number, Dirt::spread(dirt), &mut feed).unwrap();
            let mut random = Random(number);
            for wrong in [0, 0, 1, 6] {
                for _ in 0..wrong {
                    let place = random.below(feed.len());
                    feed[place] = BYTES[random.below(BYTES.len())];
                }
                let part_rows = [8192, 7][random.below(2)];
                let frame = [1, 61, 1000, 1 << 20][random.below(4)];
                for intent in [
                    Intent::Upsert,
                    Intent::Snapshot(None, Vec::new()),
                    Intent::Delta(Vec::new()),
                ] {
                    told(record, &layout, part_rows, intent, feed.chunks(frame), &mut digest);
                }
            }
        }
    }
    digest.0
}

/// Bytes that mean something to some form or charset, or are foreign to it.
const BYTES: &[u8] = b"\"\n\r,\t{}:<>&0 9AZ'-\\\0\x1f\x7f\x80\x81\xa1\xb0\xc2\xd0\xe2\xee\xfe\xff";

fn told<'a>(
    record: &'static RecordType,
    layout: &Layout,
    part_rows: usize,
    intent: Intent,
    frames: impl Iterator<Item = &'a [u8]>,
    digest: &mut Digest,
) {
    let wanted: Vec<&'static str> = record.fields.iter().map(|field| field.name).collect();
    let limits = DecodeLimits {
        part_rows,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::meant(record, &wanted, layout, limits, TODAY, intent);
    let mut ended = Ok(());
    for frame in frames {
        ended = ended.and_then(|()| decoder.feed(frame));
        while let Some(part) = decoder.next_part() {
            columns(&part, digest);
        }
    }
    let mut more = ended.is_ok();
    while more {
        let step = decoder.finish();
        while let Some(part) = decoder.next_part() {
            columns(&part, digest);
        }
        more = step == Ok(Ended::More);
        ended = step.map(|_| ());
    }
    // Without a layout no reject has a number of the sender's: the text is that of a time when there were none.
    let rejects = format!("{:?}", decoder.take_rejects()).replace(", id: None", "");
    // Nor did a reject know its column.
    let mut pieces = rejects.split(", place: ");
    let mut rejects = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        rejects.push_str(piece.find(" }").map_or("", |end| &piece[end..]));
    }
    write!(digest, "{rejects} {ended:?}").unwrap();
    // Nor were sums counted among the rows.
    let counts = format!("{:?}", decoder.counts()).replace(", sums: 0", "");
    write!(digest, "{counts} {:?}", decoder.unknown_headers()).unwrap();
}

/// Every buffer of every column.
fn columns(part: &RecordBatch, digest: &mut Digest) {
    write!(digest, "{:?}", part.schema()).unwrap();
    for column in part.columns() {
        let data = column.to_data();
        write!(digest, "{} {}", data.len(), data.offset()).unwrap();
        for buffer in data.buffers() {
            digest.take(buffer.as_slice());
        }
        if let Some(nulls) = data.nulls() {
            write!(digest, "{} nulls", nulls.null_count()).unwrap();
            digest.take(nulls.validity());
        }
    }
}

/// FNV-1a.
struct Digest(u64);

impl Digest {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.take(text.as_bytes());
        Ok(())
    }
}

/// xorshift64*; a seed of 0 would stay 0.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit
    }
}
