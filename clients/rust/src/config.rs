//! Where the daemon listens, whom to believe and who to be.

use std::{env, fmt, fs, path::Path, time::Duration};

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, service::Interceptor};

use crate::error::{Error, Result};

const WHO: &str = concat!("longshore-rust/", env!("CARGO_PKG_VERSION"));

pub(crate) fn bad(why: impl fmt::Display) -> Error {
    Error::BadArgument(why.to_string())
}

/// The address of the environment, else the socket where a daemon would make it.
pub fn default_address() -> String {
    if let Some(given) = variable("LONGSHORE_ADDRESS").filter(|given| !given.is_empty()) {
        return given;
    }
    let user = rustix::process::geteuid();
    if user.is_root() {
        return "unix:/run/longshore/longshored.sock".to_owned();
    }
    let runtime = variable("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
    let runtime = runtime.unwrap_or_else(|| format!("/tmp/longshore-{}", user.as_raw()));
    format!("unix:{runtime}/longshore/longshored.sock")
}

/// The address in its plain form, or what would be right.
pub fn check_address(address: &str) -> Result<String> {
    if let Some(path) = address.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') {
            return Err(bad(format!("unix:PATH needs an absolute path, not {path:?}")));
        }
        return Ok(format!("unix:{path}"));
    }
    let is_port = |port: &str| {
        port.bytes().all(|sign| sign.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(address.to_owned()),
        _ => Err(bad(format!("address must be unix:PATH or HOST:PORT, not {address:?}"))),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// For HOST:PORT; the unix socket speaks no TLS, and may take a token.
#[derive(Clone, Default)]
pub struct Credentials {
    /// PEM file of the CA of the daemon, or "system"; with it there is TLS.
    pub tls_ca: Option<String>,
    /// PEM file of our certificate with its chain, if the daemon wants one.
    pub tls_cert: Option<String>,
    /// PEM file of its key.
    pub tls_key: Option<String>,
    /// What the daemon's certificate says, if that is not the HOST.
    pub tls_name: Option<String>,
    /// A bearer token.
    pub token: Option<String>,
    /// A file with nothing else in it, read again for every call.
    pub token_file: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials")
            .field("tls_ca", &self.tls_ca)
            .field("tls_cert", &self.tls_cert)
            .field("tls_key", &self.tls_key)
            .field("tls_name", &self.tls_name)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("token_file", &self.token_file)
            .finish()
    }
}

impl Credentials {
    /// LONGSHORE_TLS_CA, _CERT, _KEY, _NAME, LONGSHORE_TOKEN, _TOKEN_FILE.
    pub fn from_env() -> Self {
        Self {
            tls_ca: variable("LONGSHORE_TLS_CA"),
            tls_cert: variable("LONGSHORE_TLS_CERT"),
            tls_key: variable("LONGSHORE_TLS_KEY"),
            tls_name: variable("LONGSHORE_TLS_NAME"),
            token: variable("LONGSHORE_TOKEN"),
            token_file: variable("LONGSHORE_TOKEN_FILE"),
        }
    }

    /// Whether they make sense for this address.
    pub(crate) fn check(&self, address: &str) -> Result<()> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err(bad("a certificate (tls_cert) and its key (tls_key) go together"));
        }
        if self.token.is_some() && self.token_file.is_some() {
            return Err(bad("there is a token and a token_file: which one is meant?"));
        }
        if let Some(token) = &self.token {
            bearer(token)?;
        }
        if is_local(address) || self.tls_ca.is_some() {
            return Ok(());
        }
        if self.tls_cert.is_some() || self.tls_name.is_some() {
            return Err(bad("TLS needs tls_ca: a PEM file, or 'system'"));
        }
        if self.token.is_some() || self.token_file.is_some() {
            return Err(bad("a token does not go over TCP without TLS: tls_ca is needed"));
        }
        Ok(())
    }

    /// How to connect; reads the files of TLS.
    pub(crate) fn endpoint(&self, address: &str) -> Result<Endpoint> {
        self.check(address)?;
        let tls_ca = self.tls_ca.as_deref().filter(|_| !is_local(address));
        let uri = match tls_ca {
            _ if is_local(address) => address.to_owned(),
            Some(_) => format!("https://{address}"),
            None => format!("http://{address}"),
        };
        let endpoint = Endpoint::from_shared(uri)
            .map_err(bad)?
            .connect_timeout(Duration::from_secs(10))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            // A watch that nobody reads must not fill the connection for the others.
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(64 << 20);
        match tls_ca {
            Some(ca) => endpoint.tls_config(self.tls(ca)?).map_err(bad),
            None => Ok(endpoint),
        }
    }

    fn tls(&self, ca: &str) -> Result<ClientTlsConfig> {
        let mut tls = match ca {
            "system" => ClientTlsConfig::new().with_native_roots(),
            file => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
        };
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        Ok(match &self.tls_name {
            Some(name) => tls.domain_name(name),
            None => tls,
        })
    }
}

/// Puts who we are into every call.
#[derive(Debug, Clone)]
pub struct Signer(pub(crate) Credentials);

impl Signer {
    pub(crate) fn sign(&self, metadata: &mut MetadataMap) -> Result<()> {
        metadata.insert("longshore-client", MetadataValue::from_static(WHO));
        let token = match &self.0.token_file {
            Some(file) => Some(read(file)?),
            None => self.0.token.clone(),
        };
        if let Some(token) = token {
            metadata.insert("authorization", bearer(token.trim())?);
        }
        Ok(())
    }
}

impl Interceptor for Signer {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        let signed = self.sign(request.metadata_mut());
        signed.map_err(|error| Status::unauthenticated(error.to_string()))?;
        Ok(request)
    }
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>> {
    if token.is_empty() || !token.bytes().all(|sign| sign.is_ascii_graphic()) {
        return Err(bad("a token is letters, digits and signs, without a blank"));
    }
    format!("Bearer {token}").parse().map_err(bad)
}

fn is_local(address: &str) -> bool {
    address.starts_with("unix:")
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(|error| bad(format!("{}: {error}", path.display())))
}
