#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn key(name: &str, byte: u8) -> SigningKey {
    SigningKey::from_seed(name, &[byte; 32]).unwrap()
}

#[test]
fn the_verifier_key_of_the_specification_is_read_and_written_back() {
    let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(VerifyingKey::parse(text).unwrap().vkey(), text);
    assert!(VerifyingKey::parse(&text.replace("530d903a", "530d903b")).is_err());
    assert!(VerifyingKey::parse("example.com/foo+530d903a").is_err());
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    let pairs = digits.as_chunks::<2>().0.iter();
    pairs
        .map(|[high, low]| u8::try_from(high * 16 + low).unwrap())
        .collect()
}

/// RFC 8032, 7.1: secret key, public key, message, signature of TEST 1 to 3.
#[test]
fn keys_and_signatures_are_those_of_rfc_8032() {
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (secret, public, message, signature) in vectors {
        let signer = SigningKey::from_seed("a", &bytes(secret).try_into().unwrap()).unwrap();
        assert_eq!(signer.verifying_key().public.as_slice(), bytes(public));
        assert_eq!(signer.pair.sign(&bytes(message)).as_ref(), bytes(signature));
    }
}

#[test]
fn a_carriage_return_or_a_second_line_of_a_key_voids_a_note() {
    let signer = key("log.example", 1);
    let note = signer.sign("log.example\n3\nroot\n").unwrap();
    let line = note.lines().last().unwrap();
    let keys = [signer.verifying_key()];
    assert!(open(&format!("{}\r\n", note.trim_end()), &keys).is_err());
    assert!(open(&format!("{note}{line}\n"), &keys).is_err());
    assert!(open(&format!("{note}\n"), &keys).is_err());
    assert!(open(note.trim_end(), &keys).is_err());
    let witness = key("witness.example", 2).sign("log.example\n3\nroot\n").unwrap();
    let unknown = witness.lines().last().unwrap();
    assert_eq!(open(&format!("{note}{unknown}\n"), &keys).unwrap().signatures, 1);
    let many = format!("{unknown}\n").repeat(LINES_MAX);
    assert!(open(&format!("{note}{many}"), &keys).is_err(), "65 lines");
}

#[test]
fn what_a_key_signed_opens_with_it_and_with_no_other() {
    let signer = key("log.example", 1);
    let note = signer.sign("log.example\n3\nroot\n").unwrap();
    let opened = open(&note, &[signer.verifying_key()]).unwrap();
    assert_eq!(opened.text, "log.example\n3\nroot\n");
    assert_eq!(
        open(&note, &[key("log.example", 2).verifying_key()]),
        Err(NoteError::NoKnownSignature)
    );
    assert_eq!(open(&note, &[]), Err(NoteError::NoKnownSignature));
}

#[test]
fn no_changed_byte_of_a_note_opens() {
    let signer = key("log.example", 1);
    let note = signer.sign("log.example\n3\nroot\n").unwrap();
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1;
        }
        if let Ok(changed) = String::from_utf8(bytes) {
            assert!(open(&changed, &[signer.verifying_key()]).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_text_with_control_characters_is_not_signed() {
    assert!(key("a", 1).sign("a\tb\n").is_err());
    assert!(key("a", 1).sign("a").is_err());
    assert!(SigningKey::from_seed("a b", &[0; 32]).is_err());
}
