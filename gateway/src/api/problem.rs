//! RFC 9457 problem documents: the only place that knows status codes.
//!
//! Takes a refusal or a fault; gives `application/problem+json` with a stable code, a request id and, where it helps, rows and fields.
//! Never a value, never the inside of a fault.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use crate::exchange::{Refused, RowError, Stop};
use crate::limits::Standing;
use crate::refusal::Refusal;

/// Which status each refusal is answered with. No catch-all arm: a new refusal cannot be forgotten.
pub(crate) fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::BadRequest
        | Refusal::MissingPurpose
        | Refusal::BadIdempotencyKey
        | Refusal::BadDigest
        | Refusal::BadSignature
        | Refusal::StaleSignature
        | Refusal::BodyIncomplete
        | Refusal::ModeUnsupported
        | Refusal::BadManner
        | Refusal::UnknownLayout
        | Refusal::BadSelection
        | Refusal::BadLogPath
        | Refusal::CaseRequired
        | Refusal::ReasonRequired => StatusCode::BAD_REQUEST,
        Refusal::NoCertificate
        | Refusal::UnknownIssuer
        | Refusal::CertificateExpired
        | Refusal::CertificateRevoked
        | Refusal::RevocationListExpired
        | Refusal::CertificateProfile
        | Refusal::WrongRole
        | Refusal::UnknownPartner
        | Refusal::HandshakeFailed
        | Refusal::ForeignRecordType
        | Refusal::NoGrant
        | Refusal::BadPurpose
        | Refusal::AgreementExpired
        | Refusal::AgreementNotYet
        | Refusal::OutsideHours
        | Refusal::FieldNotGranted
        | Refusal::GrantRevoked
        | Refusal::Replayed
        | Refusal::SignatureRequired
        | Refusal::SignatureForbidden
        | Refusal::UnknownSigner
        | Refusal::SignerMismatch
        | Refusal::SignerRevoked
        | Refusal::SignerExpired
        | Refusal::CrossSite
        | Refusal::SelfApproval
        | Refusal::SameUnit
        | Refusal::UnsealExpired => StatusCode::FORBIDDEN,
        Refusal::NotFound | Refusal::NotInLog | Refusal::UnknownRecordType | Refusal::UnknownDataset => {
            StatusCode::NOT_FOUND
        }
        Refusal::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::UnacceptableForm => StatusCode::NOT_ACCEPTABLE,
        Refusal::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Refusal::KeyInFlight
        | Refusal::GrantChanged
        | Refusal::ExtractNotReady
        | Refusal::BundleStale
        | Refusal::BundleBase
        | Refusal::BundleGoesBack
        | Refusal::BundleUnfit
        | Refusal::AlreadyRecalled
        | Refusal::LogNameTaken
        | Refusal::NotApproved => StatusCode::CONFLICT,
        Refusal::ExtractGone | Refusal::EvidenceGone => StatusCode::GONE,
        Refusal::BadRange => StatusCode::RANGE_NOT_SATISFIABLE,
        Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::UnsupportedType | Refusal::UnsupportedCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::KeyReused
        | Refusal::AckMismatch
        | Refusal::BadEncoding
        | Refusal::BadHeaderRow
        | Refusal::DoubtfulHeader
        | Refusal::DeleteOutsideDelta
        | Refusal::StatedOtherwise
        | Refusal::TooManyRejects
        | Refusal::TooManyRows
        | Refusal::CountMismatch
        | Refusal::OutOfScope
        | Refusal::NoAction
        | Refusal::Unreadable
        | Refusal::WrongTrailer
        | Refusal::BadCompression
        | Refusal::ExpandsTooFar
        | Refusal::FileTooLarge
        | Refusal::ProtectedFile
        | Refusal::ActiveContent
        | Refusal::OtherForm
        | Refusal::NoSuchSheet
        | Refusal::SeveralSheets
        | Refusal::UnreadColumn
        | Refusal::SecrecyMark
        | Refusal::EmptyBatch
        | Refusal::BundleFaulty
        | Refusal::BundleUnsigned
        | Refusal::BundleMalformed
        | Refusal::BundleTampered
        | Refusal::BundleSigner
        | Refusal::BundleQuorum
        | Refusal::BadStatement => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::RateLimited
        | Refusal::TooManyTickets
        | Refusal::TooManyAtOnce
        | Refusal::QuotaExceeded
        | Refusal::TooManyAbsent => StatusCode::TOO_MANY_REQUESTS,
        Refusal::InboxFull
        | Refusal::InboxOverdue
        | Refusal::SpoolFull
        | Refusal::Draining
        | Refusal::Overloaded
        | Refusal::JournalUnavailable
        | Refusal::Unwitnessed
        | Refusal::LogDisputed
        | Refusal::WitnessSilent
        | Refusal::RegistryUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    request_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "<[RowError]>::is_empty")]
    errors: &'a [RowError],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    errors_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fits_no_day: bool,
    next: &'a str,
}

/// The language of texts, from `Accept-Language`: Chinese unless English is named first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// zh-CN
    Chinese,
    /// en
    English,
}

impl Language {
    /// What the caller's header asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let first = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(',').next())
            .unwrap_or_default();
        if first.trim_start().to_ascii_lowercase().starts_with("en") {
            Self::English
        } else {
            Self::Chinese
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }
}

/// The answer to a call that stopped.
pub(crate) fn answer(stop: &Stop, request_id: Uuid, language: Language) -> Response {
    match stop {
        Stop::Refused(refused) => refusal_answer(refused, request_id, language),
        Stop::Fault(_) => fault_answer(request_id, language),
    }
}

fn refusal_answer(refused: &Refused, request_id: Uuid, language: Language) -> Response {
    let refusal = refused.refusal;
    let title = match language {
        Language::Chinese => refusal.zh(),
        Language::English => refusal.en(),
    };
    let status = status(refusal);
    let document = Document {
        r#type: format!("/problems/{}", refusal.code()),
        title,
        status: status.as_u16(),
        code: refusal.code(),
        detail: refused.detail.as_deref(),
        // An answer that sticks to its idempotency key is the same bytes every time, so it names the exchange.
        request_id: if refused.sticky {
            refused.exchange.unwrap_or(request_id)
        } else {
            request_id
        },
        instance: refused.exchange.map(|exchange| format!("/v1/exchanges/{exchange}")),
        errors: refused.errors.get(..100).unwrap_or(&refused.errors),
        errors_truncated: refused.errors.len() > 100,
        limit_bytes: refused.limit_bytes,
        retry_after_s: refused.retry_after_s,
        fits_no_day: refused.fits_no_day,
        next: refusal.next(),
    };
    let mut response = problem(status, &document, language);
    if let Some(seconds) = refused.retry_after_s {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let standing = Standing {
        requests: refused.allowance,
        quotas: refused.quota.into_iter().collect(),
    };
    rate_limit_fields(response.headers_mut(), &standing);
    response
}

/// A fault: its detail stays in the operational log under the request id.
pub(crate) fn fault_answer(request_id: Uuid, language: Language) -> Response {
    let title = match language {
        Language::Chinese => "网关内部故障",
        Language::English => "the gateway failed",
    };
    let document = Document {
        r#type: "/problems/SG9001".into(),
        title,
        status: 500,
        code: "SG9001",
        detail: None,
        request_id,
        instance: None,
        errors: &[],
        errors_truncated: false,
        limit_bytes: None,
        retry_after_s: None,
        fits_no_day: false,
        next: "repeat with the same idempotency key; if it stays, tell the operator the request id",
    };
    problem(StatusCode::INTERNAL_SERVER_ERROR, &document, language)
}

fn problem(status: StatusCode, document: &Document<'_>, language: Language) -> Response {
    let body = serde_json::to_vec(document).unwrap_or_default();
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        ),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag())),
    ];
    (status, headers, body).into_response()
}

/// Writes `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): requests a second, and what a day allows.
pub(crate) fn rate_limit_fields(headers: &mut HeaderMap, standing: &Standing) {
    const DAY_S: u32 = 86_400;
    let (mut policies, mut states) = (Vec::new(), Vec::new());
    if let Some(requests) = standing.requests {
        policies.push(format!("\"requests\";q={};w=1", requests.quota));
        states.push(format!("\"requests\";r={};t={}", requests.remaining, requests.reset_s));
    }
    for quota in &standing.quotas {
        // The default unit is requests.
        let unit = match quota.name {
            "rows" => ";qu=\"rows\"",
            "bytes" => ";qu=\"content-bytes\"",
            _ => "",
        };
        policies.push(format!("\"{}\";q={};w={DAY_S}{unit}", quota.name, quota.quota));
        states.push(format!("\"{}\";r={};t={}", quota.name, quota.remaining, quota.reset_s));
    }
    for (name, list) in [("ratelimit-policy", policies), ("ratelimit", states)] {
        match HeaderValue::from_str(&list.join(", ")) {
            Ok(value) if !list.is_empty() => drop(headers.insert(HeaderName::from_static(name), value)),
            _ => {}
        }
    }
}
