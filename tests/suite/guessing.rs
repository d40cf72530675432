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

/// A value that anybody may know, tried as key and as salt.
struct Known {
    bytes: Vec<u8>,
    /// Where it stands.
    from: String,
}

/// Every public value about one exchange: what its leaf says, as text and as what the text stands for, its hash, index and exchange id; the checkpoint; the log's key, key id and name; the receipt key
/// and its id; the authorities' keys.
fn known(gateway: &Deployment, leaf: &[u8], receipt: &str) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let mut add = |from: &str, bytes: &[u8]| {
        if !bytes.is_empty() && !known.iter().any(|one| one.bytes == bytes) {
            let (from, bytes) = (from.to_owned(), bytes.to_vec());
            known.push(Known { bytes, from });
        }
    };
    add("the leaf", leaf);
    add("the leaf hash", &shuguan_ledger::tree::leaf_hash(leaf));
    let read: serde_json::Value = serde_json::from_slice(leaf).unwrap();
    for (member, value) in read.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        add(member, text.as_bytes());
        let short = text.get(2..).unwrap_or_default();
        add(member, &URL_SAFE_NO_PAD.decode(short).unwrap_or_default());
        if let Ok(id) = text.parse::<uuid::Uuid>() {
            add(member, id.as_bytes());
        }
        if let Some(number) = value.as_u64() {
            add(member, &number.to_le_bytes());
        }
    }
    let read = shuguan_ledger::receipt::Receipt::parse(receipt).unwrap();
    let checkpoint = shuguan_ledger::checkpoint::Checkpoint::unverified(&read.checkpoint).unwrap();
    add("the index", &read.index.to_be_bytes());
    add("the root", &checkpoint.root);
    add("the log's name", checkpoint.origin.as_bytes());
    add("the checkpoint", checkpoint.text().as_bytes());
    add("the signed checkpoint", read.checkpoint.as_bytes());
    for hash in &read.path {
        add("a hash of the path", hash);
    }
    let vkey = std::fs::read_to_string(gateway.path("trust/log.vkey")).unwrap();
    for part in vkey.trim().split('+') {
        add("the log's key", part.as_bytes());
        let key = STANDARD.decode(part).unwrap_or_default();
        add("the log's key", &key);
        add("the log's key", key.get(1..).unwrap_or_default());
        add("the log's key id", &unhex(part).unwrap_or_default());
    }
    for pem in [
        "trust/receipt.pem",
        "pki/ca.pem",
        "pki/server.pem",
        &format!("partners/{POLICE}/client.pem"),
    ] {
        let text = std::fs::read_to_string(gateway.path(pem)).unwrap();
        add(pem, text.as_bytes());
        for block in text.split("-----BEGIN").skip(1) {
            let body: String = block
                .lines()
                .skip(1)
                .take_while(|line| !line.starts_with("-----"))
                .collect();
            let der = STANDARD.decode(body).unwrap();
            let id = digest::digest(&digest::SHA256, &der);
            add(pem, &der);
            add(pem, id.as_ref());
            add(pem, format!("sha256:{}", hex(id.as_ref())).as_bytes());
            // An Ed25519 key and the numbers of a P-256 key come last in what holds them.
            for size in [32, 64, 65] {
                add(pem, der.get(der.len().saturating_sub(size)..).unwrap_or_default());
            }
        }
    }
    known
}

/// One value as whatever a keyed digest may be made with.
struct Keyed {
    from: String,
    bytes: Vec<u8>,
    plain: hmac::Key,
    /// HKDF of it, as the secret of an exchange gives its salts.
    request: hmac::Key,
    index: hmac::Key,
}

impl Keyed {
    fn of(known: Known) -> Self {
        let plain = hmac::Key::new(hmac::HMAC_SHA256, &known.bytes);
        // RFC 5869 with an empty salt, one block of output.
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]), &known.bytes);
        let extracted = hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref());
        let salt = |label: &str| {
            let expanded = hmac::sign(&extracted, &[b"shuguan.salt.v1/", label.as_bytes(), &[1]].concat());
            hmac::Key::new(hmac::HMAC_SHA256, expanded.as_ref())
        };
        Self {
            from: known.from,
            bytes: known.bytes,
            plain,
            request: salt("request"),
            index: salt("index"),
        }
    }

    /// Everything that the log could hold of a guess if this were its key: of the number, of the digest of the feed that it stands in.
    fn digests(&self, id: &str, feed: &[u8; 32], into: &mut Vec<(&'static str, [u8; 32])>) {
        let mac = |key: &hmac::Key, pieces: &[&[u8]]| -> [u8; 32] {
            let mut context = hmac::Context::with_key(key);
            pieces.iter().for_each(|piece| context.update(piece));
            context.sign().as_ref().try_into().unwrap()
        };
        let sha = |pieces: &[&[u8]]| -> [u8; 32] {
            let mut context = digest::Context::new(&digest::SHA256);
            pieces.iter().for_each(|piece| context.update(piece));
            context.finish().as_ref().try_into().unwrap()
        };
        let (id, commit) = (id.as_bytes(), b"shuguan.commit.v1\nrequest\n");
        let tag = mac(&self.plain, &[b"shuguan.index.v1\ncitizen_id\n", id]);
        let one = sha(&[&tag[..16]]);
        into.clear();
        into.extend([
            ("the request under a salt of it", mac(&self.request, &[commit, feed])),
            ("the request under itself", mac(&self.plain, &[commit, feed])),
            (
                "the index under a salt of it",
                mac(&self.index, &[b"shuguan.commit.v1\nindex\n", &one]),
            ),
            ("HMAC of the number", mac(&self.plain, &[id])),
            ("HMAC of the feed", mac(&self.plain, &[feed])),
            ("a tag of the number", tag),
            ("SHA-256 of it and the number", sha(&[&self.bytes, id])),
            ("SHA-256 of the number and it", sha(&[id, &self.bytes])),
        ]);
    }
}

/// Whom the one record is about.
const PERSON: u32 = 1_501;

/// How many guesses are tried under every public value: a hundred million digests and more for a million of guesses.
fn keyed_candidates() -> u32 {
    std::env::var("SHUGUAN_KEYED_GUESSES").map_or(3_000, |count| count.parse().expect("a number"))
}

/// The first guess that is found, under which value, and how: among everything that is public.
fn guessed(public: &Public, keys: &[Keyed], guesses: std::ops::Range<u32>) -> Option<(u32, String, &'static str)> {
    let halves = [guesses.start, guesses.start + guesses.len() as u32 / 2, guesses.end];
    let search = |range: std::ops::Range<u32>| {
        let mut digests = Vec::new();
        for n in range {
            let id = nobody(n);
            let feed = resident(&id, &name(n));
            let feed: [u8; 32] = digest::digest(&digest::SHA256, &feed).as_ref().try_into().unwrap();
            for key in keys {
                key.digests(&id, &feed, &mut digests);
                let found = digests
                    .iter()
                    .find(|(_, hash)| public.hashes.contains(hash.as_slice()) || public.hashes.contains(&hash[..16]));
                if let Some((how, _)) = found {
                    return Some((n, key.from.clone(), *how));
                }
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let threads = halves.windows(2).map(|pair| scope.spawn(|| search(pair[0]..pair[1])));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().find_map(|thread| thread.join().unwrap())
    })
}

/// Who guesses the very feed of one record that a leaf commits to still needs the secret of that exchange. With it, and only with it, he finds whom it is about.
#[test]
fn no_public_value_is_the_key_of_what_a_leaf_commits_to_and_the_secret_of_the_exchange_is() {
    assert!(keyed_candidates() > PERSON, "the person is among the guesses");
    let person = PERSON;
    let gateway = Deployment::new();
    let running = gateway.serve();
    let answer = run(async {
        let feed = resident(&nobody(person), &name(person));
        let call = Call::push(RESIDENT, NDJSON, feed);
        running.call(call, &gateway.partner(POLICE)).await.unwrap().json()
    });
    let (exchange, receipt) = (
        answer["exchange"].as_str().unwrap(),
        answer["receipt"].as_str().unwrap(),
    );
    let officer = |step: &str, who: &str, more: &[&str]| {
        let words = ["audit", "unseal", step, exchange, "-c", who];
        let (code, out, error) = gateway.shuguan(&[&words[..], more].concat());
        assert_eq!(code, if more.is_empty() { 2 } else { 0 }, "{out}{error}");
        error
    };
    officer(
        "ask",
        "officers/security-qian.toml",
        &["--case", "G-1", "--why", "court"],
    );
    let shown = officer("approve", "officers/auditor-zhao.toml", &[]);
    let (_, digest) = shown.split_once("--statement ").unwrap();
    officer("approve", "officers/auditor-zhao.toml", &["--statement", digest.trim()]);
    officer("open", "officers/security-qian.toml", &["-o", "record.json"]);
    assert_eq!(running.stop(), Some(0));
    let public = public(&gateway, &[receipt.to_owned()]);
    let leaf = shuguan_ledger::receipt::Receipt::parse(receipt).unwrap().leaf;
    let keys: Vec<Keyed> = known(&gateway, &leaf, receipt).into_iter().map(Keyed::of).collect();
    assert!(keys.len() >= 60, "{}", keys.len());
    assert_eq!(guessed(&public, &keys, 0..keyed_candidates()), None);

    // The same search with the one value that is not public.
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(gateway.path("record.json")).unwrap()).unwrap();
    let secret = Known {
        bytes: unhex(record["secret"].as_str().unwrap()).unwrap(),
        from: "the secret".into(),
    };
    let near = person.saturating_sub(100)..person + 100;
    let found = guessed(&public, &[Keyed::of(secret)], near.clone());
    assert_eq!(
        found,
        Some((person, "the secret".into(), "the request under a salt of it"))
    );
    // And it does find what a careless gateway would write: the same commitment under a value that stands beside it.
    for key in &keys {
        let mut digests = Vec::new();
        let feed = digest::digest(&digest::SHA256, &resident(&nobody(person), &name(person)));
        key.digests(&nobody(person), feed.as_ref().try_into().unwrap(), &mut digests);
        for (how, hash) in digests {
            let mut careless = Public::default();
            careless.add(format!("\"req\":\"c:{}\"", URL_SAFE_NO_PAD.encode(hash)).as_bytes());
            let found = guessed(&careless, std::slice::from_ref(key), person..person + 1);
            assert_eq!(found.map(|(n, ..)| n), Some(person), "{how} under {}", key.from);
        }
    }
}
