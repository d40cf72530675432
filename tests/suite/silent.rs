//! A gateway that falls silent on a connection that stands: its process is stopped, and its machine goes on acknowledging.

use std::time::Duration;

use shuguan::client::deliver::push_file;
use shuguan::client::feed::{Asked, Feed};
use shuguan::client::silence::Silence;
use shuguan::client::undelivered::Undelivered;
use shuguan::client::{Client, ClientSettings, Listener};
use shuguan::command::output::Output;
use shuguan_ledger::trust::Trust;
use shuguan_tests::{Deployment, run};
use tokio::time::timeout;

use crate::feeds::{POLICE, RESIDENT, nobody, resident};

const SHORT: Silence = Silence {
    ask_after: Duration::from_millis(500),
    answer_within: Duration::from_millis(500),
};

#[test]
fn a_gateway_that_stands_still_counts_as_not_reached_and_what_it_was_sent_is_the_same_batch_when_it_goes_on() {
    let gateway = Deployment::new();
    let settings = ClientSettings::load(&gateway.path(&format!("partners/{POLICE}/client.toml"))).unwrap();
    let trust = Trust::parse(&std::fs::read_to_string(&settings.trust).unwrap()).unwrap();
    let file = gateway.path("feed.ndjson");
    std::fs::write(&file, resident(&nobody(1), "某某")).unwrap();
    let feed = Feed {
        file: &file,
        record: RESIDENT,
        purpose: "enrolment.registration",
        content_type: None,
        asked: Asked::default(),
        state: None,
        receipt: None,
        tie: None,
        again: false,
        patience: Duration::ZERO,
    };
    let quiet = Output {
        quiet: true,
        ..Output::default()
    };
    run(async {
        let running = gateway.serve();
        let client = Client::open(&settings, Listener::Feed).unwrap().with(SHORT);
        client.reach().await.unwrap();
        running.signal("STOP");
        let pushed = timeout(Duration::from_secs(20), push_file(&client, &trust, &feed, &quiet)).await;
        running.signal("CONT");
        let Err(Undelivered::Call(error)) = pushed.expect("it does not wait for ever") else {
            panic!("nobody answered");
        };
        assert_eq!(error.retry(), Some(None), "as of one that is down: {error}");
        assert_eq!(error.to_string(), "the gateway fell silent");
        let patient = Feed {
            patience: Duration::from_secs(20),
            ..feed.clone()
        };
        let pushed = push_file(&client, &trust, &patient, &quiet).await.expect("it goes on");
        assert_eq!(pushed.accepted, 1);
    });
    assert_eq!(gateway.leaves_of("push").len(), 1);
}
