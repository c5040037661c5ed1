//! Addresses and credentials: what is refused before any call.

use crate::config::{Credentials, Signer, check_address};
use crate::error::{Error, Result};

fn is_refused<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::BadArgument(_)))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn an_address_is_a_socket_or_a_host_and_port() {
    for (given, plain) in [
        ("unix:/run/daemon.sock", "unix:/run/daemon.sock"),
        ("unix:///run/daemon.sock", "unix:/run/daemon.sock"),
        ("localhost:1", "localhost:1"),
        ("[::1]:65535", "[::1]:65535"),
    ] {
        assert_eq!(check_address(given).unwrap(), plain);
    }
}

#[test]
fn anything_else_is_refused() {
    for given in
        ["", "host", "host:", ":80", "host:0", "host:65536", "host:+80", "host:x", "unix:run.sock"]
    {
        assert!(is_refused(check_address(given)), "{given}");
    }
}

#[test]
fn a_token_goes_over_the_socket_or_tls_only() {
    let who = Credentials { token: text("secret"), ..Default::default() };
    assert!(who.endpoint("unix:/run/daemon.sock").is_ok());
    assert!(is_refused(who.endpoint("localhost:80")));
    let safe = Credentials { tls_ca: text("system"), ..who };
    assert!(safe.check("localhost:80").is_ok());
}

#[test]
fn what_does_not_go_together_is_refused() {
    let nobody = Credentials::default;
    for who in [
        Credentials { tls_cert: text("cert.pem"), tls_ca: text("system"), ..nobody() },
        Credentials { tls_key: text("key.pem"), tls_ca: text("system"), ..nobody() },
        Credentials { tls_name: text("daemon"), ..nobody() },
        Credentials { tls_ca: text("/nowhere/ca.pem"), ..nobody() },
        Credentials { token: text("a"), token_file: text("b"), ..nobody() },
        Credentials { token: text("with blank"), ..nobody() },
        Credentials { token: text(""), ..nobody() },
    ] {
        assert!(is_refused(who.endpoint("localhost:80")), "{who:?}");
    }
}

#[test]
fn a_token_is_never_shown() {
    let who = Credentials { token: text("secret"), ..Default::default() };
    assert!(!format!("{who:?}").contains("secret"));
}

#[test]
fn every_call_says_who_calls() {
    let mut metadata = tonic::metadata::MetadataMap::new();
    let who = Credentials { token: text("secret"), ..Default::default() };
    Signer(who).sign(&mut metadata).unwrap();
    assert!(
        metadata.get("longshore-client").unwrap().to_str().unwrap().starts_with("longshore-rust/")
    );
    assert_eq!(metadata.get("authorization").unwrap(), "Bearer secret");
}

#[test]
fn a_token_file_that_is_not_there_is_refused() {
    let who = Credentials { token_file: text("/nowhere/token"), ..Default::default() };
    assert!(is_refused(Signer(who).sign(&mut tonic::metadata::MetadataMap::new())));
}
