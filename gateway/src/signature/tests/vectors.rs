//! RFC 9421, appendix B: keys of B.1, messages of B.2, signatures of B.2.4, B.2.5 and B.2.6.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;

use super::headers;
use crate::signature::base::{Component, Message, base};
use crate::signature::key::{Algorithm, MessageKey, PublicKey};

const ED25519_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
";
const P256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
";
const SHARED_SECRET: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

const REQUEST: &[(&str, &str)] = &[
    ("host", "example.com"),
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("content-length", "18"),
];
const RESPONSE: &[(&str, &str)] = &[
    ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    ),
    ("content-length", "23"),
];
const TARGET: &str = "https://example.com/foo?param=Value&Pet=dog";

fn key(pem: &str) -> PublicKey {
    PublicKey::from_pem(pem).unwrap().remove(0)
}

fn signature(text: &str) -> [u8; 64] {
    BASE64.decode(text).unwrap().try_into().unwrap()
}

fn own<const N: usize>(names: [&'static str; N]) -> [Component; N] {
    names.map(Component::own)
}

#[test]
fn b_2_6_ed25519_verifies_and_comes_out_the_same() {
    let fields = headers(REQUEST);
    let message = Message::request("POST", TARGET, &fields);
    let covered = own([
        "date",
        "@method",
        "@path",
        "@authority",
        "content-type",
        "content-length",
    ]);
    let parameters = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
                      ;created=1618884473;keyid=\"test-key-ed25519\"";
    let text = base(&covered, parameters, &message).unwrap();
    assert_eq!(
        text,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\
         \"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \
         \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
    );
    let given = signature("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==");
    let public = key(ED25519_PUBLIC);
    assert!(public.verifies(&text, &given));
    let private = MessageKey::from_pem(ED25519_PRIVATE).unwrap();
    assert_eq!(private.public(), &public);
    assert_eq!(private.sign(&text).unwrap(), given);
    for bit in 0..512 {
        let mut other = given;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!public.verifies(&text, &other), "bit {bit}");
    }
}

#[test]
fn b_2_4_ecdsa_p256_of_a_response_verifies() {
    let (fields, request_fields) = (headers(RESPONSE), headers(REQUEST));
    let request = Message::request("POST", TARGET, &request_fields);
    let message = Message::response(200, &fields, &request);
    let covered = own(["@status", "content-type", "content-digest", "content-length"]);
    let parameters = "(\"@status\" \"content-type\" \"content-digest\" \"content-length\")\
                      ;created=1618884473;keyid=\"test-key-ecc-p256\"";
    let text = base(&covered, parameters, &message).unwrap();
    let given = signature("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==");
    let public = key(P256_PUBLIC);
    assert_eq!(public.algorithm(), Algorithm::EcdsaP256);
    assert!(public.verifies(&text, &given));
    assert!(!public.verifies(&text.replace("200", "201"), &given));
}

#[test]
fn b_2_5_base_of_the_shared_secret_is_the_same_text() {
    let fields = headers(REQUEST);
    let message = Message::request("POST", TARGET, &fields);
    let covered = own(["date", "@authority", "content-type"]);
    let parameters = "(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
    let text = base(&covered, parameters, &message).unwrap();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(SHARED_SECRET).unwrap());
    let given = BASE64.decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=").unwrap();
    assert!(hmac::verify(&secret, text.as_bytes(), &given).is_ok());
}

/// 2.4: the components of the request stand under their own names, with `req`.
#[test]
fn components_of_the_request_are_told_apart_from_those_of_the_response() {
    let (fields, request_fields) = (headers(RESPONSE), headers(REQUEST));
    let request = Message::request("POST", TARGET, &request_fields);
    let message = Message::response(503, &fields, &request);
    let covered = [
        Component::own("@status"),
        Component::of_request("@method"),
        Component::of_request("@query"),
        Component::own("content-length"),
        Component::of_request("content-length"),
    ];
    let text = base(&covered, "()", &message).unwrap();
    assert_eq!(
        text,
        "\"@status\": 503\n\"@method\";req: POST\n\"@query\";req: ?param=Value&Pet=dog\n\"content-length\": 23\n\
         \"content-length\";req: 18\n\"@signature-params\": ()"
    );
    assert!(base(&[Component::own("@method")], "()", &message).is_err());
    assert!(base(&[Component::of_request("@status")], "()", &message).is_err());
}
