//! Exact outputs. Keyed ones were worked out by another program, from the description: Python's `hmac` and OpenSSL's AES.

use std::sync::Arc;

use arrow_array::{Array, Date32Array, Int64Array, TimestampMicrosecondArray};

use super::super::*;
use super::fields::{apply, column, key, texts};
use super::mask_of;
use crate::fixture::keys;
use crate::key::Algorithm;
use equal::ANSWERS;
use token::TokenKind;

fn owned(values: &[Option<&str>]) -> Vec<Option<String>> {
    values.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn the_worked_out_pseudonyms_come_out() {
    let of = |bytes: u8| {
        let operator = Operator::Pseudonym(Pseudonym {
            key: key("k", Algorithm::Hmac, "p", "q"),
            bytes,
        });
        let values = column(&[Some("320706188002290004"), None, Some("张三")]);
        texts(&apply(&operator, values, None).unwrap())
    };
    let first = "b47a023d843311af1b1936bbda6583ba45738560b363497a02920713507f4be9";
    let second = "46452fe2a54c4f95f7cf801c7fe989cf6cabc01b1de890af9d42e6d4f1074896";
    assert_eq!(of(32), owned(&[Some(first), None, Some(second)]));
    assert_eq!(of(16), owned(&[first.get(..32), None, second.get(..32)]));
}

#[test]
fn the_worked_out_offsets_come_out() {
    for (days, of_first, of_second) in [(1, 0, 0), (5, 5, 1), (400, 264, -231)] {
        let shift = Operator::DateShift(DateShift {
            days,
            key: key("k", Algorithm::Hmac, "p", "q"),
            subject: "s".into(),
        });
        let born: ArrayRef = Arc::new(Date32Array::from(vec![1_000, 2_000]));
        let subjects = column(&[Some("320706188002290004"), Some("张三")]);
        let moved = apply(&shift, born, Some(subjects)).unwrap();
        let moved = moved.as_primitive::<Date32Type>().values().to_vec();
        assert_eq!(moved, [1_000 + of_first, 2_000 + of_second], "{days}");
    }
}

#[test]
fn the_worked_out_tokens_of_digits_come_out_and_go_back() {
    let token = Token {
        kind: TokenKind::Digits,
        key: key("d", Algorithm::TokenDigits, "p", "q"),
    };
    for (number, expected) in [
        ("123456", "427688"),
        ("000000", "174090"),
        ("1234567", "5824779"),
        ("0518-5551234", "2627-1047513"),
        ("123456789012345678", "165601098869297561"),
    ] {
        let sealed = texts(&apply(&Operator::Token(token.clone()), column(&[Some(number), None]), None).unwrap());
        assert_eq!(sealed, owned(&[Some(expected), None]));
        assert_eq!(token.reverse(expected, &keys()).as_deref(), Ok(number));
    }
}

#[test]
fn what_holds_a_cipher_shows_nothing_of_it() {
    for (kind, algorithm) in [
        (TokenKind::Id18, Algorithm::TokenId18),
        (TokenKind::Digits, Algorithm::TokenDigits),
    ] {
        let token = Token {
            kind,
            key: key("d", algorithm, "p", "q"),
        };
        assert_eq!(format!("{:?}", token.machine(&keys()).unwrap()), "Machine");
    }
    assert_eq!(format!("{:?}", keys()), "KeyRing");
}

#[test]
fn a_mask_that_hides_the_length_covers_with_two_and_an_empty_text_with_none() {
    let short = |value: &str| {
        let mask = Mask {
            first: 1,
            last: 0,
            cover: '＊',
            keep_length: false,
        };
        let out: ArrayRef = mask.apply(&StringArray::from(vec![value]));
        texts(&out).remove(0).unwrap()
    };
    assert_eq!(short("诸葛孔明"), "诸＊＊");
    assert_eq!(short("张三"), "张＊＊");
    assert_eq!(short("张"), "＊＊");
    assert_eq!(short(""), "");
    assert_eq!(mask_of(1, 2, "诸葛孔明"), "诸＊孔明");
}

#[test]
fn a_region_has_as_many_digits_as_its_level() {
    let village = StringArray::from(vec![Some("320706001002"), None, Some("3")]);
    for (to, left) in RegionTo::ALL.into_iter().zip(["32", "3207", "320706", "320706001"]) {
        assert_eq!(texts(&to.apply(&village)), owned(&[Some(left), None, None]));
    }
}

#[test]
fn a_rounded_decimal_has_as_many_decimals_as_before() {
    let round = Round { step: 5 };
    let amounts = StringArray::from(vec![Some("7"), Some("12.50"), None, Some("-0.5")]);
    let expected = owned(&[Some("5"), Some("10.00"), None, Some("-5.0")]);
    assert_eq!(texts(&round.apply_decimals(&amounts).unwrap()), expected);
    assert!(round.apply_decimals(&StringArray::from(vec!["x"])).is_none());
}

#[test]
fn each_type_is_compared_by_its_values() {
    let days = |values: [Option<i32>; 5]| Arc::new(Date32Array::from(values.to_vec())) as ArrayRef;
    let wide = |values: [Option<i32>; 5]| values.map(|value| value.map(i64::from)).to_vec();
    let numbers = |values| Arc::new(Int64Array::from(wide(values))) as ArrayRef;
    let moments = |values| Arc::new(TimestampMicrosecondArray::from(wide(values)).with_timezone("UTC")) as ArrayRef;
    let held = [Some(1), Some(1), Some(1), None, None];
    let claimed = [Some(1), Some(2), None, Some(1), None];
    let [agree, differ, absent] = ANSWERS.map(Some);
    let expected = owned(&[agree, differ, differ, absent, absent]);
    for (held, claimed) in [
        (days(held), days(claimed)),
        (numbers(held), numbers(claimed)),
        (moments(held), moments(claimed)),
    ] {
        assert_eq!(texts(&Equal::None.answer(&held, &claimed).unwrap()), expected);
        let fewer = claimed.slice(0, 4);
        assert!(Equal::None.answer(&held, &fewer).is_none(), "a claim is missing");
    }
}

#[test]
fn texts_of_one_length_agree_only_byte_for_byte() {
    let ask = |equal: Equal, held: &str, claimed: &str| {
        let answer = equal.answer(&column(&[Some(held)]), &column(&[Some(claimed)])).unwrap();
        texts(&answer).remove(0).unwrap()
    };
    for equal in [Equal::None, Equal::Name] {
        assert_eq!(ask(equal, "张三", "张四"), "differ");
        // Two differences that are the same one do not cancel each other.
        assert_eq!(ask(equal, "ab", "ba"), "differ");
        assert_eq!(ask(equal, "ab", "bb"), "differ");
    }
}

#[test]
fn an_id_of_the_last_day_that_has_a_token_is_sealed_and_the_day_after_is_not() {
    let token = Operator::Token(Token {
        kind: TokenKind::Id18,
        key: key(
            "token-survey",
            Algorithm::TokenId18,
            "survey-office",
            "enrolment.survey",
        ),
    });
    let id = |born: &str| {
        let first = format!("320706{born}000");
        let check = shuguan_adapters::value::citizen_id::check_character(first.as_bytes().try_into().unwrap());
        format!("{first}{}", check.unwrap())
    };
    let sealed = |born: &str| apply(&token, column(&[Some(&id(born))]), None).is_ok();
    assert!(sealed("18500101") && !sealed("18491231"));
    assert!(sealed("21231016") && !sealed("21231017"));
}

#[test]
fn the_worked_out_token_of_a_number_with_a_sequence_comes_out_and_goes_back() {
    let token = Token {
        kind: TokenKind::Id18,
        key: key(
            "token-survey",
            Algorithm::TokenId18,
            "survey-office",
            "enrolment.survey",
        ),
    };
    // Born in 1880.
    let (id, expected) = ("320706188002291234", "000426370323458221");
    let sealed = texts(&apply(&Operator::Token(token.clone()), column(&[Some(id)]), None).unwrap());
    assert_eq!(sealed, owned(&[Some(expected)]));
    assert_eq!(token.reverse(expected, &keys()).as_deref(), Ok(id));
}

#[test]
fn days_moments_and_months_are_cut_through_one_operator() {
    let year = Operator::Date(DateTo::Year);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(-1), Some(0), None]));
    let hours = [Some(-8), Some(-9), None].map(|hours| hours.map(|hours: i64| hours * 3_600_000_000));
    let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(hours.to_vec()).with_timezone("UTC"));
    let months = column(&[Some("196912"), Some("197001"), None]);
    let cut = |column: ArrayRef| texts(&apply(&year, column, None).unwrap());
    assert_eq!(cut(days), owned(&[Some("1969"), Some("1970"), None]));
    assert_eq!(cut(moments), owned(&[Some("1970"), Some("1969"), None]));
    assert_eq!(cut(months), owned(&[Some("1969"), Some("1970"), None]));
}
