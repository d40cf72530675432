//! A PostgreSQL server for a test: a cluster of its own, read with `psql`, killed as a crash would kill it.

use std::process::Command;

use shuguan::postgres::cluster::{Cluster, Keeping};
use shuguan::postgres::{PostgresAddress, PostgresServer};

/// A database in a cluster of its own.
pub struct Postgres {
    cluster: Cluster,
}

const DATABASE: &str = "registry";

impl Postgres {
    /// Starts one; none where PostgreSQL is not installed, which is said aloud, and fails when `SHUGUAN_POSTGRES` is `required`.
    pub fn start(name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        if !Cluster::is_installed() {
            let required = std::env::var_os("SHUGUAN_POSTGRES").is_some_and(|value| value == "required");
            assert!(!required, "PostgreSQL is required and not installed");
            use std::io::Write;
            let words = format!("SKIPPED: PostgreSQL is not installed: {name}\n");
            std::io::stderr().write_all(words.as_bytes()).expect("stderr");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("shuguan-{name}-{}", std::process::id()));
        let cluster = Cluster::start(&folder, Keeping::Nothing, settings).expect("a cluster");
        cluster.create_database(DATABASE).expect("a database");
        Some(Self { cluster })
    }

    pub fn address(&self) -> PostgresAddress {
        self.cluster.address(DATABASE)
    }

    /// Another database of the server, made unless it is there.
    pub fn database(&self, name: &str) -> PostgresAddress {
        self.cluster.create_database(name).expect("a database");
        self.cluster.address(name)
    }

    fn psql(&self) -> Command {
        psql(&self.address())
    }

    /// The rows of a query, cells apart by `|`; none while the server is down.
    pub fn try_query(&self, sql: &str) -> Option<Vec<String>> {
        let output = self.psql().args(["-At", "-c", sql]).output().expect("psql runs");
        let text = String::from_utf8_lossy(&output.stdout);
        output
            .status
            .success()
            .then(|| text.lines().map(str::to_owned).collect())
    }

    /// The rows of a query.
    pub fn query(&self, sql: &str) -> Vec<String> {
        self.try_query(sql).expect("the server answers")
    }

    /// Runs a script of psql's.
    pub fn script(&self, text: &str) {
        use std::io::Write;
        let mut child = self
            .psql()
            .args(["-f", "-"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("psql runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(text.as_bytes()).expect("psql reads");
        drop(input);
        assert!(child.wait().expect("psql ends").success(), "psql failed");
    }

    /// Processes that serve the gateway.
    pub fn backends(&self) -> Vec<String> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'shuguan'";
        self.try_query(sql).unwrap_or_default()
    }

    /// The server's first process and all that it started.
    pub fn processes(&self) -> Vec<String> {
        let first = self.query("SELECT (string_to_array(pg_read_file('postmaster.pid'), E'\\n'))[1]");
        let first = first.first().expect("a process").clone();
        let others = Command::new("pgrep").args(["-P", &first]).output().expect("pgrep runs");
        let others = String::from_utf8_lossy(&others.stdout).into_owned();
        std::iter::once(first)
            .chain(others.lines().map(str::to_owned))
            .collect()
    }
}

fn psql(address: &PostgresAddress) -> Command {
    let PostgresServer::Socket(folder) = &address.server else {
        unreachable!("a cluster of ours has a socket");
    };
    let mut psql = Command::new("psql");
    psql.args([
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        &address.role,
        "-d",
        &address.database,
        "-h",
    ]);
    psql.arg(folder).env("PGOPTIONS", "-c client_min_messages=error");
    psql
}

/// Every leaf of a journal, in order.
pub(crate) fn leaves(journal: &PostgresAddress) -> Vec<serde_json::Value> {
    let sql = "SELECT convert_from(bytes, 'UTF8') FROM leaf ORDER BY idx";
    let output = psql(journal).args(["-At", "-c", sql]).output().expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a leaf"))
        .collect()
}
