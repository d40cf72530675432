//! The head file: an older copy of the journal that is put back is noticed at the start, also when the head lies on another volume.

use shuguan_tests::{Call, Deployment, eventually, leaves, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

/// Serves, takes one push, and stops.
fn one_push_more(gateway: &Deployment, n: u32) {
    run(async {
        let running = gateway.serve();
        let push = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "某某"));
        let answer = running.call(push, &gateway.partner(POLICE)).await.unwrap();
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        assert_eq!(running.stop(), Some(0));
    });
}

#[test]
fn an_older_journal_that_is_put_back_is_refused_and_the_gap_is_named() {
    let volume = tempfile::tempdir().unwrap();
    let head = volume.path().join("gw1.head");
    // `init` makes the head where the configuration says before it is changed here; a gateway moved like this has none at its first start.
    let gateway = Deployment::with(|text| {
        let line = text
            .lines()
            .find(|line| line.starts_with("#= head ="))
            .unwrap()
            .to_owned();
        text.replace(&line, &format!("head = {head:?}"))
    });
    one_push_more(&gateway, 1);
    assert!(gateway.log().contains("there is no head file"), "{}", gateway.log());
    let older = std::fs::read(gateway.journal()).unwrap();
    let then = leaves(&gateway.journal()).len();
    one_push_more(&gateway, 2);
    let newest = std::fs::read(gateway.journal()).unwrap();
    let now = leaves(&gateway.journal()).len();
    let checkpoint = std::fs::read_to_string(&head).unwrap();
    assert_eq!(
        checkpoint.lines().nth(1),
        Some(&*now.to_string()),
        "the head follows to the `stop` leaf"
    );

    std::fs::write(gateway.journal(), older).unwrap();
    let (code, error) = gateway.serve_in_vain();
    assert!(code == 6 && error.contains("SG7105"), "{code} {error}");
    let missing = format!("the last {} are missing", now - then);
    for told in [
        format!("holds {then} entries"),
        missing,
        head.display().to_string(),
        "next".into(),
    ] {
        assert!(error.contains(&told), "`{told}` is not in\n{error}");
    }
    assert_eq!(leaves(&gateway.journal()).len(), then, "nothing was sealed");
    assert_eq!(std::fs::read_to_string(&head).unwrap(), checkpoint);

    // Gone altogether: nobody is told to make a new one.
    let aside = gateway.path("aside.db");
    std::fs::rename(gateway.journal(), &aside).unwrap();
    let (code, error) = gateway.serve_in_vain();
    assert!(code == 6 && error.contains("SG7105"), "{code} {error}");
    assert!(
        error.contains(&format!("one of {now} entries was there")) && error.contains("Make no new one"),
        "{error}"
    );
    assert!(!gateway.journal().exists());
    std::fs::rename(&aside, gateway.journal()).unwrap();
    std::fs::write(gateway.journal(), newest).unwrap();
    one_push_more(&gateway, 3);
    let warned = gateway.log().matches("there is no head file").count();
    assert_eq!(warned, 1, "only the first start had none");
}

#[test]
fn the_head_is_written_while_the_gateway_serves_and_a_forged_one_is_refused() {
    let gateway = Deployment::new();
    let head = gateway.path("journal/journal.head");
    assert!(head.is_file(), "`init` makes it");
    run(async {
        let running = gateway.serve();
        let push = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        assert_eq!(running.call(push, &gateway.partner(POLICE)).await.unwrap().status, 202);
        eventually("the head follows", 10, || {
            let size = leaves(&gateway.journal()).len().to_string();
            std::fs::read_to_string(&head).unwrap().lines().nth(1) == Some(&*size)
        });
        // Killed, it stays behind the journal, and that is no reason not to start.
        running.kill();
    });
    one_push_more(&gateway, 2);
    let other = Deployment::new();
    std::fs::copy(other.path("journal/journal.head"), &head).unwrap();
    let (code, error) = gateway.serve_in_vain();
    assert!(code == 6 && error.contains("SG7105"), "{code} {error}");
    assert!(
        error.contains("is not a checkpoint that this log's key signed"),
        "{error}"
    );
}
