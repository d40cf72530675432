//! Evidence that outsiders can verify: leaves, the Merkle tree over them, signed checkpoints and receipts.
//!
//! Nothing here knows a network, a database or a clock, nor anything else of Shuguan. What is written here follows public
//! specifications, so programs that we did not write can read it: RFC 8785 (leaves), RFC 6962 (tree), C2SP signed-note,
//! tlog-checkpoint, tlog-cosignature, tlog-witness, tlog-policy, tlog-tiles and tlog-proof. `README.md` says which module is which.
//!
//! ```
//! use shuguan_ledger::leaf::{Event, Leaf, StartEvent};
//! use shuguan_ledger::{checkpoint::Checkpoint, note::SigningKey, receipt::Receipt, tree, trust::Trust};
//!
//! let key = SigningKey::from_seed("log.example", &[7; 32])?;
//! let leaf = Leaf::new(0, "gw1", "boot", Event::Start(StartEvent { version: "0.1".into(), size: 0, head: None, bin: None }));
//! let bytes = leaf.encode()?;
//! let mut edge = tree::Edge::empty();
//! edge.append(tree::leaf_hash(&bytes));
//! let checkpoint = Checkpoint { origin: key.name().into(), size: edge.size(), root: edge.root() };
//! let receipt = Receipt { leaf: bytes, index: 0, path: vec![], checkpoint: key.sign(&checkpoint.text())? };
//!
//! let trust = Trust::parse(&format!("log {}\n", key.verifying_key().vkey()))?;
//! let proven = Receipt::parse(&receipt.encode())?.verify(&trust)?;
//! assert_eq!(proven.leaf, leaf);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

pub mod audit;
pub mod bundle;
pub mod checkpoint;
pub mod columns;
pub mod consistency;
pub mod cosignature;
pub mod exported;
pub mod keys;
pub mod leaf;
pub mod note;
pub mod receipt;
pub mod tile;
pub mod time;
pub mod tree;
pub mod trust;
pub mod witness;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
