//! What PostgreSQL servers are set to: whether they keep what they confirm, and whether their own logs get rows that were refused.
//!
//! Takes the configuration; asks the server of registry and journal, each once. One that does not answer is a finding of its store, not of this.

use super::{Findings, Verdict};
use crate::config::Config;
use crate::journal::JournalPlace;
use crate::postgres::PostgresSettings;
use crate::postgres::condition::Condition;
use crate::registry::RegistrySettings;

/// Looks at both.
pub(super) fn look(config: &Config, findings: &mut Findings) {
    if let RegistrySettings::Postgres(server) = &config.registry.store {
        look_at("registry server", server, findings);
    }
    if let JournalPlace::Postgres(server) = &config.journal.place {
        look_at("journal server", server, findings);
    }
}

fn look_at(check: &'static str, server: &PostgresSettings, findings: &mut Findings) {
    if let Ok(condition) = Condition::of_server(server) {
        judge(check, &condition, findings);
    }
}

fn judge(check: &'static str, condition: &Condition, findings: &mut Findings) {
    match condition.forgets() {
        Some(why) if condition.is_throwaway() => {
            let next = "for trying out only: shuguan.throwaway says that all in it may be lost";
            findings.add(Verdict::Warn, check, why, next);
        }
        Some(why) => {
            let next = "set it in postgresql.conf, then SELECT pg_reload_conf(); until then nothing is written to it";
            findings.add(Verdict::Fail, check, why, next);
        }
        None => findings.ok(check, "it keeps what it confirms"),
    }
    if condition.logs_rows() {
        let what = "its own log gets rows that it refuses, with their values: log_error_verbosity is not terse";
        let next = "ALTER SYSTEM SET log_error_verbosity = terse; SELECT pg_reload_conf()";
        findings.add(Verdict::Warn, check, what, next);
    }
}
