//! `--yes`: what an act that cannot be taken back asks for.

use super::exit::{Exit, Failure};

/// Whether it is meant.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Sure {
    /// Does it: it cannot be taken back.
    #[arg(long)]
    yes: bool,
}

impl Sure {
    /// Whether it was said.
    pub(super) fn is_said(self) -> bool {
        self.yes
    }

    /// Goes on with `--yes`; without, says what would happen for ever.
    ///
    /// # Errors
    /// Wrong usage without `--yes`.
    pub(super) fn of(self, would: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        Err(Failure::new(Exit::Usage, would())
            .because("it cannot be taken back")
            .then("say --yes when that is meant"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Exit, Sure};

    #[test]
    fn what_cannot_be_taken_back_is_told_before_it_is_done() {
        assert!(Sure { yes: true }.of(String::new).is_ok());
        let failure = Sure { yes: false }.of(|| "it would be gone".to_owned()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let told = failure.to_string();
        assert!(told.contains("it would be gone") && told.contains("--yes"), "{told}");
    }
}
