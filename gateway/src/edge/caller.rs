//! Who sends a request: the extension that every handler finds.

use std::sync::Arc;

use super::peer::Peer;
use crate::refusal::Refusal;

/// Who sends a request, as the connection proved it. No header, body or SNI can change it.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A partner whose role this listener admits.
    Peer(Arc<Peer>),
    /// A certificate that was verified and yet may not be used here; each request is answered with this refusal.
    Refused(Refusal, Option<Arc<Peer>>),
    /// Nobody: possible on the console listener only, for its help page.
    Anonymous,
}
