//! What PostgreSQL can fail at. The server's message and its DETAIL can hold values of a record, so neither is kept: only the SQLSTATE,
//! and the names of table, column and constraint, which are ours.

use std::fmt;

use sqlx::postgres::PgDatabaseError;

use super::super::fault::{RegistryFault, Remedy};

/// Why PostgreSQL did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostgresFault {
    /// The connection could not be made, or broke.
    #[error("the server is not reached: {0}")]
    Unreached(String),
    /// The server's certificate was not taken, or it offers no TLS.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// The server did not answer in time.
    #[error("the server did not answer within {0} ms")]
    Silent(u128),
    /// The server refused.
    #[error("{0}")]
    Refused(Refusal),
    /// A value that the protocol cannot carry.
    #[error("a value is too large")]
    TooLarge,
    /// An answer that was not expected.
    #[error("the server's answer is not understood")]
    Protocol,
}

/// A SQLSTATE and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Five characters (PostgreSQL, appendix A).
    pub state: String,
    /// Table, column or constraint, where one is named.
    pub object: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SQLSTATE {}", self.state)?;
        if let Some(words) = words(&self.state) {
            write!(out, ", {words}")?;
        }
        match &self.object {
            Some(object) => write!(out, " (`{object}`)"),
            None => Ok(()),
        }
    }
}

/// What an operator meets.
fn words(state: &str) -> Option<&'static str> {
    Some(match state {
        "28000" | "28P01" => "the role or its password is refused",
        "3D000" => "there is no such database",
        "42501" => "the role may not do that",
        "42P01" => "there is no such table",
        "42703" => "there is no such column",
        "53100" => "the server's disk is full",
        "53200" => "the server is out of memory",
        "53300" => "the server has too many connections",
        "55P03" => "a lock was not given in time",
        "57014" => "the statement took too long",
        "57P01" | "57P02" | "57P03" => "the server is starting or stopping",
        "25006" => "the server takes no writes; it may be a standby",
        _ => return words_of_class(state.get(..2)?),
    })
}

fn words_of_class(class: &str) -> Option<&'static str> {
    Some(match class {
        "08" => "the connection broke",
        "22" => "a value is not of its column's type",
        "23" => "a constraint is violated",
        "40" => "the transaction was rolled back by the server",
        "53" | "54" => "the server has not enough resources",
        "58" | "XX" => "the server has an internal fault",
        _ => return None,
    })
}

impl PostgresFault {
    /// Whether the server refused with that SQLSTATE.
    pub(in crate::registry) fn is_state(&self, state: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.state == state)
    }

    /// Whether waiting or setting aside is the answer.
    pub(in crate::registry) fn remedy(&self) -> Remedy {
        match self {
            Self::Unreached(_) | Self::Tls(_) | Self::Silent(_) | Self::Protocol => Remedy::Wait,
            Self::TooLarge => Remedy::SetAside,
            Self::Refused(refusal) => of_state(&refusal.state),
        }
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

impl From<sqlx::Error> for PostgresFault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => Self::Refused(Refusal {
                    state: error.code().to_owned(),
                    object: error
                        .constraint()
                        .or(error.column())
                        .or(error.table())
                        .map(str::to_owned),
                }),
                None => Self::Protocol,
            },
            sqlx::Error::Io(error) => Self::Unreached(error.kind().to_string()),
            sqlx::Error::Tls(error) => Self::Tls(error.to_string()),
            sqlx::Error::Configuration(error) => Self::Unreached(error.to_string()),
            sqlx::Error::Encode(_) => Self::TooLarge,
            _ => Self::Protocol,
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
