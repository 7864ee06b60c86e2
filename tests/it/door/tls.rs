//! TLS from files: what is spoken, what is taken over when they change, what is refused.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk::config::{Config, Environment, Source};
use frontdesk::http::{Entrance, Limits, Tls, TlsConfig};
use rcgen::CertifiedKey;
use reqwest::Version;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BRIEF, House, limits};
use crate::world::{World, soon};

const NAME: &str = "frontdesk.test";

/// Makes a certificate and its key, both in PEM.
fn made() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// Puts certificate and key into a folder.
fn write(folder: &Path, (certificate, key): &(String, String)) -> TlsConfig {
    let files = TlsConfig {
        certificate: folder.join("tls.crt"),
        key: folder.join("tls.key"),
    };
    // As whoever makes certificates does it: never half a file under the name that is read.
    for (file, text) in [(&files.key, key), (&files.certificate, certificate)] {
        let new = file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(new, file).unwrap();
    }
    files
}

/// Asks over a new connection, trusting one certificate alone.
async fn ask(
    address: SocketAddr,
    trusted: &str,
    http_1: bool,
) -> reqwest::Result<reqwest::Response> {
    let trusted = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    let mut client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .resolve(NAME, address);
    if http_1 {
        client = client.http1_only();
    }
    let url = format!("https://{NAME}:{}/healthz", address.port());
    client.build().unwrap().get(url).send().await
}

/// Starts a world that speaks TLS with the certificate in a folder.
async fn world(files: &TlsConfig) -> World {
    let table = format!(
        "\n[server.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        files.certificate.display(),
        files.key.display()
    );
    World::with(&table).await
}

/// Waits until the world shows another certificate; the clock runs meanwhile, as looking at files takes time.
async fn shows(world: &World, certificate: &str) {
    let asking = async {
        while ask(world.app.address(), certificate, false).await.is_err() {
            world.clock.advance(Duration::from_millis(500));
        }
    };
    soon(asking).await;
}

#[tokio::test]
async fn both_protocols_are_spoken_behind_a_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let pair = made();
    let world = world(&write(folder.path(), &pair)).await;
    for (http_1, version) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
        let answer = ask(world.app.address(), &pair.0, http_1).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
    }
    // In plain words it says nothing.
    assert!(
        reqwest::get(format!("{}/healthz", world.url()))
            .await
            .is_err()
    );
    world.end().await;
}

#[tokio::test]
async fn a_changed_certificate_is_taken_over_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) = (made(), made(), made());
    let world = world(&write(folder.path(), &first)).await;
    shows(&world, &first.0).await;
    write(folder.path(), &second);
    shows(&world, &second.0).await;
    assert!(ask(world.app.address(), &first.0, false).await.is_err());
    // Half of a pair, then no certificate at all: the one in force stays.
    for broken in [
        (third.0.clone(), second.1.clone()),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA".to_owned(),
            third.1.clone(),
        ),
    ] {
        write(folder.path(), &broken);
        for _ in 0..20 {
            world.clock.advance(Duration::from_secs(31));
            let answer = ask(world.app.address(), &second.0, false).await;
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
    write(folder.path(), &third);
    shows(&world, &third.0).await;
    world.end().await;
}

#[tokio::test]
async fn a_certificate_behind_a_swapped_link_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(), made());
    // As an orchestrator mounts a secret: files are links through a link to a folder, and that one is swapped.
    let generation = |name: &str, pair: &(String, String)| {
        let inner = folder.path().join(name);
        std::fs::create_dir(&inner).unwrap();
        write(&inner, pair);
        symlink(name, folder.path().join("..new")).unwrap();
        std::fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
    };
    generation("..1", &first);
    let link = |name: &str| -> PathBuf {
        let link = folder.path().join(name);
        symlink(Path::new("..data").join(name), &link).unwrap();
        link
    };
    let files = TlsConfig {
        certificate: link("tls.crt"),
        key: link("tls.key"),
    };
    let world = world(&files).await;
    shows(&world, &first.0).await;
    generation("..2", &second);
    shows(&world, &second.0).await;
    world.end().await;
}

#[rstest]
#[case::silent(b"")]
#[case::half_a_hello(b"\x16\x03\x01\x02\x00\x01\x00")]
#[tokio::test]
async fn a_handshake_has_its_time(#[case] bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let entrance = Entrance {
        limits: Limits {
            head: BRIEF,
            ..limits()
        },
        trusted_proxies: Vec::new(),
        tls: Some(Tls::open(write(folder.path(), &made())).unwrap()),
    };
    let house = House::behind(entrance).await;
    let mut guest = house.enter("127.0.0.1").await;
    guest.0.write_all(bytes).await.unwrap();
    let mut nothing = Vec::new();
    drop(soon(guest.0.read_to_end(&mut nothing)).await);
    assert!(nothing.is_empty());
    house.end().await;
}

/// Spoils a pair of files, and gives the key and the words by which that is told.
type Spoil = fn(&Path) -> [&'static str; 2];

#[rstest]
#[case::missing(|folder: &Path| {
    std::fs::remove_file(folder.join("tls.crt")).unwrap();
    ["server.tls.certificate", "cannot read"]
})]
#[case::no_pem(|folder: &Path| {
    std::fs::write(folder.join("tls.crt"), "hello").unwrap();
    ["server.tls.certificate", "holds no certificate"]
})]
#[case::not_a_key(|folder: &Path| {
    std::fs::copy(folder.join("tls.crt"), folder.join("tls.key")).unwrap();
    ["server.tls.key", "holds no private key"]
})]
#[case::of_another(|folder: &Path| {
    std::fs::write(folder.join("tls.key"), made().1).unwrap();
    ["server.tls.key", "cannot be used"]
})]
#[case::open_to_everyone(|folder: &Path| {
    let open = PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(folder.join("tls.key"), open).unwrap();
    ["server.tls.key", "chmod 600"]
})]
#[test]
fn files_that_cannot_work_are_told_with_their_cure(#[case] spoil: Spoil) {
    let folder = tempfile::tempdir().unwrap();
    let good = made();
    write(folder.path(), &good);
    let [key, words] = spoil(folder.path());
    let source = Source {
        name: "gateway.toml".to_owned(),
        text: "[server.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n".to_owned(),
        folder: folder.path().to_owned(),
    };
    let problems = Config::load(source, &Environment::of([]))
        .unwrap_err()
        .problems;
    let told: Vec<_> = problems
        .iter()
        .filter(|problem| problem.key.starts_with("server."))
        .collect();
    assert_eq!(told.len(), 1, "{problems:?}");
    assert_eq!(told[0].key, key);
    let text = told[0].to_string();
    assert!(
        text.contains(words) && text.contains(&folder.path().display().to_string()),
        "{text}"
    );
    assert!(!text.contains(&good.1[40..60]), "the key itself was told");
}
