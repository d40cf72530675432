//! Writes the golden feeds under `adapters/feeds` anew: `cargo run -p shuguan-adapters --example golden_feeds`.
//!
//! The tests of `sample` compare them with what the generator makes; run this after the catalogue or the generator has changed on purpose.

use std::path::Path;

use shuguan_adapters::sample::golden;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds");
    for golden in golden::all() {
        let file = folder.join(golden.file_name());
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, golden.feed()?.0)?;
    }
    std::fs::write(folder.join("counts.tsv"), golden::counts()?)
}
