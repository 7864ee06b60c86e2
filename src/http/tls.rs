//! TLS from certificate files, which may change while we run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig as RustlsConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::Clock;
use crate::problem::Problem;
use crate::redact;
use crate::shutdown::Shutdown;
use crate::watch::{RecursiveMode, Watch};

/// What may be spoken after the handshake, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Bytes of a certificate's or a key's file; a longer one is another kind of file.
const TLS_FILE_BYTES: u64 = 256 * 1_024;

/// Where certificate and key are: `[server.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A file with the certificate and those that lead to its root, in PEM.
    pub certificate: PathBuf,
    /// A file with its private key, in PEM.
    pub key: PathBuf,
}

/// A listener's certificate, the one in force.
#[derive(Clone, Debug)]
pub struct Tls {
    files: TlsConfig,
    certificate: Arc<Certificate>,
    server: Arc<RustlsConfig>,
}

#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl TlsConfig {
    /// Lets relative paths start at `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        self.certificate = folder.join(&self.certificate);
        self.key = folder.join(&self.key);
    }

    /// Finds what cannot work: files that are missing, open to everyone, no PEM, or do not belong together.
    pub fn check(&self) -> Vec<Problem> {
        self.read().err().into_iter().collect()
    }

    fn read(&self) -> Result<CertifiedKey, Problem> {
        let chain = read_file(&self.certificate)
            .and_then(|pem| certificates(&pem, &self.certificate))
            .map_err(|problem| problem.under("certificate"))?;
        let key = redact::check_is_private(&self.key)
            .map_err(Problem::from)
            .and_then(|()| read_file(&self.key))
            .and_then(|pem| private_key(&pem, &self.key))
            .map_err(|problem| problem.under("key"))?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| {
            let key = self.key.display();
            Problem::new("key", format!("{key} cannot be used: {error}")).help(format!(
                "it has to be the key that {} was made for",
                self.certificate.display()
            ))
        })
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn certificates(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let file = file.display();
    match all {
        Ok(all) if all.is_empty() => Err(Problem::new("", format!("{file} holds no certificate"))
            .help("it has to be PEM, with a line `-----BEGIN CERTIFICATE-----`")),
        Ok(all) => Ok(all),
        Err(error) => Err(Problem::new("", format!("{file} is no PEM: {error}"))),
    }
}

fn private_key(pem: &[u8], file: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        Problem::new(
            "",
            format!("{} holds no private key: {error}", file.display()),
        )
        .help("it has to be PEM without a password, with a line `-----BEGIN PRIVATE KEY-----`")
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    let unreadable = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > TLS_FILE_BYTES {
        return Err(format!("{} is too long for a certificate or key", path.display()).into());
    }
    Ok(std::fs::read(path).map_err(unreadable)?)
}

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsConfig) -> Result<Self, Problem> {
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(files.read()?))));
        let server = RustlsConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::from(error.to_string()))?;
        let mut server = server
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            files,
            certificate,
            server: Arc::new(server),
        })
    }

    /// Shakes hands.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.server));
        acceptor.accept(stream).await
    }

    /// Reads the files again whenever they change, until the stop. A certificate that cannot be used changes nothing.
    pub fn watch(&self, clock: Clock, shutdown: &Shutdown) {
        let tls = self.clone();
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            let folders = [&tls.files.certificate, &tls.files.key].map(|file| folder_of(file));
            let mut before = None;
            loop {
                // Made anew before each look, as the folder may be another one behind the same name by now.
                let watch = Watch::over(&folders, RecursiveMode::NonRecursive);
                before = tls.reload(before).await;
                tokio::select! {
                    () = stop.stopping() => return,
                    () = watch.changed(&clock) => {}
                }
            }
        });
    }

    /// Takes what the files hold now. Gives the trouble that there is, which is logged unless it is the same as `before`.
    async fn reload(&self, before: Option<Problem>) -> Option<Problem> {
        let files = self.files.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else {
            return before;
        };
        match read {
            Ok(new) => {
                if self.certificate.swap(new) {
                    let certificate = self.files.certificate.display();
                    tracing::info!(%certificate, "certificate reloaded");
                }
                None
            }
            Err(problem) => {
                if before.as_ref() != Some(&problem) {
                    tracing::error!(%problem, "the certificate is not reloaded, the old one stays in force");
                }
                Some(problem)
            }
        }
    }
}

impl Certificate {
    /// Puts another in force. `false` where it is the same.
    fn swap(&self, new: CertifiedKey) -> bool {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let differs = current.cert != new.cert;
        if differs {
            *current = Arc::new(new);
        }
        differs
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}
