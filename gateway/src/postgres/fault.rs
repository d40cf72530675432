//! What PostgreSQL can fail at. The server's message and its DETAIL can hold values of a record, so neither is kept: only the SQLSTATE,
//! and the names of table, column and constraint, which are ours.

use std::fmt;
use std::time::Duration;

use rustls::CertificateError;
use sqlx::postgres::PgDatabaseError;

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
    pub(crate) fn is_state(&self, state: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.state == state)
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
            sqlx::Error::Io(error) => match handshake(&error) {
                Some(words) => Self::Tls(words),
                None => Self::Unreached(error.kind().to_string()),
            },
            sqlx::Error::Tls(error) => Self::Tls(error.to_string()),
            sqlx::Error::Configuration(error) => Self::Unreached(error.to_string()),
            sqlx::Error::Encode(_) => Self::TooLarge,
            _ => Self::Protocol,
        }
    }
}

/// What TLS refused, which sqlx gives as a failure to read or write.
fn handshake(error: &std::io::Error) -> Option<String> {
    let refused = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(why) = refused else {
        return Some(refused.to_string());
    };
    let why = match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "another authority than `tls_root` names issued it".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is not for the host that `url` names".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        other => other.to_string(),
    };
    Some(format!("the server's certificate is refused: {why}"))
}

/// A connection could not be made, or broke.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// What is configured cannot be used.
    #[error("PostgreSQL cannot be used as configured: {0}")]
    Unusable(String),
    /// PostgreSQL did not do what was asked.
    #[error("PostgreSQL failed to {step}")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        source: PostgresFault,
    },
}

impl LinkFault {
    pub(crate) fn of(step: &'static str, error: sqlx::Error) -> Self {
        let source = error.into();
        Self::Failed { step, source }
    }

    /// No answer within that time.
    pub(crate) fn silent(step: &'static str, patience: Duration) -> Self {
        let source = PostgresFault::Silent(patience.as_millis());
        Self::Failed { step, source }
    }

    /// The connection is not there any more.
    pub(crate) fn broken(step: &'static str) -> Self {
        let source = PostgresFault::Unreached("the connection broke".into());
        Self::Failed { step, source }
    }

    /// Whether the connection broke, rather than that nobody answered or it could not be made.
    pub(crate) fn is_break(&self) -> bool {
        matches!(self, Self::Failed { source, .. } if !matches!(source, PostgresFault::Silent(_) | PostgresFault::Tls(_)))
    }

    /// Whether the server refused with that SQLSTATE.
    pub(crate) fn is_state(&self, state: &str) -> bool {
        matches!(self, Self::Failed { source, .. } if source.is_state(state))
    }
}
