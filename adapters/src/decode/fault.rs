//! What is wrong with a file of bytes as a whole: a workbook or a table of dBASE.
//!
//! Each fault names a place in the file's own structure or a field of ours, never a value, nor a name that the sender chose.

/// Why a workbook or table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// More bytes than a file of this form may have; it is held in memory.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// Its parts unpack to more than they may, or to more than they say.
    #[error("the file unpacks to more than it may: {limit} bytes, {ratio} times its size, or what its parts state")]
    Expands {
        /// Bytes.
        limit: u64,
        /// Times the packed size.
        ratio: u64,
    },
    /// More parts than a workbook needs.
    #[error("the file holds more than {limit} parts")]
    TooManyParts {
        /// Parts.
        limit: usize,
    },
    /// More sheets than anybody looks through.
    #[error("the workbook has more than {limit} sheets")]
    TooManySheets {
        /// Sheets.
        limit: usize,
    },
    /// The texts of its cells do not fit.
    #[error("the texts of the workbook take more than {limit} bytes")]
    TooMuchText {
        /// Bytes.
        limit: usize,
    },
    /// It is encrypted, or opens with a password.
    #[error("the file is encrypted")]
    Encrypted,
    /// It carries programs.
    #[error("the workbook carries macros")]
    Macros,
    /// Its cells depend on other files.
    #[error("the workbook refers to other files")]
    ExternalLinks,
    /// It is a file, but of another form than the one declared.
    #[error("declared as {declared}, but this is {found}")]
    OtherForm {
        /// What it was declared as.
        declared: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// No sheet has the name asked for.
    #[error("no sheet has the name that was asked for")]
    NoSuchSheet,
    /// Several sheets hold records, and nobody said which is meant.
    #[error("{sheets} sheets hold records of this type, and none was named")]
    SeveralSheets {
        /// How many, all visible.
        sheets: usize,
    },
    /// No row at the top of a sheet names a field.
    #[error("no row at the top of a sheet names a field of the record type")]
    NoHeader,
    /// A wanted field lies in another file, or is of a type that is not read.
    #[error("column of `{field}`: its type `{kind}` is not read")]
    UnreadColumn {
        /// English name of our field.
        field: &'static str,
        /// The type letter.
        kind: char,
    },
    /// Its code page or declaration is that of a charset that is not read here.
    #[error("it says of itself that it is in {found}")]
    OtherCharset {
        /// E.g. `big5`.
        found: &'static str,
    },
    /// It breaks off.
    #[error("the file ends early, in {part}")]
    Truncated {
        /// Which part of it.
        part: &'static str,
    },
    /// It contradicts itself or its form.
    #[error("the file is damaged: {part}")]
    Damaged {
        /// Which part of it.
        part: &'static str,
    },
}
