//! What each of our messages covers, and in which order: the tag decides, nothing is negotiated.
//!
//! | Tag | Message | Signed by |
//! |---|---|---|
//! | `shuguan-push-1` | push | agency, message key |
//! | `shuguan-extract-1` | extract request | registry, message key |
//! | `shuguan-compare-1` | comparison | registry, message key |
//! | `shuguan-recall-1` | recall | agency, message key |
//! | `shuguan-ticket-1` | answer to a ticket | agency, message key |
//! | `shuguan-ack-1` | acknowledgement | whoever received, message key |
//! | `shuguan-push-answer-1` | 202 and refusals | gateway, receipt key |
//! | `shuguan-content-1` | content of an extract | gateway, receipt key |
//!
//! What a header changes about the meaning of a push (mode, scope, count, constants, layout, coding) is covered whenever it is sent: otherwise the
//! signature would prove an upsert where a snapshot was sent, or the other way round.

use super::base::{Component, Message};

/// Longest life of a signed request, seconds.
pub const LIFE_S_MAX: i64 = 300;
/// How far in our future a request may have been signed, seconds; also how long a nonce is kept beyond its end.
pub const SKEW_S: i64 = 60;

/// How long the answer to an idempotency key comes again, seconds.
pub const KEY_KNOWN_S: i64 = 7 * 86_400;

/// When a component is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Always; a message without it cannot be signed.
    Always,
    /// When the message has it.
    WhenSent,
    /// When it is sent and the answer is no refusal.
    WhenTaken,
    /// When it is sent so that it can be covered, once and as visible ASCII: what is refused may have been refused for that.
    WhenLegible,
}

/// Which parameters a signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// `created`, `expires`, `nonce`, `keyid`, `alg`, `tag`.
    Request,
    /// `created`, `keyid`, `alg`, `tag`: the same every time, so that a repeat has the same bytes.
    Answer,
}

/// What one kind of message covers.
#[derive(Debug)]
pub struct Profile {
    /// Label in `Signature-Input` and `Signature`.
    pub label: &'static str,
    /// The parameter `tag`.
    pub tag: &'static str,
    /// Its parameters.
    pub parameters: Parameters,
    components: &'static [(Component, Need)],
}

impl Profile {
    /// The components that this message covers, in order.
    pub fn components(&self, message: &Message<'_>) -> Vec<Component> {
        let taken = message.status.is_none_or(|status| (200..300).contains(&status));
        let covered = self.components.iter().filter(|(component, need)| match need {
            Need::Always => true,
            Need::WhenSent => component.is_in(message),
            Need::WhenTaken => taken && component.is_in(message),
            Need::WhenLegible => component.is_legible_in(message),
        });
        covered.map(|(component, _)| *component).collect()
    }
}

const fn always(name: &'static str) -> (Component, Need) {
    (Component::own(name), Need::Always)
}

const fn when_sent(name: &'static str) -> (Component, Need) {
    (Component::own(name), Need::WhenSent)
}

const REQUEST: &[(Component, Need)] = &[
    always("@method"),
    always("@target-uri"),
    always("content-type"),
    always("content-digest"),
    always("exchange-purpose"),
    always("idempotency-key"),
    when_sent("content-encoding"),
    when_sent("exchange-constants"),
    when_sent("exchange-count"),
    when_sent("exchange-layout"),
    when_sent("exchange-mode"),
    when_sent("exchange-scope"),
];

/// A push.
pub const PUSH: Profile = Profile {
    label: "agency",
    tag: "shuguan-push-1",
    parameters: Parameters::Request,
    components: REQUEST,
};

/// An extract request.
pub const EXTRACT: Profile = Profile {
    label: "registry",
    tag: "shuguan-extract-1",
    parameters: Parameters::Request,
    components: REQUEST,
};

/// A comparison.
pub const COMPARE: Profile = Profile {
    label: "registry",
    tag: "shuguan-compare-1",
    parameters: Parameters::Request,
    components: REQUEST,
};

/// An answer to a ticket.
pub const TICKET: Profile = Profile {
    label: "agency",
    tag: "shuguan-ticket-1",
    parameters: Parameters::Request,
    components: REQUEST,
};

/// An acknowledgement.
pub const ACK: Profile = Profile {
    label: "ack",
    tag: "shuguan-ack-1",
    parameters: Parameters::Request,
    components: REQUEST,
};

/// A recall.
pub const RECALL: Profile = Profile {
    label: "agency",
    tag: "shuguan-recall-1",
    parameters: Parameters::Request,
    components: REQUEST,
};

/// The answer to a signed request, taken or refused: it is the answer to this key and this content, so that an old one answers no later request.
pub const ANSWER: Profile = Profile {
    label: "gw",
    tag: "shuguan-push-answer-1",
    parameters: Parameters::Answer,
    components: &[
        always("@status"),
        always("content-type"),
        always("content-digest"),
        (Component::own("location"), Need::WhenTaken),
        when_sent("exchange-id"),
        when_sent("exchange-receipt"),
        (Component::of_request("@method"), Need::Always),
        (Component::of_request("@target-uri"), Need::Always),
        (Component::of_request("content-digest"), Need::WhenLegible),
        (Component::of_request("idempotency-key"), Need::WhenLegible),
    ],
};

/// The content of an extract.
pub const CONTENT: Profile = Profile {
    label: "gw",
    tag: "shuguan-content-1",
    parameters: Parameters::Answer,
    components: &[
        always("@status"),
        always("content-type"),
        always("repr-digest"),
        always("exchange-id"),
        always("exchange-receipt"),
        (Component::of_request("@method"), Need::Always),
        (Component::of_request("@target-uri"), Need::Always),
        when_sent("content-range"),
    ],
};
