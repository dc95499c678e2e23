//! Certificate and key: root's files, read here and handed to the web process as bytes. What they mean is nothing that
//! root's side reads: a child that has become the web process's user says whether they can be used.

use super::frame;
use super::processes::{MAX_START, StartData};
use crate::digest::Digest;
use crate::files::{self, Expected};
use crate::layout::Layout;
use crate::platform::crash_point;
use crate::process::harmless;
use crate::settings::Settings;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest file in bytes.
const LONGEST: u64 = 1 << 20;
/// Days that a self-signed certificate is valid for: browsers take no longer ones.
const VALID_DAYS: i64 = 820;
/// One that is older than this is made anew at the next start or SIGHUP.
const RENEW: Duration = Duration::from_hours(790 * 24);
/// Raised when certificates are made otherwise: then one that is there is made anew.
const MADE_AS: u16 = 2;
/// How long the child may take that looks at a certificate.
const LOOK: Duration = Duration::from_secs(20);
/// Longest answer of that child, in bytes.
const ANSWER: u64 = 2000;

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
    /// Why and for which names it was made just now; none when it is the one from before or root's.
    pub made: Option<String>,
}

/// What a self-signed certificate was made for, kept beside it: nobody has to read a certificate to know.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MadeFor {
    made_as: u16,
    names: Vec<String>,
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
        error: io::Error,
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
    /// The child that looks at certificates could not be started or asked.
    #[error("whether the certificate can be used could not be found out: {0}")]
    NotLooked(io::Error),
    /// The web process could not serve with it.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
}

/// The certificate that the settings name, else a self-signed one: made at the first start, and anew with the same key
/// when the host's names or the addresses that it listens on are others, or when it gets old.
///
/// # Errors
/// [`TlsError`].
pub fn certificate(layout: &Layout, settings: &Settings, hostname: &str) -> Result<Certificate, TlsError> {
    let own = match own(layout, settings, hostname) {
        Place::Named(tls) => return read(&here(layout, &tls.certificate), &here(layout, &tls.key), false),
        Place::Own(own) => own,
    };
    let Own { folder, chain, key, made_for, wanted, due } = own;
    let mut made = None;
    if due.is_some() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| TlsError::Folder { path: folder.display().to_string(), error })?;
        // Whoever trusts the key goes on trusting it.
        let old = files::read_limited(&key, LONGEST)
            .ok()
            .and_then(|bytes| rcgen::KeyPair::from_pem(&String::from_utf8_lossy(&bytes)).ok());
        let key_words = if old.is_some() { "the key is the one from before" } else { "with a new key" };
        let pair = old.map_or_else(rcgen::KeyPair::generate, Ok)?;
        let chain_pem = make(hostname, wanted.names.clone(), &pair)?;
        let put = |path: &Path, bytes: &[u8]| {
            files::replace_with_mode(path, &Expected::Anything, bytes, 0o600, &crash_point).map(drop)
        };
        put(&key, pair.serialize_pem().as_bytes())?;
        put(&chain, chain_pem.as_bytes())?;
        // Last: a certificate of which this is not known is made anew at the next start.
        put(&made_for, &serde_json::to_vec(&wanted).unwrap_or_default())?;
        made = Some(format!("A self-signed certificate was made for {}; {key_words}.", wanted.names.join(", ")));
    }
    Ok(Certificate { made, ..read(&chain, &key, true)? })
}

/// What a start would serve with, without making anything.
pub(crate) enum Kept {
    /// This one.
    Serves(Certificate),
    /// A self-signed one that is to be made first, and why; whether its key is there already.
    Due(&'static str, bool),
}

/// Looks at the certificate of which [`certificate`] gives the content; nothing is written.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn kept(layout: &Layout, settings: &Settings, hostname: &str) -> Result<Kept, TlsError> {
    match own(layout, settings, hostname) {
        Place::Named(tls) => read(&here(layout, &tls.certificate), &here(layout, &tls.key), false).map(Kept::Serves),
        Place::Own(Own { due: Some(why), key, .. }) => Ok(Kept::Due(why, key.exists())),
        Place::Own(own) => read(&own.chain, &own.key, true).map(Kept::Serves),
    }
}

/// The folder of the self-signed certificate and its key.
pub(crate) fn own_folder(layout: &Layout) -> PathBuf {
    layout.private().join("tls")
}

/// Whose certificate it is.
enum Place<'a> {
    Named(&'a crate::settings::Tls),
    Own(Own),
}

/// The console's own certificate: its files, what it is for, and why it is to be made, if it is.
struct Own {
    folder: PathBuf,
    chain: PathBuf,
    key: PathBuf,
    made_for: PathBuf,
    wanted: MadeFor,
    due: Option<&'static str>,
}

fn own<'a>(layout: &Layout, settings: &'a Settings, hostname: &str) -> Place<'a> {
    if let Some(tls) = &settings.tls {
        return Place::Named(tls);
    }
    let folder = own_folder(layout);
    let (chain, key, made_for) = (folder.join("certificate.pem"), folder.join("key.pem"), folder.join("made-for.json"));
    let wanted = MadeFor { made_as: MADE_AS, names: names(hostname, &settings.listen, &settings.names) };
    let kept = chain.symlink_metadata().and_then(|found| found.modified()).ok();
    let before: Option<MadeFor> =
        files::read_limited(&made_for, LONGEST).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let due = match kept {
        None => Some("there is none yet"),
        Some(_) if !key.exists() => Some("its key is missing"),
        Some(made) if !made.elapsed().is_ok_and(|age| age < RENEW) => Some("it gets old"),
        Some(_) if before.as_ref() != Some(&wanted) => Some("the host's names or addresses are others now"),
        Some(_) => None,
    };
    Place::Own(Own { folder, chain, key, made_for, wanted, due })
}

/// The names that browsers use: each is in the certificate.
fn names(hostname: &str, listen: &[SocketAddr], more: &[String]) -> Vec<String> {
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
    names
}

fn make(hostname: &str, names: Vec<String>, key: &rcgen::KeyPair) -> Result<String, TlsError> {
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
    // Without it some systems take a certificate for none of a server's.
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters.self_signed(key)?.pem())
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
    let fingerprint = fingerprint(&certificate);
    Ok(Certificate { chain: chain_pem, key: key_pem, fingerprint, self_signed, made: None })
}

/// SHA-256 of a certificate, DER, as browsers show it.
pub(crate) fn fingerprint(certificate: &[u8]) -> String {
    let digest = Digest::of(certificate);
    let pairs: Vec<String> = digest.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Lets a child, this program's file, that becomes the web process's user look whether the web process could serve so.
///
/// # Errors
/// [`TlsError::Unusable`] with the reason, [`TlsError::NotLooked`].
pub(crate) fn try_out(program: &Path, start: &StartData) -> Result<(), TlsError> {
    let mut child = Command::new(program)
        .args(["web", "--try-out"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(TlsError::NotLooked)?;
    let answer = ask(&mut child, start);
    // One that has answered ends by itself; another must not stay.
    let ended = answer.is_ok();
    if !ended {
        let _ = child.kill();
    }
    let status = child.wait().map_err(TlsError::NotLooked)?;
    let words = answer.map_err(TlsError::NotLooked)?;
    if status.success() {
        return Ok(());
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(TlsError::Unusable(if words.is_empty() { status.to_string() } else { harmless(&words).into_owned() }))
}

/// What the child says until it ends, within its time.
fn ask(child: &mut Child, start: &StartData) -> io::Result<String> {
    let mut bytes = frame::encode(start).map_err(io::Error::other)?;
    let framed = frame::with_header(&bytes, MAX_START).map_err(io::Error::other);
    zeroize::Zeroize::zeroize(&mut bytes);
    let mut framed = framed?;
    let written = match child.stdin.take() {
        Some(mut stdin) => stdin.write_all(&framed),
        None => Err(io::Error::other("the child has no input")),
    };
    zeroize::Zeroize::zeroize(&mut framed);
    // A child that ended early says why, or its status does.
    let _ = written;
    let until = Instant::now() + LOOK;
    while child.try_wait()?.is_none() {
        if Instant::now() >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the child did not answer in time"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut said = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(ANSWER).read_to_string(&mut said)?;
    }
    Ok(said)
}

/// The first certificate of a PEM chain, as DER.
pub(crate) fn first_certificate(pem: &str) -> Option<Vec<u8>> {
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
        assert!(made.made.as_ref().is_some_and(|words| words.contains("host.example")), "{:?}", made.made);
        let again = certificate(&layout, &Settings::default(), "host.example").unwrap();
        assert_eq!((again.fingerprint, again.made), (made.fingerprint, None));
    }

    #[test]
    fn a_self_signed_certificate_follows_the_hosts_names_and_addresses_and_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), None);
        let first = certificate(&layout, &Settings::default(), "host.example").unwrap();
        let renamed = certificate(&layout, &Settings::default(), "other.example").unwrap();
        let listen = vec!["192.168.178.20:8443".parse().unwrap()];
        let settings = Settings { listen, names: vec!["jail1.lan".to_owned()], ..Settings::default() };
        let moved = certificate(&layout, &settings, "other.example").unwrap();
        let mut before = first.fingerprint.clone();
        for (now, name) in [(&renamed, "other.example"), (&moved, "192.168.178.20"), (&moved, "jail1.lan")] {
            assert_eq!(now.key, first.key, "whoever trusts the key goes on trusting it");
            let words = now.made.clone().unwrap();
            assert!(words.contains(name) && words.contains("the key is the one from before"), "{words}");
        }
        for now in [&renamed, &moved] {
            assert_ne!(now.fingerprint, before);
            before = now.fingerprint.clone();
        }
        assert_eq!(certificate(&layout, &settings, "other.example").unwrap().made, None);
        // id-kp-serverAuth, 1.3.6.1.5.5.7.3.1.
        let der = first_certificate(&moved.chain).unwrap();
        assert!(der.windows(8).any(|bytes| bytes == [0x2b, 6, 1, 5, 5, 7, 3, 1]));
        // One from before this was kept is made anew, with its key.
        std::fs::remove_file(layout.private().join("tls/made-for.json")).unwrap();
        let again = certificate(&layout, &settings, "other.example").unwrap();
        assert!(again.made.is_some() && again.key == first.key);
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
