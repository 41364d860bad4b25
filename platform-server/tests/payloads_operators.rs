//! What operators leave behind: adopted where it is safe, skipped with a reason where it is not.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![cfg(target_os = "linux")]

mod payloads_support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use payloads_support::*;
use platform_server::payloads::{AdoptLimits, PayloadError, SkipReason, Skipped};
use rustix::fs::{CWD, RenameFlags};

fn output(bench: &Bench, operator: &str) -> PathBuf {
    let folder = bench.store.folder(id(1)).join("operators").join(operator);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn skipped(name: &str, reason: SkipReason) -> Skipped {
    Skipped { name: name.into(), reason }
}

#[test]
fn what_an_operator_wrote_becomes_files_of_the_payload_also_when_it_is_frozen() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        bench.upload(payload, "a", b"a").unwrap();
        bench.store.freeze(payload).unwrap();
        let folder = output(&bench, "segment/masks");
        fs::write(folder.join("mask.nii"), b"mask").unwrap();
        fs::write(folder.parent().unwrap().join("log"), b"").unwrap();
        fs::set_permissions(folder.join("mask.nii"), fs::Permissions::from_mode(0o4755)).unwrap();
        let adopted = bench.store.adopt(payload, "segment", AdoptLimits::default()).unwrap();
        assert_eq!((adopted.files, adopted.bytes, adopted.skipped), (2, 4, vec![]));
        assert_eq!(
            bench.names(payload),
            ["input/a", "operators/segment/log", "operators/segment/masks/mask.nii"]
        );
        let path = "operators/segment/masks/mask.nii";
        assert_eq!(bench.download(payload, path).unwrap(), b"mask");
        let file = bench.store.download(payload, &name(path)).unwrap();
        assert_eq!(file.file().mode, 0o755);
        assert_eq!(folder.join("mask.nii").metadata().unwrap().permissions().mode() & 0o7777, 0o555);
        // Once more changes nothing.
        bench.store.adopt(payload, "segment", AdoptLimits::default()).unwrap();
        assert_eq!(bench.names(payload).len(), 3);
        assert_eq!(bench.store.adopt(payload, "without-output", AdoptLimits::default()).unwrap().files, 0);
    });
}

#[test]
fn links_pipes_sockets_and_devices_are_skipped_with_the_reason() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        let folder = output(&bench, "op");
        fs::write(bench.data.join("secret"), b"secret").unwrap();
        symlink(bench.data.join("secret"), folder.join("link")).unwrap();
        symlink("/etc", folder.join("linked-folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
        let has_device = std::process::Command::new("mknod")
            .args([folder.join("device").as_os_str(), OsStr::new("c"), OsStr::new("1"), OsStr::new("5")])
            .status()
            .unwrap()
            .success();
        fs::write(folder.join("plain"), b"plain").unwrap();
        let adopted = bench.store.adopt(payload, "op", AdoptLimits::default()).unwrap();
        let mut expected = vec![
            skipped("/operators/op/link", SkipReason::Link),
            skipped("/operators/op/linked-folder", SkipReason::Link),
            skipped("/operators/op/pipe", SkipReason::Special),
            skipped("/operators/op/socket", SkipReason::Special),
        ];
        if has_device {
            expected.insert(0, skipped("/operators/op/device", SkipReason::Special));
        }
        assert_eq!(adopted.skipped, expected);
        assert_eq!(bench.names(payload), ["operators/op/plain"]);
    });
}

#[test]
fn an_operators_folder_that_is_a_link_is_not_entered() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        let outside = bench.data.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), b"secret").unwrap();
        let folder = output(&bench, "op");
        fs::remove_dir(&folder).unwrap();
        symlink(&outside, &folder).unwrap();
        let adopted = bench.store.adopt(payload, "op", AdoptLimits::default()).unwrap();
        assert_eq!(adopted.skipped, [skipped("/operators/op", SkipReason::Link)]);
        assert_eq!(bench.names(payload), [""; 0]);
    });
}

#[test]
fn unsafe_names_are_shown_safely_and_the_files_keep_theirs() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        let folder = output(&bench, "op");
        let written: [&[u8]; 9] = [
            b"a\nb",
            b"a\tb",
            b"a_b",
            b"con",
            b"dot.",
            b"\xff\xfe",
            b"back\\slash",
            b"..\\..\\x",
            b"fine name",
        ];
        for (n, name) in (0u8..).zip(written) {
            fs::write(folder.join(OsStr::from_bytes(name)), [n]).unwrap();
        }
        fs::create_dir(folder.join("sub ")).unwrap();
        fs::write(folder.join("sub /x"), b"x").unwrap();
        let adopted = bench.store.adopt(payload, "op", AdoptLimits::default()).unwrap();
        assert_eq!((adopted.files, adopted.skipped), (10, vec![]));
        let shown = bench.names(payload);
        assert_eq!(
            shown,
            [
                "operators/op/.._.._x",
                "operators/op/__",
                "operators/op/_con",
                "operators/op/a_b",
                "operators/op/a_b~1",
                "operators/op/a_b~2",
                "operators/op/back_slash",
                "operators/op/dot._",
                "operators/op/fine name",
                "operators/op/sub _/x",
            ]
        );
        // Each is read under its safe name; the one that was fine kept its own.
        assert_eq!(bench.download(payload, "operators/op/a_b").unwrap(), [2]);
        assert_eq!(bench.download(payload, "operators/op/__").unwrap(), [5]);
        assert_eq!(bench.download(payload, "operators/op/sub _/x").unwrap(), b"x");
        assert!(folder.join("dot.").exists());
    });
}

#[test]
fn of_names_that_differ_in_letter_case_the_exact_one_is_needed() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        let folder = output(&bench, "op");
        for name in ["Mask", "mask", "single"] {
            fs::write(folder.join(name), name).unwrap();
        }
        bench.store.adopt(payload, "op", AdoptLimits::default()).unwrap();
        assert_eq!(bench.download(payload, "operators/op/mask").unwrap(), b"mask");
        assert_eq!(bench.download(payload, "operators/op/Mask").unwrap(), b"Mask");
        assert_eq!(bench.download(payload, "OPERATORS/op/SINGLE").unwrap(), b"single");
        let error = bench.download(payload, "operators/op/MASK").unwrap_err();
        assert!(matches!(error, PayloadError::Ambiguous { count: 2, .. }), "{error}");
    });
}

#[test]
fn what_is_beyond_the_limits_is_left_and_told() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        let folder = output(&bench, "op");
        for name in ["a", "b", "c"] {
            fs::write(folder.join(name), b"12345").unwrap();
        }
        let bytes = AdoptLimits { bytes: 9, ..AdoptLimits::default() };
        let adopted = bench.store.adopt(payload, "op", bytes).unwrap();
        assert_eq!((adopted.files, adopted.bytes, adopted.skipped_count), (1, 5, 2));
        assert_eq!(adopted.skipped[0], skipped("/operators/op/b", SkipReason::TooManyBytes));
        let files = AdoptLimits { files: 2, ..AdoptLimits::default() };
        assert_eq!(
            bench.store.adopt(payload, "op", files).unwrap().skipped,
            [skipped("/operators/op/c", SkipReason::TooManyFiles)]
        );
        let deep = output(&bench, "deep");
        fs::create_dir_all(deep.join("1/2/3")).unwrap();
        fs::write(deep.join("1/2/x"), b"").unwrap();
        let depth = AdoptLimits { depth: 2, ..AdoptLimits::default() };
        let adopted = bench.store.adopt(payload, "deep", depth).unwrap();
        assert_eq!(adopted.files, 1);
        assert_eq!(adopted.skipped, [skipped("/operators/deep/1/2/3", SkipReason::TooDeep)]);
    });
}

#[test]
fn names_of_operators_cannot_lead_out_of_their_folder() {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        bench.upload(payload, "a", b"a").unwrap();
        for operator in ["..", "../input", "", "a/../../input"] {
            let error = bench.store.adopt(payload, operator, AdoptLimits::default()).unwrap_err();
            assert!(matches!(error, PayloadError::Name(_)), "{operator}");
        }
    });
}

/// A payload with `input/d/file`, and a folder outside with a file of the same name.
fn with_outside(body: impl Fn(&Bench, &Path, &Path)) {
    with_store(|bench| {
        let payload = bench.job(1, &[]).unwrap();
        bench.upload(payload, "d/file", b"inside").unwrap();
        let outside = bench.data.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), b"secret").unwrap();
        let inside = bench.store.folder(payload).join("input/d");
        body(&bench, &inside, &outside);
    });
}

#[test]
fn nothing_is_read_written_or_removed_through_a_planted_link() {
    with_outside(|bench, inside, outside| {
        let payload = id(1);
        fs::rename(inside, inside.with_file_name("moved")).unwrap();
        symlink(outside, inside).unwrap();
        assert!(matches!(bench.download(payload, "input/d/file"), Err(PayloadError::NotAFolder { .. })));
        assert!(matches!(bench.upload(payload, "d/new", b"x"), Err(PayloadError::NotAFolder { .. })));
        assert!(bench.store.remove(payload, &name("input/d/file")).is_err());
        assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"secret");
        // A file that was replaced by a link, and a link above everything.
        fs::remove_file(inside).unwrap();
        fs::create_dir(inside).unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        assert!(bench.download(payload, "input/d/file").is_err());
        let root = bench.store.folder(payload);
        fs::rename(&root, bench.data.join("elsewhere")).unwrap();
        symlink(bench.data.join("elsewhere"), &root).unwrap();
        assert!(bench.upload(payload, "x", b"x").is_err());
        assert!(bench.download(payload, "input/d/file").is_err());
    });
}

#[test]
fn a_link_planted_between_check_and_use_leads_nowhere() {
    with_outside(|bench, inside, outside| {
        let payload = id(1);
        let link = inside.with_file_name("link");
        symlink(outside, &link).unwrap();
        let is_over = AtomicBool::new(false);
        let (mut read, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Folder, link, folder, link … as fast as the system can.
                while !is_over.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(CWD, &link, CWD, inside, RenameFlags::EXCHANGE).unwrap();
                }
            });
            // Until both sides were met often.
            for n in 0..20_000 {
                match bench.download(payload, "input/d/file") {
                    Ok(content) => {
                        assert_eq!(content, b"inside");
                        read += 1;
                    }
                    Err(_) => refused += 1,
                }
                if n % 64 == 0 {
                    // Refused or not: it only must not leave the payload.
                    let _ = bench.upload(payload, &format!("d/new{n}"), b"x");
                    let _ = bench.store.remove(payload, &name(&format!("input/d/new{n}")));
                }
                if read > 300 && refused > 300 {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
    });
}
