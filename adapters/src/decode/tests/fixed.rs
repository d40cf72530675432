use super::*;
use crate::decode::TrailerFault;
use crate::layout::{Fixed, FixedColumn, Span, Trailer};

fn column(name: &str, start: usize, width: usize) -> FixedColumn {
    FixedColumn {
        name: name.to_owned(),
        span: Span { start, width },
    }
}

fn form() -> Fixed {
    Fixed::new(vec![
        column("bt", 0, 6),
        column("x", 6, 2),
        column("数量", 8, 3),
        column("bz", 11, 5),
    ])
    .unwrap()
}

fn layout(form: Fixed, encoding: Encoding) -> Layout {
    Layout::new(Format::Fixed(form.into()), encoding)
}

fn gb(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn wide() -> DecodeLimits {
    DecodeLimits {
        part_rows: 100,
        ..DecodeLimits::default()
    }
}

#[test]
fn positions_count_bytes_of_the_encoded_line() {
    // 䶮 has two bytes in GB18030, 㛃 four.
    let bytes = gb("甲乙丙--  1备注 \r\n䶮㛃--012x    \n\nab    -- 7      ");
    for at in 0..bytes.len() {
        let told = told(layout(form(), Encoding::Gb18030), wide(), &[&bytes[..at], &bytes[at..]]);
        assert_eq!(told.ended, Ok(()));
        assert_eq!(titles(&told), ["甲乙丙", "䶮㛃", "ab"], "{at}");
        let counts = told.parts[0].column(1).as_primitive::<Int64Type>().clone();
        assert_eq!(counts.values().as_ref(), [1, 12, 7]);
        assert_eq!(told.unknown, ["x"]);
    }
    let utf8 = "甲乙--  1备    \n".replace("备    ", "备  ");
    let told = told(layout(form(), Encoding::Utf8), wide(), &[utf8.as_bytes()]);
    assert_eq!(titles(&told), ["甲乙"]);
}

#[test]
fn a_column_that_cuts_a_character_is_a_reject() {
    // The third character lies over the end of the first column.
    let bytes = gb("a甲乙丙-  1     \nabcdef-甲 1     \nabcdef--  1     \n");
    let told = told(layout(form(), Encoding::Gb18030), wide(), &[&bytes]);
    let expected = [
        (1, 1, None, RejectCode::CutCharacter),
        (2, 2, None, RejectCode::CutCharacter),
    ];
    assert_eq!(rejected(&told), expected);
    assert_eq!(titles(&told), ["abcdef"]);
}

#[test]
fn a_line_of_another_width_is_a_reject() {
    let text = "abcdef--  1    \nabcdef--  1     y\nabcdef--  1       \nabc\n";
    let told = told(layout(form(), Encoding::Utf8), wide(), &[text.as_bytes()]);
    let expected = [1, 2, 4].map(|row| (row, row, None, RejectCode::WrongWidth));
    assert_eq!(rejected(&told), expected);
    assert_eq!(titles(&told), ["abcdef"]);
    let mut lenient = form();
    lenient.cut_blanks = true;
    let told = super::told(layout(lenient, Encoding::Utf8), wide(), &[text.as_bytes()]);
    assert_eq!(titles(&told), ["abcdef", "abc"]);
    assert_eq!(told.counts.repeated, 1);
}

#[test]
fn bytes_that_are_no_character_reject_where_the_field_is_wanted() {
    let text = b"ab\xff   --  1     \nabcdef\xff\xff  1     \n\xd0     --  1     \n";
    let told = told(layout(form(), Encoding::Gb18030), wide(), &[text]);
    assert_eq!(titles(&told), ["abcdef"]);
    let found: Vec<_> = told.rejects.iter().map(|reject| (reject.row, reject.offset)).collect();
    assert_eq!(found, [(1, Some(2)), (3, Some(34))]);
    assert!(told.rejects.iter().all(|reject| reject.code == RejectCode::BadEncoding));
}

#[test]
fn columns_that_lack_a_required_field_are_refused() {
    let lacking = Fixed::new(vec![column("sl", 0, 3)]).unwrap();
    let error = told(layout(lacking, Encoding::Utf8), wide(), &[b"  1\n"])
        .ended
        .unwrap_err();
    assert!(matches!(error, Unreadable::BadHeaderRow { missing, .. } if missing == ["title"]));
}

#[test]
fn a_trailer_is_checked() {
    let trailer = Trailer {
        mark: "合计".into(),
        count: Span { start: 4, width: 8 },
        sums: Vec::new(),
    };
    let layout = layout(form().with_trailer(trailer).unwrap(), Encoding::Gb18030);
    let row = "ab    --  1     \n";
    let read = |text: String| told(layout.clone(), wide(), &[&gb(&text)]).ended;
    assert_eq!(read(format!("{row}短\n合计00000002\n")), Ok(()));
    let rows = |line, why| Err(Unreadable::WrongTrailer { line, why });
    assert_eq!(
        read(format!("{row}合计00000002\n")),
        rows(2, TrailerFault::Rows { stated: 2, found: 1 })
    );
    assert_eq!(
        read(format!("{row}合计00000001\n{row}")),
        rows(3, TrailerFault::NotLast)
    );
    assert_eq!(read(row.to_owned()), rows(2, TrailerFault::Absent));
}

#[test]
fn a_line_without_end_is_given_up() {
    let limits = DecodeLimits {
        record_bytes_max: 40,
        ..wide()
    };
    let long = [b"abcdef--  1     \n".as_slice(), &[b'x'; 60], b"\nabcdeg--  1     \n"].concat();
    for size in [1, 7, 1000] {
        let frames: Vec<&[u8]> = long.chunks(size).collect();
        let told = told(layout(form(), Encoding::Utf8), limits, &frames);
        assert_eq!(rejected(&told), [(2, 2, None, RejectCode::RecordTooLong)]);
    }
    let endless = vec![b'x'; 1000];
    let frames: Vec<&[u8]> = endless.chunks(50).collect();
    let told = told(layout(form(), Encoding::Utf8), limits, &frames);
    assert_eq!(told.ended, Err(Unreadable::RecordTooLong { line: 1 }));
}
