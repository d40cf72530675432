//! Where a PostgreSQL server is and how it is used. Takes parsed values from the configuration; refuses addresses that are not complete, or
//! that hold what must not stand in a configuration.

use std::path::PathBuf;
use std::time::Duration;

/// A server and how it is used.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Server, database and role.
    pub address: PostgresAddress,
    /// A file of mode 0400 with the password; none where the server asks for none, e.g. `peer` on a unix socket.
    pub password_file: Option<PathBuf>,
    /// The authority that issued the server's certificate, PEM. Required unless the server is reached through a unix socket.
    pub tls_root: Option<PathBuf>,
    /// The schema of the tables; default `public`.
    pub schema: String,
    /// How long connecting may take, milliseconds; default 5,000.
    pub connect_timeout_ms: u32,
    /// How long one statement of the writer may take, milliseconds; default 60,000.
    pub statement_timeout_ms: u32,
    /// How long a statement waits for a lock, milliseconds; default 2,000. A second gateway holds one while it writes.
    pub lock_timeout_ms: u32,
    /// How long reading a whole dataset may take, milliseconds; default 3,600,000.
    pub read_timeout_ms: u32,
}

impl PostgresSettings {
    /// At that address with the defaults for the rest.
    pub fn at(address: PostgresAddress) -> Self {
        Self {
            address,
            password_file: None,
            tls_root: None,
            schema: "public".to_owned(),
            connect_timeout_ms: 5_000,
            statement_timeout_ms: 60_000,
            lock_timeout_ms: 2_000,
            read_timeout_ms: 3_600_000,
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    /// The server cancels a statement itself; who hears nothing for longer than that has lost it.
    pub(crate) fn silence_max(&self) -> Duration {
        Duration::from_millis(u64::from(self.statement_timeout_ms) + 5_000)
    }

    /// The same where a whole dataset or log is read.
    pub(crate) fn reading_max(&self) -> Duration {
        Duration::from_millis(u64::from(self.read_timeout_ms) + 5_000)
    }
}

/// `postgres://ROLE@HOST[:PORT]/DATABASE`, or `postgres://ROLE@/DATABASE?host=/FOLDER[&port=PORT]` for a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresAddress {
    /// The role to log in as.
    pub role: String,
    /// Where the server listens.
    pub server: PostgresServer,
    /// Its port; 5432 unless stated.
    pub port: u16,
    /// The database.
    pub database: String,
}

/// Where a PostgreSQL server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresServer {
    /// A host name or address, over TLS.
    Host(String),
    /// The folder of a unix socket.
    Socket(PathBuf),
}

impl PostgresAddress {
    /// Reads an address. No percent codes, so that nothing can be hidden in one.
    ///
    /// # Errors
    /// What is wrong with it, without the text itself: somebody may have put a password there.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or("it does not begin with postgres://")?;
        if rest.contains(['%', '#', ' ']) {
            return Err("it holds one of `%`, `#` and blank");
        }
        let (role, rest) = rest
            .split_once('@')
            .ok_or("it names no role: postgres://ROLE@HOST/DATABASE")?;
        if role.contains(':') {
            return Err("it holds a password; put that into a file of mode 0400 and name it as password_file");
        }
        let (authority, rest) = rest.split_once('/').ok_or("it names no database")?;
        let (database, query) = rest.split_once('?').unwrap_or((rest, ""));
        if role.is_empty() || database.is_empty() || database.contains('/') {
            return Err("role and database must be named: postgres://ROLE@HOST/DATABASE");
        }
        let (mut host, mut port) = host_and_port(authority)?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("host", value)) if host.is_empty() => host = value,
                Some(("port", value)) if port.is_none() => port = Some(port_of(value)?),
                _ => return Err("only host and port may follow `?`, once each; everything else has a key of its own"),
            }
        }
        let server = match host {
            "" => return Err("it names no host"),
            folder if folder.starts_with('/') => PostgresServer::Socket(folder.into()),
            host => PostgresServer::Host(host.to_owned()),
        };
        Ok(Self {
            role: role.to_owned(),
            server,
            port: port.unwrap_or(5_432),
            database: database.to_owned(),
        })
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the bracket of an address is not closed")?;
        let port = rest.strip_prefix(':').map(port_of).transpose()?;
        return Ok((host, port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Ok((host, Some(port_of(port)?))),
        None => Ok((authority, None)),
    }
}

fn port_of(text: &str) -> Result<u16, &'static str> {
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or("its port is no number from 1 to 65535")
}

impl std::fmt::Display for PostgresAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.server {
            PostgresServer::Host(host) if host.contains(':') => {
                write!(out, "postgres://{}@[{host}]:{}/{}", self.role, self.port, self.database)
            }
            PostgresServer::Host(host) => {
                write!(out, "postgres://{}@{host}:{}/{}", self.role, self.port, self.database)
            }
            PostgresServer::Socket(folder) => write!(
                out,
                "postgres://{}@/{}?host={}&port={}",
                self.role,
                self.database,
                folder.display(),
                self.port
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{PostgresAddress, PostgresServer};

    #[test]
    fn an_address_comes_back_as_it_was_written() {
        for url in [
            "postgres://shuguan_relay@db.lyg.example:5432/registry",
            "postgres://shuguan_relay@/registry?host=/run/postgresql&port=5433",
            "postgres://r@[fd00::1]:6432/d",
        ] {
            assert_eq!(PostgresAddress::parse(url).unwrap().to_string(), url);
        }
        let address = PostgresAddress::parse("postgresql://r@db/d").unwrap();
        assert_eq!(
            (address.server, address.port),
            (PostgresServer::Host("db".into()), 5_432)
        );
    }

    #[test]
    fn an_address_that_is_not_complete_or_says_too_much_is_refused_without_repeating_it() {
        for (url, why) in [
            ("mysql://r@db/d", "postgres://"),
            ("postgres://db/d", "no role"),
            ("postgres://r:geheim@db/d", "password_file"),
            ("postgres://r@db", "no database"),
            ("postgres://r@db/", "must be named"),
            ("postgres://@db/d", "must be named"),
            ("postgres://r@/d", "no host"),
            ("postgres://r@db:0/d", "port"),
            ("postgres://r@db:x/d", "port"),
            ("postgres://r@[::1/d", "bracket"),
            ("postgres://r@db/d?sslmode=disable", "only host and port"),
            ("postgres://r@db/d?host=/run", "only host and port"),
            ("postgres://r@db/d?host", "only host and port"),
            ("postgres://r@%2Frun/d", "`%`"),
        ] {
            let told = PostgresAddress::parse(url).unwrap_err();
            assert!(told.contains(why), "{url}: {told}");
            assert!(!told.contains("geheim"));
        }
    }
}
