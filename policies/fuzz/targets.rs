//! The fuzz targets by name, with what each of them checks: `fuzz_targets/` has one file each, and the corpus test runs the same.

#[path = "checks.rs"]
mod checks;

/// A name and what runs under it.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Names and bodies. A folder `corpus/<name>` belongs to each.
pub(crate) const TARGETS: &[Target] = &[("bundle", checks::check_bundle), ("envelope", checks::check_envelope)];

/// Runs one of them.
pub(crate) fn run(name: &str, data: &[u8]) {
    for (target, check) in TARGETS {
        if *target == name {
            check(data);
        }
    }
}
