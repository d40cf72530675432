//! The benchmark: one command, one run, ratios.
//!
//! `cargo build --release -p shuguan -p shuguan-tests --bins && cargo run --release -p shuguan-tests --bin bench [-- OPTIONS]`. Takes options; prints a Markdown
//! table. It runs the release `shuguan` that lies beside it as a child, as an operator would, and measures its peers in the same run:
//! a machine is up to twice as slow another day, so only ratios of one run mean something. Refuses a debug build.
//!
//! | File | What |
//! |---|---|
//! | `decode` | rows a second and core, decoded and validated, beside reading the same bytes raw |
//! | `policy` | decisions, plans and single operators, beside a memcpy of the same columns |
//! | `relay` | rows a second from push to registry, beside the same parts merged from memory and beside rusqlite `row_by_row` |
//! | `relay_postgres` | the same into PostgreSQL, beside COPY and merge by psql of the same rows; an unchanged snapshot beside the first |
//! | `exchange` | durable one-record exchanges a second, beside bare requests and a raw fdatasync loop |
//! | `evidence` | mutually signed exchanges a second at 128 connections, beside bare and unsigned ones; durable leaves a second with 1,024 waiting, beside SQLite's own group commit |
//! | `batches` | rows a second by the size of a batch and the number of agencies at once |
//! | `memory` | resident memory while a large feed is pushed |
//! | `city` | 5.3 million residents as one snapshot, and the same again |
//! | `gateway`, `client`, `feed` | a gateway with its limits raised, a keep-alive connection, what is sent |
//! | `timing`, `machine`, `table` | clocks and medians, where it ran, what is printed |

mod batches;
mod city;
mod client;
mod decode;
mod evidence;
mod exchange;
mod feed;
mod gateway;
mod machine;
mod memory;
mod policy;
mod relay;
mod relay_postgres;
mod row_by_row;
mod table;
mod timing;

use std::time::Duration;

use table::Table;

/// The gateway's, so that the load generator on the same cores costs no more than it must.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const USAGE: &str =
    "bench [--quick|--tiny] [--memory] [--registry sqlite|postgres] [--only decode|policy|relay|exchange|evidence|batches|memory|city]...
  --quick    fewer rows and seconds, one turn: to see that it works
  --tiny     hardly anything, so that a debug build can show that it runs; the figures mean nothing
  --memory   also the memory run: a feed of 1 GiB is pushed and relayed (some minutes, about 4 GiB of disk)
  --city     also a city's 5.3 million residents as one snapshot, twice (some ten minutes, about 8 GiB of disk)
  --registry postgres   the parts that end in a registry on a PostgreSQL server that the bench starts
  --only P   that part only; may be repeated
TMPDIR decides which disk is measured.";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Turns of which the median counts.
    pub turns: usize,
    /// Rows that are decoded in a turn.
    pub decode_rows: u64,
    /// Decisions, and parts of 8,192 rows that are released, in a turn.
    pub policy_decisions: u64,
    pub policy_parts: u64,
    /// Rows that go to the registry in a turn, and in how many pushes.
    pub relay_rows: u64,
    pub relay_pushes: u64,
    /// How long each number of connections is measured in a turn.
    pub exchange_time: Duration,
    /// Bytes of the feed of the memory run.
    pub memory_bytes: u64,
    /// Residents of the city.
    pub city_rows: u64,
}

const FULL: Size = Size {
    turns: 3,
    decode_rows: 200_000,
    policy_decisions: 1_000_000,
    policy_parts: 200,
    relay_rows: 500_000,
    relay_pushes: 10,
    exchange_time: Duration::from_secs(10),
    memory_bytes: 1 << 30,
    city_rows: 5_300_000,
};

const QUICK: Size = Size {
    turns: 1,
    decode_rows: 50_000,
    policy_decisions: 200_000,
    policy_parts: 60,
    relay_rows: 100_000,
    relay_pushes: 4,
    exchange_time: Duration::from_secs(3),
    memory_bytes: 64 << 20,
    city_rows: 300_000,
};

const TINY: Size = Size {
    turns: 1,
    decode_rows: 200,
    policy_decisions: 100,
    policy_parts: 1,
    relay_rows: 200,
    relay_pushes: 2,
    exchange_time: Duration::from_millis(100),
    memory_bytes: 1 << 20,
    city_rows: 300,
};

const PARTS: [&str; 8] = [
    "decode", "policy", "relay", "exchange", "evidence", "batches", "memory", "city",
];
/// Parts that take long and run only when they are asked for.
const LONG: [&str; 2] = ["memory", "city"];

struct Options {
    size: Size,
    tiny: bool,
    postgres: bool,
    parts: Vec<String>,
}

fn options() -> Result<Options, String> {
    let (mut size, mut tiny, mut postgres) = (FULL, false, false);
    let (mut only, mut long) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => size = QUICK,
            "--tiny" => (size, tiny) = (TINY, true),
            "--memory" | "--city" => long.push(argument.trim_start_matches('-').to_owned()),
            "--registry" => match arguments.next().as_deref() {
                Some("sqlite") => postgres = false,
                Some("postgres") => postgres = true,
                _ => return Err(USAGE.to_owned()),
            },
            "--only" => {
                let part = arguments.next().unwrap_or_default();
                if !PARTS.contains(&part.as_str()) {
                    return Err(format!("no such part: `{part}`\n{USAGE}"));
                }
                only.push(part);
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    let mut parts = only;
    if parts.is_empty() {
        let standard = PARTS.iter().filter(|part| !LONG.contains(part));
        parts = standard.map(|part| (*part).to_owned()).collect();
    }
    long.retain(|part| !parts.contains(part));
    parts.append(&mut long);
    Ok(Options {
        size,
        tiny,
        postgres,
        parts,
    })
}

fn main() {
    let options = options().unwrap_or_else(|why| {
        eprintln!("{why}");
        std::process::exit(2);
    });
    if cfg!(debug_assertions) && !options.tiny {
        eprintln!("a debug build proves nothing: cargo run --release -p shuguan-tests --bin bench");
        std::process::exit(2);
    }
    let size = options.size;
    let mut table = Table::default();
    for part in &options.parts {
        eprintln!("{part} …");
        match part.as_str() {
            "decode" => decode::measure(size, &mut table),
            "policy" => policy::measure(size, &mut table),
            "relay" if options.postgres => relay_postgres::measure(size, &mut table),
            "relay" => relay::measure(size, &mut table),
            "exchange" => exchange::measure(size, &mut table),
            "evidence" => evidence::measure(size, &mut table),
            "batches" => batches::measure(size, options.postgres, &mut table),
            "city" => city::measure(size, options.postgres, &mut table),
            _ => memory::measure(size, &mut table),
        }
    }
    println!("{}\n\n{table}", machine::describe(size));
}
