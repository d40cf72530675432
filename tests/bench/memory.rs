//! Resident memory of the gateway while a large feed is pushed and relayed.
//!
//! The feed is written to a file first and streamed from it. `VmHWM` is the most that the process ever had resident; it is cleared after
//! start-up, so that it is the peak of the push.

use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use shuguan_tests::status_kib;
use tokio::sync::mpsc;

use crate::Size;
use crate::client::{Partner, exchange_of};
use crate::feed::{CSV_GB18030, resident, sample, write_residents};
use crate::gateway::deployment;
use crate::machine::forget_peak;
use crate::table::{Aim, Line, Table};
use crate::timing::Spread;

/// Rows from which the size of one is taken.
const PROBE_ROWS: u64 = 10_000;
const FRAME_BYTES: usize = 64 * 1024;

pub fn measure(size: Size, table: &mut Table) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("residents.csv");
    let probe = sample(resident(), CSV_GB18030, PROBE_ROWS, 1).len() as u64;
    let rows = size.memory_bytes * PROBE_ROWS / probe;
    let bytes = write_residents(&path, rows, 1.0);
    let taken = shuguan_tests::run(push(&path));
    let mib = |kib: u64| Spread::of([kib as f64 / 1024.0]);
    let what = format!("a feed of {} MiB, {rows} residents, 1 % of them bad", bytes >> 20);
    table.add(Line {
        what: format!("resident at most while pushed and relayed: {what}"),
        unit: "MiB",
        measured: mib(taken.peak_kib),
        peer: Some(("idle, before".into(), mib(taken.idle_kib))),
        aim: Aim::Below(200.0),
    });
    table.note("the same, until the 202", "MiB", mib(taken.accepted_peak_kib));
    table.note("resident afterwards", "MiB", mib(taken.after_kib));
    let rate = |seconds: f64| Spread::of([rows as f64 / seconds]);
    table.note("rows of that feed until the 202", "rows/s", rate(taken.accepted_s));
    table.note("rows of that feed until `relayed`", "rows/s", rate(taken.relayed_s));
}

struct Taken {
    idle_kib: u64,
    accepted_peak_kib: u64,
    peak_kib: u64,
    after_kib: u64,
    accepted_s: f64,
    relayed_s: f64,
}

async fn push(path: &Path) -> Taken {
    let deployment = deployment();
    let running = deployment.serve();
    let pid = running.pid();
    let partner = Partner::of(&deployment);
    let mut connection = partner.connect().await;
    connection.get("/log/checkpoint").await;
    let idle_kib = status_kib(pid, "VmRSS:").expect("a process");
    forget_peak(pid);
    let peak = || status_kib(pid, "VmHWM:").expect("a process");
    let begun = Instant::now();
    let answer = connection
        .push(&CSV_GB18030.content_type(), FileBody::of(path).boxed())
        .await;
    let accepted_s = begun.elapsed().as_secs_f64();
    let accepted_peak_kib = peak();
    partner.relayed(&exchange_of(&answer).0).await;
    Taken {
        idle_kib,
        accepted_peak_kib,
        peak_kib: peak(),
        after_kib: status_kib(pid, "VmRSS:").expect("a process"),
        accepted_s,
        relayed_s: begun.elapsed().as_secs_f64(),
    }
}

/// A file, read as it is sent: a few frames wait at most.
pub struct FileBody(mpsc::Receiver<Bytes>);

impl FileBody {
    pub fn of(path: &Path) -> Self {
        let mut file = std::fs::File::open(path).expect("a file");
        let (frames, waiting) = mpsc::channel(4);
        std::thread::spawn(move || {
            let mut buffer = vec![0; FRAME_BYTES];
            loop {
                let read = file.read(&mut buffer).expect("a readable file");
                let frame = Bytes::copy_from_slice(&buffer[..read]);
                if read == 0 || frames.blocking_send(frame).is_err() {
                    return;
                }
            }
        });
        Self(waiting)
    }
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
    }
}
