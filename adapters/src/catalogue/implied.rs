//! What a value tells besides itself: who reads the standard of a number reads a birth date, a sex and a county out of it.
//!
//! Takes a field type; gives what its values imply. The policy compiler asks here, and nowhere else, what a grant discloses beyond
//! the fields that it names. Refuses nothing.

use super::FieldType;

/// One thing that can be read out of a value of another field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Implied {
    /// A resident id as a whole: tax numbers of persons, permits and disability cards begin with it or are it.
    CitizenId,
    /// Date of birth: digits 7 to 14 of a resident id (GB 11643-1999, 3.3).
    BirthDate,
    /// Sex: digit 17 of a resident id (GB 11643-1999, 3.4).
    Sex,
    /// The division at county level where the number was issued or lies: digits 1 to 6 of a resident id, 3 to 8 of a credit code.
    Region,
    /// A unified social credit code as a whole: since 2015 the tax number of a unit.
    Uscc,
    /// The organisation code: characters 9 to 17 of a credit code (GB 32100-2015, 4.4), the last nine of an old tax number.
    OrgCode,
    /// Kind and grade of a disability: characters 19 and 20 of the number of a disability card.
    Disability,
    /// The divisions of a whole address, from the county down to the village.
    Place,
}

impl Implied {
    /// The number of a person's document of any kind: it may be a resident id, and then tells all of it.
    pub const OF_A_DOCUMENT: &'static [Self] = &[Self::CitizenId, Self::BirthDate, Self::Sex, Self::Region];

    /// The English name of a field that says the same openly, e.g. `birth_date`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CitizenId => "citizen_id",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Region => "region",
            Self::Uscc => "uscc",
            Self::OrgCode => "org_code",
            Self::Disability => "disability",
            Self::Place => "place",
        }
    }
}

impl FieldType {
    /// What every value of this type tells besides itself. A document number of a type that may hold a resident id says so in its field
    /// ([`super::Field::telling`]); [`super::Field::implies`] joins both.
    pub fn implies(&self) -> &'static [Implied] {
        match self {
            Self::CitizenId => &[Implied::BirthDate, Implied::Sex, Implied::Region],
            Self::Uscc => &[Implied::OrgCode, Implied::Region],
            // 18 characters are a credit code; 20 are a person's resident id and two more.
            Self::TaxpayerId => &[
                Implied::Uscc,
                Implied::OrgCode,
                Implied::Region,
                Implied::CitizenId,
                Implied::BirthDate,
                Implied::Sex,
            ],
            // The first six digits.
            Self::RegNo | Self::Division(_) => &[Implied::Region],
            Self::OrgCode
            | Self::DocumentNo(_)
            | Self::Name
            | Self::Text(_)
            | Self::Code(_)
            | Self::Region
            | Self::Date
            | Self::Month
            | Self::Instant
            | Self::Integer(_)
            | Self::Decimal(_)
            | Self::Phone => &[],
        }
    }
}
