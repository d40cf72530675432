//! Guessing persons from what the log shows: leaves, tiles, checkpoints, receipts, public keys. Whoever reads all of it and tries every number and name
//! learns nothing, because each value in it is under a key or a salt.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use rusqlite::Connection;
use shuguan_tests::{Call, Deployment, eventually, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

/// Persons in the feeds: the first of the candidates.
const PLANTED: u32 = 300;

fn candidates() -> u32 {
    std::env::var("SHUGUAN_GUESSES").map_or(100_000, |count| count.parse().expect("a number"))
}

fn name(n: u32) -> String {
    let letters: Vec<char> = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许龘靐齉".chars().collect();
    let letter = |n: u32| letters[n as usize % letters.len()];
    [letter(n), letter(n / 23), letter(n / 529 + 7), letter(n / 12_167 + 3)]
        .iter()
        .collect()
}

/// Everything that somebody outside may see, ready to be asked for a value.
#[derive(Default)]
struct Public {
    /// Every hash, however it was written: 32 bytes, and the first 16 of each.
    hashes: HashSet<Vec<u8>>,
    /// Every run of so many bytes.
    windows: HashSet<Vec<u8>>,
    sizes: HashSet<usize>,
}

impl Public {
    fn add(&mut self, bytes: &[u8]) {
        for size in self.sizes.clone() {
            self.windows.extend(bytes.windows(size).map(<[u8]>::to_vec));
        }
        for size in [16, 32] {
            self.hashes.extend(bytes.windows(size).map(<[u8]>::to_vec));
        }
        // Words of base64 and of hexadecimal digits are looked at as the bytes that they stand for.
        for word in bytes.split(|byte| !(byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte))) {
            let url: Vec<u8> = word
                .iter()
                .map(|byte| match byte {
                    b'+' => b'-',
                    b'/' => b'_',
                    other => *other,
                })
                .filter(|byte| *byte != b'=')
                .collect();
            let hex = std::str::from_utf8(word).ok().and_then(unhex);
            for decoded in [URL_SAFE_NO_PAD.decode(url).ok(), hex].into_iter().flatten() {
                for size in [16, 32] {
                    self.hashes.extend(decoded.windows(size).map(<[u8]>::to_vec));
                }
                for size in self.sizes.clone() {
                    self.windows.extend(decoded.windows(size).map(<[u8]>::to_vec));
                }
            }
        }
    }

    /// The form in which a value is found, if any.
    fn betrays(&self, value: &str) -> Option<String> {
        let (gb, _, _) = encoding_rs::GB18030.encode(value);
        for (form, bytes) in [("UTF-8", value.as_bytes()), ("GB18030", &*gb)] {
            // Four bytes of GB18030 occur by chance in a megabyte of hashes.
            if bytes.len() >= 8 && self.windows.contains(bytes) {
                return Some(form.into());
            }
            let spelled = [
                ("hex", hex(bytes)),
                ("base64", STANDARD.encode(bytes)),
                ("base64url", URL_SAFE_NO_PAD.encode(bytes)),
            ];
            for (spelling, text) in &spelled {
                if self.windows.contains(text.as_bytes()) {
                    return Some(format!("{form} in {spelling}"));
                }
            }
            for (how, hash) in unsalted(bytes) {
                if self.hashes.contains(hash.as_slice()) || self.hashes.contains(&hash[..16]) {
                    return Some(format!("{how} of {form}"));
                }
            }
        }
        None
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect())
}

/// Every digest of a value that needs no secret.
fn unsalted(value: &[u8]) -> Vec<(&'static str, [u8; 32])> {
    let sha = |pieces: &[&[u8]]| -> [u8; 32] {
        digest::digest(&digest::SHA256, &pieces.concat())
            .as_ref()
            .try_into()
            .unwrap()
    };
    let mac = |key: &[u8], pieces: &[&[u8]]| -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, &pieces.concat()).as_ref().try_into().unwrap()
    };
    // A column of one row, as its part is hashed, and the leaf of a column that nobody salted.
    let length = (value.len() as u32).to_le_bytes();
    let part = sha(&[b"shuguan.chunk.v1\n", &1_u32.to_le_bytes(), &[1], &length, value]);
    vec![
        ("SHA-256", sha(&[value])),
        ("SHA-256 with a line feed", sha(&[value, b"\n"])),
        ("leaf hash", sha(&[&[0], value])),
        ("part digest", part),
        (
            "commitment without a salt",
            mac(&[0; 32], &[b"shuguan.commit.v1\nrequest\n", value]),
        ),
        (
            "tag without a key",
            mac(&[0; 32], &[b"shuguan.index.v1\ncitizen_id\n", value]),
        ),
        ("HMAC under an empty key", mac(b"", &[value])),
    ]
}

/// All that leaves the gateway or may be published.
fn public(gateway: &Deployment, receipts: &[String]) -> Public {
    let mut public = Public {
        sizes: [8, 9, 12, 16, 18, 24, 36].into_iter().collect(),
        ..Public::default()
    };
    let journal = Connection::open(gateway.journal()).unwrap();
    for column in [
        "bytes FROM leaf",
        "hash FROM leaf",
        "hash FROM tile",
        "CAST(note AS BLOB) FROM checkpoint",
    ] {
        let mut statement = journal.prepare(&format!("SELECT {column}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        rows.for_each(|bytes| public.add(&bytes.unwrap()));
    }
    for folder in ["trust", "pki"] {
        for entry in std::fs::read_dir(gateway.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_public = path
                .extension()
                .is_some_and(|end| end == "txt" || end == "pem" || end == "crl");
            if is_public && path.is_file() {
                public.add(&std::fs::read(path).unwrap());
            }
        }
    }
    receipts.iter().for_each(|receipt| public.add(receipt.as_bytes()));
    public
}

#[test]
fn a_hundred_thousand_guesses_find_nobody_in_what_the_log_shows() {
    let (gateway, receipts) = run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        let mut receipts = Vec::new();
        let person = |n: u32| resident(&nobody(n), &name(n));
        let mut feeds: Vec<Vec<u8>> = (0..8).map(person).collect();
        feeds.push((8..PLANTED).flat_map(person).collect());
        // A batch that is refused as a whole, and one with rejects.
        feeds.push(
            [
                person(1),
                b"{\"citizen_id\":\"320706180101019999\",\"name\":\"x\"}\n".to_vec(),
            ]
            .concat(),
        );
        for feed in feeds {
            let answer = running.call(Call::push(RESIDENT, NDJSON, feed), &police).await.unwrap();
            receipts.extend(answer.json()["receipt"].as_str().map(str::to_owned));
        }
        eventually("they are in the registry", 20, || {
            registry_count(&gateway.registry(), "person") >= u64::from(PLANTED)
        });
        let pull = [
            "pull",
            "population",
            "--purpose",
            "enrolment.registration",
            "--case",
            "D-1",
            "-o",
            "out.ndjson",
        ];
        let (code, _, error) =
            gateway.shuguan(&[&pull[..], &["-c", "partners/information-centre/client.toml"]].concat());
        assert_eq!(code, 0, "{error}");
        receipts.push(std::fs::read_to_string(gateway.path("out.ndjson.tlog-proof")).unwrap());
        let ask = [
            "audit",
            "person",
            "--case",
            "1",
            "--why",
            "court",
            "-c",
            "officers/auditor-zhao.toml",
        ];
        let (code, _, error) = gateway.shuguan_reading(&ask, &nobody(1));
        assert_eq!(code, 0, "{error}");
        assert_eq!(running.stop(), Some(0));
        (gateway, receipts)
    });
    assert!(receipts.len() >= 10);
    let mut public = public(&gateway, &receipts);
    let found = |public: &Public| {
        let guesses = (0..candidates()).flat_map(|n| [nobody(n), name(n)]);
        guesses
            .filter_map(|guess| public.betrays(&guess))
            .take(3)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&public), Vec::<String>::new());
    // The same search does find what a careless log would hold.
    let (id, name) = (nobody(7), name(7));
    for leak in [
        format!("\"h\":\"s:{}\"", URL_SAFE_NO_PAD.encode(unsalted(id.as_bytes())[0].1)),
        hex(&unsalted(name.as_bytes())[3].1),
        hex(&unsalted(id.as_bytes())[5].1[..16]),
        STANDARD.encode(&id),
        hex(name.as_bytes()),
        format!("of {id} there"),
    ] {
        let mut careless = Public {
            sizes: public.sizes.clone(),
            ..Public::default()
        };
        careless.add(leak.as_bytes());
        assert!(careless.betrays(&id).or(careless.betrays(&name)).is_some(), "{leak}");
    }
    public.add(id.as_bytes());
    assert_eq!(public.betrays(&id).as_deref(), Some("UTF-8"));
}
