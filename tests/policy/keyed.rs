//! Pseudonyms, shifted dates and tokens, written from RFC 5869, FIPS 198-1 and SP 800-38G with plain numbers.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use ring::digest::{SHA256, digest};
use ring::hmac;

/// Bytes 00 to 1f.
pub fn master() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
        .as_ref()
        .to_vec()
}

/// HKDF-SHA-256 with an empty salt, one block of output.
fn derive(info: &str) -> Vec<u8> {
    let extracted = mac(&[0; 32], &master());
    mac(&extracted, &[info.as_bytes(), &[1]].concat())
}

pub fn pseudonym(info: &str, domain: &str, value: &str, bytes: usize) -> String {
    let tag = mac(
        &derive(info),
        format!("shuguan.pseudonym.v1\n{domain}\n{value}").as_bytes(),
    );
    tag.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

pub fn shift(info: &str, domain: &str, subject: &str, days: i64) -> i64 {
    let tag = mac(
        &derive(info),
        format!("shuguan.date-shift.v1\n{domain}\n{subject}").as_bytes(),
    );
    let number = tag
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) + u64::from(*byte));
    (number % (2 * days as u64 + 1)) as i64 - days
}

/// FF1 over decimal digits, as the standard writes it down.
fn ff1(key: &[u8], tweak: &[u8], digits: &str) -> String {
    let cipher = aes::Aes256::new_from_slice(key).unwrap();
    let block = |input: &[u8]| -> Vec<u8> {
        let mut chain = [0_u8; 16];
        for part in input.chunks(16) {
            for (to, from) in chain.iter_mut().zip(part) {
                *to ^= from;
            }
            let mut block = aes::Block::from(chain);
            cipher.encrypt_block(&mut block);
            chain = block.into();
        }
        chain.to_vec()
    };
    let n = digits.len();
    let (u, v) = (n / 2, n - n / 2);
    let (mut a, mut b) = (digits[..u].to_owned(), digits[u..].to_owned());
    let width = ((v as f64 * 10_f64.log2()).ceil() / 8.0).ceil() as usize;
    let d = 4 * width.div_ceil(4) + 4;
    let mut p = vec![1, 2, 1, 0, 0, 10, 10, u as u8];
    p.extend((n as u32).to_be_bytes());
    p.extend((tweak.len() as u32).to_be_bytes());
    for i in 0..10_u8 {
        let mut q = tweak.to_vec();
        while !(q.len() + width + 1).is_multiple_of(16) {
            q.push(0);
        }
        q.push(i);
        let number: u64 = b.parse().unwrap();
        q.extend(&number.to_be_bytes()[8 - width..]);
        let r = block(&[p.clone(), q].concat());
        let y = r[..d].iter().fold(0_u128, |sum, byte| sum * 256 + u128::from(*byte));
        let m = if i % 2 == 0 { u } else { v };
        let c = (a.parse::<u128>().unwrap() + y) % 10_u128.pow(m as u32);
        a = b;
        b = format!("{c:0m$}");
    }
    a + &b
}

fn tweak(kind: &str, info: &str) -> Vec<u8> {
    digest(&SHA256, format!("shuguan.token.{kind}.v1\n{info}").as_bytes()).as_ref()[..8].to_vec()
}

pub fn token_digits(info: &str, value: &str) -> String {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let sealed = ff1(&derive(info), &tweak("digits", info), &digits);
    let mut sealed = sealed.chars();
    value
        .chars()
        .map(|c| if c == '-' { c } else { sealed.next().unwrap() })
        .collect()
}

/// `None` when the birth lies outside the range.
pub fn token_id18(info: &str, id: &str) -> Option<String> {
    let date = jiff::civil::Date::new(
        id[6..10].parse().ok()?,
        id[10..12].parse().ok()?,
        id[12..14].parse().ok()?,
    )
    .ok()?;
    let days = (date - jiff::civil::Date::constant(1850, 1, 1)).get_days();
    if !(0..100_000).contains(&days) {
        return None;
    }
    let plain = format!("{}{days:05}{}", &id[..6], &id[14..17]);
    let sealed = format!("000{}", ff1(&derive(info), &tweak("id18", info), &plain));
    let check = check(&sealed);
    Some(format!("{sealed}{check}"))
}

/// ISO 7064 MOD 11-2: the digit that makes the weighted sum 1.
pub fn check(first: &str) -> char {
    let sum = first.chars().fold(0, |sum, c| (sum + c.to_digit(10).unwrap()) * 2 % 11);
    ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'][sum as usize]
}

#[test]
fn the_published_vectors_come_out() {
    let info =
        |id: &str, partner: &str, purpose: &str| format!("shuguan.key.v1\n{id}\n1\n{partner}\n{purpose}\nperson");
    let survey = info("token-survey", "survey-office", "enrolment.survey");
    assert_eq!(tweak("id18", &survey), [0x1a, 0x58, 0x50, 0x1d, 0xb2, 0x9f, 0x32, 0x64]);
    assert_eq!(token_id18(&survey, "320706188002290004").unwrap(), "000926769855085325");
    assert_eq!(token_id18(&survey, "320721189912310009").unwrap(), "000570978891319437");
    let father = info("pseudonym-father", "information-centre", "enrolment.registration");
    assert_eq!(
        pseudonym(&father, "person", "320706188002290004", 16),
        "2f645596891ab9ae84dfb7a1308c5643"
    );
}
