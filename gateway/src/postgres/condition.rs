//! What a server is set to: whether it keeps what it has confirmed, and what it writes into its own log.
//!
//! Takes a connection; gives the server's settings as they hold in that session, and says what must be set otherwise. Refuses nothing itself:
//! who writes what must not be lost refuses a server that forgets (C3), and `doctor` names the rest.

use sqlx::{PgConnection, Row as _};

use super::fault::LinkFault;
use super::link::{self, Purpose, within};
use super::settings::PostgresSettings;

/// What a server of ours that passes with its tests says of itself, on its command line; no configuration of the gateway's can say it.
pub(super) const THROWAWAY: &str = "shuguan.throwaway";

const ASKED: &str = "SELECT current_setting('server_encoding'), current_setting('fsync'), current_setting('full_page_writes'), \
    current_setting('synchronous_commit'), current_setting('log_error_verbosity'), coalesce(current_setting('shuguan.throwaway', true), '')";

/// The settings that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(super) encoding: String,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    log_error_verbosity: String,
    throwaway: String,
}

impl Condition {
    /// Asks for them.
    pub(super) async fn of(connection: &mut PgConnection, settings: &PostgresSettings) -> Result<Self, LinkFault> {
        const STEP: &str = "ask for its settings";
        let asked = sqlx::query(ASKED).fetch_one(connection);
        let row = within(STEP, settings.connect_timeout(), asked).await?;
        let cell = |place: usize| row.try_get(place).map_err(|error| LinkFault::of(STEP, error));
        Ok(Self {
            encoding: cell(0)?,
            fsync: cell(1)?,
            full_page_writes: cell(2)?,
            synchronous_commit: cell(3)?,
            log_error_verbosity: cell(4)?,
            throwaway: cell(5)?,
        })
    }

    /// Asks a server for them on a connection that ends with it. Blocking.
    ///
    /// # Errors
    /// The server is not reached or refuses, or is not one that can be used.
    pub(crate) fn of_server(settings: &PostgresSettings) -> Result<Self, LinkFault> {
        link::wait(async {
            let mut connection = link::connect(settings, Purpose::Ask).await?;
            Self::of(&mut connection, settings).await
        })
    }

    /// Why a COMMIT that it confirms may be lost, with what to set; none when it keeps what it confirms.
    pub(crate) fn forgets(&self) -> Option<String> {
        let off = |name: &'static str, value: &str| (value != "on").then(|| format!("{name} = {value}"));
        // `remote_apply` waits for more than `on` does; the others wait for less.
        let commit = (!matches!(self.synchronous_commit.as_str(), "on" | "remote_apply"))
            .then(|| format!("synchronous_commit = {}", self.synchronous_commit));
        let faults = [
            off("fsync", &self.fsync),
            off("full_page_writes", &self.full_page_writes),
            commit,
        ];
        let faults: Vec<String> = faults.into_iter().flatten().collect();
        (!faults.is_empty()).then(|| {
            format!(
                "the server has {}: it may lose what it has confirmed; set fsync, full_page_writes and synchronous_commit to on and reload it",
                faults.join(", ")
            )
        })
    }

    /// Whether it says of itself that all in it may be lost: one of ours, for tests.
    pub(crate) fn is_throwaway(&self) -> bool {
        self.throwaway == "on"
    }

    /// Whether its log gets, with an error, the row that was refused (`DETAIL`).
    pub(crate) fn logs_rows(&self) -> bool {
        self.log_error_verbosity != "terse"
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::Condition;

    fn set(fsync: &str, pages: &str, commit: &str) -> Condition {
        Condition {
            encoding: "UTF8".into(),
            fsync: fsync.into(),
            full_page_writes: pages.into(),
            synchronous_commit: commit.into(),
            log_error_verbosity: "default".into(),
            throwaway: String::new(),
        }
    }

    #[test]
    fn a_server_that_keeps_what_it_confirms_is_taken() {
        for commit in ["on", "remote_apply"] {
            assert_eq!(set("on", "on", commit).forgets(), None);
        }
    }

    #[test]
    fn a_server_is_thrown_away_only_when_it_says_so() {
        let mut condition = set("off", "on", "on");
        for (said, throwaway) in [("", false), ("off", false), ("yes", false), ("on", true)] {
            condition.throwaway = said.into();
            assert_eq!(condition.is_throwaway(), throwaway, "{said}");
            assert!(condition.forgets().is_some(), "{said}");
        }
    }

    #[test]
    fn a_server_that_may_lose_what_it_confirmed_is_refused_with_what_to_set() {
        for (condition, named) in [
            (set("off", "on", "on"), "fsync = off"),
            (set("on", "off", "on"), "full_page_writes = off"),
            (set("on", "on", "off"), "synchronous_commit = off"),
            (set("on", "on", "local"), "synchronous_commit = local"),
            (set("on", "on", "remote_write"), "synchronous_commit = remote_write"),
            (set("off", "off", "on"), "fsync = off, full_page_writes = off"),
        ] {
            let told = condition.forgets().unwrap();
            assert!(told.contains(named) && told.contains("to on and reload"), "{told}");
        }
    }
}
