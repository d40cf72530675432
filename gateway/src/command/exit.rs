//! How a command ends: the exit codes and the error that a person reads.

use std::fmt;

/// Exit codes; which of them a script may repeat stands in gateway/INTERFACE.md, "Exit codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Local failure: file, disk, configuration, journal.
    Local = 1,
    /// Wrong usage.
    Usage = 2,
    /// Refused by the gateway: 4xx other than 429, or our certificate was not accepted.
    Refused = 3,
    /// Not reached, or a fault on the other side. Repeat with the same idempotency key.
    Unreached = 4,
    /// Partial: some records were rejected.
    Partial = 5,
    /// A proof does not verify, or `doctor` failed.
    NotProven = 6,
    /// 429 after the waiting time that `--timeout` allows.
    RateLimited = 7,
    /// Not known whether it was taken, and no longer safe to repeat.
    Unheard = 8,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// Which of two a script wants to know of: the one after which more is to be done by a person, or sooner.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        const ORDER: [Exit; 10] = [
            Exit::Done,
            Exit::Partial,
            Exit::Refused,
            Exit::Usage,
            Exit::Local,
            Exit::Unheard,
            Exit::RateLimited,
            Exit::Unreached,
            Exit::NotProven,
            Exit::Interrupted,
        ];
        let weight = |exit: Self| ORDER.iter().position(|known| *known == exit);
        if weight(other) > weight(self) { other } else { self }
    }
}

/// What went wrong, where, why and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// Stable code, e.g. `SG4103`, when there is one.
    pub code: Option<String>,
    /// What happened, lower case, no full stop.
    pub what: String,
    /// File and line, or method, path and request id.
    pub place: Option<String>,
    /// Why, with the chain of causes.
    pub why: Option<String>,
    /// The next command or step.
    pub next: Option<String>,
}

impl Failure {
    /// A failure of this machine: a file, a disk, a configuration.
    pub fn local(what: impl Into<String>) -> Self {
        Self::new(Exit::Local, what)
    }

    /// A failure with its exit code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            code: None,
            what: what.into(),
            place: None,
            why: None,
            next: None,
        }
    }

    /// Names where it happened.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Names why.
    #[must_use]
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Names the next step.
    #[must_use]
    pub fn then(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Gives it a stable code.
    #[must_use]
    pub fn coded(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(out, "error[{code}]: {}", self.what)?,
            None => write!(out, "error: {}", self.what)?,
        }
        for (label, text) in [("where", &self.place), ("why", &self.why), ("next", &self.next)] {
            if let Some(text) = text {
                write!(out, "\n  {label:>5}: {text}")?;
            }
        }
        Ok(())
    }
}
