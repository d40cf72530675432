//! What needs no receipt is sealed, and once, though nothing of the log can be read.

use shuguan_ledger::leaf::{Commitment, Digest, Event, ReceiptAckEvent, Reference};

use super::{Bench, exchange};
use crate::exchange::owed::{Owed, OwedLeaf, TURN_MAX};
use crate::journal::{Entry, Query, SealError};

#[tokio::test]
async fn a_leaf_that_is_owed_is_settled_though_what_the_journal_says_of_it_cannot_be_read() {
    let bench = Bench::new();
    let journal = bench.open();
    let said = || {
        Event::ReceiptAck(ReceiptAckEvent {
            x: exchange(1).to_string(),
            of: Reference {
                i: 0,
                h: Digest([1; 32]),
            },
            verdict: "complete".into(),
            req: Commitment([2; 32]),
        })
    };
    journal.seal(Entry::new(exchange(1), said())).await.unwrap();
    // The sequencer has it open; nobody else can open it.
    let away = bench.folder.path().join("away.db");
    std::fs::rename(bench.database(), &away).unwrap();
    // It is said already, and the answer is where nobody can read it.
    let unread = journal.seal(Entry::new(exchange(1), said())).await;
    assert!(matches!(unread, Err(SealError::Unavailable)), "{unread:?}");
    let owed = Owed::default();
    let leaf = || OwedLeaf {
        exchange: exchange(1),
        partner: None,
        event: said(),
    };
    owed.owe(leaf());
    owed.settle(&journal, TURN_MAX).await;
    owed.seal(&journal, leaf()).await;
    assert!(owed.is_empty());
    std::fs::rename(&away, bench.database()).unwrap();
    let query = Query {
        kind: Some("receipt-ack".into()),
        ..Query::default()
    };
    assert_eq!(journal.search(query).await.unwrap().len(), 1);
}
