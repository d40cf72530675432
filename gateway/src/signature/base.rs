//! The signature base (RFC 9421, 2.5): the text that is signed.
//!
//! Takes a message, a list of components and the serialised signature parameters; gives one line a component and the line of the
//! parameters. Refuses a component that the message does not have, a field that it has twice, and a value that is not visible ASCII: two
//! readers could otherwise join or cut it differently.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, Method, header, request};

/// What a component can be taken from.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// `@method`; none in a response.
    pub method: Option<&'m str>,
    /// `@target-uri` as the sender wrote it: scheme, authority, path and query; none in a response.
    pub target_uri: Option<&'m str>,
    /// `@status`; none in a request.
    pub status: Option<u16>,
    /// The fields.
    pub headers: &'m HeaderMap,
    /// The request that a response answers, for components with `req` (2.4).
    pub request: Option<&'m Message<'m>>,
}

impl<'m> Message<'m> {
    /// A request.
    pub fn request(method: &'m str, target_uri: &'m str, headers: &'m HeaderMap) -> Self {
        Self {
            method: Some(method),
            target_uri: Some(target_uri),
            status: None,
            headers,
            request: None,
        }
    }

    /// The response to a request.
    pub fn response(status: u16, headers: &'m HeaderMap, request: &'m Self) -> Self {
        Self {
            method: None,
            target_uri: None,
            status: Some(status),
            headers,
            request: Some(request),
        }
    }
}

/// A request as it was asked, kept while it is handled.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// `@target-uri`.
    pub target_uri: String,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Asked {
    /// Of a request's head.
    pub fn of(parts: request::Parts) -> Self {
        Self {
            target_uri: target_uri(&parts),
            method: parts.method,
            headers: parts.headers,
        }
    }

    /// As what signatures are computed over.
    pub fn message(&self) -> Message<'_> {
        Message::request(self.method.as_str(), &self.target_uri, &self.headers)
    }
}

/// The target as the caller wrote it: there is no other scheme here, and `Host` was compared with `:authority` before.
pub fn target_uri(parts: &request::Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    format!("https://{}{path}", authority.unwrap_or_default())
}

/// One covered component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// `@method` or the like, or a field name in lower case.
    pub name: &'static str,
    /// Taken from the request that a response answers.
    pub of_request: bool,
}

impl Component {
    /// A component of the message itself.
    pub const fn own(name: &'static str) -> Self {
        Self {
            name,
            of_request: false,
        }
    }

    /// A component of the request that is answered.
    pub const fn of_request(name: &'static str) -> Self {
        Self { name, of_request: true }
    }

    /// Whether the message has it.
    pub fn is_in(&self, message: &Message<'_>) -> bool {
        let message = if self.of_request {
            message.request
        } else {
            Some(message)
        };
        message.is_some_and(|message| self.name.starts_with('@') || message.headers.contains_key(self.name))
    }

    /// Whether the message has it in such a way that it can be covered.
    pub fn is_legible_in(&self, message: &Message<'_>) -> bool {
        self.value(message).is_ok()
    }

    fn value<'m>(&self, message: &Message<'m>) -> Result<Cow<'m, str>, BaseFault> {
        let absent = BaseFault::Absent(*self);
        let message = if self.of_request {
            message.request.ok_or(absent)?
        } else {
            message
        };
        match self.name {
            "@method" => message.method.map(Cow::Borrowed).ok_or(absent),
            "@target-uri" => message.target_uri.map(Cow::Borrowed).ok_or(absent),
            "@status" => message
                .status
                .map(|status| Cow::Owned(status.to_string()))
                .ok_or(absent),
            "@authority" | "@path" | "@query" => self.of_uri(message).ok_or(absent).map(Cow::Owned),
            name if name.starts_with('@') => Err(absent),
            name => field(message.headers, name)
                .ok_or(BaseFault::Field(*self))
                .map(Cow::Borrowed),
        }
    }

    /// 2.2.3, 2.2.6 and 2.2.7.
    fn of_uri(&self, message: &Message<'_>) -> Option<String> {
        let uri: http::Uri = message.target_uri?.parse().ok()?;
        Some(match self.name {
            "@authority" => uri.authority()?.as_str().to_ascii_lowercase(),
            "@path" => uri.path().to_owned(),
            _ => format!("?{}", uri.query().unwrap_or_default()),
        })
    }
}

impl fmt::Display for Component {
    /// The component identifier (2.1 to 2.4).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"{}", self.name, if self.of_request { ";req" } else { "" })
    }
}

/// A field that occurs once and is visible ASCII, without the blanks around it.
fn field<'m>(headers: &'m HeaderMap, name: &str) -> Option<&'m str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok().map(str::trim_ascii)
}

/// Why a message has no signature base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseFault {
    /// The message has no such component.
    #[error("there is no {0} in the message")]
    Absent(Component),
    /// The field is missing, occurs twice, or is not visible ASCII.
    #[error("the field {0} is missing, stands twice or is not ASCII")]
    Field(Component),
}

/// Writes the base. `parameters` is the value of `@signature-params`, as [`super::input`] serialises it.
///
/// # Errors
/// See [`BaseFault`].
pub fn base(components: &[Component], parameters: &str, message: &Message<'_>) -> Result<String, BaseFault> {
    let mut text = String::with_capacity(512 + parameters.len());
    for component in components {
        let value = component.value(message)?;
        text.push_str(&component.to_string());
        text.push_str(": ");
        text.push_str(&value);
        text.push('\n');
    }
    text.push_str("\"@signature-params\": ");
    text.push_str(parameters);
    Ok(text)
}
