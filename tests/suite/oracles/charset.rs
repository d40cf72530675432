//! GB18030: every position of two and of four bytes against Python's decoder, and every character through our decoder.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use encoding_rs::GB18030;
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::decode::{DecodeLimits, Decoder, Ended};
use shuguan_adapters::layout::Layout;

use super::{Difference, ask, explained, today};

/// A position and what stands there; `None` where nothing does.
#[derive(Debug)]
struct Position {
    bytes: Vec<u8>,
    /// By encoding_rs, which our decoder uses.
    ours: Option<char>,
    python: Option<char>,
}

/// Two-byte positions whose private-use point of the text of 2000, which Python has, became a real character: `A8BC` in GB 18030-2005,
/// the others in GB 18030-2022.
const NEWER: [(u16, char, char); 19] = [
    (0xA8BC, '\u{1E3F}', '\u{E7C7}'),
    (0xA6D9, '\u{FE10}', '\u{E78D}'),
    (0xA6DA, '\u{FE12}', '\u{E78E}'),
    (0xA6DB, '\u{FE11}', '\u{E78F}'),
    (0xA6DC, '\u{FE13}', '\u{E790}'),
    (0xA6DD, '\u{FE14}', '\u{E791}'),
    (0xA6DE, '\u{FE15}', '\u{E792}'),
    (0xA6DF, '\u{FE16}', '\u{E793}'),
    (0xA6EC, '\u{FE17}', '\u{E794}'),
    (0xA6ED, '\u{FE18}', '\u{E795}'),
    (0xA6F3, '\u{FE19}', '\u{E796}'),
    (0xFE59, '\u{9FB4}', '\u{E81E}'),
    (0xFE61, '\u{9FB5}', '\u{E826}'),
    (0xFE66, '\u{9FB6}', '\u{E82B}'),
    (0xFE67, '\u{9FB7}', '\u{E82C}'),
    (0xFE6D, '\u{9FB8}', '\u{E832}'),
    (0xFE7E, '\u{9FB9}', '\u{E843}'),
    (0xFE90, '\u{9FBA}', '\u{E854}'),
    (0xFEA0, '\u{9FBB}', '\u{E864}'),
];

const DIFFERENCES: [Difference<Position>; 3] = [
    Difference {
        name: "the texts of 2005 and 2022 have a real character where that of 2000 has a private-use point",
        explains: |position| match *position.bytes {
            [first, second] => NEWER.contains(&(
                u16::from_be_bytes([first, second]),
                position.ours.unwrap_or('\0'),
                position.python.unwrap_or('\0'),
            )),
            _ => false,
        },
    },
    Difference {
        name: "8135F437 and A8BC changed places in the text of 2005",
        explains: |position| {
            position.bytes == [0x81, 0x35, 0xF4, 0x37]
                && (position.ours, position.python) == (Some('\u{E7C7}'), Some('\u{1E3F}'))
        },
    },
    Difference {
        name: "A3A0, not in the standard, is the ideographic blank in the Encoding Standard",
        explains: |position| {
            position.bytes == [0xA3, 0xA0] && (position.ours, position.python) == (Some('\u{3000}'), Some('\u{E5E5}'))
        },
    },
];

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn python_decodes_every_position_of_gb18030_as_we_do() {
    let answer = ask("gb18030.py", Vec::new());
    let (points, rest) = answer.as_chunks::<4>();
    assert!(rest.is_empty());
    let positions: Vec<Position> = all()
        .zip(points)
        .map(|(bytes, point)| Position {
            ours: decoded(&bytes),
            python: char::from_u32(u32::from_le_bytes(*point)).filter(|char| *char != '\0'),
            bytes,
        })
        .collect();
    assert_eq!(positions.len(), 126 * 191 + 126 * 10 * 126 * 10);
    assert_eq!(positions.len(), points.len());
    assert!(positions.iter().filter(|position| position.ours.is_some()).count() > 1_100_000);
    explained(
        "Python",
        &positions,
        |position| position.ours == position.python,
        &DIFFERENCES,
    );
}

fn all() -> impl Iterator<Item = Vec<u8>> {
    let two = (0x81..=0xFE_u8).flat_map(|a| (0x40..=0xFE).map(move |b| vec![a, b]));
    let four = (0x81..=0xFE).flat_map(|a| {
        (0x30..=0x39).flat_map(move |b| (0x81..=0xFE).flat_map(move |c| (0x30..=0x39).map(move |d| vec![a, b, c, d])))
    });
    two.chain(four)
}

/// The one character that the bytes are.
fn decoded(bytes: &[u8]) -> Option<char> {
    let text = GB18030.decode_without_bom_handling_and_without_replacement(bytes)?;
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

#[test]
fn every_character_of_gb18030_passes_our_decoder_or_is_refused_as_a_control_character() {
    let record = record_type("commerce/establishment").expect("the record type");
    let layout = Layout::from_content_type("text/csv; charset=gb18030").expect("a layout");
    let limits = DecodeLimits {
        rejects_kept_max: 1000,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new(record, &["ent_name"], &layout, limits, today());
    let mut feed = b"ent_name\n".to_vec();
    let mut expected = Vec::new();
    let mut refused = Vec::new();
    for (row, bytes) in (1_u64..).zip(all().filter(|bytes| decoded(bytes).is_some())) {
        // A line of its own for each, and unlike any other.
        feed.extend_from_slice(format!("{row}x").as_bytes());
        feed.extend_from_slice(&bytes);
        feed.extend_from_slice(b"x\n");
        let char = decoded(&bytes).expect("a character");
        if char.is_control()
            || "\u{200E}\u{200F}\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}".contains(char)
        {
            refused.push(row);
        } else {
            expected.push((row, char));
        }
    }
    for frame in feed.chunks(60_000) {
        decoder.feed(frame).expect("a frame");
    }
    assert_eq!(decoder.finish(), Ok(Ended::Whole));
    let rejected: Vec<u64> = decoder.take_rejects().iter().map(|reject| reject.row).collect();
    assert_eq!(rejected, refused);
    let mut expected = expected.into_iter();
    while let Some(part) = decoder.next_part() {
        let names = part.column(0).as_string::<i32>();
        for (at, (row, char)) in (0..names.len()).zip(expected.by_ref()) {
            let name = names.value(at);
            let found = name
                .strip_prefix(&format!("{row}x"))
                .and_then(|rest| rest.strip_suffix('x'))
                .expect("its row");
            // What the charset keeps in private use may have become real on the way.
            let private = ('\u{E766}'..='\u{E864}').contains(&char);
            assert!(
                found == char.to_string() || private,
                "row {row}: {char:?} became {found:?}"
            );
        }
    }
    assert_eq!(expected.next(), None);
}
