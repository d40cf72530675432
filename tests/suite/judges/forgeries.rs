//! The ways to tamper with a log, a receipt, a proof of consistency; and which judge looks at what each changes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use shuguan_ledger::bundle;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::note::SigningKey;
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::{Hash, consistency_path};

use super::changes::{Log, published, signed};
use super::{Case, Judge};
use crate::random::Random;

/// One way to tamper.
pub struct Forgery {
    pub name: &'static str,
    /// The judges that look at what it changes.
    pub seen_by: &'static [Judge],
    pub forge: fn(&Log, &mut Random) -> Case,
}

const BOTH: &[Judge] = &[Judge::Go, Judge::Scales];
/// `tlog-scales` reads a checkpoint line by line and verifies what it has read; a line more, or another width, it does not see.
const GO: &[Judge] = &[Judge::Go];
/// The log is consistent and signed with its own key; only the form of a leaf is wrong.
const CANONICAL: &[Judge] = &[Judge::Canonical];
/// The log is consistent, signed and canonical; what its leaves say does not add up. Nobody but us reads that.
const OURS: &[Judge] = &[];

macro_rules! forgeries {
    ($($name:literal $seen_by:ident $forge:expr;)*) => {
        /// Every one.
        pub const ALL: &[Forgery] = &[$(Forgery { name: $name, seen_by: $seen_by, forge: $forge },)*];
    };
}

forgeries! {
    "leaf edited" BOTH |log, random| leaves(log, random, false, |all, at, random| edit(&mut all[at], random));
    "leaf edited, its tiles with it" BOTH |log, random| leaves(log, random, true, |all, at, random| edit(&mut all[at], random));
    "leaves swapped" BOTH |log, random| leaves(log, random, false, |all, at, random| swap(all, at, random));
    "leaves swapped, their tiles with them" BOTH |log, random| leaves(log, random, true, |all, at, random| swap(all, at, random));
    "leaf inserted" BOTH |log, random| leaves(log, random, true, |all, at, _| {
        all.insert(at, all[at].clone());
        all.pop();
    });
    "leaf removed" BOTH |log, random| leaves(log, random, true, |all, at, _| {
        let removed = all.remove(at);
        all.push(removed);
    });
    "leaf in the place of another" BOTH |log, random| leaves(log, random, true, |all, at, random| {
        let other = other_than(all.len(), at, random);
        all[at] = all[other].clone();
    });
    "leaves reordered" BOTH |log, random| leaves(log, random, true, |all, at, random| {
        let end = (at + 2 + below(random, 40)).min(all.len());
        let from = end - (end - at).max(2);
        all[from..end].rotate_left(1);
    });
    "last leaf dropped" BOTH |log, _| Case::Log(log.with_leaves(&log.leaves[..log.leaves.len() - 1]));
    "leaf-hash tile flipped" BOTH |log, random| file(log, random, "tile/0/00", |bytes, random| flip(bytes, random));
    "upper tile flipped" BOTH |log, random| file(log, random, "tile/1/", |bytes, random| flip(bytes, random));
    "hashes of a tile swapped" BOTH |log, random| file(log, random, "tile/0/00", |bytes, random| {
        let hashes = bytes.as_chunks_mut::<32>().0;
        let at = below(random, hashes.len() as u64);
        hashes.swap(at, other_than(hashes.len(), at, random));
    });
    "tiles swapped" BOTH |log, _| exchange(log, "tile/0/000", "tile/0/001");
    "tile gone" BOTH |log, random| gone(log, random, "tile/0/");
    "tile cut" BOTH |log, random| file(log, random, "tile/0/00", cut);
    "partial tile narrower" BOTH |log, random| file(log, random, "tile/0/002.p", |bytes, _| bytes.truncate(bytes.len() - 32));
    "partial tile wider" GO |log, random| file(log, random, "tile/0/002.p", |bytes, random| bytes.extend(hash(random)));
    "partial tile under another width" BOTH |log, random| {
        let (mut files, path) = (log.files.clone(), one(log, random, "tile/0/002.p"));
        let bytes = files.remove(&path).unwrap();
        let width = bytes.len() / 32 + [1, 2, 3][below(random, 3)];
        files.insert(format!("tile/0/002.p/{width}"), bytes);
        Case::Log(files)
    };
    "bundle gone" BOTH |log, random| gone(log, random, "tile/entries/");
    "bundle truncated" BOTH |log, random| file(log, random, "tile/entries/", cut);
    "bundle longer" GO |log, random| file(log, random, "tile/entries/", |bytes, random| {
        bytes.extend(bundle::write(&[hash(random)]).unwrap());
    });
    "length in a bundle" BOTH |log, random| file(log, random, "tile/entries/", |bytes, random| bytes[1] ^= 1 << below(random, 8));
    "entry of a bundle gone" BOTH |log, random| file(log, random, "tile/entries/", |bytes, _| {
        let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        bytes.drain(..2 + length);
    });
    "bundles swapped" BOTH |log, _| exchange(log, "tile/entries/000", "tile/entries/001");
    "root" BOTH |log, random| text(log, |checkpoint| flip(&mut checkpoint.root, random));
    "size off by one" BOTH |log, random| text(log, |checkpoint| checkpoint.size = near(checkpoint.size, random));
    "size" BOTH |log, random| text(log, |checkpoint| checkpoint.size = 1 + random.below(u64::from(u32::MAX)));
    "origin" BOTH |log, random| text(log, |checkpoint| checkpoint.origin = format!("gw{}.example/log", random.below(1_000)));
    "signature flipped" BOTH |log, random| signature(log, |bytes| flip(&mut bytes[4..], random));
    "key id" BOTH |log, random| signature(log, |bytes| flip(&mut bytes[..4], random));
    "signature cut" BOTH |log, random| signature(log, |bytes| cut(bytes, random));
    "signer's name" BOTH |log, random| {
        let note = log.note();
        let (head, line) = note.rsplit_once("— ").unwrap();
        let blob = line.trim_end().rsplit(' ').next().unwrap();
        Case::Log(log.under(format!("{head}— gw{}.example/log {blob}\n", random.below(1_000))))
    };
    "signature gone" BOTH |log, _| Case::Log(log.under(format!("{}\n", log.checkpoint().text())));
    "signature of another checkpoint" BOTH |log, random| {
        let older = &log.notes[below(random, log.notes.len() as u64)];
        let line = older.rsplit_once("\n\n").unwrap().1;
        Case::Log(log.under(format!("{}\n{line}", log.checkpoint().text())))
    };
    "signature line twice" OURS |log, _| {
        let note = log.note();
        let line = note.rsplit_once("\n\n").unwrap().1;
        Case::Log(log.under(format!("{note}{line}")))
    };
    "line more in the checkpoint" GO |log, random| {
        let text = format!("{}extra {}\n", log.checkpoint().text(), random.below(1_000));
        Case::Log(log.under(log.key.sign(&text).unwrap()))
    };
    "size with a leading zero" GO |log, _| {
        let checkpoint = log.checkpoint();
        let text = checkpoint.text().replacen(&format!("\n{}", checkpoint.size), &format!("\n0{}", checkpoint.size), 1);
        Case::Log(log.under(log.key.sign(&text).unwrap()))
    };
    "checkpoint of another log" BOTH |log, random| {
        let key = SigningKey::from_seed("other.example/log", &hash(random)).unwrap();
        Case::Log(log.under(signed(&key, &published(&log.leaves).1)))
    };
    "checkpoint of another key of that name" BOTH |log, random| {
        let key = SigningKey::from_seed(log.key.name(), &hash(random)).unwrap();
        Case::Log(log.under(signed(&key, &published(&log.leaves).1)))
    };
    "checkpoint of another tree" BOTH |log, random| {
        let leaves: Vec<Vec<u8>> = log.leaves.iter().map(|_| hash(random).to_vec()).collect();
        Case::Log(log.under(signed(&log.key, &published(&leaves).1)))
    };
    "checkpoint cut" BOTH |log, random| {
        // Of a checkpoint without its last line feed there is nothing missing to a reader of lines.
        let note = log.note();
        let end = (0..note.len() - 2).filter(|at| note.is_char_boundary(*at)).nth(below(random, note.len() as u64 - 6));
        Case::Log(log.under(note[..end.unwrap()].to_owned()))
    };
    "carriage return in a checkpoint" GO |log, _| Case::Log(log.under(log.note().replacen('\n', "\r\n", 1)));

    "blank in a leaf, signed" CANONICAL |log, random| resigned(log, random, |leaf, random| {
        let commas: Vec<usize> = (0..leaf.len()).filter(|at| leaf[*at] == b',').collect();
        let at = commas[below(random, commas.len() as u64)];
        leaf.insert(at + 1, b' ');
    });
    "members of a leaf in another order, signed" CANONICAL |log, random| resigned(log, random, |leaf, _| {
        let body = leaf[1..leaf.len() - 1].to_vec();
        let at = body.iter().rposition(|byte| *byte == b',').unwrap();
        *leaf = [b"{", &body[at + 1..], b",", &body[..at], b"}"].concat();
    });
    "member of a leaf twice, signed" CANONICAL |log, random| resigned(log, random, |leaf, _| {
        let end = leaf.len() - 1;
        leaf.splice(end..end, br#","v":"shuguan.leaf.v1""#.iter().copied());
    });
    "escape in a leaf, signed" CANONICAL |log, random| resigned(log, random, |leaf, _| {
        let at = leaf.windows(7).position(|window| window == b"shuguan").unwrap();
        leaf.splice(at..=at, br"\u0073".iter().copied());
    });
    "number of a leaf as a float, signed" CANONICAL |log, random| resigned(log, random, |leaf, _| {
        let end = leaf.len() - 1;
        leaf.splice(end..end, br#","zz":1.0"#.iter().copied());
    });
    "line feed behind a leaf, signed" CANONICAL |log, random| resigned(log, random, |leaf, _| leaf.push(b'\n'));
    "leaf before its time, signed" OURS |log, random| {
        let mut all = log.leaves.clone();
        // The first leaf is the start of the gateway, before all others.
        let at = 1 + below(random, all.len() as u64 - 1);
        all.insert(at + 1, all[0].clone());
        Case::Log(log.signed_anew(&all))
    };
    "batch relayed twice, signed" OURS |log, random| {
        let mut all = log.leaves.clone();
        let relayed: Vec<Vec<u8>> = all.iter().filter(|leaf| leaf.windows(13).any(|part| part == br#""k":"relayed""#)).cloned().collect();
        let last = all.last().unwrap().clone();
        all.push(at_the_time_of(&relayed[below(random, relayed.len() as u64)], &last));
        Case::Log(log.signed_anew(&all))
    };
    "batch gone that was relayed, signed" OURS |log, random| {
        let mut all = log.leaves.clone();
        let pushes: Vec<usize> = (0..all.len()).filter(|at| all[*at].windows(10).any(|part| part == br#""k":"push""#)).collect();
        all.remove(pushes[below(random, pushes.len() as u64)]);
        Case::Log(log.signed_anew(&all))
    };

    "receipt with an edited leaf" BOTH |log, random| receipt(log, random, |receipt, random| edit(&mut receipt.leaf, random));
    "receipt with another leaf" BOTH |log, random| receipt(log, random, |receipt, random| {
        let at = usize::try_from(receipt.index).unwrap();
        receipt.leaf = log.leaves[other_than(log.leaves.len(), at, random)].clone();
    });
    "index off by one" BOTH |log, random| receipt(log, random, |receipt, random| receipt.index = near(receipt.index, random));
    "index" BOTH |log, random| receipt(log, random, |receipt, random| receipt.index += 2 + random.below(1 << 40));
    "proof hash dropped" BOTH |log, random| receipt(log, random, |receipt, random| drop_one(&mut receipt.path, random));
    "proof hash added" BOTH |log, random| receipt(log, random, |receipt, random| add_one(&mut receipt.path, random));
    "proof hash doubled" BOTH |log, random| receipt(log, random, |receipt, random| double_one(&mut receipt.path, random));
    "proof hashes swapped" BOTH |log, random| receipt(log, random, |receipt, random| swap_two(&mut receipt.path, random));
    "proof hash flipped" BOTH |log, random| receipt(log, random, |receipt, random| {
        let at = below(random, receipt.path.len() as u64);
        flip(&mut receipt.path[at], random);
    });
    "receipt under another checkpoint" BOTH |log, random| {
        let mut one = any_receipt(log, random);
        let mut other = one.clone();
        while other.checkpoint == one.checkpoint {
            other = any_receipt(log, random);
        }
        one.checkpoint = other.checkpoint;
        Case::Receipt(one.encode().into_bytes())
    };
    "receipt with another root" BOTH |log, random| receipt_text(log, random, |checkpoint, random| flip(&mut checkpoint.root, random));
    "receipt with another size" BOTH |log, random| receipt_text(log, random, |checkpoint, random| {
        checkpoint.size = near(checkpoint.size, random);
    });
    "receipt of another origin" BOTH |log, random| receipt_text(log, random, |checkpoint, _| checkpoint.origin.push('x'));
    "receipt of another key" BOTH |log, random| receipt(log, random, |receipt, random| {
        let text = Checkpoint::unverified(&receipt.checkpoint).unwrap().text();
        let name = text.lines().next().unwrap().to_owned();
        receipt.checkpoint = SigningKey::from_seed(&name, &hash(random)).unwrap().sign(&text).unwrap();
    });
    "receipt with a flipped signature" BOTH |log, random| receipt(log, random, |receipt, random| {
        receipt.checkpoint = with_signature(&receipt.checkpoint, |bytes| flip(&mut bytes[4..], random));
    });
    "receipt with another key id" BOTH |log, random| receipt(log, random, |receipt, random| {
        receipt.checkpoint = with_signature(&receipt.checkpoint, |bytes| flip(&mut bytes[..4], random));
    });
    "line of a receipt twice" BOTH |log, random| receipt_lines(log, random, |lines, random| {
        let at = 1 + below(random, lines.len() as u64 - 1);
        let line = lines[at].clone();
        lines.insert(at, line);
    });
    "line of a receipt gone" BOTH |log, random| receipt_lines(log, random, |lines, random| {
        lines.remove(below(random, lines.len() as u64));
    });
    "header of a receipt" BOTH |log, random| receipt_lines(log, random, |lines, random| {
        let at = below(random, lines[0].len() as u64);
        lines[0].replace_range(at..=at, "?");
    });
    "index with a leading zero" GO |log, random| receipt_lines(log, random, |lines, _| {
        lines[2] = lines[2].replace("index ", "index 0");
    });
    "receipt with a leaf that has a blank" BOTH |log, random| receipt(log, random, |receipt, _| receipt.leaf.push(b' '));

    "consistency: hash dropped" BOTH |log, random| consistency(log, random, |case, random| drop_one(case.path, random));
    "consistency: hash added" BOTH |log, random| consistency(log, random, |case, random| add_one(case.path, random));
    "consistency: hashes swapped" BOTH |log, random| consistency(log, random, |case, random| swap_two(case.path, random));
    "consistency: hash flipped" BOTH |log, random| consistency(log, random, |case, random| {
        let at = below(random, case.path.len() as u64);
        flip(&mut case.path[at], random);
    });
    "consistency: old size off by one" BOTH |log, random| consistency(log, random, |case, random| case.sizes.0 = near(case.sizes.0, random));
    "consistency: roots swapped" BOTH |log, random| consistency(log, random, |case, _| std::mem::swap(&mut case.roots.0, &mut case.roots.1));
    "consistency: old root" BOTH |log, random| consistency(log, random, |case, random| flip(&mut case.roots.0, random));
    "consistency: new root" BOTH |log, random| consistency(log, random, |case, random| flip(&mut case.roots.1, random));
}

fn below(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).unwrap()
}

/// A place that is not `at`.
fn other_than(length: usize, at: usize, random: &mut Random) -> usize {
    (at + 1 + below(random, length as u64 - 1)) % length
}

/// One more or one less, and not 0.
fn near(number: u64, random: &mut Random) -> u64 {
    if number > 1 && random.below(2) == 0 {
        number - 1
    } else {
        number + 1
    }
}

fn hash(random: &mut Random) -> Hash {
    std::array::from_fn(|_| random.below(256) as u8)
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = below(random, bytes.len() as u64);
    bytes[at] ^= 1 << random.below(8);
}

fn edit(leaf: &mut [u8], random: &mut Random) {
    flip(leaf, random);
}

fn cut(bytes: &mut Vec<u8>, random: &mut Random) {
    bytes.truncate(below(random, bytes.len() as u64));
}

fn swap(all: &mut [Vec<u8>], at: usize, random: &mut Random) {
    all.swap(at, other_than(all.len(), at, random));
}

/// Changes leaves; `at` is a place before the last. The bundles say so, and the tiles when told to.
fn leaves(
    log: &Log,
    random: &mut Random,
    tiles_too: bool,
    change: impl FnOnce(&mut Vec<Vec<u8>>, usize, &mut Random),
) -> Case {
    let mut all = log.leaves.clone();
    let at = below(random, all.len() as u64 - 1);
    change(&mut all, at, random);
    let mut files = log.with_leaves(&all);
    if !tiles_too {
        let tiles = log.files.iter().filter(|(path, _)| !path.starts_with("tile/entries/"));
        files.extend(tiles.map(|(path, bytes)| (path.clone(), bytes.clone())));
    }
    Case::Log(files)
}

/// Changes one leaf, and signs the log anew with its own key.
fn resigned(log: &Log, random: &mut Random, change: impl FnOnce(&mut Vec<u8>, &mut Random)) -> Case {
    let mut all = log.leaves.clone();
    let at = below(random, all.len() as u64);
    change(&mut all[at], random);
    Case::Log(log.signed_anew(&all))
}

/// The leaf with the moment of another one.
fn at_the_time_of(leaf: &[u8], other: &[u8]) -> Vec<u8> {
    let member = br#""t":""#;
    let place = |bytes: &[u8]| bytes.windows(member.len()).position(|window| window == member).unwrap() + member.len();
    let (to, from) = (place(leaf), place(other));
    // 2026-11-23T09:42:53.000053Z
    let mut leaf = leaf.to_vec();
    leaf[to..to + 27].copy_from_slice(&other[from..from + 27]);
    leaf
}

/// A file whose path begins so.
fn one(log: &Log, random: &mut Random, prefix: &str) -> String {
    let paths: Vec<&String> = log.files.keys().filter(|path| path.starts_with(prefix)).collect();
    paths[below(random, paths.len() as u64)].clone()
}

fn file(log: &Log, random: &mut Random, prefix: &str, change: impl FnOnce(&mut Vec<u8>, &mut Random)) -> Case {
    let (mut files, path) = (log.files.clone(), one(log, random, prefix));
    change(files.get_mut(&path).unwrap(), random);
    Case::Log(files)
}

fn gone(log: &Log, random: &mut Random, prefix: &str) -> Case {
    let (mut files, path) = (log.files.clone(), one(log, random, prefix));
    files.remove(&path);
    Case::Log(files)
}

fn exchange(log: &Log, a: &str, b: &str) -> Case {
    let mut files = log.files.clone();
    files.insert(a.into(), log.files[b].clone());
    files.insert(b.into(), log.files[a].clone());
    Case::Log(files)
}

/// A note with another text under the same signatures.
fn with_text(note: &str, change: impl FnOnce(&mut Checkpoint)) -> String {
    let mut checkpoint = Checkpoint::unverified(note).unwrap();
    change(&mut checkpoint);
    let (_, lines) = note.split_once("\n\n").unwrap();
    format!("{}\n{lines}", checkpoint.text())
}

/// A note with another blob in its signature line: key id and signature.
fn with_signature(note: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (head, blob) = note.trim_end().rsplit_once(' ').unwrap();
    let mut bytes = BASE64.decode(blob).unwrap();
    change(&mut bytes);
    format!("{head} {}\n", BASE64.encode(bytes))
}

fn text(log: &Log, change: impl FnOnce(&mut Checkpoint)) -> Case {
    Case::Log(log.under(with_text(&log.note(), change)))
}

fn signature(log: &Log, change: impl FnOnce(&mut Vec<u8>)) -> Case {
    Case::Log(log.under(with_signature(&log.note(), change)))
}

/// A receipt with enough of a path to be tampered with.
fn any_receipt(log: &Log, random: &mut Random) -> Receipt {
    loop {
        let text = &log.receipts[below(random, log.receipts.len() as u64)];
        let receipt = Receipt::parse(text).unwrap();
        if receipt.path.len() > 2 {
            return receipt;
        }
    }
}

fn receipt(log: &Log, random: &mut Random, change: impl FnOnce(&mut Receipt, &mut Random)) -> Case {
    let mut receipt = any_receipt(log, random);
    change(&mut receipt, random);
    Case::Receipt(receipt.encode().into_bytes())
}

fn receipt_text(log: &Log, random: &mut Random, change: impl FnOnce(&mut Checkpoint, &mut Random)) -> Case {
    receipt(log, random, |receipt, random| {
        receipt.checkpoint = with_text(&receipt.checkpoint, |checkpoint| change(checkpoint, random));
    })
}

/// Changes the lines before the checkpoint: header, leaf, index, hashes.
fn receipt_lines(log: &Log, random: &mut Random, change: impl FnOnce(&mut Vec<String>, &mut Random)) -> Case {
    let text = any_receipt(log, random).encode();
    let (head, checkpoint) = text.split_once("\n\n").unwrap();
    let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
    change(&mut lines, random);
    Case::Receipt(format!("{}\n\n{checkpoint}", lines.join("\n")).into_bytes())
}

fn drop_one(path: &mut Vec<Hash>, random: &mut Random) {
    path.remove(below(random, path.len() as u64));
}

fn add_one(path: &mut Vec<Hash>, random: &mut Random) {
    let at = below(random, path.len() as u64 + 1);
    path.insert(at, hash(random));
}

fn double_one(path: &mut Vec<Hash>, random: &mut Random) {
    let at = below(random, path.len() as u64);
    path.insert(at, path[at]);
}

fn swap_two(path: &mut [Hash], random: &mut Random) {
    let at = below(random, path.len() as u64);
    path.swap(at, other_than(path.len(), at, random));
}

/// A proof of consistency that can be changed.
struct Proof<'p> {
    sizes: &'p mut (u64, u64),
    roots: &'p mut (Hash, Hash),
    path: &'p mut Vec<Hash>,
}

fn consistency(log: &Log, random: &mut Random, change: impl FnOnce(Proof<'_>, &mut Random)) -> Case {
    let new = log.checkpoint();
    loop {
        let old = Checkpoint::unverified(&log.notes[below(random, log.notes.len() as u64)]).unwrap();
        let mut path = consistency_path(log, old.size, new.size).unwrap();
        if path.len() < 3 {
            continue;
        }
        let (mut sizes, mut roots) = ((old.size, new.size), (old.root, new.root));
        let proof = Proof {
            sizes: &mut sizes,
            roots: &mut roots,
            path: &mut path,
        };
        change(proof, random);
        return Case::Consistency { sizes, roots, path };
    }
}
