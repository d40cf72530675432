//! What the registry does about a fault of PostgreSQL, and at which step it met it.

use super::super::fault::{RegistryFault, Remedy};
use crate::postgres::{LinkFault, PostgresFault};

/// Whether waiting or setting aside is the answer.
pub(in crate::registry) fn remedy(fault: &PostgresFault) -> Remedy {
    match fault {
        PostgresFault::Unreached(_) | PostgresFault::Tls(_) | PostgresFault::Silent(_) | PostgresFault::Protocol => {
            Remedy::Wait
        }
        PostgresFault::TooLarge => Remedy::SetAside,
        PostgresFault::Refused(refusal) => of_state(&refusal.state),
    }
}

/// What is the server's or the operator's fault is waited for; what comes from the rows is set aside.
fn of_state(state: &str) -> Remedy {
    match state {
        // A plan that a migration made stale (0A000); a standby (25006); rights (42501).
        "0A000" | "25006" | "42501" | "55P03" => Remedy::Wait,
        _ => match state.get(..2) {
            Some("08" | "28" | "3D" | "40" | "53" | "57" | "58" | "F0" | "XX") => Remedy::Wait,
            _ => Remedy::SetAside,
        },
    }
}

impl From<LinkFault> for RegistryFault {
    fn from(fault: LinkFault) -> Self {
        match fault {
            LinkFault::Unusable(why) => Self::Unusable(why),
            LinkFault::Failed { step, source } => Self::Postgres { step, source },
        }
    }
}

/// Names the step at which PostgreSQL failed.
pub(super) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, RegistryFault>;
}

impl<T> Step<T> for Result<T, sqlx::Error> {
    fn step(self, step: &'static str) -> Result<T, RegistryFault> {
        self.map_err(|error| RegistryFault::Postgres {
            step,
            source: error.into(),
        })
    }
}
