//! The way to a PostgreSQL server over the network: TLS with the server's authority and name checked, and nothing else. A unix socket needs none.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use shuguan_tests::{Call, Deployment, Postgres, eventually, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

/// An authority that certifies servers.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Certificate and key for a server of that name.
    fn certify(&self, name: &str, is_over: bool) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if is_over {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server that listens on an address of its own, so that its port is free, and the port of `localhost` that leads there.
fn server() -> Option<(Postgres, u16)> {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, a | 1, b, c.clamp(1, 254));
    let postgres = Postgres::start("tls", &[("listen_addresses", &address.to_string())])?;
    postgres.script("COPY (SELECT 'host all all 127.0.0.0/8 trust') TO PROGRAM 'cat >> pg_hba.conf';");
    postgres.query("SELECT pg_reload_conf()");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect((address, 5_432)) else {
                continue;
            };
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let _ends = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    Some((postgres, port))
}

/// What the server shows to who asks for TLS behind that port, as openssl saw it.
fn shown(port: u16) -> String {
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-starttls", "postgres", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl: apt-get install openssl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Gives the server a certificate, as its own user, and waits until it shows it: it reads its files when it gets round to it.
fn present(postgres: &Postgres, port: u16, (certificate, key): (String, String)) {
    let file = |name: &str, text: &str| {
        format!(
            "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO PROGRAM 'umask 077; cat > {name}';\n",
            text.trim_end()
        )
    };
    let (written, its_key) = (file("server.crt", &certificate), file("server.key", &key));
    postgres.script(&format!("{written}{its_key}ALTER SYSTEM SET ssl = on;"));
    postgres.query("SELECT pg_reload_conf()");
    let same = certificate.replace('\r', "");
    eventually("the server shows it", 30, || shown(port).contains(same.trim_end()));
}

/// Connects as any command does; exit code, and what is said.
fn migrate(gateway: &Deployment) -> (i32, String) {
    let (code, out, error) = gateway.shuguan(&["db", "migrate", "--only", "registry", "-c", "shuguan.toml"]);
    (code, out + &error)
}

#[test]
fn a_first_installation_goes_in_the_order_of_the_manual_and_an_error_names_the_step() {
    let Some(postgres) = Postgres::start("first", &[]) else {
        return;
    };
    let mut address = postgres.address();
    address.role = "shuguan_relay".into();
    let url = format!("url = \"{address}\"");
    let gateway = Deployment::with(|text| text.replace("database = \"registry/registry.db\"", &url));
    // Neither tables nor roles: whoever asks the server is told how to begin.
    let print = ["db", "migrate", "--print", "--only", "registry", "-c", "shuguan.toml"];
    let (code, _, error) = gateway.shuguan(&print);
    assert!(code == 1 && error.contains("migrate --print --empty"), "{error}");
    assert!(!error.contains("does not fit the policies"), "{error}");
    let (code, tables, error) = gateway.shuguan(&[&print[..], &["--empty"]].concat());
    assert!(code == 0 && tables.contains("CREATE TABLE"), "{error}");
    let (code, roles, error) = gateway.shuguan(&["db", "roles", "--print", "--only", "registry", "-c", "shuguan.toml"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = gateway.shuguan(&[&print[..], &["--format", "json"]].concat());
    assert!(code == 2 && error.contains("no form but its own"), "{error}");
    postgres.script(&tables);
    postgres.script(&roles);
    let (code, said) = migrate(&gateway);
    assert_eq!(code, 0, "{said}");
    let json = ["db", "migrate", "--only", "registry", "-c", "shuguan.toml", "--json"];
    assert!(gateway.shuguan(&json).1.contains("\"registry\""));
}

#[test]
fn only_the_server_that_its_authority_certified_under_its_name_is_spoken_to() {
    let Some((postgres, port)) = server() else { return };
    let (ours, foreign) = (Authority::new(), Authority::new());
    let url = format!("url = \"postgres://shuguan@localhost:{port}/registry\"\ntls_root = \"pki/registry-ca.pem\"");
    let gateway = Deployment::with(|text| text.replace("database = \"registry/registry.db\"", &url));
    std::fs::write(gateway.path("pki/registry-ca.pem"), &ours.pem).unwrap();
    let nothing = |what: &str| {
        let tables = postgres.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
        assert_eq!(tables, ["0"], "{what}");
    };
    let refused = |what: &str, words: &str| {
        let (code, said) = migrate(&gateway);
        assert_eq!(code, 1, "{what}: {said}");
        assert!(
            said.contains("no TLS connection") && said.contains(words),
            "{what}: {said}"
        );
        nothing(what);
    };
    refused("without TLS", "does not support TLS");
    present(&postgres, port, foreign.certify("localhost", false));
    refused(
        "of another authority",
        "another authority than `tls_root` names issued it",
    );
    present(&postgres, port, ours.certify("db.lyg.example", false));
    refused("of another name", "it is not for the host that `url` names");
    present(&postgres, port, ours.certify("localhost", true));
    refused("that is over", "it has expired");

    present(&postgres, port, ours.certify("localhost", false));
    let (code, said) = migrate(&gateway);
    assert_eq!(code, 0, "{said}");
    run(async {
        let running = gateway.serve();
        let call = Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"));
        let answer = running.call(call, &gateway.partner(POLICE)).await.unwrap();
        assert_eq!(answer.status, 202);
        eventually("it is in the registry", 20, || {
            postgres.query("SELECT count(*) FROM public_security_resident") == ["1"]
        });
        let sessions = "SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'shuguan'";
        assert_eq!(postgres.query(sessions), ["t|TLSv1.3"]);
        assert_eq!(running.stop(), Some(0));
    });

    // Who leaves the authority out goes without TLS nowhere: it is no server of the network then.
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    std::fs::write(
        gateway.config(),
        text.replace("tls_root = \"pki/registry-ca.pem\"\n", ""),
    )
    .unwrap();
    let (code, said) = migrate(&gateway);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("`registry.tls_root` is missing"), "{said}");
}
