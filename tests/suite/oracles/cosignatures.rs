//! Cosignatures against another Ed25519, which reads key, line and signed bytes as the specification has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::cosignature::CosigningKey;

use super::ask_lines;
use crate::random::Random;

fn case(key: &CosigningKey, text: &str, line: &str) -> String {
    let vkey = key.witness_key().vkey();
    format!("{vkey}\t{}\t{}", BASE64.encode(text), line.trim_end())
}

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn another_implementation_verifies_what_a_witness_signs_and_nothing_else() {
    let mut random = Random::printed("cosignatures");
    let mut bytes = || [(); 32].map(|()| u8::try_from(random.below(256)).expect("a byte"));
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for nth in 0..500_u64 {
        let key = CosigningKey::from_seed(&format!("witness.example/w{nth}"), &bytes()).expect("a key");
        let checkpoint = |size| Checkpoint {
            origin: "gw1.lyg.example/log".into(),
            size,
            root: [u8::try_from(nth % 251).expect("a byte"); 32],
        };
        let (text, other) = (checkpoint(nth).text(), checkpoint(nth + 1).text());
        let time_s = nth * 7_919_000_003;
        let line = key.cosign(&text, time_s).expect("a line");
        cases.push(case(&key, &text, &line));
        expected.push(time_s.to_string());
        cases.push(case(&key, &other, &line));
        expected.push("no".into());
        let stranger = CosigningKey::from_seed(key.name(), &bytes()).expect("a key");
        cases.push(case(&stranger, &text, &line));
        expected.push("no".into());
    }
    assert_eq!(ask_lines("cosignatures.py", &cases), expected);
}
