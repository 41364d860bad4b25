//! What the payload store promises.

mod payloads_support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use payloads_support::*;
use platform_api::id::JobId;
use platform_api::job::{JobState, JobStatus};
use platform_server::payloads::{Capacity, PayloadError, PayloadOptions, PayloadStore, Retention};
use platform_server::repository::{Change, Metadata, PayloadState};
use sha2::{Digest, Sha256};

#[test]
fn a_file_comes_back_as_it_went_in_whatever_its_length() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        for (path, length) in
            [("empty", 0usize), ("one", 1), ("sub/chunk", 1 << 20), ("sub/more", (5 << 20) + 3)]
        {
            let content: Vec<u8> = (0..length).map(|n| ((n * 31) >> 3) as u8).collect();
            let row = bench.upload(payload, path, &content).unwrap();
            assert_eq!((row.path.as_str(), row.size_bytes), (path, length as u64));
            assert_eq!(row.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
            assert!(bench.download(payload, path).unwrap() == content, "{path}");
        }
        assert_eq!(bench.names(payload), ["empty", "one", "sub/chunk", "sub/more"]);
        assert_eq!(bench.incoming(), 0);
    });
}

#[test]
fn a_part_of_a_file_can_be_read() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        bench.upload(payload, "a", b"0123456789").unwrap();
        for (offset, length, expected) in
            [(2, 3, "234"), (8, 9, "89"), (10, 1, ""), (u64::MAX, u64::MAX, ""), (0, 0, "")]
        {
            let mut part = bench.store.download(payload, &name("a")).unwrap().part(offset, length).unwrap();
            assert_eq!(part.next_chunk().unwrap().unwrap_or_default(), expected.as_bytes());
        }
    });
}

#[test]
fn uploads_to_a_jobs_payload_land_in_its_input_folder() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        bench.upload(payload, "./x/a.dcm", b"a").unwrap();
        assert_eq!(bench.names(payload), ["input/x/a.dcm"]);
        assert_eq!(bench.download(payload, "/input/x/a.dcm").unwrap(), b"a");
        assert_eq!(std::fs::read(bench.store.folder(payload).join("input/x/a.dcm")).unwrap(), b"a");
    });
}

#[test]
fn a_name_in_other_letter_case_is_refused_and_found_again() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        bench.upload(payload, "Sub/Scan.dcm", b"a").unwrap();
        let error = bench.upload(payload, "sub/SCAN.DCM", b"a").unwrap_err();
        assert!(matches!(error, PayloadError::FileExists { ref name } if name == "/Sub/Scan.dcm"), "{error}");
        assert_eq!(bench.on_disk(payload), ["Sub/Scan.dcm"]);
        assert_eq!(bench.download(payload, "SUB/scan.dcm").unwrap(), b"a");
        assert!(matches!(bench.download(payload, "Sub/other"), Err(PayloadError::NoSuchFile { .. })));
    });
}

#[test]
fn an_upload_repeated_with_the_same_content_is_fine_and_with_another_is_refused() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        let first = bench.upload(payload, "a", b"same").unwrap();
        assert_eq!(bench.upload(payload, "/a", b"same").unwrap(), first);
        assert!(matches!(bench.upload(payload, "a", b"SAME"), Err(PayloadError::FileExists { .. })));
        assert_eq!(bench.download(payload, "a").unwrap(), b"same");
    });
}

#[test]
fn nothing_is_visible_of_an_upload_that_was_not_finished() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        let mut upload = bench.store.upload(payload, &name("a"), 0).unwrap();
        upload.write(Bytes::from_static(&[1; 100_000])).unwrap();
        assert_eq!(bench.incoming(), 1);
        let mut small = bench.store.upload(payload, &name("b"), 0).unwrap();
        small.write(Bytes::from_static(b"half")).unwrap();
        drop(small);
        assert_eq!(bench.on_disk(payload), [""; 0]);
        drop(upload);
        assert_eq!(bench.incoming(), 0);
        assert_eq!((bench.names(payload).len(), bench.on_disk(payload).len()), (0, 0));
    });
}

#[test]
fn of_many_uploads_of_one_name_at_once_exactly_one_content_wins() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        for round in 0..5 {
            let path = format!("deep/er/file{round}");
            let results: Vec<_> = std::thread::scope(|scope| {
                let bench = &bench;
                let path = &path;
                let threads: Vec<_> = (0..12u8)
                    .map(|n| {
                        let path = if n % 2 == 0 { path.clone() } else { path.to_uppercase() };
                        scope.spawn(move || bench.upload(payload, &path, &[n; 100]).map(|row| (row, n)))
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
            assert_eq!(won.len(), 1);
            let (row, n) = won[0];
            assert_eq!(bench.download(payload, &path).unwrap(), [*n; 100]);
            assert_eq!(bench.names(payload).into_iter().filter(|name| *name == row.path).count(), 1);
            let lost = results.iter().filter_map(|result| result.as_ref().err());
            assert!(lost.clone().all(|error| matches!(error, PayloadError::FileExists { .. })));
        }
        assert_eq!(bench.on_disk(payload).len(), 5);
        assert_eq!(bench.incoming(), 0);
    });
}

#[test]
fn a_frozen_payload_takes_nothing_more_not_even_what_was_under_way() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        bench.upload(payload, "a/b", b"b").unwrap();
        let mut under_way = bench.store.upload(payload, &name("late"), 0).unwrap();
        under_way.write(Bytes::from_static(b"x")).unwrap();
        bench.store.freeze(payload).unwrap();
        assert!(matches!(under_way.finish(), Err(PayloadError::ReadOnly { .. })));
        assert!(matches!(bench.upload(payload, "c", b""), Err(PayloadError::ReadOnly { .. })));
        assert!(matches!(
            bench.store.remove(payload, &name("input/a/b")),
            Err(PayloadError::ReadOnly { .. })
        ));
        assert_eq!(bench.on_disk(payload), ["input/a/b"]);
        bench.store.freeze(payload).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &str| {
                bench.store.folder(payload).join(path).metadata().unwrap().permissions().mode() & 0o7777
            };
            assert_eq!(
                (mode("input/a/b"), mode("input"), mode("input/a"), mode("")),
                (0o444, 0o555, 0o555, 0o755)
            );
        }
        bench.store.delete(payload).unwrap();
        assert!(!bench.store.folder(payload).exists());
    });
}

#[cfg(unix)]
#[test]
fn a_files_mode_is_kept_and_on_disk_only_its_execute_bits_are() {
    use std::os::unix::fs::PermissionsExt;
    with_store(|bench| {
        let payload = bench.reusable(1);
        for (given, kept, on_disk) in [(0, 0o644, 0o444), (0o755, 0o755, 0o555), (0o106_777, 0o777, 0o555)] {
            let path = format!("f{given}");
            let row = bench.store.upload(payload, &name(&path), given).unwrap().finish().unwrap();
            assert_eq!(row.mode, kept);
            let found = bench.store.folder(payload).join(path).metadata().unwrap().permissions().mode();
            assert_eq!(found & 0o7777, on_disk);
        }
    });
}

#[test]
fn removed_files_and_deleted_payloads_are_gone() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        bench.upload(payload, "a", b"a").unwrap();
        bench.upload(payload, "b", b"b").unwrap();
        bench.store.remove(payload, &name("A")).unwrap();
        assert_eq!((bench.names(payload), bench.on_disk(payload)), (vec!["b".into()], vec!["b".into()]));
        assert!(matches!(bench.store.remove(payload, &name("a")), Err(PayloadError::NoSuchFile { .. })));
        bench.upload(payload, "A", b"new").unwrap();
        bench.store.delete(payload).unwrap();
        assert!(matches!(bench.store.payload(payload), Err(PayloadError::Unknown { .. })));
        assert!(matches!(bench.store.delete(payload), Err(PayloadError::Unknown { .. })));
        assert!(matches!(bench.upload(payload, "x", b""), Err(PayloadError::Unknown { .. })));
        assert!(!bench.store.folder(payload).exists());
        assert_eq!(std::fs::read_dir(bench.data.join("trash")).unwrap().count(), 0);
    });
}

#[test]
fn a_download_that_began_ends_although_its_payload_is_deleted() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        bench.upload(payload, "a", &[5; 3 << 20]).unwrap();
        let mut download = bench.store.download(payload, &name("a")).unwrap();
        let first = download.next_chunk().unwrap().unwrap().len();
        assert!((1..3 << 20).contains(&first), "there is more to come");
        bench.store.delete(payload).unwrap();
        let mut rest = first;
        while let Some(chunk) = download.next_chunk().unwrap() {
            rest += chunk.len();
        }
        assert_eq!(rest, 3 << 20);
    });
}

#[test]
fn reusable_payloads_become_the_input_of_a_job_in_the_order_given() {
    with_store(|bench| {
        let (first, second) = (bench.reusable(1), bench.reusable(2));
        bench.upload(first, "a/x", b"from first").unwrap();
        bench.upload(second, "a/y", b"from second").unwrap();
        bench.store.freeze(second).unwrap();
        let payload = bench.job(7, &[second, first]).unwrap();
        assert_eq!(bench.names(payload), ["input/a/x", "input/a/y"]);
        assert_eq!(bench.download(payload, "input/a/x").unwrap(), b"from first");
        assert_eq!(bench.download(payload, "input/a/y").unwrap(), b"from second");
        // What becomes of the source is nothing to the job.
        bench.store.remove(first, &name("a/x")).unwrap();
        bench.store.delete(second).unwrap();
        assert_eq!(bench.download(payload, "input/a/x").unwrap(), b"from first");
        assert_eq!(bench.download(payload, "input/a/y").unwrap(), b"from second");
    });
}

#[test]
fn the_same_name_in_two_inputs_is_an_error_before_anything_is_copied() {
    with_store(|bench| {
        let (first, second) = (bench.reusable(1), bench.reusable(2));
        bench.upload(first, "a", b"1").unwrap();
        bench.upload(second, "A", b"2").unwrap();
        for inputs in [[first, second], [first, first]] {
            let error = bench.job(7, &inputs).unwrap_err();
            assert!(matches!(error, PayloadError::SameNameInInputs { .. }), "{error}");
            assert!(!bench.store.folder(id(7)).exists());
        }
        let job = bench.job(8, &[]).unwrap();
        assert!(matches!(bench.job(9, &[job]), Err(PayloadError::NotReusable { .. })));
        assert!(matches!(bench.job(9, &[id(99)]), Err(PayloadError::Unknown { .. })));
    });
}

#[test]
fn an_abandoned_payload_leaves_nothing() {
    with_store(|bench| {
        let prepared = bench.store.prepare_for_job(id(5), JobId::from_bits(5), 1, &[]).unwrap();
        assert!(bench.store.folder(id(5)).exists());
        bench.store.abandon(prepared);
        assert!(!bench.store.folder(id(5)).exists());
    });
}

#[test]
fn a_file_that_changed_on_disk_is_not_handed_out_as_if_it_were_whole() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        bench.upload(payload, "a", b"content").unwrap();
        let path = bench.store.folder(payload).join("a");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"CONTENT").unwrap();
        assert!(matches!(bench.download(payload, "a"), Err(PayloadError::Damaged { found_bytes: 7, .. })));
        std::fs::write(&path, b"short").unwrap();
        assert!(matches!(bench.download(payload, "a"), Err(PayloadError::Damaged { found_bytes: 5, .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(bench.download(payload, "a"), Err(PayloadError::NoSuchFile { .. })));
    });
}

struct Fixed(f64);

impl Capacity for Fixed {
    fn used_share(&self, _folder: &Path) -> io::Result<f64> {
        if self.0 < 0.0 { Err(io::ErrorKind::Unsupported.into()) } else { Ok(self.0) }
    }
}

#[test]
fn payloads_are_refused_above_the_threshold_and_only_there() {
    with_store(|bench| {
        for (share, is_refused) in [(0.80, false), (0.8001, true), (1.0, true), (0.0, false), (-1.0, false)] {
            let store = PayloadStore::open_with(
                &bench.data,
                Arc::clone(&bench.repository),
                PayloadOptions::default(),
                Box::new(Fixed(share)),
            )
            .unwrap();
            let made = store.prepare_for_job(id(1), JobId::from_bits(1), 1, &[]);
            let reusable = store.create(id(2), 1, Metadata::new());
            if is_refused {
                assert!(matches!(made, Err(PayloadError::StorageFull { limit_percent: 80, .. })), "{share}");
                assert!(matches!(reusable, Err(PayloadError::StorageFull { .. })));
                assert!(!store.folder(id(1)).exists());
            } else {
                store.abandon(made.unwrap());
                store.delete(reusable.unwrap().id).unwrap();
            }
        }
    });
}

#[test]
fn payloads_of_jobs_that_failed_are_kept_longer() {
    with_store(|bench| {
        let stop = |n, status| Change::UpdateJob {
            job: JobId::from_bits(n),
            state: JobState::Stopped,
            status,
            started_ms: None,
            stopped_ms: Some(10_000),
            ran_ms: 0,
            clock_since_ms: None,
        };
        let (good, bad, open) =
            (bench.job(1, &[]).unwrap(), bench.job(2, &[]).unwrap(), bench.job(3, &[]).unwrap());
        let stops = vec![stop(1, JobStatus::Healthy), stop(2, JobStatus::Faulted)];
        bench.repository.commit(stops).wait().unwrap();
        let retention = Retention { healthy: Duration::from_secs(5), others: Duration::from_secs(50) };
        let due = |now_ms| bench.store.due(now_ms, retention).unwrap();
        assert_eq!(due(15_000), []);
        assert_eq!(due(15_001), [good]);
        assert_eq!(due(60_001), [good, bad]);
        // A clock that was set back makes nothing due; one far ahead spares jobs that are not over.
        assert_eq!(due(0), []);
        assert!(!due(i64::MAX).contains(&open));
        bench.store.delete(good).unwrap();
        assert_eq!(due(60_001), [bad]);
    });
}

#[test]
fn ten_thousand_files_are_stored_side_by_side_and_listed_in_order() {
    with_store(|bench| {
        let payload = bench.reusable(1);
        std::thread::scope(|scope| {
            for n in 0..50u32 {
                let bench = &bench;
                scope.spawn(move || {
                    for k in 0..200 {
                        bench
                            .upload(payload, &format!("d{}/f{n:02}-{k:03}", k % 7), &n.to_le_bytes())
                            .unwrap();
                    }
                });
            }
        });
        let names = bench.names(payload);
        assert_eq!(names.len(), 10_000);
        assert!(names.is_sorted());
        assert_eq!(names, bench.on_disk(payload));
        assert_eq!(bench.download(payload, "d3/f49-003").unwrap(), 49u32.to_le_bytes());
        assert_eq!(bench.store.payload(payload).unwrap().state, PayloadState::Open);
    });
}
