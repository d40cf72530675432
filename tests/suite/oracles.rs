//! Judges that we did not write: the packages that `oracles/install` brings, asked about the same values as our decoder.
//!
//! Each test makes its values from a printed seed (births in 18xx or order number 000), asks a Python program once for all of them, and
//! compares. Where the two disagree, a named [`Difference`] must say why; a name that explains nothing any more fails the test as well.
//! Without the packages the tests are ignored.

mod charset;
mod clock;
mod cosignatures;
mod credit_codes;
mod divisions;
mod pages;
mod registration_numbers;
mod resident_ids;
mod signatures;
mod tables;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use shuguan_adapters::catalogue::{Class, Field, FieldType};
use shuguan_adapters::reject::RejectCode;
use shuguan_adapters::value::{Scratch, Value, parse};

use crate::random::Random;

/// What the Python program `oracles/<script>` prints for these bytes. Other suites may ask it too.
pub fn ask(script: &str, stdin: Vec<u8>) -> Vec<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracles");
    let python = installed().join("venv/bin/python");
    let mut child = Command::new(&python)
        .arg(here.join(script))
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; run tests/oracles/install", python.display()));
    let mut pipe = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || pipe.write_all(&stdin));
    let output = child.wait_with_output().expect("an end");
    let written = writer.join().expect("a writer");
    assert!(output.status.success(), "{script} failed: see above");
    written.expect("all was read");
    output.stdout
}

/// Where the packages are.
pub fn installed() -> PathBuf {
    // Known to the compiler only when the packages are installed, and without them no test gets here.
    let folder: Option<&str> = option_env!("SHUGUAN_ORACLES_AT");
    PathBuf::from(folder.expect("tests/oracles/install has run"))
}

/// One line for each value.
fn ask_lines(script: &str, values: &[String]) -> Vec<String> {
    let answer = String::from_utf8(ask(script, (values.join("\n") + "\n").into_bytes())).expect("text");
    let lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), values.len(), "{script} answers each value");
    lines
}

/// Our reading of a value of this kind; nothing for a placeholder.
fn read(kind: FieldType, sent: &str) -> Result<Option<String>, RejectCode> {
    let field = Field::new("value", "值", kind, Class::C3);
    let mut scratch = Scratch::default();
    parse(&field, sent, &mut scratch, today()).map(|value| match value {
        Value::Text(text) => Some(text.to_owned()),
        Value::Missing => None,
        other => panic!("an identifier is text, not {other:?}"),
    })
}

/// The day in Shanghai, in days since 1970-01-01.
fn today() -> i32 {
    let now = jiff::Timestamp::now().as_second() + 8 * 3600;
    i32::try_from(now.div_euclid(86_400)).expect("a day")
}

/// Why two judges may disagree about a case.
struct Difference<C> {
    name: &'static str,
    explains: fn(&C) -> bool,
}

/// Every case on which the judges disagree is explained, and every explanation is needed.
fn explained<C: std::fmt::Debug>(who: &str, cases: &[C], agree: impl Fn(&C) -> bool, differences: &[Difference<C>]) {
    let mut used = vec![0_usize; differences.len()];
    let mut unexplained = Vec::new();
    for case in cases.iter().filter(|case| !agree(case)) {
        let mut found = false;
        for (count, difference) in used.iter_mut().zip(differences) {
            if (difference.explains)(case) {
                *count += 1;
                found = true;
            }
        }
        if !found {
            unexplained.push(case);
        }
    }
    let some: Vec<_> = unexplained.iter().take(40).collect();
    assert!(
        some.is_empty(),
        "{who} disagrees {} times and nothing explains it: {some:#?}",
        unexplained.len()
    );
    for (count, difference) in used.iter().zip(differences) {
        eprintln!("{who}: {count:6} × {}", difference.name);
        assert!(
            *count > 0,
            "{who}: nothing is explained by `{}` any more",
            difference.name
        );
    }
}

/// One of them.
fn one_of<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[usize::try_from(random.below(of.len() as u64)).expect("small")]
}

/// One of the characters.
fn letter(random: &mut Random, of: &str) -> char {
    let of: Vec<char> = of.chars().collect();
    *one_of(random, &of)
}

/// The county codes of our table.
fn counties() -> Vec<&'static str> {
    let table = include_str!("../../adapters/data/regions.txt");
    let codes = table.lines().filter(|line| !line.starts_with('#'));
    codes.filter_map(|line| line.split(' ').next()).collect()
}

/// The value with one thing wrong, or written as people write it.
fn disturbed(random: &mut Random, value: &str, alphabet: &str) -> String {
    let mut chars: Vec<char> = value.chars().collect();
    let at = usize::try_from(random.below(chars.len() as u64)).expect("small");
    match random.below(13) {
        0 | 1 => chars[at] = letter(random, alphabet),
        2 => chars.swap(at, (at + 1) % value.len()),
        3 => drop(chars.remove(at)),
        4 => chars.insert(at, letter(random, alphabet)),
        5 => chars[at] = letter(random, "OIZSVQ*.张é"),
        6 => chars = chars.iter().map(char::to_ascii_lowercase).collect(),
        7 => chars = chars.iter().map(|char| wide(*char)).collect(),
        8 => chars.insert(at, ' '),
        9 => chars.insert(0, '\''),
        10 => chars.insert(at, '-'),
        11 => chars.extend(['\u{3000}', ' ']),
        _ => chars.truncate(at.max(2)),
    }
    chars.into_iter().collect()
}

/// The full-width twin.
fn wide(char: char) -> char {
    char::from_u32(u32::from(char) + 0xFEE0).expect("ASCII")
}

/// The ASCII twin.
fn narrow(char: char) -> char {
    match char {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(char) - 0xFEE0).expect("ASCII"),
        other => other,
    }
}

fn is_ascii_identifier(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
