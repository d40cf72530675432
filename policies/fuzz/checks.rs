//! What must hold whatever the bytes are: the bodies of the fuzz targets, which a plain test runs over the committed corpus as well.
//!
//! Takes bytes; gives nothing. Fails when a fault points outside the bundle, when the order of files changes what a bundle means, when a bundle that loads
//! has failing tests, or when an envelope is read that would be written otherwise.

use shuguan_policies::PolicySet;
use shuguan_policies::envelope::{ENVELOPE_BYTES_MAX, Envelope, SIGNATURES_MAX};

macro_rules! example {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../example/", $path)))),*] };
}

/// The example bundle, of which an input replaces one file, so that it gets past what the others would be missed for.
const EXAMPLE: &[(&str, &str)] = example![
    "agreements/civil-affairs.toml",
    "agreements/commerce.toml",
    "agreements/health.toml",
    "agreements/public-security.toml",
    "agreements/registry.toml",
    "agreements/tax.toml",
    "calendars/cn.toml",
    "ceilings.toml",
    "keys.toml",
    "partners.toml",
    "purposes.toml",
    "tests/registry.toml",
];

/// The first line names a file of the bundle, or a new one; the rest is its text.
pub(crate) fn check_bundle(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, text) = text.split_once('\n').unwrap_or(("keys.toml", &text));
    let others = EXAMPLE.iter().filter(|(other, _)| *other != name);
    let mut files: Vec<(String, String)> = others
        .map(|(other, text)| ((*other).to_owned(), (*text).to_owned()))
        .collect();
    files.push((name.to_owned(), text.to_owned()));
    let read = PolicySet::from_texts(files.clone());
    files.reverse();
    match (read, PolicySet::from_texts(files.clone())) {
        (Ok(set), Ok(other)) => {
            assert_eq!(set.hash(), other.hash(), "the order of files changes what they mean");
            assert!(
                set.test().failures.is_empty(),
                "it loads although a test of its own fails"
            );
            assert!(set.diff(&other).changes.is_empty(), "it differs from itself");
        }
        (Err(faults), Err(others)) => {
            assert_eq!(
                faults.len(),
                others.len(),
                "the order of files changes what is wrong with them"
            );
            assert!(!faults.is_empty(), "it does not load, and nobody is told why");
            for fault in &faults {
                assert!(
                    files.iter().any(|(name, _)| *name == fault.file) || fault.line <= 1,
                    "a fault lies outside the bundle"
                );
                assert!(!fault.message.is_empty(), "a fault says nothing");
                assert!(!fault.to_string().is_empty(), "a fault cannot be shown");
            }
        }
        _ => panic!("the order of files decides whether they load"),
    }
}

/// The text of an envelope.
pub(crate) fn check_envelope(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(envelope) = Envelope::parse(&text) else { return };
    assert_eq!(envelope.text(), text, "an envelope has two spellings");
    assert!(
        text.len() <= ENVELOPE_BYTES_MAX && envelope.signatures.len() <= SIGNATURES_MAX,
        "an envelope beyond its bounds"
    );
    for signature in &envelope.signatures {
        let message = signature.by.message(&envelope.statement);
        assert!(
            message.starts_with(envelope.statement.text().as_bytes()),
            "a signature does not cover the statement"
        );
        let spiffe = signature.by.spiffe.as_bytes();
        assert!(
            message.windows(spiffe.len()).any(|piece| piece == spiffe),
            "a signature does not cover its signer"
        );
    }
}
