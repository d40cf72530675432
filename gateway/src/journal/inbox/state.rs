//! Where a push stands in the inbox: one closed list, from the journal's column to what partners and operators are told.
//!
//! Takes the column's text; gives a state, and the text back. Refuses a word that is none, as a column of another type.

use super::super::store::{Cell, FromCell};

/// Where a push stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxState {
    /// On its way into the registry.
    Waiting,
    /// An operator must look.
    SetAside,
    /// It is in the registry.
    Relayed,
    /// It was given up or recalled.
    Discarded,
    /// Relayed or given up, and its payload is gone.
    Erased,
}

impl InboxState {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::SetAside,
        Self::Relayed,
        Self::Discarded,
        Self::Erased,
    ];

    /// As the column has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::SetAside => "set-aside",
            Self::Relayed => "relayed",
            Self::Discarded => "discarded",
            Self::Erased => "erased",
        }
    }

    /// Whether the relay may still bring it in, so that it takes up room.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Waiting | Self::SetAside)
    }

    /// Whether its payload may go once its hold is over.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Relayed | Self::Discarded)
    }
}

impl FromCell for InboxState {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        let Cell::Text(text) = cell else { return None };
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, FromCell, InboxState};

    #[test]
    fn a_state_is_read_as_it_is_written_and_no_other_word_is_one() {
        for state in InboxState::ALL {
            assert_eq!(InboxState::from_cell(Cell::Text(state.name())), Some(state));
        }
        for cell in [
            Cell::Text(""),
            Cell::Text("Waiting"),
            Cell::Text("recalled"),
            Cell::Null,
            Cell::Integer(0),
        ] {
            assert_eq!(InboxState::from_cell(cell), None, "{cell:?}");
        }
    }
}
