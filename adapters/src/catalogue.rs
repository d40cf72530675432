//! The field catalogue: what each record type of each agency consists of.
//!
//! Takes nothing at run time: every declaration is `static`, one file an agency. Gives the names, types, classes, aliases and legal
//! bases that decoding, policies, the registry schema and the documentation are derived from. Refuses nothing; a declaration that
//! contradicts itself fails the tests of this crate.

use arrow_schema::{DataType, TimeUnit};

use crate::code::CodeTable;

pub(crate) mod block;
mod implied;
mod sampled;
mod spread;
#[cfg(test)]
mod tests;
mod unfold;

pub use implied::Implied;
pub use sampled::{Drawn, Sampled};
pub use spread::{Gathered, Spread};
pub use unfold::Unfold;

/// One of the five agencies whose data enters the registration database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agency {
    /// 公安
    PublicSecurity,
    /// 民政
    CivilAffairs,
    /// 卫计
    Health,
    /// 工商
    Commerce,
    /// 地税
    Tax,
}

impl Agency {
    /// All agencies, in the order in which the programme lists them.
    pub const ALL: [Self; 5] = [
        Self::PublicSecurity,
        Self::CivilAffairs,
        Self::Health,
        Self::Commerce,
        Self::Tax,
    ];

    /// The name used in record types, SPIFFE ids and paths, e.g. `public-security`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicSecurity => "public-security",
            Self::CivilAffairs => "civil-affairs",
            Self::Health => "health",
            Self::Commerce => "commerce",
            Self::Tax => "tax",
        }
    }

    /// The short Chinese name, e.g. `公安`.
    pub fn zh(self) -> &'static str {
        match self {
            Self::PublicSecurity => "公安",
            Self::CivilAffairs => "民政",
            Self::Health => "卫计",
            Self::Commerce => "工商",
            Self::Tax => "地税",
        }
    }

    /// The agency of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agency| agency.name() == name)
    }
}

/// Sensitivity of a field, C0 (public register) to C4 (not needed for the purpose).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Public register.
    C0,
    /// Internal to administration.
    C1,
    /// Ordinary personal information.
    C2,
    /// Sensitive personal information (PIPL 28); everything about a child under 14.
    C3,
    /// Not needed for any purpose here.
    C4,
}

impl Class {
    /// `C0` … `C4`.
    pub fn name(self) -> &'static str {
        match self {
            Self::C0 => "C0",
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::C3 => "C3",
            Self::C4 => "C4",
        }
    }
}

/// What the values of a field are; decides validation, the Arrow column and the registry column.
#[derive(Clone, Copy, Debug)]
pub enum FieldType {
    /// 公民身份号码, GB 11643: 18 characters, 15 accepted and raised to 18.
    CitizenId,
    /// 统一社会信用代码, GB 32100: 18 characters.
    Uscc,
    /// 组织机构代码, GB 11714: 9 characters, `-` removed.
    OrgCode,
    /// 注册号: 15 digits with ISO 7064 MOD 11,10; 13 digits pass.
    RegNo,
    /// 纳税人识别号: 15, 17, 18 or 20 characters.
    TaxpayerId,
    /// Another document's number: printable ASCII up to this many characters.
    DocumentNo(u16),
    /// A person's name, 1 to 50 characters.
    Name,
    /// Free text of at most this many characters.
    Text(u16),
    /// A code out of a table.
    Code(&'static CodeTable),
    /// GB/T 2260 division at county level: 6 digits, historical codes included.
    Region,
    /// Statistical division below the county: 9 digits (town) or 12 (village).
    Division(u8),
    /// A calendar day.
    Date,
    /// A month, `yyyyMM`.
    Month,
    /// A moment, microseconds UTC; local times are read as Asia/Shanghai.
    Instant,
    /// A whole number from 0 to this.
    Integer(i64),
    /// 18 digits of which this many after the point, as text in canonical form.
    Decimal(u8),
    /// A mobile or landline number.
    Phone,
}

impl FieldType {
    /// The Arrow type of a column of this field: `Utf8` for everything that is written, `Date32`, `Timestamp(µs, UTC)`, `Int64`.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Date => DataType::Date32,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Integer(_) => DataType::Int64,
            Self::CitizenId
            | Self::Uscc
            | Self::OrgCode
            | Self::RegNo
            | Self::TaxpayerId
            | Self::DocumentNo(_)
            | Self::Name
            | Self::Text(_)
            | Self::Code(_)
            | Self::Region
            | Self::Division(_)
            | Self::Month
            | Self::Decimal(_)
            | Self::Phone => DataType::Utf8,
        }
    }

    /// A short word for people and JSON, e.g. `citizen-id`, `text(200)`, `code(sex)`.
    pub fn describe(&self) -> String {
        match self {
            Self::CitizenId => "citizen-id".into(),
            Self::Uscc => "uscc".into(),
            Self::OrgCode => "org-code".into(),
            Self::RegNo => "reg-no".into(),
            Self::TaxpayerId => "taxpayer-id".into(),
            Self::DocumentNo(max) => format!("document-no({max})"),
            Self::Name => "name".into(),
            Self::Text(max) => format!("text({max})"),
            Self::Code(table) => format!("code({})", table.name),
            Self::Region => "region".into(),
            Self::Division(digits) => format!("division({digits})"),
            Self::Date => "date".into(),
            Self::Month => "month".into(),
            Self::Instant => "instant".into(),
            Self::Integer(max) => format!("integer(0..{max})"),
            Self::Decimal(scale) => format!("decimal(18,{scale})"),
            Self::Phone => "phone".into(),
        }
    }
}

/// One field of a record type or dataset.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// English name, `snake_case`; the same name means the same thing in every record type.
    pub name: &'static str,
    /// Chinese name.
    pub zh: &'static str,
    /// What its values are.
    pub kind: FieldType,
    /// How sensitive it is.
    pub class: Class,
    /// Whether a record without it is a reject.
    pub required: bool,
    /// What it dates has happened: a day after the day of sending is a reject.
    pub past: bool,
    /// Headers under which agencies' systems send it, matched after ASCII case folding; `name` and `zh` match too.
    pub aliases: &'static [&'static str],
    /// What its values tell beyond what their type does, e.g. a document number that may be a resident id.
    pub telling: &'static [Implied],
    /// What values of its type may tell and its own do not, because such values are taken out where they come from.
    pub hiding: &'static [Implied],
    /// What sources send most, where the type says too little; a code by its meaning. The sample generator draws from it.
    pub usual: &'static [&'static str],
    /// In how many of ten thousand records of a sample it is empty, unless it is required or part of a key.
    pub blank: u16,
}

impl Field {
    /// An optional field that is known by its two names only.
    pub const fn new(name: &'static str, zh: &'static str, kind: FieldType, class: Class) -> Self {
        Self {
            name,
            zh,
            kind,
            class,
            required: false,
            past: false,
            aliases: &[],
            telling: &[],
            hiding: &[],
            usual: &[],
            blank: 400,
        }
    }

    /// The same field under these native names as well.
    #[must_use]
    pub const fn known_as(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The same field, without which a record is a reject.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// A field like this one under another name.
    #[must_use]
    pub const fn named(self, name: &'static str, zh: &'static str) -> Self {
        Self { name, zh, ..self }
    }

    /// The same field in another class: what is said of a child is sensitive whatever it is.
    #[must_use]
    pub const fn in_class(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// The same field, of something that has happened when it is sent.
    #[must_use]
    pub const fn past(self) -> Self {
        Self { past: true, ..self }
    }

    /// The same field, whose values tell this as well.
    #[must_use]
    pub const fn telling(self, telling: &'static [Implied]) -> Self {
        Self { telling, ..self }
    }

    /// The same field, in whose values this is never found although its type allows for it.
    #[must_use]
    pub const fn hiding(self, hiding: &'static [Implied]) -> Self {
        Self { hiding, ..self }
    }

    /// The same field, mostly with one of these values in a sample.
    #[must_use]
    pub const fn usually(self, usual: &'static [&'static str]) -> Self {
        Self { usual, ..self }
    }

    /// The same field, empty in this many of ten thousand records of a sample.
    #[must_use]
    pub const fn blank_in(self, of_ten_thousand: u16) -> Self {
        Self {
            blank: of_ten_thousand,
            ..self
        }
    }

    /// Everything that a value tells besides itself: by its type, and by what this field says of its own.
    pub fn implies(&self) -> impl Iterator<Item = Implied> + use<> {
        let hiding = self.hiding;
        let all = self.kind.implies().iter().chain(self.telling).copied();
        all.filter(move |implied| !hiding.contains(implied))
    }

    /// Whether a value is a resident id, may be one or begins with one.
    pub fn holds_a_citizen_id(&self) -> bool {
        matches!(self.kind, FieldType::CitizenId) || self.implies().any(|implied| implied == Implied::CitizenId)
    }
}

/// Whom a record is about; the person index and the enterprise index are built from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A natural person, by resident id in this field.
    Person(&'static str),
    /// A unit, by unified social credit code in this field.
    Enterprise(&'static str),
}

/// One kind of record of one agency. A declaration names what it has and takes the rest from [`RecordType::new`].
#[derive(Debug)]
pub struct RecordType {
    /// Whose it is.
    pub agency: Agency,
    /// `agency/record`, e.g. `public-security/resident`.
    pub name: &'static str,
    /// Chinese name, e.g. `户籍人口`.
    pub zh: &'static str,
    /// Grows when fields change meaning; grants name it.
    pub schema: u32,
    /// Every field that is decoded when granted.
    pub fields: &'static [Field],
    /// Headers of class C4: known, so that a sender is not told that they are unknown, but no field, so that no grant can name them and
    /// nothing behind them is ever read.
    pub unread: &'static [&'static str],
    /// Words for whom or what a record is about, 死者 of a death: a group of columns over 姓名 called so is about the record's own, and before the
    /// Chinese name of a field such a word makes a header of that field, which goes before the bare one.
    pub own: &'static [&'static str],
    /// Natural keys in order of preference: the first whose fields are all present identifies the record.
    pub keys: &'static [&'static [&'static str]],
    /// Whom it is about, in order of preference; the first that is present counts.
    pub subjects: &'static [Subject],
    /// Legal basis ids, e.g. `si-57.3` (社会保险法 57(3)).
    pub basis: &'static [&'static str],
    /// Everything in it is about a child.
    pub minors: bool,
    /// Pairs `(earlier, later)` of date fields; a record where both are present and out of order is a reject. A resident id as the
    /// earlier stands for the birth in it.
    pub order: &'static [(&'static str, &'static str)],
    /// Fields with the canonical code that says of a row that it is history: it was replaced, or reversed, and is not the record as it is now. Such a row
    /// is passed over and counted, where the field is granted.
    pub history: &'static [(&'static str, &'static str)],
    /// Groups of fields of which one at least is whole, e.g. name and number of one of the parents; none: nothing is asked.
    pub one_of: &'static [&'static [&'static str]],
    /// The form in which one row holds several records, where sources send such a form.
    pub unfold: Option<&'static Unfold>,
    /// Fields whose value may stand in several columns.
    pub spread: &'static [Spread],
    /// Whom the rows of a sample are about.
    pub sampled: Sampled,
}

impl RecordType {
    /// A record type with nothing in it, for a declaration to take from what it does not say itself: schema 1, no form but one row a
    /// record, no rules between fields.
    pub const fn new(agency: Agency, name: &'static str, zh: &'static str) -> Self {
        Self {
            agency,
            name,
            zh,
            schema: 1,
            fields: &[],
            unread: &[],
            own: &[],
            keys: &[],
            subjects: &[],
            basis: &[],
            minors: false,
            order: &[],
            history: &[],
            one_of: &[],
            unfold: None,
            spread: &[],
            sampled: Sampled::NEW,
        }
    }

    /// The field of that exact English name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The part after the slash, e.g. `resident`.
    pub fn short(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(_, record)| record)
    }
}

/// All record types, agency by agency, in the order in which each lists them.
pub fn record_types() -> impl Iterator<Item = &'static RecordType> {
    [
        crate::public_security::RECORDS,
        crate::civil_affairs::RECORDS,
        crate::health::RECORDS,
        crate::commerce::RECORDS,
        crate::tax::RECORDS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The record type of that exact name.
pub fn record_type(name: &str) -> Option<&'static RecordType> {
    record_types().find(|record| record.name == name)
}
