//! What a partner may send in an hour, a day and at once, and that nobody gets round it or waits for it.

use std::time::Duration;

use shuguan_tests::{Call, Deployment, Unfinished, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, clean, nobody, resident};
use crate::refusals::{push, refusals};

#[test]
fn a_partner_over_its_rate_is_told_when_to_come_back_and_the_others_are_not_held_up() {
    run(async {
        let deployment = Deployment::with(|text| {
            text.replace(
                "[limits.default]",
                "[limits.default]\nrequests_per_s = 1\nrequests_burst = 2",
            )
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let mut limited = None;
        for n in 0..4 {
            let call = Call::push(RESIDENT, NDJSON, resident(&nobody(n), "甲"));
            let answer = running.call(call, &police).await.unwrap();
            if answer.status == 429 {
                limited = Some(answer);
                break;
            }
            assert_eq!(answer.status, 202);
            assert!(
                answer.header("ratelimit").contains("r="),
                "{}",
                answer.header("ratelimit")
            );
        }
        let limited = limited.expect("a 429");
        assert_eq!(limited.code(), "SG2110");
        assert!(
            limited
                .header("retry-after")
                .parse::<u64>()
                .is_ok_and(|seconds| seconds >= 1)
        );
        assert!(limited.header("ratelimit-policy").contains("q=1"));
        let feed = clean("health/death-certificate", NDJSON, 2, 1);
        let call = Call::push("health/death-certificate", NDJSON, feed);
        assert_eq!(
            running
                .call(call, &deployment.partner("health-city"))
                .await
                .unwrap()
                .status,
            202
        );
    });
}

#[test]
fn a_sender_over_its_bytes_is_read_more_slowly_and_loses_nothing_and_others_do_not_wait() {
    run(async {
        let deployment = Deployment::with(|text| {
            let standard = "#= bytes_per_s = 125000000";
            assert!(text.contains(standard));
            text.replace(standard, "bytes_per_s = 10000")
        });
        let running = deployment.serve();
        let feed = clean(RESIDENT, NDJSON, 100, 1);
        let seconds = feed.len() as u64 / 10_000;
        assert!((3..=8).contains(&seconds), "{}", feed.len());
        let police = deployment.partner(POLICE);
        let began = std::time::Instant::now();
        let slow = async {
            let answer = running.call(Call::push(RESIDENT, NDJSON, feed), &police).await.unwrap();
            (answer, began.elapsed())
        };
        let death = "health/death-certificate";
        let other = async {
            let call = Call::push(death, NDJSON, clean(death, NDJSON, 2, 1));
            let answer = running.call(call, &deployment.partner("health-city")).await.unwrap();
            (answer, began.elapsed())
        };
        let ((slow, slow_took), (other, other_took)) = tokio::join!(slow, other);
        assert_eq!(
            (slow.status.as_u16(), slow.json()["received"].as_u64()),
            (202, Some(100))
        );
        assert_eq!(other.status, 202);
        // A second's worth comes at once.
        assert!(slow_took.as_secs() >= seconds - 1, "{slow_took:?}");
        assert!(other_took * 2 < slow_took, "{other_took:?} {slow_took:?}");
    });
}

#[test]
fn who_has_too_many_batches_refused_waits_and_what_was_answered_is_answered_again() {
    run(async {
        let deployment = Deployment::with(|text| {
            let standard = "#= refused_per_h = 600";
            assert!(text.contains(standard));
            text.replace(standard, "refused_per_h = 3")
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let bad = || Call::push(RESIDENT, NDJSON, "not a record\n");
        let first = bad().header("idempotency-key", "refused-first");
        let refused = running.call(first.clone(), &police).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "SG3106"));
        // A repeat is no further one.
        for _ in 0..5 {
            let again = running.call(first.clone(), &police).await.unwrap();
            assert_eq!((again.status.as_u16(), &again.body), (422, &refused.body));
        }
        for _ in 0..2 {
            assert_eq!(running.call(bad(), &police).await.unwrap().code(), "SG3106");
        }
        for call in [bad(), push()] {
            let limited = running.call(call, &police).await.unwrap();
            assert_eq!((limited.status.as_u16(), limited.code().as_str()), (429, "SG2110"));
            let seconds = limited.header("retry-after").parse::<u64>().unwrap();
            assert!((1100..=1201).contains(&seconds), "{seconds}");
        }
        let again = running.call(first.clone(), &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (422, &refused.body));
        let death = "health/death-certificate";
        let other = |seed| Call::push(death, NDJSON, clean(death, NDJSON, 2, seed));
        let health = deployment.partner("health-city");
        assert_eq!(running.call(other(1), &health).await.unwrap().status, 202);
        // The log remembers them.
        running.kill();
        let running = deployment.serve();
        let limited = running.call(push(), &police).await.unwrap();
        assert_eq!((limited.status.as_u16(), limited.code().as_str()), (429, "SG2110"));
        let seconds = limited.header("retry-after").parse::<u64>().unwrap();
        assert!((1000..=1201).contains(&seconds), "{seconds}");
        let again = running.call(first, &police).await.unwrap();
        assert_eq!((again.status.as_u16(), &again.body), (422, &refused.body));
        assert_eq!(running.call(other(2), &health).await.unwrap().status, 202);
    });
}

#[test]
fn who_hangs_up_before_he_is_told_that_his_batch_is_refused_is_held_to_the_same_number_of_them() {
    run(async {
        let deployment = Deployment::with(|text| text.replace("#= refused_per_h = 600", "refused_per_h = 20"));
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let refused = || refusals(&deployment, "unreadable");
        let (mut tries, mut answered) = (0, 0);
        while refused() < 20 && tries < 2_000 {
            let bad = Call::push(RESIDENT, NDJSON, "not a record\n");
            let bad = Unfinished::begin(deployment.feed, &police, bad).await.unwrap();
            // Gone at whatever step: what the log has counts.
            let after = Duration::from_micros(tries % 16 * 250);
            answered += usize::from(bad.finish_and_vanish(after).await);
            tries += 1;
        }
        // Those that were under way when the twentieth was charged are in the log as well.
        assert!((20..36).contains(&refused()), "{}", refused());
        assert!(answered < refused(), "each of {tries} was answered before he was gone");
        let limited = running.call(push(), &police).await.unwrap();
        assert_eq!((limited.status.as_u16(), limited.code().as_str()), (429, "SG2110"));
    });
}

#[test]
fn reports_beyond_what_a_partner_may_fill_in_a_day_list_their_first_records_and_say_so() {
    run(async {
        let deployment = Deployment::with(|text| {
            let standard = "#= report_kib_per_day = 131072";
            assert!(text.contains(standard));
            text.replace(standard, "report_kib_per_day = 45")
        });
        let running = deployment.serve();
        let police = deployment.partner(POLICE);
        let lines = |rows: usize| "{\"citizen_id\":\"1\",\"name\":\"甲\"}\n".repeat(rows);
        let rejects = async |rows: usize| {
            let call = Call::push(RESIDENT, NDJSON, lines(rows));
            let answer = running.call(call.clone(), &police).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SG3105"));
            let again = running.call(call, &police).await.unwrap();
            assert_eq!(again.body, answer.body, "the same after the report was cut");
            let exchange = answer.json()["instance"].as_str().unwrap().to_owned();
            let report = Call::get(format!("{exchange}/rejects"));
            let report = running.call(report, &police).await.unwrap();
            assert_eq!(report.status, 200);
            (answer, String::from_utf8(report.body.to_vec()).unwrap())
        };
        let (_, whole) = rejects(300).await;
        assert_eq!(
            whole.lines().filter(|line| line.contains("SG32")).count(),
            300,
            "{whole}"
        );
        let (answer, cut) = rejects(300).await;
        assert_eq!(cut.lines().filter(|line| line.contains("SG32")).count(), 100, "{cut}");
        assert!(
            cut.contains("200") && cut.contains("took all the room that one source has"),
            "{cut}"
        );
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(100));
        assert_eq!(answer.json()["errors_truncated"], true);
        // A short one is told whole, whatever was before.
        let (_, short) = rejects(50).await;
        assert_eq!(
            short.lines().filter(|line| line.contains("SG32")).count(),
            50,
            "{short}"
        );
    });
}
