//! Certificates and connections: who is let in, who is thrown out, and who may not stay silent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose;
use shuguan::clock::Clock;
use shuguan::pki::Subject;
use shuguan::pki::authority::{Authority, Tier};
use shuguan::pki::deviation::{Deviation, Minted, Signer, mint, unknown_authority};
use shuguan_tests::{Call, Connection, Deployment, Identity, Refused, eventually, leaves, registry_count, run};

use crate::feeds::{NDJSON, POLICE, RESIDENT, nobody, resident};

const SPIFFE: &str = "spiffe://lyg.example/agency/public-security/city";

fn subject() -> Subject {
    Subject {
        id: POLICE.into(),
        zh: "连云港市公安局".into(),
        spiffe: SPIFFE.into(),
    }
}

/// A certificate of the police that deviates from the profile.
fn minted(gateway: &Deployment, deviation: &Deviation) -> Identity {
    let authority = Authority::open(&gateway.root()).expect("an authority");
    let signer = Signer::Tier(&authority, Tier::Issuing);
    identity(
        gateway,
        &mint(&signer, &subject(), deviation, Clock::system().now_us()).expect("a certificate"),
    )
}

fn identity(gateway: &Deployment, minted: &Minted) -> Identity {
    Identity::of_pem(&minted.chain_pem, &minted.key_pem, &gateway.path("pki/ca.pem"))
}

fn push() -> Call {
    Call::push(RESIDENT, NDJSON, resident(&nobody(1), "某某"))
}

/// The counted leaf of those who had no identity, sealed at the stop.
fn counted(gateway: &Deployment, slug: &str) -> Option<u64> {
    let log = leaves(&gateway.journal());
    let mut of_slug = log.iter().filter(|leaf| leaf["k"] == "refusal" && leaf["code"] == slug);
    let leaf = of_slug.next()?;
    assert!(of_slug.next().is_none(), "two leaves of `{slug}` in a minute");
    assert_eq!(leaf["p"], "-", "{leaf}");
    Some(leaf["cnt"].as_u64().expect("a count"))
}

#[test]
fn a_certificate_that_the_handshake_refuses_gets_an_alert_and_is_counted() {
    run(async {
        let gateway = Deployment::new();
        let stranger = unknown_authority("somebody else", Clock::system().now_us()).unwrap();
        let stranger = mint(
            &Signer::Minted(&stranger),
            &subject(),
            &Deviation::default(),
            Clock::system().now_us(),
        )
        .unwrap();
        let kit = |id: &str| gateway.partner(id);
        let server_only = Deviation::with_extended(vec![ExtendedKeyUsagePurpose::ServerAuth]);
        // Who, the alert that he reads, the slug in the log.
        let cases = [
            ("nobody", gateway.nobody(), "CertificateRequired", "no-certificate"),
            ("unknown authority, kit", kit("_unknown"), "UnknownCA", "unknown-issuer"),
            (
                "unknown authority, same names",
                identity(&gateway, &stranger),
                "UnknownCA",
                "unknown-issuer",
            ),
            ("revoked", kit("_revoked"), "CertificateRevoked", "certificate-revoked"),
            (
                "expired",
                minted(&gateway, &Deviation::expired()),
                "CertificateExpired",
                "certificate-expired",
            ),
            (
                "not yet valid",
                minted(&gateway, &Deviation::not_yet_valid()),
                "CertificateExpired",
                "certificate-expired",
            ),
            ("for servers", minted(&gateway, &server_only), "", "certificate-profile"),
        ];
        let running = gateway.serve();
        for (who, identity, alert, _) in &cases {
            for protocol in ["h2", "http/1.1"] {
                let refused = running.call(push(), &identity.speaking(protocol)).await;
                let Err(Refused(why)) = refused else {
                    panic!("{who} over {protocol} was answered")
                };
                assert!(why.contains(alert), "{who} over {protocol}: {why}");
            }
        }
        assert_eq!(running.stop(), Some(0));
        for (who, _, _, slug) in &cases {
            let same = cases.iter().filter(|case| case.3 == *slug).count() as u64;
            assert_eq!(counted(&gateway, slug), Some(2 * same), "{who}");
        }
        assert!(leaves(&gateway.journal()).iter().all(|leaf| leaf["k"] != "push"));
        assert_eq!(registry_count(&gateway.registry(), "public_security_resident"), 0);
    });
}

#[test]
fn a_certificate_off_the_profile_is_answered_403_and_is_counted() {
    run(async {
        let gateway = Deployment::new();
        let usage = |usages: Vec<_>| Deviation::with_extended(usages);
        let uris = |uris: &[&str]| Deviation::with_uris(uris);
        let profile = [
            ("percent", uris(&["spiffe://lyg.example/agency/public%2Dsecurity/city"])),
            (
                "another domain",
                uris(&["spiffe://evil.example/agency/public-security/city"]),
            ),
            ("two names", uris(&[SPIFFE, "spiffe://lyg.example/agency/tax/city"])),
            ("the same name twice", uris(&[SPIFFE, SPIFFE])),
            ("no name", uris(&[])),
            (
                "only a host name",
                Deviation {
                    dns: vec!["client.example".into()],
                    ..uris(&[])
                },
            ),
            ("no extended usage", usage(vec![])),
            ("a long life", Deviation::long_lived()),
            (
                "any usage",
                usage(vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Any]),
            ),
            ("no usage", Deviation::with_usages(vec![])),
        ];
        let unknown = [
            (
                "another place",
                uris(&["spiffe://lyg.example/agency/public-security/donghai"]),
            ),
            (
                "upper case",
                uris(&["spiffe://lyg.example/agency/Public-Security/city"]),
            ),
            (
                "a trailing slash",
                uris(&["spiffe://lyg.example/agency/public-security/city/"]),
            ),
        ];
        let running = gateway.serve();
        let cases = profile
            .iter()
            .map(|case| (case, "SG1106"))
            .chain(unknown.iter().map(|case| (case, "SG1108")));
        for ((who, deviation), code) in cases {
            let answer = running.call(push(), &minted(&gateway, deviation)).await;
            let answer = answer.unwrap_or_else(|why| panic!("{who}: {why:?}"));
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, code), "{who}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("spiffe"), "{who}");
        }
        // The same names by the rules: it was the deviation that was refused.
        let answer = running
            .call(push(), &minted(&gateway, &Deviation::default()))
            .await
            .unwrap();
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        assert_eq!(running.stop(), Some(0));
        assert_eq!(counted(&gateway, "certificate-profile"), Some(profile.len() as u64));
        assert_eq!(counted(&gateway, "unknown-partner"), Some(unknown.len() as u64));
    });
}

#[test]
fn a_certificate_revoked_on_a_live_connection_is_refused_at_the_next_request() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let police = gateway.partner(POLICE);
        for protocol in ["h2", "http/1.1"] {
            assert_eq!(
                running.call(push(), &police.speaking(protocol)).await.unwrap().status,
                202
            );
        }
        let mut h2 = Connection::open(gateway.feed, &police.speaking("h2")).await.unwrap();
        assert_eq!(h2.protocol(), "h2");
        assert_eq!(h2.send(push()).await.unwrap().status, 202);
        let (code, _, error) = gateway.shuguan(&["cert", "revoke", "--partner", POLICE, "--yes", "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        running.signal("HUP");
        eventually("the list is in force", 10, || {
            gateway.log().contains("reloaded certificates")
        });
        let answer = h2.send(push()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "SG1104"));
        // A new connection does not even get that far, and the others stay.
        let Err(Refused(why)) = running.call(push(), &police).await else {
            panic!("it was let in")
        };
        assert!(why.contains("CertificateRevoked"), "{why}");
        let county = running
            .call(Call::get("/v1/catalog"), &gateway.partner("health-ganyu"))
            .await
            .unwrap();
        assert_eq!(county.status, 200);
        let log = leaves(&gateway.journal());
        let refusal = log
            .iter()
            .find(|leaf| leaf["code"] == "certificate-revoked")
            .expect("a leaf");
        assert_eq!(
            (refusal["p"].as_str(), refusal["at"].as_str()),
            (Some(POLICE), Some("peer"))
        );
        assert!(
            log.iter()
                .any(|leaf| leaf["k"] == "certificate" && leaf["act"] == "revoked" && leaf["p"] == POLICE)
        );
    });
}

#[test]
fn a_reload_of_a_broken_list_keeps_what_is_in_force() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        std::fs::write(gateway.path("pki/issuing.crl.pem"), "nothing of the kind\n").unwrap();
        running.signal("HUP");
        eventually("it says so", 10, || gateway.log().contains("the reload was refused"));
        assert_eq!(
            running.call(push(), &gateway.partner(POLICE)).await.unwrap().status,
            202
        );
        assert!(running.call(push(), &gateway.partner("_revoked")).await.is_err());
    });
}

#[test]
fn a_role_on_the_wrong_listener_is_refused_by_name() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let officer = running
            .call(Call::get("/v1/catalog"), &gateway.officer("auditor-zhao"))
            .await
            .unwrap();
        assert_eq!((officer.status.as_u16(), officer.code().as_str()), (403, "SG1107"));
        let agency = running
            .console(Call::get("/console/"), &gateway.partner(POLICE))
            .await
            .unwrap();
        assert_eq!((agency.status.as_u16(), agency.code().as_str()), (403, "SG1107"));
        let log = leaves(&gateway.journal());
        for who in ["auditor-zhao", POLICE] {
            let leaf = log
                .iter()
                .find(|leaf| leaf["k"] == "refusal" && leaf["p"] == who)
                .unwrap_or_else(|| panic!("no leaf of {who}"));
            assert_eq!(
                (leaf["code"].as_str(), leaf["at"].as_str()),
                (Some("wrong-role"), Some("peer"))
            );
        }
    });
}

/// Waits for the other side to close; gives how long that took.
fn closed_after(mut stream: TcpStream, within: Duration) -> Duration {
    let began = Instant::now();
    stream.set_read_timeout(Some(within)).unwrap();
    let mut rest = [0; 1024];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return began.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return began.elapsed(),
            Err(error) => panic!("still open after {within:?}: {error}"),
        }
    }
}

#[test]
fn connections_that_say_nothing_are_closed_at_their_deadlines() {
    let gateway = Deployment::with(|text| {
        text.replace("#= handshake_timeout_ms = 5000", "handshake_timeout_ms = 600")
            .replace("#= first_request_timeout_ms = 10000", "first_request_timeout_ms = 700")
            .replace("#= header_read_timeout_ms = 5000", "header_read_timeout_ms = 800")
            .replace("#= idle_timeout_ms = 60000", "idle_timeout_ms = 900")
            .replace("#= body_idle_timeout_ms = 30000", "body_idle_timeout_ms = 700")
    });
    let running = gateway.serve();
    let patience = Duration::from_secs(5);
    // Nothing at all, and half a ClientHello.
    for bytes in [&b""[..], &b"\x16\x03\x01\x02\x00\x01\x00"[..]] {
        let mut stream = TcpStream::connect(("127.0.0.1", gateway.feed)).unwrap();
        stream.write_all(bytes).unwrap();
        let took = closed_after(stream, patience);
        assert!(took >= Duration::from_millis(400), "{took:?}");
    }
    run(async {
        let police = gateway.partner(POLICE);
        // A handshake and then silence; a request and then silence.
        for protocol in ["h2", "http/1.1"] {
            let silent = Connection::open(gateway.feed, &police.speaking(protocol))
                .await
                .unwrap();
            silent
                .closed_within(patience)
                .await
                .unwrap_or_else(|()| panic!("{protocol} without a request stays open"));
            let mut idle = Connection::open(gateway.feed, &police.speaking(protocol))
                .await
                .unwrap();
            assert_eq!(idle.send(Call::get("/v1/catalog")).await.unwrap().status, 200);
            idle.closed_within(patience)
                .await
                .unwrap_or_else(|()| panic!("{protocol} after a request stays open"));
        }
        // Nobody else is held up, and the places are free again.
        assert_eq!(running.call(push(), &police).await.unwrap().status, 202);
    });
    assert_eq!(running.stop(), Some(0));
    assert_eq!(counted(&gateway, "handshake-failed"), Some(2));
}

#[test]
fn a_partner_has_no_more_connections_than_it_may() {
    run(async {
        let gateway = Deployment::with(|text| {
            text.replace("#= connections_per_partner_max = 16", "connections_per_partner_max = 3")
        });
        let running = gateway.serve();
        let police = gateway.partner(POLICE).speaking("h2");
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut connection = Connection::open(gateway.feed, &police).await.unwrap();
            assert_eq!(connection.send(Call::get("/v1/catalog")).await.unwrap().status, 200);
            held.push(connection);
        }
        assert!(
            running.call(Call::get("/v1/catalog"), &police).await.is_err(),
            "a fourth was let in"
        );
        let other = running
            .call(Call::get("/v1/catalog"), &gateway.partner("health-city"))
            .await
            .unwrap();
        assert_eq!(other.status, 200);
        drop(held.pop());
        let mut again = false;
        for _ in 0..50 {
            again = running.call(Call::get("/v1/catalog"), &police).await.is_ok();
            if again {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(again, "a place was not given back");
    });
}

/// What openssl says to a handshake with the police's certificate and one more option.
fn openssl(gateway: &Deployment, option: &str) -> String {
    let kit = gateway.path("partners").join(POLICE);
    let output = std::process::Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", gateway.feed),
            option,
            "-CAfile",
        ])
        .arg(gateway.path("pki/ca.pem"))
        .arg("-cert")
        .arg(kit.join("client.pem"))
        .arg("-key")
        .arg(kit.join("client.key"))
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl: apt-get install openssl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A ticket would skip the certificate check.
#[test]
fn nothing_can_be_resumed() {
    let gateway = Deployment::new();
    let _running = gateway.serve();
    let said = openssl(&gateway, "-tls1_3");
    assert!(
        said.contains("TLSv1.3") && said.contains("Verify return code: 0"),
        "{said}"
    );
    assert!(
        !said.contains("New Session Ticket") && !said.contains("TLS session ticket"),
        "{said}"
    );
}

#[test]
fn tls_1_2_and_plain_http_are_refused() {
    run(async {
        let gateway = Deployment::new();
        let running = gateway.serve();
        let said = openssl(&gateway, "-tls1_2");
        assert!(said.contains("alert protocol version"), "{said}");
        let mut plain = TcpStream::connect(("127.0.0.1", gateway.feed)).unwrap();
        plain
            .write_all(b"GET /v1/catalog HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        plain.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "plain HTTP was answered");
        assert_eq!(running.stop(), Some(0));
        assert_eq!(counted(&gateway, "handshake-failed"), Some(2));
    });
}
