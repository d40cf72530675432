//! A whole gateway in a temporary folder, made and run as a newcomer would.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shuguan::postgres::PostgresAddress;
use tempfile::TempDir;

use crate::cut::Cut;
use crate::http::{Answer, Call, Identity, Refused};
use crate::postgres::Postgres;

/// The `shuguan` program: `SHUGUAN_BIN`, or the one beside this test's own target folder.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SHUGUAN_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("our own path");
    own.ancestors()
        .map(|folder| folder.join("shuguan"))
        .find(|path| path.is_file())
        .expect("build it first: cargo build -p shuguan")
}

/// A folder that `shuguan init --demo` made, with ports of its own.
pub struct Deployment {
    folder: TempDir,
    pub feed: u16,
    pub console: u16,
    pub health: u16,
    /// Where the journal is when it is not in its file.
    journal_on: Option<PostgresAddress>,
}

impl Deployment {
    /// Makes one; `adapt` may change the configuration text.
    pub fn with(adapt: impl FnOnce(String) -> String) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let root = folder.path().join("gw");
        let made = Command::new(binary())
            .args(["init", "--demo", "--quiet"])
            .arg(&root)
            .output()
            .expect("shuguan runs");
        assert!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
        let [feed, console, health] = free_ports();
        let deployment = Self {
            folder,
            feed,
            console,
            health,
            journal_on: None,
        };
        let path = deployment.config();
        let text = std::fs::read_to_string(&path).expect("a configuration");
        let text = text
            .replace("127.0.0.1:8443", &format!("127.0.0.1:{feed}"))
            .replace("127.0.0.1:8444", &format!("127.0.0.1:{console}"))
            .replace("127.0.0.1:8445", &format!("127.0.0.1:{health}"));
        std::fs::write(&path, unsigned_calls(adapt(text))).expect("a configuration");
        deployment.address_clients();
        deployment
    }

    /// Writes this gateway's ports into every client.toml that `init --demo` made.
    fn address_clients(&self) {
        let partners = std::fs::read_dir(self.path("partners")).expect("partners");
        let officers = std::fs::read_dir(self.path("officers")).expect("officers");
        let kits = partners.map(|kit| kit.expect("a kit").path().join("client.toml"));
        let officers = officers.map(|file| file.expect("a file").path());
        let settings = kits.chain(officers.filter(|path| path.extension().is_some_and(|end| end == "toml")));
        for path in settings {
            let text = std::fs::read_to_string(&path).expect("client settings");
            let text = text
                .replace("127.0.0.1:8443", &format!("127.0.0.1:{}", self.feed))
                .replace("127.0.0.1:8444", &format!("127.0.0.1:{}", self.console));
            std::fs::write(&path, text).expect("client settings");
        }
    }

    /// Makes one whose registry is on a PostgreSQL server.
    pub fn on(postgres: &Postgres, adapt: impl FnOnce(String) -> String) -> Self {
        Self::at(&postgres.address(), adapt)
    }

    /// Makes one whose registry is at that address.
    pub fn at(address: &PostgresAddress, adapt: impl FnOnce(String) -> String) -> Self {
        let url = format!("url = \"{address}\"");
        let deployment = Self::with(|text| adapt(text).replace("database = \"registry/registry.db\"", &url));
        let (code, out, error) = deployment.shuguan(&["db", "migrate", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "db migrate: {out}{error}");
        deployment
    }

    /// Makes one whose registry and journal are in databases of that server.
    pub fn both_on(postgres: &Postgres, adapt: impl FnOnce(String) -> String) -> Self {
        Self::both(&postgres.address(), &postgres.database("journal"), None, adapt)
    }

    /// The same, with the journal reached by that way.
    pub fn both_at(postgres: &Postgres, way: &Cut, adapt: impl FnOnce(String) -> String) -> Self {
        let journal = postgres.database("journal");
        Self::both(&postgres.address(), &journal, Some(way), adapt)
    }

    fn both(
        registry: &PostgresAddress,
        journal: &PostgresAddress,
        way: Option<&Cut>,
        adapt: impl FnOnce(String) -> String,
    ) -> Self {
        let way = way.map_or_else(|| journal.clone(), |way| way.address(journal));
        let url = format!("url = \"{way}\"");
        let mut deployment = Self::at(registry, |text| {
            adapt(text).replace("database = \"journal/journal.db\"", &url)
        });
        deployment.journal_on = Some(journal.clone());
        deployment
    }

    /// What `verify log` is told of the journal.
    pub fn log_place(&self) -> &'static str {
        match self.journal_on {
            None => "journal/journal.db",
            Some(_) => "shuguan.toml",
        }
    }

    /// Every leaf of the log, in order.
    pub fn leaves(&self) -> Vec<serde_json::Value> {
        match &self.journal_on {
            None => crate::leaves(&self.journal()),
            Some(address) => crate::postgres::leaves(address),
        }
    }

    /// Those of one kind.
    pub fn leaves_of(&self, kind: &str) -> Vec<serde_json::Value> {
        let mut leaves = self.leaves();
        leaves.retain(|leaf| leaf["k"] == kind);
        leaves
    }

    /// Makes one with the defaults.
    pub fn new() -> Self {
        Self::with(|text| text)
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("gw")
    }

    pub fn config(&self) -> PathBuf {
        self.root().join("shuguan.toml")
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// A partner's identity out of `partners/`.
    pub fn partner(&self, id: &str) -> Identity {
        Identity::of_folder(&self.path("partners").join(id), &self.path("pki/ca.pem"))
    }

    /// An officer's identity out of `officers/`.
    pub fn officer(&self, id: &str) -> Identity {
        let folder = self.path("officers");
        let (certificate, key) = (folder.join(format!("{id}.pem")), folder.join(format!("{id}.key")));
        Identity::of_files(&certificate, &key, &self.path("pki/ca.pem"))
    }

    /// The journal's database.
    pub fn journal(&self) -> PathBuf {
        self.path("journal/journal.db")
    }

    /// The registry's database.
    pub fn registry(&self) -> PathBuf {
        self.path("registry/registry.db")
    }

    /// Starts the gateway where it must not start; gives exit code and stderr.
    pub fn serve_in_vain(&self) -> (i32, String) {
        let config = self.config();
        let (code, _, error) = self.shuguan(&["serve", "-c", config.to_str().expect("a path")]);
        (code, error)
    }

    /// Nobody.
    pub fn nobody(&self) -> Identity {
        Identity::none(&self.path("pki/ca.pem"))
    }

    /// Runs a `shuguan` command and gives its exit code, stdout and stderr.
    pub fn shuguan(&self, arguments: &[&str]) -> (i32, String, String) {
        run_command(Command::new(binary()).args(arguments).current_dir(self.root()))
    }

    /// Runs a `shuguan` command that reads this text on stdin.
    pub fn shuguan_reading(&self, arguments: &[&str], stdin: &str) -> (i32, String, String) {
        use std::io::Write;
        let mut child = Command::new(binary())
            .args(arguments)
            .current_dir(self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("shuguan runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(stdin.as_bytes()).expect("it reads");
        drop(input);
        ended_with(&child.wait_with_output().expect("shuguan ends"))
    }

    /// The log of a gateway that has stopped verifies offline; gives what `verify` said.
    ///
    /// # Panics
    /// When it does not.
    pub fn verified_log(&self) -> String {
        let (code, out, error) = self.shuguan(&["verify", "log", self.log_place(), "--trust", "trust/trust.txt"]);
        assert_eq!(code, 0, "{out}{error}");
        out
    }

    /// Both officers sign the bundle of a folder below the root, with what else `policy sign` is told.
    pub fn sign(&self, bundle: &str, more: &[&str]) {
        for officer in ["policy-sun", "security-qian"] {
            self.sign_as(officer, bundle, more);
        }
    }

    /// One officer signs.
    pub fn sign_as(&self, officer: &str, bundle: &str, more: &[&str]) {
        let settings = format!("officers/{officer}.toml");
        let arguments = [&["policy", "sign", bundle, "-c", &settings], more].concat();
        let (code, _, error) = self.shuguan(&arguments);
        assert_eq!(code, 0, "{officer}: {error}");
    }

    /// The policy officer submits the bundle of a folder; gives exit code, stdout as JSON or null, and stderr.
    pub fn submit(&self, bundle: &str) -> (i32, serde_json::Value, String) {
        let arguments = [
            "policy",
            "submit",
            bundle,
            "-c",
            "officers/policy-sun.toml",
            "--format",
            "json",
        ];
        let (code, out, error) = self.shuguan(&arguments);
        (code, serde_json::from_str(&out).unwrap_or_default(), error)
    }

    /// Starts the gateway and waits until it is ready.
    pub fn serve(&self) -> Running<'_> {
        self.serve_with(&[])
    }

    /// Starts the gateway with further environment.
    pub fn serve_with(&self, environment: &[(&str, &str)]) -> Running<'_> {
        let mut running = self.launch(environment);
        running.wait_until_ready();
        running
    }

    /// Starts the gateway and does not wait for it.
    pub fn launch(&self, environment: &[(&str, &str)]) -> Running<'_> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("serve.log"))
            .expect("a log file");
        let child = Command::new(binary())
            .args(["serve", "-c"])
            .arg(self.config())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("shuguan runs");
        Running {
            deployment: self,
            child,
        }
    }

    /// What the gateway wrote to stdout and stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }
}

impl Default for Deployment {
    fn default() -> Self {
        Self::new()
    }
}

/// A gateway that serves; killed when dropped.
pub struct Running<'d> {
    deployment: &'d Deployment,
    child: Child,
}

impl Running<'_> {
    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("serve ended with {status}: {}", self.deployment.log());
            }
            if health(self.deployment.health, "/readyz").is_some_and(|(status, _)| status == 200) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not ready within 20 s: {}", self.deployment.log());
    }

    /// Sends a call to the feed listener.
    pub async fn call(&self, call: Call, identity: &Identity) -> Result<Answer, Refused> {
        call.send(self.deployment.feed, identity).await
    }

    /// Sends a call to the console listener.
    pub async fn console(&self, call: Call, identity: &Identity) -> Result<Answer, Refused> {
        call.send(self.deployment.console, identity).await
    }

    /// Status and body of a page of the health listener.
    pub fn health(&self, path: &str) -> Option<(u16, String)> {
        health(self.deployment.health, path)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Sends SIGTERM and waits; gives the exit code.
    pub fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended by itself; gives the exit code.
    pub fn ended(mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not stop within 20 s: {}", self.deployment.log());
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run_command(command: &mut Command) -> (i32, String, String) {
    ended_with(&command.stdin(Stdio::null()).output().expect("shuguan runs"))
}

fn ended_with(output: &std::process::Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Lets the registry's calls be written by hand: as shipped, it has to sign. A test that says itself who signs keeps its own section; an empty one is
/// what is shipped.
fn unsigned_calls(text: String) -> String {
    if text.lines().any(|line| line == "[require_signature]") {
        return text;
    }
    format!("{text}\n[require_signature]\ninformation-centre = \"accept\"\n")
}

/// Three ports that nobody uses now.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

fn health(port: u16, path: &str) -> Option<(u16, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let body = text
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Some((status, body))
}

/// Waits until a condition holds, at most so long.
pub fn eventually(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("not within {seconds} s: {what}");
}
