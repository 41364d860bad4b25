//! Everything that other tools say of the shared images, against what `imaging` says through its public functions.
//!
//! One walk over all truth files: those of the shared data set beside the checkout and the copy in `tests/data`. A key
//! that nothing compares is a failure unless `differences.rs` says why it is not asked, so that nothing is skipped in
//! silence; a difference is one unless the table there says why we are right.
#![allow(clippy::indexing_slicing, reason = "test code; an index out of range is a failure like any other")]

mod differences;
mod grid;
mod organs;
mod report;
mod series;
mod volumes;
mod zoo;

use std::path::{Path, PathBuf};

use report::Report;
use serde_json::Value;
use test_support::data::{data, repository_data};

/// Truth files below a folder, in a fixed order.
fn truth_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() {
                truth_files(&path)
            } else if name.starts_with("truth") && name.ends_with(".json") {
                vec![path]
            } else {
                Vec::new()
            }
        })
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("truth files are JSON")
}

/// Compares one truth file of the shared data set; `relative` names it.
fn compare_shared(report: &mut Report, path: &Path, relative: &str) {
    let truth = read(path);
    let object = truth.as_object().expect("a truth file is an object");
    let folder = path.parent().expect("a truth file lies in a folder");
    let item = relative.rsplit_once('/').map_or("", |(folder, _)| folder);
    // Images lie in an archive of the folder's own name.
    let archive = || {
        let name = item.rsplit('/').next().unwrap_or(item);
        data(&format!("{item}/{name}")).expect("the archive beside its truth")
    };
    if object.contains_key("slides") {
        assert!(
            differences::SLIDES.contains(&relative),
            "{relative} is about slides, which are not read yet"
        );
        return;
    }
    report.begin(relative);
    if object.contains_key("segments") {
        return organs::compare(report, item, &archive(), object);
    }
    if object.contains_key("model") {
        return volumes::model(report, folder, &truth);
    }
    if object.contains_key("series") {
        return series::compare(report, item, &archive(), object);
    }
    for (key, value) in object {
        match key.as_str() {
            "volumes" => volumes::compare(report, item, folder, value),
            "files" => zoo::compare(report, item, &archive(), value),
            _ => report.other(relative, key),
        }
    }
}

fn compare_own(report: &mut Report) {
    let path = repository_data("truth.json");
    let folder = path.parent().expect("a folder");
    report.begin("tests/data/truth.json");
    for (key, value) in read(&path).as_object().expect("an object") {
        match key.as_str() {
            "volumes" => volumes::compare(report, "volumes", &folder.join("volumes"), value),
            "dicom" => zoo::compare(report, "zoo", &folder.join("dicom"), value),
            _ => report.other("tests/data", key),
        }
    }
}

#[test]
fn everything_that_other_tools_say_of_the_shared_images_is_what_we_say() {
    let mut report = Report::default();
    compare_own(&mut report);
    // `data` fails with REQUIRE_DATA=1, and says so otherwise, if the shared set is not there.
    let shared = data("zoo/truth.json").and_then(|path| path.ancestors().nth(2).map(Path::to_path_buf));
    if let Some(root) = &shared {
        let files = truth_files(root);
        assert!(files.len() >= 12, "{files:?}");
        for path in files {
            let relative =
                path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            compare_shared(&mut report, &path, &relative);
        }
    }
    eprintln!("{}", report.summary());
    let failures = report.failures(shared.is_some());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
