//! 统一社会信用代码 against python-stdnum, and the codes that its authors found published.

use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::reject::RejectCode;

use super::{Difference, ask_lines, disturbed, explained, installed, letter, one_of, read};
use crate::random::Random;

const VALUES: usize = 50_000;
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Authority and kind that the standard and its amendment publish; 2, 4 and 6 with kinds that they do not.
const KINDS: [&str; 31] = [
    "11", "12", "13", "19", "21", "31", "32", "33", "34", "35", "39", "41", "51", "52", "53", "59", "61", "71", "72",
    "79", "81", "89", "91", "92", "93", "A1", "A9", "N1", "N2", "N3", "Y1",
];

#[derive(Debug)]
struct Case {
    sent: String,
    ours: Result<String, RejectCode>,
    stdnum: String,
}

impl Case {
    /// Our verdict in python-stdnum's words.
    fn reason(&self) -> &'static str {
        match self.ours {
            Ok(_) => "ok",
            Err(RejectCode::BadLength) => "length",
            Err(RejectCode::BadAlphabet) => "format",
            Err(RejectCode::BadChecksum) => "checksum",
            Err(other) => other.slug(),
        }
    }

    /// Whether a letter stands where the text of 2015 has digits only.
    fn begins_with_a_letter(&self) -> bool {
        self.sent
            .trim_start_matches([' ', '\'', '-'])
            .chars()
            .take(2)
            .any(|char| !char.is_numeric())
    }
}

const BY_STDNUM: [Difference<Case>; 6] = [
    Difference {
        name: "the amendment's authorities A, N and Y, and kinds that are letters, are known",
        explains: |case| case.stdnum == "format" && case.begins_with_a_letter(),
    },
    Difference {
        name: "a pair of authority and kind that the standard does not know is refused",
        explains: |case| case.ours == Err(RejectCode::UnknownCode) && case.stdnum == "ok",
    },
    Difference {
        name: "the organisation code inside has a check character of its own",
        explains: |case| {
            matches!(case.ours, Err(RejectCode::BadChecksum | RejectCode::BadAlphabet)) && case.stdnum == "ok"
        },
    },
    Difference {
        name: "a hyphen belongs to no credit code",
        explains: |case| case.sent.contains('-') && case.ours.is_err(),
    },
    Difference {
        name: "an apostrophe before it is taken out",
        explains: |case| case.sent.starts_with('\''),
    },
    Difference {
        name: "full-width letters are letters",
        explains: |case| case.stdnum == "format" && case.sent.chars().any(|char| matches!(char, 'Ａ'..='Ｙ')),
    },
];

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn python_stdnum_judges_credit_codes_as_we_do() {
    let mut random = Random::printed("credit codes");
    let values: Vec<String> = (0..VALUES).map(|_| value(&mut random)).collect();
    let cases: Vec<Case> = ask_lines("credit_codes.py", &values)
        .into_iter()
        .zip(values)
        .map(|(stdnum, sent)| Case {
            ours: read(FieldType::Uscc, &sent).map(Option::unwrap_or_default),
            stdnum,
            sent,
        })
        .collect();
    assert!(
        cases.iter().filter(|case| case.ours.is_ok()).count() > VALUES / 5,
        "few are valid"
    );
    explained("python-stdnum", &cases, |case| case.reason() == case.stdnum, &BY_STDNUM);
}

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn every_published_credit_code_is_accepted_and_so_is_the_organisation_code_inside() {
    let found = std::fs::read_to_string(installed().join("test_cn_uscc.doctest")).expect("the doctest");
    let (_, list) = found.split_once("numbers = '''").expect("the list");
    let (list, _) = list.split_once("'''").expect("its end");
    let codes: Vec<&str> = list
        .lines()
        .map(|line| line.trim_start_matches('.').trim())
        .filter(|code| !code.is_empty())
        .collect();
    assert_eq!(codes.len(), 200);
    for code in codes {
        assert_eq!(read(FieldType::Uscc, code), Ok(Some(code.to_owned())));
        assert_eq!(read(FieldType::TaxpayerId, code), Ok(Some(code.to_owned())));
        assert_eq!(read(FieldType::OrgCode, &code[8..17]), Ok(Some(code[8..17].to_owned())));
    }
}

/// A code of nobody, in two of three cases with something wrong or unusual.
fn value(random: &mut Random) -> String {
    let kind = match random.below(4) {
        0 => format!("{}{}", letter(random, ALPHABET), letter(random, ALPHABET)),
        _ => (*one_of(random, &KINDS)).to_owned(),
    };
    let body: String = (0..8).map(|_| letter(random, ALPHABET)).collect();
    let own_check = match random.below(6) {
        0 => letter(random, ALPHABET),
        _ => organisation_check(&body),
    };
    let mut code = format!("{kind}{:06}{body}{own_check}", random.below(1_000_000));
    code.push(check(&code));
    match random.below(2) {
        0 => code,
        _ => disturbed(random, &code, ALPHABET),
    }
}

/// GB 32100, 4.6, written again.
fn check(first: &str) -> char {
    let sum: usize = first
        .chars()
        .enumerate()
        .map(|(at, char)| {
            ALPHABET.find(char).expect("a character") * (3_usize.pow(u32::try_from(at).expect("small")) % 31)
        })
        .sum();
    ALPHABET.as_bytes()[(31 - sum % 31) % 31].into()
}

/// GB 11714, written again.
fn organisation_check(body: &str) -> char {
    let weights = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .chars()
        .zip(weights)
        .map(|(char, weight)| char.to_digit(36).expect("a character") * weight)
        .sum();
    char::from(b"0X987654321"[sum as usize % 11])
}
