//! `shuguan policy check`: every fault of a bundle at once.

use std::path::Path;

use policies::{Fault, PolicySet};
use serde::Serialize;
use shuguan_policies as policies;

use super::super::exit::Exit;
use super::super::output::Output;
use super::hex;

#[derive(Serialize)]
struct CheckView {
    good: bool,
    bundle_hash: Option<String>,
    partners: usize,
    grants: usize,
    faults: Vec<FaultView>,
}

#[derive(Serialize)]
pub(super) struct FaultView {
    file: String,
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        Self {
            file: fault.file.clone(),
            line: fault.line,
            column: fault.column,
            message: fault.message.clone(),
            hint: fault.hint.clone(),
        }
    }
}

pub(super) fn check(dir: &Path, output: &Output) -> Exit {
    let outcome = PolicySet::load(dir).and_then(PolicySet::into_new);
    let (set, faults) = match &outcome {
        Ok(set) => (Some(set), &[][..]),
        Err(faults) => (None, faults.as_slice()),
    };
    let view = CheckView {
        good: set.is_some(),
        bundle_hash: set.map(|set| hex(&set.hash())),
        partners: set.map_or(0, |set| set.partners().len()),
        grants: set.map_or(0, |set| set.plans().count()),
        faults: faults.iter().map(FaultView::from).collect(),
    };
    if !output.document("shuguan.policy-check.v1", &view) {
        say(set, faults, output);
    }
    match set {
        Some(_) => Exit::Done,
        // Nothing was read, so nothing was found.
        None if !dir.is_dir() => Exit::Usage,
        None => Exit::Local,
    }
}

fn say(set: Option<&PolicySet>, faults: &[Fault], output: &Output) {
    if let Some(set) = set {
        let (partners, grants) = (set.partners().len(), set.plans().count());
        output.line(format!("good: {partners} partners, {grants} grants"));
        output.line(format!("bundle sha256:{}", hex(&set.hash())));
    } else {
        for fault in faults {
            output.line(format!("{fault}\n"));
        }
        output.line(format!("faults: {}", faults.len()));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_good_bundle_ends_with_0_a_faulty_one_with_1_and_a_missing_one_with_2() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        assert_eq!(check(&example, &super::super::QUIET), Exit::Done);
        assert_eq!(check(Path::new("/nonexistent"), &super::super::QUIET), Exit::Usage);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(check(empty.path(), &super::super::QUIET), Exit::Local);
    }
}
