//! `token`: a number replaced by another of the same form, reversible by whoever holds the key, and never a real one.

use std::fmt;
use std::sync::Arc;

use aes::Aes256;
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use ring::digest::{SHA256, digest};
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::citizen_id;
use shuguan_adapters::value::date::civil_from_days;

use crate::ff1::{Ff1, Halves, LANES};
use crate::key::{Algorithm, Key, KeyRing};

/// The form of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A resident id: 18 characters, check character kept right, begins with `000`.
    Id18,
    /// 6 to 18 digits; hyphens stay where they are.
    Digits,
}

/// A token under one declared key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The form of the number.
    pub kind: TokenKind,
    /// The key, with its scope.
    pub key: Arc<Key>,
}

/// A value that has no token: not of the form, or a birth outside 1850-01-01 to 2123-10-16. Never says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Id18, Self::Digits];

    /// `id18` or `digits`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id18 => "id18",
            Self::Digits => "digits",
        }
    }

    /// The algorithm that its key must be declared with.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Id18 => Algorithm::TokenId18,
            Self::Digits => Algorithm::TokenDigits,
        }
    }

    pub(super) fn fits(self, kind: &FieldType) -> Result<DataType, String> {
        match (self, kind) {
            (Self::Id18, FieldType::CitizenId) | (Self::Digits, FieldType::RegNo | FieldType::Phone) => {
                Ok(DataType::Utf8)
            }
            (Self::Id18, _) => Err("`id18` replaces resident ids only".into()),
            (Self::Digits, _) => Err("`digits` replaces registration and phone numbers only".into()),
        }
    }
}

impl Token {
    /// Takes numbers in canonical form, gives tokens of the same length. Null in, null out. Eight at a time.
    ///
    /// # Errors
    /// [`NoToken`]. Source: policy 4.1, NIST SP 800-38G.
    pub(super) fn apply(column: &StringArray, machine: &Machine) -> Result<ArrayRef, NoToken> {
        let mut out = StringBuilder::with_capacity(column.len(), column.values().len());
        match machine {
            Machine::Id18(ff1) => seal_ids(column, ff1, &mut out)?,
            Machine::Digits(lengths) => {
                for value in column {
                    match value {
                        Some(value) => out.append_value(turn_digits(value, lengths, Way::Seal)?),
                        None => out.append_null(),
                    }
                }
            }
        }
        Ok(Arc::new(out.finish()))
    }

    /// The number behind a token: what the vault role does.
    ///
    /// # Errors
    /// [`NoToken`] when it is none: prefix, check character or date do not hold.
    pub fn reverse(&self, token: &str, keys: &KeyRing) -> Result<String, NoToken> {
        match self.machine(keys).ok_or(NoToken)? {
            Machine::Id18(ff1) => open_id(token, &ff1),
            Machine::Digits(lengths) => turn_digits(token, &lengths, Way::Open),
        }
    }

    /// The cipher under the derived key: made once a batch.
    pub(super) fn machine(&self, keys: &KeyRing) -> Option<Machine> {
        let cipher = keys.aes(&self.key)?;
        let domain = format!("shuguan.token.{}.v1\n{}", self.kind.name(), self.key.info());
        let hash = digest(&SHA256, domain.as_bytes());
        let tweak = hash.as_ref().get(..8)?;
        Some(match self.kind {
            TokenKind::Id18 => Machine::Id18(Box::new(Ff1::new(cipher, 10, 14, tweak)?)),
            TokenKind::Digits => {
                let lengths = (DIGITS_MIN..=DIGITS_MAX).map(|length| Ff1::new(cipher.clone(), 10, length, tweak));
                Machine::Digits(lengths.collect::<Option<Vec<_>>>()?)
            }
        })
    }
}

/// A token's cipher, ready to run.
pub(super) enum Machine {
    Id18(Box<Ff1<Aes256>>),
    /// One for each length from 6 digits on.
    Digits(Vec<Ff1<Aes256>>),
}

impl fmt::Debug for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Machine")
    }
}

const DIGITS_MIN: u32 = 6;
const DIGITS_MAX: u32 = 18;
/// 1850-01-01 in days since 1970-01-01.
const FIRST_DAY: i32 = -43_829;
/// Five digits of days.
const DAYS: i32 = 100_000;
/// Seven digits: half of region, day and sequence.
const HALF: u64 = 10_000_000;

fn seal_ids(column: &StringArray, ff1: &Ff1<Aes256>, out: &mut StringBuilder) -> Result<(), NoToken> {
    for from in (0..column.len()).step_by(LANES) {
        let rows = from..column.len().min(from + LANES);
        let mut numbers = [(0, 0); LANES];
        let mut filled = 0;
        for (row, place) in rows.clone().filter(|row| column.is_valid(*row)).zip(&mut numbers) {
            *place = pack(column.value(row)).ok_or(NoToken)?;
            filled += 1;
        }
        ff1.encrypt(numbers.get_mut(..filled).unwrap_or_default());
        let mut sealed = numbers.iter();
        for row in rows {
            match sealed.as_slice().first().filter(|_| column.is_valid(row)) {
                Some(number) => {
                    out.append_value(std::str::from_utf8(&form(*number)).unwrap_or_default());
                    sealed.next();
                }
                None => out.append_null(),
            }
        }
    }
    Ok(())
}

/// `region6 ‖ days since 1850-01-01 ‖ sequence3` of a resident id, as two halves of seven digits.
fn pack(id: &str) -> Option<Halves> {
    let bytes: &[u8; 18] = id.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| -> Option<u64> {
        bytes.get(from..to)?.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
        })
    };
    let days = citizen_id::birth_day(id)?.checked_sub(FIRST_DAY)?;
    let days = u64::try_from(days).ok().filter(|_| days < DAYS)?;
    let [first @ .., last] = bytes;
    if citizen_id::check_character(first) != Some(char::from(*last)) {
        return None;
    }
    // Twice seven digits: the day is split after its first one.
    let (region, sequence) = (number(0, 6)?, number(14, 17)?);
    Some((region * 10 + days / 10_000, days % 10_000 * 1_000 + sequence))
}

/// `000`, the fourteen digits and their check character. No real number begins with a zero.
fn form(number: Halves) -> [u8; 18] {
    let mut text = [b'0'; 18];
    let [_, _, _, digits @ .., _] = &mut text;
    let (mut high, mut low) = number;
    for place in digits.iter_mut().rev().take(7) {
        *place = b'0' + u8::try_from(low % 10).unwrap_or(0);
        low /= 10;
    }
    for place in digits.iter_mut().rev().skip(7) {
        *place = b'0' + u8::try_from(high % 10).unwrap_or(0);
        high /= 10;
    }
    let [first @ .., _] = text;
    let [.., check] = &mut text;
    *check = citizen_id::check_character(&first).map_or(b'0', |c| u8::try_from(c).unwrap_or(b'0'));
    text
}

fn open_id(token: &str, ff1: &Ff1<Aes256>) -> Result<String, NoToken> {
    let bytes: &[u8; 18] = token.as_bytes().try_into().map_err(|_| NoToken)?;
    let [first @ .., last] = bytes;
    let digits = first.strip_prefix(b"000").ok_or(NoToken)?;
    if !digits.iter().all(u8::is_ascii_digit) || citizen_id::check_character(first) != Some(char::from(*last)) {
        return Err(NoToken);
    }
    let number = digits.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    let (high, low) = ff1.decrypt((number / HALF, number % HALF));
    let days = i32::try_from(high % 10 * 10_000 + low / 1_000).map_err(|_| NoToken)?;
    let (year, month, day) = civil_from_days(FIRST_DAY + days);
    let id = format!("{:06}{year:04}{month:02}{day:02}{:03}", high / 10, low % 1_000);
    let first: &[u8; 17] = id.as_bytes().try_into().map_err(|_| NoToken)?;
    let check = citizen_id::check_character(first).ok_or(NoToken)?;
    Ok(format!("{id}{check}"))
}

enum Way {
    Seal,
    Open,
}

/// The digits of a text encrypted among themselves; hyphens stay.
fn turn_digits(text: &str, lengths: &[Ff1<Aes256>], way: Way) -> Result<String, NoToken> {
    let digits: Vec<u64> = text.chars().filter_map(|c| c.to_digit(10)).map(u64::from).collect();
    if !text.chars().all(|c| c.is_ascii_digit() || c == '-') {
        return Err(NoToken);
    }
    let count = u32::try_from(digits.len()).map_err(|_| NoToken)?;
    let at = count
        .checked_sub(DIGITS_MIN)
        .and_then(|at| usize::try_from(at).ok())
        .ok_or(NoToken)?;
    let ff1 = lengths.get(at).ok_or(NoToken)?;
    let whole = |part: &[u64]| part.iter().fold(0, |sum, digit| sum * 10 + digit);
    let half = digits.len() / 2;
    let (a, b) = digits.split_at(half);
    let mut number = [(whole(a), whole(b))];
    match way {
        Way::Seal => ff1.encrypt(&mut number),
        Way::Open => number = number.map(|number| ff1.decrypt(number)),
    }
    let [(a, b)] = number;
    let mut turned = format!("{a:0half$}{b:0rest$}", rest = digits.len() - half)
        .into_bytes()
        .into_iter();
    Ok(text
        .chars()
        .map(|c| {
            if c == '-' {
                c
            } else {
                turned.next().map_or(c, char::from)
            }
        })
        .collect())
}
