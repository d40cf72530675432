//! Characters that older charsets kept in the private-use area because Unicode had none for them yet.
//!
//! Takes text; gives it with the real character for each of 106 private-use points; any other private-use character stays as it came.
//! Refuses nothing. Sources: Microsoft's code page 936, GB 18030-2000 and -2005 gave these points to positions of GBK, and a system that
//! decoded by them sends, in UTF-8, U+E863 for 䶮; today every one of the positions has a character of its own, for six of them
//! (FE51 FE52 FE53 FE6C FE76 FE91) outside the first plane and by Unicode only: GB 18030-2022 still decodes those six to private use.

/// Runs of points, each with the characters that belong to them in order.
const RUNS: [(char, &str); 6] = [
    // A2E3
    ('\u{E76C}', "€"),
    // A6D9–A6DF, A6EC, A6ED, A6F3
    (
        '\u{E78D}',
        "\u{FE10}\u{FE12}\u{FE11}\u{FE13}\u{FE14}\u{FE15}\u{FE16}\u{FE17}\u{FE18}\u{FE19}",
    ),
    // A8BC, A8BF
    ('\u{E7C7}', "\u{1E3F}\u{1F9}"),
    // A989–A995
    ('\u{E7E7}', "〾⿰⿱⿲⿳⿴⿵⿶⿷⿸⿹⿺⿻"),
    // FE50–FE7E, FE80–FEA0
    (
        '\u{E815}',
        "⺁𠂇𠂉𠃌⺄㑳㑇⺈⺋龴㖞㘚㘎⺌⺗㥮㤘龵㧏㧟㩳㧐龶龷㭎㱮㳠⺧𡗗龸⺪䁖䅟⺮䌷⺳⺶⺷𢦏䎱",
    ),
    (
        '\u{E83D}',
        "䎬⺻䏝䓖䙡䙌龹䜣䜩䝼䞍⻊䥇䥺䥽䦂䦃䦅䦆䦟䦛䦷䦶龺𤇾䲣䲟䲠䲡䱷䲢䴓䴔䴕䴖䴗䴘䴙䶮龻",
    ),
];

/// The text in real characters. What has none of the points is lent.
pub(super) fn mapped<'a>(sent: &'a str, room: &'a mut String) -> &'a str {
    // The first byte of every point from U+E000 to U+EFFF.
    if memchr::memchr(0xEE, sent.as_bytes()).is_none() {
        return sent;
    }
    room.clear();
    room.extend(sent.chars().map(|char| real(char).unwrap_or(char)));
    room
}

/// The character that a private-use point stands for.
fn real(point: char) -> Option<char> {
    let place = |first: char| usize::try_from(u32::from(point).checked_sub(u32::from(first))?).ok();
    RUNS.iter().find_map(|(first, chars)| chars.chars().nth(place(*first)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{RUNS, mapped, real};

    /// Positions that GB 18030-2022 leaves in private use, with the character that Unicode has for them.
    const LEFT: [(char, char); 6] = [
        ('\u{E816}', '\u{20087}'),
        ('\u{E817}', '\u{20089}'),
        ('\u{E818}', '\u{200CC}'),
        ('\u{E831}', '\u{215D7}'),
        ('\u{E83B}', '\u{2298F}'),
        ('\u{E855}', '\u{241FE}'),
    ];

    #[test]
    fn each_point_is_the_character_that_gb18030_of_2022_has_at_its_position() {
        let row = |lead: u8, trails: std::ops::RangeInclusive<u8>| {
            trails.filter(|trail| *trail != 0x7F).map(move |trail| [lead, trail])
        };
        let positions: Vec<[u8; 2]> = row(0xA2, 0xE3..=0xE3)
            .chain(row(0xA6, 0xD9..=0xDF))
            .chain(row(0xA6, 0xEC..=0xED))
            .chain(row(0xA6, 0xF3..=0xF3))
            .chain(row(0xA8, 0xBC..=0xBC))
            .chain(row(0xA8, 0xBF..=0xBF))
            .chain(row(0xA9, 0x89..=0x95))
            .chain(row(0xFE, 0x50..=0xA0))
            .collect();
        let points: Vec<char> = RUNS
            .iter()
            .flat_map(|(first, chars)| (u32::from(*first)..).zip(chars.chars()))
            .filter_map(|(point, _)| char::from_u32(point))
            .collect();
        assert_eq!(points.len(), 106);
        assert_eq!(points.len(), positions.len());
        for (point, position) in points.into_iter().zip(positions) {
            let (text, _, wrong) = encoding_rs::GB18030.decode(&position);
            assert!(!wrong);
            let decoded = text.chars().next().unwrap();
            let expected = LEFT
                .iter()
                .find(|(left, _)| *left == decoded)
                .map_or(decoded, |(_, real)| *real);
            assert_eq!(real(point), Some(expected), "{position:x?}");
            assert!(!('\u{E000}'..='\u{F8FF}').contains(&expected), "{position:x?}");
        }
    }

    #[test]
    fn other_private_use_characters_and_the_neighbours_of_the_runs_stay() {
        let mut room = String::new();
        for kept in
            "\u{E000}\u{E76B}\u{E76D}\u{E797}\u{E7C6}\u{E7C9}\u{E814}\u{E865}\u{F8FF}\u{EFFF}益\u{F0000}".chars()
        {
            assert_eq!(real(kept), None, "{kept:?}");
            assert_eq!(mapped(&kept.to_string(), &mut room), kept.to_string());
        }
        assert_eq!(mapped("\u{E863}某", &mut room), "\u{4DAE}某");
    }
}
