//! How connections to the server come about.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::driver::Driver;
use super::session::Session;
use super::{PostgresOptions, failure, tls};
use crate::repository::error::RepositoryError;

/// What the client waits longer than the server, which answers that it gave up.
const GRACE: Duration = Duration::from_secs(5);

/// The server of one repository.
pub(super) struct Server {
    driver: Arc<Driver>,
    config: Config,
    tls: MakeRustlsConnect,
    address: Address,
    options: PostgresOptions,
}

impl Server {
    pub(super) fn new(address: &Address, options: PostgresOptions) -> Result<Self, RepositoryError> {
        let cannot = |source| RepositoryError::Open { database: address.to_string(), source };
        let driver = Driver::start().map_err(|error| cannot(error.into()))?;
        let tls = tls::connector(address.proof()).map_err(cannot)?;
        let config = address.config(options.connect_timeout);
        Ok(Self { driver: Arc::new(driver), config, tls, address: address.clone(), options })
    }

    pub(super) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// Its name for people.
    pub(super) fn database(&self) -> String {
        self.address.to_string()
    }

    /// Connects for the first time; what goes wrong is told as it is.
    pub(super) fn first(&self) -> Result<Session, RepositoryError> {
        self.session(|error| failure::of_opening(&self.database(), error))
    }

    /// Connects once more.
    pub(super) fn connect(&self) -> Result<Session, RepositoryError> {
        self.session(|error| failure::of_reaching(&error))
    }

    fn session(
        &self,
        failed: impl Fn(tokio_postgres::Error) -> RepositoryError,
    ) -> Result<Session, RepositoryError> {
        let late = |_| RepositoryError::Unreachable { why: "the server does not answer".to_owned() };
        let limit = self.options.connect_timeout * 2;
        let connected = self.driver.connect(limit, &self.config, self.tls.clone()).map_err(late)?;
        let client = connected.map_err(failed)?;
        let limit = self.options.statement_timeout + GRACE;
        let session = Session::new(self.driver.clone(), client, limit);
        session.batch(&self.settings())?;
        Ok(session)
    }

    /// What every session is set to, whatever the server's own settings are.
    fn settings(&self) -> String {
        let statement = self.options.statement_timeout.as_millis();
        let lock = self.options.lock_timeout.as_millis();
        // A transaction that waits for a client which is gone ends, and with it what it locks. A commit that was
        // answered is on disk.
        format!(
            "SET statement_timeout = {statement}; SET lock_timeout = {lock};
            SET idle_in_transaction_session_timeout = '60s';
            SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
            SET client_min_messages = warning; SET standard_conforming_strings = on; SET bytea_output = hex;
            SELECT set_config('synchronous_commit', 'on', false)
                WHERE current_setting('synchronous_commit') = 'off'"
        )
    }
}
