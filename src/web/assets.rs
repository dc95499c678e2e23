//! Stylesheet, scripts and icons: embedded, compressed at build time, under addresses that name their content.

use crate::digest::Digest;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use rust_embed::RustEmbed;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The stylesheet of all pages.
pub(crate) const STYLE: &str = "console.css";
/// The console's own script.
pub(crate) const SCRIPT: &str = "console.js";
/// htmx.
pub(crate) const HTMX: &str = "vendor/htmx-2.0.11.min.js";
/// The icon of the browser's tab.
pub(crate) const ICON: &str = "icon.svg";

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets"]
struct Embedded;

/// For each asset the beginning of its digest, as it stands in its address.
static VERSIONS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    Embedded::iter()
        .filter_map(|name| {
            let digest = Embedded::get(&name)?.metadata.sha256_hash();
            let version = Digest::from_bytes(digest).hex();
            Some((name.into_owned(), version.chars().take(12).collect()))
        })
        .collect()
});

/// The address of an asset; it changes with the content, so browsers may keep it for ever.
pub fn address(name: &str) -> String {
    let version = VERSIONS.get(name).map_or("-", String::as_str);
    format!("/static/{version}/{name}")
}

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/static/{version}/{name:.*}", web::get().to(asset))
        .route("/static/{version}/{name:.*}", web::head().to(asset))
        .route("/favicon.ico", web::get().to(favicon));
}

async fn favicon(request: HttpRequest) -> HttpResponse {
    answer(&request, ICON, "-")
}

async fn asset(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (version, name) = path.into_inner();
    answer(&request, &name, &version)
}

fn answer(request: &HttpRequest, name: &str, version: &str) -> HttpResponse {
    let Some(kind) = content_type(name) else { return HttpResponse::NotFound().finish() };
    let accepted = request
        .headers()
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .map(Accepted::parse)
        .unwrap_or_default();
    let variants = [("br", accepted.brotli), ("gz", accepted.gzip)];
    let chosen = variants.iter().find(|(_, accepted)| *accepted).map(|(ending, _)| *ending);
    let embedded = match chosen {
        Some(ending) => Embedded::get(&format!("{name}.{ending}")),
        None => Embedded::get(name),
    };
    let (Some(embedded), Some(current)) = (embedded, VERSIONS.get(name)) else {
        return HttpResponse::NotFound().finish();
    };
    // One tag per variant: a cache must not answer a plain request with brotli bytes.
    let tag = format!("\"{current}-{}\"", chosen.unwrap_or("plain"));
    let cache = if version == current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::CACHE_CONTROL, cache));
    let unchanged = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    if unchanged {
        return response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish();
    }
    match chosen {
        Some("br") => response.insert_header((header::CONTENT_ENCODING, "br")),
        Some("gz") => response.insert_header((header::CONTENT_ENCODING, "gzip")),
        _ => &mut response,
    };
    let bytes = match embedded.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    response.content_type(kind).body(bytes)
}

/// Only what pages use is served: licences and notes beside the scripts stay inside.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// Which encodings a browser takes (RFC 9110, 12.5.3), as far as there are variants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) brotli: bool,
    pub(super) gzip: bool,
}

impl Accepted {
    pub(super) fn parse(header: &str) -> Self {
        let mut accepted = Self::default();
        for part in header.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let coding = pieces.next().unwrap_or_default();
            let refused = pieces.any(|piece| {
                piece
                    .strip_prefix("q=")
                    .is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
            });
            match coding.to_ascii_lowercase().as_str() {
                "br" => accepted.brotli = !refused,
                "gzip" | "x-gzip" => accepted.gzip = !refused,
                _ => {}
            }
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Theme;

    #[test]
    fn colours_follow_the_theme_of_the_account() {
        let style = Embedded::get(STYLE).unwrap();
        let style = std::str::from_utf8(&style.data).unwrap();
        // Whoever chose light sees light on a dark system: only color-scheme decides, by light-dark().
        assert!(!style.contains("prefers-color-scheme"));
        for theme in Theme::ALL.into_iter().filter(|theme| !theme.is_system()) {
            assert!(style.contains(&format!(":root[data-theme=\"{theme}\"]")), "{theme}");
        }
    }

    #[test]
    fn every_asset_that_pages_name_is_embedded_in_all_variants() {
        for name in [STYLE, SCRIPT, HTMX, ICON] {
            for ending in ["", ".br", ".gz"] {
                assert!(Embedded::get(&format!("{name}{ending}")).is_some(), "{name}{ending}");
            }
            assert!(!address(name).contains("/-/"), "{name}");
        }
    }

    #[test]
    fn encodings_that_the_browser_refuses_are_not_sent() {
        assert_eq!(Accepted::parse("gzip, deflate, br"), Accepted { brotli: true, gzip: true });
        assert_eq!(Accepted::parse("br;q=0, gzip;q=0.5"), Accepted { brotli: false, gzip: true });
        assert_eq!(Accepted::parse("identity"), Accepted::default());
    }
}
