//! Layouts that state the top and the end of a sheet.

use super::*;

#[test]
fn stated_columns_stand_in_for_a_header_and_stated_titles_are_not_looked_at() {
    let layout = Layout::new(
        Format::Xlsx(Sheet {
            title_rows: 1,
            columns: Some(["gmsfhm".to_owned(), "xm".to_owned()].into()),
            ..Sheet::new()
        }),
        Encoding::Utf8,
    );
    let made = Made::of(&[
        texts(1, &["xm", "gmsfhm"]),
        texts(2, &[&id(1), "甲"]),
        texts(3, &[&id(2), "乙"]),
    ]);
    let told = read(
        DEATH,
        &["citizen_id", "name"],
        &layout,
        DecodeLimits::default(),
        &made.build(),
    );
    assert_eq!(column(&told, "name"), [Some("甲".into()), Some("乙".into())]);
}

/// Titles that look like a header, a row of column numbers, a remark below the records and one more table under it.
fn stated_top() -> Made {
    let rows = [
        texts(1, &["姓名", "公民身份号码"]),
        texts(2, &["xm", "gmsfhm"]),
        texts(3, &["姓名", "身份证号"]),
        texts(4, &["1", "2"]),
        texts(5, &["甲", &id(1)]),
        texts(6, &["乙", &id(2)]),
        texts(7, &["以上二人，以下为说明"]),
        texts(8, &["丙", &id(3)]),
    ];
    Made::default().sheet_with("藏", "hidden", &rows, "").sheet("表", &rows)
}

fn names_of(sheet: Sheet) -> Result<Vec<Option<String>>, Unreadable> {
    let layout = Layout::new(Format::Xlsx(sheet), Encoding::Utf8);
    let wanted = ["citizen_id", "name"];
    let told = read(DEATH, &wanted, &layout, DecodeLimits::default(), &stated_top().build());
    told.ended.clone().map(|()| column(&told, "name"))
}

#[test]
fn a_stated_top_and_end_are_followed() {
    let stated = Sheet {
        title_rows: 1,
        header_rows: HeaderRows::of(2),
        skip_rows: 1,
        footer: Some("以上".into()),
        ..Sheet::new()
    };
    let two = [Some("甲".into()), Some("乙".into())];
    assert_eq!(names_of(stated.clone()), Ok(two.to_vec()));
    let of_number = |number| Sheet {
        number: NonZeroU32::new(number),
        ..stated.clone()
    };
    assert_eq!(
        names_of(of_number(1)),
        Ok(two.to_vec()),
        "a hidden sheet that is asked for is read"
    );
    assert_eq!(names_of(of_number(2)), Ok(two.to_vec()));
    assert_eq!(names_of(of_number(3)), Err(FileFault::NoSuchSheet.into()));
    // The name goes before the number.
    let both = Sheet {
        sheet: Some("表".into()),
        ..of_number(9)
    };
    assert_eq!(names_of(both), Ok(two.to_vec()));
    // Where there is nothing but figures nothing names a field.
    let wrong = Sheet {
        title_rows: 3,
        header_rows: HeaderRows::of(1),
        ..Sheet::new()
    };
    assert!(matches!(names_of(wrong), Err(Unreadable::BadHeaderRow { .. })));
}

#[test]
fn a_layout_of_a_sheet_that_cannot_be_followed_is_none() {
    let faults = [
        (
            Sheet {
                title_rows: 1001,
                ..Sheet::new()
            },
            LayoutFault::TooManyRows,
        ),
        (
            Sheet {
                skip_rows: u32::MAX,
                ..Sheet::new()
            },
            LayoutFault::TooManyRows,
        ),
        (
            Sheet {
                footer: Some(" ".into()),
                ..Sheet::new()
            },
            LayoutFault::NoFooter,
        ),
        (
            Sheet {
                columns: Some([].into()),
                ..Sheet::new()
            },
            LayoutFault::NoColumn,
        ),
        (
            Sheet {
                columns: Some(["xm".to_owned()].into()),
                header_rows: HeaderRows::of(1),
                ..Sheet::new()
            },
            LayoutFault::HeaderTwice,
        ),
    ];
    for (sheet, fault) in faults {
        assert_eq!(sheet.checked(), Err(fault));
    }
    assert_eq!([0, 3].map(HeaderRows::of), [None, None]);
}
