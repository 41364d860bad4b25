//! The invariants of the workspace that can be read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which of our crates each of our crates may use; see ARCHITECTURE.md. An edge enters this table first.
const ALLOWED: &[(&str, &[&str])] = &[
    ("imaging", &[]),
    ("render-core", &["imaging"]),
    ("selftest", &["imaging", "render-core"]),
    ("platform-api", &[]),
    ("platform-client", &["platform-api"]),
    ("platform-server", &["platform-api", "operator-sdk"]),
    ("operator-sdk", &[]),
    ("lantern", &["imaging", "platform-client", "platform-server", "render-core", "selftest"]),
    ("operators", &["imaging"]),
    ("test-support", &[]),
    ("workspace-tests", &[]),
];

/// Crates that must not be reachable from a crate, and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "imaging",
        &["wgpu", "egui", "eframe", "tokio", "winit"],
        "imaging knows no GPU, window, network or async",
    ),
    (
        "render-core",
        &["egui", "eframe", "winit", "dicom-object", "image", "zip"],
        "render-core is headless and reads no files",
    ),
    (
        "operator-sdk",
        &["tokio", "tonic", "prost", "serde", "rustix"],
        "what foreign operators link stays small",
    ),
    (
        "operators",
        &["tokio", "tonic", "prost", "wgpu", "egui"],
        "operators know folders and parameters: no server, no async, no window",
    ),
];

fn metadata() -> Metadata {
    let manifest = test_support::data::workspace_root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata works")
}

#[test]
fn crates_use_only_what_the_layers_allow() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    let table: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    assert_eq!(ours, table.keys().copied().collect(), "the table names exactly the crates that exist");
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            if ours.contains(dependency.name.as_str()) {
                let allowed = table[package.name.as_str()].contains(&dependency.name.as_str());
                assert!(allowed, "{} must not use {}", package.name, dependency.name);
            }
        }
    }
}

#[test]
fn heavy_crates_stay_where_they_belong() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    for (root, forbidden, reason) in FORBIDDEN {
        let start = metadata.workspace_packages().into_iter().find(|p| p.name == *root).unwrap().id.clone();
        let mut seen = BTreeSet::from([start.clone()]);
        let mut queue = vec![start];
        while let Some(id) = queue.pop() {
            let node = resolve.nodes.iter().find(|n| n.id == id).unwrap();
            for dependency in &node.deps {
                let is_normal = dependency.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
                if is_normal && seen.insert(dependency.pkg.clone()) {
                    queue.push(dependency.pkg.clone());
                }
            }
        }
        let reached: BTreeSet<&str> = seen.iter().map(|id| metadata[id].name.as_str()).collect();
        for name in *forbidden {
            // Features are unified over the workspace, so optional readers of `imaging` show up below
            // render-core too; its own manifest is what counts for those.
            let declared =
                metadata.workspace_packages().into_iter().find(|p| p.name == *root).is_some_and(|p| {
                    p.dependencies.iter().any(|d| d.kind == DependencyKind::Normal && d.name == *name)
                });
            let is_format = matches!(*name, "dicom-object" | "image" | "zip");
            assert!(!declared && (is_format || !reached.contains(name)), "{root} reaches {name}: {reason}");
        }
    }
}

#[test]
fn only_the_app_installs_a_log_subscriber() {
    for package in metadata().workspace_packages() {
        let uses = package.dependencies.iter().any(|d| d.name == "tracing-subscriber");
        assert!(!uses || package.name == "lantern", "{} must use what it is given", package.name);
    }
}

#[test]
fn inside_imaging_the_core_does_not_import_formats() {
    let source = test_support::data::workspace_root().join("imaging/src");
    for module in ["geometry.rs", "volume.rs", "intensity.rs"] {
        let text = std::fs::read_to_string(source.join(module)).unwrap();
        assert!(!text.contains("formats"), "{module} mentions formats");
    }
}

#[test]
fn no_default_and_no_package_can_break_the_program_on_purpose() {
    for package in metadata().workspace_packages() {
        let mut default = package.features.get("default").into_iter().flatten();
        assert!(default.all(|f| !f.contains("faults")), "{} breaks itself", package.name);
        // `faults` is asked for by name, in the two crates that have it, and by no dependency of any kind.
        let has = package.features.keys().any(|f| f == "faults");
        assert_eq!(has, matches!(package.name.as_str(), "imaging" | "selftest"), "{}", package.name);
        let asks = package.dependencies.iter().any(|d| d.features.iter().any(|f| f == "faults"));
        assert!(!asks, "{} asks for faults", package.name);
    }
}

#[test]
fn only_the_app_knows_egui() {
    for package in metadata().workspace_packages() {
        let knows = package.dependencies.iter().any(|d| d.name.starts_with("egui") || d.name == "eframe");
        assert!(!knows || package.name == "lantern", "{} knows egui", package.name);
    }
}
