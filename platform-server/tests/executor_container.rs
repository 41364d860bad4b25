//! What is particular to containers: images, the engine's own troubles, and what an operator inside cannot do.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint takes for other code")]

mod executor_support;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_support::container::{ContainerStore, contained, contained_with};
use executor_support::*;
use platform_server::executor::capabilities::{Isolation, LimitMeans};
use platform_server::executor::container::{self, ContainerConfig, Pull};
use platform_server::executor::fastio::{DeclaredArray, DeclaredInput, DeclaredOutput};
use platform_server::executor::spec::{Access, Limits, Mount};
use platform_server::executor::{Executor, ExecutorError, FastIo, OnRestart, Outcome, RunSpec, RunToken};

fn mount(folder: &Path, place: &str, access: Access) -> Mount {
    Mount { host: folder.into(), place: place.into(), access }
}

fn not_started(outcome: &Outcome) -> &str {
    let Outcome::NotStarted { reason } = outcome else { panic!("{outcome:?}") };
    reason
}

#[tokio::test]
async fn the_engine_is_asked_what_it_is_and_what_it_holds_runs_to() {
    let Some(bench) = contained().await else { return };
    let told = bench.executor.capabilities();
    let Isolation::Container { engine, runs_as, .. } = &told.isolation else { panic!("{told:?}") };
    assert!(engine.starts_with("podman "), "{engine}");
    assert_ne!(runs_as.unwrap().0, 0);
    assert!(told.runs_images && told.has_own_mounts && told.withholds_network && told.can_reattach);
    for means in [told.memory, told.cpu, told.processes] {
        assert!(matches!(means, LimitMeans::CgroupV1 | LimitMeans::CgroupV2), "{told:?}");
    }
}

#[tokio::test]
async fn an_image_says_what_runs_and_the_definition_completes_it() {
    let Some(bench) = contained().await else { return };
    let tree = bench.folder("tree/work").parent().unwrap().to_owned();
    fs::create_dir(tree.join("bin")).unwrap();
    fs::copy("/bin/busybox", tree.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", tree.join("bin/sh")).unwrap();
    let script = "#!/bin/sh\necho $COLOUR $SIZE $(pwd) \"$@\"; touch /scratch/x && echo written\n";
    fs::write(tree.join("bin/say"), script.replace("touch", "/bin/busybox touch")).unwrap();
    fs::set_permissions(tree.join("bin/say"), fs::Permissions::from_mode(0o755)).unwrap();
    let changes = [
        "ENTRYPOINT [\"/bin/say\", \"first\"]",
        "CMD [\"usual\"]",
        "ENV COLOUR=red",
        "ENV SIZE=7",
        "WORKDIR /work",
        "VOLUME /scratch",
        "USER 0",
    ];
    bench.store.as_ref().unwrap().import(&tree, "localhost/say:2", &changes).unwrap();
    let spec = |command: &[&str]| RunSpec {
        image: Some("localhost/say:2".into()),
        command: command.iter().map(|&part| part.into()).collect(),
        environment: [("SIZE".to_owned(), "8".to_owned())].into(),
        ..RunSpec::default()
    };
    let (end, printed) = bench.output(spec(&[])).await;
    assert_eq!(
        (end.outcome, printed.as_str()),
        (Outcome::Exited { code: 0 }, "red 8 /work first usual\nwritten\n")
    );
    let (_, printed) = bench.output(spec(&["a b", "c"])).await;
    assert!(printed.starts_with("red 8 /work first a b c\n"), "{printed}");
    // An image that runs nothing by itself.
    let end = bench.run(RunSpec::default()).await;
    assert!(not_started(&end.outcome).contains("what to run"), "{end:?}");
}

#[tokio::test]
async fn an_image_that_is_not_here_is_named_and_a_pull_that_fails_says_why() {
    let Some(bench) = contained().await else { return };
    // Nothing listens at port 1.
    let image = || Some("localhost:1/nobody/nothing:3".to_owned());
    let end = bench.run(RunSpec { image: image(), ..sh("true") }).await;
    let reason = not_started(&end.outcome);
    assert!(
        reason.contains("localhost:1/nobody/nothing:3") && reason.contains("not on this machine"),
        "{reason}"
    );
    for pull in [Pull::Missing, Pull::Always] {
        let bench = contained_with(|config| config.pull = pull).await.unwrap();
        let end = bench.run(RunSpec { image: image(), ..sh("true") }).await;
        let reason = not_started(&end.outcome);
        assert!(reason.contains("could not be pulled") && reason.contains("refused"), "{reason}");
        assert_eq!(end.started_at, None);
    }
    // What is here is not looked for elsewhere.
    let bench = contained_with(|config| config.pull = Pull::Missing).await.unwrap();
    assert_eq!(bench.run(sh("exit 0")).await.outcome, Outcome::Exited { code: 0 });
}

#[tokio::test]
async fn names_that_are_no_images_and_runs_without_one_are_refused() {
    let Some(bench) = contained().await else { return };
    for name in ["--privileged", "a b", ""] {
        let refused =
            bench.executor.submit(new_token(), RunSpec { image: Some(name.into()), ..sh("true") }).await;
        assert!(matches!(refused, Err(ExecutorError::BadSpec { .. })), "{name}");
    }
    let refused = bench.executor.inner.submit(new_token(), sh("true")).await;
    assert!(matches!(refused, Err(ExecutorError::BadSpec { .. })));
    let plain = bench_with(false, |_| ()).await.unwrap();
    let refused = plain.executor.submit(new_token(), RunSpec { image: Some("a".into()), ..sh("true") }).await;
    assert!(matches!(refused, Err(ExecutorError::BadSpec { .. })));
}

#[tokio::test]
async fn inputs_and_outputs_in_shared_memory_are_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    // An engine that tells what it is and notes what it is asked; it could run nothing.
    let engine = folder.path().join("docker");
    let script = "#!/bin/sh\necho \"$*\" >> \"$0.asked\"\ncase \"$*\" in\n*--version*) echo Docker version 24.0.5 ;;\n\
                  *version*) echo '\"24.0.5\"' ;;\n*info*) echo '{}' ;;\n*) exit 1 ;;\nesac\n";
    fs::write(&engine, script).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = ContainerConfig::new(folder.path().join("state"), shim());
    config.program = Some(engine.clone());
    let executor = container::open(config).await.unwrap();
    let asked = || fs::read_to_string(engine.with_extension("asked")).unwrap();
    let at_the_start = asked();

    let array = || DeclaredArray { element: "float32".into(), shape: vec![None, Some(512)] };
    let outputs = vec![DeclaredOutput { name: "volume".into(), array: array(), consumers: Vec::new() }];
    let inputs = vec![DeclaredInput { producer: "reader".into(), output: "volume".into(), array: array() }];
    for fastio in [FastIo { outputs, ..FastIo::default() }, FastIo { inputs, ..FastIo::default() }] {
        let image = Some("localhost/any:1".to_owned());
        let refused =
            executor.submit(new_token(), RunSpec { image, fastio: Some(fastio), ..sh("true") }).await;
        let Err(ExecutorError::BadSpec { reason }) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("shared memory, which containers do not have"), "{reason}");
    }
    assert_eq!(asked(), at_the_start, "the engine was to do something");
    let runs = fs::read_dir(folder.path().join("state/runs")).map_or(0, Iterator::count);
    assert_eq!(runs, 0, "something of a refused run is left");
}

/// A program that stands before Podman and does something else for one of its verbs.
fn instead(folder: &Path, verb: &str, script: &str) -> PathBuf {
    let path = folder.join("engine");
    let text = format!(
        "#!/bin/sh\nfor word in \"$@\"; do\n  if [ \"$word\" = {verb} ]; then {script}; fi\ndone\nexec podman \"$@\"\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn files_of_the_engine_neither_show_a_run_the_hosts_processes_nor_take_its_limits_away() {
    let folder = tempfile::tempdir().unwrap();
    let (files, engine) = (folder.path().join("containers.conf"), folder.path().join("engine"));
    fs::write(&files, "[containers]\npidns = \"host\"\ncgroups = \"disabled\"\n").unwrap();
    let script = format!("#!/bin/sh\nCONTAINERS_CONF='{}' exec podman \"$@\"\n", files.display());
    fs::write(&engine, script).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    let Some(bench) = contained_with(|config| config.program = Some(engine)).await else { return };
    let limits = Limits { memory_bytes: Some(64 << 20), ..Limits::default() };
    let (end, printed) = bench.output(RunSpec { limits, ..sh("readlink /proc/self/ns/pid") }).await;
    assert_eq!(end.outcome, Outcome::Exited { code: 0 });
    assert_ne!(printed.trim(), fs::read_link("/proc/self/ns/pid").unwrap().to_str().unwrap());
}

#[tokio::test]
async fn a_run_can_be_canceled_while_its_image_is_pulled() {
    let folder = tempfile::tempdir().unwrap();
    let engine = instead(folder.path(), "pull", "echo > \"$0.pulls\"; exec sleep 1000");
    let slow = |config: &mut ContainerConfig| {
        config.pull = Pull::Always;
        config.program = Some(engine.clone());
    };
    let Some(bench) = contained_with(slow).await else { return };
    let token = new_token();
    let mut events = bench.executor.observe();
    bench.executor.submit(token, sh("true")).await.unwrap();
    while !folder.path().join("engine.pulls").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.executor.cancel(token, cancel(PATIENCE)).await.unwrap();
    let end = end_of(&mut events, token).await;
    assert_eq!((end.outcome, end.started_at), (Outcome::Canceled, None));
}

#[tokio::test]
async fn a_polite_cancel_before_the_container_has_begun_does_not_wait_for_its_grace() {
    let Some(bench) = contained().await else { return };
    let token = new_token();
    let mut events = bench.executor.observe();
    bench.executor.submit(token, sh("trap '' TERM; sleep 1000")).await.unwrap();
    bench.executor.cancel(token, cancel(10 * PATIENCE)).await.unwrap();
    let end = end_of(&mut events, token).await;
    assert_eq!((end.outcome, end.started_at), (Outcome::Canceled, None));
}

#[tokio::test]
async fn what_the_engine_says_when_it_cannot_start_a_container_is_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let words = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock";
    let engine = instead(folder.path(), "run", &format!("echo {words} >&2; exit 125"));
    let Some(bench) = contained_with(|config| config.program = Some(engine)).await else { return };
    let end = bench.run(sh("true")).await;
    assert!(not_started(&end.outcome).contains(words), "{end:?}");
}

#[tokio::test]
async fn an_end_that_the_engine_does_not_vouch_for_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let engine = instead(folder.path(), "run", "podman \"$@\"; echo the daemon went away >&2; exit 125");
    let Some(bench) = contained_with(|config| config.program = Some(engine)).await else { return };
    let end = bench.run(sh("exit 0")).await;
    let Outcome::Lost { reason } = &end.outcome else { panic!("{end:?}") };
    assert!(reason.contains("the daemon went away"), "{reason}");
}

#[tokio::test]
async fn a_run_whose_engine_program_is_killed_is_lost_and_its_container_is_removed() {
    let Some(bench) = contained().await else { return };
    let token = new_token();
    let mut events = bench.executor.observe();
    bench.executor.submit(token, sh("echo ready; sleep 1000")).await.unwrap();
    until_printed(&bench, token, "ready").await;
    let name = format!("lantern-{token}");
    assert!(bench.store.as_ref().unwrap().containers().contains(&name));
    let is_client = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.contains(&&b"run"[..]) && words.contains(&name.as_bytes())
    };
    let client = processes_of(token).into_iter().find(is_client).expect("the engine's program runs");
    assert!(
        std::process::Command::new("/bin/kill")
            .args(["-KILL", &client.to_string()])
            .status()
            .unwrap()
            .success()
    );
    let end = end_of(&mut events, token).await;
    assert!(matches!(end.outcome, Outcome::Lost { .. }), "{end:?}");
    assert!(!bench.store.as_ref().unwrap().containers().contains(&name));
}

#[tokio::test]
async fn engines_that_are_missing_old_or_silent_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |program: &str| {
        let mut config = ContainerConfig::new(folder.path().join("state"), shim());
        config.program = Some(program.into());
        match container::open(config).await {
            Err(error @ ExecutorError::EngineUnavailable { .. }) => error.to_string(),
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("{program} is an engine"),
        }
    };
    assert!(open("no-such-engine").await.contains("not installed"));
    let script = |text: &str| {
        let path = folder.path().join("docker");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let stranger = open(&script("echo busybox 1.35")).await;
    assert!(stranger.contains("busybox"), "{stranger}");
    let down =
        "[ \"$1\" = --version ] && echo Docker version 24.0.5 && exit; echo no daemon here >&2; exit 1";
    let told = open(&script(down)).await;
    assert!(told.contains("no daemon here"), "{told}");
    let old = "[ \"$1\" = --version ] && echo Docker version 19.03.1 && exit; echo '\"19.03.1\"'";
    let told = open(&script(old)).await;
    assert!(told.contains("19.03.1 is older than 20.10"), "{told}");
}

#[tokio::test]
async fn containers_of_this_server_that_no_run_knows_are_removed_and_no_others() {
    let Some(bench) = contained().await else { return };
    let store: &ContainerStore = bench.store.as_ref().unwrap();
    let run = |arguments: &[&str]| {
        let done = store.podman(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let known = new_token();
    let mut events = bench.executor.observe();
    bench.executor.submit(known, sh("sleep 1000")).await.unwrap();
    start_of(&mut events, known).await;
    let of = |token: RunToken| format!("lantern-{token}");
    let server = run(&["inspect", "--format", "{{index .Config.Labels \"lantern.server\"}}", &of(known)]);
    let (stray, foreign) = (of(new_token()), of(new_token()));
    for (name, owner) in [(&stray, server.as_str()), (&foreign, "another")] {
        let label = format!("lantern.server={owner}");
        run(&["create", "--name", name, "--label", &label, "--network", "none", container_image(), "true"]);
    }
    bench.executor.reconcile(vec![known], Default::default(), OnRestart::Reattach).await.unwrap();
    let left = store.containers();
    assert!(left.contains(&of(known)) && left.contains(&foreign) && !left.contains(&stray), "{left:?}");
    bench.executor.cancel(known, cancel(Duration::ZERO)).await.unwrap();
    assert_eq!(end_of(&mut events, known).await.outcome, Outcome::Canceled);
    assert!(!store.containers().contains(&of(known)));
    run(&["rm", "--force", &foreign]);
}

fn container_image() -> &'static str {
    executor_support::container::IMAGE
}

#[tokio::test]
async fn only_the_given_folders_and_the_temporary_ones_can_be_written() {
    let Some(bench) = contained().await else { return };
    let (input, output) = (bench.folder("in"), bench.folder("out"));
    fs::write(input.join("image"), "voxels").unwrap();
    let script = "for d in / /input /bin /etc /dev /proc /sys /run /var /.lantern /.lantern/lib; do \
                      if touch $d/probe 2>/dev/null; then echo $d; fi; done; \
                  touch /tmp/a /dev/shm/a /output/a; rm -f /input/image 2>/dev/null; cat /input/image";
    let mounts = vec![mount(&input, "/input", Access::ReadOnly), mount(&output, "/output", Access::Writable)];
    let (end, printed) = bench.output(RunSpec { mounts, ..sh(script) }).await;
    assert_eq!((end.outcome, printed.as_str()), (Outcome::Exited { code: 0 }, "voxels"));
    assert!(output.join("a").exists() && input.join("image").exists());
}

#[tokio::test]
async fn temporary_folders_are_bounded() {
    let Some(bench) = contained().await else { return };
    let limits = Limits { temporary_bytes: 1 << 20, ..Limits::default() };
    let script =
        "for d in /tmp /dev/shm; do head -c 5000000 /dev/zero > $d/big 2>/dev/null; stat -c %s $d/big; done";
    let (_, printed) = bench.output(RunSpec { limits, ..sh(script) }).await;
    assert_eq!(printed, "1048576\n1048576\n");
}

#[tokio::test]
async fn operators_have_no_rights_and_are_root_only_where_images_may_say_so() {
    let Some(bench) = contained().await else { return };
    let script = "grep -E '^(Cap(Prm|Eff|Bnd|Inh|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; id -u; \
                  echo x > /output/mine; mount -t tmpfs x /tmp 2>/dev/null && echo mounted; hostname";
    let none = "0000000000000000";
    let rights = format!(
        "CapInh:{none}\nCapPrm:{none}\nCapEff:{none}\nCapBnd:{none}\nCapAmb:{none}\nNoNewPrivs:1\nSeccomp:2\n"
    );
    let run = async |bench: &Bench| {
        let output = bench.folder("out");
        fs::set_permissions(&output, fs::Permissions::from_mode(0o777)).unwrap();
        let mounts = vec![mount(&output, "/output", Access::Writable)];
        let (end, printed) = bench.output(RunSpec { mounts, ..sh(script) }).await;
        assert_eq!(end.outcome, Outcome::Exited { code: 0 }, "{printed}");
        (printed, output.join("mine").metadata().unwrap().uid())
    };
    let Isolation::Container { runs_as: Some((user, _)), .. } = bench.executor.capabilities().isolation
    else {
        panic!()
    };
    assert_eq!(run(&bench).await, (format!("{rights}{user}\noperator\n"), user));
    let free = contained_with(|config| config.allows_image_user = true).await.unwrap();
    assert_eq!(run(&free).await.0, format!("{rights}0\noperator\n"));
}

#[tokio::test]
async fn without_leave_there_is_no_network_and_with_leave_the_named_one() {
    let Some(bench) = contained_with(|config| config.network = Some("host".into())).await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script =
        format!("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; echo hello | nc -w 5 127.0.0.1 {port}");
    let spec = |is_network_allowed| RunSpec { is_network_allowed, ..sh(&script) };
    let (refused, devices) = bench.output(spec(false)).await;
    assert!(matches!(refused.outcome, Outcome::Exited { code: 1.. }), "{refused:?}");
    assert!(devices.starts_with("lo\n") && !devices.contains("eth"), "{devices}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
    listener.set_nonblocking(false).unwrap();
    let hears = std::thread::spawn(move || {
        let mut heard = [0; 6];
        listener.accept().unwrap().0.read_exact(&mut heard).unwrap();
        heard
    });
    let allowed = bench.run(spec(true)).await;
    assert_eq!(allowed.outcome, Outcome::Exited { code: 0 });
    assert_eq!(&hears.join().unwrap(), b"hello\n");
}

#[tokio::test]
async fn the_init_the_manifest_and_the_log_are_out_of_the_operators_reach() {
    let Some(bench) = contained().await else { return };
    let token = new_token();
    // The socket takes nobody but the init; its program can be read, not its memory or its files.
    let script = format!(
        "printf '\\n{{\"Ended\":{{}}}}\\n' | nc local:/.lantern/socket 2>/dev/null && echo taken; \
         ls /proc/1/fd/ 2>/dev/null; cat /proc/1/environ 2>/dev/null; kill -KILL 1; kill -TERM 1; sleep 0.05; \
         find / -name '*{token}*' 2>/dev/null; exit 9"
    );
    let end = bench.run_as(token, sh(&script)).await;
    assert_eq!(end.outcome, Outcome::Exited { code: 9 });
    assert_eq!(bench.printed(token).await, "");
}

#[tokio::test]
async fn folders_with_names_that_could_be_taken_for_options_are_refused() {
    let Some(bench) = contained().await else { return };
    let folder = bench.folder("a,readonly=false");
    let refused = bench
        .executor
        .submit(
            new_token(),
            RunSpec { mounts: vec![mount(&folder, "/input", Access::ReadOnly)], ..sh("true") },
        )
        .await;
    assert!(matches!(refused, Err(ExecutorError::BadSpec { .. })));
}
