//! Stylesheet, scripts and icons: packed into the program when it is built, under addresses that name their content.

use crate::digest::Digest;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::read::GzDecoder;
use rust_embed::RustEmbed;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::sync::{LazyLock, OnceLock};

/// The stylesheet of all pages.
pub(crate) const STYLE: &str = "console.css";
/// The console's own script.
pub(crate) const SCRIPT: &str = "console.js";
/// htmx.
pub(crate) const HTMX: &str = "vendor/htmx-2.0.11.min.js";
/// The icon of the browser's tab.
pub(crate) const ICON: &str = "icon.svg";

/// The files below `static/`, packed by `build.rs`. In development builds, too, nothing else is read: the web process sees
/// no source folder.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets"]
struct Embedded;

/// A file below `static/`.
struct Asset {
    /// The beginning of its digest, as it stands in its address.
    version: String,
    packed: Bytes,
    /// What is packed, for whoever takes no gzip; unpacked when the first of them asks.
    plain: OnceLock<Bytes>,
}

impl Asset {
    fn plain(&self) -> io::Result<Bytes> {
        if let Some(plain) = self.plain.get() {
            return Ok(plain.clone());
        }
        let mut plain = Vec::new();
        GzDecoder::new(&*self.packed).read_to_end(&mut plain)?;
        Ok(self.plain.get_or_init(|| Bytes::from(plain)).clone())
    }
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let asset = |file: Cow<'static, str>| {
        let found = Embedded::get(&file)?;
        let version = Digest::from_bytes(found.metadata.sha256_hash()).hex().chars().take(12).collect();
        let packed = match found.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Some((file.strip_suffix(".gz")?.to_owned(), Asset { version, packed, plain: OnceLock::new() }))
    };
    Embedded::iter().filter_map(asset).collect()
});

/// The address of an asset; it changes with the content, so browsers may keep it for ever.
pub fn address(name: &str) -> String {
    let version = ASSETS.get(name).map_or("-", |asset| &asset.version);
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
    let Some(asset) = ASSETS.get(name) else { return HttpResponse::NotFound().finish() };
    let current = &asset.version;
    let packed = accepts_gzip(request.headers());
    // One tag per variant: a cache must not answer a plain request with packed bytes.
    let tag = format!("\"{current}-{}\"", if packed { "gz" } else { "plain" });
    let cache = if version == *current { "public, max-age=31536000, immutable" } else { "no-cache" };
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
    response.content_type(kind);
    if packed {
        return response.insert_header((header::CONTENT_ENCODING, "gzip")).body(asset.packed.clone());
    }
    match asset.plain() {
        Ok(plain) => response.body(plain),
        Err(error) => {
            tracing::error!("{name} is packed in this program and cannot be unpacked: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
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

/// Whether a browser takes gzip (RFC 9110, 12.5.3).
pub(super) fn accepts_gzip(headers: &header::HeaderMap) -> bool {
    let mut accepted = false;
    let encodings = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    for part in encodings.unwrap_or_default().split(',') {
        let mut pieces = part.split(';').map(str::trim);
        let coding = pieces.next().unwrap_or_default();
        let refused = pieces.any(|piece| {
            piece
                .strip_prefix("q=")
                .is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        if ["gzip", "x-gzip"].iter().any(|name| coding.eq_ignore_ascii_case(name)) {
            accepted = !refused;
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Theme;

    #[test]
    fn colours_follow_the_theme_of_the_account() {
        let style = ASSETS[STYLE].plain().unwrap();
        let style = std::str::from_utf8(&style).unwrap();
        // Whoever chose light sees light on a dark system: only color-scheme decides, by light-dark().
        assert!(!style.contains("prefers-color-scheme"));
        for theme in Theme::ALL.into_iter().filter(|theme| !theme.is_system()) {
            assert!(style.contains(&format!(":root[data-theme=\"{theme}\"]")), "{theme}");
        }
    }

    #[test]
    fn every_asset_that_pages_name_is_in_the_program_as_it_stands_in_its_folder() {
        for name in [STYLE, SCRIPT, HTMX, ICON, "run.js", "search.js", "strip.js"] {
            let file = std::fs::read(format!("{}/static/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            assert_eq!(ASSETS[name].plain().unwrap(), file, "{name}");
            assert!(!address(name).contains("/-/"), "{name}");
        }
    }

    #[actix_web::test]
    async fn whoever_takes_no_gzip_gets_the_stylesheet_plain_and_both_have_tags_of_their_own() {
        let app = actix_web::test::init_service(actix_web::App::new().configure(routes)).await;
        let ask = |encoding: &str| {
            actix_web::test::TestRequest::get()
                .uri(&address(STYLE))
                .insert_header((header::ACCEPT_ENCODING, encoding))
                .to_request()
        };
        let mut answers = Vec::new();
        for (encoding, sent) in [("br, gzip", Some("gzip")), ("identity", None), ("gzip;q=0", None)] {
            let answer = actix_web::test::call_service(&app, ask(encoding)).await;
            let of = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(of(header::CONTENT_ENCODING).as_deref(), sent, "{encoding}");
            assert_eq!(of(header::CONTENT_TYPE).unwrap(), "text/css; charset=utf-8");
            let tag = of(header::ETAG).unwrap();
            answers.push((tag, actix_web::test::read_body(answer).await));
        }
        let mut unpacked = Vec::new();
        GzDecoder::new(&*answers[0].1).read_to_end(&mut unpacked).unwrap();
        assert_eq!(answers[1].1, unpacked);
        assert_ne!(answers[0].0, answers[1].0);
        assert_eq!(answers[1], answers[2]);
    }

    #[test]
    fn encodings_that_the_browser_refuses_are_not_sent() {
        let accepted = |encodings: &'static str| {
            let mut headers = header::HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static(encodings));
            accepts_gzip(&headers)
        };
        assert!(accepted("gzip, deflate, br") && accepted("br;q=0, GZIP;q=0.5") && accepted("x-gzip"));
        assert!(!accepted("br, gzip;q=0") && !accepted("identity") && !accepted(""));
        assert!(!accepts_gzip(&header::HeaderMap::new()));
    }
}
