//! Why the gateway does not start, or does not take what a reload brings.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::bundle::BundleRefused;
use crate::chain::Chain;
use crate::edge::tls::TlsFault;
use crate::journal::{JournalFault, SealError};
use crate::pki::PkiFault;
use crate::registry::RegistryFault;
use crate::witnessing::RolledBack;

/// Why the gateway does not start.
#[derive(Debug)]
pub enum StartFault {
    /// Certificates, keys, lists.
    Tls(Vec<TlsFault>),
    /// The policy bundle.
    Policies(Box<BundleRefused>),
    /// A reload that could not be carried through.
    Reload(String),
    /// The leaf that says which configuration or which policies are in force could not be sealed.
    Unsealed(SealError),
    /// Key files.
    Keys(Vec<PkiFault>),
    /// Several of them.
    Several(Vec<StartFault>),
    /// An address cannot be listened on.
    Address(SocketAddr, std::io::Error),
    /// The journal.
    Journal(JournalFault),
    /// A witness knows more of the log than the journal does.
    RolledBack(RolledBack),
    /// The registry.
    Registry(RegistryFault),
    /// The folder of extracts.
    Extracts(PathBuf, std::io::Error),
}

impl fmt::Display for StartFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn lines<T: fmt::Display>(out: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
            let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
            out.write_str(&texts.join("\n"))
        }
        match self {
            Self::Tls(faults) => lines(out, faults),
            Self::Policies(refused) => write!(out, "the policy bundle is refused: {refused}"),
            Self::Reload(what) => write!(out, "the policy bundle: {what}"),
            Self::Unsealed(error) => write!(
                out,
                "no leaf could say which configuration and policies are in force: {error}"
            ),
            Self::Keys(faults) => lines(out, faults),
            Self::Several(faults) => lines(out, faults),
            Self::Address(address, error) => write!(out, "cannot listen on {address}: {error}"),
            Self::Journal(fault) => write!(out, "the journal: {}", Chain(fault)),
            Self::RolledBack(fault) => write!(out, "the journal: {fault}"),
            Self::Registry(fault) => write!(out, "the registry: {}", Chain(fault)),
            Self::Extracts(path, error) => write!(out, "cannot use `{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for StartFault {}
