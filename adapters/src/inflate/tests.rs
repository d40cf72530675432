#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::{Coding, InflateFault, Inflater};

const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Zlib, Coding::Zstd];

fn pack(coding: Coding, plain: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Zstd => zstd::encode_all(plain, 3).unwrap(),
    }
}

/// The plain bytes, and the largest piece.
fn unpack(coding: Coding, limit: u64, frames: &[&[u8]]) -> Result<(Vec<u8>, usize), InflateFault> {
    let mut inflater = Inflater::new(coding, limit)?;
    let (mut plain, mut largest) = (Vec::new(), 0);
    for frame in frames {
        inflater.put(frame);
        while let Some(piece) = inflater.next()? {
            largest = largest.max(piece.len());
            plain.extend_from_slice(piece);
        }
    }
    inflater.finish()?;
    Ok((plain, largest))
}

fn feed() -> Vec<u8> {
    (0..3000)
        .flat_map(|row| format!("{row},姓名{}\n", row % 7).into_bytes())
        .collect()
}

#[test]
fn every_cut_unpacks_to_the_same_bytes_in_small_pieces() {
    let plain = feed();
    for coding in CODINGS {
        let packed = pack(coding, &plain);
        for size in [1, 2, 7, 1000, packed.len()] {
            let frames: Vec<&[u8]> = packed.chunks(size).collect();
            let (found, largest) = unpack(coding, u64::MAX, &frames).unwrap();
            assert_eq!(found, plain, "{coding:?} {size}");
            assert!(largest <= 128 * 1024, "{coding:?} {largest}");
        }
    }
}

#[test]
fn members_and_frames_may_follow_one_another() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let packed = [pack(coding, b"one "), pack(coding, b""), pack(coding, b"two")].concat();
        for size in [1, packed.len()] {
            let frames: Vec<&[u8]> = packed.chunks(size).collect();
            assert_eq!(unpack(coding, u64::MAX, &frames).unwrap().0, b"one two");
        }
    }
}

#[test]
fn an_end_in_the_middle_is_found_at_every_byte() {
    for coding in CODINGS {
        let packed = pack(coding, b"a little text that is repeated, repeated, repeated");
        for len in 1..packed.len() {
            let cut = unpack(coding, u64::MAX, &[&packed[..len]]);
            assert_eq!(cut.map(|_| ()), Err(InflateFault::Incomplete), "{coding:?} {len}");
        }
        assert_eq!(unpack(coding, u64::MAX, &[]).unwrap().0, b"");
    }
}

#[test]
fn what_is_not_of_the_coding_or_follows_its_end_is_damaged() {
    let plain = feed();
    for coding in CODINGS {
        let damaged = |bytes: &[u8]| unpack(coding, u64::MAX, &[bytes]).map(|_| ());
        assert_eq!(damaged(b"title,sl\na,1\n"), Err(InflateFault::Damaged), "{coding:?}");
        let packed = pack(coding, &plain);
        let followed = [packed.as_slice(), b"rubbish that follows"].concat();
        assert_eq!(damaged(&followed), Err(InflateFault::Damaged), "{coding:?}");
        let mut wrong = packed;
        let middle = wrong.len() / 2;
        wrong[middle] ^= 0xff;
        wrong[middle + 1] ^= 0xff;
        assert!(damaged(&wrong).is_err() || coding == Coding::Zstd, "{coding:?}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_has_unpacked() {
    let blanks = vec![b' '; 64 << 20];
    for coding in CODINGS {
        let packed = pack(coding, &blanks);
        let mut inflater = Inflater::new(coding, u64::MAX).unwrap();
        inflater.put(&packed);
        let mut given = 0;
        let fault = loop {
            match inflater.next() {
                Ok(piece) => given += piece.unwrap().len(),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, InflateFault::TooDense, "{coding:?}");
        // A coding that reads ahead has taken more of the bomb before it is seen.
        assert!(given < 32 << 20, "{coding:?} {given}");
        assert_eq!(inflater.next(), Err(fault));
        assert_eq!(inflater.finish(), Err(fault));
    }
}

#[test]
fn more_than_the_limit_is_refused() {
    let plain = feed();
    for coding in CODINGS {
        let packed = pack(coding, &plain);
        let limit = plain.len() as u64;
        assert!(unpack(coding, limit, &[&packed]).is_ok());
        let fault = unpack(coding, limit - 1, &[&packed]).unwrap_err();
        assert_eq!(fault, InflateFault::TooLarge { limit: limit - 1 });
    }
}

#[test]
fn a_zstd_window_that_would_take_much_memory_is_refused() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(25).unwrap();
    encoder.write_all(&[b'x'; 1000]).unwrap();
    // Without the size in its header the frame states its window.
    encoder.flush().unwrap();
    let packed = encoder.finish().unwrap();
    let fault = unpack(Coding::Zstd, u64::MAX, &[&packed]).unwrap_err();
    assert_eq!(fault, InflateFault::Damaged);
}

#[test]
fn only_names_of_content_codings_are_known() {
    assert_eq!(Coding::parse("X-GZip"), Some(Coding::Gzip));
    assert_eq!(Coding::parse(" zstd"), Some(Coding::Zstd));
    for name in ["", "deflate", "br", "gzip, zstd", "compress"] {
        assert_eq!(Coding::parse(name), None, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
        let (left, right) = bytes.split_at(cut.min(bytes.len()));
        for coding in CODINGS {
            let _ = unpack(coding, 1 << 20, &[left, right]);
            let mut spoilt = pack(coding, b"some text");
            for (place, byte) in spoilt.iter_mut().zip(&bytes) {
                *place ^= byte & 1;
            }
            let _ = unpack(coding, 1 << 20, &[&spoilt]);
        }
    }
}
