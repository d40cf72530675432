//! Message signatures (RFC 9421) by hand, with ring and string work alone: nothing of the gateway's own module.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::http::{Answer, Call};

/// First bytes of the public key of an Ed25519 key, DER (RFC 8410).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A message key.
pub struct Signer {
    pair: Ed25519KeyPair,
    keyid: String,
}

/// How a request is signed; the defaults are as they must be.
#[derive(Clone, Debug)]
pub struct Manner {
    pub label: &'static str,
    pub tag: &'static str,
    pub created: i64,
    pub life_s: i64,
    pub nonce: String,
    /// Another key id than the key's own.
    pub keyid: Option<String>,
}

impl Manner {
    /// A push, now, with a nonce of its own.
    pub fn push() -> Self {
        Self {
            label: "agency",
            tag: "shuguan-push-1",
            created: now_s(),
            life_s: 300,
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            keyid: None,
        }
    }

    /// An extract request.
    pub fn extract() -> Self {
        Self {
            label: "registry",
            tag: "shuguan-extract-1",
            ..Self::push()
        }
    }

    /// A comparison.
    pub fn compare() -> Self {
        Self {
            tag: "shuguan-compare-1",
            ..Self::extract()
        }
    }

    /// An acknowledgement.
    pub fn ack() -> Self {
        Self {
            label: "ack",
            tag: "shuguan-ack-1",
            ..Self::push()
        }
    }

    /// The same with this nonce.
    pub fn nonce(mut self, nonce: &str) -> Self {
        nonce.clone_into(&mut self.nonce);
        self
    }
}

/// Seconds since 1970.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_secs()).expect("a time")
}

impl Signer {
    /// The message key of a kit.
    pub fn of_kit(folder: &Path) -> Self {
        let pem = std::fs::read_to_string(folder.join("message.key")).expect("a message key");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64.decode(body).expect("base64");
        // PKCS #8 of version 1: the seed comes last.
        Self::of_seed(der[der.len() - 32..].try_into().expect("32 bytes"))
    }

    /// A key of one's own making.
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a key");
        let keyid = keyid(pair.public_key().as_ref());
        Self { pair, keyid }
    }

    /// `sha256:` and the digest of the public key.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// Signs a call to a gateway on this port, as one does that knows the profile.
    pub fn sign(&self, call: Call, port: u16, manner: &Manner) -> Call {
        let call = match call.header_value("content-digest") {
            Some(_) => call,
            None => {
                let value = content_digest(call.body_bytes());
                call.header("content-digest", &value)
            }
        };
        let mut covered = vec![
            "@method",
            "@target-uri",
            "content-type",
            "content-digest",
            "exchange-purpose",
            "idempotency-key",
        ];
        let more = [
            "content-encoding",
            "exchange-constants",
            "exchange-count",
            "exchange-layout",
            "exchange-mode",
            "exchange-scope",
        ];
        covered.extend(more.into_iter().filter(|name| call.header_value(name).is_some()));
        self.sign_over(call, port, manner, &covered)
    }

    /// Signs a call over these components.
    pub fn sign_over(&self, call: Call, port: u16, manner: &Manner, covered: &[&str]) -> Call {
        let Manner {
            label,
            tag,
            created,
            life_s,
            nonce,
            keyid,
        } = manner;
        let names: Vec<String> = covered.iter().map(|name| format!("\"{name}\"")).collect();
        let keyid = keyid.as_deref().unwrap_or(&self.keyid);
        let parameters = format!(
            "({});created={created};expires={};nonce=\"{nonce}\";keyid=\"{keyid}\";alg=\"ed25519\";tag=\"{tag}\"",
            names.join(" "),
            created + life_s
        );
        let base = base(&parameters, |name| call_value(&call, port, name));
        let signature = BASE64.encode(self.pair.sign(base.as_bytes()));
        call.header("signature-input", &format!("{label}={parameters}"))
            .header("signature", &format!("{label}=:{signature}:"))
    }
}

fn keyid(public: &[u8]) -> String {
    let spki = [&SPKI_HEAD, public].concat();
    let hex: String = digest(&SHA256, &spki)
        .as_ref()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// `sha-256=:…:`
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body)))
}

fn call_value(call: &Call, port: u16, name: &str) -> String {
    match name {
        "@method" => call.method_name().to_owned(),
        "@authority" => format!("localhost:{port}"),
        "@target-uri" => format!("https://localhost:{port}{}", call.path()),
        name => call
            .header_value(name)
            .unwrap_or_else(|| panic!("no {name}"))
            .to_owned(),
    }
}

/// The signature base for parameters that begin with the list of components.
fn base(parameters: &str, value: impl Fn(&str) -> String) -> String {
    let list = parameters
        .strip_prefix('(')
        .expect("a list")
        .split_once(')')
        .expect("a list")
        .0;
    let lines: String = list
        .split(' ')
        .map(|identifier| format!("{identifier}: {}\n", value(identifier.replace('"', "").as_str())))
        .collect();
    format!("{lines}\"@signature-params\": {parameters}")
}

/// Whether an answer is signed with the receipt key for this call; gives the covered components.
///
/// # Panics
/// When it is not.
pub fn verify_answer(answer: &Answer, call: &Call, port: u16, receipt_pem: &str, tag: &str) -> Vec<String> {
    let body: String = receipt_pem.lines().filter(|line| !line.starts_with('-')).collect();
    let spki = BASE64.decode(body).expect("base64");
    let public = spki.strip_prefix(&SPKI_HEAD).expect("an Ed25519 key");
    let parameters = answer
        .header("signature-input")
        .strip_prefix("gw=")
        .expect("the gateway's label");
    let signature = answer
        .header("signature")
        .strip_prefix("gw=:")
        .expect("the gateway's label");
    let signature = BASE64.decode(signature.trim_end_matches(':')).expect("base64");
    assert!(parameters.ends_with(&format!(";keyid=\"{}\";alg=\"ed25519\";tag=\"{tag}\"", keyid(public))));
    let text = base(parameters, |name| match name.strip_suffix(";req") {
        Some(name) => call_value(call, port, name),
        None if name == "@status" => answer.status.as_u16().to_string(),
        None => {
            assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}");
            answer.header(name).to_owned()
        }
    });
    let verified = UnparsedPublicKey::new(&ED25519, public).verify(text.as_bytes(), &signature);
    assert!(verified.is_ok(), "{text}");
    if text.contains("\n\"content-digest\": ") {
        assert_eq!(answer.header("content-digest"), content_digest(&answer.body));
    }
    let list = parameters.split_once(')').expect("a list").0;
    list.trim_start_matches('(')
        .split(' ')
        .map(|name| name.replace('"', ""))
        .collect()
}
