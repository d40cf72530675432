//! A gateway that the bench measures: as `init --demo` makes it, with its caps out of the way.

use shuguan_tests::{Deployment, Postgres};

use crate::feed::PARTNER;

/// Caps that must not be what is measured: rates and concurrency of a partner, connections, the pace of the relay.
const RAISED: [(&str, &str); 7] = [
    (
        "#= connections_per_partner_max = 16",
        "connections_per_partner_max = 512",
    ),
    ("#= requests_per_s = 50", "requests_per_s = 1000000"),
    ("#= requests_burst = 200", "requests_burst = 1000000"),
    ("#= concurrent_max = 16", "concurrent_max = 512"),
    ("#= rows_per_s = 200000", "rows_per_s = 100000000"),
    ("#= bytes_per_s = 125000000", "bytes_per_s = 4000000000"),
    ("#= rows_per_s = 100000", "rows_per_s = 100000000"),
];

/// A deployment with its caps raised; everything else is as shipped.
pub fn deployment() -> Deployment {
    Deployment::with(raised)
}

/// The same, whose partner has to sign what it sends, or need not.
pub fn signing_deployment(is_required: bool) -> Deployment {
    const SECTION: &str = "# [require_signature]\n# public-security-city = \"require\"\n";
    Deployment::with(|text| {
        let text = raised(text);
        assert!(text.contains(SECTION), "the configuration has no such section");
        if is_required {
            return text.replace(SECTION, &format!("[require_signature]\n{PARTNER} = \"require\"\n"));
        }
        text
    })
}

/// The same with its registry on PostgreSQL.
pub fn deployment_on(postgres: &Postgres) -> Deployment {
    Deployment::on(postgres, raised)
}

fn raised(mut text: String) -> String {
    for (standard, raised) in RAISED {
        assert!(text.contains(standard), "the configuration has no `{standard}`");
        text = text.replace(standard, raised);
    }
    text
}
