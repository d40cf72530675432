//! An error with its causes.

use std::error::Error;
use std::fmt;

/// Shows an error and, behind a colon each, what caused it: one line, for people and for the operational log.
#[derive(Debug)]
pub(crate) struct Chain<'e>(pub &'e dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;
    use crate::exchange::Fault;

    #[test]
    fn an_error_is_told_with_every_cause() {
        let inner = Fault::from_error("read a file")(std::io::Error::other("no such disk"));
        let outer = Fault::from_error("begin a payload")(inner);
        assert_eq!(Chain(&outer).to_string(), "begin a payload: read a file: no such disk");
    }
}
