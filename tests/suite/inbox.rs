//! The inbox has an end, in bytes and in age: what it does not take is told, nothing of it is accepted, and the others go on.

use shuguan_tests::{Call, Deployment, Unfinished, eventually, registry_rows, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, clean};
use crate::refusals::push;

#[test]
fn a_full_inbox_is_answered_503_and_nothing_is_accepted() {
    run(async {
        let deployment = Deployment::with(|text| {
            text.replace(
                "payloads = \"journal/payload\"\n",
                "payloads = \"journal/payload\"\ninbox_bytes_max = 1\n",
            )
            .replace(
                "database = \"registry/registry.db\"\n",
                "database = \"registry/registry.db\"\nrows_per_s = 1\n",
            )
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        // The relay takes one row a second, so the first batch fills the inbox for a while.
        let call = Call::push(RESIDENT, NDJSON, clean(RESIDENT, NDJSON, 9_000, 1));
        let first = running.call(call.clone(), &police).await.unwrap();
        assert_eq!(first.status, 202);
        let answer = running.call(push(), &police).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "SG2112"));
        assert!(answer.header("retry-after").parse::<u64>().is_ok());
        // Whose answer was lost on the way asks again and is told that it was accepted.
        let again = running.call(call, &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (202, &first.body));
    });
}

#[test]
fn uploads_side_by_side_fill_no_more_of_the_disk_than_the_inbox_may_have() {
    run(async {
        let deployment = Deployment::with(|text| {
            text.replace(
                "payloads = \"journal/payload\"\n",
                "payloads = \"journal/payload\"\ninbox_bytes_max = 1\n",
            )
        });
        let _running = deployment.serve();
        let police = deployment.partner(POLICE);
        // Two parts and more: the first is written when the second is there.
        let body = clean(RESIDENT, NDJSON, 17_000, 1);
        let large = || Call::push(RESIDENT, NDJSON, body.clone());
        // The index of its subjects lies beside a payload.
        let payloads = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".parts");
        let files = || {
            let all = std::fs::read_dir(deployment.path("journal/payload")).unwrap();
            all.map(|file| file.unwrap().file_name()).filter(payloads).count()
        };
        let first = Unfinished::begin(deployment.feed, &police, large()).await.unwrap();
        eventually("what comes is written before it has ended", 20, || files() == 1);
        // Admitted with the same room, and refused when it writes: the client may be told before it has sent all.
        let second = Unfinished::begin(deployment.feed, &police, large()).await.unwrap();
        let refused = second.finish().await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG2112"));
        assert_eq!(refused.header("retry-after"), "30");
        eventually("what was refused is gone", 20, || files() == 1);
        // What needs no file is taken all the while.
        assert!(first.is_open());
        let accepted = first.finish().await.unwrap();
        assert_eq!(accepted.status, 202);
    });
}

#[test]
fn a_batch_that_waits_for_too_long_bars_its_partner_until_it_is_in_the_registry_and_nobody_else() {
    run(async {
        let deployment = Deployment::new();
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let operate = |act: &str| {
            let (code, _, error) = deployment.shuguan(&["relay", act, "-c", "officers/operator-li.toml"]);
            assert_eq!(code, 0, "{error}");
        };
        operate("pause");
        let call = push();
        let first = running.call(call.clone(), &police).await.unwrap();
        assert_eq!(first.status, 202);
        assert_eq!(running.stop(), Some(0));
        // As if it had been paused for a day more than a batch may wait.
        let journal = rusqlite::Connection::open(deployment.journal()).unwrap();
        let aged = "UPDATE inbox SET changed_us = changed_us - ?1";
        assert_eq!(journal.execute(aged, [8 * 86_400_000_000_i64]).unwrap(), 1);
        drop(journal);
        let running = deployment.serve();
        let light = || {
            let (_, page) = running.health("/readyz").unwrap();
            let page: serde_json::Value = serde_json::from_str(&page).unwrap();
            let inbox = &page["checks"]["inbox"];
            let text = |member: &str| inbox[member].as_str().unwrap_or_default().to_owned();
            (text("state"), text("detail"))
        };
        eventually("the light says so", 10, || {
            let (state, detail) = light();
            state == "yellow" && detail.contains("batches of 1 partners") && detail.contains("8 days old")
        });
        let (_, metrics) = running.health("/metrics").unwrap();
        assert!(metrics.contains("shuguan_inbox_oldest_seconds 6912"), "{metrics}");
        assert!(metrics.contains("shuguan_inbox_overdue_partners 1"), "{metrics}");
        let refused = running.call(push(), &police).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "SG2122"));
        assert_eq!(refused.header("retry-after"), "300");
        // What was accepted is answered as it was, and others are not barred.
        let again = running.call(call, &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (202, &first.body));
        let death = "health/death-certificate";
        let call = Call::push(death, NDJSON, clean(death, NDJSON, 2, 1));
        let other = running.call(call, &deployment.partner("health-city")).await.unwrap();
        assert_eq!(other.status, 202);
        operate("resume");
        eventually("it is in the registry", 20, || light().0 == "green");
        assert_eq!(running.call(push(), &police).await.unwrap().status, 202);
        assert_eq!(running.stop(), Some(0));
        let refusals = deployment.leaves_of("refusal");
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(refusals[0]["code"], "inbox-overdue");
        assert_eq!(deployment.leaves_of("push").len(), 3);
        deployment.verified_log();
    });
}

#[test]
fn uploads_side_by_side_do_not_fill_more_than_half_of_the_inbox() {
    run(async {
        let with_room_for = |bytes: u64| {
            Deployment::with(|text| {
                text.replace(
                    "payloads = \"journal/payload\"\n",
                    &format!("payloads = \"journal/payload\"\ninbox_bytes_max = {bytes}\n"),
                )
                .replace(
                    "database = \"registry/registry.db\"\n",
                    "database = \"registry/registry.db\"\nrows_per_s = 1\n",
                )
            })
        };
        let feed = |seed| Call::push(RESIDENT, NDJSON, clean(RESIDENT, NDJSON, 9_000, seed));
        let deployment = with_room_for(1 << 30);
        let running = deployment.serve();
        let first = running.call(feed(1), &deployment.partner(POLICE)).await.unwrap();
        assert_eq!(first.status, 202);
        let bytes: u64 = registry_rows(&deployment.journal(), "SELECT bytes FROM inbox")[0]
            .parse()
            .unwrap();
        drop(running);
        // Room for three of them: with the second one he holds more than half.
        let deployment = with_room_for(bytes * 3);
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let (one, other) = tokio::join!(running.call(feed(1), &police), running.call(feed(2), &police));
        let mut answers: Vec<(u16, String)> = [one, other]
            .into_iter()
            .map(|answer| answer.unwrap())
            .map(|answer| {
                (
                    answer.status.as_u16(),
                    if answer.status == 202 {
                        String::new()
                    } else {
                        answer.code()
                    },
                )
            })
            .collect();
        answers.sort_unstable();
        assert_eq!(answers, [(202, String::new()), (503, "SG2112".to_owned())]);
        let held = registry_rows(&deployment.journal(), "SELECT count(*) FROM inbox");
        assert_eq!(held, ["1"]);
    });
}
