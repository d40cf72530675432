//! A way to a PostgreSQL server that breaks at a COMMIT, or is closed.
//!
//! Takes connections on a unix socket of its own and passes bytes both ways. When a client asks to commit, it may cut: before the server hears of it,
//! after the server has answered, or in between, so that nobody but the server knows what became of the transaction. Knows of the protocol only how
//! a COMMIT looks.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use shuguan::postgres::{PostgresAddress, PostgresServer};
use tempfile::TempDir;

/// A simple query (PostgreSQL, Frontend/Backend Protocol, 55.7): `Q`, the length, the text and a zero.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// What becomes of one COMMIT.
#[derive(Clone, Copy)]
enum Fate {
    Passes,
    /// The server never hears of it, and rolls back.
    CutBefore,
    /// The server hears of it, and its answer goes nowhere.
    CutAtOnce,
    /// The server has committed.
    CutAfter,
}

/// The way.
pub struct Cut {
    folder: TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    closed: AtomicBool,
    /// Both ends of each connection that was made, to be ended when the way is closed.
    ends: Mutex<Vec<UnixStream>>,
    /// Cuts that are still to be made.
    due: AtomicU64,
    made: AtomicU64,
    commits: AtomicU64,
}

impl Cut {
    /// A way to that server; it cuts nothing yet.
    pub fn to(server: &PostgresAddress) -> Self {
        let PostgresServer::Socket(real) = &server.server else {
            unreachable!("a cluster of ours has a socket");
        };
        let real = real.join(format!(".s.PGSQL.{}", server.port));
        let folder = TempDir::new().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // While the server is down, so is the way.
                match UnixStream::connect(&real) {
                    Ok(server) if !shared.closed.load(Ordering::SeqCst) => pass(client, server, &shared),
                    _ => {}
                }
            }
        });
        Self { folder, state }
    }

    /// The same database, this way.
    pub fn address(&self, server: &PostgresAddress) -> PostgresAddress {
        PostgresAddress {
            server: PostgresServer::Socket(PathBuf::from(self.folder.path())),
            port: 5_432,
            ..server.clone()
        }
    }

    /// Cuts so many times from now on, at every second COMMIT.
    pub fn arm(&self, cuts: u64) {
        self.state.due.store(cuts, Ordering::SeqCst);
    }

    /// Lets nobody through, as if the server were down, and ends what goes on; or lets everybody through again.
    pub fn close(&self, closed: bool) {
        self.state.closed.store(closed, Ordering::SeqCst);
        if closed {
            for end in self.state.ends.lock().expect("no panic before").drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// How many times it has cut.
    pub fn cuts(&self) -> u64 {
        self.state.made.load(Ordering::SeqCst)
    }
}

impl State {
    /// Every second one passes, so that something is done between two cuts; the three ways of cutting take turns.
    fn fate(&self) -> Fate {
        let nth = self.commits.fetch_add(1, Ordering::SeqCst);
        let due = self.due.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |due| {
            due.checked_sub(1).filter(|_| nth.is_multiple_of(2))
        });
        if due.is_err() {
            return Fate::Passes;
        }
        match self.made.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Fate::CutBefore,
            1 => Fate::CutAtOnce,
            _ => Fate::CutAfter,
        }
    }
}

/// Starts both directions of one connection.
fn pass(client: UnixStream, server: UnixStream, state: &Arc<State>) {
    let (mut from_server, mut to_client) = (
        server.try_clone().expect("a socket"),
        client.try_clone().expect("a socket"),
    );
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let ends = [&client, &server].map(|end| end.try_clone().expect("a socket"));
    state.ends.lock().expect("no panic before").extend(ends);
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let (mut client, mut server) = (client, server);
        let _ = asked(&mut client, &mut server, &state);
        for end in [&client, &server] {
            let _ = end.shutdown(Shutdown::Both);
        }
    });
}

/// What the client says, until it ends or is cut off. sqlx writes a COMMIT as a message of its own after the answer to the one before, so it
/// stands at the end of what is read.
fn asked(client: &mut UnixStream, server: &mut UnixStream, state: &State) -> std::io::Result<()> {
    let mut buffer = [0; 1 << 16];
    loop {
        let read = client.read(&mut buffer)?;
        let said = buffer.get(..read).unwrap_or_default();
        if said.is_empty() {
            return Ok(());
        }
        let fate = if said.ends_with(COMMIT) {
            state.fate()
        } else {
            Fate::Passes
        };
        match fate {
            Fate::Passes => server.write_all(said)?,
            Fate::CutBefore => return Ok(()),
            // In this order, or the server's answer may still reach the client, who then knows what became of his transaction.
            Fate::CutAtOnce => {
                client.shutdown(Shutdown::Both)?;
                return server.write_all(said);
            }
            Fate::CutAfter => {
                client.shutdown(Shutdown::Both)?;
                server.write_all(said)?;
                // The server has time to commit.
                std::thread::sleep(std::time::Duration::from_millis(30));
                return Ok(());
            }
        }
    }
}
