//! What the log says was in force.
//!
//! Takes the `policy` leaves of a journal; gives the serial numbers and hashes against which a new bundle is judged. The log is the memory: a folder that
//! somebody put back cannot make an older bundle the newest.

use shuguan_ledger::leaf::PolicyEvent;

use crate::journal::{JournalFault, JournalPlace, Reader};

/// One bundle that was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its serial number.
    pub serial: u64,
    /// Its hash.
    pub bundle: [u8; 32],
    /// SHA-256 of its signed statement.
    pub statement: [u8; 32],
}

impl Load {
    fn of(event: &PolicyEvent) -> Option<Self> {
        Some(Self {
            serial: event.serial?,
            bundle: event.bun?.0,
            statement: event.stm?.0,
        })
    }
}

/// Every bundle that was loaded, newest first.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Load>);

impl History {
    /// Reads it out of a journal, which may be open elsewhere.
    ///
    /// # Errors
    /// When there is no journal, or it cannot be read.
    pub fn read(place: &JournalPlace) -> Result<Self, JournalFault> {
        let loads = Reader::open(place)?.policy_loads()?;
        Ok(Self(loads.iter().filter_map(Load::of).collect()))
    }

    /// The newest; its serial is the highest, because each load has to exceed the one before.
    pub fn newest(&self) -> Option<&Load> {
        self.0.first()
    }

    /// Whether a statement was accepted before.
    pub fn knows(&self, statement: &[u8; 32]) -> bool {
        self.0.iter().any(|load| load.statement == *statement)
    }

    /// Whether a bundle of that hash was in force before the newest one, and is not the newest itself.
    pub fn had(&self, bundle: &[u8; 32]) -> bool {
        let newest = self.newest().map(|load| load.bundle);
        newest != Some(*bundle) && self.0.iter().any(|load| load.bundle == *bundle)
    }

    /// Whether a bundle of that hash was ever in force, now or before.
    pub fn names(&self, bundle: &[u8; 32]) -> bool {
        self.0.iter().any(|load| load.bundle == *bundle)
    }

    /// Adds what was just loaded.
    pub(super) fn add(&mut self, load: Load) {
        self.0.insert(0, load);
    }

    #[cfg(test)]
    pub(super) fn of(loads: Vec<Load>) -> Self {
        Self(loads)
    }
}
