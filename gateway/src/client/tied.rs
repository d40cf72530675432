//! The line that ties an `.ack` to its file: what its sender knows it by when all else that he noted is lost.
//!
//! A receipt says the length of a file and not its content, so that who holds it cannot guess at the content; a digest beside it would undo that. So the
//! `.ack` ends in a signature line by a key that only the sender has: an HMAC over the exchange and the SHA-256 of the file. A verifier passes over it, as
//! over every line of a key that it does not know (C2SP signed-note). Takes our private key, out of which that key is derived; gives the line, and judges
//! one. An `.ack` of an older version, or of before the private key was changed, has no line of ours and is not judged.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::ClientSettings;
use crate::command::exit::Failure;

/// The name in front of the line.
const NAME: &str = "shuguan.sender/file";
/// What the key is derived for.
const USE: &[u8] = b"shuguan ack v1";
/// Bytes that tell keys apart.
const ID_BYTES: usize = 4;

/// The sender's own key.
pub struct Tie {
    key: hmac::Key,
    id: [u8; ID_BYTES],
}

impl fmt::Debug for Tie {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tie").finish_non_exhaustive()
    }
}

impl Tie {
    /// Derives it from the key of our certificate.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn open(settings: &ClientSettings) -> Result<Self, Failure> {
        let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| {
            Failure::local(format!("`{}` cannot be used", settings.key.display())).because(error.to_string())
        })?;
        Ok(Self::of(key.secret_der()))
    }

    fn of(private: &[u8]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, USE), private);
        let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        let named = hmac::sign(&key, NAME.as_bytes());
        let id = named.as_ref().first_chunk().copied().unwrap_or_default();
        Self { key, id }
    }

    /// The line, with its line feed, for the receipt of this exchange.
    pub fn line(&self, exchange: &str, digest: &[u8; 32]) -> String {
        let tag = hmac::sign(&self.key, &tied(exchange, digest));
        let bytes = [&self.id[..], tag.as_ref()].concat();
        format!("— {NAME} {}\n", BASE64.encode(bytes))
    }

    /// Whether a receipt of this exchange is tied to a file with this digest; none when no line of ours says anything.
    pub fn judge(&self, receipt: &str, exchange: &str, digest: &[u8; 32]) -> Option<bool> {
        let tag = receipt.lines().find_map(|line| {
            let encoded = line.strip_prefix("— ")?.strip_prefix(NAME)?.strip_prefix(' ')?;
            let bytes = BASE64.decode(encoded).ok()?;
            bytes.strip_prefix(&self.id).map(<[u8]>::to_vec)
        })?;
        Some(hmac::verify(&self.key, &tied(exchange, digest), &tag).is_ok())
    }
}

fn tied(exchange: &str, digest: &[u8; 32]) -> Vec<u8> {
    [exchange.as_bytes(), b"\n", digest].concat()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use shuguan_ledger::leaf::Event;
    use shuguan_ledger::receipt::Receipt;

    use super::Tie;
    use crate::client::proven::tests::{push, receipt, trust};

    #[test]
    fn a_line_is_of_one_key_one_exchange_and_one_content_and_of_nothing_else() {
        let tie = Tie::of(b"a private key");
        let text = format!("head\n\n— log AAAA\n{}", tie.line("x", &[1; 32]));
        assert_eq!(tie.judge(&text, "x", &[1; 32]), Some(true));
        assert_eq!(tie.judge(&text, "x", &[2; 32]), Some(false), "another content");
        assert_eq!(tie.judge(&text, "y", &[1; 32]), Some(false), "another exchange");
        let line = tie.line("x", &[1; 32]);
        let (start, _) = line.split_at(line.len() - 9);
        let cut = format!("{start}AAA=\n");
        assert_eq!(tie.judge(&cut, "x", &[1; 32]), Some(false), "a line that was cut");
        let renewed = Tie::of(b"another private key");
        assert_eq!(
            renewed.judge(&text, "x", &[1; 32]),
            None,
            "nothing is said by another key"
        );
        assert_eq!(tie.judge("head\n\n— log AAAA\n", "x", &[1; 32]), None, "no line");
        assert_eq!(
            tie.judge("— shuguan.sender/file !\n", "x", &[1; 32]),
            None,
            "no line that can be read"
        );
    }

    #[test]
    fn a_receipt_proves_the_same_with_the_line_and_who_holds_it_finds_no_digest_in_it() {
        let plain = receipt(Event::Push(push()));
        let line = Tie::of(b"a private key").line(&push().x, &[1; 32]);
        let tied = Receipt::parse(&format!("{plain}{line}"))
            .unwrap()
            .verify(&trust())
            .unwrap();
        assert_eq!(tied, Receipt::parse(&plain).unwrap().verify(&trust()).unwrap());
        assert_ne!(line, Tie::of(b"another private key").line(&push().x, &[1; 32]));
    }
}
