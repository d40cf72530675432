//! What an entry of the log says, in one sentence.
//!
//! Takes a proved leaf; gives who did what and why, out of its members alone. Refuses nothing: a word that this version does not know is shown as it stands.
//! What a leaf only commits to (cases, arguments, rows) no sentence can tell.

use shuguan_ledger::leaf::{
    CertificateEvent, ClockEvent, ConfigEvent, Event, LogOpenEvent, OfficerUnsealEvent, OperatorEvent, PolicyEvent,
    PushEvent, RefusalEvent, RelayedEvent, ShredEvent, StartEvent, WitnessGapEvent,
};
use shuguan_ledger::receipt::Proven;

use super::keys;
use crate::hex::hex;

/// What the log holds, in words.
pub(super) fn sentence(proven: &Proven) -> String {
    let (origin, index) = (&proven.checkpoint.origin, proven.index);
    let joint = match &proven.leaf.event {
        Event::LogClose(_) | Event::Key(_) => ":",
        _ => " that",
    };
    format!(
        "the log `{origin}` holds as entry {index}{joint} {}",
        says(&proven.leaf.event)
    )
}

fn says(event: &Event) -> String {
    match event {
        Event::Push(event) => push(event),
        Event::Pull(event) => format!(
            "{} rows of `{}` were prepared for `{}`, for `{}`",
            event.rows, event.ds, event.p, event.pur
        ),
        Event::Compare(event) => format!(
            "`{}` had {} rows of claims compared with `{}` for `{}`",
            event.p, event.rows, event.ds, event.pur
        ),
        Event::ReceiptAck(event) => format!(
            "the receiver of the exchange {} (entry {}) said with its signature that it {}",
            event.x,
            event.of.i,
            received(&event.verdict)
        ),
        Event::Refusal(event) => refusal(event),
        Event::Relayed(event) => relayed(event),
        Event::SetAside(event) => format!(
            "the batch {} was set aside on its way to the registry: {}",
            event.x, event.code
        ),
        Event::Aborted(event) => format!(
            "`{}` began to deliver `{}` and was gone before the end: nothing was accepted",
            event.p, event.rec
        ),
        Event::Recall(event) => format!(
            "`{}` withdrew its exchange {} of `{}`: {}",
            event.p, event.push, event.rec, event.why
        ),
        Event::Recalled(event) => format!(
            "the registry holds nothing any more of what the recall {} (entry {}) withdrew: {} rows went, {} that they had closed are open again",
            event.x, event.of.i, event.del, event.opn
        ),
        Event::Erased(event) => format!(
            "the payload of the exchange {} (entry {}) and its key were deleted",
            event.x, event.of.i
        ),
        Event::Ticket(event) => format!(
            "`{}` was asked to check `{}` of row {} of its exchange {}",
            event.p, event.fld, event.row, event.push
        ),
        Event::TicketAnswer(event) => format!("`{}` answered the ticket {}: {}", event.p, event.x, event.say),
        other => of_the_house(other),
    }
}

/// What officers, operators and the gateway itself did.
fn of_the_house(event: &Event) -> String {
    match event {
        Event::OfficerQuery(event) => format!(
            "the officer `{}` asked the log (`{}`) for the reason `{}`; case and question are under a commitment",
            event.who, event.q, event.why
        ),
        Event::OfficerResult(event) => format!(
            "what the officer `{}` asked at entry {} found {} exchanges",
            event.who, event.of.i, event.cnt
        ),
        Event::OfficerUnseal(event) => unseal(event),
        Event::Shred(event) => shred(event),
        Event::Operator(event) => operator(event),
        Event::Certificate(event) => certificate(event),
        Event::Policy(event) => policy(event),
        Event::Config(event) => config(event),
        Event::Start(event) => start(event),
        Event::Stop(event) => format!("the gateway stopped: {}", event.reason),
        Event::WitnessGap(event) => witness_gap(event),
        Event::Clock(event) => clock(event),
        Event::LogClose(event) => keys::closing(event),
        Event::LogOpen(event) => log_open(event),
        Event::LogGap(event) => format!("the entry of `{}` at this index is lost", event.of),
        Event::Key(event) => keys::sentence(event),
        Event::Full(event) => format!(
            "from {} on the disk had no room for {} groups of entries, of which nothing was accepted; it goes on",
            event.since, event.cnt
        ),
        other => format!("there is an entry of the kind `{}`", other.kind()),
    }
}

/// A snapshot and a delta say also what is not in them.
fn push(event: &PushEvent) -> String {
    let (records, purpose) = (format!("{} records of `{}`", event.r#in, event.rec), &event.pur);
    let accepted = format!("{} were accepted", event.ok);
    let p = &event.p;
    match event.mode.as_deref() {
        None => format!("`{p}` delivered {records} for `{purpose}` and {accepted}"),
        Some("snapshot") => format!(
            "`{p}` delivered a snapshot (`{}`) of {records} for `{purpose}`, by which what it lacks is closed, and {accepted}",
            event.sco.as_deref().unwrap_or("all")
        ),
        Some(mode) => format!("`{p}` delivered a {mode} of {records} for `{purpose}` and {accepted}"),
    }
}

fn refusal(event: &RefusalEvent) -> String {
    let whom = match event.p.as_str() {
        "-" => "a caller without an identity".to_owned(),
        partner => format!("`{partner}`"),
    };
    let often = event
        .cnt
        .map_or(String::new(), |count| format!(" {count} times within a minute"));
    format!("{whom} was refused{often}: {}", event.code)
}

fn received(verdict: &str) -> String {
    match verdict {
        "complete" => "came complete".into(),
        "damaged" => "came damaged".into(),
        "deleted" => "was deleted".into(),
        other => format!("is `{other}`"),
    }
}

fn relayed(event: &RelayedEvent) -> String {
    let closed = event.del.map_or(String::new(), |closed| format!(", {closed} closed"));
    format!(
        "the batch {} (entry {}) came into the registry: {} rows inserted, {} updated{closed}, {} there so or newer before, {} refused by it",
        event.x, event.of.i, event.ins, event.upd, event.same, event.fail
    )
}

fn unseal(event: &OfficerUnsealEvent) -> String {
    let step = match event.step.as_str() {
        "ask" => "asked to open".to_owned(),
        "approve" => "approved to open".to_owned(),
        "open" => "opened".to_owned(),
        other => format!("did `{other}` about"),
    };
    format!(
        "the officer `{}` {step} the evidence record of the exchange {}, for the reason `{}`",
        event.who, event.x, event.why
    )
}

fn shred(event: &ShredEvent) -> String {
    let of = match (&event.x, &event.before) {
        (Some(exchange), _) => format!(" of the exchange {exchange}"),
        (None, Some(before)) => format!(" of everything sealed before {before}"),
        (None, None) => String::new(),
    };
    format!(
        "the officer `{}` destroyed {} keys (`{}`){of}, for the reason `{}`",
        event.who, event.cnt, event.what, event.why
    )
}

fn operator(event: &OperatorEvent) -> String {
    let exchange = event.x.as_deref().unwrap_or("-");
    let did = match event.act.as_str() {
        "paused" => "paused the relay to the registry".to_owned(),
        "resumed" => "let the relay to the registry go on".to_owned(),
        "released-again" => format!("had the batch {exchange}, which was set aside, tried again"),
        "discarded" => format!("gave the batch {exchange} up, so that its rows do not come into the registry"),
        "fed-again" => format!("had the batch {exchange}, which the registry had lost, fed to it again"),
        other => format!("did `{other}` about {exchange}"),
    };
    let why = event.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    format!("the operator `{}` {did}{why}", event.who)
}

fn certificate(event: &CertificateEvent) -> String {
    let (serial, at) = (&event.serial, &event.at);
    match event.act.as_str() {
        "crl" => format!("the authority published its revocation list number {serial} at {at}"),
        act => format!("the authority {act} the certificate {serial} of `{}` at {at}", event.p),
    }
}

fn policy(event: &PolicyEvent) -> String {
    let number = event.serial.map_or(String::new(), |serial| format!(" number {serial}"));
    let (by, result) = (&event.by, event.result.as_str());
    match result {
        "loaded" => {
            let signers = event.signers.as_ref();
            let signers = signers.map_or(String::new(), |signers| {
                format!(", signed by {}", signers.replace(' ', " and "))
            });
            format!("the policy bundle{number} came into force, brought by `{by}`{signers}")
        }
        "refused" => {
            let code = event.code.as_deref().unwrap_or("no reason stated");
            format!("the policy bundle{number}, offered by `{by}`, was refused: {code}")
        }
        "revoked" => {
            let gone = event.grant.as_ref().map(|grant| format!("the grant `{grant}`"));
            let gone = gone.or_else(|| event.p.as_ref().map(|partner| format!("the partner `{partner}`")));
            let gone = gone.unwrap_or_else(|| "what it took away".into());
            format!("{gone} ended with the policy bundle{number}, brought by `{by}`")
        }
        other => format!("the policy bundle{number}, brought by `{by}`, is `{other}`"),
    }
}

fn config(event: &ConfigEvent) -> String {
    let before = match &event.prev {
        Some(_) => "another than the time before",
        None => "the first that the log knows",
    };
    format!(
        "the gateway started with the configuration of SHA-256 {}, {before}",
        hex(&event.cfg.0)
    )
}

fn start(event: &StartEvent) -> String {
    format!(
        "the gateway started, version {}, and found {} entries",
        event.version, event.size
    )
}

fn witness_gap(event: &WitnessGapEvent) -> String {
    let (size, seconds) = (event.size, event.s);
    match event.step.as_str() {
        "end" => {
            format!("a quorum of witnesses signed the log again, of {size} entries, after {seconds} s without one")
        }
        _ => format!("no quorum of witnesses signed more than {size} entries for {seconds} s"),
    }
}

fn clock(event: &ClockEvent) -> String {
    let step = event.step.as_ref().map_or(String::new(), |step| match &event.by {
        Some(by) => format!("; the step is {step} ({by})"),
        None => format!("; the step is {step}"),
    });
    format!(
        "the clock of `{}` was at least {} ms {}{step}",
        event.who, event.ms, event.dir
    )
}

fn log_open(event: &LogOpenEvent) -> String {
    let (of, size) = (&event.of, event.size);
    if event.is_turn() {
        return format!("it succeeds the volume `{of}`, which was closed at {size} entries; none is lost");
    }
    let lost = size.saturating_sub(event.kept);
    format!("it succeeds `{of}`, which was closed at {size} entries, and that {lost} of those are lost")
}

#[cfg(test)]
mod tests {
    use shuguan_ledger::leaf::{
        Commitment, Digest, ErasedEvent, OfficerQueryEvent, OfficerResultEvent, RecalledEvent, ReceiptAckEvent,
        Reference,
    };

    use super::*;

    fn of() -> Reference {
        let h = Digest([0; 32]);
        Reference { i: 7, h }
    }

    fn ack(verdict: &str) -> Event {
        Event::ReceiptAck(ReceiptAckEvent {
            x: "a".into(),
            of: of(),
            verdict: verdict.into(),
            req: Commitment([0; 32]),
        })
    }

    fn act(act: &str, x: Option<&str>, why: Option<&str>) -> Event {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Event::Operator(OperatorEvent::of_act("li", act, owned(x), owned(why)))
    }

    fn bundle(result: &str) -> PolicyEvent {
        PolicyEvent {
            result: result.into(),
            by: "start".into(),
            serial: Some(4),
            bun: None,
            prev: None,
            stm: None,
            signers: Some("sun qian".into()),
            back: None,
            added: None,
            gone: None,
            code: (result == "refused").then(|| "stale-bundle".into()),
            grant: (result == "revoked").then(|| "g".into()),
            p: None,
        }
    }

    #[test]
    fn a_snapshot_and_a_delta_do_not_read_like_an_upsert() {
        let (mut event, _) = crate::opening::sealed_columns();
        assert_eq!(
            push(&event),
            "`a` delivered 0 records of `r` for `p` and 0 were accepted"
        );
        event.mode = Some("snapshot".into());
        event.sco = Some("hukou_region=320706".into());
        let expected = "`a` delivered a snapshot (`hukou_region=320706`) of 0 records of `r` for `p`, by which what it lacks is closed, and 0 were accepted";
        assert_eq!(push(&event), expected);
        event.mode = Some("delta".into());
        assert_eq!(
            push(&event),
            "`a` delivered a delta of 0 records of `r` for `p` and 0 were accepted"
        );
    }

    #[test]
    fn a_receiver_says_what_became_of_it() {
        let said = "the receiver of the exchange a (entry 7) said with its signature that it ";
        for (verdict, words) in [
            ("complete", "came complete"),
            ("damaged", "came damaged"),
            ("deleted", "was deleted"),
            ("a-later-word", "is `a-later-word`"),
        ] {
            assert_eq!(says(&ack(verdict)), format!("{said}{words}"));
        }
    }

    #[test]
    fn an_operator_an_officer_and_a_bundle_are_named_with_what_they_did_and_why() {
        let (case, arg) = (Commitment([0; 32]), Commitment([0; 32]));
        let query = OfficerQueryEvent {
            who: "zhao".into(),
            case,
            why: "complaint".into(),
            q: "by-person".into(),
            arg,
        };
        let result = OfficerResultEvent {
            who: "zhao".into(),
            of: of(),
            cnt: 3,
        };
        for (event, words) in [
            (
                act("discarded", Some("a"), Some("superseded")),
                "the operator `li` gave the batch a up, so that its rows do not come into the registry: superseded",
            ),
            (
                act("paused", None, None),
                "the operator `li` paused the relay to the registry",
            ),
            (act("later", None, None), "the operator `li` did `later` about -"),
            (
                Event::OfficerQuery(query),
                "the officer `zhao` asked the log (`by-person`) for the reason `complaint`; case and question are under a commitment",
            ),
            (
                Event::OfficerResult(result),
                "what the officer `zhao` asked at entry 7 found 3 exchanges",
            ),
            (
                Event::Policy(bundle("loaded")),
                "the policy bundle number 4 came into force, brought by `start`, signed by sun and qian",
            ),
            (
                Event::Policy(bundle("refused")),
                "the policy bundle number 4, offered by `start`, was refused: stale-bundle",
            ),
            (
                Event::Policy(bundle("revoked")),
                "the grant `g` ended with the policy bundle number 4, brought by `start`",
            ),
        ] {
            assert_eq!(says(&event), words);
        }
    }

    #[test]
    fn what_became_of_a_batch_names_it_and_its_entry() {
        let (x, of) = ("a".to_owned(), of());
        let erased = Event::Erased(ErasedEvent { x: x.clone(), of });
        assert_eq!(
            says(&erased),
            "the payload of the exchange a (entry 7) and its key were deleted"
        );
        let recalled = Event::Recalled(RecalledEvent {
            x,
            of,
            del: 2,
            opn: 1,
            rnd: None,
        });
        let words = says(&recalled);
        assert!(
            words.contains("the recall a (entry 7)") && words.contains("2 rows went"),
            "{words}"
        );
    }
}
