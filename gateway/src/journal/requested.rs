//! Does a signed request ask for what its leaf says was done?
//!
//! Takes the event of a leaf and the signature base of its evidence record; says what disagrees. Without this a genuine signature under one request would bear out the
//! leaf of another: the log's keeper has both. Of a refusal only target and purpose are compared, since what was refused may have stated a wrong digest or no such manner.

use http::{HeaderMap, HeaderName, HeaderValue};
use shuguan_adapters::catalogue::record_type;
use shuguan_ledger::leaf::{Event, PushEvent};

use crate::exchange::mode::{COUNT, MODE, Manner, PushMode, SCOPE};
use crate::signature::{Profile, Said, profile};

/// What is said of a base that is none.
const UNREADABLE: &str = "what its sender signed is no request as this gateway takes them";
/// Of a request to another place, of another kind, for another purpose or under other headers.
const OTHER_REQUEST: &str = "what its sender signed is another request than the one that the entry is about";
/// Of a request with another body.
const OTHER_BODY: &str = "what its sender signed is a request with another body";
/// Of a request that names another key.
const OTHER_KEY: &str = "what its sender signed names another key than the record";

/// What a leaf says was asked.
struct Wanted<'e> {
    profiles: &'static [&'static Profile],
    path: Option<String>,
    purpose: Option<&'e str>,
    /// Whether the body is the one that the digest in the base speaks of.
    taken: bool,
}

/// Compares what was signed with the leaf; `request` is the digest of the body and `keyid` the key that the record names.
pub(super) fn bears_out(event: &Event, base: &str, request: [u8; 32], keyid: Option<&str>) -> Result<(), &'static str> {
    let said = Said::read(base).ok_or(UNREADABLE)?;
    let wanted = wanted(event);
    let is_purpose = |purpose: &str| said.component("exchange-purpose") == Some(purpose);
    let asked = said.component("@method") == Some("POST")
        && wanted.profiles.iter().any(|profile| profile.tag == said.tag())
        && wanted
            .path
            .is_none_or(|path| said.path().is_some_and(|said| said.eq_ignore_ascii_case(&path)))
        && wanted.purpose.is_none_or(is_purpose);
    if !asked {
        return Err(OTHER_REQUEST);
    }
    if keyid.is_some_and(|keyid| keyid != said.keyid()) {
        return Err(OTHER_KEY);
    }
    if wanted.taken && said.content() != Some(request) {
        return Err(OTHER_BODY);
    }
    match event {
        Event::Push(push) if !is_manner(push, &said) => Err(OTHER_REQUEST),
        _ => Ok(()),
    }
}

fn wanted(event: &Event) -> Wanted<'_> {
    const PUSH: &[&Profile] = &[&profile::PUSH];
    const PULL: &[&Profile] = &[&profile::EXTRACT];
    const COMPARE: &[&Profile] = &[&profile::COMPARE];
    const ACK: &[&Profile] = &[&profile::ACK];
    const RECALL: &[&Profile] = &[&profile::RECALL];
    const TICKET: &[&Profile] = &[&profile::TICKET];
    const ANY: &[&Profile] = &[
        &profile::PUSH,
        &profile::EXTRACT,
        &profile::COMPARE,
        &profile::ACK,
        &profile::RECALL,
        &profile::TICKET,
    ];
    let of = |profiles, path: String, purpose| Wanted {
        profiles,
        path: Some(path),
        purpose,
        taken: true,
    };
    match event {
        Event::Push(push) => of(PUSH, feed(&push.rec), Some(push.pur.as_str())),
        Event::Pull(pull) => of(PULL, "/v1/extracts".into(), Some(pull.pur.as_str())),
        Event::Compare(compare) => of(COMPARE, "/v1/compare".into(), Some(compare.pur.as_str())),
        Event::ReceiptAck(ack) => of(ACK, format!("/v1/exchanges/{}/ack", ack.x), None),
        Event::Recall(recall) => of(RECALL, format!("/v1/exchanges/{}/recall", recall.push), None),
        Event::TicketAnswer(answer) => of(TICKET, format!("/v1/tickets/{}", answer.x), None),
        Event::Refusal(refusal) => Wanted {
            profiles: if refusal.rec.is_some() { PUSH } else { ANY },
            path: refusal.rec.as_deref().map(feed),
            purpose: refusal.pur.as_deref(),
            taken: false,
        },
        _ => Wanted {
            profiles: ANY,
            path: None,
            purpose: None,
            taken: true,
        },
    }
}

fn feed(record: &str) -> String {
    format!("/v1/feeds/{record}")
}

/// Whether the headers that change what a push means are those of the leaf.
fn is_manner(push: &PushEvent, said: &Said<'_>) -> bool {
    let mut headers = HeaderMap::new();
    for name in [MODE, SCOPE, COUNT] {
        if let Some(value) = said.component(name.as_str()).map(HeaderValue::from_str) {
            let Ok(value) = value else { return false };
            headers.insert(HeaderName::clone(&name), value);
        }
    }
    // A record type that this version does not know has no scope that it could read.
    let Some(record) = record_type(&push.rec) else {
        return true;
    };
    let Ok(manner) = Manner::of(&headers, record) else {
        return false;
    };
    let mode = (manner.mode != PushMode::Upsert).then(|| manner.mode.name());
    mode == push.mode.as_deref()
        && manner.mode.scope().map(ToString::to_string) == push.sco
        && manner.count == push.cnt
        && said.component("exchange-layout") == push.lay.as_deref()
}

#[cfg(test)]
mod tests {
    use shuguan_ledger::leaf::{Digest, Event, RecallEvent, Reference};

    use super::{OTHER_BODY, OTHER_KEY, OTHER_REQUEST, UNREADABLE, bears_out};
    use crate::opening::sealed_columns;
    use crate::signature::digest;

    const BODY: [u8; 32] = [7; 32];
    const KEY: &str = "sha256:00";

    /// A base of these components, in their order.
    fn base(tag: &str, target: &str, more: &[(&str, &str)]) -> String {
        let content = digest::write(&BODY);
        let fixed = [
            ("@method", "POST"),
            ("@target-uri", target),
            ("content-digest", &content),
            ("exchange-purpose", "enrolment.registration"),
        ];
        let components: Vec<(&str, &str)> = fixed.iter().chain(more).copied().collect();
        let lines: Vec<String> = components
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}\n"))
            .collect();
        let lines = lines.concat();
        let names: Vec<String> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let names = names.join(" ");
        format!("{lines}\"@signature-params\": ({names});created=1;keyid=\"{KEY}\";alg=\"ed25519\";tag=\"{tag}\"")
    }

    fn resident(more: &[(&str, &str)]) -> String {
        base(
            "shuguan-push-1",
            "https://gw.example:8443/v1/feeds/public-security/resident",
            more,
        )
    }

    fn said(event: &Event, base: &str) -> Result<(), &'static str> {
        bears_out(event, base, BODY, Some(KEY))
    }

    fn push(change: impl FnOnce(&mut shuguan_ledger::leaf::PushEvent)) -> Event {
        let mut push = sealed_columns().0;
        push.rec = "public-security/resident".into();
        push.pur = "enrolment.registration".into();
        (push.mode, push.sco, push.cnt, push.lay) = (None, None, None, None);
        change(&mut push);
        Event::Push(push)
    }

    #[test]
    fn a_request_bears_out_the_entry_that_it_asked_for() {
        assert_eq!(said(&push(|_| ()), &resident(&[])), Ok(()));
        assert_eq!(said(&push(|_| ()), &resident(&[("exchange-mode", "upsert")])), Ok(()));
        let snapshot = push(|push| {
            push.mode = Some("snapshot".into());
            push.sco = Some("hukou_region=320706,320707".into());
            push.cnt = Some(3);
            push.lay = Some("export".into());
        });
        // Codes in any order are one scope.
        let manner = [
            ("exchange-count", "3"),
            ("exchange-layout", "export"),
            ("exchange-mode", "snapshot"),
            ("exchange-scope", "hukou_region=320707, 320706"),
        ];
        assert_eq!(said(&snapshot, &resident(&manner)), Ok(()));
        assert_eq!(said(&snapshot, &resident(&[])), Err(OTHER_REQUEST));
        assert_eq!(said(&push(|_| ()), &resident(&manner)), Err(OTHER_REQUEST));
    }

    #[test]
    fn a_genuine_signature_under_another_request_bears_out_nothing() {
        let ours = resident(&[]);
        let others = [
            push(|push| push.rec = "tax/registration".into()),
            push(|push| push.pur = "enrolment.survey".into()),
            push(|push| push.mode = Some("delta".into())),
            push(|push| push.cnt = Some(5_000_000)),
            push(|push| push.lay = Some("export".into())),
        ];
        for other in others {
            assert_eq!(said(&other, &ours), Err(OTHER_REQUEST), "{other:?}");
        }
        let event = push(|_| ());
        for (from, to) in [("POST", "PUT"), ("shuguan-push-1", "shuguan-recall-1")] {
            assert_eq!(said(&event, &ours.replace(from, to)), Err(OTHER_REQUEST), "{to}");
        }
        assert_eq!(bears_out(&event, &ours, [8; 32], Some(KEY)), Err(OTHER_BODY));
        assert_eq!(bears_out(&event, &ours, BODY, Some("sha256:01")), Err(OTHER_KEY));
        assert_eq!(said(&event, "I agree"), Err(UNREADABLE));
    }

    #[test]
    fn a_recall_is_of_the_batch_in_its_address() {
        let push = "01998f3c-7a10-7000-8000-000000000001";
        let event = Event::Recall(RecallEvent {
            x: "01998f3c-7a10-7000-8000-000000000002".into(),
            p: "police".into(),
            rec: "public-security/resident".into(),
            push: push.into(),
            of: Reference {
                i: 1,
                h: Digest([0; 32]),
            },
            why: "wrong-batch".into(),
            req: shuguan_ledger::leaf::Commitment([0; 32]),
        });
        let of = |exchange: &str| {
            base(
                "shuguan-recall-1",
                &format!("https://gw.example/v1/exchanges/{exchange}/recall"),
                &[],
            )
        };
        assert_eq!(said(&event, &of(push)), Ok(()));
        assert_eq!(
            said(&event, &of("01998f3c-7a10-7000-8000-000000000009")),
            Err(OTHER_REQUEST)
        );
    }
}
