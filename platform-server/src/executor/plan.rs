//! From the ports of an operator to its folders and its environment, as operators of Clara Deploy expect them.
//!
//! Published operators read where their data is from variables or from fixed places:
//!
//! | variable | value |
//! |---|---|
//! | `NVIDIA_CLARA_INPUTPATHS` | for each input `name:path`, joined with [`SEPARATOR`] |
//! | `NVIDIA_CLARA_OUTPUTPATHS` | for each output likewise |
//! | `NVIDIA_CLARA_NOSYNCLOCK` | `1`: a driver in the operator waits for nobody, since we start it when its inputs are there |
//! | `LANTERN_JOB_ID`, `LANTERN_JOB_NAME`, `LANTERN_OPERATOR` | the job and the operator; ours, the original has calls for it |
//!
//! How the original joined several entries is not documented. We join with a comma: names cannot hold one, and nor do
//! paths that pass [`plan`], so every entry can be told from the next. A single entry, by far the most common case, is
//! the same under every choice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::ExecutorError;
use super::spec::{Access, Mount, RunSpec};

/// Between the entries of `NVIDIA_CLARA_INPUTPATHS` and `NVIDIA_CLARA_OUTPUTPATHS`.
pub const SEPARATOR: char = ',';

/// One input or output of an operator that is a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// What the definition calls it; for an input without a name, the operator that it comes from, or `input`.
    pub name: String,
    /// Where the operator finds it, for example `/input`.
    pub path: String,
    /// The folder on the host; has to exist, without links on the way.
    pub host: PathBuf,
}

/// What an operator is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports {
    /// Job id, as the platform writes it.
    pub job_id: String,
    /// The job's name.
    pub job_name: String,
    /// The operator's name in the definition.
    pub operator: String,
    /// Folders to read.
    pub inputs: Vec<Port>,
    /// Folders to write.
    pub outputs: Vec<Port>,
}

/// Adds folders and variables for `ports` to `run`. Variables that `run` has already stay.
///
/// Without a sandbox (`has_own_mounts` of the capabilities is false) the operator sees the host's paths.
///
/// # Errors
/// [`ExecutorError::BadSpec`] if a name or a path holds the separator, or two folders want one place.
pub fn plan(mut run: RunSpec, ports: &Ports, has_own_mounts: bool) -> Result<RunSpec, ExecutorError> {
    let seen = |port: &Port| {
        if has_own_mounts { port.path.clone() } else { port.host.to_string_lossy().into_owned() }
    };
    let list = |ports: &[Port]| -> Result<String, ExecutorError> {
        let mut entries = Vec::with_capacity(ports.len());
        for port in ports {
            let place = seen(port);
            let is_clear = |text: &str| !text.is_empty() && !text.contains([SEPARATOR, '\0']);
            if !is_clear(&port.name) || port.name.contains(':') || !is_clear(&place) {
                let reason = format!("the port `{}` at `{place}` has no clear place in a list", port.name);
                return Err(ExecutorError::BadSpec { reason });
            }
            entries.push(format!("{}:{place}", port.name));
        }
        Ok(entries.join(&SEPARATOR.to_string()))
    };
    let own = BTreeMap::from([
        ("NVIDIA_CLARA_INPUTPATHS", list(&ports.inputs)?),
        ("NVIDIA_CLARA_OUTPUTPATHS", list(&ports.outputs)?),
        ("LANTERN_JOB_ID", ports.job_id.clone()),
        ("LANTERN_JOB_NAME", ports.job_name.clone()),
        ("LANTERN_OPERATOR", ports.operator.clone()),
        ("NVIDIA_CLARA_NOSYNCLOCK", "1".to_owned()),
    ]);
    for (name, value) in own {
        run.environment.entry(name.to_owned()).or_insert(value);
    }
    let inputs = ports.inputs.iter().map(|port| (port, Access::ReadOnly));
    let outputs = ports.outputs.iter().map(|port| (port, Access::Writable));
    for (port, access) in inputs.chain(outputs) {
        let mount = Mount { host: port.host.clone(), place: seen(port), access };
        // Two inputs may read one folder from one place; that is one mount.
        if !run.mounts.contains(&mount) {
            run.mounts.push(mount);
        }
    }
    run.check()?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, path: &str, host: &str) -> Port {
        Port { name: name.into(), path: path.into(), host: host.into() }
    }

    fn ports() -> Ports {
        Ports {
            job_id: "0123".into(),
            job_name: "chest".into(),
            operator: "segment".into(),
            inputs: vec![
                port("input", "/input", "/data/p/input"),
                port("reader", "/in/b", "/data/p/operators/reader"),
            ],
            outputs: vec![port("masks", "/output", "/data/p/operators/segment/masks")],
        }
    }

    fn run() -> RunSpec {
        RunSpec { command: vec!["x".into()], ..RunSpec::default() }
    }

    #[test]
    fn ports_become_mounts_and_variables() {
        let planned = plan(run(), &ports(), true).unwrap();
        assert_eq!(planned.environment["NVIDIA_CLARA_INPUTPATHS"], "input:/input,reader:/in/b");
        assert_eq!(planned.environment["NVIDIA_CLARA_OUTPUTPATHS"], "masks:/output");
        assert_eq!(planned.environment["LANTERN_OPERATOR"], "segment");
        let places: Vec<_> =
            planned.mounts.iter().map(|mount| (mount.place.as_str(), mount.access)).collect();
        let (read, write) = (Access::ReadOnly, Access::Writable);
        assert_eq!(places, [("/input", read), ("/in/b", read), ("/output", write)]);
    }

    #[test]
    fn without_own_mounts_the_hosts_paths_are_told() {
        let planned = plan(run(), &ports(), false).unwrap();
        assert_eq!(planned.environment["NVIDIA_CLARA_OUTPUTPATHS"], "masks:/data/p/operators/segment/masks");
        assert!(planned.mounts.iter().all(|mount| mount.host.to_str() == Some(&mount.place)));
    }

    #[test]
    fn the_definitions_own_variables_win() {
        let mut own = run();
        own.environment.insert("NVIDIA_CLARA_NOSYNCLOCK".into(), "0".into());
        assert_eq!(plan(own, &ports(), true).unwrap().environment["NVIDIA_CLARA_NOSYNCLOCK"], "0");
    }

    #[test]
    fn entries_that_could_be_mistaken_are_refused() {
        for (name, path) in [("a,b", "/x"), ("a", "/x,b:/y"), ("a:b", "/x"), ("", "/x")] {
            let bad = Ports { inputs: vec![port(name, path, "/data/in")], ..ports() };
            assert!(plan(run(), &bad, true).is_err(), "{name} {path}");
        }
        let twice = Ports { outputs: vec![port("o", "/input", "/data/other")], ..ports() };
        assert!(plan(run(), &twice, true).is_err());
        let same = Ports { inputs: vec![port("a", "/in", "/d"), port("b", "/in", "/d")], ..ports() };
        assert_eq!(plan(run(), &same, true).unwrap().mounts.len(), 2);
    }
}
