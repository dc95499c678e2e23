//! Whether a person does something, or a page asks by itself because it follows a run, a log or the host. Only the first
//! counts as a use of the session: a page that is left open must not keep it for hours.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};

/// What pages of this console fetch by themselves while they follow something, by the last part of the address.
const FOLLOWED: [&str; 5] = ["events", "facts", "parts", "probe", "strip"];

/// Where a page sends the form of pot.conf while someone is typing.
pub(super) const CHECK: &str = "/configuration/check";

/// What a page says of a form that it checks again by itself, and of itself when it shows the host as it is now.
const FOLLOWS: &str = "x-follows";

/// Whether a request is what a person did: a form that was sent, a page that was opened.
pub(crate) fn is_a_person(request: &HttpRequest) -> bool {
    match *request.method() {
        Method::GET => opens_a_page(request.path(), request.headers()),
        _ => !request.headers().contains_key(FOLLOWS),
    }
}

/// Whether an open page asks for itself again.
pub(crate) fn is_followed(request: &HttpRequest) -> bool {
    *request.method() == Method::GET && request.headers().contains_key(FOLLOWS)
}

/// Browsers say what a request is for (Fetch Metadata): a page that someone opens is navigated to, by a person's doing
/// (`Sec-Fetch-User`) or from outside of any page (`Sec-Fetch-Site: none`). A reload that the page itself asks for is
/// navigated to by nobody. What a browser does not say is told by the address and by what is wanted.
fn opens_a_page(path: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let stream = text(header::ACCEPT.as_str()).is_some_and(|kinds| kinds.contains("text/event-stream"));
    if stream
        || headers.contains_key("hx-request")
        || headers.contains_key(FOLLOWS)
        || path.rsplit('/').next().is_some_and(|end| FOLLOWED.contains(&end))
    {
        return false;
    }
    match text("sec-fetch-mode") {
        None => true,
        Some(mode) => {
            mode == "navigate" && (text("sec-fetch-user") == Some("?1") || text("sec-fetch-site") == Some("none"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn opens(path: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        opens_a_page(path, &headers)
    }

    #[test]
    fn only_what_a_person_does_keeps_a_session() {
        let clicked = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("sec-fetch-user", "?1")];
        let typed = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];
        for headers in [&clicked[..], &typed, &[]] {
            assert!(opens("/runs/7", headers), "{headers:?}");
        }
        let reloaded = [("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")];
        let fetched = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
        for headers in [
            &reloaded[..],
            &fetched,
            &[("hx-request", "true")],
            &[("x-follows", "1")],
            &[("accept", "text/event-stream")],
        ] {
            assert!(!opens("/runs/7", headers), "{headers:?}");
        }
        for path in ["/runs/7/events", "/runs/7/parts", "/runs/7/probe", "/activity/events"] {
            assert!(!opens(path, &[]), "{path}");
        }
    }
}
