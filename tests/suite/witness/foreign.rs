//! A witness that we did not write, `aics-witness` (PyPI, pinned): it cosigns a gateway's log, and an older copy of it does not start; asked directly, it answers as the
//! specification has it, also to a fork that the log's own key signed.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::*;

/// The program.
fn program() -> Command {
    // Known to the compiler only when it is installed, and without it no test gets here.
    let at: Option<&str> = option_env!("SHUGUAN_WITNESS_AT");
    let at = PathBuf::from(at.expect("tests/oracles/install has run"));
    Command::new(at.join("venv/bin/aics-witness"))
}

/// One that serves; killed when dropped.
struct Foreign {
    folder: tempfile::TempDir,
    port: u16,
    vkey: String,
    child: Option<Child>,
}

impl Foreign {
    /// Made for these logs, and serving.
    fn of(logs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let run = |arguments: &[&str]| {
            let output = program().args(arguments).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let listen = format!("127.0.0.1:{port}");
        let vkey = run(&[
            "init",
            "-c",
            "w.json",
            "--name",
            "witness.example/foreign",
            "--listen",
            &listen,
        ]);
        for log in logs {
            let origin = log.split('+').next().unwrap();
            run(&["add-log", "-c", "w.json", "--origin", origin, "--vkey", log]);
        }
        let mut foreign = Self {
            vkey: vkey.trim().to_owned(),
            folder,
            port,
            child: None,
        };
        foreign.serve();
        foreign
    }

    fn serve(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut serving = program();
        serving.args(["serve", "-c", "w.json"]).current_dir(self.folder.path());
        let child = serving
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        eventually("it listens", 30, || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Status and body of its answer.
    fn ask(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            tcp,
            "{head} HTTP/1.1\r\nHost: w\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        tcp.write_all(body).unwrap();
        let mut text = String::new();
        tcp.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn add(&self, request: &AddCheckpoint) -> (u16, String) {
        self.ask("POST /add-checkpoint", request.encode().as_bytes())
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[cfg_attr(not(foreign_witness), ignore = "tests/oracles/install found no Python 3.12")]
fn a_witness_that_we_did_not_write_cosigns_our_log_and_an_older_copy_of_it_does_not_start() {
    run(async {
        let gateway = Deployment::new();
        let log = std::fs::read_to_string(gateway.path("trust/log.vkey")).unwrap();
        let witness = Foreign::of(&[log.trim()]);
        let section = format!(
            "[[witness]]\nname = \"w1\"\nurl = \"http://127.0.0.1:{}\"\nvkey = \"{}\"\n\n[witnessing]\n",
            witness.port, witness.vkey
        );
        let text = std::fs::read_to_string(gateway.config()).unwrap();
        std::fs::write(gateway.config(), text.replace("[witnessing]\n", &section)).unwrap();
        let trust = format!("log {}\nwitness w1 {}\nquorum w1\n", log.trim(), witness.vkey);
        std::fs::write(gateway.path("trust/trust.txt"), &trust).unwrap();
        let trust = Trust::parse(&trust).unwrap();
        let police = gateway.partner(POLICE);
        let running = gateway.serve();
        // Growth of one and of many entries, each cosigned.
        for round in 0..3 {
            let mut last = String::new();
            for n in 0..=round * 20 {
                let answer = push(&running, &police, &format!("{round}-{n}")).await;
                assert_eq!(answer.status, 202);
                last = format!("{}/receipt", answer.header("location"));
            }
            let receipt = signed_receipt(&running, &police, &last, &trust).await;
            std::fs::write(gateway.path("seen.tlog-proof"), receipt).unwrap();
            let (code, out, _) =
                gateway.shuguan(&["verify", "receipt", "seen.tlog-proof", "--trust", "trust/trust.txt"]);
            assert!(code == 0 && out.contains("witness.example/foreign"), "{code} {out}");
        }
        let note = get(&running, &police, "/log/checkpoint").await.body;
        let (checkpoint, seen) = trust.open_witnessed(std::str::from_utf8(&note).unwrap()).unwrap();
        assert_eq!(seen.quorum, Quorum::Met);
        let shown = witness.ask(&format!("GET /{}/checkpoint", origin_hash(&checkpoint.origin)), b"");
        assert_eq!(shown.0, 200, "it shows what it holds: {}", shown.1);
        assert_eq!(running.stop(), Some(0));
        assert!(gateway.verified_log().contains("independent witnesses saw its first"));

        // The journal as it was before: the witness knows more of it.
        let (journal, copy) = (gateway.journal(), gateway.path("copy.db"));
        std::fs::copy(&journal, &copy).unwrap();
        let running = gateway.serve();
        let answer = push(&running, &police, "newer").await;
        let path = format!("{}/receipt", answer.header("location"));
        signed_receipt(&running, &police, &path, &trust).await;
        running.kill();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", journal.display()));
        }
        std::fs::copy(&copy, &journal).unwrap();
        std::fs::remove_file(gateway.path("journal/journal.head")).unwrap();
        let (code, error) = gateway.serve_in_vain();
        assert!(code == 6 && error.contains("SG7105"), "{code} {error}");
    });
}

#[test]
#[cfg_attr(not(foreign_witness), ignore = "tests/oracles/install found no Python 3.12")]
fn a_witness_that_we_did_not_write_answers_what_ours_answers() {
    let vkey = key().verifying_key().vkey();
    let (foreign, own) = (Foreign::of(&[&vkey]), Witness::of(&[&vkey]));
    let ours = own.serve();
    let fork = |size: u64| Log::of((0..size).map(|leaf| if leaf == 1 { 77 } else { leaf }));
    let (three, nine) = (Log::of(0..3), Log::of(0..9));
    let mut stranger = nine.asks(3);
    stranger.checkpoint = SigningKey::from_seed(ORIGIN, &[9; 32])
        .unwrap()
        .sign(&nine.text())
        .unwrap();
    let mut unknown = nine.asks(3);
    unknown.checkpoint = unknown.checkpoint.replacen(ORIGIN, "other.example", 1);
    let mut bent = nine.asks(3);
    bent.proof[0][5] ^= 1;
    let mut above = nine.asks(3);
    above.old = 10;
    for (what, request, status) in [
        ("the first", three.asks(0), 200),
        ("the same again", three.asks(3), 200),
        ("an old size that it does not hold", nine.asks(2), 409),
        ("another log", unknown, 404),
        ("another key", stranger, 403),
        ("an old size above the new one", above, 400),
        ("a proof with a bit changed", bent, 422),
        // Signed by the log's own key, with a proof that is one of that other tree.
        ("a fork", fork(9).asks(3), 422),
        (
            "a fork of the same size",
            AddCheckpoint {
                old: 3,
                proof: vec![],
                ..fork(3).asks(0)
            },
            422,
        ),
        ("growth", nine.asks(3), 200),
        ("less than it holds", three.asks(3), 409),
    ] {
        let (theirs, said) = foreign.add(&request);
        let own = ours.add(&body(&request)).unwrap();
        assert_eq!((theirs, own.status), (status, status), "{what}: {said} / {}", own.body);
        match status {
            409 => assert_eq!(said, own.body, "{what}: the size that is held"),
            200 => {
                let text = request.checkpoint.split_once("\n\n").unwrap().0.to_owned() + "\n";
                let key = WitnessKey::parse(&foreign.vkey).unwrap();
                let (signed, _) = key.read_answer(&text, &said).unwrap();
                assert_eq!(signed.name, "witness.example/foreign", "{what}");
            }
            _ => {}
        }
    }
}
