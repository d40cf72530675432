//! Columns of a batch: proved one by one, with any of them withheld.
//!
//! Takes what a leaf commits to (`cols`, `nc`) and, for each column in order, either its salt and the digests of its parts or its bare
//! commitment; says whether they are the columns that were sealed. Refuses everything else: a bit, a name, a type, an order, a border between parts that
//! is another. Knows no values: their digests are made where the columns are.
//!
//! | Step | Value |
//! |---|---|
//! | part digest | SHA-256(`shuguan.chunk.v1\n` ‖ rows u32 LE ‖ validity ‖ values), made by the holder of the values |
//! | commitment | HMAC-SHA-256(salt of the column, `shuguan.column.v1\n` name `\n` type `\n` ‖ parts u32 LE ‖ part digests) |
//! | column leaf | SHA-256(0x00 ‖ `shuguan.column.v1\n` name `\n` type `\n` ‖ commitment) |
//! | `cols` | RFC 6962 root over the column leaves in order |

use ring::hmac;

use crate::tree::{Edge, Hash, leaf_hash};

/// How a column is put forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// With its values: what they hash to, part by part, and the salt.
    Parts {
        /// 32 bytes of the exchange's secret for this column.
        salt: Hash,
        /// Digest of each part.
        digests: Vec<Hash>,
    },
    /// Without them.
    Commitment(Hash),
}

/// One column of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type: `utf8`, `i64`, `d32`, `ts`, `dec` or `bool`.
    pub form: String,
    /// What is known of it.
    pub shown: Shown,
}

/// Why columns are not those that were sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTheColumns {
    /// Another number.
    #[error("there are {found} columns, {sealed} were sealed")]
    Count {
        /// Found here.
        found: u64,
        /// In the leaf.
        sealed: u64,
    },
    /// A name or type with a line feed could stand for another pair.
    #[error("a column's name or type is none")]
    Name,
    /// They lead to another root.
    #[error(
        "they do not lead to the root that was sealed: a value, a name, a type, an order or a border between parts is another"
    )]
    Root,
}

impl Column {
    /// What is hashed before everything else of a column.
    fn head(&self) -> String {
        head(&self.name, &self.form)
    }

    fn commitment(&self) -> Hash {
        match &self.shown {
            Shown::Commitment(commitment) => *commitment,
            Shown::Parts { salt, digests } => commitment(&self.name, &self.form, salt, digests),
        }
    }

    /// Whether its values are proved when [`verify`] accepts it.
    pub fn is_shown(&self) -> bool {
        matches!(self.shown, Shown::Parts { .. })
    }
}

fn head(name: &str, form: &str) -> String {
    format!("shuguan.column.v1\n{name}\n{form}\n")
}

/// The commitment to a column: under its salt, to its name, its type and its parts.
pub fn commitment(name: &str, form: &str, salt: &Hash, parts: &[Hash]) -> Hash {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
    context.update(head(name, form).as_bytes());
    context.update(&u32::try_from(parts.len()).unwrap_or(u32::MAX).to_le_bytes());
    context.update(parts.as_flattened());
    let mut commitment = [0; 32];
    commitment.copy_from_slice(context.sign().as_ref());
    commitment
}

/// The root over columns in order, member `cols` of the leaf.
pub fn root<'c>(columns: impl IntoIterator<Item = &'c Column>) -> Hash {
    let mut edge = Edge::empty();
    for column in columns {
        let leaf = [column.head().as_bytes(), &column.commitment()].concat();
        edge.append(leaf_hash(&leaf));
    }
    edge.root()
}

/// Whether these are the columns of a leaf, in its order.
///
/// # Errors
/// See [`NotTheColumns`].
pub fn verify(columns: &[Column], cols: &Hash, count: u64) -> Result<(), NotTheColumns> {
    let found = u64::try_from(columns.len()).unwrap_or(u64::MAX);
    if found != count {
        return Err(NotTheColumns::Count { found, sealed: count });
    }
    let is_word = |text: &str| !text.is_empty() && !text.contains(['\n', '\0']);
    if !columns
        .iter()
        .all(|column| is_word(&column.name) && is_word(&column.form))
    {
        return Err(NotTheColumns::Name);
    }
    if root(columns) == *cols {
        Ok(())
    } else {
        Err(NotTheColumns::Root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Column, NotTheColumns, Shown, root, verify};
    use crate::tree::Hash;

    fn columns() -> impl Strategy<Value = Vec<Column>> {
        let column = (
            "[a-z_]{1,8}",
            "utf8|i64|d32|ts|dec|bool",
            any::<Hash>(),
            vec(any::<Hash>(), 0..4),
        );
        let column = column.prop_map(|(name, form, salt, digests)| Column {
            name,
            form,
            shown: Shown::Parts { salt, digests },
        });
        vec(column, 1..7)
    }

    /// The same columns, those of the mask withheld.
    fn withheld(columns: &[Column], mask: u32) -> Vec<Column> {
        let one = |(place, column): (usize, &Column)| {
            let hidden = mask >> place & 1 == 1;
            let shown = if hidden {
                Shown::Commitment(column.commitment())
            } else {
                column.shown.clone()
            };
            Column {
                shown,
                ..column.clone()
            }
        };
        columns.iter().enumerate().map(one).collect()
    }

    fn refused(columns: &[Column], cols: &Hash) -> bool {
        verify(columns, cols, u64::try_from(columns.len()).unwrap_or(0)).is_err()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_subset_of_columns_can_be_withheld(columns in columns()) {
            let (cols, count) = (root(&columns), columns.len() as u64);
            for mask in 0..1_u32 << columns.len() {
                let shown = withheld(&columns, mask);
                prop_assert_eq!(verify(&shown, &cols, count), Ok(()));
                prop_assert_eq!(shown.iter().filter(|column| column.is_shown()).count(), columns.len() - mask.count_ones() as usize);
            }
        }

        #[test]
        fn a_changed_bit_of_a_digest_salt_or_commitment_is_refused(
            columns in columns(), which in any::<prop::sample::Index>(), bit in 0_usize..256, part in any::<prop::sample::Index>(), mask in 0_u32..64,
        ) {
            let cols = root(&columns);
            let mut changed = withheld(&columns, mask);
            let which = which.index(changed.len());
            let flip = |hash: &mut Hash| hash.get_mut(bit / 8).map(|byte| *byte ^= 1 << (bit % 8));
            if let Some(column) = changed.get_mut(which) {
                match &mut column.shown {
                    Shown::Commitment(commitment) => flip(commitment),
                    Shown::Parts { digests, .. } if !digests.is_empty() && bit % 2 == 0 => {
                        let place = part.index(digests.len());
                        digests.get_mut(place).and_then(flip)
                    }
                    Shown::Parts { salt, .. } => flip(salt),
                };
            }
            prop_assert!(refused(&changed, &cols));
        }

        #[test]
        fn another_name_type_order_or_border_is_refused(columns in columns(), mask in 0_u32..64, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let cols = root(&columns);
            let shown = withheld(&columns, mask);
            let (a, b) = (a.index(shown.len()), b.index(shown.len()));
            let changed = |change: &dyn Fn(&mut Column)| {
                let mut changed = shown.clone();
                changed.get_mut(a).map(change);
                changed
            };
            prop_assert!(refused(&changed(&|column| column.name.push('x')), &cols));
            prop_assert!(refused(&changed(&|column| column.form.push('8')), &cols));
            let mut swapped = shown.clone();
            swapped.swap(a, b);
            prop_assert_eq!(refused(&swapped, &cols), swapped != shown);
            // A name must not take over what belongs to the type.
            let moved = changed(&|column| {
                column.name = format!("{}\n{}", column.name, column.form);
            });
            prop_assert_eq!(verify(&moved, &cols, moved.len() as u64), Err(NotTheColumns::Name));
            let joined = changed(&|column| {
                if let Shown::Parts { digests, .. } = &mut column.shown {
                    digests.push([0; 32]);
                }
            });
            prop_assert_eq!(refused(&joined, &cols), joined != shown);
            let mut fewer = shown.clone();
            fewer.remove(a);
            let sealed = columns.len() as u64;
            prop_assert_eq!(verify(&fewer, &cols, sealed), Err(NotTheColumns::Count { found: sealed - 1, sealed }));
            prop_assert!(refused(&fewer, &cols));
        }
    }
}
