//! The routers of the console on a real journal, below TLS: the caller is put where the edge would put it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod clock;
mod unsealing;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use clap::Parser;
use http::{HeaderMap, StatusCode, header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::proof::held;
use super::shell::CONTENT_SECURITY_POLICY;
use super::{Console, router};
use crate::api::Api;
use crate::api::gate::Gate;
use crate::clock::Clock;
use crate::command::{self, Cli};
use crate::config::Config;
use crate::edge::deadline::BodyLimits;
use crate::edge::health::Readiness;
use crate::edge::{Caller, Peer};
use crate::exchange::Stations;
use crate::journal::{Entry, Query};
use crate::relay::RelayStatus;
use crate::serve::Gateway;
use shuguan_ledger::leaf::{AbortedEvent, Commitment, Digest, Event, OfficerQueryEvent};

/// The console of a fresh demo folder.
struct Office {
    folder: TempDir,
    gateway: Gateway,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The value of the page's first hidden token.
    fn token(&self) -> String {
        let (_, rest) = self.text.split_once(r#"name="token" value=""#).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl Office {
    async fn open() -> Self {
        Self::open_by(Clock::system()).await
    }

    async fn open_by(clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("gw");
        let cli = Cli::parse_from(["shuguan", "--quiet", "init", "--demo", dir.to_str().unwrap()]);
        command::main(cli);
        let mut config = Config::load(&dir.join("shuguan.toml")).unwrap();
        for address in [
            &mut config.listen.feed,
            &mut config.listen.console,
            &mut config.listen.health,
        ] {
            address.set_port(0);
        }
        let config_limits = config.limits.clone();
        let gateway = Gateway::start(config, clock).await.unwrap();
        let stations = Arc::clone(gateway.stations());
        let places = crate::api::places::Places::new(config_limits);
        let gate = Gate::new(stations.journal.clone(), places, Arc::default()).with_help(super::help);
        let console = Console {
            api: Api {
                stations,
                body: BodyLimits {
                    bytes_max: 1,
                    idle: std::time::Duration::from_secs(1),
                    rate_min: 1,
                },
            },
            relay: RelayStatus::default(),
            readiness: Readiness::new(Clock::system()),
            keeper: Arc::clone(gateway.keeper()),
            log_key: dir.join("keys/log.seed"),
        };
        Self {
            router: router(console, gate),
            folder,
            gateway,
        }
    }

    fn stations(&self) -> &Stations {
        self.gateway.stations()
    }

    fn officer(&self, id: &str) -> Caller {
        let path = self.folder.path().join("gw/officers").join(format!("{id}.pem"));
        let certificate = CertificateDer::from_pem_file(path).unwrap();
        let peer = Peer::identify(&certificate, &self.stations().policies.load()).unwrap();
        Caller::Peer(Arc::new(peer))
    }

    async fn send(&self, caller: Caller, request: axum::http::request::Builder, body: String) -> Answer {
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(caller);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, officer: &str, path: &str) -> Answer {
        let request = Request::get(path).header(header::HOST, "gw.example");
        self.send(self.officer(officer), request, String::new()).await
    }

    async fn ask(&self, officer: &str, path: &str, question: &Value) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "gw.example")
            .header(header::CONTENT_TYPE, "application/json");
        self.send(self.officer(officer), request, question.to_string()).await
    }

    async fn form(&self, officer: &str, path: &str, site: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "gw.example")
            .header("sec-fetch-site", site)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(self.officer(officer), request, form.to_owned()).await
    }

    /// Leaves of that kind in the log.
    async fn leaves(&self, kind: &str) -> usize {
        let query = Query {
            kind: Some(kind.into()),
            ..Query::default()
        };
        self.stations().journal.search(query).await.unwrap().len()
    }

    /// The exchange of some certificate act; a fresh demo has a dozen.
    async fn some_exchange(&self) -> String {
        let question = json!({ "case": "1", "why": "routine", "kind": "certificate", "limit": 1 });
        let found = self.ask("auditor-zhao", "/console/api/search", &question).await.json();
        found["items"][0]["exchange"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_sealed_before_it_is_answered_and_its_leaf_shows_neither_case_nor_filters() {
    let office = Office::open().await;
    let question = json!({ "case": "audit-2026-117", "why": "routine", "partner": "health-ganyu" });
    let answer = office.ask("auditor-zhao", "/console/api/search", &question).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let index = answer.json()["query_index"].as_u64().unwrap();
    let leaf = office.stations().journal.leaf(index).await.unwrap().unwrap();
    let text = String::from_utf8(leaf.bytes).unwrap();
    assert!(
        text.contains(r#""k":"officer-query""#) && text.contains("auditor-zhao"),
        "{text}"
    );
    assert!(!text.contains("2026-117") && !text.contains("ganyu"), "{text}");
    let evidence = office
        .stations()
        .journal
        .evidence(leaf.exchange.unwrap())
        .await
        .unwrap()
        .unwrap();
    let evidence = String::from_utf8(evidence.to_vec()).unwrap();
    assert!(evidence.contains("audit-2026-117") && evidence.contains("health-ganyu"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_officer_hangs_up_is_carried_out_to_its_end() {
    let office = Office::open().await;
    let request = Request::post("/console/api/relay")
        .header(header::HOST, "gw.example")
        .header(header::CONTENT_TYPE, "application/json");
    let order = json!({ "act": "pause" }).to_string();
    let mut asking = Box::pin(office.send(office.officer("operator-li"), request, order));
    // The journal is asked and has not answered; then the connection breaks.
    let unanswered = std::future::poll_fn(|cx| std::task::Poll::Ready(asking.as_mut().poll(cx).is_pending()));
    assert!(unanswered.await);
    drop(asking);
    office.stations().tasks.close();
    office.stations().tasks.wait().await;
    assert_eq!(office.leaves("operator").await, 1);
    let shown = office.get("operator-li", "/console/api/relay").await;
    assert_eq!(shown.json()["paused"], true, "the log says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_case_or_reason_is_refused_and_not_asked() {
    let office = Office::open().await;
    for question in [
        json!({ "why": "routine" }),
        json!({ "case": "1" }),
        json!({ "case": "1", "why": "because" }),
    ] {
        let answer = office.ask("auditor-zhao", "/console/api/search", &question).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "SG8101")
        );
    }
    assert_eq!(office.leaves("officer-query").await, 0);
    assert_eq!(office.leaves("refusal").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_officer_and_operator_see_the_overview_and_no_exchange() {
    let office = Office::open().await;
    let exchange = office.some_exchange().await;
    let asked = office.leaves("officer-query").await;
    for officer in ["policy-sun", "operator-li"] {
        let overview = office.get(officer, "/console/").await;
        assert_eq!(overview.status, StatusCode::OK);
        assert!(!overview.text.contains("/console/exchanges"));
        let question = json!({ "case": "1", "why": "routine", "exchange": exchange });
        for path in ["/console/api/search", "/console/api/show"] {
            let answer = office.ask(officer, path, &question).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::FORBIDDEN, "SG1107"),
                "{officer} {path}"
            );
        }
        assert_eq!(
            office.get(officer, "/console/exchanges").await.status,
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(office.leaves("officer-query").await, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_auditor_sees_what_officers_asked() {
    let office = Office::open().await;
    office.some_exchange().await;
    let question = json!({ "case": "1", "why": "incident", "kind": "officer-query" });
    let seen = office
        .ask("auditor-zhao", "/console/api/search", &question)
        .await
        .json();
    let query = seen["items"][0]["exchange"].clone();
    assert!(query.is_string());
    // An empty list would say that nobody asked.
    let refused = office.ask("security-qian", "/console/api/search", &question).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::FORBIDDEN, "SG1107")
    );
    let all = json!({ "case": "1", "why": "incident" });
    let all = office.ask("security-qian", "/console/api/search", &all).await.json();
    let items = all["items"].as_array().unwrap();
    assert!(
        !items.is_empty() && items.iter().all(|item| item["kind"] != "officer-query"),
        "{all}"
    );
    let question = json!({ "case": "1", "why": "incident", "exchange": query });
    let hidden = office.ask("security-qian", "/console/api/show", &question).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_leaf_there_is_no_answer() {
    let office = Office::open().await;
    office.stations().journal.clone().close().await.unwrap();
    let question = json!({ "case": "1", "why": "routine" });
    let answer = office.ask("auditor-zhao", "/console/api/search", &question).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "SG5101")
    );
    assert!(!answer.text.contains("items"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_shown_with_a_proof_made_anew() {
    let office = Office::open().await;
    let exchange = office.some_exchange().await;
    let question = json!({ "case": "1", "why": "court", "exchange": exchange });
    let shown = office.ask("security-qian", "/console/api/show", &question).await.json();
    assert_eq!(shown["proof"]["valid"], true, "{shown}");
    // That the log signed it is one thing, that somebody else did another: this one has no witness.
    let said = shown["proof"]["sentence"].as_str().unwrap();
    assert!(
        said.ends_with("this gateway has no witness: the log says so alone"),
        "{said}"
    );
    assert_eq!(shown["proof"]["witnesses"]["met"], false, "{shown}");
    let (receipt, index) = (
        shown["receipt"].as_str().unwrap(),
        shown["proof"]["index"].as_u64().unwrap(),
    );
    assert!(receipt.starts_with("c2sp.org/tlog-proof@v1"));
    // What witnesses signed is held against the leaf: what does not fit is a fault, and no signature that is still to come.
    let trust = office.stations().journal.trust();
    assert!(held(receipt, &trust, index).is_ok());
    let another = held(receipt, &trust, index + 1).map(|(size, _)| size);
    assert_eq!(another, Err("another leaf stands at this index".to_owned()));
    assert!(held(&receipt.replace("index ", "index 9"), &trust, index).is_err());
    let unknown = json!({ "case": "1", "why": "court", "exchange": uuid::Uuid::nil() });
    let asked = office.leaves("officer-query").await;
    let answer = office.ask("security-qian", "/console/api/show", &unknown).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        office.leaves("officer-query").await,
        asked + 1,
        "asking in vain is asking"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_needs_a_token_of_its_own_page_and_officer_and_no_other_site_can_send_it() {
    let office = Office::open().await;
    let page = office.get("auditor-zhao", "/console/exchanges").await;
    assert_eq!(office.leaves("officer-query").await, 0, "the empty form asks nothing");
    let list = "/console/exchanges";
    let good = format!("token={}&case=%E5%AE%A1-1&why=routine&limit=20&before=", page.token());
    for (officer, site, form) in [
        ("auditor-zhao", "cross-site", good.as_str()),
        ("auditor-zhao", "same-site", &good),
        ("auditor-zhao", "none", &good),
        ("auditor-zhao", "same-origin", "case=1&why=routine"),
        ("security-qian", "same-origin", &good),
    ] {
        let answer = office.form(officer, list, site, form).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "SG8102"),
            "{officer} {site} {form}"
        );
    }
    assert_eq!(office.leaves("officer-query").await, 0);
    let results = office.form("auditor-zhao", list, "same-origin", &good).await;
    assert_eq!(results.status, StatusCode::OK, "{}", results.text);
    assert_eq!(office.leaves("officer-query").await, 1);
    let detail = format!("/console/exchanges/{}", office.some_exchange().await);
    let foreign = office.form("auditor-zhao", &detail, "same-origin", &good).await;
    assert_eq!(foreign.code(), "SG8102", "the list's token does not open an exchange");
    let ask = office.get("auditor-zhao", &detail).await;
    let form = format!("token={}&case=1&why=incident", ask.token());
    let shown = office.form("auditor-zhao", &detail, "same-origin", &form).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains("有效") && !shown.text.contains("无效"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_security_headers_and_a_browser_gets_pages() {
    let office = Office::open().await;
    let plain = |path: &str| Request::get(path).header(header::HOST, "gw.example");
    let page = |path: &str| plain(path).header(header::ACCEPT, "text/html,*/*");
    let auditor = || office.officer("auditor-zhao");
    let answers = [
        office.send(auditor(), page("/console/"), String::new()).await,
        office.send(auditor(), page("/console/style.css"), String::new()).await,
        office
            .send(
                auditor(),
                page("/nowhere").header(header::ACCEPT_LANGUAGE, "en"),
                String::new(),
            )
            .await,
        office.send(auditor(), plain("/nowhere"), String::new()).await,
        office.send(auditor(), page("/console/api/search"), String::new()).await,
        office.send(Caller::Anonymous, page("/console/"), String::new()).await,
        office
            .send(
                Caller::Refused(crate::refusal::Refusal::WrongRole, None),
                page("/"),
                String::new(),
            )
            .await,
    ];
    for answer in &answers {
        let worn = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(worn("content-security-policy"), Some(CONTENT_SECURITY_POLICY));
        assert_eq!(worn("x-content-type-options"), Some("nosniff"));
        assert_eq!(worn("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(worn("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(worn("referrer-policy"), Some("no-referrer"));
        assert_eq!(worn("cache-control"), Some("no-store"));
        assert!(worn("permissions-policy").is_some() && worn("strict-transport-security").is_some());
        assert!(worn("set-cookie").is_none() && worn("server").is_none());
        // The policy would stop them; nothing should try.
        assert!(
            !answer.text.contains("<script") && !answer.text.contains(" style=") && !answer.text.contains("http://")
        );
    }
    let statuses = answers.each_ref().map(|answer| answer.status.as_u16());
    assert_eq!(statuses, [200, 200, 404, 404, 405, 403, 403]);
    let kinds = answers
        .each_ref()
        .map(|answer| answer.headers[header::CONTENT_TYPE].to_str().unwrap().to_owned());
    assert!(
        kinds[2].starts_with("text/html") && kinds[3] == "application/problem+json",
        "{kinds:?}"
    );
    assert!(answers[2].text.contains("SG2114") && answers[5].text.contains(".p12"));
    let english = crate::refusal::Refusal::NotFound.en();
    assert!(
        !answers[2].text.contains(english),
        "a page is in Chinese whatever the browser's language"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_other_questions_hides_how_often_an_officer_searched_for_persons() {
    let office = Office::open().await;
    let mut numbers = "0123456789X".chars().map(|check| format!("32070618010102000{check}"));
    let nobody = numbers.find(|number| crate::exchange::subjects::Number::read(number).is_some());
    let question = json!({ "person": nobody, "case": "T-1", "why": "complaint" });
    for _ in 0..10 {
        let answer = office.ask("auditor-zhao", "/console/api/person", &question).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let journal = &office.stations().journal;
    let ordinary = (0..1_100_u128).map(|n| {
        let event = Event::OfficerQuery(OfficerQueryEvent {
            who: "auditor-zhao".into(),
            case: Commitment([0; 32]),
            why: "complaint".into(),
            q: "search".into(),
            arg: Commitment([0; 32]),
        });
        journal.seal(Entry::new(uuid::Uuid::from_u128(n), event))
    });
    for sealed in futures_util::future::join_all(ordinary).await {
        sealed.unwrap();
    }
    let answer = office.ask("auditor-zhao", "/console/api/person", &question).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "SG2110")
    );
    assert_eq!(office.leaves("officer-result").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_broke_off_is_shown_in_red_with_its_reason_and_what_was_taken_in_green() {
    let office = Office::open().await;
    let exchange = uuid::Uuid::from_u128(7).to_string();
    let event = AbortedEvent {
        x: exchange.clone(),
        p: "tax-city".into(),
        rec: "tax/registration".into(),
        pur: "enrolment.registration".into(),
        bun: Digest([0; 32]),
        code: "sender-gone".into(),
    };
    office.stations().journal.abort(event).await.unwrap().unwrap();
    let shown = |exchange: String| {
        let office = &office;
        async move {
            let detail = format!("/console/exchanges/{exchange}");
            let ask = office.get("auditor-zhao", &detail).await;
            let form = format!("token={}&case=1&why=incident", ask.token());
            office.form("auditor-zhao", &detail, "same-origin", &form).await.text
        }
    };
    let broken = shown(exchange).await;
    assert!(
        broken.contains(r#"class="state red""#) && broken.contains("发送方已断开"),
        "{broken}"
    );
    assert!(broken.contains("税务登记") && broken.contains("上传中断"));
    let taken = shown(office.some_exchange().await).await;
    assert!(
        taken.contains(r#"class="state green""#) && !taken.contains(r#"class="state red""#),
        "{taken}"
    );
}
