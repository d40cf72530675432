//! A log in memory that can be changed: its files, and the same log with other leaves, tiles and signatures.

use std::collections::BTreeMap;
use std::convert::Infallible;

use shuguan_ledger::bundle;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::tile::{Content, OpenTiles, Tile};
use shuguan_ledger::tree::{Edge, Hash, Tiles, leaf_hash};

/// The files of a log.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The log of a gateway with what else was signed.
pub struct Log {
    pub files: Files,
    pub leaves: Vec<Vec<u8>>,
    pub receipts: Vec<String>,
    pub notes: Vec<String>,
    pub key: SigningKey,
}

impl Log {
    pub fn of(files: Files, receipts: Vec<String>, notes: Vec<String>, key: SigningKey) -> Self {
        let size = Checkpoint::unverified(std::str::from_utf8(&files["checkpoint"]).unwrap())
            .unwrap()
            .size;
        let leaves = Tile::row(Content::Entries, size).flat_map(|tile| {
            let bytes = &files[&tile.to_string()];
            let entries = bundle::read(bytes, tile.width()).unwrap();
            entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
        });
        let leaves = leaves.collect();
        Self {
            files,
            leaves,
            receipts,
            notes,
            key,
        }
    }

    /// The newest signed checkpoint, as text.
    pub fn note(&self) -> String {
        String::from_utf8(self.files["checkpoint"].clone()).unwrap()
    }

    /// What it says.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::unverified(&self.note()).unwrap()
    }

    /// The log with another checkpoint.
    pub fn under(&self, note: impl Into<Vec<u8>>) -> Files {
        let mut files = self.files.clone();
        files.insert("checkpoint".into(), note.into());
        files
    }

    /// Other leaves with tiles and bundles that fit them, under the signed checkpoint.
    pub fn with_leaves(&self, leaves: &[Vec<u8>]) -> Files {
        let (mut files, _) = published(leaves);
        files.insert("checkpoint".into(), self.files["checkpoint"].clone());
        files
    }

    /// The same, signed anew with the log's own key: who holds it can say anything, but not make it canonical or add up.
    pub fn signed_anew(&self, leaves: &[Vec<u8>]) -> Files {
        let (mut files, edge) = published(leaves);
        files.insert("checkpoint".into(), signed(&self.key, &edge).into_bytes());
        files
    }
}

/// The signed checkpoint of a tree.
pub fn signed(key: &SigningKey, edge: &Edge) -> String {
    let checkpoint = Checkpoint {
        origin: key.name().to_owned(),
        size: edge.size(),
        root: edge.root(),
    };
    key.sign(&checkpoint.text()).unwrap()
}

/// Tiles and bundles of these leaves.
pub fn published(leaves: &[Vec<u8>]) -> (Files, Edge) {
    let (mut edge, mut open, mut files) = (Edge::empty(), OpenTiles::default(), Files::new());
    let mut tiles = Vec::new();
    for leaf in leaves {
        for entry in edge.append(leaf_hash(leaf)) {
            tiles.extend(open.add(&entry));
        }
    }
    tiles.extend(open.partial(edge.size()));
    for one in tiles {
        files.insert(one.tile.to_string(), one.hashes.as_flattened().to_vec());
    }
    for (tile, entries) in Tile::row(Content::Entries, edge.size()).zip(leaves.chunks(256)) {
        files.insert(tile.to_string(), bundle::write(entries).unwrap());
    }
    (files, edge)
}

impl Tiles for Log {
    type Error = Infallible;

    fn row(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, Infallible> {
        let content = Content::Hashes { level };
        let full = Tile::new(content, start / 256, 256).unwrap();
        let size = self.checkpoint().size;
        let tile = if full.is_within(size) {
            full
        } else {
            Tile::partial(content, size).unwrap()
        };
        let (hashes, _) = self.files[&tile.to_string()].as_chunks::<32>();
        let from = usize::try_from(start % 256).unwrap();
        Ok(hashes[from..from + usize::try_from(width).unwrap()].to_vec())
    }
}
