//! Which call needs which role: the one table.
//!
//! A call that is not in the table is refused to everybody; a test holds the table against the descriptors of all
//! services.

use platform_api::role::Role;

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// Path of the call, as in the request.
    pub path: &'static str,
    /// The weakest role that may call it; none for calls that need no log-in.
    pub role: Option<Role>,
    /// Whether the caller must be allowed to download payloads.
    pub downloads: bool,
    /// Whether the audit log tells of each call.
    pub is_audited: bool,
}

/// Anybody, logged in or not.
const fn open(path: &'static str) -> Right {
    Right { path, role: None, downloads: false, is_audited: false }
}

/// Looks.
const fn view(path: &'static str) -> Right {
    Right { path, role: Some(Role::Viewer), downloads: false, is_audited: false }
}

/// Takes files out.
const fn download(path: &'static str) -> Right {
    Right { path, role: Some(Role::Viewer), downloads: true, is_audited: true }
}

/// Changes jobs and payloads, and what people attach to things.
const fn operate(path: &'static str) -> Right {
    Right { path, role: Some(Role::Operator), downloads: false, is_audited: true }
}

/// Changes what can be run.
const fn administer(path: &'static str) -> Right {
    Right { path, role: Some(Role::Admin), downloads: false, is_audited: true }
}

/// Looks at what is for admins alone.
const fn oversee(path: &'static str) -> Right {
    Right { path, role: Some(Role::Admin), downloads: false, is_audited: false }
}

/// All calls.
pub const RIGHTS: &[Right] = &[
    view("/nvidia.clara.platform.Clara/Version"),
    view("/nvidia.clara.platform.Clara/Utilization"),
    administer("/nvidia.clara.platform.Clara/Stop"),
    //
    view("/nvidia.clara.platform.Jobs/List"),
    view("/nvidia.clara.platform.Jobs/Status"),
    view("/nvidia.clara.platform.Jobs/ReadLogs"),
    operate("/nvidia.clara.platform.Jobs/Create"),
    operate("/nvidia.clara.platform.Jobs/Start"),
    operate("/nvidia.clara.platform.Jobs/Cancel"),
    operate("/nvidia.clara.platform.Jobs/AddMetadata"),
    operate("/nvidia.clara.platform.Jobs/RemoveMetadata"),
    //
    view("/nvidia.clara.platform.Payloads/Details"),
    download("/nvidia.clara.platform.Payloads/Download"),
    operate("/nvidia.clara.platform.Payloads/Create"),
    operate("/nvidia.clara.platform.Payloads/Upload"),
    operate("/nvidia.clara.platform.Payloads/Remove"),
    operate("/nvidia.clara.platform.Payloads/Delete"),
    operate("/nvidia.clara.platform.Payloads/AddMetadata"),
    operate("/nvidia.clara.platform.Payloads/RemoveMetadata"),
    // A definition says which programs run.
    view("/nvidia.clara.platform.Pipelines/List"),
    view("/nvidia.clara.platform.Pipelines/Details"),
    administer("/nvidia.clara.platform.Pipelines/Create"),
    administer("/nvidia.clara.platform.Pipelines/Update"),
    administer("/nvidia.clara.platform.Pipelines/Remove"),
    operate("/nvidia.clara.platform.Pipelines/AddMetadata"),
    operate("/nvidia.clara.platform.Pipelines/RemoveMetadata"),
    // A model is part of what runs.
    view("/nvidia.clara.platform.Models/ListModels"),
    view("/nvidia.clara.platform.Models/ListCatalogs"),
    view("/nvidia.clara.platform.Models/ListInstances"),
    view("/nvidia.clara.platform.Models/ReadCatalog"),
    view("/nvidia.clara.platform.Models/ReadInstance"),
    operate("/nvidia.clara.platform.Models/DownloadModel"),
    operate("/nvidia.clara.platform.Models/AddMetadata"),
    operate("/nvidia.clara.platform.Models/RemoveMetadata"),
    operate("/nvidia.clara.platform.Models/CreateCatalog"),
    operate("/nvidia.clara.platform.Models/UpdateCatalog"),
    operate("/nvidia.clara.platform.Models/DeleteCatalog"),
    operate("/nvidia.clara.platform.Models/CreateInstance"),
    operate("/nvidia.clara.platform.Models/UpdateInstance"),
    operate("/nvidia.clara.platform.Models/DeleteInstance"),
    administer("/nvidia.clara.platform.Models/UploadModel"),
    administer("/nvidia.clara.platform.Models/DeleteModel"),
    //
    view("/nvidia.clara.platform.node_monitor.Monitor/GpuMetrics"),
    //
    view("/lantern.platform.v1.Events/Watch"),
    view("/lantern.platform.v1.Jobs/Get"),
    operate("/lantern.platform.v1.Jobs/SetPriority"),
    view("/lantern.platform.v1.Logs/Read"),
    view("/lantern.platform.v1.Payloads/List"),
    view("/lantern.platform.v1.Server/GetInfo"),
    oversee("/lantern.platform.v1.Access/ListUsers"),
    administer("/lantern.platform.v1.Access/AddUser"),
    administer("/lantern.platform.v1.Access/UpdateUser"),
    administer("/lantern.platform.v1.Access/RemoveUser"),
    oversee("/lantern.platform.v1.Access/ListTokens"),
    administer("/lantern.platform.v1.Access/CreateToken"),
    administer("/lantern.platform.v1.Access/RevokeToken"),
    administer("/lantern.platform.v1.Access/ReadAudit"),
    // The standard services.
    open("/grpc.health.v1.Health/Check"),
    open("/grpc.health.v1.Health/Watch"),
    view("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
    view("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
];

/// Services that published Clara clients know, and so all that the legacy port offers.
const LEGACY_PREFIX: &str = "/nvidia.clara.platform.";

impl Right {
    /// What a call needs; none for calls that there are not.
    pub fn of(path: &str) -> Option<&'static Self> {
        RIGHTS.iter().find(|right| right.path == path)
    }

    /// Whether the legacy port offers the call.
    pub(super) fn is_legacy(&self) -> bool {
        self.path.starts_with(LEGACY_PREFIX)
    }
}
