//! What can go wrong while a page is made, and what to do then.

use crate::refusal::{Refusal, RefusalKind};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};

/// Why a request was not answered with the page that it asked for. The guard turns it into a page or a fragment.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Nobody is signed in, or the session has ended.
    #[error("sign in first")]
    SignIn,
    /// The executor refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request itself is wrong: words for the one who sent it.
    #[error("{0}")]
    Invalid(String),
    /// The request is of a kind that is taken nowhere: its method, its size, its type, its pace.
    #[error("{1}")]
    Unfit(StatusCode, String),
    /// The request did not come from one of this console's own pages.
    #[error("{0}")]
    Forged(String),
    /// The request names a host that this console does not answer for.
    #[error("this console does not answer for {0:?}")]
    Misdirected(String),
    /// No such page.
    #[error("There is no page at this address.")]
    NotFound,
    /// A fault of the program; the words are for its log, too.
    #[error("{0}")]
    Unexpected(String),
}

impl Fault {
    /// The refusal, if it is one of this kind.
    pub fn refusal(&self, kind: RefusalKind) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) if refusal.kind == kind => Some(refusal),
            _ => None,
        }
    }

    /// In how many seconds the same may be tried again, when time alone is what it needs.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Refused(refusal) => retry_after(refusal.kind),
            _ => None,
        }
    }

    /// The heading of its page.
    pub(crate) fn heading(&self) -> &'static str {
        if self.refusal(RefusalKind::Unreadable).is_some() {
            return "A file cannot be read";
        }
        if self.refusal(RefusalKind::Busy).is_some() {
            return "Something else is being done";
        }
        match self.status_code().as_u16() {
            401 => "Sign in first",
            403 => "Not allowed",
            404 => "Not here",
            405 => "Not done here",
            408 => "Too slow",
            409 => "Something changed meanwhile",
            410 => "Not kept any more",
            413 => "Too large",
            421 => "Another name",
            422 => "That cannot be taken",
            429 => "Too many tries",
            503 => "Not available now",
            500..=599 => "Something failed",
            _ => "That cannot be read",
        }
    }

    /// What to do now, when the message does not say it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Forged(_) => "Go back, reload the page and try again. Nothing was changed.",
            Self::Unexpected(_) => {
                "Nothing is known to be wrong with the host. Reload the page; if it stays, look at the log of pot-console."
            }
            Self::Misdirected(_) => {
                "Open the console by its IP address or its host name, or add the name to `names` in the settings file."
            }
            Self::NotFound => "It may have been moved or removed.",
            Self::Refused(refusal) if refusal.kind == RefusalKind::Unreadable => {
                "What the console cannot read it does not change: fix the file at the machine, or move it away. Without it \
                 pot's defaults hold. Earlier versions are under History, File versions."
            }
            _ => "",
        }
    }
}

/// In how many seconds what was refused for this reason may be tried again.
pub(crate) fn retry_after(kind: RefusalKind) -> Option<u32> {
    match kind {
        RefusalKind::Busy => Some(5),
        RefusalKind::Throttled => Some(30),
        _ => None,
    }
}

/// A page of a handler's own that shows a refusal: says when to try again.
pub(crate) fn with_retry(mut response: HttpResponse, kind: RefusalKind) -> HttpResponse {
    if let Some(seconds) = retry_after(kind) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unfit(status, _) => *status,
            Self::Forged(_) => StatusCode::FORBIDDEN,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unexpected(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::SignInNeeded => StatusCode::UNAUTHORIZED,
                RefusalKind::WrongPassword | RefusalKind::Limit | RefusalKind::Findings => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                RefusalKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
                RefusalKind::Forbidden | RefusalKind::ProofNeeded => StatusCode::FORBIDDEN,
                RefusalKind::Conflict => StatusCode::CONFLICT,
                RefusalKind::NotFound => StatusCode::NOT_FOUND,
                RefusalKind::Gone => StatusCode::GONE,
                RefusalKind::Busy | RefusalKind::NotRecorded | RefusalKind::Unreadable => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                RefusalKind::Failed | RefusalKind::Malformed => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// Plain words; the guard puts them into a page.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).content_type("text/plain; charset=utf-8").body(format!("{self}\n"))
    }
}
