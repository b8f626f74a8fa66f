//! TLS between agent and server: one key exchange, the names and authorities that were configured, and clear words for the rest.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use custodia_client::http::ServerAddress;
use custodia_core::identity::Role;
use custodia_tests::backends::Pair;
use custodia_tests::world::{World, case};

use crate::process::ServerProcess;

fn openssl(words: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(words).stdin(Stdio::null()).output().unwrap();
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// An authority, and a certificate of it for a name; answers the authority's DER, and the files of chain and key.
fn certificate(world: &World, name: &str, names: &str) -> (Vec<u8>, PathBuf, PathBuf) {
    let at = |suffix: &str| world.path(&format!("{name}{suffix}")).display().to_string();
    let (ca, ca_key, chain, key) = (at("-ca.pem"), at("-ca.key"), at(".pem"), at(".key"));
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30"];
    let done = |words: &[&str]| {
        let (success, text) = openssl(&[&["req", "-x509"], &new[..], words].concat());
        assert!(success, "{text}");
    };
    done(&["-subj", &format!("/CN=The authority of {name}"), "-keyout", &ca_key, "-out", &ca]);
    let names = format!("subjectAltName={names}");
    let leaf = ["-subj", "/CN=A vault", "-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"];
    done(&[&leaf[..], &["-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &chain]].concat());
    let der = at("-ca.der");
    assert!(openssl(&["x509", "-in", &ca, "-outform", "DER", "-out", &der]).0);
    (std::fs::read(der).unwrap(), chain.into(), key.into())
}

fn serve(world: &World, name: &str, names: &str) -> (ServerProcess, Vec<u8>) {
    let (root, chain, key) = certificate(world, name, names);
    let tls = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", chain.display(), key.display());
    (ServerProcess::start(&world.further(name, |text| text + &tls)), root)
}

fn https(listens: SocketAddr, roots: &[&Vec<u8>]) -> ServerAddress {
    ServerAddress { url: format!("https://{listens}"), tls_roots: roots.iter().map(|root| (*root).clone()).collect() }
}

/// What an agent is told that would be set up by way of that address.
async fn refused(world: &World, name: &str, address: &ServerAddress) -> String {
    let mut agent = world.unbound(0, name, Role::Prosecutor).await;
    agent.bind(address, &world.info).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_over_tls_and_every_other_way_in_is_refused_in_clear_words() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let (server, root) = serve(&world, "vault", "IP:127.0.0.1");
    let (elsewhere, other_root) = serve(&world, "elsewhere", "DNS:vault.example.org");
    world.hand_over(https(server.listens, &[&root])).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    case(&ana).await;

    // A client that knows no post-quantum group: OpenSSL 3.0 of Debian 12.
    let connect = server.listens.to_string();
    for groups in ["X25519", "P-256", "X448"] {
        let (success, text) = openssl(&["s_client", "-connect", &connect, "-groups", groups]);
        assert!(!success && text.contains("handshake failure"), "{groups}: {text}");
    }
    let (success, text) = openssl(&["s_client", "-connect", &connect, "-tls1_2"]);
    assert!(!success && text.contains("protocol version"), "{text}");

    let told = refused(&world, "one", &https(server.listens, &[&other_root])).await;
    assert!(told.contains("certificate") && told.contains("UnknownIssuer"), "{told}");
    let told = refused(&world, "two", &https(server.listens, &[])).await;
    assert!(told.contains("certificate") && told.contains("UnknownIssuer"), "{told}");
    let told = refused(&world, "three", &https(elsewhere.listens, &[&other_root])).await;
    assert!(told.contains("not valid for name"), "{told}");
    let told = refused(&world, "four", &ServerAddress { url: format!("http://{}", server.listens), tls_roots: Vec::new() }).await;
    assert!(told.contains("https://"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_no_tls_is_not_taken_for_one_that_does() {
    let world = World::on(Pair::SqliteAndFolder).await;
    let listens = world.address().url.trim_start_matches("http://").parse().unwrap();
    let told = refused(&world, "one", &https(listens, &[])).await;
    assert!(told.contains("does not speak TLS"), "{told}");
}
