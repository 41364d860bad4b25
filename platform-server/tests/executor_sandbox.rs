//! What an operator in a sandbox cannot do, tried by operators that want to.
#![cfg(target_os = "linux")]

mod executor_support;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use executor_support::*;
use platform_server::executor::capabilities::Isolation;
use platform_server::executor::spec::{Access, Limits, Mount};
use platform_server::executor::{Executor, Outcome, RunSpec};

fn mount(folder: &std::path::Path, place: &str, access: Access) -> Mount {
    Mount { host: folder.into(), place: place.into(), access }
}

#[tokio::test]
async fn only_the_writable_folders_can_be_written() {
    let Some(bench) = sandboxed().await else { return };
    let (input, output) = (bench.folder("in"), bench.folder("out"));
    fs::write(input.join("image"), "voxels").unwrap();
    let script = "for d in / /input /usr /usr/bin /etc /bin /dev /proc /sys /root /home /var /output/../x /.lantern; do \
                      if touch $d/probe 2>/dev/null; then echo $d; fi; done; \
                  touch /tmp/a /dev/shm/a /output/a; rm -f /input/image 2>/dev/null; cat /input/image";
    let mounts = vec![mount(&input, "/input", Access::ReadOnly), mount(&output, "/output", Access::Writable)];
    let (end, printed) = bench.output(RunSpec { mounts, ..sh(script) }).await;
    assert_eq!((end.outcome, printed.as_str()), (Outcome::Exited { code: 0 }, "voxels"));
    assert!(output.join("a").exists() && input.join("image").exists());
}

#[tokio::test]
async fn nothing_of_the_host_can_be_read_but_what_was_given() {
    let Some(bench) = sandboxed().await else { return };
    let secret = bench.folder("other-payload");
    fs::write(secret.join("secret"), "patient").unwrap();
    let script = format!(
        "cat {0}/secret {1}/state/lock /etc/shadow /etc/passwd /proc/1/environ /proc/1/mem 2>/dev/null | grep -v operator; \
         ls -d /work /root /home /var /run /srv /mnt /opt /boot /sys 2>/dev/null; ls -A /tmp; ls /input 2>/dev/null; \
         ls -l /proc/1/fd 2>&1 | grep -c socket; true",
        secret.display(),
        bench.folder.path().display()
    );
    let (_, printed) = bench.output(sh(&script)).await;
    assert_eq!(printed, "nobody:x:65534:65534:nobody:/:/bin/false\n0\n");
}

#[tokio::test]
async fn other_processes_are_neither_seen_nor_reached() {
    let Some(bench) = sandboxed().await else { return };
    // Pid 1, the shell, and what the shell starts.
    let script = format!(
        "for p in /proc/[0-9]*; do echo ${{p#/proc/}}; done | wc -l; kill -0 {} 2>/dev/null && echo reached; \
                          kill -KILL 1; kill -TERM 1; sleep 0.05; echo alive",
        std::process::id()
    );
    let (end, printed) = bench.output(sh(&script)).await;
    let mut lines = printed.lines();
    let count: u32 = lines.next().unwrap().trim().parse().unwrap();
    assert!((2..=5).contains(&count), "{printed}");
    assert_eq!(lines.collect::<Vec<_>>(), ["alive"]);
    assert_eq!(end.outcome, Outcome::Exited { code: 0 });
}

#[tokio::test]
async fn without_leave_there_is_no_network_and_with_leave_there_is() {
    let Some(bench) = sandboxed().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo hello >&3");
    let spec = |is_network_allowed| RunSpec {
        command: vec!["/bin/bash".into(), "-c".into(), script.clone()],
        is_network_allowed,
        ..RunSpec::default()
    };
    let refused = bench.run(spec(false)).await;
    assert!(matches!(refused.outcome, Outcome::Exited { code: 1.. }), "{refused:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
    listener.set_nonblocking(false).unwrap();
    let allowed = bench.run(spec(true)).await;
    assert_eq!(allowed.outcome, Outcome::Exited { code: 0 });
    let mut heard = String::new();
    listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello\n");
}

#[tokio::test]
async fn operators_have_no_rights_and_are_never_root() {
    let Some(bench) = sandboxed().await else { return };
    let output = bench.folder("out");
    let script = "grep -E '^(Cap(Prm|Eff|Bnd|Inh|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; id -u; id -G; \
                  echo x > /output/mine; unshare -U true 2>/dev/null && echo userns; unshare -m true 2>/dev/null && echo mntns; \
                  mount -t tmpfs x /tmp 2>/dev/null && echo mounted; hostname; true";
    let mounts = vec![mount(&output, "/output", Access::Writable)];
    let (end, printed) = bench.output(RunSpec { mounts, ..sh(script) }).await;
    assert_eq!(end.outcome, Outcome::Exited { code: 0 });
    let none = "0000000000000000";
    let wanted = format!(
        "CapInh:{none}\nCapPrm:{none}\nCapEff:{none}\nCapBnd:{none}\nCapAmb:{none}\nNoNewPrivs:1\nSeccomp:2\n1000\n1000\noperator\n"
    );
    assert_eq!(printed, wanted);
    let owner = output.join("mine").metadata().unwrap().uid();
    let Isolation::Bubblewrap { runs_as, .. } = bench.executor.capabilities().isolation else { panic!() };
    match runs_as {
        Some((user, _)) => assert_eq!(owner, user),
        None => assert_eq!(owner, output.metadata().unwrap().uid()),
    }
    assert_ne!(owner, 0);
}

#[tokio::test]
async fn the_manifest_and_the_log_are_out_of_the_operators_reach() {
    let Some(bench) = sandboxed().await else { return };
    let token = new_token();
    let runs = bench.folder("state").join("runs");
    let script = format!(
        "printf '{{\"Ended\":{{\"status\":{{\"Code\":0}}}}}}\\n' | tee /proc/1/fd/* /proc/self/fd/100 /dev/fd/100 2>/dev/null; \
         echo forged > {0}/{token}.manifest.json; find / -name '{token}*' 2>/dev/null; exit 9",
        runs.display()
    );
    let end = bench.run_as(token, sh(&script)).await;
    assert_eq!(end.outcome, Outcome::Exited { code: 9 });
    let printed = bench.printed(token).await;
    assert!(!printed.lines().any(|line| line.starts_with('/') && !line.contains("cannot")), "{printed}");
    let mode = runs.parent().unwrap().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[tokio::test]
async fn temporary_folders_are_private_and_bounded() {
    let Some(bench) = sandboxed().await else { return };
    let limits = Limits { temporary_bytes: 1 << 20, ..Limits::default() };
    let script =
        "for d in /tmp /dev/shm; do head -c 5000000 /dev/zero > $d/big 2>/dev/null; stat -c %s $d/big; done";
    let (_, printed) = bench.output(RunSpec { limits, ..sh(script) }).await;
    assert_eq!(printed, "1048576\n1048576\n");
    let (_, printed) = bench.output(sh("ls -A /tmp /dev/shm | grep big; true")).await;
    assert_eq!(printed, "");
}

#[tokio::test]
async fn folders_inside_others_land_where_they_belong() {
    let Some(bench) = sandboxed().await else { return };
    let (outer, inner) = (bench.folder("outer"), bench.folder("inner"));
    fs::write(inner.join("deep"), "deep").unwrap();
    let mounts =
        vec![mount(&inner, "/data/in/deeper", Access::ReadOnly), mount(&outer, "/data/in", Access::Writable)];
    let (end, printed) =
        bench.output(RunSpec { mounts, ..sh("cat /data/in/deeper/deep; echo x > /data/in/y") }).await;
    assert_eq!((end.outcome, printed.as_str()), (Outcome::Exited { code: 0 }, "deep"));
    assert!(outer.join("y").exists());
}

#[tokio::test]
async fn system_programs_work_inside() {
    let Some(bench) = sandboxed().await else { return };
    let script = "awk 'BEGIN { print 6*7 }'; date -u +%Z; whoami; echo b a | tr ' ' '\\n' | sort | head -n1; \
                  dd if=/dev/urandom bs=1 count=1 2>/dev/null | wc -c; pwd; echo $HOME";
    let (end, printed) = bench.output(sh(script)).await;
    assert_eq!(
        (end.outcome, printed.as_str()),
        (Outcome::Exited { code: 0 }, "42\nUTC\noperator\na\n1\n/\n/tmp\n")
    );
}
