//! Rows that hold several records: a household with its members beside each other.

/// How one row becomes several records: five or six pairs of columns, one pair a member.
///
/// A row has this form when it has any of the columns in [`Unfold::own`]. Each member that says anything is a record of its own, with the
/// columns of its number for the fields in `own` and those of the row for all others. Besides the numbered members, the plain columns
/// of the row (a first pair without a number) are a member where they say anything, and so is the head of the household, unless one of
/// the others has its number. A row without any member is one record, for its rejection to be told.
///
/// Counts are of records: a household of three is `received` three times, so that received = accepted + rejected + filtered +
/// repeated. The row and line of a reject are those of the sender's file, the same for each member of a row.
#[derive(Debug)]
pub struct Unfold {
    /// Numbered members at most.
    pub most: usize,
    /// Each field that a member has of its own, with its headers; `{}` stands for the number of the member, from 1.
    pub own: &'static [(&'static str, &'static [&'static str])],
    /// The head of the household as a member: a member's field, and the field of the row that holds it.
    pub head: &'static [(&'static str, &'static str)],
    /// The field, one of `own` and of `head`, by whose text the head is known among the members.
    pub told_by: &'static str,
}

impl Unfold {
    /// The headers of the field at that place of `own` for member `number`, from 1.
    pub fn headers(&self, own: usize, number: usize) -> impl Iterator<Item = String> {
        let headers = self.own.get(own).map(|(_, headers)| *headers).unwrap_or_default();
        headers
            .iter()
            .map(move |header| header.replace("{}", &number.to_string()))
    }
}
