//! The command line: help, exit codes, and that the table of `gateway/INTERFACE.md` says what there is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use shuguan_tests::{Deployment, binary, run};

use crate::feeds::{CSV_UTF8, POLICE, RESIDENT, clean, nobody, resident};

/// Runs `shuguan` in a folder; gives exit code, stdout and stderr.
fn shuguan(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The commands that a help page lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.split_once("Commands:\n").map(|(_, rest)| rest).unwrap_or_default();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn help(command: &[&str]) -> String {
    let (code, out, error) = shuguan(Path::new("/"), &[command, &["--help"]].concat());
    assert_eq!((code, error.as_str()), (0, ""), "{command:?}");
    out
}

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    let mut leaves = 0;
    for command in listed(&help(&[])) {
        let actions = listed(&help(&[&command]));
        let pages: Vec<Vec<&str>> = if actions.is_empty() {
            vec![vec![&command]]
        } else {
            actions
                .iter()
                .map(|action| vec![command.as_str(), action.as_str()])
                .collect()
        };
        for page in pages {
            leaves += 1;
            let text = help(&page);
            for part in ["Usage:", "EXAMPLES", "EXIT CODES"] {
                assert!(text.contains(part), "`{}` --help has no {part}", page.join(" "));
            }
            let example = format!("shuguan {}", page.join(" "));
            assert!(
                text.contains(&example),
                "`{}` --help shows no example of itself",
                page.join(" ")
            );
            assert!(
                text.lines().all(|line| line.chars().count() <= 160),
                "`{}` --help has a long line",
                page.join(" ")
            );
        }
    }
    assert!(leaves >= 25, "{leaves}");
}

/// The rows of the command table of `gateway/INTERFACE.md`: command → exit codes.
fn table() -> BTreeMap<String, Vec<i32>> {
    let interface = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/INTERFACE.md");
    let interface = std::fs::read_to_string(interface).unwrap();
    let (_, rest) = interface
        .split_once("<!-- commands -->")
        .expect("the mark before the table");
    let (table, _) = rest.split_once("<!-- /commands -->").expect("the mark after the table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `shuguan "));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let codes = cells[2]
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|code| code.parse().ok())
            .collect();
        (cells[0].trim().trim_end_matches('`').to_owned(), codes)
    })
    .collect()
}

#[test]
fn the_table_lists_the_commands_that_there_are_and_no_others() {
    let mut there = listed(&help(&[]));
    there.sort();
    assert_eq!(table().into_keys().collect::<Vec<_>>(), there);
}

#[test]
fn the_exit_codes_of_a_commands_help_are_those_of_the_table() {
    for (command, codes) in table() {
        let text = help(&[&command]);
        let actions = listed(&text);
        let pages: Vec<String> = if actions.is_empty() {
            vec![text]
        } else {
            actions.iter().map(|action| help(&[&command, action])).collect()
        };
        for page in pages {
            let (_, said) = page
                .split_once("EXIT CODES\n")
                .unwrap_or_else(|| panic!("{command}: no exit codes"));
            let said = said.split("\n\n").next().unwrap_or_default();
            let entries = said
                .split([' ', '\n'])
                .filter_map(|word| word.trim_end_matches(',').parse::<i32>().ok());
            // 2, wrong usage, holds for every command.
            for code in entries.filter(|code| *code <= 7 && *code != 2) {
                assert!(
                    codes.contains(&code),
                    "`{command}` can end with {code}, the table says {codes:?}"
                );
            }
        }
    }
}

#[test]
fn wrong_usage_ends_with_2_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["no-such-command"][..],
        &["push"],
        &["push", "a.csv", "--record", RESIDENT],
        &["check", "a.csv", "--record", "no/such"],
        &["sample", "--record", RESIDENT, "--rows", "many", "-o", "-"],
        &["explain", "SG0000"],
        &["verify"],
        &["serve", "--no-such-flag"],
    ] {
        let (code, out, error) = shuguan(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(!error.is_empty(), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn local_failures_end_with_1_and_name_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["serve", "-c", "nothing.toml"][..],
        &["config", "check", "-c", "nothing.toml"],
        &[
            "push",
            "nothing.csv",
            "--record",
            RESIDENT,
            "--purpose",
            "enrolment.registration",
        ],
        &["catalog", "-c", "nothing.toml"],
        &["check", "nothing.csv", "--record", RESIDENT],
        &["verify", "receipt", "nothing", "--trust", "nothing"],
        &["verify", "log", "nothing", "--trust", "nothing"],
        &["cert", "list", "-c", "nothing.toml"],
        &["crl", "show", "-c", "nothing.toml"],
    ] {
        let (code, out, error) = shuguan(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {error}");
        assert!(error.starts_with("error"), "{arguments:?}: {error}");
    }
}

#[test]
fn samples_are_repeatable_and_check_says_what_a_gateway_would() {
    let folder = tempfile::tempdir().unwrap();
    let sample = |dirt: &str, file: &str| {
        let arguments = [
            "sample", "--record", RESIDENT, "--rows", "200", "--seed", "5", "--dirt", dirt, "-o", file,
        ];
        let (code, _, error) = shuguan(folder.path(), &arguments);
        assert_eq!(code, 0, "{error}");
        std::fs::read(folder.path().join(file)).unwrap()
    };
    assert_eq!(sample("0", "a.csv"), sample("0", "b.csv"));
    assert_ne!(sample("0", "a.csv"), sample("10", "dirty.csv"));
    let check = |file: &str| {
        shuguan(
            folder.path(),
            &["check", file, "--record", RESIDENT, "--format", "json"],
        )
    };
    let (code, out, error) = check("a.csv");
    assert_eq!(code, 0, "{error}");
    let verdict: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (verdict["received"].as_u64(), verdict["rejected"].as_u64()),
        (Some(200), Some(0))
    );
    let (code, out, _) = check("dirty.csv");
    let verdict: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, verdict["rejected"].as_u64().is_some_and(|rejected| rejected > 0)),
        (5, true),
        "{out}"
    );
    std::fs::write(folder.path().join("latin.csv"), b"citizen_id,name\n\xff\xff,\xff\n").unwrap();
    let arguments = ["check", "latin.csv", "--record", RESIDENT, "--charset", "utf-8"];
    assert_eq!(
        shuguan(folder.path(), &arguments).0,
        5,
        "the record that holds them is at fault"
    );
}

#[test]
fn the_policy_part_of_the_benchmark_runs_and_a_debug_build_is_no_measurement() {
    let bench = |arguments: &[&str]| {
        let mut bench = std::process::Command::new(env!("CARGO_BIN_EXE_bench"));
        let output = bench.args(arguments).output().expect("bench runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, out) = bench(&["--only", "policy", "--tiny"]);
    assert_eq!(code, Some(0), "{out}");
    for line in [
        "decision with 1,200 grants",
        "one HMAC",
        "a name mask",
        "`token`",
        "`pseudonym`",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert_eq!(out.matches("memcpy of its columns: ").count(), 4, "{out}");
    if cfg!(debug_assertions) {
        assert_eq!(bench(&["--only", "policy"]).0, Some(2));
    }
    assert_eq!(bench(&["--only", "nothing"]).0, Some(2));
}

#[test]
fn the_example_configuration_is_printed_and_a_fresh_one_is_good() {
    let gateway = Deployment::new();
    let (code, out, _) = gateway.shuguan(&["config", "example"]);
    assert_eq!((code, out.contains("[listen]")), (0, true));
    assert_eq!(gateway.shuguan(&["config", "check", "-c", "shuguan.toml"]).0, 0);
    assert_eq!(gateway.shuguan(&["policy", "check", "policies"]).0, 0);
    let (code, _, error) = gateway.shuguan(&["policy", "test", "policies", "--strict"]);
    assert_eq!(code, 0, "the example's own tests came along: {error}");
    let path = gateway.path("policies/agreements/health.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("to = \"month\"", "to = \"day\"")).unwrap();
    let (code, out, error) = gateway.shuguan(&["policy", "test", "policies"]);
    assert_ne!(code, 0);
    assert!(format!("{out}{error}").contains("tests/health.toml"), "{out}{error}");
    for command in [["cert", "list"], ["crl", "show"]] {
        let (code, out, error) = gateway.shuguan(&[command[0], command[1], "-c", "shuguan.toml"]);
        assert_eq!(code, 0, "{error}");
        assert!(!out.is_empty(), "{command:?}");
    }
    // What is there is never overwritten.
    let (code, _, error) = gateway.shuguan(&["init", "--demo", "."]);
    assert_eq!(code, 1, "{error}");
}

#[test]
fn every_form_of_the_data_is_one_honest_table_or_document() {
    let gateway = shuguan_tests::Deployment::new();
    assert_eq!(gateway.serve().stop(), Some(0));
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/example");
    let explain = [
        "policy",
        "explain",
        bundle,
        "--partner",
        "health-ganyu",
        "--record",
        "health/birth-certificate",
        "--purpose",
        "enrolment.registration",
    ];
    let commands: [&[&str]; 9] = [
        &["explain", "SG4103"],
        &["explain", "SG3205"],
        &["explain", "SG9306"],
        &["explain", "SG6216"],
        &["policy", "check", bundle],
        &explain,
        &["config", "check", "-c", "shuguan.toml"],
        &["log", "volumes", "--journal", "journal/journal.db"],
        &["verify", "log", "journal/journal.db", "--trust", "trust/trust.txt"],
    ];
    for command in commands
        .into_iter()
        .chain([&["key", "publish", "-c", "shuguan.toml"][..]])
    {
        let of = |form: &str| gateway.shuguan(&[command, &["--format", form]].concat()).1;
        let json: serde_json::Value = serde_json::from_str(&of("json")).expect("one document");
        assert!(json["schema"].is_string(), "{command:?}");
        for line in of("ndjson").lines() {
            let object: serde_json::Value = serde_json::from_str(line).expect("an object a line");
            assert!(object.is_object(), "{command:?}");
        }
        let tsv = of("tsv");
        let widths: Vec<usize> = tsv.lines().map(|line| line.split('\t').count()).collect();
        assert!(widths.len() > 1 || command[0] == "key", "{command:?}: {tsv}");
        assert!(
            widths.iter().all(|width| *width == widths[0] && *width > 1),
            "{command:?}: {tsv}"
        );
        assert!(
            of("csv").lines().next().is_some_and(|header| header.contains(',')),
            "{command:?}"
        );
    }
    let (code, _, error) = gateway.shuguan(&["config", "example", "--format", "csv"]);
    assert!(code == 2 && error.contains("no form but its own"), "{error}");
}

#[test]
fn every_refusal_is_explained_offline() {
    let folder = tempfile::tempdir().unwrap();
    for refusal in shuguan::refusal::Refusal::ALL {
        let (code, out, error) = shuguan(folder.path(), &["explain", refusal.code()]);
        assert_eq!(code, 0, "{error}");
        for text in [refusal.code(), refusal.slug(), refusal.zh(), refusal.en()] {
            assert!(out.contains(text), "{}: no `{text}` in {out}", refusal.code());
        }
    }
}

/// push, status, rejects, receipt, catalog and verify against a gateway that serves, with the codes of the table.
#[test]
fn the_commands_of_a_partner_end_with_the_codes_of_the_table() {
    run(async {
        let gateway = Deployment::new();
        let kit = |id: &str| format!("partners/{id}/client.toml");
        let police = kit(POLICE);
        let write = |name: &str, bytes: &[u8]| std::fs::write(gateway.path(name), bytes).unwrap();
        write("good.ndjson", &resident(&nobody(1), "某某"));
        write("mixed.csv", &mixed());
        write(
            "bad.ndjson",
            "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(4).as_bytes(),
        );
        let push = |file: &str, config: &str, more: &[&str]| {
            let arguments = [
                "push",
                file,
                "--record",
                RESIDENT,
                "--purpose",
                "enrolment.registration",
                "-c",
                config,
                "--json",
            ];
            gateway.shuguan(&[&arguments[..], more].concat())
        };
        // Nobody there yet.
        assert_eq!(push("good.ndjson", &police, &["--timeout", "1"]).0, 4);
        let running = gateway.serve();
        let (code, out, error) = push("good.ndjson", &police, &[]);
        assert_eq!(code, 0, "{error}");
        assert!(out.contains("shuguan.push"), "{out}");
        // Running it again is harmless.
        assert!(error.contains("sending good.ndjson"), "{error}");
        let (_, again, error) = push("good.ndjson", &police, &[]);
        assert!(!error.contains("sending"), "it is asked for: {error}");
        let again: serde_json::Value = serde_json::from_str(&again).unwrap();
        let first: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(find(&again, "exchange"), find(&first, "exchange"));
        assert_eq!(push("mixed.csv", &police, &[]).0, 5);
        assert_eq!(push("mixed.csv", &police, &["--rejects-ok", "50"]).0, 0);
        for (file, config, code) in [
            ("bad.ndjson", police.clone(), "SG3105"),
            ("good.ndjson", kit("tax-city"), "SG4102"),
        ] {
            let (exit, out, error) = push(file, &config, &["--state", "."]);
            assert_eq!(exit, 3, "{error}");
            assert!(format!("{out}{error}").contains(code), "{out}{error}");
        }
        let (code, _, error) = push("good.ndjson", &kit("_revoked"), &["--state", ".", "--timeout", "2"]);
        assert_eq!(code, 3, "{error}");
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        let exchange = find(&answer, "exchange").expect("an exchange");
        for command in ["status", "rejects"] {
            assert_eq!(gateway.shuguan(&[command, &exchange, "-c", &police]).0, 0, "{command}");
            assert_eq!(
                gateway.shuguan(&[command, &exchange, "-c", &kit("tax-city")]).0,
                3,
                "{command} of another partner"
            );
        }
        assert_eq!(gateway.shuguan(&["catalog", "-c", &police]).0, 0);
        assert_eq!(running.stop(), Some(0));
        assert_eq!(gateway.shuguan(&["catalog", "-c", &police]).0, 4);
        let receipt = std::fs::read_dir(gateway.root())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let receipt = receipt
            .into_iter()
            .find(|path| path.extension().is_some_and(|end| end == "tlog-proof"))
            .expect("a receipt");
        let arguments = [
            "verify",
            "receipt",
            receipt.to_str().unwrap(),
            "--trust",
            "trust/trust.txt",
        ];
        assert_eq!(gateway.shuguan(&arguments).0, 0);
    });
}

#[test]
fn check_warns_where_a_gateway_would_refuse_the_good_records_with_the_bad() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mixed.csv"), mixed()).unwrap();
    let bad = "{\"citizen_id\":\"1\",\"name\":\"某某\"}\n".repeat(4);
    std::fs::write(folder.path().join("bad.ndjson"), bad).unwrap();
    for (file, more, warned) in [
        ("mixed.csv", vec![], false),
        ("mixed.csv", vec!["--reject-percent", "0"], true),
        ("bad.ndjson", vec![], true),
        ("bad.ndjson", vec!["--reject-percent", "100"], false),
    ] {
        let arguments = [&["check", file, "--record", RESIDENT, "--json"][..], &more[..]].concat();
        let (code, out, error) = shuguan(folder.path(), &arguments);
        // A warning and no refusal: what the gateway's limit is, the gateway alone knows.
        assert_eq!(code, 5, "{error}");
        assert_eq!(error.contains("SG3105"), warned, "{file} {more:?}: {error}");
        assert!(out.contains(&format!("\"too_many_rejects\": {warned}")), "{out}");
    }
    let (code, ..) = shuguan(
        folder.path(),
        &["check", "mixed.csv", "--record", RESIDENT, "--reject-percent", "101"],
    );
    assert_eq!(code, 2);
}

#[test]
fn what_check_gives_to_a_program_is_one_table_with_numbers_as_numbers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mixed.csv"), mixed()).unwrap();
    let check = |form: &str| {
        let arguments = ["check", "mixed.csv", "--record", RESIDENT, "--format", form];
        let (code, out, error) = shuguan(folder.path(), &arguments);
        assert_eq!(code, 5, "{error}");
        assert!(
            error.contains("rows") && error.contains("原因"),
            "counts by code: {error}"
        );
        out
    };
    for line in check("ndjson").lines() {
        let reject: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(reject["row"].is_u64() && reject["line"].is_u64(), "{line}");
        assert!(reject["cell"].is_string() && reject["code"].is_string(), "{line}");
    }
    for (form, between) in [("csv", ','), ("tsv", '\t')] {
        let out = check(form);
        let columns: Vec<usize> = out.lines().map(|line| line.matches(between).count()).collect();
        assert_eq!(columns, [7, 7], "{out}");
    }
}

/// Ten good rows and one that is not.
fn mixed() -> Vec<u8> {
    let mut feed = clean(RESIDENT, CSV_UTF8, 10, 3);
    let last = feed
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty())
        .unwrap()
        .to_vec();
    let text = String::from_utf8(last).unwrap();
    // A digit of the last id is another: its check character no longer fits.
    let id = text
        .split(',')
        .find(|cell| cell.len() == 18 && cell[..17].bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap();
    let digit = if id.ends_with('1') { "2" } else { "1" };
    feed.extend(text.replace(id, &format!("{}{digit}", &id[..17])).into_bytes());
    feed.push(b'\n');
    feed
}

fn find(value: &serde_json::Value, member: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(members) => members
            .get(member)
            .and_then(|value| value.as_str().map(str::to_owned))
            .or_else(|| members.values().find_map(|value| find(value, member))),
        serde_json::Value::Array(items) => items.iter().find_map(|value| find(value, member)),
        _ => None,
    }
}
