#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;

use super::{CHECKPOINT, Entry, ExportFault, ExportReport, ExportVerifier, Folder, verify};
use crate::audit::LogFault;
use crate::bundle;
use crate::checkpoint::Checkpoint;
use crate::leaf::{Event, Leaf, StopEvent};
use crate::note::SigningKey;
use crate::tile::{Content, HashTile, OpenTiles, Tile};
use crate::tree::{Edge, leaf_hash};
use crate::trust::Trust;

type Files = BTreeMap<String, Vec<u8>>;

fn key() -> SigningKey {
    SigningKey::from_seed("log.example", &[7; 32]).unwrap()
}

fn trust() -> Trust {
    Trust::in_log(key().verifying_key())
}

fn leaf(n: u64) -> Vec<u8> {
    let event = Event::Stop(StopEvent { reason: "test".into() });
    Leaf::new(n.try_into().unwrap(), "gw1", "boot", event).encode().unwrap()
}

/// The files of a log with these leaves.
fn published(leaves: &[Vec<u8>]) -> Files {
    let (mut edge, mut open, mut files) = (Edge::empty(), OpenTiles::default(), Files::new());
    let mut put = |filled: HashTile| files.insert(filled.tile.to_string(), filled.hashes.as_flattened().to_vec());
    for leaf in leaves {
        for entry in edge.append(leaf_hash(leaf)) {
            open.add(&entry).map(&mut put);
        }
    }
    open.partial(edge.size()).for_each(|filled| drop(put(filled)));
    for (tile, entries) in Tile::row(Content::Entries, edge.size()).zip(leaves.chunks(256)) {
        files.insert(tile.to_string(), bundle::write(entries).unwrap());
    }
    let checkpoint = Checkpoint {
        origin: "log.example".into(),
        size: edge.size(),
        root: edge.root(),
    };
    files.insert(CHECKPOINT.into(), key().sign(&checkpoint.text()).unwrap().into_bytes());
    files
}

fn log(size: u64) -> Files {
    published(&(0..size).map(leaf).collect::<Vec<_>>())
}

fn of_600() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| log(600))
}

fn judged(files: &Files) -> Result<ExportReport, ExportFault<std::convert::Infallible>> {
    verify(files, &trust())
}

#[test]
fn logs_of_every_kind_of_width_verify() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 600] {
        let files = log(size);
        let report = judged(&files).unwrap();
        let all: Vec<Tile> = Tile::all(size).collect();
        assert_eq!(files.len(), all.len() + 1);
        let bundles = all.iter().filter(|tile| tile.content() == Content::Entries).count() as u64;
        assert_eq!((report.log.checkpoint.size, report.bundles), (size, bundles));
        assert_eq!(
            report.tiles + report.bundles,
            all.len() as u64,
            "every file was looked at"
        );
    }
}

#[test]
fn a_folder_is_read_and_a_file_that_grows_beyond_its_bound_is_refused() {
    let folder = std::env::temp_dir().join(format!("shuguan-exported-{}", std::process::id()));
    for (path, bytes) in log(257) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(
        verify(&Folder(folder.clone()), &trust()).unwrap().log.checkpoint.size,
        257
    );
    std::fs::write(folder.join("tile/0/000"), vec![0; 1 << 20]).unwrap();
    let fault = verify(&Folder(folder.clone()), &trust()).unwrap_err();
    assert_eq!(fault.to_string(), "`tile/0/000`: it is longer than 8192 bytes");
    std::fs::remove_file(folder.join(CHECKPOINT)).unwrap();
    let fault = verify(&Folder(folder.clone()), &trust()).unwrap_err();
    assert_eq!(fault.to_string(), "`checkpoint` is missing");
    std::fs::create_dir(folder.join(CHECKPOINT)).unwrap();
    let fault = verify(&Folder(folder.clone()), &trust()).unwrap_err();
    assert!(
        matches!(fault, ExportFault::Unreadable { .. }) && fault.index().is_none(),
        "{fault}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

/// The fault of a folder, or a panic when the verifier waits for something in it.
fn fault_in_time(folder: &Path) -> ExportFault<std::io::Error> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let files = Folder(folder.to_owned());
    std::thread::spawn(move || sender.send(verify(&files, &trust()).unwrap_err()));
    receiver.recv_timeout(Duration::from_secs(20)).unwrap()
}

#[test]
fn a_fifo_or_a_device_among_the_files_is_named_and_not_waited_for() {
    let folder = std::env::temp_dir().join(format!("shuguan-exported-fifo-{}", std::process::id()));
    for (path, bytes) in log(257) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let refused = |path: &str| {
        let fault = fault_in_time(&folder);
        assert_eq!(
            (fault.to_string(), fault.index()),
            (format!("`{path}` cannot be read"), None)
        );
        let why = fault.source().unwrap().to_string();
        assert_eq!(why, "it is not a regular file");
    };
    // The last that is read first, so that each is found in turn.
    for path in ["tile/0/000", "tile/entries/000", CHECKPOINT] {
        std::fs::remove_file(folder.join(path)).unwrap();
        let made = Command::new("mkfifo").arg(folder.join(path)).status();
        assert!(made.unwrap().success());
        refused(path);
    }
    std::fs::remove_file(folder.join(CHECKPOINT)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join(CHECKPOINT)).unwrap();
    refused(CHECKPOINT);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn each_file_that_the_checkpoint_calls_for_must_be_there() {
    for path in of_600().keys() {
        let mut files = of_600().clone();
        files.remove(path);
        let fault = judged(&files).unwrap_err();
        assert_eq!(fault.to_string(), format!("`{path}` is missing"));
    }
}

#[test]
fn a_full_tile_stands_in_for_the_partial_one_and_newer_files_do_not_matter() {
    let (mut files, newer) = (log(300), of_600());
    for path in ["tile/0/001.p/44", "tile/entries/001.p/44"] {
        files.remove(path).unwrap();
        let full = path.replace(".p/44", "");
        files.insert(full.clone(), newer[&full].clone());
    }
    files.insert("tile/0/002.p/88".into(), vec![1; 32]);
    assert_eq!(judged(&files).unwrap().log.checkpoint.size, 300);
    files.get_mut("tile/0/001").unwrap()[43 * 32] ^= 1;
    let fault = judged(&files).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "`tile/0/001`: hash 299 of level 0 is not that of the entries below it"
    );
    files.get_mut("tile/0/001").unwrap().truncate(44 * 32);
    assert!(
        matches!(judged(&files), Err(ExportFault::Form { .. })),
        "a full tile is full"
    );
}

#[test]
fn a_bundle_under_the_name_of_the_full_one_is_full() {
    for (size, partial) in [(300, "tile/entries/001.p/44"), (76, "tile/entries/000.p/76")] {
        let mut files = log(size);
        let bytes = files.remove(partial).unwrap();
        let full = partial.split(".p/").next().unwrap();
        files.insert(full.into(), bytes);
        match judged(&files) {
            Err(ExportFault::Form { path, .. }) => assert_eq!(path, full),
            other => unreachable!("{size}: {other:?}"),
        }
    }
    let mut files = of_600().clone();
    files.get_mut("tile/entries/001").unwrap().push(0);
    assert!(matches!(judged(&files), Err(ExportFault::Form { .. })));
}

#[test]
fn the_first_difference_is_named() {
    let mut files = of_600().clone();
    files.get_mut("tile/0/001").unwrap()[9 * 32 + 4] ^= 1;
    let fault = judged(&files).unwrap_err();
    assert!(
        matches!(&fault, ExportFault::Differs { path, level: 0, position: 265, index: 265 } if path == "tile/0/001")
    );
    let mut files = of_600().clone();
    files.get_mut("tile/1/000.p/2").unwrap()[40] ^= 1;
    assert_eq!(judged(&files).unwrap_err().index(), Some(256));
    let mut files = of_600().clone();
    files.get_mut("tile/entries/002.p/88").unwrap().push(0);
    assert_eq!(
        judged(&files).unwrap_err().to_string(),
        "`tile/entries/002.p/88`: 1 bytes follow its last entry"
    );
}

/// Whoever changes leaves changes the tiles with them; the root then says so.
#[test]
fn other_leaves_with_tiles_that_fit_them_do_not_have_the_signed_root() {
    let leaves: Vec<Vec<u8>> = (0..600).map(leaf).collect();
    let mut edited = leaves.clone();
    edited[77] = leaf(78);
    let mut shorter = leaves.clone();
    shorter.remove(301);
    shorter.push(leaf(900));
    for forged in [edited, shorter] {
        let mut files = published(&forged);
        files.insert(CHECKPOINT.into(), of_600()[CHECKPOINT].clone());
        assert!(matches!(judged(&files), Err(ExportFault::Log(LogFault::Root { .. }))));
    }
    let mut files = published(&leaves[..599]);
    files.insert(CHECKPOINT.into(), of_600()[CHECKPOINT].clone());
    assert!(matches!(judged(&files), Err(ExportFault::Absent { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_bit_of_any_file_can_be_flipped(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut files = of_600().clone();
        let path = files.keys().nth(file.index(files.len())).unwrap().clone();
        let bytes = files.get_mut(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(judged(&files).is_err(), "{} byte {}", path, at);
    }

    #[test]
    fn no_file_can_be_cut_or_grow(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut files = of_600().clone();
        let path = files.keys().nth(file.index(files.len())).unwrap().clone();
        let whole = files[&path].clone();
        files.insert(path.clone(), whole[..at.index(whole.len())].to_vec());
        prop_assert!(judged(&files).is_err(), "{} cut", path);
        files.insert(path.clone(), [whole, vec![byte]].concat());
        prop_assert!(judged(&files).is_err(), "{} longer", path);
    }
}

/// A log of 600 entries that is closed, and its successor of 100 more; the files of the whole under the successor.
fn turned() -> (Files, Trust) {
    use crate::leaf::{Digest, LogCloseEvent, LogOpenEvent};
    let next = SigningKey::from_seed("log.example/2", &[8; 32]).unwrap();
    let at = |t: i64, event: Event| Leaf::new(t, "gw1", "boot", event).encode().unwrap();
    let mut leaves: Vec<Vec<u8>> = (0..600).map(leaf).collect();
    leaves.push(at(
        600,
        Event::LogClose(LogCloseEvent {
            log: "log.example".into(),
            by: key().verifying_key().vkey(),
            next: "log.example/2".into(),
            key: next.verifying_key().vkey(),
            why: "year".into(),
            who: "operator-li".into(),
        }),
    ));
    let mut edge = Edge::empty();
    for leaf in &leaves {
        edge.append(leaf_hash(leaf));
    }
    leaves.push(at(
        600,
        Event::LogOpen(LogOpenEvent {
            log: "log.example/2".into(),
            of: "log.example".into(),
            size: 601,
            root: Digest(edge.root()),
            kept: 601,
            why: "year".into(),
            had: None,
        }),
    ));
    leaves.extend((601..700).map(leaf));
    let mut edge = Edge::empty();
    for leaf in &leaves {
        edge.append(leaf_hash(leaf));
    }
    let (origin, size, root) = ("log.example/2".into(), edge.size(), edge.root());
    let note = next.sign(&Checkpoint { origin, size, root }.text()).unwrap();
    let mut files = published(&leaves);
    files.insert(CHECKPOINT.into(), note.into_bytes());
    let trust = Trust::in_keys([key().verifying_key().into(), next.verifying_key().into()]);
    (files, trust)
}

#[test]
fn a_volumes_folder_is_proven_without_the_bundles_before_it_and_with_none_of_its_own_missing() {
    let (whole, trust) = turned();
    let judged = |files: &Files| verify(files, &trust);
    assert_eq!(judged(&whole).unwrap().log.hashed, 0);
    let mut volume = whole.clone();
    for bundle in ["tile/entries/000", "tile/entries/001"] {
        volume.remove(bundle).unwrap();
    }
    let report = judged(&volume).unwrap();
    assert_eq!(
        (report.log.hashed, report.bundles, report.log.succeeded.len()),
        (512, 1, 1)
    );
    // One of them alone is a log with a hole: what it holds is read, and the hole is named.
    let mut hole = whole.clone();
    hole.remove("tile/entries/001").unwrap();
    let fault = judged(&hole).unwrap_err();
    assert_eq!(fault.to_string(), "`tile/entries/001` is missing");
    for gone in [
        "tile/entries/002.p/189",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/189",
        "tile/1/000.p/2",
    ] {
        let mut less = volume.clone();
        less.remove(gone).unwrap_or_else(|| panic!("{gone}"));
        let fault = judged(&less).unwrap_err();
        assert_eq!(fault.to_string(), format!("`{gone}` is missing"));
    }
    // Of a log that no volume opens within, the first bundle is missing.
    let mut first = of_600().clone();
    first.remove("tile/entries/000").unwrap();
    assert_eq!(
        super::verify(&first, &super::tests::trust()).unwrap_err().to_string(),
        "`tile/entries/000` is missing"
    );
    // The hashes before are those under the root.
    for path in ["tile/0/000", "tile/0/001", "tile/1/000.p/2"] {
        let mut changed = volume.clone();
        changed.get_mut(path).unwrap()[9] ^= 1;
        assert!(judged(&changed).is_err(), "{path}");
    }
    let mut short = volume.clone();
    short.get_mut("tile/0/001").unwrap().truncate(8_000);
    assert!(matches!(judged(&short).unwrap_err(), ExportFault::Form { .. }));
}

#[test]
fn entries_that_stand_only_as_hashes_are_shown_too_each_with_the_root_up_to_it() {
    let (mut volume, trust) = turned();
    for bundle in ["tile/entries/000", "tile/entries/001"] {
        volume.remove(bundle).unwrap();
    }
    let (mut edge, mut hashes, mut leaves) = (crate::tree::Edge::empty(), 0, 0);
    let mut verifier = ExportVerifier::new(&volume, &trust).unwrap();
    while verifier
        .bundle(|verifier, entry| {
            edge.append(*entry.hash().unwrap());
            match entry {
                Entry::Hash(hash) => {
                    assert_eq!(*hash, leaf_hash(&leaf(hashes)));
                    hashes += 1;
                }
                Entry::Leaf(_) => leaves += 1,
            }
            assert!(verifier.has_root(&[9; 32]).is_err());
            verifier.has_root(&edge.root())
        })
        .unwrap()
    {}
    verifier.finish().unwrap();
    assert_eq!((hashes, leaves), (512, 189));
}
