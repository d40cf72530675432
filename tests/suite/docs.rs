//! The documents name what is there: files, sections, codes, routes, commands with their options, lights, findings, metrics and keys of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What an operator reads.
const OPERATING: &str = "gateway/OPERATING.md";
/// What is called and answered.
const INTERFACE: &str = "gateway/INTERFACE.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `README.md`, `ARCHITECTURE.md`, the manuals and the READMEs of folders, with where each lies.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = [
        "",
        "adapters",
        "adapters/feeds",
        "certs-example",
        "gateway/ledger",
        "policies",
        "tests/oracles",
    ];
    let readmes = folders.map(|folder| Path::new(folder).join("README.md"));
    readmes
        .into_iter()
        .chain(["ARCHITECTURE.md", OPERATING, INTERFACE].map(PathBuf::from))
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            (path, text)
        })
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let mut absent = Vec::new();
    let mut named = 0;
    for (document, text) in documents() {
        let folder = document.parent().unwrap();
        let beside = [folder.to_owned(), folder.join("src"), folder.join("..")];
        let places = ["", "gateway/src"].map(PathBuf::from).into_iter().chain(beside);
        let places: Vec<PathBuf> = places.map(|place| root().join(place)).collect();
        for path in quoted(&text).filter(|word| word.ends_with(".rs") && !word.contains([' ', '*', '…'])) {
            named += 1;
            if !places.iter().any(|place| place.join(path).is_file()) {
                absent.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(named > 100, "{named} names found");
    assert_eq!(absent, Vec::<String>::new());
}

#[test]
fn every_code_that_a_document_names_is_explained() {
    let mut codes = BTreeSet::new();
    for (_, text) in documents() {
        let found = text.match_indices("SG").filter_map(|(at, _)| text.get(at..at + 6));
        codes.extend(
            found
                .filter(|code| code[2..].bytes().all(|digit| digit.is_ascii_digit()))
                .map(str::to_owned),
        );
    }
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        let explained = std::process::Command::new(shuguan_tests::binary())
            .args(["explain", &code])
            .output()
            .unwrap();
        assert_eq!(explained.status.code(), Some(0), "{code}");
    }
}

/// Routes as the sources declare them; a name in braces is a word that the manual may choose otherwise.
fn routes() -> BTreeSet<String> {
    let sources = [
        "api.rs",
        "console.rs",
        "console/exchange.rs",
        "console/exchanges.rs",
        "console/person.rs",
    ]
    .map(|path| read(&format!("gateway/src/{path}")));
    let texts = sources.iter().flat_map(|text| text.split('"').skip(1).step_by(2));
    texts
        .filter(|text| text.starts_with("/v1/") || text.starts_with("/console"))
        .map(|route| shape(route.trim_end_matches('/')))
        .collect()
}

/// `/v1/extracts/{extract}` and `/v1/extracts/{id}` are one.
fn shape(route: &str) -> String {
    let parts = route
        .split('/')
        .map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_of_partners_and_officers_stands_in_the_manual() {
    let manual = read(INTERFACE);
    let words = manual.split(|letter: char| letter.is_whitespace() || matches!(letter, '`' | '?' | '['));
    let told: BTreeSet<String> = words
        .filter(|word| word.starts_with('/'))
        .map(|word| shape(word.trim_end_matches('/')))
        .collect();
    // Looks of the pages.
    let looks = ["/console/style.css", "/console/mark.svg"];
    let routes = routes();
    assert!(routes.len() > 20, "{routes:?}");
    let silent: Vec<&String> = routes
        .iter()
        .filter(|route| !told.contains(*route) && !looks.contains(&route.as_str()))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// Lines of a document with whether each stands in a block of code.
fn lines(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut block = false;
    text.lines().filter_map(move |line| {
        let fence = line.trim_start().starts_with("```");
        block ^= fence;
        (!fence).then_some((block, line))
    })
}

/// The anchors of a document's sections, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let heads = lines(text).filter(|(block, line)| !block && line.starts_with('#'));
    heads
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' '));
            kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        })
        .collect()
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_section() {
    let mut astray = Vec::new();
    let mut found = 0;
    for (document, text) in documents() {
        let folder = document.parent().unwrap();
        let prose = lines(&text).filter(|(block, _)| !block);
        for link in prose.flat_map(|(_, line)| line.split("](").skip(1).filter_map(|rest| rest.split(')').next())) {
            if link.starts_with("http") {
                continue;
            }
            found += 1;
            let (path, anchor) = link
                .split_once('#')
                .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = root().join(if path.is_empty() {
                document.clone()
            } else {
                folder.join(path)
            });
            let leads = match anchor {
                None => target.exists(),
                Some(anchor) => std::fs::read_to_string(target).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !leads {
                astray.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(found > 80, "{found} links found");
    assert_eq!(astray, Vec::<String>::new());
}

#[test]
fn every_section_of_a_manual_stands_in_its_contents() {
    for document in [OPERATING, INTERFACE] {
        let text = read(document);
        let (contents, rest) = text.split_once("\n## ").unwrap();
        let sections = anchors(&format!("## {rest}"));
        let listed = |section: &&String| contents.contains(&format!("(#{section})"));
        assert_eq!(
            sections.iter().filter(|section| !listed(section)).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{document}"
        );
    }
}

/// Help pages, each asked for once.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, String>);

impl Help {
    fn page(&mut self, command: &[&str]) -> &str {
        let key = command.iter().map(|&word| word.to_owned()).collect();
        self.0.entry(key).or_insert_with(|| {
            let output = std::process::Command::new(shuguan_tests::binary())
                .args(command)
                .arg("--help")
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    }

    fn actions(&mut self, command: &[&str]) -> Vec<String> {
        let page = self.page(command);
        let listed = page.split_once("Commands:\n").map(|(_, rest)| rest).unwrap_or_default();
        let listed = listed.lines().take_while(|line| !line.is_empty());
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect()
    }

    /// What is wrong with the words that follow `shuguan`.
    fn faults(&mut self, words: &[&str]) -> Vec<String> {
        let is_name =
            |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-');
        let Some(command) = words.first().filter(is_name) else {
            return Vec::new();
        };
        if !self.actions(&[]).iter().any(|known| known == command) {
            return vec![format!("there is no command `{command}`")];
        }
        let actions = self.actions(&[command]);
        let said: Vec<&str> = match words.get(1) {
            Some(word) if !actions.is_empty() && !word.starts_with('-') => {
                word.trim_end_matches(',').split('|').collect()
            }
            _ => Vec::new(),
        };
        let unknown: Vec<String> = said
            .iter()
            .filter(|action| !actions.iter().any(|known| known == *action))
            .map(|action| format!("`{command}` has no action `{action}`"))
            .collect();
        if !unknown.is_empty() {
            return unknown;
        }
        // Of a command that is named without an action, the options of any.
        let pages: Vec<Vec<&str>> = match (said.is_empty(), actions.is_empty()) {
            (false, _) => said.iter().map(|action| vec![*command, *action]).collect(),
            (true, true) => vec![vec![*command]],
            (true, false) => actions.iter().map(|action| vec![*command, action.as_str()]).collect(),
        };
        let texts: String = pages.iter().map(|page| self.page(page).to_owned()).collect();
        let known: BTreeSet<&str> = texts
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
            .collect();
        let options = words.iter().filter(|word| word.starts_with("--"));
        let options = options.map(|word| {
            word.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
                .next()
                .unwrap()
        });
        options
            .filter(|option| !known.contains(option))
            .map(|option| format!("`{}` has no option `{option}`", pages[0].join(" ")))
            .collect()
    }
}

/// What follows each `shuguan` of a line, up to the end of that command.
fn commands(line: &str) -> impl Iterator<Item = Vec<&str>> {
    let starts = line.match_indices("shuguan ").map(|(at, _)| at);
    let alone = starts.filter(|at| line[..*at].ends_with([' ', '(', '/']) || *at == 0);
    alone.map(|at| {
        let words = line[at..].split_whitespace().skip(1);
        words
            .take_while(|word| !matches!(*word, "|" | "||" | "&&" | ";") && !word.starts_with('#'))
            .collect()
    })
}

#[test]
fn every_command_that_a_document_shows_is_there_with_its_options() {
    let mut help = Help::default();
    let (mut faults, mut found) = (BTreeSet::new(), 0);
    for (document, text) in documents() {
        let blocks = lines(&text).filter(|(block, _)| *block).map(|(_, line)| line);
        for line in blocks.chain(quoted(&text)) {
            for words in commands(line) {
                found += 1;
                faults.extend(
                    help.faults(&words)
                        .into_iter()
                        .map(|fault| format!("{}: {fault}: {line}", document.display())),
                );
            }
        }
    }
    assert!(found > 150, "{found} commands found");
    assert_eq!(faults, BTreeSet::new());
}

/// The sources of the gateway below a folder, without their tests.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

/// The string that is given first, or after a verdict, to each call that begins so.
fn given<'a>(texts: &'a [String], call: &str) -> BTreeSet<&'a str> {
    let calls = texts.iter().flat_map(|text| text.split(call).skip(1));
    calls
        .filter_map(|rest| {
            let first = rest.trim_start();
            let first = match first.strip_prefix("Verdict::") {
                Some(after) => after.split_once(',')?.1.trim_start(),
                None => first,
            };
            first.strip_prefix('"')?.split('"').next()
        })
        .collect()
}

#[test]
fn every_light_finding_and_metric_stands_in_the_operators_manual() {
    let manual = read(OPERATING);
    let told: BTreeSet<&str> = quoted(&manual).collect();
    let texts = sources(&root().join("gateway/src"));
    let doctor = sources(&root().join("gateway/src/command/doctor"));
    let doctor = [doctor, vec![read("gateway/src/command/doctor.rs")]].concat();
    let lights = given(&texts, ".report(");
    let findings = ["findings.add(", "findings.ok(", "look_at(", "const CHECK: &str ="];
    let findings: BTreeSet<&str> = findings.iter().flat_map(|call| given(&doctor, call)).collect();
    let metrics = ["gauge!(", "counter!(", "histogram!(", "gauge("];
    let metrics: BTreeSet<&str> = metrics.iter().flat_map(|call| given(&texts, call)).collect();
    assert!(
        lights.len() > 10 && findings.len() > 15 && metrics.len() > 15,
        "{lights:?} {findings:?} {metrics:?}"
    );
    let silent: Vec<&&str> = lights
        .iter()
        .chain(&findings)
        .chain(&metrics)
        .filter(|name| !told.contains(*name))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
    // And no other metric: what else begins so are roles on PostgreSQL.
    let words = manual.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let words = words.filter(|word| word.starts_with("shuguan_") && word.matches('_').count() > 1);
    assert_eq!(
        words.filter(|word| !metrics.contains(word)).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}

#[test]
fn every_key_of_the_configuration_that_the_operators_manual_names_is_there() {
    let example = std::process::Command::new(shuguan_tests::binary())
        .args(["config", "example"])
        .output()
        .unwrap();
    let example = String::from_utf8(example.stdout).unwrap();
    let known: BTreeSet<&str> = example
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .collect();
    let manual = read(OPERATING);
    let limits = manual.split_once("\n## Limits\n").unwrap().1;
    let limits = limits.split("\n## ").next().unwrap();
    let cells = limits
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let keys = cells.flat_map(quoted).filter_map(|key| key.rsplit('.').next());
    let keys: BTreeSet<&str> = keys.filter(|key| !matches!(*key, "default" | "ID")).collect();
    assert!(keys.len() > 15, "{keys:?}");
    assert_eq!(keys.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
}
