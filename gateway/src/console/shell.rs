//! What every answer of the console listener wears: the security headers, and for a browser a page instead of a problem document.
//!
//! Takes any answer, the gate's included; changes no status and decides nothing (edge.md 2.7).

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

/// No script at all, and nothing from elsewhere.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), usb=(), payment=(), clipboard-read=()",
    ),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
];

/// Longest problem document that is turned into a page.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// A problem document, as far as the page shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    title: String,
    detail: Option<String>,
    request_id: String,
    next: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    status: u16,
    /// What to do, in Chinese where we have it.
    next: Option<&'static str>,
    problem: Problem,
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage;

/// The layer around everything.
pub(super) async fn dress(mut request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.headers());
    if wants_page {
        // Pages are in Chinese, whatever the browser was installed in; so is what they say of a refusal.
        let chinese = HeaderValue::from_static("zh-CN");
        request.headers_mut().insert(header::ACCEPT_LANGUAGE, chinese);
    }
    let response = next.run(request).await;
    let mut response = if wants_page && is_problem(&response) {
        problem_page(response).await
    } else {
        response
    };
    wear(response.headers_mut());
    response
}

fn wear(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        // Tiles of the log may be kept; nothing else says so of itself.
        if name != header::CACHE_CONTROL || !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn is_problem(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/problem+json")
}

async fn problem_page(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let problem: Problem = serde_json::from_slice(&bytes).unwrap_or_default();
    let page = ProblemPage {
        status: parts.status.as_u16(),
        next: super::words::next(&problem.code),
        problem,
    };
    match page.render() {
        Ok(html) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            parts.headers.insert(header::CONTENT_TYPE, kind);
            Response::from_parts(parts, Body::from(html))
        }
        // The document says the same.
        Err(_) => Response::from_parts(parts, Body::from(bytes)),
    }
}

/// A page; the headers come with the layer.
///
/// # Errors
/// A template that cannot be written: a fault.
pub(super) fn page(template: &impl Template) -> Result<Response, crate::exchange::Stop> {
    let html = template
        .render()
        .map_err(crate::exchange::Fault::from_error("write a page"))?;
    Ok(Html(html).into_response())
}

/// The page for a browser without a certificate: what to import, and nothing about this gateway.
pub(crate) fn help() -> Option<Response> {
    let html = HelpPage.render().ok()?;
    Some((StatusCode::FORBIDDEN, Html(html)).into_response())
}

#[cfg(test)]
mod tests {
    use super::{CONTENT_SECURITY_POLICY, help};

    #[test]
    fn nothing_may_run_and_nothing_may_come_from_elsewhere() {
        assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'none'"));
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe") && !CONTENT_SECURITY_POLICY.contains("script-src"));
        for directive in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(CONTENT_SECURITY_POLICY.contains(directive), "{directive}");
        }
    }

    #[test]
    fn a_browser_without_a_certificate_is_told_what_to_import() {
        assert!(help().is_some_and(|response| response.status() == http::StatusCode::FORBIDDEN));
    }
}
