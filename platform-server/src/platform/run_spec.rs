//! What the executor is to run for one operator of a job: command, folders, environment, limits.

use std::fs;
use std::path::Path;

use platform_api::pipeline::{JobPlan, OperatorPlan, PortType, Source};

use super::launcher::{RunLimits, chain};
use crate::executor::fastio::{DeclaredArray, DeclaredInput, DeclaredOutput, FastIo};
use crate::executor::plan::{Port, Ports, plan};
use crate::executor::spec::{Gpu, Limits, RunSpec};
use crate::scheduler::{Request, RunToken};

/// Everything that a run is made of.
pub(super) struct RunParts<'a> {
    pub(super) run: RunToken,
    pub(super) job_name: &'a str,
    pub(super) plan: &'a JobPlan,
    pub(super) operator: &'a OperatorPlan,
    pub(super) request: Request,
    pub(super) gpus: Vec<Gpu>,
    /// Of the job's payload.
    pub(super) folder: &'a Path,
    /// The program, by its bundle or its image.
    pub(super) program: RunSpec,
    pub(super) limits: RunLimits,
    /// Whether folders appear where the definition wants them.
    pub(super) has_own_mounts: bool,
}

/// Makes the folders of a run and says what it is. Blocks on disk.
///
/// # Errors
/// What keeps it from being run, for people.
pub(super) fn run_spec(parts: RunParts<'_>) -> Result<RunSpec, String> {
    let RunParts { run, operator, request, folder, limits, has_own_mounts, .. } = parts;
    if operator.requests.network && !limits.is_network_allowed {
        return Err("it asks for the network, which this server does not allow".to_owned());
    }
    let mut ports = Ports {
        job_id: run.job.to_string(),
        job_name: parts.job_name.to_owned(),
        operator: operator.name.clone(),
        ..Ports::default()
    };
    for input in &operator.inputs {
        if let (Some(path), Some(of)) = (&input.path, &input.payload_folder) {
            let host = folder.join(of);
            make_folder(&host, false)?;
            let source = of.strip_prefix("operators/").unwrap_or("input");
            let name = input.name.clone().unwrap_or_else(|| source.replace('/', "-"));
            ports.inputs.push(Port { name, path: path.clone(), host });
        }
    }
    for output in &operator.outputs {
        if let (Some(path), Some(of)) = (&output.path, &output.payload_folder) {
            let host = folder.join(of);
            if run.attempt > 1 {
                empty(&host)?;
            }
            make_folder(&host, true)?;
            let name = output.name.clone().unwrap_or_else(|| "output".to_owned());
            ports.outputs.push(Port { name, path: path.clone(), host });
        }
    }
    let mut spec = parts.program;
    // What the definition says goes before what the bundle says.
    spec.environment.extend(operator.variables.clone());
    // What programs with threads take for the number of processors that are theirs.
    for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
        let cpus = request.cpu_millis.div_ceil(1000).max(1).to_string();
        spec.environment.entry(name.to_owned()).or_insert(cpus);
    }
    spec.limits = Limits {
        cpu_millis: Some(u32::try_from(request.cpu_millis).unwrap_or(u32::MAX)),
        memory_bytes: Some(request.memory_mb.saturating_mul(1 << 20)),
        processes: limits.processes,
        disk_bytes: limits.disk_bytes,
        log_bytes: limits.log_bytes,
        ..Limits::default()
    };
    spec.is_network_allowed = operator.requests.network;
    spec.gpus = parts.gpus;
    let fastio = FastIo {
        job: run.job.to_string(),
        operator: operator.name.clone(),
        outputs: typed_outputs(parts.plan, operator),
        inputs: typed_inputs(parts.plan, operator),
        budget_bytes: limits.shared_memory_bytes,
    };
    fastio.check()?;
    spec.fastio = Some(fastio);
    plan(spec, &ports, has_own_mounts).map_err(|error| chain(&error))
}

/// What the operator may publish as the definition has it, and who reads it.
fn typed_outputs(plan: &JobPlan, operator: &OperatorPlan) -> Vec<DeclaredOutput> {
    let outputs = operator.outputs.iter().enumerate().filter_map(|(at, output)| {
        let (name, array) = (output.name.clone()?, array(output.port_type.as_ref())?);
        let is_read = |reader: &&OperatorPlan| {
            reader.inputs.iter().any(|input| match source(plan, input.source) {
                Some((producer, read)) => producer.name == operator.name && read == at,
                None => false,
            })
        };
        let consumers = plan.operators.iter().filter(is_read).map(|reader| reader.name.clone()).collect();
        Some(DeclaredOutput { name, array, consumers })
    });
    outputs.collect()
}

/// What the operator may open as the definition has it.
fn typed_inputs(plan: &JobPlan, operator: &OperatorPlan) -> Vec<DeclaredInput> {
    let inputs = operator.inputs.iter().filter_map(|input| {
        let (producer, output) = source(plan, input.source)?;
        let output = producer.outputs.get(output)?.name.clone()?;
        Some(DeclaredInput {
            producer: producer.name.clone(),
            output,
            array: array(input.port_type.as_ref())?,
        })
    });
    inputs.collect()
}

/// The operator and its output that an input reads.
fn source(plan: &JobPlan, source: Source) -> Option<(&OperatorPlan, usize)> {
    match source {
        Source::Output { operator, output } => Some((plan.operators.get(operator)?, output)),
        Source::Job | Source::Operator { .. } => None,
    }
}

/// What is in shared memory; `None` for files.
fn array(port: Option<&PortType>) -> Option<DeclaredArray> {
    match port? {
        PortType::Stream { .. } => None,
        PortType::Array { element, shape } => {
            Some(DeclaredArray { element: element.name().to_owned(), shape: shape.clone() })
        }
    }
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
