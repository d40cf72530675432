//! Openings: what lets an agency prove single columns of what it sent, and withhold the others; and what lets the registry prove the bytes that it received.
//!
//! Takes the leaf of a push or an extract, an opening (`shuguan.opening.v1`, from `GET /v1/exchanges/{id}/receipt`), and values: those in the opening itself, the agency's
//! own file decoded anew, or what is left of the registry's extract. Says of each column whether it is proved, withheld, or another than was sealed. Refuses an opening
//! whose columns do not lead to the leaf's `cols`, and one that shows values of a column without the salt that would prove them. Needs no network, no gateway, no key.

mod extract;
mod feed;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuguan_ledger::columns::{self, Column, NotTheColumns, Shown};
use shuguan_ledger::leaf::{Digest, PullEvent, PushEvent};
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use crate::hex::unhex;
use crate::journal::{CONTENT, committed_under};

pub(crate) use extract::read as read_extract;
pub(crate) use feed::{Decoded, FeedFault, decode};

/// The document's schema.
pub(crate) const SCHEMA: &str = "shuguan.opening.v1";
/// Its media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.shuguan.opening+json";

/// What opens the columns of one push, or the content of one extract.
#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub struct Opening {
    /// [`SCHEMA`].
    pub schema: String,
    /// The exchange.
    pub exchange: Uuid,
    /// Rows of the parts, e.g. `8192*3 12`.
    pub parts: String,
    /// The fields that were decoded, in order: what can reject a row.
    pub wanted: Vec<String>,
    /// The columns in the order of `cols`.
    pub columns: Vec<OpenColumn>,
    /// Of an extract: the salt, hexadecimal, of the commitment to its content. Whoever has the content and this proves that these bytes were released.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content: Option<String>,
}

/// One column of an opening.
#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub struct OpenColumn {
    /// Name.
    pub name: String,
    /// `utf8`, `i64`, `d32`, `ts`, `dec` or `bool`.
    pub r#type: String,
    /// What the grant does to the field, e.g. `keep`.
    pub operator: String,
    /// The commitment, hexadecimal.
    pub commitment: String,
    /// The salt, hexadecimal; absent: withheld.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub salt: Option<String>,
    /// The values, part by part; days as `1801-02-03`, moments in microseconds, decimals as the text of their whole number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub values: Option<Vec<Vec<Value>>>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Opening({})", self.exchange)
    }
}

impl fmt::Debug for OpenColumn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OpenColumn({})", self.name)
    }
}

/// What is said of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its values are those that were sealed.
    Proved,
    /// Its values are not shown here.
    Withheld,
    /// Its values are others than were sealed.
    Differs,
}

/// Why an opening is none of this leaf.
#[derive(Debug, thiserror::Error)]
pub enum OpeningFault {
    /// Another document.
    #[error("it is not an opening of this version")]
    Schema,
    /// Of another exchange.
    #[error("it opens exchange {0}, which is not that of the receipt")]
    Exchange(Uuid),
    /// A salt or commitment is no 64 hexadecimal digits.
    #[error("column `{0}`: salt or commitment is not 64 hexadecimal digits")]
    Hex(String),
    /// Values are shown that nothing here proves: whoever has the package could have written them in.
    #[error("column `{0}` shows values without the salt that would prove them: anybody could have written them")]
    Unsalted(String),
    /// The columns are not those that were sealed.
    #[error(transparent)]
    Columns(#[from] NotTheColumns),
}

/// What a leaf says of the columns of its exchange.
#[derive(Clone, Copy, Debug)]
pub struct SealedColumns<'l> {
    /// The exchange.
    pub exchange: &'l str,
    /// Root over the commitments.
    pub root: &'l Hash,
    /// Number of columns.
    pub count: u64,
}

impl<'l> SealedColumns<'l> {
    fn of(exchange: &'l str, root: &'l Digest, count: u64) -> Self {
        let root = &root.0;
        Self { exchange, root, count }
    }
}

impl<'l> From<&'l PushEvent> for SealedColumns<'l> {
    fn from(leaf: &'l PushEvent) -> Self {
        Self::of(&leaf.x, &leaf.cols, leaf.nc)
    }
}

impl<'l> From<&'l PullEvent> for SealedColumns<'l> {
    fn from(leaf: &'l PullEvent) -> Self {
        Self::of(&leaf.x, &leaf.cols, leaf.nc)
    }
}

/// Part digests of columns whose values are at hand, by name.
pub(crate) type Digests = BTreeMap<String, Vec<Hash>>;

impl Opening {
    /// Judges every column against its leaf. `at_hand` are digests of values from elsewhere; where the opening has values as well, both have to be those
    /// that were sealed.
    ///
    /// # Errors
    /// See [`OpeningFault`]: then nothing is proved.
    pub fn judge<'l>(
        &self,
        leaf: impl Into<SealedColumns<'l>>,
        at_hand: &Digests,
    ) -> Result<Vec<Standing>, OpeningFault> {
        // The commitments first: they are what the log holds, and each column can then be judged by itself.
        self.fits(leaf)?;
        self.columns.iter().map(|column| column.standing(at_hand)).collect()
    }

    /// Whether its commitments are those under the leaf. Until then an opening is anybody's word, also about how many columns there are.
    ///
    /// # Errors
    /// See [`OpeningFault`].
    pub fn fits<'l>(&self, leaf: impl Into<SealedColumns<'l>>) -> Result<(), OpeningFault> {
        let leaf = leaf.into();
        self.is_of(leaf.exchange)?;
        let committed = self.columns.iter().map(OpenColumn::committed);
        let committed = committed.collect::<Result<Vec<_>, _>>()?;
        Ok(columns::verify(&committed, leaf.root, leaf.count)?)
    }

    /// Whether a content of this SHA-256 is, byte for byte, what the leaf of an extract commits to; none: the opening does not open that.
    ///
    /// # Errors
    /// See [`OpeningFault`]: it is another document, or of another exchange.
    pub fn is_content(&self, leaf: &PullEvent, sha256: &Hash) -> Result<Option<bool>, OpeningFault> {
        self.is_of(&leaf.x)?;
        let salt = self.content.as_deref().map(|salt| {
            let salt: Option<Hash> = unhex(salt);
            salt.ok_or_else(|| OpeningFault::Hex(CONTENT.into()))
        });
        let salt = salt.transpose()?;
        Ok(salt.map(|salt| committed_under(&salt, CONTENT, sha256) == leaf.out))
    }

    fn is_of(&self, exchange: &str) -> Result<(), OpeningFault> {
        if self.schema != SCHEMA {
            return Err(OpeningFault::Schema);
        }
        if self.exchange.to_string() != exchange {
            return Err(OpeningFault::Exchange(self.exchange));
        }
        Ok(())
    }

    /// The same opening with only these columns open; their values are put in from `values`, where they are at hand.
    #[must_use]
    pub fn disclosing(&self, names: &[String], values: &BTreeMap<String, Vec<Vec<Value>>>) -> Self {
        let column = |column: &OpenColumn| {
            let shown = names.contains(&column.name);
            let own = values.get(&column.name).cloned().or_else(|| column.values.clone());
            OpenColumn {
                salt: column.salt.clone().filter(|_| shown),
                values: own.filter(|_| shown),
                ..column.clone()
            }
        };
        Self {
            columns: self.columns.iter().map(column).collect(),
            // With it whoever has the package could try what the whole content may be.
            content: None,
            ..self.clone()
        }
    }
}

impl OpenColumn {
    fn committed(&self) -> Result<Column, OpeningFault> {
        Ok(Column {
            name: self.name.clone(),
            form: self.r#type.clone(),
            shown: Shown::Commitment(self.hash(&self.commitment)?),
        })
    }

    fn hash(&self, text: &str) -> Result<Hash, OpeningFault> {
        let digits = (!text.bytes().any(|digit| digit.is_ascii_uppercase())).then_some(text);
        digits
            .and_then(unhex)
            .ok_or_else(|| OpeningFault::Hex(self.name.clone()))
    }

    fn standing(&self, at_hand: &Digests) -> Result<Standing, OpeningFault> {
        let Some(salt) = &self.salt else {
            // A column that calls itself withheld shows nothing.
            return match &self.values {
                Some(_) => Err(OpeningFault::Unsalted(self.name.clone())),
                None => Ok(Standing::Withheld),
            };
        };
        let salt = self.hash(salt)?;
        let shown = match &self.values {
            // Values that are not of the type are other values.
            Some(values) => match values::digests(&self.r#type, values) {
                Some(digests) => Some(digests),
                None => return Ok(Standing::Differs),
            },
            None => None,
        };
        let sealed = self.hash(&self.commitment)?;
        let is_sealed = |digests: &Vec<Hash>| columns::commitment(&self.name, &self.r#type, &salt, digests) == sealed;
        let found: Vec<bool> = shown.iter().chain(at_hand.get(&self.name)).map(is_sealed).collect();
        Ok(match found.as_slice() {
            [] => Standing::Withheld,
            found if found.iter().all(|is_sealed| *is_sealed) => Standing::Proved,
            _ => Standing::Differs,
        })
    }
}

#[cfg(test)]
pub(crate) use tests::sealed_columns;

#[cfg(test)]
mod tests;
