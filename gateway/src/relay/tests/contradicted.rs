//! Rows of the inbox that say something else than their leaf: only they are held, whatever they name.

use super::{Inbox, Journal, Running, one, quick, until_set_aside};
use crate::clock::Clock;
use crate::registry::tests::fixture::{ANNA, BORIS, RESIDENT, kept};
use crate::registry::tests::store::{Place, Store};

#[tokio::test]
async fn of_a_row_that_names_anothers_exchange_nothing_gets_in_and_the_other_goes_its_way() {
    let (place, registry) = Place::with(Store::Sqlite, &kept(&[&RESIDENT]));
    let mut inbox = Inbox::beside(&place);
    let changed = inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let named = inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    let settings = inbox.settings.clone();
    inbox.journal.close().await.unwrap();
    let journal = rusqlite::Connection::open(settings.place.file().unwrap()).unwrap();
    let rows = journal.execute(
        "UPDATE inbox SET exchange = (SELECT exchange FROM inbox WHERE leaf = 2) WHERE leaf = 1",
        [],
    );
    drop(journal);
    assert_eq!(rows.unwrap(), 1);
    inbox.journal = Journal::open(&settings, Clock::system()).unwrap();
    let running = Running::start(&inbox, &registry, quick());
    until_set_aside(&running, 1).await;
    let relayed = inbox.until_relayed(1).await;
    running.stop().await.unwrap();
    assert_eq!(relayed[0].x, named.to_string());
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["乙"]);
    let aside = inbox.journal.list_set_aside(None).await.unwrap();
    assert_eq!((aside.len(), aside[0].leaf_index, aside[0].exchange), (1, 1, changed));
    // The operator's word reaches it under the exchange that its leaf names.
    assert!(inbox.release(changed).await);
}
