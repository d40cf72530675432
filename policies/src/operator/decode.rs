//! An operator read again from canonical bytes ([`Operator::encode`]), so that a plan of long ago still says what it did.
//!
//! Takes the bytes; gives the operator with its arguments. Refuses, as `None`, what is cut short and what this version does not know.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Operator;
use super::address::{Address, Level};
use super::age_band::AgeBand;
use super::bucket::Bucket;
use super::date::DateTo;
use super::date_shift::DateShift;
use super::equal::Equal;
use super::map::Map;
use super::mask::Mask;
use super::pseudonym::Pseudonym;
use super::region::RegionTo;
use super::round::Round;
use super::token::{Token, TokenKind};
use crate::canonical::Reading;
use crate::key::Key;

impl Operator {
    /// The operator that stands next.
    pub(crate) fn decode(from: &mut Reading<'_>) -> Option<Self> {
        Some(match from.text()? {
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            "exists" => Self::Exists,
            "sex_of" => Self::SexOf,
            "constant" => Self::Constant(from.text()?.to_owned()),
            "equal" => Self::Equal(word(from, &Equal::ALL, Equal::name)?),
            "bucket" => Self::Bucket(bucket(from)?),
            "round" => Self::Round(Round { step: from.instant()? }),
            "age_band" => Self::AgeBand(AgeBand::new(small(from)?, small(from)?)?),
            "date" => Self::Date(word(from, &DateTo::ALL, DateTo::name)?),
            "birth_of" => Self::BirthOf(word(from, &DateTo::ALL, DateTo::name)?),
            "region" => Self::Region(word(from, &RegionTo::ALL, RegionTo::name)?),
            "address" => Self::Address(address(from)?),
            "mask" => Self::Mask(mask(from)?),
            "pseudonym" => Self::Pseudonym(pseudonym(from)?),
            "date_shift" => Self::DateShift(date_shift(from)?),
            "token" => Self::Token(token(from)?),
            "map" => Self::Map(map(from)?),
            _ => return None,
        })
    }
}

/// One of a closed list, by its name.
fn word<T: Copy>(from: &mut Reading<'_>, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
    let written = from.text()?;
    all.iter().copied().find(|one| name(*one) == written)
}

fn small<T: TryFrom<u64>>(from: &mut Reading<'_>) -> Option<T> {
    from.integer()?.try_into().ok()
}

fn bucket(from: &mut Reading<'_>) -> Option<Bucket> {
    let count = from.count()?;
    let edges: Option<Vec<i64>> = (0..count).map(|_| from.instant()).collect();
    Bucket::new(edges?)
}

fn address(from: &mut Reading<'_>) -> Option<Address> {
    Some(Address {
        to: word(from, &Level::ALL, Level::name)?,
        code: from.text()?.to_owned(),
    })
}

fn mask(from: &mut Reading<'_>) -> Option<Mask> {
    Some(Mask {
        first: small(from)?,
        last: small(from)?,
        cover: from.text()?.chars().next()?,
        keep_length: from.flag()?,
    })
}

fn pseudonym(from: &mut Reading<'_>) -> Option<Pseudonym> {
    Some(Pseudonym {
        key: Arc::new(Key::decode(from)?),
        bytes: small(from)?,
    })
}

fn date_shift(from: &mut Reading<'_>) -> Option<DateShift> {
    Some(DateShift {
        key: Arc::new(Key::decode(from)?),
        days: small(from)?,
        subject: from.text()?.to_owned(),
    })
}

fn token(from: &mut Reading<'_>) -> Option<Token> {
    Some(Token {
        kind: word(from, &TokenKind::ALL, TokenKind::name)?,
        key: Arc::new(Key::decode(from)?),
    })
}

fn map(from: &mut Reading<'_>) -> Option<Map> {
    let count = from.count()?;
    let pair = |from: &mut Reading<'_>| Some((from.text()?.to_owned(), from.text()?.to_owned()));
    let list: Option<BTreeMap<String, String>> = (0..count).map(|_| pair(from)).collect();
    Some(Map {
        list: list?,
        default: from.option(|from| from.text().map(str::to_owned))?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::canonical::Canonical;
    use crate::key::{Algorithm, Domain};

    fn every_operator() -> Vec<Operator> {
        let key = Arc::new(Key {
            id: "k".into(),
            algorithm: Algorithm::TokenId18,
            epoch: 3,
            partner: "p".into(),
            purpose: "u".into(),
            domain: Domain::Unit,
        });
        let list = BTreeMap::from([("1".to_owned(), "一".to_owned()), ("2".to_owned(), "二".to_owned())]);
        vec![
            Operator::Keep,
            Operator::Drop,
            Operator::Constant("-".into()),
            Operator::Exists,
            Operator::Equal(Equal::Name),
            Operator::Bucket(Bucket::new(vec![-5, 0, 1_000]).unwrap()),
            Operator::Round(Round { step: 100 }),
            Operator::AgeBand(AgeBand::new(5, 60).unwrap()),
            Operator::Date(DateTo::Quarter),
            Operator::Region(RegionTo::Town),
            Operator::Address(Address {
                to: Level::County,
                code: "division".into(),
            }),
            Operator::SexOf,
            Operator::BirthOf(DateTo::Month),
            Operator::Mask(Mask {
                first: 1,
                last: 2,
                cover: '＊',
                keep_length: true,
            }),
            Operator::Pseudonym(Pseudonym {
                key: Arc::clone(&key),
                bytes: 12,
            }),
            Operator::DateShift(DateShift {
                days: 30,
                key: Arc::clone(&key),
                subject: "citizen_id".into(),
            }),
            Operator::Token(Token {
                kind: TokenKind::Id18,
                key,
            }),
            Operator::Map(Map {
                list,
                default: Some("他".into()),
            }),
        ]
    }

    #[test]
    fn every_operator_is_read_again_as_it_was_written_and_none_that_is_cut_short() {
        let operators = every_operator();
        let names: Vec<_> = operators.iter().map(Operator::name).collect();
        assert_eq!(names, Operator::NAMES);
        for operator in operators {
            let mut canonical = Canonical::new("test");
            operator.encode(&mut canonical);
            let bytes = canonical.into_bytes();
            let mut reading = Reading::of("test", &bytes).unwrap();
            assert_eq!(Operator::decode(&mut reading), Some(operator));
            assert_eq!(reading.text(), None, "nothing is left");
            let cut = bytes.split_last().unwrap().1;
            assert_eq!(Operator::decode(&mut Reading::of("test", cut).unwrap()), None);
        }
    }
}
