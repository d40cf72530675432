//! A witness in a folder of its own, made and run as another authority would, and asked over plain HTTP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::deployment::binary;

/// A folder that `shuguan witness init` made.
pub struct Witness {
    folder: TempDir,
    /// Where it listens.
    pub port: u16,
    /// Its public key.
    pub vkey: String,
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub kind: String,
    pub body: String,
}

impl Witness {
    /// Makes one that knows these logs.
    pub fn of(logs: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = port.local_addr().expect("an address").port();
        let mut init = Command::new(binary());
        init.args(["witness", "init", "--quiet", "--name", "witness.example/w1"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg(folder.path().join("w"));
        for log in logs {
            init.args(["--log", log]);
        }
        let made = init.output().expect("shuguan runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let vkey = String::from_utf8(made.stdout).expect("text").trim().to_owned();
        Self { folder, port, vkey }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("w").join(relative)
    }

    /// `[[witness]]` for a gateway's configuration.
    pub fn section(&self) -> String {
        let Self { port, vkey, .. } = self;
        format!("[[witness]]\nname = \"w1\"\nurl = \"http://127.0.0.1:{port}\"\nvkey = \"{vkey}\"\n\n")
    }

    fn launch(&self) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("serve.log"))
            .expect("a log file");
        Command::new(binary())
            .args(["witness", "serve", "--config"])
            .arg(self.path("witness.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("shuguan runs")
    }

    /// Runs it and waits until it answers.
    pub fn serve(&self) -> Witnessing<'_> {
        let mut child = self.launch();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("witness serve ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < deadline, "it does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Witnessing { witness: self, child }
    }

    /// Runs a second one on the same folder, which must end by itself; gives its exit code.
    pub fn serve_in_vain(&self) -> Option<i32> {
        self.launch().wait().expect("a child").code()
    }

    /// What it wrote to stdout and stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }
}

/// A witness that serves; killed when dropped.
pub struct Witnessing<'w> {
    witness: &'w Witness,
    child: Child,
}

impl Witnessing<'_> {
    /// `POST /add-checkpoint`.
    pub fn add(&self, body: &[u8]) -> Option<Reply> {
        self.ask("POST", "/add-checkpoint", body)
    }

    /// `GET` of a path.
    pub fn get(&self, path: &str) -> Option<Reply> {
        self.ask("GET", path, b"")
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Option<Reply> {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.witness.port)).ok()?;
        tcp.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        tcp.write_all(head.as_bytes()).ok()?;
        // It may answer and close before all of a long body was sent.
        let _ = tcp.write_all(body);
        let mut bytes = Vec::new();
        let _ = tcp.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        Some(Reply {
            status: head.split(' ').nth(1)?.parse().ok()?,
            kind: kind.unwrap_or_default().to_owned(),
            body: body.to_owned(),
        })
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits; gives the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(told.expect("kill runs").success());
        self.child.wait().expect("a child").code()
    }
}

impl Drop for Witnessing<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
