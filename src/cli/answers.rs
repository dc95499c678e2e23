//! Whether the console answers on its addresses with its certificate: asked by a child that has become the web process's
//! user, for what comes from the network is nothing that root's process reads.

use crate::executor::frame;
use crate::executor::processes::{MAX_START, StartData, WebUser, confine};
use crate::executor::tls;
use crate::layout::Layout;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::civil;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How long one address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of the child, in bytes.
const ANSWER: u64 = 64 << 10;

/// What the child is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    addresses: Vec<SocketAddr>,
    chain: String,
}

/// What it found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answers {
    /// For each address the fingerprint of the certificate that it answers with, or why there was no answer.
    pub by_address: Vec<(SocketAddr, Result<String, String>)>,
    /// Until when the certificate is valid; none when that could not be read.
    pub valid_until: Option<Timestamp>,
}

/// Asks every address, and the certificate for its last day.
///
/// # Errors
/// The child could not be asked.
pub(super) fn ask(layout: &Layout, listen: &[SocketAddr], chain: &str) -> anyhow::Result<Answers> {
    let folder = layout.web();
    let found = folder.symlink_metadata().with_context(|| format!("looking at {}", folder.display()))?;
    if !found.is_dir() {
        bail!("{} is no folder", folder.display());
    }
    let is_root = nix::unistd::geteuid().is_root();
    let user = is_root.then(|| WebUser { uid: found.uid(), gid: found.gid() });
    let folder = std::path::absolute(&folder).with_context(|| format!("finding {}", folder.display()))?;
    let question = Question { addresses: listen.to_vec(), chain: chain.to_owned() };
    let start = StartData { listeners: 0, folder, user, server: serde_json::to_value(question)? };
    let mut child = Command::new(std::env::current_exe().context("finding this program")?)
        .args(["web", "--ask"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting a process that asks the console")?;
    let framed = frame::with_header(&frame::encode(&start)?, MAX_START)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended early says why by its status.
        let _ = stdin.write_all(&framed);
    }
    let mut said = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(ANSWER).read_to_string(&mut said).context("reading what the console answered")?;
    }
    let status = child.wait().context("waiting for the process that asks the console")?;
    if !status.success() {
        bail!("the process that asks the console ended with {status}");
    }
    serde_json::from_str(&said).context("reading what the console answered")
}

/// The child: gives up root, and only then asks.
pub(super) fn run() -> anyhow::Result<()> {
    let bytes = frame::read(&mut std::io::stdin().lock(), MAX_START).context("reading what is to be asked")?;
    let Some(bytes) = bytes else { bail!("nothing is to be asked") };
    let data: StartData = frame::decode(&bytes).context("reading what is to be asked")?;
    confine(&data).context("giving up privileges")?;
    let Question { addresses, chain } = serde_json::from_value(data.server).context("reading what is to be asked")?;
    // Side by side: each may take its time.
    let asked: Vec<_> = addresses
        .into_iter()
        .map(|address| {
            (address, std::thread::spawn(move || certificate_of(address).map_err(|error| format!("{error:#}"))))
        })
        .collect();
    let by_address = asked
        .into_iter()
        .map(|(address, answer)| (address, answer.join().unwrap_or_else(|_| Err("asking it failed".to_owned()))))
        .collect();
    let valid_until = tls::first_certificate(&chain).and_then(|der| not_after(&der));
    super::output::print(&serde_json::to_string(&Answers { by_address, valid_until })?)
}

/// The fingerprint of the certificate that an address proves to hold the key of.
fn certificate_of(address: SocketAddr) -> anyhow::Result<String> {
    let address = reachable(address);
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::from(address.ip()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).context("speaking TLS")?;
    }
    let certificate = connection.peer_certificates().and_then(<[_]>::first).context("it showed no certificate")?;
    let fingerprint = tls::fingerprint(certificate);
    connection.send_close_notify();
    // It may have closed first.
    let _ = connection.complete_io(&mut stream);
    Ok(fingerprint)
}

/// Where an address that means all of them can be reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
        _ => address,
    }
}

/// Takes any certificate whose key the other side has: which one it is, is compared by its fingerprint.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The last moment of a certificate's validity (RFC 5280, 4.1): the first fields of the DER in their order.
fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = part(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = part(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if let Some((VERSION, _, behind)) = part(rest) {
        rest = behind;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = part(rest)?.2;
    }
    let (_, validity, _) = part(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, last) = part(validity)?;
    let (tag, time, _) = part(last)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        // UTCTime has two digits, of 1950 to 2049.
        0x17 => {
            let year: i16 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let field = |at: usize| -> Option<i8> { rest.get(at..at + 2)?.parse().ok() };
    let time = civil::DateTime::new(year, field(0)?, field(2)?, field(4)?, field(6)?, field(8)?, 0).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
}

/// A part of DER: its tag, its content, and what stands behind it.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count)?;
            (digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit)), rest.get(count..)?)
        }
        _ => return None,
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_last_day_of_a_certificate_is_read_and_rubbish_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), None);
        let made = tls::certificate(&layout, &Settings::default(), "host.example").unwrap();
        let der = tls::first_certificate(&made.chain).unwrap();
        let days = not_after(&der).unwrap().duration_since(Timestamp::now()).as_hours() / 24;
        assert!((818..=820).contains(&days), "{days}");
        for end in 0..der.len().min(200) {
            assert_eq!(not_after(&der[..end]), None, "{end}");
        }
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn all_addresses_are_reached_on_loopback() {
        let address = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(address("0.0.0.0:8443"), "127.0.0.1:8443");
        assert_eq!(address("[::]:8443"), "[::1]:8443");
        assert_eq!(address("192.168.1.2:443"), "192.168.1.2:443");
    }
}
