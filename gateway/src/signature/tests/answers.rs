//! Signed answers: to which request they are the answer, and how old they may be.

use http::HeaderMap;

use super::headers;
use crate::signature::base::Message;
use crate::signature::key::MessageKey;
use crate::signature::verify::{self, AnswerFault};
use crate::signature::{digest, profile, sign};

const NOW_S: i64 = 1_795_426_970;
const DAY_S: i64 = 86_400;
const TARGET: &str = "https://gw1.lyg.example:8443/v1/feeds/health/birth-certificate";

fn receipt_key() -> MessageKey {
    MessageKey::from_seed(&[3; 32]).unwrap()
}

fn asked(key: &str, content: u8) -> HeaderMap {
    headers(&[
        ("content-digest", &digest::write(&[content; 32])),
        ("idempotency-key", key),
    ])
}

/// An answer to a request, signed as of then.
fn answered(status: u16, request: &HeaderMap, created: i64) -> HeaderMap {
    let mut fields = headers(&[
        ("content-type", "application/problem+json"),
        ("content-digest", &digest::write(&[1; 32])),
        ("exchange-id", "x"),
    ]);
    let asked = Message::request("POST", TARGET, request);
    let message = Message::response(status, &fields, &asked);
    let made = sign::answer(&profile::ANSWER, &message, &receipt_key(), created).unwrap();
    made.put(&mut fields);
    fields
}

/// What a client says of it that sent `request` now.
fn believed(status: u16, answer: &HeaderMap, request: &HeaderMap) -> Result<(), AnswerFault> {
    let asked = Message::request("POST", TARGET, request);
    let message = Message::response(status, answer, &asked);
    let keys = [receipt_key().public().clone()];
    verify::answer(&profile::ANSWER, &message, &keys, Some(NOW_S))
}

#[test]
fn a_refusal_answers_no_request_with_another_key_or_another_content() {
    for status in [202, 403, 422, 429, 503] {
        let first = asked("monday-1", 9);
        let answer = answered(status, &first, NOW_S);
        assert!(believed(status, &answer, &first).is_ok(), "{status}");
        for (what, other) in [("key", asked("monday-2", 9)), ("content", asked("monday-1", 8))] {
            let judged = believed(status, &answer, &other);
            assert!(
                matches!(judged, Err(AnswerFault::Broken)),
                "{status} {what}: {judged:?}"
            );
        }
    }
}

#[test]
fn an_answer_that_leaves_out_what_the_request_sent_is_none() {
    let request = asked("monday-1", 9);
    let keyless = headers(&[("content-digest", &digest::write(&[9; 32]))]);
    for without in [HeaderMap::new(), keyless] {
        let answer = answered(422, &without, NOW_S);
        let judged = believed(422, &answer, &request);
        assert!(matches!(judged, Err(AnswerFault::Input(_))), "{judged:?}");
    }
}

#[test]
fn what_cannot_be_covered_is_left_out_by_both_sides() {
    let mut twice = asked("monday-1", 9);
    twice.append("idempotency-key", "monday-2".parse().unwrap());
    let mut strange = asked("monday-1", 9);
    strange.insert("idempotency-key", http::HeaderValue::from_bytes(b"k\xe9y").unwrap());
    for request in [HeaderMap::new(), twice, strange] {
        let answer = answered(400, &request, NOW_S);
        assert!(believed(400, &answer, &request).is_ok(), "{request:?}");
        assert!(!answer["signature-input"].to_str().unwrap().contains("idempotency-key"));
    }
}

#[test]
fn a_refusal_from_before_its_request_is_not_believed_and_one_that_sticks_to_its_key_is_for_seven_days() {
    let request = asked("monday-1", 9);
    for (status, age_s, is_believed) in [
        (403, 0, true),
        (403, 60, true),
        (403, 61, false),
        (429, 3_600, false),
        (503, 3_600, false),
        (409, DAY_S, false),
        (422, 6 * DAY_S, true),
        (422, 7 * DAY_S + 60, true),
        (422, 7 * DAY_S + 61, false),
        // What was taken stays taken: an acknowledgement is answered by its first leaf, however long ago.
        (200, 400 * DAY_S, true),
        (202, 6 * DAY_S, true),
        // The gateway's clock goes before ours; it took the request all the same.
        (403, -200, true),
    ] {
        let answer = answered(status, &request, NOW_S - age_s);
        let judged = believed(status, &answer, &request);
        assert_eq!(judged.is_ok(), is_believed, "{status} {age_s}: {judged:?}");
        if let Err(fault) = judged {
            assert!(matches!(fault, AnswerFault::Old(found) if found == age_s), "{fault}");
        }
    }
    // One that is old and not the gateway's is not the gateway's first of all.
    let answer = answered(403, &request, NOW_S - DAY_S);
    let judged = believed(403, &answer, &asked("monday-2", 9));
    assert!(matches!(judged, Err(AnswerFault::Broken)), "{judged:?}");
}
