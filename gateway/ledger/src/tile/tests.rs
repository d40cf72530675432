#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::{Content, NotATile, OpenTiles, Tile};
use crate::tree::{Edge, leaf_hash};

#[test]
fn paths_are_those_of_the_specification() {
    for (path, level, index, width) in [
        ("tile/0/000", 0, 0, 256),
        ("tile/0/999", 0, 999, 256),
        ("tile/0/x001/000", 0, 1_000, 256),
        ("tile/3/x001/x234/067", 3, 1_234_067, 256),
        ("tile/63/x001/x234/067.p/1", 63, 1_234_067, 1),
        ("tile/1/017.p/255", 1, 17, 255),
    ] {
        let tile: Tile = path.parse().unwrap();
        assert_eq!(tile, Tile::new(Content::Hashes { level }, index, width).unwrap());
        assert_eq!(tile.to_string(), path);
    }
    let bundle: Tile = "tile/entries/x001/x234/067.p/7".parse().unwrap();
    assert_eq!(bundle, Tile::new(Content::Entries, 1_234_067, 7).unwrap());
}

#[test]
fn every_other_spelling_is_refused() {
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile//000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/256/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/8/0/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/xx01/000",
        "tile/0/x001/000/",
        "tile/0/x001//000",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000 ",
        "tile/0/００0",
        "tile/0/%30%30%30",
        "tile/0/../0/000",
        "tile/0/x072/x057/x594/x037/x927/936",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(path.parse::<Tile>(), Err(NotATile), "{path}");
    }
    assert!(
        "tile/0/x072/x057/x594/x037/x927/935".parse::<Tile>().is_ok(),
        "2^56 - 1"
    );
}

#[test]
fn a_log_of_70000_leaves_has_the_tiles_of_the_specification() {
    let row = |content| {
        let tiles: Vec<Tile> = Tile::row(content, 70_000).collect();
        let full = tiles.iter().filter(|tile| tile.is_full()).count();
        let partial = tiles.last().filter(|tile| !tile.is_full()).map(|tile| tile.width());
        (full, partial)
    };
    assert_eq!(row(Content::Hashes { level: 0 }), (273, Some(112)));
    assert_eq!(row(Content::Hashes { level: 1 }), (1, Some(17)));
    assert_eq!(row(Content::Hashes { level: 2 }), (0, Some(1)));
    assert_eq!(row(Content::Hashes { level: 3 }), (0, None));
    assert_eq!(row(Content::Entries), (273, Some(112)));
    assert_eq!(Tile::all(70_000).count(), 274 + 274 + 2 + 1);
    assert_eq!(Tile::all(0).count(), 0);
    let of_256: Vec<String> = Tile::all(256).map(|tile| tile.to_string()).collect();
    assert_eq!(of_256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(
        Tile::partial(Content::Hashes { level: 7 }, u64::MAX).unwrap().width(),
        255
    );
}

#[test]
fn a_growing_tree_fills_exactly_the_tiles_of_its_size() {
    for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_900] {
        let (mut edge, mut open, mut tiles) = (Edge::empty(), OpenTiles::default(), Vec::new());
        for n in 0..size {
            for entry in edge.append(leaf_hash(&u64::to_be_bytes(n))) {
                tiles.extend(open.add(&entry));
            }
        }
        tiles.extend(open.partial(size));
        assert!(tiles.iter().all(|one| one.tile.width() == one.hashes.len() as u64));
        let mut found: Vec<Tile> = tiles.iter().map(|one| one.tile).collect();
        found.sort();
        let mut wanted: Vec<Tile> = Tile::all(size)
            .filter(|tile| tile.content() != Content::Entries)
            .collect();
        wanted.sort();
        assert_eq!(found, wanted, "{size}");
    }
}

fn any_tile() -> impl Strategy<Value = Tile> {
    let content = prop_oneof![
        Just(Content::Entries),
        (0_u8..64).prop_map(|level| Content::Hashes { level })
    ];
    let index = prop_oneof![0_u64..2_000, 0_u64..1 << 56, Just((1 << 56) - 1)];
    (content, index, 1_u64..=256).prop_map(|(content, index, width)| Tile::new(content, index, width).unwrap())
}

proptest! {
    #[test]
    fn a_path_leads_back_to_its_tile(tile in any_tile()) {
        prop_assert_eq!(tile.to_string().parse(), Ok(tile));
    }

    #[test]
    fn a_path_that_is_read_is_the_only_spelling(tile in any_tile(), at in any::<prop::sample::Index>(), byte in "[0-9x/.p ]?") {
        let path = tile.to_string();
        let at = at.index(path.len());
        let (head, tail) = path.split_at(at);
        for changed in [format!("{head}{byte}{tail}"), format!("{head}{byte}{}", tail.get(1..).unwrap_or_default())] {
            if let Ok(read) = changed.parse::<Tile>() {
                prop_assert_eq!(read.to_string(), changed);
            }
        }
    }

    #[test]
    fn a_tile_is_within_exactly_the_logs_that_list_it_or_a_wider_one(tile in any_tile(), size in any::<u64>()) {
        let wider = |other: Tile| other.index() == tile.index() && other.width() >= tile.width();
        let last = Tile::partial(tile.content(), size);
        let rows = size.checked_shr(u32::from(tile.level()) * 8).unwrap_or(0) / 256;
        let listed = tile.index() < rows || last.is_some_and(wider);
        prop_assert_eq!(tile.is_within(size), listed);
    }
}
