//! Opening evidence records and destroying keys: two officers of different units, each act a leaf before it.

use std::sync::Arc;

use axum::http::Request;
use http::{StatusCode, header};
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Commitment, Digest, Event, ReceiptAckEvent, Reference};
use shuguan_policies::Partner;

use super::{Answer, Office};
use crate::bundle::OfficerKey;
use crate::edge::{Caller, Peer};
use crate::journal::{Entry, Query};
use crate::unseal::{SIGNERS, SignedBy, Statement};

/// What two officers do to open an evidence record; every step may be changed before it is sent.
struct Unsealing<'o> {
    office: &'o Office,
    statement: Statement,
}

impl<'o> Unsealing<'o> {
    /// About the exchange of an officer's own question, which has a record.
    async fn of(office: &'o Office) -> Self {
        let question = json!({ "case": "1", "why": "routine" });
        office.ask("auditor-zhao", "/console/api/search", &question).await;
        let query = Query {
            kind: Some("officer-query".into()),
            ..Query::default()
        };
        let asked = office.stations().journal.search(query).await.unwrap();
        let statement = Statement {
            exchange: asked[0].exchange.unwrap(),
            case: "2026-031".into(),
            why: "court".into(),
            asked_by: "spiffe://lyg.example/officer/security/information-security/qian".into(),
            asked_at_s: office.stations().clock.now_us() / 1_000_000,
            nonce: [3; 16],
        };
        Self { office, statement }
    }

    fn signature(&self, officer: &str) -> SignedBy {
        let folder = self.office.folder.path().join("gw/officers");
        let (key, certificate) = (
            folder.join(format!("{officer}.key")),
            folder.join(format!("{officer}.pem")),
        );
        let key = OfficerKey::from_pem_for(&key, &certificate, &SIGNERS).unwrap();
        let now_s = self.office.stations().clock.now_us() / 1_000_000;
        SignedBy::of(&key.sign_over(&self.statement.text(), now_s).unwrap())
    }

    fn order(&self, step: &str, signer: Option<&str>) -> Value {
        json!({
            "step": step, "exchange": self.statement.exchange, "case": self.statement.case, "why": self.statement.why,
            "statement": self.statement.text(), "signature": signer.map(|officer| self.signature(officer)),
        })
    }

    async fn send(&self, officer: &str, order: &Value) -> Answer {
        self.office.ask(officer, "/console/api/unseal", order).await
    }

    /// As somebody who has no certificate in the demo.
    async fn send_as(&self, peer: Peer, order: &Value) -> Answer {
        let request = Request::post("/console/api/unseal")
            .header(header::HOST, "gw.example")
            .header(header::CONTENT_TYPE, "application/json");
        let caller = Caller::Peer(Arc::new(peer));
        self.office.send(caller, request, order.to_string()).await
    }

    async fn refused(&self, officer: &str, order: &Value, code: &str) {
        let before = self.office.leaves("refusal").await;
        let answer = self.send(officer, order).await;
        assert_eq!(answer.code(), code, "{officer} {order} {}", answer.text);
        assert!(!answer.text.contains("secret"), "{}", answer.text);
        assert_eq!(self.office.leaves("refusal").await, before + 1, "a refusal is a leaf");
    }

    async fn steps(&self) -> usize {
        self.office.leaves("officer-unseal").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_opened_by_two_officers_of_different_units_each_step_a_leaf_before_it() {
    let office = Office::open().await;
    let unsealing = Unsealing::of(&office).await;
    let (ask, approve, open) = (
        unsealing.order("ask", Some("security-qian")),
        unsealing.order("approve", Some("auditor-zhao")),
        unsealing.order("open", None),
    );
    unsealing.refused("auditor-zhao", &approve, "SG8108").await;
    unsealing.refused("security-qian", &open, "SG8108").await;
    assert_eq!(unsealing.send("security-qian", &ask).await.status, StatusCode::OK);
    unsealing.refused("security-qian", &open, "SG8108").await;
    let listed = office.get("auditor-zhao", "/console/api/unseal").await.json();
    assert_eq!(listed["items"][0]["statement"], unsealing.statement.text());
    assert_eq!(unsealing.send("auditor-zhao", &approve).await.status, StatusCode::OK);
    let opened = unsealing.send("security-qian", &open).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
    let record = &opened.json()["record"];
    assert_eq!(record["case"], "1");
    assert_eq!(record["secret"].as_str().unwrap().len(), 64);
    assert_eq!(unsealing.steps().await, 3);
    let leaf = opened.json()["leaf"].as_u64().unwrap();
    let leaf = office.stations().journal.leaf(leaf).await.unwrap().unwrap();
    let text = String::from_utf8(leaf.bytes).unwrap();
    assert!(
        text.contains(r#""step":"open""#) && !text.contains("2026-031"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_opened_whatever_else_an_exchange_has_for_leaves() {
    let office = Office::open().await;
    let unsealing = Unsealing::of(&office).await;
    let exchange = unsealing.statement.exchange;
    let (ask, approve, open) = (
        unsealing.order("ask", Some("security-qian")),
        unsealing.order("approve", Some("auditor-zhao")),
        unsealing.order("open", None),
    );
    let journal = &office.stations().journal;
    // More than a page of an exchange shows.
    for n in 0..120 {
        let event = Event::ReceiptAck(ReceiptAckEvent {
            x: exchange.to_string(),
            of: Reference {
                i: 0,
                h: Digest([0; 32]),
            },
            verdict: format!("v{n}"),
            req: Commitment([0; 32]),
        });
        journal.seal(Entry::new(exchange, event)).await.unwrap();
    }
    assert_eq!(journal.exchange(exchange).await.unwrap().unwrap().leaves.len(), 100);
    for (officer, order) in [
        ("security-qian", &ask),
        ("auditor-zhao", &approve),
        // Said again, it is the same word and no leaf.
        ("auditor-zhao", &approve),
        // Asked again, it is approved all the same.
        ("security-qian", &ask),
        ("security-qian", &open),
    ] {
        let answer = unsealing.send(officer, order).await;
        assert_eq!(answer.status, StatusCode::OK, "{officer} {}", answer.text);
    }
    assert_eq!(unsealing.steps().await, 4);
    // The record of a step that stands behind that page; of another exchange's entry there is none.
    let step = |entry: u64| {
        let mut order = open.clone();
        order["entry"] = entry.into();
        order
    };
    let asked = journal
        .unsealing(exchange, Digest(unsealing.statement.digest()))
        .await
        .unwrap();
    let newest = asked.first().unwrap().index;
    let opened = unsealing.send("security-qian", &step(newest)).await.json();
    assert_eq!(opened["entry"], newest, "{opened}");
    assert!(opened["record"]["statement"].is_string(), "{opened}");
    for other in [0, u64::MAX] {
        unsealing.refused("security-qian", &step(other), "SG2114").await;
    }
    let mut early = ask.clone();
    early["entry"] = 1.into();
    unsealing.refused("security-qian", &early, "SG2101").await;
    assert_eq!(unsealing.steps().await, 5, "what is refused leaves no step");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_opens_a_record_alone_or_within_one_unit_or_too_late_or_without_a_case() {
    let office = Office::open().await;
    let mut unsealing = Unsealing::of(&office).await;
    let ask = |unsealing: &Unsealing<'_>| unsealing.order("ask", Some("security-qian"));
    // Who asks: the security officer himself, with a case, about what he signed.
    unsealing.refused("auditor-zhao", &ask(&unsealing), "SG1107").await;
    unsealing.refused("policy-sun", &ask(&unsealing), "SG1107").await;
    let with = |mut order: Value, member: &str, value: Value| {
        order[member] = value;
        order
    };
    for (member, value, code) in [
        ("case", json!(""), "SG8101"),
        ("case", json!("2026-032"), "SG8107"),
        ("why", json!("curious"), "SG8101"),
        ("why", json!("routine"), "SG8107"),
        ("exchange", json!(uuid::Uuid::nil()), "SG8107"),
        ("statement", json!("shuguan-unseal/v1\n"), "SG8107"),
        ("signature", json!(null), "SG8107"),
        ("signature", json!(unsealing.signature("auditor-zhao")), "SG8107"),
        ("who", json!("x"), "SG2101"),
    ] {
        unsealing
            .refused("security-qian", &with(ask(&unsealing), member, value), code)
            .await;
    }
    for signed_at_s in [i64::MIN, i64::MAX] {
        let mut order = ask(&unsealing);
        order["signature"]["signed_at_s"] = json!(signed_at_s);
        unsealing.refused("security-qian", &order, "SG8107").await;
    }
    let own = unsealing.statement.exchange;
    unsealing.statement.exchange = uuid::Uuid::from_u128(1);
    unsealing.refused("security-qian", &ask(&unsealing), "SG2114").await;
    unsealing.statement.exchange = own;
    let asked_at_s = unsealing.statement.asked_at_s;
    unsealing.statement.asked_at_s = asked_at_s - 3_600;
    unsealing.refused("security-qian", &ask(&unsealing), "SG8107").await;
    unsealing.statement.asked_at_s = asked_at_s - 24 * 3_600;
    unsealing.refused("security-qian", &ask(&unsealing), "SG8106").await;
    unsealing.statement.asked_at_s = asked_at_s;
    assert_eq!(unsealing.steps().await, 0);
    assert_eq!(
        unsealing.send("security-qian", &ask(&unsealing)).await.status,
        StatusCode::OK
    );

    // Who approves: an auditor, not the asker, of another unit, with his own signature.
    let approve = unsealing.order("approve", Some("auditor-zhao"));
    unsealing
        .refused(
            "security-qian",
            &unsealing.order("approve", Some("security-qian")),
            "SG8104",
        )
        .await;
    unsealing.refused("policy-sun", &approve, "SG1107").await;
    unsealing
        .refused(
            "auditor-zhao",
            &unsealing.order("approve", Some("security-qian")),
            "SG8107",
        )
        .await;
    let Caller::Peer(auditor) = office.officer("auditor-zhao") else {
        unreachable!()
    };
    let neighbour = Partner {
        unit: Some("information-security".into()),
        ..auditor.partner().clone()
    };
    let answer = unsealing.send_as(auditor.with_partner(neighbour), &approve).await;
    assert_eq!(answer.code(), "SG8105");
    assert_eq!(unsealing.steps().await, 1);
    // Who opens: the asker alone. A colleague has the right role, and is told what is wrong.
    assert_eq!(unsealing.send("auditor-zhao", &approve).await.status, StatusCode::OK);
    unsealing
        .refused("auditor-zhao", &unsealing.order("open", None), "SG1107")
        .await;
    let Caller::Peer(asker) = office.officer("security-qian") else {
        unreachable!()
    };
    let colleague = Partner {
        id: "security-wu".into(),
        spiffe: "spiffe://lyg.example/officer/security/information-security/wu".into(),
        ..asker.partner().clone()
    };
    let refusals = office.leaves("refusal").await;
    let answer = unsealing
        .send_as(asker.with_partner(colleague), &unsealing.order("open", None))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "SG8108")
    );
    assert!(answer.text.contains("another security officer"), "{}", answer.text);
    assert_eq!(office.leaves("refusal").await, refusals + 1);
    assert_eq!(unsealing.steps().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_destroyed_by_the_security_officer_with_a_case_and_the_record_stays_closed() {
    let office = Office::open().await;
    let unsealing = Unsealing::of(&office).await;
    let exchange = unsealing.statement.exchange;
    let order = json!({ "what": "evidence", "exchange": exchange, "case": "R-1", "why": "court" });
    let shred = async |officer: &str, order: &Value| office.ask(officer, "/console/api/shred", order).await;
    for officer in ["auditor-zhao", "policy-sun", "operator-li"] {
        assert_eq!(shred(officer, &order).await.code(), "SG1107", "{officer}");
    }
    let with = |member: &str, value: Value| {
        let mut order = order.clone();
        order[member] = value;
        order
    };
    for (wrong, code) in [
        (with("case", json!(" ")), "SG8101"),
        (with("why", json!("because")), "SG2101"),
        (with("before", json!("2020-01-01")), "SG2101"),
        (with("what", json!("index")), "SG2101"),
        (with("why", json!("retention")), "SG2101"),
        (with("what", json!("payload")), "SG2114"),
        (with("exchange", json!(uuid::Uuid::nil())), "SG2114"),
        (
            json!({ "what": "evidence", "before": "2026-11-01", "case": "R-1", "why": "retention" }),
            "SG2101",
        ),
        (
            json!({ "what": "index", "before": "2026-11-01", "case": "R-1", "why": "retention" }),
            "SG2101",
        ),
        (
            json!({ "what": "evidence", "before": "2020-01-01", "case": "R-1", "why": "retention" }),
            "SG2114",
        ),
    ] {
        assert_eq!(shred("security-qian", &wrong).await.code(), code, "{wrong}");
    }
    assert_eq!(office.leaves("shred").await, 0);
    let done = shred("security-qian", &order).await;
    assert_eq!(
        (done.status, office.leaves("shred").await),
        (StatusCode::OK, 1),
        "{}",
        done.text
    );
    unsealing
        .refused(
            "security-qian",
            &unsealing.order("ask", Some("security-qian")),
            "SG8103",
        )
        .await;
    let again = shred("security-qian", &order).await;
    assert!(
        again.code() == "SG8103" && again.text.contains("destroyed already: leaf"),
        "{}",
        again.text
    );
    let question = json!({ "case": "1", "why": "court", "exchange": exchange });
    let shown = office.ask("auditor-zhao", "/console/api/show", &question).await.json();
    assert_eq!(shown["proof"]["valid"], true, "it is still proved");
}

#[tokio::test(flavor = "multi_thread")]
async fn index_keys_go_after_the_leaf_that_counts_them_and_never_without_one() {
    let office = Office::open().await;
    let index = &office.stations().index;
    let year_us = |year: i64| (year - 1970) * 31_557_600_000_000 + 86_400_000_000 * 30;
    for year in [2019, 2020] {
        index.current(year_us(year)).unwrap();
    }
    let left = || index.ended_before(year_us(2022)).unwrap();
    assert_eq!(left(), ["2019", "2020"]);
    let order = json!({ "what": "index", "before": "2022-01-01", "case": "R-1", "why": "retention" });
    let shred = async || office.ask("security-qian", "/console/api/shred", &order).await;
    let done = shred().await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert_eq!(done.json()["keys"], 2);
    let leaf = done.json()["leaves"][0].as_u64().unwrap();
    let leaf = office.stations().journal.leaf(leaf).await.unwrap().unwrap();
    assert!(String::from_utf8(leaf.bytes).unwrap().contains(r#""cnt":2"#));
    assert_eq!((left().len(), office.leaves("shred").await), (0, 1));
    assert_eq!(shred().await.code(), "SG2114", "once");

    // One that a crash left is destroyed when he asks again, with a leaf of its own.
    index.current(year_us(2020)).unwrap();
    assert_eq!(shred().await.json()["keys"], 1);
    assert_eq!((left().len(), office.leaves("shred").await), (0, 2));

    // Without a leaf nothing is destroyed.
    index.current(year_us(2019)).unwrap();
    office.stations().journal.clone().close().await.unwrap();
    let refused = shred().await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "SG5101")
    );
    assert_eq!(left(), ["2019"]);
}
