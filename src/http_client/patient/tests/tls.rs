//! Who is trusted, and what holds over an encrypted connection.

use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// A host with a certificate of its own making, and a client that trusts it.
struct Vault {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    url: Url,
    patient: Patient,
}

impl Vault {
    /// Opens one at `host`, whose certificate is for `named`.
    async fn open(host: &str, named: &str) -> Self {
        let signed = rcgen::generate_simple_self_signed([named.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_safe_default_protocol_versions().unwrap();
        let server = server.with_no_client_auth();
        let server = server.with_single_cert(vec![signed.cert.der().clone()], key);
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = Url::parse(&format!("https://{host}:{port}")).unwrap();
        Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(server.unwrap())),
            patient: patient(&url, client).unwrap(),
            url,
        }
    }

    async fn accept(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        self.acceptor.accept(stream).await
    }

    async fn call(&self) -> Result<Response, CallError> {
        let request = usual().post(self.url.clone()).body("hi").build().unwrap();
        self.patient.execute(request).await
    }
}

fn patient(url: &Url, config: ClientConfig) -> Result<Patient, BuildError> {
    let uri = url.as_str().parse().unwrap();
    let options = Options::towards(url);
    Patient::straight(url, uri, Some(config), options, Clock::system())
}

#[tokio::test]
async fn only_a_host_that_is_trusted_by_its_name_hears_the_request() {
    for (host, named, is_known, is_trusted) in [
        ("localhost", "localhost", true, true),
        ("127.0.0.1", "127.0.0.1", true, true),
        ("127.0.0.1", "localhost", true, false),
        ("localhost", "model.dev", true, false),
        ("localhost", "localhost", false, false),
    ] {
        let mut vault = Vault::open(host, named).await;
        if !is_known {
            vault.patient = patient(&vault.url, tls().unwrap()).unwrap();
        }
        let answering = async {
            let mut stream = vault.accept().await.ok()?;
            hear(&mut stream).await;
            stream.write_all(ANSWER.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            Some(stream)
        };
        let both = async { tokio::join!(vault.call(), answering) };
        match soon(Box::pin(both)).await {
            (Ok(answer), Some(_stream)) => {
                let said = soon(answer.text()).await.unwrap();
                assert!(is_trusted && said == "hello", "{host}, {named}");
            }
            (Err(CallError::Unreachable(_)), None) => assert!(!is_trusted, "{host}, {named}"),
            (other, _) => panic!("{host}, {named}: {other:?}"),
        }
    }
}

#[test]
fn a_host_that_no_certificate_can_name_is_not_called_at_all() {
    for host in ["api-.acme.dev", "-api.acme.dev", "a!b.dev"] {
        let url = Url::parse(&format!("https://{host}")).unwrap();
        let made = Patient::new(&url, Options::towards(&url), Clock::system());
        assert!(matches!(made, Err(BuildError::Name(_))), "{host}");
    }
    for (host, is_address) in [("[::1]", true), ("10.0.0.1", true), ("acme.dev", false)] {
        let url = Url::parse(&format!("https://{host}")).unwrap();
        let made = patient(&url, tls().unwrap()).unwrap();
        let Way::Straight(made) = &made.0 else {
            panic!("{host} is proxied");
        };
        let (name, _) = made.tls.as_ref().unwrap();
        assert_eq!(
            matches!(name, ServerName::IpAddress(_)),
            is_address,
            "{host}"
        );
    }
}

#[test]
fn nothing_but_http_1_1_is_offered() {
    assert_eq!(tls().unwrap().alpn_protocols, [b"http/1.1".to_vec()]);
}

#[tokio::test]
async fn an_encrypted_connection_serves_again() {
    let vault = Vault::open("localhost", "localhost").await;
    let host = async {
        let mut stream = vault.accept().await.unwrap();
        for _ in 0..2 {
            hear(&mut stream).await;
            stream.write_all(ANSWER.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        stream
    };
    let calls = async {
        for _ in 0..2 {
            let answer = vault.call().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "hello");
            tokio::task::yield_now().await;
        }
    };
    soon(Box::pin(async { tokio::join!(calls, host) })).await;
}

#[tokio::test]
async fn an_answer_without_a_length_is_whole_only_with_a_good_bye() {
    for says_good_bye in [true, false] {
        let vault = Vault::open("localhost", "localhost").await;
        let host = async {
            let mut stream = vault.accept().await.unwrap();
            hear(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\n\r\nhello";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            if says_good_bye {
                stream.shutdown().await.unwrap();
            }
        };
        let both = async { tokio::join!(vault.call(), host) };
        let (answer, ()) = soon(Box::pin(both)).await;
        let said = soon(answer.unwrap().text()).await;
        assert_eq!(said.is_ok(), says_good_bye, "{said:?}");
    }
}
