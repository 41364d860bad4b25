//! A disk that fills up under everything: records, payloads, logs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use platform_api::job::JobStatus;
use platform_api::payload::PayloadPath;
use platform_server::platform::UploadPiece;

use crate::server::*;

/// A small file system of its own, for as long as this lives.
struct TinyDisk(PathBuf);

impl TinyDisk {
    /// `None`, with a note, where the system does not let us mount.
    fn new(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        let is_mounted = mount.is_ok_and(|status| status.success());
        if !is_mounted {
            eprintln!("not tested here: a full disk (mounting a small one needs root)");
        }
        is_mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

const COUNTS: &str = "api-version: 0.4.0\nname: counts\noperators:\n- name: only\n  container:\n    \
                      image: lantern/shell\n    command: [\"/bin/sh\", \"-c\", \"ls /in | wc -l > /out/n\"]\n  \
                      input:\n  - path: /in\n  output:\n  - path: /out\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fills_the_disk_is_refused_and_everything_else_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::new(&folder.path().join("disk"), "24m") else { return };
    let Some(platform) = open(&disk.0).await else { return };
    let pipeline = create_pipeline(&platform, COUNTS).await;
    let made = create_job(&platform, pipeline, "counts").await;
    upload(&platform, made.payload, "small.txt", "kept\n").await;
    for round in 0..3 {
        let pieces = (0..64).map(|_| Ok(UploadPiece { data: Bytes::from(vec![7; 1 << 20]) }));
        let pieces = Box::pin(tokio_stream::iter(pieces.collect::<Vec<_>>()));
        let name = PayloadPath::to_create(&format!("large{round}.bin")).unwrap();
        let refused = platform.upload(made.payload, name, 0, pieces).await.unwrap_err();
        assert!(refused.to_string().contains("space"), "{refused}");
    }
    // Nothing of them is left, and what was there is whole.
    let names: Vec<String> = files(&platform, made.payload).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["/input/small.txt"]);
    assert_eq!(content(&platform, made.payload, "/input/small.txt").await, "kept\n");
    assert_eq!(std::fs::read_dir(disk.0.join("incoming")).unwrap().count(), 0);
    start(&platform, made.job).await;
    assert_eq!(end(&platform, made.job).await.details.status, JobStatus::Healthy);
    assert_eq!(content(&platform, made.payload, "/operators/only/n").await.trim(), "1");
}
