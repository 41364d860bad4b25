//! The connection to a server: where it is, who calls, how long to wait and what to try again.
//!
//! Nothing is dialled before the first call. [`endpoint`] reads addresses, [`in_process`] connects without a network.

pub mod endpoint;
pub mod in_process;
mod retry;
mod tls;

/// Does something until it works, fails for good, or was tried as often as the client allows.
///
/// Not a function: futures of closures that borrow cannot be sent between threads yet.
macro_rules! retrying {
    ($client:expr, $attempt:expr) => {{
        let mut made = 1;
        loop {
            match $attempt {
                Err(error) => {
                    if !$client.tries_again(&error, made).await {
                        break Err(error);
                    }
                    made += 1;
                }
                result => break result,
            }
        }
    }};
}
pub(crate) use retrying;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

pub use endpoint::{Address, Fingerprint};
pub use tls::Trust;

use crate::access::Access;
use crate::error::{ClientError, ErrorKind};
use crate::events::Events;
use crate::jobs::Jobs;
use crate::logs::Logs;
use crate::models::Models;
use crate::payloads::Payloads;
use crate::pipelines::Pipelines;
use crate::server::Server;

/// Largest message that is taken: 4 MiB, as all clients of the platform do.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Who calls.
#[derive(Clone)]
pub enum Credentials {
    /// An API token.
    Token(String),
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

/// Secrets stay out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Password { user, .. } => write!(f, "Password({user}, …)"),
        }
    }
}

impl Credentials {
    fn header(&self) -> Result<MetadataValue<Ascii>, ClientError> {
        let text = match self {
            Self::Token(token) => format!("Bearer {token}"),
            Self::Password { user, .. } if user.contains(':') => {
                return Err(ClientError::Setting { what: "a user's name holds no colon".to_owned() });
            }
            Self::Password { user, password } => format!("Basic {}", base64(&format!("{user}:{password}"))),
        };
        let refused = |_| ClientError::Setting { what: "a token is one line of ASCII".to_owned() };
        let mut value: MetadataValue<Ascii> = text.parse().map_err(refused)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift & 63) as usize).copied().unwrap_or(b'=');
            out.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection.
    pub connect: Duration,
    /// For a whole call with one answer.
    pub call: Duration,
    /// For the next message of a stream that should not be quiet, and for room to send the next piece.
    pub message: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            message: Duration::from_secs(30),
        }
    }
}

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Where it is.
    pub address: Address,
    /// What makes its certificate good; for TLS only.
    pub trust: Trust,
    /// Who calls, where the server asks.
    pub credentials: Option<Credentials>,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// How often a call that changes nothing is made at most when the server cannot be reached.
    pub attempts: u32,
}

impl ConnectOptions {
    /// The defaults for an address: the system's certificates, nobody in particular, four attempts.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            trust: Trust::System,
            credentials: None,
            deadlines: Deadlines::default(),
            attempts: 4,
        }
    }
}

/// A connection to a server, shared by all its copies.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    channel: Channel,
    server: String,
    authorization: Option<MetadataValue<Ascii>>,
    deadlines: Deadlines,
    attempts: u32,
    keeps_secrets: bool,
}

impl Client {
    /// A client of the server that the options name. Must be called within a runtime; connects with the first call.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Setting`] for what cannot work, and
    /// [`ClientError::PlainTextCredentials`] where credentials would cross a network in plain text.
    pub fn connect(options: &ConnectOptions) -> Result<Self, ClientError> {
        let server = options.address.to_string();
        if options.credentials.is_some() && !options.address.keeps_secrets() {
            return Err(ClientError::PlainTextCredentials { server });
        }
        let channel = endpoint::channel(&options.address, &options.trust, options.deadlines.connect)?;
        Self::over(channel, server, options, options.address.keeps_secrets())
    }

    /// A client of a server within this process.
    ///
    /// # Errors
    /// [`ClientError::Setting`] for credentials that cannot be sent. The address of the options is not looked at.
    pub fn in_process(dialer: in_process::Dialer, options: &ConnectOptions) -> Result<Self, ClientError> {
        let channel = in_process::channel(dialer, options.deadlines.connect);
        Self::over(channel, "this process".to_owned(), options, true)
    }

    fn over(
        channel: Channel,
        server: String,
        options: &ConnectOptions,
        keeps_secrets: bool,
    ) -> Result<Self, ClientError> {
        let authorization = options.credentials.as_ref().map(Credentials::header).transpose()?;
        let (deadlines, attempts) = (options.deadlines, options.attempts.max(1));
        Ok(Self {
            inner: Arc::new(Inner { channel, server, authorization, deadlines, attempts, keeps_secrets }),
        })
    }

    /// What this is connected to, for people.
    pub fn server_name(&self) -> &str {
        &self.inner.server
    }

    /// Whether nobody on a network can read what is sent.
    pub(crate) fn keeps_secrets(&self) -> bool {
        self.inner.keeps_secrets
    }

    /// Users, tokens and the audit log.
    pub fn access(&self) -> Access {
        Access::new(self.clone())
    }

    /// Pipelines.
    pub fn pipelines(&self) -> Pipelines {
        Pipelines::new(self.clone())
    }

    /// Jobs.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.clone())
    }

    /// Payloads and their files.
    pub fn payloads(&self) -> Payloads {
        Payloads::new(self.clone())
    }

    /// Models, catalogs and instances.
    pub fn models(&self) -> Models {
        Models::new(self.clone())
    }

    /// The server itself.
    pub fn server(&self) -> Server {
        Server::new(self.clone())
    }

    /// Logs by offset.
    pub fn logs(&self) -> Logs {
        Logs::new(self.clone())
    }

    /// Changes as they happen.
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    pub(crate) fn channel(&self) -> Channel {
        self.inner.channel.clone()
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        self.inner.deadlines
    }

    /// A request with the credentials.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.inner.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }

    /// The same with the deadline, which the server sees too.
    fn timed_request<T>(&self, message: T) -> Request<T> {
        let mut request = self.request(message);
        request.set_timeout(self.inner.deadlines.call);
        request
    }

    /// Makes a call that changes something: once.
    pub(crate) async fn change<M, T, F>(
        &self,
        call: &'static str,
        message: M,
        send: impl FnOnce(Request<M>) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.within(call, send(self.timed_request(message))).await
    }

    /// Makes a call that changes nothing, or the same thing again: as often as the options allow.
    pub(crate) async fn read<M: Clone, T, F>(
        &self,
        call: &'static str,
        message: &M,
        mut send: impl FnMut(Request<M>) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        retrying!(self, self.within(call, send(self.timed_request(message.clone()))).await)
    }

    /// Opens a stream of answers; a stream may last as long as its messages keep coming.
    pub(crate) async fn open<M, T, F>(
        &self,
        call: &'static str,
        message: M,
        send: impl FnOnce(Request<M>) -> F,
    ) -> Result<Messages<T>, ClientError>
    where
        F: Future<Output = Result<Response<Streaming<T>>, Status>>,
    {
        let stream = self.within(call, send(self.request(message))).await?;
        Ok(Messages { client: self.clone(), call, stream })
    }

    /// Waits before the next attempt; `false` where there is none. `made` counts the attempts so far.
    pub(crate) async fn tries_again(&self, error: &ClientError, made: u32) -> bool {
        let is_worth_it = error.kind() == ErrorKind::Unreachable && made < self.inner.attempts;
        if is_worth_it {
            tracing::debug!(attempt = made, %error, "the server cannot be reached");
            tokio::time::sleep(retry::pause(made)).await;
        }
        is_worth_it
    }

    pub(crate) async fn within<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ClientError> {
        let limit = self.inner.deadlines.call;
        match tokio::time::timeout(limit, answer).await {
            Err(_) => Err(ClientError::TimedOut { call, limit }),
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.status(call, limit, &status)),
        }
    }

    pub(crate) fn status(&self, call: &'static str, limit: Duration, status: &Status) -> ClientError {
        match ClientError::from_status(call, &self.inner.server, status) {
            ClientError::TimedOut { call, .. } => ClientError::TimedOut { call, limit },
            error => error,
        }
    }
}

/// The messages of a stream, each with its deadline.
#[derive(Debug)]
pub(crate) struct Messages<T> {
    client: Client,
    call: &'static str,
    stream: Streaming<T>,
}

impl<T> Messages<T> {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, ClientError> {
        let limit = self.client.deadlines().message;
        match tokio::time::timeout(limit, self.stream.message()).await {
            Err(_) => Err(ClientError::TimedOut { call: self.call, limit }),
            Ok(result) => result.map_err(|status| self.client.status(self.call, limit, &status)),
        }
    }

    /// The next message, however long it takes.
    pub(crate) async fn next_whenever(&mut self) -> Result<Option<T>, ClientError> {
        let limit = self.client.deadlines().message;
        self.stream.message().await.map_err(|status| self.client.status(self.call, limit, &status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_written_as_the_standard_says() {
        // The example of RFC 7617, and every length of the last group (RFC 4648).
        assert_eq!(base64("Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(text), expected);
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let token = Credentials::Token("s3cret".to_owned());
        let password = Credentials::Password { user: "u".to_owned(), password: "s3cret".to_owned() };
        assert!(!format!("{token:?}{password:?}").contains("s3cret"));
        assert!(token.header().is_ok_and(|value| value.is_sensitive()));
        assert!(Credentials::Token("a\nb".to_owned()).header().is_err());
        let colon = Credentials::Password { user: "a:b".to_owned(), password: String::new() };
        assert!(colon.header().is_err());
    }
}
