#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn relayed(rows: u64) -> Leaf {
    let h = Digest([7; 32]);
    let of = Reference { i: 12_345, h };
    let event = RelayedEvent {
        x: "0193".into(),
        of,
        ins: rows,
        upd: 76,
        same: 900,
        fail: 0,
        del: None,
        batch: 1,
        ms: 61,
        rnd: None,
    };
    at(1_732_354_973_000_053, Event::Relayed(event))
}

fn at(t: i64, event: Event) -> Leaf {
    Leaf::new(t, "gw1", "7f3a", event)
}

#[test]
fn a_start_of_an_earlier_version_that_states_no_program_and_no_head_is_read() {
    let text = r#"{"b":"7f3a","k":"start","n":"gw1","size":3,"t":"2026-11-23T09:42:53.000053Z","v":"shuguan.leaf.v1","version":"0.1.0"}"#;
    let event = Leaf::decode(text.as_bytes()).unwrap().event;
    assert!(matches!(&event, Event::Start(start) if start.size == 3 && start.head.is_none() && start.bin.is_none()));
    for wrong in [r#""bin":"s:x","k""#, r#""bin":7,"k""#] {
        assert!(
            Leaf::decode(text.replace(r#""k""#, wrong).as_bytes()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_leaf_is_written_with_sorted_members_and_no_blanks() {
    let text = String::from_utf8(relayed(4012).encode().unwrap()).unwrap();
    let expected = concat!(
        r#"{"b":"7f3a","batch":1,"fail":0,"ins":4012,"k":"relayed","ms":61,"n":"gw1","#,
        r#""of":{"h":"s:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","i":12345},"same":900,"#,
        r#""t":"2024-11-23T09:42:53.000053Z","upd":76,"v":"shuguan.leaf.v1","x":"0193"}"#
    );
    assert_eq!(text, expected);
    assert_eq!(Leaf::decode(text.as_bytes()).unwrap(), relayed(4012));
}

#[test]
fn a_clock_that_says_the_same_as_the_leaf_or_later_is_refused() {
    let sealed = |clk| Leaf {
        clk: Some(clk),
        ..relayed(1)
    };
    let leaf = sealed(relayed(1).t - 1);
    assert_eq!(Leaf::decode(&leaf.encode().unwrap()).unwrap().when(), leaf.t - 1);
    for later in [0, 1] {
        let bytes = sealed(leaf.t + later).encode().unwrap();
        assert_eq!(Leaf::decode(&bytes), Err(LeafError::Member("clk")));
    }
}

#[test]
fn other_forms_of_the_same_leaf_are_refused() {
    use LeafError::{Kind, Member, NotCanonical, UnknownMember};
    let text = String::from_utf8(relayed(1).encode().unwrap()).unwrap();
    let cases = [
        (",\"batch\"", ", \"batch\"", NotCanonical(11)),
        (
            "\"b\":\"7f3a\",\"batch\":1",
            "\"batch\":1,\"b\":\"7f3a\"",
            NotCanonical(14),
        ),
        ("\"ms\":61", "\"ms\":6.1e1", NotCanonical(62)),
        ("\"ms\":61", "\"ms\":061", NotCanonical(61)),
        ("\"ms\":61", "\"ms\":-61", NotCanonical(61)),
        ("\"ms\":61", "\"ms\":9007199254740992", NotCanonical(61)),
        ("\"ms\":61", "\"ms\":true", NotCanonical(61)),
        ("\"ms\":61", "\"ms\":null", NotCanonical(61)),
        ("\"ms\":61", "\"ms\":[61]", NotCanonical(61)),
        ("\"ms\":61", "\"ms\":61,\"ms\":61", NotCanonical(68)),
        ("\"ms\":61", "\"ms\":61,\"mt\":1", UnknownMember),
        ("\"ms\":61,", "", Member("ms")),
        ("\"ms\":61", "\"ms\":\"61\"", Member("ms")),
        ("gw1", "gw\\u0031", NotCanonical(73)),
        ("gw1", "gw\\/", NotCanonical(73)),
        ("gw1", "gw\u{1}", NotCanonical(73)),
        ("leaf.v1", "leaf.v2", Kind),
        ("relayed", "relaid", Kind),
        ("s:Bwc", "c:Bwc", Member("h")),
        ("cHBwc\"", "cHBwd\"", Member("h")),
        ("cHBwc\"", "cHBwc=\"", Member("h")),
        ("\"i\":12345", "\"i\":12345,\"j\":1", UnknownMember),
        ("\"i\":12345", "\"i\":{\"a\":1}", NotCanonical(0)),
        ("000053Z", "000053z", Member("t")),
    ];
    for (from, to, expected) in cases {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        match (Leaf::decode(changed.as_bytes()).unwrap_err(), expected) {
            // Where exactly a reader stumbles is only looked at where it is obvious.
            (NotCanonical(_), NotCanonical(_)) => {}
            (found, expected) => assert_eq!(found, expected, "{changed}"),
        }
    }
    for whole in [
        format!("{text} "),
        format!(" {text}"),
        format!("{text}\n"),
        format!("\u{feff}{text}"),
        String::new(),
    ] {
        assert!(matches!(Leaf::decode(whole.as_bytes()), Err(NotCanonical(_))));
    }
    assert!(matches!(Leaf::decode(b"{}"), Err(NotCanonical(_))));
    assert!(matches!(Leaf::decode(b"{\"a\":\"\xff\"}"), Err(NotCanonical(6))));
}

#[test]
fn a_number_that_json_readers_would_round_is_refused() {
    assert_eq!(relayed(1 << 53).encode(), Err(LeafError::TooLarge));
    assert!(relayed((1 << 53) - 1).encode().is_ok());
}

#[test]
fn a_leaf_above_four_kibibytes_is_refused() {
    let stop = |reason: String| at(0, Event::Stop(StopEvent { reason }));
    assert_eq!(stop("x".repeat(LEAF_BYTES_MAX)).encode(), Err(LeafError::TooLong));
    assert_eq!(Leaf::decode(&vec![b'{'; LEAF_BYTES_MAX + 1]), Err(LeafError::TooLong));
    assert!(stop("x".repeat(LEAF_BYTES_MAX - 200)).encode().is_ok());
}

#[test]
fn an_object_three_levels_deep_is_refused_before_it_is_read() {
    let deep = "{\"a\":".repeat(700);
    assert!(matches!(Leaf::decode(deep.as_bytes()), Err(LeafError::NotCanonical(_))));
}

prop_compose! {
    fn reference()(i in 0_u64..1 << 53, h in any::<Hash>()) -> Reference {
        Reference { i, h: Digest(h) }
    }
}

prop_compose! {
    fn push()(
        words in vec(".{0,24}", 11), hashes in vec(any::<Hash>(), 6), counts in vec(0_u64..1 << 53, 8), asked in any::<bool>(),
    ) -> Event {
        let (mut words, mut hashes, mut counts) = (words.into_iter(), hashes.into_iter(), counts.into_iter());
        let (mut word, mut hash, mut count) = (
            || words.next().unwrap_or_default(),
            || hashes.next().unwrap_or_default(),
            || counts.next().unwrap_or_default(),
        );
        Event::Push(PushEvent {
            x: word(), p: word(), cert: Digest(hash()), rec: word(), pur: word(), agr: word(), plan: Digest(hash()), bun: Digest(hash()),
            fmt: word(), r#in: count(), ok: count(), rej: count(), fil: count(), rep: count(), bytes: count(), cols: Digest(hash()),
            nc: count(), req: Commitment(hash()), mode: asked.then(&mut word), sco: asked.then(&mut word), cnt: asked.then(&mut count),
            lay: asked.then(&mut word), con: asked.then(&mut word), qua: asked.then(|| Commitment(hash())), ix: asked.then_some(Commitment([7; 32])),
        })
    }
}

prop_compose! {
    fn pull()(word in ".{0,24}", h in any::<Hash>(), count in 0_u64..1 << 53, out in any::<Hash>()) -> Event {
        let hash = Digest(h);
        Event::Pull(PullEvent {
            x: word.clone(), p: word.clone(), cert: hash, ds: word.clone(), pur: word.clone(), agr: word.clone(), plan: hash, bun: hash,
            fmt: word, rows: count, fil: (count % 7 == 0).then_some(count), bytes: count, nc: count, cols: Digest(h), out: Commitment(out), sel: Commitment(h),
            case: Commitment(h), man: (count % 5 == 0).then_some(hash), req: (count % 3 == 0).then_some(Commitment(h)), ix: (count % 2 == 0).then_some(Commitment(h)),
        })
    }
}

prop_compose! {
    fn compare()(word in ".{0,24}", h in any::<Hash>(), count in 0_u64..1 << 53, out in any::<Hash>()) -> Event {
        let hash = Digest(h);
        Event::Compare(CompareEvent {
            x: word.clone(), p: word.clone(), cert: hash, ds: word.clone(), pur: word.clone(), agr: word, plan: hash, bun: hash,
            rows: count, abs: count / 2, bytes: count, nc: count, cols: Digest(h), out: Commitment(out),
            case: Commitment(h), req: Commitment(h), ix: Commitment(out),
        })
    }
}

prop_compose! {
    fn refusal()(
        x in option::of(".{0,9}"), p in ".{0,9}", code in "[a-z-]{1,20}", at in ".{0,9}", rec in option::of(".{0,9}"), ds in option::of(".{0,9}"),
        pur in option::of(".{0,9}"), bun in option::of(any::<Hash>()), cnt in option::of(0_u64..1 << 53),
    ) -> Event {
        Event::Refusal(RefusalEvent { x, p, code, at, rec, ds, pur, bun: bun.map(Digest), cnt, qua: bun.map(Commitment), req: bun.map(Commitment), ask: cnt, abs: cnt.map(|cnt| cnt / 2) })
    }
}

prop_compose! {
    fn policy()(
        result in "[a-z]{1,9}", by in ".{0,9}", serial in option::of(0_u64..1 << 53), bun in option::of(any::<Hash>()),
        prev in option::of(any::<Hash>()), signers in option::of(".{0,30}"), gone in option::of(0_u64..1 << 53),
        code in option::of("[a-z-]{1,20}"), grant in option::of(".{0,9}"), p in option::of(".{0,9}"),
    ) -> Event {
        let (bun, prev, stm) = (bun.map(Digest), prev.map(Digest), prev.map(Digest));
        Event::Policy(PolicyEvent { result, by, serial, bun, prev, stm, signers, back: serial, added: gone, gone, code, grant, p })
    }
}

/// What the log says of itself: its keys, a log that it succeeds, and that it had no room.
fn of_the_log() -> impl Strategy<Value = Event> {
    let word = || ".{0,24}";
    prop_oneof![
        word().prop_map(|of| Event::LogGap(LogGapEvent { of })),
        (word(), 0_u64..1 << 53, option::of(0_u64..1 << 53)).prop_map(|(since, cnt, free)| Event::Full(FullEvent {
            since,
            cnt,
            free
        })),
        (
            word(),
            word(),
            0_u64..1 << 53,
            any::<[u8; 32]>(),
            0_u64..1 << 53,
            word(),
            option::of(word())
        )
            .prop_map(|(log, of, size, root, kept, why, had)| {
                let root = Digest(root);
                Event::LogOpen(LogOpenEvent {
                    log,
                    of,
                    size,
                    root,
                    kept,
                    why,
                    had,
                })
            }),
        (word(), word(), word(), word(), word(), word()).prop_map(|(log, by, next, key, why, who)| {
            Event::LogClose(LogCloseEvent {
                log,
                by,
                next,
                key,
                why,
                who,
            })
        }),
        (word(), word(), word(), word(), 0_u64..1 << 53, word()).prop_map(|(act, suite, key, of, from, why)| {
            Event::Key(KeyEvent {
                act,
                suite,
                key,
                of,
                from,
                why,
            })
        }),
    ]
}

/// What became of a push or of a recall.
fn ends() -> impl Strategy<Value = Event> {
    let word = || ".{0,24}";
    prop_oneof![
        (word(), reference(), 0_u64..1 << 53).prop_map(|(x, of, n)| {
            Event::Relayed(RelayedEvent {
                x,
                of,
                ins: n,
                upd: n / 2,
                same: 0,
                fail: 1,
                del: (n % 2 == 0).then_some(n),
                batch: n,
                ms: n,
                rnd: (n % 2 == 0).then_some(Digest([7; 32])),
            })
        }),
        (word(), reference(), 0_u64..1 << 53, 0_u64..1 << 53).prop_map(|(x, of, del, opn)| {
            let rnd = (opn % 2 == 0).then_some(Digest([7; 32]));
            Event::Recalled(RecalledEvent { x, of, del, opn, rnd })
        }),
        (word(), reference(), word()).prop_map(|(x, of, code)| Event::SetAside(SetAsideEvent { x, of, code })),
        (word(), word(), any::<Hash>()).prop_map(|(x, p, h)| {
            let (rec, pur, code) = ("health/death".into(), "enrolment.survey".into(), "sender-gone".into());
            let bun = Digest(h);
            Event::Aborted(AbortedEvent {
                x,
                p,
                rec,
                pur,
                bun,
                code,
            })
        }),
    ]
}

fn start(word: impl Strategy<Value = String>) -> impl Strategy<Value = Event> {
    let size = || 0_u64..1 << 53;
    let members = (word, size(), option::of(size()), option::of(any::<[u8; 32]>()));
    members.prop_map(|(version, size, head, bin)| {
        let bin = bin.map(Digest);
        Event::Start(StartEvent {
            version,
            size,
            head,
            bin,
        })
    })
}

fn event() -> impl Strategy<Value = Event> {
    let word = || ".{0,24}";
    prop_oneof![
        push(),
        pull(),
        compare(),
        refusal(),
        policy(),
        ends(),
        (word(), word(), any::<Hash>()).prop_map(|(who, why, h)| {
            let (q, case, arg) = ("search".into(), Commitment(h), Commitment(h));
            Event::OfficerQuery(OfficerQueryEvent { who, case, why, q, arg })
        }),
        (word(), reference(), 0_u64..1 << 53).prop_map(|(who, of, cnt)| Event::OfficerResult(OfficerResultEvent {
            who,
            of,
            cnt
        })),
        (word(), word(), any::<Hash>(), option::of(reference())).prop_map(|(who, x, h, of)| {
            let (step, why, case) = ("ask".into(), "court".into(), Commitment(h));
            Event::OfficerUnseal(OfficerUnsealEvent {
                who,
                x,
                step,
                case,
                why,
                stmt: Digest(h),
                of,
            })
        }),
        (word(), any::<Hash>(), option::of(word()), 0_u64..1 << 53).prop_map(|(who, h, x, cnt)| {
            let (what, why, case) = ("evidence".into(), "retention".into(), Commitment(h));
            Event::Shred(ShredEvent {
                who,
                what,
                case,
                why,
                before: x.clone(),
                x,
                cnt,
            })
        }),
        start(word()),
        word().prop_map(|reason| Event::Stop(StopEvent { reason })),
        (word(), word(), word(), word())
            .prop_map(|(act, p, serial, at)| { Event::Certificate(CertificateEvent { act, p, serial, at }) }),
        (any::<[u8; 32]>(), option::of(any::<[u8; 32]>())).prop_map(|(cfg, prev)| {
            let (cfg, prev) = (Digest(cfg), prev.map(Digest));
            Event::Config(ConfigEvent { cfg, prev })
        }),
        (
            word(),
            word(),
            option::of(word()),
            option::of(word()),
            option::of(reference())
        )
            .prop_map(|(who, act, x, why, of)| Event::Operator(OperatorEvent { who, act, x, why, of })),
        (word(), 0_u64..1 << 53, 0_u64..1 << 53).prop_map(|(step, size, s)| Event::WitnessGap(WitnessGapEvent {
            step,
            size,
            s
        })),
        of_the_log(),
        (word(), word(), 0_u64..1 << 53, option::of(word())).prop_map(|(who, dir, ms, step)| {
            Event::Clock(ClockEvent {
                who,
                dir,
                ms,
                by: step.clone(),
                wall: step.clone(),
                log: step.clone(),
                step,
            })
        }),
        (word(), reference()).prop_map(|(x, of)| Event::Erased(ErasedEvent { x, of })),
        (word(), word(), reference(), word(), any::<Hash>()).prop_map(|(x, push, of, why, h)| Event::Recall(
            RecallEvent {
                p: x.clone(),
                rec: push.clone(),
                x,
                push,
                of,
                why,
                req: Commitment(h)
            }
        )),
        (word(), word(), word(), reference(), 0_u64..1 << 53).prop_map(|(x, who, push, of, row)| Event::Ticket(
            TicketEvent {
                p: who.clone(),
                rec: push.clone(),
                fld: x.clone(),
                x,
                who,
                push,
                of,
                row,
            }
        )),
        (word(), reference(), word(), any::<Hash>()).prop_map(|(x, of, say, h)| Event::TicketAnswer(
            TicketAnswerEvent {
                p: x.clone(),
                x,
                of,
                say,
                req: Commitment(h)
            }
        )),
        (word(), reference(), word(), any::<Hash>()).prop_map(|(x, of, verdict, h)| Event::ReceiptAck(
            ReceiptAckEvent {
                x,
                of,
                verdict,
                req: Commitment(h)
            }
        )),
    ]
}

proptest! {
    #[test]
    fn every_leaf_survives_its_own_bytes_which_another_writer_of_json_agrees_with(t in 0_i64..1 << 52, ahead in option::of(1_i64..1 << 40), event in event()) {
        let clk = ahead.map(|ahead| t - ahead).filter(|clk| *clk >= 0);
        let leaf = Leaf { clk, ..at(t, event) };
        let bytes = leaf.encode().unwrap();
        prop_assert_eq!(Leaf::decode(&bytes).unwrap(), leaf);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(serde_json::to_vec(&value).unwrap(), bytes);
    }

    #[test]
    fn a_changed_byte_is_refused_or_is_another_leaf_in_canonical_form(event in event(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = at(0, event).encode().unwrap();
        let place = place.index(bytes.len());
        if let Some(old) = bytes.get_mut(place) {
            *old = byte;
        }
        if let Ok(leaf) = Leaf::decode(&bytes) {
            prop_assert_eq!(leaf.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn any_bytes_decode_to_what_encodes_to_them_or_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(leaf) = Leaf::decode(&bytes) {
            prop_assert_eq!(leaf.encode().unwrap(), bytes);
        }
    }
}
