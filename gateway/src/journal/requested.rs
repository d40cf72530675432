//! Does a signed request ask for what its leaf says was done?
//!
//! Takes a leaf and the signature base of its evidence record; says what disagrees. Without this a genuine signature under one request would bear out the leaf of another:
//! the log's keeper has both. Of a refusal only target and purpose are compared, since what was refused may have stated a wrong digest or no such manner. Whose the
//! key is, a base does not say: that takes his certificate (`verify record --key`).

use http::{HeaderMap, HeaderName, HeaderValue};
use shuguan_adapters::catalogue::record_type;
use shuguan_ledger::leaf::{Event, Leaf, PushEvent};
use uuid::Uuid;

use crate::exchange::mode::{CONSTANTS, COUNT, MODE, Manner, PushMode, SCOPE};
use crate::signature::{Profile, Said, profile};

/// What is said of a base that is none.
const UNREADABLE: &str = "what its sender signed is no request as this gateway takes them";
/// Of a request to another place, of another kind, for another purpose or under other headers.
const OTHER_REQUEST: &str = "what its sender signed is another request than the one that the entry is about";
/// Of a request with another body.
const OTHER_BODY: &str = "what its sender signed is a request with another body";
/// Of a request that names another key.
const OTHER_KEY: &str = "what its sender signed names another key than the record";

/// How far a signature and its leaf may lie apart without anybody asking why: an upload, an extract and two clocks.
const APART_S: u64 = 86_400;

/// What a leaf says was asked.
struct Wanted<'e> {
    profiles: &'static [&'static Profile],
    path: Option<Path<'e>>,
    purpose: Option<&'e str>,
    /// Whether the body is the one that the digest in the base speaks of.
    taken: bool,
}

/// Where a request goes.
enum Path<'e> {
    Feed(&'e str),
    Fixed(&'static str),
    /// Before and behind an id, which whoever sends it may spell in any way that is one.
    Of(&'static str, &'e str, &'static str),
}

impl Path<'_> {
    fn is(&self, said: &str) -> bool {
        match self {
            Self::Feed(record) => said.strip_prefix("/v1/feeds/") == Some(record),
            Self::Fixed(path) => said == *path,
            Self::Of(before, id, behind) => {
                let named = said.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
                let named = named.and_then(|named| Uuid::parse_str(named).ok());
                named.is_some() && named == Uuid::parse_str(id).ok()
            }
        }
    }
}

/// Compares what was signed with the leaf; `request` is the digest of the body and `keyid` the key that the record names.
pub(super) fn bears_out(leaf: &Leaf, base: &str, request: [u8; 32], keyid: Option<&str>) -> Result<(), &'static str> {
    let event = &leaf.event;
    let said = Said::read(base).ok_or(UNREADABLE)?;
    let wanted = wanted(event);
    let is_purpose = |purpose: &str| said.component("exchange-purpose") == Some(purpose);
    let asked = said.component("@method") == Some("POST")
        && wanted.profiles.iter().any(|profile| profile.tag == said.tag())
        && wanted
            .path
            .is_none_or(|path| said.path().is_some_and(|said| path.is(&said)))
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

/// When a base was signed, seconds since 1970, if that is another day than its leaf's. It is no contradiction: the log's time stands while a step of the
/// machine's clock is held, by which signatures are judged, and a slow upload may last for days.
pub(super) fn another_day(leaf: &Leaf, base: &str) -> Option<i64> {
    let created = Said::read(base)?.created();
    let apart_s = leaf.when().div_euclid(1_000_000).abs_diff(created);
    (apart_s > APART_S).then_some(created)
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
    let of = |profiles, path, purpose| Wanted {
        profiles,
        path: Some(path),
        purpose,
        taken: true,
    };
    match event {
        Event::Push(push) => of(PUSH, Path::Feed(&push.rec), Some(push.pur.as_str())),
        Event::Pull(pull) => of(PULL, Path::Fixed("/v1/extracts"), Some(pull.pur.as_str())),
        Event::Compare(compare) => of(COMPARE, Path::Fixed("/v1/compare"), Some(compare.pur.as_str())),
        Event::ReceiptAck(ack) => of(ACK, Path::Of("/v1/exchanges/", &ack.x, "/ack"), None),
        Event::Recall(recall) => of(RECALL, Path::Of("/v1/exchanges/", &recall.push, "/recall"), None),
        Event::TicketAnswer(answer) => of(TICKET, Path::Of("/v1/tickets/", &answer.x, ""), None),
        Event::Refusal(refusal) => Wanted {
            profiles: if refusal.rec.is_some() { PUSH } else { ANY },
            path: refusal.rec.as_deref().map(Path::Feed),
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

/// Whether the headers that change what a push means are those of the leaf. A layout that nobody named is the configuration's own choice.
fn is_manner(push: &PushEvent, said: &Said<'_>) -> bool {
    let mut headers = HeaderMap::new();
    for name in [MODE, SCOPE, COUNT, CONSTANTS] {
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
        && (!manner.stated.is_empty()).then(|| manner.stated.to_string()) == push.con
        && said
            .component("exchange-layout")
            .is_none_or(|named| push.lay.as_deref() == Some(named))
}

#[cfg(test)]
mod tests {
    use shuguan_ledger::leaf::{Digest, Event, Leaf, RecallEvent, Reference};

    use super::{OTHER_BODY, OTHER_KEY, OTHER_REQUEST, UNREADABLE, another_day, bears_out};
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

    /// A leaf a few seconds after the signature.
    fn leaf(event: &Event) -> Leaf {
        Leaf::new(9_000_000, "gw1", "7f3a", event.clone())
    }

    fn said(event: &Event, base: &str) -> Result<(), &'static str> {
        bears_out(&leaf(event), base, BODY, Some(KEY))
    }

    fn push(change: impl FnOnce(&mut shuguan_ledger::leaf::PushEvent)) -> Event {
        let mut push = sealed_columns().0;
        push.rec = "public-security/resident".into();
        push.pur = "enrolment.registration".into();
        (push.mode, push.sco, push.cnt, push.lay, push.con) = (None, None, None, None, None);
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
    fn what_was_stated_of_the_file_is_what_the_entry_says() {
        let moved = push(|push| push.con = Some("hukou_region=320706".into()));
        let stated = |code| resident(&[("exchange-constants", code)]);
        assert_eq!(said(&moved, &stated("hukou_region=320706")), Ok(()));
        for other in ["hukou_region=320707", "birth_region=320706", "nonsense"] {
            assert_eq!(said(&moved, &stated(other)), Err(OTHER_REQUEST), "{other}");
        }
        assert_eq!(said(&moved, &resident(&[])), Err(OTHER_REQUEST));
        assert_eq!(said(&push(|_| ()), &stated("hukou_region=320706")), Err(OTHER_REQUEST));
    }

    #[test]
    fn a_genuine_signature_under_another_request_bears_out_nothing() {
        let ours = resident(&[]);
        let others = [
            push(|push| push.rec = "tax/registration".into()),
            push(|push| push.pur = "enrolment.survey".into()),
            push(|push| push.mode = Some("delta".into())),
            push(|push| push.cnt = Some(5_000_000)),
        ];
        for other in others {
            assert_eq!(said(&other, &ours), Err(OTHER_REQUEST), "{other:?}");
        }
        let event = push(|_| ());
        for (from, to) in [("POST", "PUT"), ("shuguan-push-1", "shuguan-recall-1")] {
            assert_eq!(said(&event, &ours.replace(from, to)), Err(OTHER_REQUEST), "{to}");
        }
        assert_eq!(bears_out(&leaf(&event), &ours, [8; 32], Some(KEY)), Err(OTHER_BODY));
        assert_eq!(bears_out(&leaf(&event), &ours, BODY, Some("sha256:01")), Err(OTHER_KEY));
        assert_eq!(said(&event, "I agree"), Err(UNREADABLE));
    }

    #[test]
    fn a_layout_is_compared_where_it_was_named_and_is_the_configurations_own_elsewhere() {
        let export = push(|push| push.lay = Some("export".into()));
        assert_eq!(said(&export, &resident(&[])), Ok(()));
        assert_eq!(said(&export, &resident(&[("exchange-layout", "export")])), Ok(()));
        for other in [&export, &push(|_| ())] {
            assert_eq!(
                said(other, &resident(&[("exchange-layout", "daily")])),
                Err(OTHER_REQUEST)
            );
        }
    }

    #[test]
    fn a_signature_of_another_day_is_told_and_is_no_contradiction() {
        let day_us = 86_400_000_000;
        for (moment, told) in [(1_000_000 + day_us, false), (3_000_000 + day_us, true)] {
            let late = Leaf::new(moment, "gw1", "7f3a", push(|_| ()));
            let base = resident(&[]);
            assert_eq!(bears_out(&late, &base, BODY, Some(KEY)), Ok(()));
            assert_eq!(another_day(&late, &base).is_some(), told);
        }
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
        // Every spelling of an id that the gateway takes.
        for push in [
            push,
            &push.to_uppercase(),
            &push.replace('-', ""),
            &format!("%7B{push}%7D"),
        ] {
            assert_eq!(said(&event, &of(push)), Ok(()), "{push}");
        }
        assert_eq!(said(&event, &of("all")), Err(OTHER_REQUEST));
        assert_eq!(
            said(&event, &of("01998f3c-7a10-7000-8000-000000000009")),
            Err(OTHER_REQUEST)
        );
    }
}
