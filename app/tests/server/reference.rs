//! The reference pipeline on the bundled chest CT: through the command line, and through the published Python client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use test_support::data::workspace_root;

use super::{Server, lantern, text};

/// A server with the operators of the repository.
fn start(folder: &Path) -> Option<Server> {
    let bundles = folder.join("bundles");
    test_support::bundles::install(&bundles);
    let settings = folder.join("settings.toml");
    let lines = format!("[storage]\nthreshold-percent = 100\n[operators]\nbundles = {bundles:?}\n");
    std::fs::write(&settings, lines).unwrap();
    Server::start(&folder.join("data"), &settings)
}

fn definition() -> PathBuf {
    workspace_root().join("assets/pipelines/lung-segmentation.yaml")
}

fn sample() -> PathBuf {
    workspace_root().join("assets/sample")
}

/// Holds the downloaded mask and its measurements to what SimpleITK counts (`operators/tests/sample_truth.py`).
fn check_lungs(folder: &Path) {
    let file = |name: &str| {
        let found = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
        found.into_iter().find(|path| path.ends_with(name)).unwrap_or_else(|| panic!("{name} was downloaded"))
    };
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let truth = read(workspace_root().join("operators/tests/sample_truth.json"));
    let report = read(file("mask.json"));
    assert_eq!(report["labels"].as_array().unwrap().len(), 1);
    assert_eq!(report["labels"][0]["voxels"], truth["labels"][0]["voxels"]);

    let info =
        Command::new(env!("CARGO_BIN_EXE_lantern")).arg("info").arg(file("mask.mha")).arg("--json").output();
    let info: Value = serde_json::from_str(&text(info.unwrap())).unwrap();
    let mask = &info["series"][0];
    assert_eq!(mask["dims"], truth["size"]);
    for (key, of_truth) in [("origin_lps", "origin"), ("spacing_mm", "spacing"), ("direction", "direction")] {
        let numbers =
            |value: &Value| value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let (found, wanted) = (numbers(&mask[key]), numbers(&truth[of_truth]));
        assert!(
            found.len() == wanted.len() && found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9),
            "{key}"
        );
    }
    // One label of value 1: its share of the voxels is the mean.
    let voxels: f64 = truth["size"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).product();
    let counted = mask["mean"].as_f64().unwrap() * voxels;
    assert!((counted - truth["labels"][0]["voxels"].as_f64().unwrap()).abs() < 0.5, "{counted}");
}

#[test]
fn the_lung_pipeline_runs_on_the_sample_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = start(folder.path()) else { return };
    text(lantern(&server, &["create", "pipelines", "-p", definition().to_str().unwrap()]));
    let pipelines: Value =
        serde_json::from_str(&text(lantern(&server, &["list", "pipelines", "--json"]))).unwrap();
    let pipeline = pipelines["pipelines"][0]["pipeline_id"].as_str().unwrap();
    let sample = sample();
    let sent =
        ["create", "job", "-n", "lungs", "-p", pipeline, "-f", sample.to_str().unwrap(), "-s", "--wait"];
    let created = text(lantern(&server, &sent));
    let job = created.lines().next().unwrap().strip_prefix("JOB_ID:").unwrap();
    let results = folder.path().join("results");
    text(lantern(&server, &["download", &format!("{job}:/operators/lungs/*"), results.to_str().unwrap()]));
    check_lungs(&results);
}

#[test]
fn the_lung_pipeline_runs_on_the_sample_through_the_published_client() {
    let Some(python) = test_support::data::clara_client() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = start(folder.path()) else { return };
    let results = folder.path().join("results");
    let ran = Command::new(python)
        .arg(workspace_root().join("tests/scenario/reference_pipeline.py"))
        .arg(server.address.strip_prefix("http://").unwrap())
        .args([definition(), sample(), results.clone()])
        .stdin(Stdio::null())
        .output();
    text(ran.unwrap());
    check_lungs(&results);
}
