//! What the executor is to run for one operator of a job: command, folders, environment, limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use platform_api::pipeline::OperatorPlan;

use super::launcher::RunLimits;
use crate::executor::spec::{Access, Gpu, Limits, Mount, RunSpec};
use crate::scheduler::{Request, RunToken};

/// Everything that a run is made of.
pub(super) struct RunParts<'a> {
    pub(super) run: RunToken,
    pub(super) operator: &'a OperatorPlan,
    pub(super) request: Request,
    pub(super) gpus: &'a [String],
    /// Of the job's payload.
    pub(super) folder: &'a Path,
    pub(super) limits: RunLimits,
}

/// Makes the folders of a run and says what it is. Blocks on disk.
///
/// # Errors
/// What keeps it from being run, for people.
pub(super) fn run_spec(parts: &RunParts<'_>) -> Result<RunSpec, String> {
    let RunParts { run, operator, request, gpus, folder, limits } = parts;
    if operator.requests.network && !limits.is_network_allowed {
        return Err("it asks for the network, which this server does not allow".to_owned());
    }
    let mut mounts = Vec::new();
    let mut environment: BTreeMap<String, String> = operator.variables.clone();
    let mut inputs = Vec::new();
    for input in &operator.inputs {
        if let (Some(place), Some(of)) = (&input.path, &input.payload_folder) {
            let host = folder.join(of);
            make_folder(&host, false)?;
            inputs.push(format!("{}:{place}", input.name.as_deref().unwrap_or("input")));
            mounts.push(Mount { host, place: place.clone(), access: Access::ReadOnly });
        }
    }
    let mut outputs = Vec::new();
    for output in &operator.outputs {
        if let (Some(place), Some(of)) = (&output.path, &output.payload_folder) {
            let host = folder.join(of);
            if run.attempt > 1 {
                empty(&host)?;
            }
            make_folder(&host, true)?;
            outputs.push(format!("{}:{place}", output.name.as_deref().unwrap_or("output")));
            mounts.push(Mount { host, place: place.clone(), access: Access::Writable });
        }
    }
    environment.insert("NVIDIA_CLARA_INPUTPATHS".to_owned(), inputs.join(";"));
    environment.insert("NVIDIA_CLARA_OUTPUTPATHS".to_owned(), outputs.join(";"));
    environment.entry("NVIDIA_CLARA_NOSYNCLOCK".to_owned()).or_insert_with(|| "TRUE".to_owned());
    Ok(RunSpec {
        command: operator.command.clone(),
        environment,
        working_dir: String::new(),
        mounts,
        limits: Limits {
            cpu_millis: Some(u32::try_from(request.cpu_millis).unwrap_or(u32::MAX)),
            memory_bytes: Some(request.memory_mb.saturating_mul(1 << 20)),
            processes: limits.processes,
            disk_bytes: limits.disk_bytes,
            log_bytes: limits.log_bytes,
            ..Limits::default()
        },
        is_network_allowed: operator.requests.network,
        gpus: gpus.iter().zip(0..).map(|(id, device_number)| Gpu { id: id.clone(), device_number }).collect(),
        hashes_outputs: false,
    })
}

/// Makes a folder of a payload that is not there yet; one that is written to belongs to whoever runs operators.
fn make_folder(path: &Path, is_writable: bool) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("its folders cannot be made: {error}");
    fs::create_dir_all(path).map_err(failed)?;
    #[cfg(unix)]
    if is_writable {
        use std::os::unix::fs::PermissionsExt;
        // The data folder above is closed to all others.
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(failed)?;
    }
    #[cfg(not(unix))]
    let _ = is_writable;
    Ok(())
}

/// Removes what an earlier attempt left.
fn empty(path: &Path) -> Result<(), String> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("what an earlier attempt left cannot be removed: {error}"))
        }
        _ => Ok(()),
    }
}
