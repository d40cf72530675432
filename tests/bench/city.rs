//! A city: all its residents as one snapshot, end to end, and the same once more unchanged.
//!
//! The feed is written to a file first and streamed from it. Time until the 202 and until `relayed`; the most that the gateway had resident.

use std::path::Path;
use std::time::Instant;

use http_body_util::BodyExt;
use shuguan_tests::{Deployment, Postgres, Running, status_kib};

use crate::Size;
use crate::client::{Partner, exchange_of};
use crate::feed::{CSV_GB18030, RECORD, write_residents};
use crate::gateway::{deployment, deployment_on};
use crate::machine::forget_peak;
use crate::memory::FileBody;
use crate::table::{Aim, Line, Table};
use crate::timing::Spread;

pub fn measure(size: Size, postgres: bool, table: &mut Table) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("residents.csv");
    write_residents(&path, size.city_rows, 0.0);
    let server = postgres.then(|| Postgres::start("city", &crate::relay_postgres::SERVER));
    let server = server.flatten();
    let deployment = server.as_ref().map_or_else(deployment, deployment_on);
    let [first, again] = shuguan_tests::run(async {
        let running = deployment.serve();
        [
            snapshot(&deployment, &running, &path, size.city_rows).await,
            snapshot(&deployment, &running, &path, size.city_rows).await,
        ]
    });
    let rows = size.city_rows;
    let rate = |seconds: f64| Spread::of([rows as f64 / seconds]);
    table.note(
        format!("one snapshot of {rows} residents, until `relayed`"),
        "s",
        Spread::of([first.relayed_s]),
    );
    table.note("the same, until the 202", "s", Spread::of([first.accepted_s]));
    table.add(Line {
        what: "the same snapshot again, unchanged".into(),
        unit: "rows/s",
        measured: rate(again.relayed_s),
        peer: Some(("the first one".into(), rate(first.relayed_s))),
        aim: Aim::RatioAtLeast(3.0),
    });
    table.add(Line {
        what: "resident at most meanwhile".into(),
        unit: "MiB",
        measured: Spread::of([first.peak_kib.max(again.peak_kib) as f64 / 1024.0]),
        peer: None,
        aim: Aim::Below(256.0),
    });
}

struct Taken {
    accepted_s: f64,
    relayed_s: f64,
    peak_kib: u64,
}

async fn snapshot(deployment: &Deployment, running: &Running<'_>, path: &Path, rows: u64) -> Taken {
    let partner = Partner::of(deployment);
    let mut connection = partner.connect().await;
    forget_peak(running.pid());
    let (begun, count) = (Instant::now(), rows.to_string());
    let headers = [
        ("exchange-mode", "snapshot"),
        ("exchange-scope", "all"),
        ("exchange-count", count.as_str()),
    ];
    let (content_type, body) = (CSV_GB18030.content_type(), FileBody::of(path).boxed());
    let answer = connection.push_as(RECORD, &content_type, &headers, body).await;
    let accepted_s = begun.elapsed().as_secs_f64();
    partner.relayed(&exchange_of(&answer).0).await;
    Taken {
        accepted_s,
        relayed_s: begun.elapsed().as_secs_f64(),
        peak_kib: status_kib(running.pid(), "VmHWM:").expect("a process"),
    }
}
