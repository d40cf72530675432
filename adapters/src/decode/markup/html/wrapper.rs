//! The table of one cell that Excel puts around the text of a cell over which a picture or a button lies.
//!
//! Takes the tags behind `<span style='mso-ignore:vglayout2'>` in a cell; says of each whether it is one of that table, and so a block of the cell. Refuses
//! whatever of a table follows its first cell: Excel writes none, and what another program means by it would be lost in the cell.

use super::DAMAGED;
use super::tag::Element;
use crate::decode::FileFault;

/// How far such a table has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wrapper {
    #[default]
    None,
    /// Its span has begun.
    Span,
    Table,
    Cell,
}

impl Wrapper {
    /// A start tag: whether it is one of the wrapper.
    pub(super) fn opens(&mut self, element: Element) -> Result<bool, FileFault> {
        if *self == Self::None || !is_of_table(element) {
            return Ok(false);
        }
        *self = match (*self, element) {
            (Self::Span, Element::Table) | (Self::Table, Element::Section | Element::Row) => Self::Table,
            (Self::Table, Element::Cell) => Self::Cell,
            (Self::Span, _) => Self::None,
            _ => return Err(DAMAGED),
        };
        Ok(*self != Self::None)
    }

    /// An end tag: whether it is one of the wrapper.
    pub(super) fn closes(&mut self, element: Element, name: &[u8]) -> bool {
        let is_within = matches!(self, Self::Table | Self::Cell);
        let ends = match self {
            Self::None => false,
            Self::Span => is_of_table(element) || name == b"span",
            Self::Table | Self::Cell => element == Element::Table,
        };
        if ends {
            *self = Self::None;
        }
        is_within && is_of_table(element)
    }
}

fn is_of_table(element: Element) -> bool {
    matches!(
        element,
        Element::Table | Element::Section | Element::Row | Element::Cell
    )
}
