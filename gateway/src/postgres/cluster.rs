//! A PostgreSQL server of our own in a folder, reached through a unix socket there: for `shuguan demo` and for tests. Never for a database
//! that matters: its owner, its settings and its backups belong to a database administrator.
//!
//! Takes the installed binaries; runs them as an unprivileged user when we are root, because PostgreSQL refuses root. The server hangs
//! on a shell that waits for the end of its input: when we end, however we end, the shell stops the server.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::condition::THROWAWAY;
use super::fault::LinkFault;
use super::link::{self, Purpose};
use super::settings::{PostgresAddress, PostgresServer, PostgresSettings};

/// The role that owns everything in it.
const OWNER: &str = "shuguan";
/// How long starting may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// The server ends when the shell's input ends. `$1` folder, `$2` binary, `$3` signal, `$4` whether the folder goes too.
const KEEPER: &str = r#"
folder=$1 binary=$2 signal=$3 passing=$4
shift 4
"$binary" -D "$folder/data" -k "$folder/socket" -c listen_addresses= "$@" </dev/null >>"$folder/server.log" 2>&1 &
server=$!
cat >/dev/null
kill -s "$signal" "$server" 2>/dev/null
wait "$server"
[ "$passing" = no ] || rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
"#;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterFault {
    /// PostgreSQL is not installed.
    #[error("there is no `initdb` and `postgres`: apt-get install postgresql")]
    NotInstalled,
    /// We are root, and there is nobody else to run it as.
    #[error("PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`")]
    Nobody,
    /// That user cannot enter a folder above it.
    #[error("the user that runs PostgreSQL may not enter `{0}`: choose a folder elsewhere")]
    Closed(PathBuf),
    /// A file or a program.
    #[error("cannot {0}")]
    Io(&'static str, #[source] io::Error),
    /// A program that failed; its own words.
    #[error("`{0}` failed: {1}")]
    Failed(&'static str, String),
    /// It does not take connections.
    #[error("the server does not take connections; see `{0}`")]
    Unready(PathBuf, #[source] LinkFault),
}

/// How long a cluster is meant to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It stays and can be started again; its data is synced.
    Data,
    /// Folder and data go with it; nothing is synced, and the server says so.
    Nothing,
}

/// A server that runs.
pub struct Cluster {
    folder: PathBuf,
    keeper: Child,
}

impl Cluster {
    /// Whether PostgreSQL is installed.
    pub fn is_installed() -> bool {
        binaries().is_some()
    }

    /// Makes a cluster in the folder unless one is there, and starts it.
    ///
    /// # Errors
    /// [`ClusterFault`]; then nothing runs.
    pub fn start(folder: &Path, keeping: Keeping, settings: &[(&str, &str)]) -> Result<Self, ClusterFault> {
        let binaries = binaries().ok_or(ClusterFault::NotInstalled)?;
        let folder = std::path::absolute(folder).map_err(io_fault("find the folder"))?;
        let user = user()?;
        make_folders(&folder, user)?;
        if !folder.join("data/PG_VERSION").is_file() {
            init(&binaries, &folder, user, keeping)?;
        }
        let keeper = keeper(&binaries, &folder, user, keeping, settings)?;
        let cluster = Self { folder, keeper };
        cluster.await_it()?;
        Ok(cluster)
    }

    /// Where a database of it is.
    pub fn address(&self, database: &str) -> PostgresAddress {
        PostgresAddress {
            role: OWNER.to_owned(),
            server: PostgresServer::Socket(self.folder.join("socket")),
            port: 5_432,
            database: database.to_owned(),
        }
    }

    /// Makes a database, unless it is there. The name stands in a statement: letters, digits and `_`.
    ///
    /// # Errors
    /// When the server does not make it.
    pub fn create_database(&self, name: &str) -> Result<(), LinkFault> {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(LinkFault::Unusable(
                "a database's name has letters, digits and `_`".into(),
            ));
        }
        let settings = PostgresSettings::at(self.address("postgres"));
        let created = link::run_once(&settings, &format!("CREATE DATABASE {name}"));
        match created {
            Err(fault) if fault.is_state("42P04") => Ok(()),
            other => other,
        }
    }

    async fn reached(&self) -> Result<(), LinkFault> {
        let settings = PostgresSettings::at(self.address("postgres"));
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match link::connect(&settings, Purpose::Read).await {
                Ok(_connection) => return Ok(()),
                Err(fault) if tokio::time::Instant::now() >= deadline => return Err(fault),
                Err(_not_yet) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn await_it(&self) -> Result<(), ClusterFault> {
        let reached = link::wait(self.reached());
        reached.map_err(|fault| ClusterFault::Unready(self.folder.join("server.log"), fault))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Cluster({})", self.folder.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The shell's input ends, and with it the server; its data is whole once it has ended.
        drop(self.keeper.stdin.take());
        let _ended = self.keeper.wait();
    }
}

fn io_fault(what: &'static str) -> impl Fn(io::Error) -> ClusterFault {
    move |error| ClusterFault::Io(what, error)
}

/// The folder of `initdb` and `postgres`: Debian's newest, else what the search path has.
fn binaries() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let version = |folder: &PathBuf| -> Option<u32> { folder.parent()?.file_name()?.to_str()?.parse().ok() };
    let debian = fs::read_dir("/usr/lib/postgresql").ok().and_then(|entries| {
        let folders = entries.flatten().map(|entry| entry.path().join("bin"));
        folders.filter(complete).max_by_key(version)
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.or_else(|| std::env::split_paths(&path).find(complete))
}

/// User and group to run as; none when we are not root.
fn user() -> Result<Option<(u32, u32)>, ClusterFault> {
    let own = fs::metadata("/proc/self").map_err(io_fault("ask who we are"))?.uid();
    if own != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(io_fault("read /etc/passwd"))?;
    let account = |wanted: &str| {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(wanted)).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    account("postgres")
        .or_else(|| account("nobody"))
        .map(Some)
        .ok_or(ClusterFault::Nobody)
}

fn make_folders(folder: &Path, user: Option<(u32, u32)>) -> Result<(), ClusterFault> {
    // What stands above is not the cluster's: made private to us, it would shut its user out.
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).map_err(io_fault("make the folder above the cluster"))?;
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for path in [folder.to_owned(), folder.join("socket")] {
        builder.create(&path).map_err(io_fault("make the cluster's folder"))?;
        if let Some((uid, gid)) = user {
            chown(&path, Some(uid), Some(gid)).map_err(io_fault("give the cluster's folder away"))?;
        }
    }
    let Some((uid, _)) = user else { return Ok(()) };
    for above in folder.ancestors().skip(1) {
        let metadata = fs::metadata(above).map_err(io_fault("look at a folder"))?;
        if metadata.permissions().mode() & 0o001 == 0 && metadata.uid() != uid {
            return Err(ClusterFault::Closed(above.to_owned()));
        }
    }
    Ok(())
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    // Not the caller's: it may be a folder that the user cannot enter.
    command.current_dir("/").env_remove("PGDATA").env_remove("PGOPTIONS");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn init(binaries: &Path, folder: &Path, user: Option<(u32, u32)>, keeping: Keeping) -> Result<(), ClusterFault> {
    let mut init = command(&binaries.join("initdb"), user);
    init.arg("-D").arg(folder.join("data"));
    // Whoever can enter the folder of the socket is let in: that is the user, and root.
    init.args(["-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C"]);
    if keeping == Keeping::Nothing {
        init.arg("--no-sync");
    }
    let output = init.stdin(Stdio::null()).output().map_err(io_fault("run initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(ClusterFault::Failed("initdb", words.trim().to_owned()))
}

fn keeper(
    binaries: &Path,
    folder: &Path,
    user: Option<(u32, u32)>,
    keeping: Keeping,
    settings: &[(&str, &str)],
) -> Result<Child, ClusterFault> {
    let (signal, passing) = match keeping {
        Keeping::Data => ("INT", "no"),
        Keeping::Nothing => ("QUIT", "yes"),
    };
    let mut keeper = command(Path::new("/bin/sh"), user);
    keeper
        .args(["-c", KEEPER, "sh"])
        .arg(folder)
        .arg(binaries.join("postgres"));
    keeper.args([signal, passing]);
    if keeping == Keeping::Nothing {
        // It says of itself that it may lose anything: else nobody would write to it.
        let throwaway = format!("{THROWAWAY}=on");
        for setting in ["fsync=off", "full_page_writes=off", "max_connections=64", &throwaway] {
            keeper.arg("-c").arg(setting);
        }
    }
    // A log without the rows that were refused.
    keeper.args(["-c", "log_error_verbosity=terse"]);
    // What is stated last counts.
    for (name, value) in settings {
        keeper.arg("-c").arg(format!("{name}={value}"));
    }
    // A group of its own: Ctrl-C in a terminal is for the gateway, which stops before its database does.
    keeper
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    keeper.spawn().map_err(io_fault("run a shell"))
}
