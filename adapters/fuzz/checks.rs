//! What must hold whatever the bytes are: the bodies of the fuzz targets, which a plain test runs over the committed corpus as well.
//!
//! Takes bytes; gives nothing. Fails when counts do not add up, when the cuts between frames change a result, when a field that is not
//! wanted rejects a record, or when what is canonical is not read as itself.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use shuguan_adapters::catalogue::{Class, Field, FieldType, RecordType, record_types};
use shuguan_adapters::code::tables;
use shuguan_adapters::decode::{Counts, DecodeLimits, Decoder, Ended, Unreadable};
use shuguan_adapters::inflate::{Coding, InflateFault, Inflater};
use shuguan_adapters::layout::Layout;
use shuguan_adapters::reject::Reject;
use shuguan_adapters::value::{Scratch, Value, date, parse};

/// 2026-07-01.
const TODAY: i32 = 20_635;

/// A feed in one of these content types, see [`check_feed`].
pub(crate) fn check_decode(content_types: &[&str], data: &[u8]) {
    check_feed(data, |choice, _, feed| {
        let content_type = pick(content_types.iter().copied(), choice).expect("a target names content types");
        let layout = Layout::from_content_type(content_type).expect("a target names content types that are decoded");
        (layout, feed.to_vec())
    });
}

/// A feed in a layout. The first four bytes choose: the layout, the record type, the wanted fields, the limits and cuts; the rest is the feed, of
/// which `made` makes a file.
pub(crate) fn check_feed(data: &[u8], made: impl Fn(u8, &'static RecordType, &[u8]) -> (Layout, Vec<u8>)) {
    let Some((&[layout, record, wanted, cuts], feed)) = data.split_first_chunk::<4>() else {
        return;
    };
    // By its name, so that an input of the corpus keeps its meaning when record types are added.
    let Some(record) = record_types().min_by_key(|known| name_byte(known.name).wrapping_sub(record)) else {
        return;
    };
    let (layout, feed) = made(layout, record, feed);
    let (layout, feed) = (&layout, feed.as_slice());
    let wanted: Vec<&'static str> = record
        .fields
        .iter()
        .enumerate()
        .filter(|(at, field)| wanted == 0 || field.required || at % 8 != usize::from(wanted % 8))
        .map(|(_, field)| field.name)
        .collect();
    let limits = if cuts.is_multiple_of(4) {
        DecodeLimits::default()
    } else {
        DecodeLimits {
            part_rows: 2,
            field_bytes_max: 60,
            rejects_kept_max: 3,
            // A record may be this long with or without its delimiters, depending on a cut: not asked for to the byte.
            ..DecodeLimits::default()
        }
    };
    let whole = Outcome::of(record, &wanted, layout, limits, &[feed]);
    whole.adds_up(&wanted, limits);
    whole.is_canonical(record);
    let size = 1 + usize::from(cuts / 4) % 61;
    let frames: Vec<&[u8]> = feed.chunks(size).collect();
    let cut = Outcome::of(record, &wanted, layout, limits, &frames);
    assert_eq!(
        whole.ended, cut.ended,
        "the cuts between frames change why a batch is refused"
    );
    if whole.ended.is_ok() {
        assert_eq!(whole.counts, cut.counts, "the cuts between frames change the counts");
        assert_eq!(whole.rejects, cut.rejects, "the cuts between frames change the rejects");
        assert!(
            whole.unknown == cut.unknown,
            "the cuts between frames change what headers are unknown"
        );
        assert!(whole.parts == cut.parts, "the cuts between frames change the columns");
    }
}

/// Compressed bytes of every coding. The first byte chooses the coding, and whether the rest is compressed already; the second the cuts.
pub(crate) fn check_inflate(data: &[u8]) {
    let Some((&[choice, cuts], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let coding = [Coding::Gzip, Coding::Zlib, Coding::Zstd][usize::from(choice % 3)];
    let size = 1 + usize::from(cuts) % 61;
    let whole = inflated(coding, &[rest]);
    let cut = inflated(coding, &rest.chunks(size).collect::<Vec<_>>());
    assert_eq!(whole, cut, "the cuts between frames change what comes out");
    let packed = match coding {
        Coding::Gzip => super::files::gzip(rest),
        Coding::Zlib => super::files::zlib(rest),
        Coding::Zstd => zstd::encode_all(rest, 1).expect("memory takes it"),
    };
    let frames: Vec<&[u8]> = packed.chunks(size).collect();
    let (plain, ended) = inflated(coding, &frames);
    assert!(plain == rest && ended.is_ok(), "what was packed comes out as it was");
    if let Some((_, short)) = packed.split_last() {
        let short = &packed[..short.len()];
        assert!(
            inflated(coding, &[short]).1.is_err(),
            "an end that is missing is missed"
        );
    }
}

/// What comes out, and how it ends; nothing of what came out counts when it ends badly.
fn inflated(coding: Coding, frames: &[&[u8]]) -> (Vec<u8>, Result<(), InflateFault>) {
    const LIMIT: u64 = 1 << 22;
    let mut plain = Vec::new();
    let mut inflater = Inflater::new(coding, LIMIT).expect("a coding that is read");
    let fed = frames.iter().try_for_each(|frame| {
        inflater.put(frame);
        while let Some(piece) = inflater.next()? {
            plain.extend_from_slice(piece);
            assert!(plain.len() as u64 <= LIMIT, "more than is taken");
        }
        Ok(())
    });
    match fed.and_then(|()| inflater.finish()) {
        Ok(()) => (plain, Ok(())),
        // How far it came before it saw that, depends on the cuts.
        Err(_) => (Vec::new(), Err(InflateFault::Damaged)),
    }
}

/// Any text as a value of every kind of field, alone and, since some kinds fold it, as it comes back.
pub(crate) fn check_values(data: &[u8]) {
    let sent = String::from_utf8_lossy(data);
    let mut scratch = Scratch::default();
    for kind in KINDS {
        for name in ["value", "birth_cert_no", "disability_no"] {
            let field = Field::new(name, "值", kind, Class::C3);
            match parse(&field, &sent, &mut scratch, TODAY) {
                Ok(Value::Text(text)) => {
                    let text = text.to_owned();
                    reads_as_itself(&field, &text);
                }
                Ok(Value::Date(day)) => reads_as_itself_day(&field, day),
                Ok(Value::Instant(at)) => reads_as_itself_instant(&field, at),
                Ok(Value::Integer(number)) => {
                    let text = number.to_string();
                    let again = parse(&field, &text, &mut scratch, TODAY);
                    assert!(again == Ok(Value::Integer(number)), "{}", kind.describe());
                }
                Ok(Value::Missing) | Err(_) => {}
            }
        }
    }
}

const KINDS: [FieldType; 18] = [
    FieldType::CitizenId,
    FieldType::Uscc,
    FieldType::OrgCode,
    FieldType::RegNo,
    FieldType::TaxpayerId,
    FieldType::DocumentNo(30),
    FieldType::Name,
    FieldType::Text(40),
    FieldType::Code(&tables::SEX),
    FieldType::Region,
    FieldType::Division(9),
    FieldType::Division(12),
    FieldType::Date,
    FieldType::Month,
    FieldType::Instant,
    FieldType::Integer(1000),
    FieldType::Decimal(2),
    FieldType::Phone,
];

/// Everything that a decoder says of a feed.
struct Outcome {
    ended: Result<(), Unreadable>,
    parts: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    counts: Counts,
    unknown: Vec<String>,
}

impl Outcome {
    fn of(
        record: &'static RecordType,
        wanted: &[&'static str],
        layout: &Layout,
        limits: DecodeLimits,
        frames: &[&[u8]],
    ) -> Self {
        let mut decoder = Decoder::new(record, wanted, layout, limits, TODAY);
        let mut parts = Vec::new();
        let mut rejects = Vec::new();
        let fed = frames.iter().try_for_each(|frame| {
            let fed = decoder.feed(frame);
            parts.extend(std::iter::from_fn(|| decoder.next_part()));
            rejects.extend(decoder.take_rejects());
            fed
        });
        let ended = fed.and_then(|()| {
            loop {
                let ended = decoder.finish()?;
                parts.extend(std::iter::from_fn(|| decoder.next_part()));
                rejects.extend(decoder.take_rejects());
                if !matches!(ended, Ended::More) {
                    return Ok(());
                }
            }
        });
        parts.extend(std::iter::from_fn(|| decoder.next_part()));
        rejects.extend(decoder.take_rejects());
        if ended.is_err() {
            assert_eq!(decoder.feed(b"x"), ended, "a batch that is refused stays so");
        }
        Self {
            ended,
            parts,
            rejects,
            counts: decoder.counts().clone(),
            unknown: decoder.unknown_headers().to_vec(),
        }
    }

    fn adds_up(&self, wanted: &[&'static str], limits: DecodeLimits) {
        let Counts {
            rows: sent,
            sums,
            received,
            accepted,
            rejected,
            repeated,
            history,
            by_code,
            by_field,
        } = &self.counts;
        assert_eq!(*received, accepted + rejected + repeated + history);
        assert!(sums <= sent, "a sum is one of the rows");
        assert_eq!(*rejected, by_code.values().sum::<u64>());
        assert_eq!(*rejected, by_field.values().sum::<u64>());
        let fields = by_field.keys().filter_map(|(_, field)| *field);
        assert!(
            fields.into_iter().all(|field| wanted.contains(&field)),
            "a reject of an unwanted field"
        );
        let rows: usize = self.parts.iter().map(RecordBatch::num_rows).sum();
        assert!(
            rows as u64 == *accepted || self.ended.is_err(),
            "rows in parts are the accepted ones"
        );
        assert_eq!(
            self.rejects.len() as u64,
            (*rejected).min(limits.rejects_kept_max as u64)
        );
        for reject in &self.rejects {
            assert!(
                reject.field.is_none_or(|field| wanted.contains(&field)),
                "{reject:?} is of an unwanted field"
            );
            assert!(reject.row >= 1 && reject.row <= *sent);
        }
        let (_, full) = self.parts.split_last().unzip();
        assert!(
            full.unwrap_or_default()
                .iter()
                .all(|part| part.num_rows() == limits.part_rows)
        );
        for part in &self.parts {
            assert!(part.num_rows() >= 1 && part.num_rows() <= limits.part_rows);
            assert_eq!(part.num_columns(), wanted.len());
        }
    }

    fn is_canonical(&self, record: &'static RecordType) {
        for part in &self.parts {
            let schema = part.schema();
            for (column, column_field) in part.columns().iter().zip(schema.fields()) {
                let field = record.field(column_field.name()).expect("a column is a field");
                for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
                    match field.kind {
                        FieldType::Date => reads_as_itself_day(field, column.as_primitive::<Date32Type>().value(row)),
                        FieldType::Instant => {
                            reads_as_itself_instant(
                                field,
                                column.as_primitive::<TimestampMicrosecondType>().value(row),
                            );
                        }
                        FieldType::Integer(max) => {
                            assert!((0..=max).contains(&column.as_primitive::<Int64Type>().value(row)));
                        }
                        // What a source writes for a code is another code to others, and perhaps to itself.
                        FieldType::Code(table) if table.is_of_a_source() => {
                            let stored = column.as_string::<i32>().value(row);
                            assert!(table.rows.iter().any(|row| row.code == stored), "{stored} is no code");
                        }
                        _ => reads_as_itself(field, column.as_string::<i32>().value(row)),
                    }
                }
            }
        }
    }
}

fn reads_as_itself(field: &Field, text: &str) {
    let mut scratch = Scratch::default();
    let again = parse(field, text, &mut scratch, TODAY);
    assert!(
        again == Ok(Value::Text(text)),
        "{} is no fixed point: {again:?}",
        field.kind.describe()
    );
    assert!(!text.contains('\0'));
}

fn reads_as_itself_day(field: &Field, day: i32) {
    let (year, month, day_of_month) = date::civil_from_days(day);
    let text = format!("{year:04}{month:02}{day_of_month:02}");
    let mut scratch = Scratch::default();
    let again = parse(field, &text, &mut scratch, TODAY);
    assert!(again == Ok(Value::Date(day)), "a day is no fixed point: {again:?}");
}

fn reads_as_itself_instant(field: &Field, at: i64) {
    let (days, rest) = (at.div_euclid(86_400_000_000), at.rem_euclid(86_400_000_000));
    let (year, month, day) = date::civil_from_days(i32::try_from(days).expect("a day of the calendar"));
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z");
    let mut scratch = Scratch::default();
    let again = parse(field, &text, &mut scratch, TODAY);
    assert!(again == Ok(Value::Instant(at)), "a moment is no fixed point: {again:?}");
}

/// What stands for a record type in the corpus: the sum of the bytes of its name.
fn name_byte(name: &str) -> u8 {
    name.bytes().fold(0, u8::wrapping_add)
}

fn pick<T>(of: impl Iterator<Item = T>, choice: u8) -> Option<T> {
    let of: Vec<T> = of.collect();
    let len = of.len();
    of.into_iter().nth(usize::from(choice) % len.max(1))
}
