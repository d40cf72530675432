#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use super::{Config, ConfigError, EXAMPLE, JournalPlace, RegistrySettings, SignatureMode};
use std::path::Path;

#[test]
fn the_example_is_a_configuration() {
    let config = Config::parse("example.toml", EXAMPLE, Path::new("/etc/shuguan")).unwrap();
    assert_eq!(config.tls.certificate, Path::new("/etc/shuguan/pki/server.pem"));
    assert_eq!(config.limits.of("nobody"), config.limits.default);
}

#[test]
fn every_commented_default_of_the_example_is_a_known_key() {
    let commented: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("#= ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let config = Config::parse("example.toml", &commented, Path::new("/"));
    assert!(config.is_ok(), "{}", config.unwrap_err());
}

#[test]
fn a_journal_is_a_file_or_a_server_too_and_its_head_stays_a_file_of_this_node() {
    let with = |section: &str| {
        let text = EXAMPLE.replace("database = \"journal/journal.db\"", section);
        Config::parse("c.toml", &text, Path::new("/etc/shuguan"))
    };
    let journal = with("url = \"postgres://j@/journal?host=/run/postgresql\"\nschema = \"log\"")
        .unwrap()
        .journal;
    let JournalPlace::Postgres(server) = &journal.place else {
        panic!("it is not PostgreSQL");
    };
    assert_eq!((server.statement_timeout_ms, server.schema.as_str()), (10_000, "log"));
    assert_eq!(journal.head, Path::new("/etc/shuguan/journal/journal.head"));
    assert_eq!(journal.beside(), Some(Path::new("/etc/shuguan")));
    let url = "url = \"postgres://shuguan_journal@db.lyg.example/journal\"";
    for (section, told) in [
        ("", "`journal` has neither of `database` and `url`"),
        (
            &*format!("database = \"j.db\"\n{url}"),
            "`journal` has both of `database` and `url`",
        ),
        (url, "`journal.tls_root` is missing"),
        (
            "url = \"postgres://r:geheim@db/d\"",
            "`journal.url`: it holds a password",
        ),
    ] {
        let text = with(section).unwrap_err().to_string();
        assert!(text.contains(told) && !text.contains("geheim"), "{section}: {text}");
    }
}

fn with_registry(section: &str) -> Result<Config, ConfigError> {
    let text = EXAMPLE.replace("database = \"registry/registry.db\"", section);
    Config::parse("c.toml", &text, Path::new("/etc/shuguan"))
}

#[test]
fn a_registry_is_a_file_or_a_server_and_a_server_on_the_network_has_its_authority() {
    let url = "url = \"postgres://shuguan_relay@db.lyg.example/registry\"\n";
    let config = with_registry(&format!(
        "{url}tls_root = \"pki/db.pem\"\npassword_file = \"keys/db\"\n"
    ))
    .unwrap();
    let RegistrySettings::Postgres(settings) = config.registry.store else {
        panic!("it is not PostgreSQL");
    };
    assert_eq!(settings.tls_root.unwrap(), Path::new("/etc/shuguan/pki/db.pem"));
    assert_eq!(settings.password_file.unwrap(), Path::new("/etc/shuguan/keys/db"));
    assert!(with_registry("url = \"postgres://r@/registry?host=/run/postgresql\"").is_ok());
    for (section, told) in [
        ("", "neither of `database` and `url`"),
        (&*format!("database = \"r.db\"\n{url}"), "both of `database` and `url`"),
        (url, "`registry.tls_root` is missing"),
        ("url = \"postgres://r:geheim@db/d\"", "holds a password"),
        ("url = \"postgres://r@/d?host=/run\"\nschema = \"a b\"", "no plain name"),
        (
            "database = \"r.db\"\ntls_root = \"x\"",
            "unknown key `registry.tls_root`",
        ),
    ] {
        let text = with_registry(section).unwrap_err().to_string();
        assert!(text.contains(told) && !text.contains("geheim"), "{section}: {text}");
    }
}

#[test]
fn a_partner_has_to_sign_may_sign_or_must_not() {
    let with = |section: &str| {
        let text = format!("{EXAMPLE}\n[require_signature]\n{section}\n");
        Config::parse("c.toml", &text, Path::new("/"))
    };
    let config = with("health-city = \"require\"\nhealth-ganyu = \"forbid\"").unwrap();
    assert_eq!(config.signatures["health-city"], SignatureMode::Require);
    assert_eq!(config.signatures["health-ganyu"], SignatureMode::Forbid);
    assert_eq!(config.tls.message, Path::new("/pki/message"));
    for wrong in ["health-city = \"maybe\"", "health-city = true"] {
        let text = with(wrong).unwrap_err().to_string();
        assert!(text.contains("require_signature.health-city"), "{text}");
    }
}

#[test]
fn shares_and_rates_of_the_relay_name_agencies_and_record_types() {
    let with = |section: &str| {
        let text = EXAMPLE.replace("[relay] ", &format!("[relay]\n{section}\n#"));
        Config::parse("c.toml", &text, Path::new("/"))
    };
    let config = with("part_target_ms = 900\nshare.tax = 3\nrows_per_s.\"tax/registration\" = 5000").unwrap();
    assert_eq!(config.relay.part_target_ms.get(), 900);
    assert_eq!(config.relay.shares.0["tax"].get(), 3);
    assert_eq!(config.relay.rows_per_s["tax/registration"].get(), 5_000);
    assert_eq!(config.relay.rows_per_s.len(), 1);
    for (section, told) in [
        ("share.taxes = 2", "names `taxes`, which is neither"),
        ("rows_per_s.\"tax/registraton\" = 2", "did you mean `tax/registration`"),
        ("share.tax = 0", "relay.share.tax"),
        ("share.tax = 1001", "at most 1000"),
        ("rows_per_s.tax = -1", "relay.rows_per_s.tax"),
        ("rows_per_s = 5", "must be a table"),
        ("part_target_ms = 0", "part_target_ms"),
        ("part_target = 1", "did you mean `part_target_ms`"),
    ] {
        let text = with(section).unwrap_err().to_string();
        let line = EXAMPLE.lines().position(|line| line.starts_with("[relay]")).unwrap() + 2;
        assert!(
            text.contains(told) && text.contains(&format!("c.toml:{line}:")),
            "{section}: {text}"
        );
    }
}

#[test]
fn the_layout_of_the_example_is_a_layout() {
    let (head, layout) = EXAMPLE.split_once("# [[layout]]").unwrap();
    let lines: Vec<&str> = layout
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    let text = format!("{head}[[layout]]{}", lines.join("\n"));
    let config = Config::parse("example.toml", &text, Path::new("/"));
    assert!(config.is_ok(), "{}", config.unwrap_err());
    assert_eq!(config.unwrap().layouts.of_partner("public-security-city").count(), 1);
}

#[test]
fn all_faults_come_at_once_with_their_lines() {
    let text = EXAMPLE.replace("node = ", "nodes = ").replace(
        "health = \"127.0.0.1:8445\"",
        "health = \"0.0.0.0:1\"\nhandshake_timeout_ms = 0",
    );
    let Err(ConfigError::Faults(faults)) = Config::parse("c.toml", &text, Path::new("/")) else {
        panic!("it was taken");
    };
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    for expected in ["`gateway.node` is missing", "unknown key `gateway.nodes`", "loopback"] {
        assert!(
            messages.iter().any(|m| m.contains(expected)),
            "{expected}: {messages:?}"
        );
    }
    assert!(
        messages.iter().any(|m| m.contains("handshake_timeout_ms")),
        "{messages:?}"
    );
    assert!(faults.iter().all(|fault| fault.line > 0));
}
