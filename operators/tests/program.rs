//! The program itself: exit codes, what goes where, what it refuses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use glam::DMat3;
use support::*;

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_run_operator")).args(arguments).output().unwrap()
}

fn in_folders(name: &str, folder: &Path, more: &[&str]) -> Output {
    let (input, output) = (folder.join("in"), folder.join("out"));
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    let folders = [name, "--input", input, "--output", output];
    program(&folders.iter().chain(more).copied().collect::<Vec<_>>())
}

#[test]
fn success_is_0_failure_1_and_bad_usage_2() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = geometry(DMat3::IDENTITY);
    save(volume(geometry, numbers(&geometry)), &folder.path().join("in"), "a.mha");
    let cases: &[(&str, &[&str], i32)] = &[
        ("series_writer", &[], 0),
        ("series_writer", &["--format", "both", "--threads", "1"], 0),
        ("series_writer", &["--series", "1.2.3"], 1),
        ("series_writer", &["--time-point", "1"], 1),
        ("series_writer", &["--format", "png"], 2),
        ("crop", &["--to-threshold", "--min", "-100"], 0),
        ("crop", &["--to-threshold"], 2),
        ("crop", &[], 2),
        ("crop", &["--first-index", "0,0,0"], 2),
        ("crop", &["--first-index", "0,0", "--size", "1,1,1"], 2),
        ("crop", &["--first-index", "0,0,0", "--size", "1,1,1", "--to-threshold", "--min", "1"], 2),
        ("threshold_segmentation", &["--min", "0", "--largest", "3"], 0),
        ("threshold_segmentation", &["--min", "1", "--max", "0"], 2),
        ("threshold_segmentation", &[], 2),
        ("no_such_operator", &[], 2),
    ];
    for (name, arguments, code) in cases {
        let output = in_folders(name, folder.path(), arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{name} {arguments:?}: {stderr}");
        assert_eq!(stderr.is_empty(), *code == 0, "{name} {arguments:?}: {stderr}");
    }
    for name in ["series_writer", "crop", "threshold_segmentation"] {
        let help = program(&[name, "--help"]);
        assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--input"));
    }
}

#[test]
fn red_geometry_is_refused_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    std::fs::create_dir(&input).unwrap();
    let header =
        "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
    std::fs::write(input.join("no-spacing.mha"), [header.as_bytes(), &[1; 8]].concat()).unwrap();
    let refused = in_folders("series_writer", folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("spacing along x is not in the file"), "{text}");
    assert!(!folder.path().join("out").exists());
    let accepted = in_folders("series_writer", folder.path(), &["--accept-red-geometry"]);
    assert!(accepted.status.success());
    let text = String::from_utf8_lossy(&accepted.stderr).into_owned();
    assert!(text.contains("warning: spacing along x is not in the file"), "{text}");
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    std::fs::create_dir(&input).unwrap();
    let header = "ObjectType = Image\nNDims = 3\nDimSize = 60000 60000 60000\nElementSpacing = 1 1 1\nOffset = 0 0 0\n\
                  CompressedData = True\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
    std::fs::write(input.join("huge.mha"), [header.as_bytes(), &[1; 80]].concat()).unwrap();
    let refused = in_folders("series_writer", folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn any_number_of_threads_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let phantom = imaging::phantom::head(
        imaging::geometry::Dims::new(70, 60, 50),
        glam::DVec3::new(1.0, 1.0, 1.5),
        DMat3::from_rotation_x(0.2),
    );
    save(phantom, &folder.path().join("in"), "a.mha");
    let written = |threads: &str| {
        let arguments = ["--min", "20", "--largest", "2", "--fill-holes", "--compress", "--threads", threads];
        assert!(in_folders("threshold_segmentation", folder.path(), &arguments).status.success());
        let arguments = ["--format", "both", "--compress", "--threads", threads];
        assert!(in_folders("series_writer", folder.path(), &arguments).status.success());
        let out = folder.path().join("out");
        ["mask.mha", "mask.json", "volume.mha", "volume.nii.gz"]
            .map(|name| std::fs::read(out.join(name)).unwrap())
    };
    assert!(written("1") == written("5"));
}
