//! 公民身份号码 against python-stdnum, id-validator and idnumbers: the same length, alphabet, check character and calendar.

use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::reject::RejectCode;
use shuguan_adapters::value::citizen_id::check_character;
use shuguan_adapters::value::region::{Level, level};

use super::{Difference, ask_lines, counties, disturbed, explained, is_ascii_identifier, narrow, one_of, read};
use crate::random::Random;

const VALUES: usize = 50_000;

#[derive(Debug)]
struct Case {
    sent: String,
    ours: Result<String, RejectCode>,
    stdnum: String,
    id_validator: bool,
    idnumbers: bool,
    /// The 15 digits in 18, by id-validator.
    raised: Option<String>,
}

impl Case {
    fn accepted(&self) -> bool {
        self.ours.is_ok()
    }

    fn refused(&self, code: RejectCode) -> bool {
        self.ours == Err(code)
    }

    /// Our verdict in python-stdnum's words.
    fn reason(&self) -> &'static str {
        match self.ours {
            Ok(_) => "ok",
            Err(RejectCode::BadLength) => "length",
            Err(RejectCode::BadAlphabet) => "format",
            Err(RejectCode::BadChecksum) => "checksum",
            Err(RejectCode::BadDate | RejectCode::FutureDate) => "date",
            Err(RejectCode::UnknownRegion) => "region",
            Err(other) => other.slug(),
        }
    }

    /// The characters that count, in ASCII where they have such a form: what people put around and between them is gone.
    fn core(&self) -> String {
        let counts = |char: &char| !matches!(char, ' ' | '\'' | '\u{3000}');
        self.sent.chars().filter(counts).map(narrow).collect()
    }

    fn is_written_plainly(&self) -> bool {
        is_ascii_identifier(&self.sent)
    }

    fn year(&self) -> u32 {
        self.core().get(6..10).and_then(|year| year.parse().ok()).unwrap_or(0)
    }
}

const BY_STDNUM: [Difference<Case>; 7] = [
    Difference {
        name: "15 digits, as issued before 1999, are a number here",
        explains: |case| case.stdnum == "length" && case.core().chars().count() == 15,
    },
    Difference {
        name: "a county older or younger than the person, or one that no table has, is no ground to refuse",
        explains: |case| case.accepted() && case.stdnum == "region",
    },
    Difference {
        name: "a birth to come is refused",
        explains: |case| case.refused(RejectCode::FutureDate) && matches!(&*case.stdnum, "ok" | "region"),
    },
    Difference {
        name: "a year before 1800 or after 2199 is refused",
        explains: |case| {
            case.refused(RejectCode::BadDate)
                && !(1800..2200).contains(&case.year())
                && matches!(&*case.stdnum, "ok" | "region")
        },
    },
    Difference {
        name: "blanks within the number and an apostrophe before it are taken out",
        explains: |case| case.stdnum == "length" && case.sent.contains([' ', '\'']),
    },
    Difference {
        name: "the last character has an alphabet too",
        explains: |case| case.refused(RejectCode::BadAlphabet) && case.stdnum == "checksum",
    },
    Difference {
        name: "a full-width X is an X",
        explains: |case| case.sent.ends_with('Ｘ') && case.stdnum == "checksum",
    },
];

const BY_ID_VALIDATOR: [Difference<Case>; 3] = [
    Difference {
        name: "what is written in full width or with blanks is read",
        explains: |case| case.accepted() && !case.is_written_plainly(),
    },
    Difference {
        name: "a county that its table lacks is no ground to refuse when province or prefecture is known",
        explains: |case| {
            let area = case.sent.get(..6).and_then(|area| area.parse().ok()).unwrap_or(0);
            case.accepted() && !case.id_validator && case.is_written_plainly() && level(area) >= Level::Province
        },
    },
    Difference {
        name: "a letter among 15 characters is refused",
        explains: |case| case.refused(RejectCode::BadAlphabet) && case.core().chars().count() == 15,
    },
];

const BY_IDNUMBERS: [Difference<Case>; 4] = [
    Difference {
        name: "15 digits, as issued before 1999, are a number here",
        explains: |case| case.accepted() && case.core().chars().count() == 15,
    },
    Difference {
        name: "what is written in full width or with blanks is read",
        explains: |case| case.accepted() && !case.is_written_plainly(),
    },
    Difference {
        name: "a province that never was is refused",
        explains: |case| case.refused(RejectCode::UnknownRegion) && case.idnumbers,
    },
    Difference {
        name: "a birth to come, or in a year before 1800 or after 2199, is refused",
        explains: |case| {
            case.idnumbers
                && (case.refused(RejectCode::FutureDate)
                    || (case.refused(RejectCode::BadDate) && !(1800..2200).contains(&case.year())))
        },
    },
];

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn three_packages_judge_resident_ids_as_we_do() {
    let mut random = Random::printed("resident ids");
    let counties = counties();
    let values: Vec<String> = (0..VALUES).map(|_| value(&mut random, &counties)).collect();
    let cases: Vec<Case> = ask_lines("resident_ids.py", &values)
        .iter()
        .zip(values)
        .map(|(answer, sent)| case(answer, sent))
        .collect();
    assert!(
        cases.iter().filter(|case| case.accepted()).count() > VALUES / 5,
        "few are valid"
    );
    explained("python-stdnum", &cases, |case| case.reason() == case.stdnum, &BY_STDNUM);
    explained(
        "id-validator",
        &cases,
        // It asks for the year of birth only; whether a birth later this year occurs depends on the day of the test.
        |case| case.accepted() == case.id_validator || case.refused(RejectCode::FutureDate),
        &BY_ID_VALIDATOR,
    );
    explained(
        "idnumbers",
        &cases,
        |case| case.accepted() == case.idnumbers,
        &BY_IDNUMBERS,
    );
}

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn fifteen_digits_become_the_same_eighteen_but_for_centenarians() {
    let mut random = Random::printed("15 digits");
    let counties = counties();
    let values: Vec<String> = (0..VALUES / 5)
        .map(|_| {
            let order = one_of(&mut random, &["000", "000", "996", "997", "998", "999"]);
            format!(
                "{}{}{order}",
                one_of(&mut random.fork(), &counties),
                &born(&mut random)[2..]
            )
        })
        .collect();
    let cases: Vec<Case> = ask_lines("resident_ids.py", &values)
        .iter()
        .zip(values)
        .map(|(answer, sent)| case(answer, sent))
        .collect();
    explained(
        "id-validator's 18 digits",
        &cases,
        // A number of this year's last months in the last century is nobody's.
        |case| case.raised.is_none() || case.raised.as_ref() == case.ours.as_ref().ok(),
        &[Difference {
            name: "the order numbers 996 to 999 belong to people born in the 19th century",
            explains: |case| case.sent[12..].parse::<u32>().is_ok_and(|order| order >= 996),
        }],
    );
    assert!(cases.iter().filter(|case| case.raised.is_some()).count() > VALUES / 10);
}

fn case(answer: &str, sent: String) -> Case {
    let words: Vec<&str> = answer.split(' ').collect();
    Case {
        ours: read(FieldType::CitizenId, &sent).map(Option::unwrap_or_default),
        stdnum: words[0].to_owned(),
        id_validator: words[1] == "ok",
        idnumbers: words[2] == "ok",
        raised: (words[3] != "-").then(|| words[3].to_owned()),
        sent,
    }
}

/// A number of nobody, in half of the cases with something wrong or unusual.
fn value(random: &mut Random, counties: &[&str]) -> String {
    let area = match random.below(4) {
        0 => format!("{:06}", random.below(1_000_000)),
        _ => (*one_of(random, counties)).to_owned(),
    };
    let mut number = format!("{area}{}000", born(random));
    number.extend(check_character(number.as_bytes().try_into().expect("17 digits")));
    if random.below(12) == 0 {
        number = format!("{}{}", &number[..6], &number[8..17]);
    }
    match random.below(2) {
        0 => number,
        _ => disturbed(random, &number, "0123456789X"),
    }
}

/// Eight digits, mostly of a day between 1800 and today.
fn born(random: &mut Random) -> String {
    let (month, day) = (1 + random.below(12), 1 + random.below(31));
    match random.below(20) {
        0 => format!("{:08}", random.below(100_000_000)),
        1 => format!("{:04}{month:02}{day:02}", random.below(10_000)),
        2 => format!("{:04}0229", 1800 + random.below(230)),
        3 => format!("{:04}{month:02}{day:02}", 2024 + random.below(8)),
        _ => format!("{:04}{month:02}{day:02}", 1800 + random.below(225)),
    }
}
