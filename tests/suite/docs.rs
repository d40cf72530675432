//! The documents name what is there: files, codes and routes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `README.md`, `ARCHITECTURE.md` and the READMEs of folders, with where each lies.
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
        .chain([PathBuf::from("ARCHITECTURE.md")])
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            (path, text)
        })
        .collect()
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

/// Routes as the sources declare them; a name in braces is a word that the README may choose otherwise.
fn routes() -> BTreeSet<String> {
    let read = |path: &str| std::fs::read_to_string(root().join("gateway/src").join(path)).unwrap();
    let sources = [
        "api.rs",
        "console.rs",
        "console/exchange.rs",
        "console/exchanges.rs",
        "console/person.rs",
    ]
    .map(read);
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
fn every_route_of_partners_and_officers_stands_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split(|letter: char| letter.is_whitespace() || matches!(letter, '`' | '?' | '['));
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
