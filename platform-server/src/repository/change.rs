//! Everything that can be written, as data.
//!
//! A list of changes is one transaction: all of it happens or nothing.

use platform_api::id::{JobId, ModelId, PayloadId, PipelineId};
use platform_api::job::{JobPriority, JobState, JobStatus};

use super::rows::{
    AuditRow, ContentRow, DefinitionFile, DefinitionId, Metadata, ModelListId, ModelListRow, ModelRow,
    OperatorRow, PayloadFileRow, PayloadKind, PayloadState, RunRow, TokenRow, UserRow,
};

/// One small write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Adds a pipeline.
    CreatePipeline {
        /// Its identifier.
        id: PipelineId,
        /// The name in its definition.
        name: String,
        /// When.
        created_ms: i64,
        /// Its definition, main file first.
        files: Vec<DefinitionFile>,
        /// What people attached.
        metadata: Metadata,
    },
    /// Replaces the whole definition, and counts its revision up. Jobs keep the one they were created with.
    UpdatePipeline {
        /// Which one.
        id: PipelineId,
        /// The name in its new definition.
        name: String,
        /// Its new definition.
        files: Vec<DefinitionFile>,
    },
    /// Removes a pipeline. Its jobs stay.
    RemovePipeline(PipelineId),
    /// Adds a payload.
    CreatePayload {
        /// Its identifier.
        id: PayloadId,
        /// What it is for.
        kind: PayloadKind,
        /// The job that it is made with; created before it.
        job: Option<JobId>,
        /// When.
        created_ms: i64,
        /// What people attached.
        metadata: Metadata,
    },
    /// Opens, freezes or marks a payload.
    SetPayloadState(PayloadId, PayloadState),
    /// Removes a payload's record with those of its files.
    RemovePayload(PayloadId),
    /// Adds a file to an open payload; refused when a name differs in letter case only.
    AddPayloadFile(PayloadId, PayloadFileRow),
    /// Keeps the content of a small file until the file itself is on the disk.
    KeepContent(PayloadId, ContentRow),
    /// Forgets the contents up to and including a number: their files are on the disk.
    ForgetContents(u64),
    /// Adds or replaces files by exact name in any payload: what operators made.
    PutPayloadFiles(PayloadId, Vec<PayloadFileRow>),
    /// Removes a file of an open payload, by exact name.
    RemovePayloadFile(PayloadId, String),
    /// Adds a job, pending and healthy.
    CreateJob(NewJob),
    /// Puts a job into the queue, once.
    EnqueueJob {
        /// Which one.
        job: JobId,
        /// Values of its parameters, kept for good.
        variables: Vec<(String, String)>,
        /// Its place in the queue.
        queue_order: i64,
    },
    /// Changes how early a job goes.
    SetJobPriority(JobId, JobPriority),
    /// Moves a job forward. A stopped job stays as it is.
    UpdateJob {
        /// Which one.
        job: JobId,
        /// Where it stands now.
        state: JobState,
        /// How it fares now.
        status: JobStatus,
        /// When its first operator ran; kept when it is set already.
        started_ms: Option<i64>,
        /// When it was over.
        stopped_ms: Option<i64>,
        /// How much of its time limit was used up when `clock_since_ms` began.
        ran_ms: i64,
        /// Since when its clock has been running, if it is.
        clock_since_ms: Option<i64>,
    },
    /// Adds a line of text for people.
    AddJobMessage(JobId, String),
    /// Replaces what is known of an operator.
    PutOperator(JobId, OperatorRow),
    /// Notes a run before the executor is asked, or its handle after.
    PutRun(RunRow),
    /// Forgets a run.
    RemoveRun(String),
    /// Attaches names and values; nothing is changed when one of the keys exists.
    AddMetadata(MetadataOwner, Metadata),
    /// Takes keys off, whatever their letter case; unknown ones are ignored.
    RemoveMetadata(MetadataOwner, Vec<String>),
    /// Adds a model; one of the same name is replaced.
    PutModel(ModelRow),
    /// Removes a model, also from all lists.
    RemoveModel(ModelId),
    /// Adds or replaces a catalog or an instance.
    PutModelList(ModelListRow),
    /// Removes a catalog or an instance.
    RemoveModelList(ModelListId),
    /// Adds a line to the audit log.
    Audit(AuditRow),
    /// Adds or replaces a user.
    PutUser(UserRow),
    /// Removes a user and the user's tokens.
    RemoveUser(String),
    /// Adds a token.
    AddToken(TokenRow),
    /// Removes a token by its hash.
    RemoveToken([u8; 32]),
    /// Tells those who watch.
    Event {
        /// When.
        at_ms: i64,
        /// What kind of thing.
        kind: String,
        /// About what, by identifier.
        subject: String,
        /// The rest, in the kind's own form.
        body: String,
    },
}

/// A job as it is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its identifier.
    pub id: JobId,
    /// Its payload; created after it, in the same transaction.
    pub payload: PayloadId,
    /// The pipeline it is made from.
    pub pipeline: PipelineId,
    /// Exactly the definition that was read and checked.
    pub definition: DefinitionId,
    /// Its name.
    pub name: String,
    /// How early it goes.
    pub priority: JobPriority,
    /// When.
    pub created_ms: i64,
    /// How long it may run.
    pub time_limit_ms: Option<i64>,
    /// Its operators, in the definition's order.
    pub operators: Vec<OperatorRow>,
    /// What people attached.
    pub metadata: Metadata,
}

/// What metadata is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetadataOwner {
    /// A pipeline.
    Pipeline(PipelineId),
    /// A payload.
    Payload(PayloadId),
    /// A job.
    Job(JobId),
    /// A model.
    Model(ModelId),
}

impl Change {
    /// Roughly what a change costs beside others, so that one transaction stays bounded.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::CreateJob(job) => 2 + job.operators.len() + job.metadata.len(),
            Self::PutPayloadFiles(_, files) => 1 + files.len(),
            // A page of the database each.
            Self::KeepContent(_, row) => 1 + row.content.len() / 4096,
            _ => 1,
        }
    }
}
