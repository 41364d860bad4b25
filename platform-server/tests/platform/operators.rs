//! The reference pipeline with its real operators, on the bundled chest CT.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use platform_api::job::JobStatus;
use platform_api::payload::PayloadPath;
use platform_server::executor::bundle::Bundles;
use platform_server::platform::UploadPiece;

use crate::server::*;

/// The bundles of the repository with their program.
fn install_bundles(folder: &Path) -> Bundles {
    test_support::bundles::install(folder);
    let (bundles, broken) = Bundles::scan(&[folder.to_path_buf()], Default::default());
    assert!(broken.is_empty(), "{broken:?}");
    bundles
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lung_pipeline_makes_a_mask_of_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let bundles = install_bundles(&folder.path().join("bundles"));
    let opened = open_with(&folder.path().join("data"), |options| options.bundles = Arc::new(bundles)).await;
    let Some(platform) = opened else { return };
    let root = test_support::data::workspace_root();
    let text = std::fs::read_to_string(root.join("assets/pipelines/lung-segmentation.yaml")).unwrap();
    let pipeline = create_pipeline(&platform, &text).await;
    let made = create_job(&platform, pipeline, "lungs").await;
    for entry in std::fs::read_dir(root.join("assets/sample")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "dcm") {
            let name = PayloadPath::to_create(path.file_name().unwrap().to_str().unwrap()).unwrap();
            let data = Bytes::from(std::fs::read(&path).unwrap());
            let pieces =
                data.chunks(1 << 18).map(|piece| Ok(UploadPiece { data: Bytes::copy_from_slice(piece) }));
            let pieces = Box::pin(tokio_stream::iter(pieces.collect::<Vec<_>>()));
            platform.upload(made.payload, name, 0, pieces).await.unwrap();
        }
    }
    start(&platform, made.job).await;
    let report = end(&platform, made.job).await;
    let mut said = String::new();
    for operator in ["volume", "crop", "lungs"] {
        said.extend(log(&platform, made.job, operator).await.into_iter().map(|line| line + "\n"));
    }
    assert_eq!((report.details.status, &report.messages), (JobStatus::Healthy, &vec![]), "{said}");

    let names: Vec<String> = files(&platform, made.payload).await.into_iter().map(|(name, _)| name).collect();
    for name in ["volume/volume.mha", "crop/volume.mha", "lungs/mask.mha", "lungs/mask.json"] {
        assert!(
            names.iter().any(|found| found.ends_with(&format!("/operators/{name}"))),
            "{name}: {names:?}"
        );
    }
    // What another tool counts; see `operators/tests/sample_truth.py`.
    let truth = std::fs::read_to_string(root.join("operators/tests/sample_truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    let mask = content(&platform, made.payload, "/operators/lungs/mask.json").await;
    let mask: serde_json::Value = serde_json::from_str(&mask).unwrap();
    assert_eq!(mask["labels"][0]["voxels"], truth["labels"][0]["voxels"]);
    assert_eq!(mask["labels"].as_array().unwrap().len(), 1);
}
