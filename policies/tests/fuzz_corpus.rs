//! The committed corpus of the fuzz targets through the same checks, on a stable compiler.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and say on what"
)]

use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

#[test]
fn every_input_of_the_corpus_holds_what_the_fuzz_targets_check() {
    for (name, _) in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut inputs = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            // Shown only when a check fails: which input it was.
            eprintln!("{}", path.display());
            targets::run(name, &data);
            // Cut short and with a byte flipped, so that each input stands for a few.
            for at in (0..data.len()).step_by(data.len() / 4 + 1) {
                targets::run(name, &data[..at]);
                let mut changed = data.clone();
                changed[at] ^= 0x55;
                targets::run(name, &changed);
            }
            inputs += 1;
        }
        assert!(inputs >= 8, "{name} has {inputs} inputs");
    }
}

#[test]
fn every_fuzz_target_is_a_binary_of_the_fuzz_workspace() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for (name, _) in targets::TARGETS {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}
