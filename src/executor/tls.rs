//! Certificate and key: root's files, read here and handed to the web process as bytes.

use crate::digest::Digest;
use crate::files::{self, Expected};
use crate::layout::Layout;
use crate::platform::crash_point;
use crate::settings::Settings;
use base64::Engine as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest file in bytes.
const LONGEST: u64 = 1 << 20;
/// Days that a self-signed certificate is valid for: browsers take no longer ones.
const VALID_DAYS: i64 = 820;
/// One that is older than this is made anew at the next start or SIGHUP.
const RENEW: Duration = Duration::from_hours(790 * 24);

/// A certificate chain and its key, as PEM.
pub struct Certificate {
    /// The chain, the server's own certificate first.
    pub chain: String,
    /// The private key.
    pub key: String,
    /// SHA-256 of the server's own certificate, as browsers show it.
    pub fingerprint: String,
    /// Whether the console made it itself.
    pub self_signed: bool,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// The folder for the key cannot be made.
    #[error("{path}: {error}")]
    Folder {
        /// Which one.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The key file can be read by others, or changed by its group.
    #[error("the key {0} can be read or changed by others than its owner: chmod 600 it first")]
    Exposed(String),
    /// The file is not what it should be.
    #[error("{path} holds no PEM {what}")]
    NoPem {
        /// Which file.
        path: String,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Making(#[from] rcgen::Error),
}

/// The certificate that the settings name, else a self-signed one, made at the first start and kept.
///
/// # Errors
/// [`TlsError`].
pub fn certificate(layout: &Layout, settings: &Settings, hostname: &str) -> Result<Certificate, TlsError> {
    if let Some(tls) = &settings.tls {
        return read(&here(layout, &tls.certificate), &here(layout, &tls.key), false);
    }
    let folder = layout.private().join("tls");
    let (chain, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let kept = key.symlink_metadata().and_then(|found| found.modified()).ok();
    let fresh = kept.is_some_and(|made| made.elapsed().is_ok_and(|age| age < RENEW));
    if !fresh || !chain.exists() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| TlsError::Folder { path: folder.display().to_string(), error })?;
        let (chain_pem, key_pem) = make(hostname, &settings.listen, &settings.names)?;
        files::replace_with_mode(&chain, &Expected::Anything, chain_pem.as_bytes(), 0o600, &crash_point)?;
        // The key last: a certificate without its key is made anew at the next start.
        files::replace_with_mode(&key, &Expected::Anything, key_pem.as_bytes(), 0o600, &crash_point)?;
    }
    read(&chain, &key, true)
}

fn make(hostname: &str, listen: &[SocketAddr], more: &[String]) -> Result<(String, String), TlsError> {
    let mut names: Vec<String> = vec!["localhost".to_owned()];
    names.extend(listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
    names.extend(
        std::iter::once(hostname)
            .chain(more.iter().map(String::as_str))
            .filter(|name| is_dns_name(name))
            .map(str::to_owned),
    );
    names.sort();
    names.dedup();
    let mut parameters = rcgen::CertificateParams::new(names)?;
    let mut subject = rcgen::DistinguishedName::new();
    let name = if is_dns_name(hostname) { hostname } else { "this host" };
    subject.push(rcgen::DnType::CommonName, format!("pot-console on {name}"));
    parameters.distinguished_name = subject;
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
    let until = today.checked_add(jiff::Span::new().days(VALID_DAYS)).unwrap_or(today);
    let parts = |date: jiff::civil::Date| {
        let part = |part: i8| u8::try_from(part).unwrap_or(1);
        (i32::from(date.year()), part(date.month()), part(date.day()))
    };
    let ((year, month, day), (last_year, last_month, last_day)) = (parts(today), parts(until));
    parameters.not_before = rcgen::date_time_ymd(year, month, day);
    parameters.not_after = rcgen::date_time_ymd(last_year, last_month, last_day);
    let key = rcgen::KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn is_dns_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// Where a path of the settings stands here: those of a simulated host are below its root.
fn here(layout: &Layout, path: &Path) -> PathBuf {
    match path.to_str().filter(|_| path.is_absolute()) {
        Some(text) => layout.on_disk(text),
        None => path.to_owned(),
    }
}

fn read(chain: &Path, key: &Path, self_signed: bool) -> Result<Certificate, TlsError> {
    let text = |path: &Path| -> Result<String, TlsError> {
        // A certificate may be a link: certbot and acme.sh make them so.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(String::from_utf8_lossy(&files::read_limited(&real, LONGEST)?).into_owned())
    };
    // Its group may read it: programs that fetch certificates hand them over so.
    let exposed = key.metadata().is_ok_and(|found| found.mode() & 0o027 != 0);
    if exposed {
        return Err(TlsError::Exposed(key.display().to_string()));
    }
    let (chain_pem, key_pem) = (text(chain)?, text(key)?);
    let certificate = first_certificate(&chain_pem)
        .ok_or_else(|| TlsError::NoPem { path: chain.display().to_string(), what: "certificate" })?;
    if !key_pem.contains("PRIVATE KEY-----") {
        return Err(TlsError::NoPem { path: key.display().to_string(), what: "private key" });
    }
    let digest = Digest::of(&certificate);
    let pairs: Vec<String> = digest.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(Certificate { chain: chain_pem, key: key_pem, fingerprint: pairs.join(":"), self_signed })
}

fn first_certificate(pem: &str) -> Option<Vec<u8>> {
    let body = pem.split("-----BEGIN CERTIFICATE-----").nth(1)?.split("-----END CERTIFICATE-----").next()?;
    let text: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_certificate_whose_key_only_root_reads_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), None);
        let made = certificate(&layout, &Settings::default(), "host.example").unwrap();
        assert!(made.self_signed && made.fingerprint.len() == 95);
        let key = layout.private().join("tls/key.pem");
        assert_eq!(key.metadata().unwrap().mode() & 0o777, 0o600);
        let again = certificate(&layout, &Settings::default(), "other.example").unwrap();
        assert_eq!(again.fingerprint, made.fingerprint);
    }

    /// Settings that name the self-signed certificate as the host calls it.
    fn named(layout: &Layout) -> Settings {
        let folder = layout.private().join("tls");
        let path = |name: &str| PathBuf::from(layout.shown(&folder.join(name)));
        let tls = crate::settings::Tls { certificate: path("certificate.pem"), key: path("key.pem") };
        Settings { tls: Some(tls), ..Settings::default() }
    }

    #[test]
    fn a_certificate_that_the_settings_name_is_the_simulated_hosts_not_this_machines() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), None);
        let made = certificate(&layout, &Settings::default(), "host").unwrap();
        let settings = named(&layout);
        assert!(settings.tls.as_ref().unwrap().certificate.starts_with("/var/db/pot-console"));
        let read = certificate(&layout, &settings, "host").unwrap();
        assert_eq!((read.self_signed, read.fingerprint), (false, made.fingerprint));
    }

    #[test]
    fn a_key_that_everyone_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), None);
        certificate(&layout, &Settings::default(), "host").unwrap();
        let folder = layout.private().join("tls");
        let settings = named(&layout);
        assert!(!certificate(&layout, &settings, "host").unwrap().self_signed);
        std::fs::set_permissions(folder.join("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(certificate(&layout, &settings, "host"), Err(TlsError::Exposed(_))));
    }
}
