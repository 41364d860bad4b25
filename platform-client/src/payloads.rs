//! Payloads: file trees that jobs read and write, up and down in bounded memory.

mod download;
mod progress;
mod upload;

use std::time::SystemTime;

use platform_api::convert::{self, identifier, parse_optional_identifier};
use platform_api::header;
use platform_api::id::{JobId, PayloadId};
use platform_api::metadata::Metadata;
use platform_api::payload::{PayloadFile, PayloadPath, PayloadType};
use platform_api::proto::clara::payloads_client::PayloadsClient;
use platform_api::proto::{clara, extension};
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, retrying};
use crate::error::ClientError;
use crate::jobs::snapshot_id;
use crate::metadata_calls::metadata_calls;
use crate::wire;

pub use download::{Download, Overwrite};
pub use progress::TransferProgress;
pub use upload::{Upload, files_below};

/// Longest piece of a file in one message.
pub const PIECE_BYTES: usize = 1 << 20;
/// Files that are under way at once, where nobody says otherwise.
pub const DEFAULT_PARALLEL: usize = 4;

/// A payload with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadDetails {
    /// The payload.
    pub id: PayloadId,
    /// What it is for.
    pub payload_type: PayloadType,
    /// The job that it belongs to.
    pub job_id: Option<JobId>,
    /// What its creator and others noted.
    pub metadata: Metadata,
    /// Its files, in the order of the server.
    pub files: Vec<PayloadFile>,
    /// Why files were left out whose names cannot be used.
    pub refused: Vec<String>,
}

/// A payload in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadSummary {
    /// The payload.
    pub id: PayloadId,
    /// What it is for.
    pub payload_type: PayloadType,
    /// The job that it belongs to.
    pub job_id: Option<JobId>,
    /// When it was made.
    pub created: Option<SystemTime>,
    /// How many files it has.
    pub file_count: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// What its creator and others noted.
    pub metadata: Metadata,
    /// Whether it takes no changes any more.
    pub is_read_only: bool,
}

impl PayloadSummary {
    pub(crate) fn from_wire(message: extension::Payload) -> Result<Self, convert::ConvertError> {
        let has_job = !message.job_id.is_empty();
        Ok(Self {
            id: snapshot_id(&message.payload_id, "payload id")?,
            payload_type: convert::payload_type(message.r#type)?,
            job_id: has_job.then(|| snapshot_id(&message.job_id, "job id")).transpose()?,
            created: convert::extension::system_time(message.created)?,
            file_count: message.file_count,
            bytes: message.size,
            metadata: Metadata::from_entries(message.metadata)?,
            is_read_only: message.read_only,
        })
    }
}

/// The payloads of a server.
#[derive(Debug, Clone)]
pub struct Payloads {
    client: Client,
}

impl Payloads {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn stub(&self) -> PayloadsClient<Channel> {
        PayloadsClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Makes a reusable payload without files.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn create(&self, metadata: &Metadata) -> Result<PayloadId, ClientError> {
        const CALL: &str = "Payloads.Create";
        let message = clara::PayloadsCreateRequest { header: header::request(), metadata: metadata.to_map() };
        let mut stub = self.stub();
        let answer = self.client.change(CALL, message, async move |m| stub.create(m).await).await?;
        wire::check(answer.header)?;
        wire::id(CALL, answer.payload_id.as_ref(), "payload id")
    }

    /// A payload with its files.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn details(&self, id: PayloadId) -> Result<PayloadDetails, ClientError> {
        retrying!(self.client, self.details_once(id).await)
    }

    async fn details_once(&self, id: PayloadId) -> Result<PayloadDetails, ClientError> {
        const CALL: &str = "Payloads.Details";
        let message = clara::PayloadsDetailsRequest { header: header::request(), payload_id: identifier(id) };
        let mut stub = self.stub();
        let mut messages = self.client.open(CALL, message, async move |m| stub.details(m).await).await?;
        let mut found: Option<PayloadDetails> = None;
        while let Some(message) = messages.next().await? {
            wire::check(message.header)?;
            let details = match &mut found {
                Some(details) => details,
                None => {
                    let job_id = parse_optional_identifier(message.job_id.as_ref(), "job id");
                    let set = Metadata::from_entries(message.metadata);
                    found.insert(PayloadDetails {
                        id: wire::id(CALL, message.payload_id.as_ref(), "payload id")?,
                        payload_type: wire::converted(CALL, convert::payload_type(message.r#type))?,
                        job_id: wire::converted(CALL, job_id)?,
                        metadata: wire::converted(CALL, set.map_err(Into::into))?,
                        files: Vec::new(),
                        refused: Vec::new(),
                    })
                }
            };
            // An empty payload is one message without a file.
            let Some(file) = message.file.filter(|file| !file.name.is_empty()) else { continue };
            match convert::payload_file(&file) {
                Ok(file) => details.files.push(file),
                Err(error) => details.refused.push(crate::error::chain(&error)),
            }
        }
        found.ok_or_else(|| ClientError::protocol(CALL, "no message"))
    }

    /// All payloads of these types; of all types where none is named.
    ///
    /// # Errors
    /// [`ClientError`]; unsupported by servers that speak the published API only.
    pub async fn list(&self, types: &[PayloadType]) -> Result<Vec<PayloadSummary>, ClientError> {
        retrying!(self.client, self.list_once(types).await)
    }

    async fn list_once(&self, types: &[PayloadType]) -> Result<Vec<PayloadSummary>, ClientError> {
        const CALL: &str = "Payloads.List";
        let message = extension::ListPayloadsRequest {
            types: types.iter().map(|t| t.to_wire()).collect(),
            after_id: String::new(),
            limit: 0,
        };
        let mut stub = extension::payloads_client::PayloadsClient::new(self.client.channel())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut messages = self.client.open(CALL, message, async move |m| stub.list(m).await).await?;
        let mut payloads = Vec::new();
        while let Some(message) = messages.next().await? {
            payloads.push(wire::converted(CALL, PayloadSummary::from_wire(message))?);
        }
        Ok(payloads)
    }

    /// Deletes a payload and its files for good.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn delete(&self, id: PayloadId) -> Result<(), ClientError> {
        let message = clara::PayloadsDeleteRequest { header: header::request(), payload_id: identifier(id) };
        let mut stub = self.stub();
        let answer =
            self.client.change("Payloads.Delete", message, async move |m| stub.delete(m).await).await?;
        wire::check(answer.header)
    }

    /// Removes one file.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn remove_file(&self, id: PayloadId, path: &PayloadPath) -> Result<(), ClientError> {
        let message = clara::PayloadsRemoveRequest {
            header: header::request(),
            payload_id: identifier(id),
            name: path.to_string(),
        };
        let mut stub = self.stub();
        let answer =
            self.client.change("Payloads.Remove", message, async move |m| stub.remove(m).await).await?;
        wire::check(answer.header)
    }

    metadata_calls!(
        PayloadId,
        payload_id,
        PayloadsAddMetadataRequest,
        PayloadsRemoveMetadataRequest,
        "Payloads.AddMetadata",
        "Payloads.RemoveMetadata"
    );
}
