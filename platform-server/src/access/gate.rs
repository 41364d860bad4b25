//! Who a caller is, and whether a call may go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::account::{Account, Accounts, AccountsError, NAME_LIMIT_BYTES};
use super::password::{PASSWORD_LIMIT_BYTES, verify};
use super::peer::Peer;
use super::rights::Right;
use super::throttle::{Throttle, ThrottleLimits};
use super::token::ApiToken;
use crate::repository::fold_case;
use platform_api::role::Role;

/// Passwords that are tried at the same time, at 19 MiB each.
const WORKERS: usize = 2;
/// Passwords that may wait for a worker.
const WAITING: usize = 64;
/// How long a password that was right is not hashed again.
const REMEMBERED: Duration = Duration::from_secs(300);
/// How many of them are remembered.
const REMEMBERED_USERS: usize = 256;
/// Longer credentials are not looked at.
const CREDENTIALS_LIMIT_BYTES: usize = 2 * (NAME_LIMIT_BYTES + PASSWORD_LIMIT_BYTES);

/// Somebody whose call goes on. In the extensions of every request that a service sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's name; empty where nobody logged in.
    pub user: Arc<str>,
    /// What the caller may do; none for calls that are open to anybody.
    pub role: Option<Role>,
    /// Whether payloads may be downloaded.
    pub may_download: bool,
    /// Where the call came from.
    pub peer: Peer,
}

/// A call that goes on.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) right: &'static Right,
    /// What the caller logged in with; none for who need not.
    pub(super) proof: Option<Proof>,
}

/// What somebody logged in with, for looking again later: nothing that could be used elsewhere.
#[derive(Clone)]
pub(super) enum Proof {
    /// The user, and the hash of the password that was right.
    Password { user: String, hash: String },
    /// What is kept of the token.
    Token([u8; 32]),
}

/// Why a call goes no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Denied {
    #[error("there is no such call")]
    NoSuchCall,
    #[error("log in with a token or a password")]
    NotLoggedIn,
    /// The user, if there is one of that name.
    #[error("wrong credentials")]
    WrongCredentials { user: Option<Arc<str>> },
    #[error("too many failed log-ins; wait {} s", .wait.as_secs() + 1)]
    TooManyFailures { wait: Duration },
    #[error("too many log-ins at the same time")]
    Busy,
    #[error("this needs the role `{needed}`")]
    RoleTooWeak { needed: Role, user: Arc<str> },
    #[error("this user may not download payloads")]
    NoDownloads { user: Arc<str> },
    #[error("log-ins cannot be checked now")]
    Unavailable,
}

/// Who has to log in.
pub enum Doors {
    /// Nobody.
    Open,
    /// Everybody from the network; owners of the process and callers of the legacy port need not.
    Users {
        /// Where users are looked up.
        accounts: Arc<dyn Accounts>,
        /// What callers of the legacy port may do.
        legacy: (Role, bool),
    },
}

/// Judges calls.
pub struct Gate {
    doors: Doors,
    users: Throttle,
    origins: Throttle,
    waiting: Semaphore,
    workers: Semaphore,
    remembered: Mutex<Vec<Remembered>>,
    /// Makes what is remembered useless elsewhere.
    key: [u8; 32],
}

struct Remembered {
    password_hash: String,
    sum: [u8; 32],
    until: Instant,
}

struct Credentials {
    name: String,
    password: String,
}

impl Gate {
    /// Judges calls by `doors`.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn new(doors: Doors, limits: ThrottleLimits) -> std::io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        Ok(Self {
            doors,
            users: Throttle::new(limits),
            origins: Throttle::new(limits),
            waiting: Semaphore::new(WAITING),
            workers: Semaphore::new(WORKERS.min(usize::try_from(limits.attempts).unwrap_or(WORKERS)).max(1)),
            remembered: Mutex::default(),
            key,
        })
    }

    /// Whether nobody has to log in.
    pub fn is_open(&self) -> bool {
        matches!(self.doors, Doors::Open)
    }

    /// Judges one call: its path, where it came from and its `authorization`.
    ///
    /// # Errors
    /// [`Denied`] when it must not go on.
    pub async fn admit(
        &self,
        path: &str,
        peer: Peer,
        authorization: Option<&[u8]>,
    ) -> Result<(Caller, &'static Right), Denied> {
        self.judge(path, peer, authorization).await.map(|Admitted { caller, right, .. }| (caller, right))
    }

    /// As [`Gate::admit`], with what is needed to look again later.
    pub(super) async fn judge(
        &self,
        path: &str,
        peer: Peer,
        authorization: Option<&[u8]>,
    ) -> Result<Admitted, Denied> {
        let right = Right::of(path).ok_or(Denied::NoSuchCall)?;
        if matches!(peer, Peer::Legacy(_)) && !right.is_legacy() {
            return Err(Denied::NoSuchCall);
        }
        let nobody = Caller { user: "".into(), role: None, may_download: false, peer };
        if right.role.is_none() {
            return Ok(Admitted { caller: nobody, right, proof: None });
        }
        let (caller, proof) = match &self.doors {
            Doors::Users { accounts, .. } if matches!(peer, Peer::Network(_)) => {
                let (account, proof) = self.log_in(accounts, peer, authorization).await?;
                (caller(&account, peer), Some(proof))
            }
            Doors::Users { legacy: (role, may_download), .. } if matches!(peer, Peer::Legacy(_)) => {
                (Caller { role: Some(*role), may_download: *may_download, ..nobody }, None)
            }
            Doors::Users { .. } | Doors::Open => {
                (Caller { role: Some(Role::Admin), may_download: true, ..nobody }, None)
            }
        };
        may(&caller, right)?;
        Ok(Admitted { caller, right, proof })
    }

    /// Whether a call that was admitted would be so now. Counts nothing and hashes nothing.
    ///
    /// # Errors
    /// [`Denied`] when it would not, or when that cannot be known now.
    pub(super) async fn admits_still(&self, peer: Peer, right: &Right, proof: &Proof) -> Result<(), Denied> {
        let Doors::Users { accounts, .. } = &self.doors else { return Ok(()) };
        let account = match proof.clone() {
            Proof::Token(digest) => by_digest(accounts, digest).await?,
            Proof::Password { user, hash } => {
                let found = look_up(accounts, move |accounts| accounts.user(&user)).await?;
                let found = found.filter(|found| found.is_enabled && found.password_hash == Some(hash));
                found.ok_or(Denied::WrongCredentials { user: None })?
            }
        };
        may(&caller(&account, peer), right)
    }

    async fn log_in(
        &self,
        accounts: &Arc<dyn Accounts>,
        peer: Peer,
        authorization: Option<&[u8]>,
    ) -> Result<(Account, Proof), Denied> {
        let authorization = authorization.ok_or(Denied::NotLoggedIn)?;
        let origin = peer.origin();
        let scheme = authorization.iter().position(|byte| *byte == b' ').unwrap_or(authorization.len());
        let (scheme, rest) = authorization.split_at(scheme);
        if rest.len() > CREDENTIALS_LIMIT_BYTES {
            return Err(self.fail(origin, None));
        }
        // Whoever shares an address with a client that fails, and has what opens the door, is let in all the same.
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return match by_token(accounts, rest.trim_ascii()).await {
                Err(Denied::WrongCredentials { user }) => Err(self.fail(origin, user)),
                other => other,
            };
        }
        let credentials =
            if scheme.eq_ignore_ascii_case(b"basic") { credentials(rest.trim_ascii()) } else { None };
        match credentials {
            // Counts for itself, before the password is tried.
            Some(credentials) => {
                let account = self.by_password(accounts, origin, credentials).await?;
                let (user, hash) = (account.name.clone(), account.password_hash.clone().unwrap_or_default());
                Ok((account, Proof::Password { user, hash }))
            }
            None => Err(self.fail(origin, None)),
        }
    }

    /// Counts a failure, and says what it is told as.
    fn fail(&self, origin: Option<std::net::IpAddr>, user: Option<Arc<str>>) -> Denied {
        match self.origins.begin(&origin, Instant::now()) {
            Ok(()) => Denied::WrongCredentials { user },
            Err(wait) => Denied::TooManyFailures { wait },
        }
    }

    async fn by_password(
        &self,
        accounts: &Arc<dyn Accounts>,
        origin: Option<std::net::IpAddr>,
        credentials: Credentials,
    ) -> Result<Account, Denied> {
        let name = fold_case(&credentials.name);
        let account = look_up(accounts, move |accounts| accounts.user(&credentials.name)).await?;
        let account = account.filter(|account| account.is_enabled);
        let sum = self.sum(&name, &credentials.password);
        if let Some(account) = self.remembered(account.as_ref(), &sum) {
            return Ok(account);
        }
        let too_many = |wait| Denied::TooManyFailures { wait };
        // Those who would be refused anyway do not keep others waiting.
        self.origins.check(&origin, Instant::now()).map_err(too_many)?;
        let _waits = self.waiting.try_acquire().map_err(|_| Denied::Busy)?;
        let _works = self.workers.acquire().await.map_err(|_| Denied::Busy)?;
        // Whoever had the worker before may have had the same password.
        if let Some(account) = self.remembered(account.as_ref(), &sum) {
            return Ok(account);
        }
        let now = Instant::now();
        self.origins.begin(&origin, now).map_err(too_many)?;
        self.users.begin(&name, now).map_err(too_many)?;
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let tried = hash.clone();
        let is_right =
            tokio::task::spawn_blocking(move || verify(credentials.password.as_bytes(), tried.as_deref()));
        let is_right = is_right.await.map_err(|_| Denied::Unavailable)?;
        match (account, hash) {
            (Some(account), Some(hash)) if is_right => {
                self.origins.succeed(&origin);
                self.users.succeed(&name);
                self.remember(hash, sum);
                Ok(account)
            }
            (account, _) => {
                Err(Denied::WrongCredentials { user: account.map(|account| account.name.as_str().into()) })
            }
        }
    }

    /// Stands for a name and a password while this process lives.
    fn sum(&self, name: &str, password: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update(password);
        hasher.finalize().into()
    }

    /// The account, if this password was right a moment ago and has not been changed since.
    fn remembered(&self, account: Option<&Account>, sum: &[u8; 32]) -> Option<Account> {
        let account = account?;
        let hash = account.password_hash.as_ref()?;
        let now = Instant::now();
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = remembered.iter().any(|entry| {
            entry.until > now && entry.password_hash == *hash && bool::from(entry.sum.ct_eq(sum))
        });
        is_known.then(|| account.clone())
    }

    fn remember(&self, password_hash: String, sum: [u8; 32]) {
        let now = Instant::now();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|entry| entry.until > now && entry.password_hash != password_hash);
        if remembered.len() >= REMEMBERED_USERS {
            remembered.remove(0);
        }
        remembered.push(Remembered { password_hash, sum, until: now + REMEMBERED });
    }
}

async fn look_up<T: Send + 'static>(
    accounts: &Arc<dyn Accounts>,
    read: impl FnOnce(&dyn Accounts) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, Denied> {
    let accounts = Arc::clone(accounts);
    let result = tokio::task::spawn_blocking(move || read(accounts.as_ref())).await;
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "log-ins cannot be checked");
            Err(Denied::Unavailable)
        }
        Err(_) => Err(Denied::Unavailable),
    }
}

async fn by_token(accounts: &Arc<dyn Accounts>, text: &[u8]) -> Result<(Account, Proof), Denied> {
    let token = std::str::from_utf8(text).ok().and_then(ApiToken::parse);
    let digest = token.ok_or(Denied::WrongCredentials { user: None })?.digest();
    Ok((by_digest(accounts, digest).await?, Proof::Token(digest)))
}

async fn by_digest(accounts: &Arc<dyn Accounts>, digest: [u8; 32]) -> Result<Account, Denied> {
    let wrong = |user| Denied::WrongCredentials { user };
    let found = look_up(accounts, move |accounts| {
        let Some(grant) = accounts.token(&digest)? else { return Ok(None) };
        Ok(accounts.user(&grant.user)?.map(|account| (grant, account)))
    });
    let (grant, account) = found.await?.ok_or(wrong(None))?;
    if account.is_enabled && grant.expires_ms.is_none_or(|end_ms| now_ms() < end_ms) {
        Ok(account)
    } else {
        Err(wrong(Some(account.name.as_str().into())))
    }
}

fn caller(account: &Account, peer: Peer) -> Caller {
    let user = account.name.as_str().into();
    Caller { user, role: account.role, may_download: account.may_download, peer }
}

/// Whether a caller may make a call.
fn may(caller: &Caller, right: &Right) -> Result<(), Denied> {
    if let Some(needed) = right.role
        && caller.role.is_none_or(|role| role < needed)
    {
        return Err(Denied::RoleTooWeak { needed, user: caller.user.clone() });
    }
    if right.downloads && !caller.may_download {
        return Err(Denied::NoDownloads { user: caller.user.clone() });
    }
    Ok(())
}

fn credentials(encoded: &[u8]) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    let is_bounded = name.len() <= NAME_LIMIT_BYTES && password.len() <= PASSWORD_LIMIT_BYTES;
    is_bounded.then(|| Credentials { name: name.to_owned(), password: password.to_owned() })
}

/// Milliseconds since 1970; before that, nothing has ended yet.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
