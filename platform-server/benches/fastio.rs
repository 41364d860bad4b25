//! Handing 1 GiB from one operator to the next: through shared memory, and through a file of the same size. Both are
//! the same Python operators, which write blocks and compare them, in sandboxes of the real platform. Prints seconds,
//! as the operators measure them, and of the whole job.
//!
//! `cargo build --release -p operator-sdk && cargo bench -p platform-server --bench fastio`

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;
    use std::time::Instant;

    use platform_api::job::{JobPriority, JobState, JobStatus};
    use platform_api::metadata::Metadata;
    use platform_api::pipeline::DefinitionFile;
    use platform_server::executor::bundle::Bundles;
    use platform_server::executor::process::{ProcessConfig, ProcessExecutor};
    use platform_server::platform::{NewJob, Options, Platform};
    use tokio_stream::StreamExt;

    const ROUNDS: usize = 3;

    const OPERATOR: &str = r#"
import os, sys, time
import lantern_fastio
GIB, BLOCK = 1 << 30, bytes(range(256)) * (1 << 16)
what, way = sys.argv[1:]
channel = lantern_fastio.connect()
before = time.monotonic()
if (what, way) == ("write", "memory"):
    buffer = channel.allocate("volume", "uint8", [GIB])
    for at in range(0, GIB, len(BLOCK)):
        buffer.data[at:at + len(BLOCK)] = BLOCK
    buffer.publish()
elif what == "write":
    with open("/out/volume", "wb", buffering=0) as file:
        for at in range(0, GIB, len(BLOCK)):
            file.write(BLOCK)
elif way == "memory":
    data = channel.open("volume").data
    # Bytes are compared as a whole, items of a view one by one.
    assert all(data[at:at + len(BLOCK)].tobytes() == BLOCK for at in range(0, GIB, len(BLOCK)))
else:
    block = bytearray(len(BLOCK))
    with open("/in/volume", "rb", buffering=0) as file:
        for at in range(0, GIB, len(BLOCK)):
            assert file.readinto(block) == len(BLOCK) and block == BLOCK
print("%.3f" % (time.monotonic() - before))
"#;

    fn definition(way: &str) -> String {
        let (output, input) = match way {
            "memory" => (
                "type: array, element-type: uint8, shape: [-1]",
                "type: array, element-type: uint8, shape: [-1]",
            ),
            _ => {
                ("path: /out, type: stream, element-type: raw", "path: /in, type: stream, element-type: raw")
            }
        };
        let operator = |name: &str, ports: &str| {
            format!(
                "- name: {name}\n  container:\n    image: bench/fastio\n    tag: \"1\"\n    command: [python3, \
                 /opt/operator/handover.py, {name}, {way}]\n  requests:\n    memory: 3000\n{ports}"
            )
        };
        let write = operator("write", &format!("  output:\n  - {{name: volume, {output}}}\n"));
        let read = operator("read", &format!("  input:\n  - {{from: write, name: volume, {input}}}\n"));
        format!("api-version: 0.5.0\nname: handover\noperators:\n{write}{read}")
    }

    fn install(bundle: &Path) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::create_dir_all(bundle).expect("a folder");
        let this = std::env::current_exe().expect("a program");
        let library = this.ancestors().nth(2).expect("a folder").join("liblantern_fastio.so");
        std::fs::copy(library, bundle.join("liblantern_fastio.so")).expect("operator-sdk is built");
        let module = root.join("operator-sdk/python/lantern_fastio.py");
        std::fs::copy(module, bundle.join("lantern_fastio.py")).expect("a module");
        std::fs::write(bundle.join("handover.py"), OPERATOR).expect("a file");
        std::fs::write(bundle.join("operator.json"), r#"{"name": "bench/fastio", "version": "1"}"#)
            .expect("a file");
    }

    #[expect(clippy::print_stdout, reason = "a bench tells its figures")]
    async fn run(platform: &Platform, way: &str) {
        let file = DefinitionFile { path: "../pipeline.yaml".into(), content: definition(way) };
        let pipeline = platform.create_pipeline(None, vec![file], Metadata::new()).await.expect("a pipeline");
        let new = NewJob {
            pipeline,
            name: way.parse().expect("a name"),
            priority: JobPriority::Normal,
            inputs: Vec::new(),
            metadata: Metadata::new(),
        };
        let made = platform.create_job(new).await.expect("a job");
        let before = Instant::now();
        platform.start_job(made.job, BTreeMap::new()).await.expect("it starts");
        let mut changes = platform.events().last();
        let report = loop {
            let report = platform.job(made.job).await.expect("it is known");
            if report.details.state == JobState::Stopped {
                break report;
            }
            changes.changed().await.expect("the platform lives");
        };
        let whole = before.elapsed().as_secs_f64();
        assert_eq!(report.details.status, JobStatus::Healthy, "{:?}", report.messages);
        let mut seconds = Vec::new();
        for operator in ["write", "read"] {
            let lines: Vec<_> = platform.log_lines(made.job, operator.to_owned()).collect().await;
            seconds.extend(lines.into_iter().flatten().flatten());
        }
        println!("{way:6} write {} s, read {} s, whole job {whole:.3} s", seconds[0], seconds[1]);
    }

    #[expect(clippy::print_stdout, reason = "a bench tells its figures")]
    pub(super) fn main() {
        println!("1 GiB from one operator to the next, checked byte by byte; python {}", version());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            install(&folder.path().join("bundles/fastio"));
            let shim = vec![env!("CARGO_BIN_EXE_lantern-shim").into()];
            let config = ProcessConfig::new(folder.path().join("executor"), shim);
            let executor = ProcessExecutor::open(config).await.expect("a sandbox");
            let mut options = Options::new(folder.path().join("data"));
            options.payloads.limit_percent = 100;
            options.bundles = Arc::new(Bundles::scan(&[folder.path().join("bundles")], BTreeMap::new()).0);
            let platform = Platform::open(options, Arc::new(executor)).await.expect("a platform");
            for _ in 0..ROUNDS {
                run(&platform, "memory").await;
                run(&platform, "file").await;
            }
        });
    }

    fn version() -> String {
        let output = Command::new("python3").arg("--version").output().expect("python3");
        String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("Python ").to_owned()
    }
}
