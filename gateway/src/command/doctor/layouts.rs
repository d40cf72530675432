//! What `doctor` finds about the layouts: constants, and fields that may be stated, which no grant lets anybody read.

use shuguan_policies::{Plan, PolicySet, Target};

use super::{Findings, Verdict};
use crate::layouts::{Layouts, NamedLayout};

const CHECK: &str = "layouts";

/// Holds the layouts against the policies. One of a record type that its partner may not push now is for later and no finding.
pub(super) fn look(layouts: &Layouts, policies: &PolicySet, findings: &mut Findings) {
    for layout in layouts.all() {
        let is_its = |plan: &&Plan| {
            let record = matches!(plan.target(), Target::Record(record) if record.name == layout.record.name);
            record && plan.partner_ids().iter().any(|id| Some(id) == layout.partner.as_ref())
        };
        let plans: Vec<&Plan> = policies.plans().map(|plan| &**plan).filter(is_its).collect();
        if plans.is_empty() {
            continue;
        }
        for what in unread(layout, &plans) {
            let next = "take it out of the layout, or have the agreement release it";
            findings.add(Verdict::Warn, CHECK, what, next);
        }
    }
}

/// What the layout does with fields that no plan reads. What is stated of a file goes into the log, so that it must be released as it is.
fn unread(layout: &NamedLayout, plans: &[&Plan]) -> Vec<String> {
    let name = &layout.name;
    let constants = layout
        .layout
        .mapping
        .iter()
        .flat_map(|mapping| mapping.constant_fields());
    let constants = constants.filter(|field| !plans.iter().any(|plan| plan.wanted().contains(field)));
    let constants = constants.map(|field| format!("`{name}` has a constant of `{field}`, which no grant releases"));
    let stated = layout.stated.iter();
    let stated = stated.filter(|field| !plans.iter().any(|plan| plan.keeps(field)));
    let stated = stated.map(|field| format!("`{name}` lets `{field}` be stated, which no grant releases as it is"));
    constants.chain(stated).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use shuguan_policies::PolicySet;

    use super::look;
    use crate::command::doctor::Findings;
    use crate::layouts::Layouts;

    fn found(record: &str, more: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("layout.toml");
        let head = "[[layout]]\nname = \"a\"\npartner = \"public-security-city\"\nform = \"delimited\"";
        std::fs::write(&file, format!("{head}\nrecord = \"{record}\"\n{more}")).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        let mut findings = Findings::default();
        look(
            &Layouts::load(&file).unwrap(),
            &PolicySet::load(&example).unwrap(),
            &mut findings,
        );
        findings.0.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn constants_that_no_grant_lets_anybody_read_are_found() {
        let more =
            "stated = [\"hukou_region\", \"marital_status\"]\n[layout.constants]\nsex = \"1\"\nmarital_status = \"10\"";
        let unread = [
            "`a` has a constant of `marital_status`, which no grant releases",
            "`a` lets `marital_status` be stated, which no grant releases as it is",
        ];
        assert_eq!(found("public-security/resident", more), unread);
    }

    #[test]
    fn what_is_released_in_part_may_be_a_constant_and_not_be_stated() {
        let more = "stated = [\"birth_region\"]\n[layout.constants]\nbirth_region = \"320706\"";
        let unread = "`a` lets `birth_region` be stated, which no grant releases as it is";
        assert_eq!(found("public-security/birth", more), [unread]);
    }

    #[test]
    fn a_layout_of_what_its_partner_may_not_push_is_no_finding() {
        assert!(found("civil-affairs/subsistence-allowance", "stated = [\"month\"]").is_empty());
    }
}
