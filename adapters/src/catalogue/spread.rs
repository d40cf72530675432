//! Fields whose value stands in several columns of a row.

/// How a field is read where no column holds it by itself; a column of its own goes before all of this.
#[derive(Debug)]
pub struct Spread {
    /// The field.
    pub field: &'static str,
    /// The columns in their order, each with its headers.
    pub columns: &'static [&'static [&'static str]],
    /// What the columns are to each other.
    pub gathered: Gathered,
}

/// What the columns of a [`Spread`] are to each other.
#[derive(Debug)]
pub enum Gathered {
    /// Parts of a text, joined in order. Without the first, or where that is only a code, the others say too little, and the field is missing.
    Joined,
    /// One for each of these codes of another field: the others are not the value of this record. Where that column holds nothing the field is
    /// missing.
    ChosenBy(&'static str, &'static [&'static str]),
}
