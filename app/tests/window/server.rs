//! The embedded server: it starts behind the window, runs a pipeline on the open series, and its result is opened.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, Vec2};
use egui_kittest::kittest::Queryable;
use lantern::command::{Command, JobsCommand};
use lantern::console::{Place, ServerOptions, Session};
use platform_client::connection::Address;
use platform_client::job::{JobState, JobStatus};
use platform_client::metadata::Metadata;
use platform_client::pipelines::DefinitionFile;
use platform_client::{Client, ConnectOptions};

use crate::LAPTOP;
use crate::driver::Window;

/// A pipeline of one shell command.
fn definition(name: &str, command: &str) -> String {
    format!(
        "api-version: 0.4.0\nname: {name}\norchestrator: Clara\noperators:\n- name: only\n  container:\n    \
         image: lantern/shell\n    tag: latest\n    command: [\"sh\", \"-c\", \"{command}\"]\n  input:\n  \
         - path: /input\n  output:\n  - path: /output\n"
    )
}

/// A data folder, and how to start a server on it.
fn options(data: &Path) -> ServerOptions {
    let mut options = ServerOptions::on_folder(data).unwrap();
    options.shim = vec![env!("CARGO_BIN_EXE_lantern").to_owned(), lantern::shim::VERB.to_owned()];
    // However full the disk of the machine is.
    options.config.storage.threshold_percent = 100;
    options
}

/// A window whose server is up, or `None` with a note where operators cannot run; `REQUIRE_SANDBOX=1` makes that a
/// failure.
fn with_server(size: Vec2, paths: Vec<PathBuf>, options: ServerOptions) -> Option<Window> {
    let mut window = Window::with_paths(size, 1.0, paths);
    window.harness.state_mut().set_server(options, true);
    window.until("the server is up or not", |window| {
        let app = window.harness.state();
        app.is_server_settled() && app.server().session != Session::Off
    });
    let session = &window.harness.state().server().session;
    if let Session::Failed(message) = session {
        assert!(message.detail.contains("sandbox"), "{message:?}");
        assert!(std::env::var_os("REQUIRE_SANDBOX").is_none_or(|value| value != "1"), "{message:?}");
        eprintln!("not tested here: {}", message.detail);
        return None;
    }
    Some(window)
}

/// What another program of the same user does with the server of a window, through its socket.
fn through_socket<T>(data: &Path, call: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let socket = Address::Socket(data.join("socket"));
    runtime.block_on(async { call(Client::connect(&ConnectOptions::new(socket)).unwrap()).await })
}

fn store_pipeline(data: &Path, name: &str, command: &str) {
    let file = DefinitionFile { path: format!("{name}.yaml"), content: definition(name, command) };
    through_socket(data, async move |client| {
        client.pipelines().create(&[file], &Metadata::new(), None).await.unwrap()
    });
}

/// A small series in a folder of its own.
fn series(folder: &Path) -> PathBuf {
    let from = test_support::data::workspace_root().join("tests/data/dicom/seg-pm");
    let to = folder.join("series");
    std::fs::create_dir(&to).unwrap();
    for number in 1..=3 {
        let name = format!("24x38x3_IMG000{number}.dcm");
        std::fs::copy(from.join(&name), to.join(name)).unwrap();
    }
    to
}

impl Window {
    /// Runs frames until something has happened, and until the window is at rest.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        self.wait_until(what, is_so);
        self.settle();
    }

    /// Runs frames until something has happened.
    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            assert!(started.elapsed() < Duration::from_secs(120), "waited too long until {what}");
            std::thread::sleep(Duration::from_millis(5));
            self.harness.step();
        }
    }

    fn run_pipeline(&mut self, name: &str) {
        let wanted = name.to_owned();
        self.until("the pipeline is listed", move |window| {
            window.harness.state().server().pipelines.iter().any(|pipeline| pipeline.name == wanted)
        });
        self.key(Modifiers::COMMAND, Key::J);
        self.click(&format!("Run {name}"));
    }

    fn until_job_is_over(&mut self) {
        self.until("the job is over", |window| {
            let jobs = &window.harness.state().server().jobs;
            jobs.first().is_some_and(|job| job.details.state == JobState::Stopped)
        });
    }
}

#[test]
fn a_pipeline_runs_on_the_open_series_and_its_result_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let series = series(folder.path());
    let Some(mut window) = with_server(LAPTOP, vec![series], options(&data)) else { return };
    window.harness.get_by_label("Server embedded");
    let names: Vec<&str> =
        window.harness.state().server().pipelines.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["lung-segmentation"], "what Lantern brings is there");

    window.key(Modifiers::NONE, Key::F4);
    window.harness.get_by_label("No jobs yet.");
    window.keep_picture("jobs-empty");

    store_pipeline(&data, "copy", "echo three files; cp /input/* /output/");
    window.run_pipeline("copy");
    window.until_job_is_over();
    let job = window.harness.state().server().jobs[0].clone();
    assert_eq!(job.details.status, JobStatus::Healthy, "{job:?}");
    window.harness.get_by_label_contains("copy, healthy");
    assert!(job.details.metadata.get("series-uid").is_some());

    window.until("its results are known", |window| {
        window.harness.query_by_label("Open series of only").is_some()
    });
    window.keep_picture("jobs-healthy");
    window.click("Open series of only");
    window.until("the result is open", |window| window.document().series.len() == 2);
    let opened: Vec<_> = window.document().series.iter().map(|series| series.dims.to_array()).collect();
    assert_eq!(opened[0], opened[1], "the copy is like the original");
    assert_eq!(
        window.document().active_series().map(|series| series.key),
        Some(window.document().series[1].key)
    );

    window.click("Show log of only");
    window.until("the log is read", |window| window.harness.query_by_label("three files").is_some());
    window.keep_picture("jobs-log");
    window.click("Close log");
    window.until("the job is shown again", |window| {
        window.harness.query_by_label("Open series of only").is_some()
    });
}

#[test]
fn the_lung_pipeline_that_lantern_brings_makes_a_mask_of_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder.path().join("server"));
    let bundles = folder.path().join("bundles");
    test_support::bundles::install(&bundles);
    options.config.operators.bundles = Some(bundles);
    let sample = test_support::data::workspace_root().join("assets/sample");
    let Some(mut window) = with_server(LAPTOP, vec![sample], options) else { return };
    window.run_pipeline("lung-segmentation");
    window.until_job_is_over();
    let job = window.harness.state().server().jobs[0].clone();
    assert_eq!(job.details.status, JobStatus::Healthy, "{job:?}");
    window.until("its results are known", |window| {
        window.harness.query_by_label("Open mask.mha of lungs").is_some()
    });
    window.harness.get_by_label("Open volume.mha of crop");
    let main = window.harness.get_by_label("Open mask.mha of lungs").rect();
    let other = window.harness.get_by_label("Open volume.mha of volume").rect();
    assert!(main.left() < other.left() || main.top() < other.top(), "the mask comes first");
    window.click("Open mask.mha of lungs");
    window.until("the result is open", |window| window.document().series.len() == 2);
    window.keep_picture("jobs-lungs");
    let mask = window.document().active_series().expect("the mask is shown");
    let values = mask.loaded().expect("it is read").volume.statistics();
    assert_eq!((values.min, values.max), (0.0, 1.0));
}

#[test]
fn a_job_can_be_canceled_and_closing_the_window_asks_first() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let series = series(folder.path());
    let options = ServerOptions { asks_before_leaving: true, ..options(&data) };
    let Some(mut window) = with_server(LAPTOP, vec![series], options) else { return };
    store_pipeline(&data, "long", "sleep 600");
    window.run_pipeline("long");
    window.until("the job runs", |window| {
        window.harness.state().server().jobs.first().is_some_and(|job| job.details.state == JobState::Running)
    });
    window.keep_picture("jobs-running");
    let closing = window.harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    closing.events.push(egui::ViewportEvent::Close);
    window.harness.step();
    window.settle();
    window.harness.get_by_label("1 job is not over");
    window.keep_picture("leaving");
    window.click("Stay");
    assert!(window.harness.query_by_label("1 job is not over").is_none());
    window.click("Cancel job");
    window.until_job_is_over();
    assert_eq!(window.harness.state().server().jobs[0].details.status, JobStatus::Canceled);
    window.harness.get_by_label_contains("long, canceled");
}

#[test]
fn a_job_that_fails_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let series = series(folder.path());
    let Some(mut window) = with_server(LAPTOP, vec![series], options(&data)) else { return };
    store_pipeline(&data, "broken", "exit 3");
    window.run_pipeline("broken");
    window.until_job_is_over();
    assert_eq!(window.harness.state().server().jobs[0].details.status, JobStatus::Faulted);
    window.harness.get_by_label_contains("broken, faulted");
    window.until("the details are there", |window| {
        window.harness.query_all_by_label_contains("exited with code 3").next().is_some()
    });
    window.harness.get_by_label("It left no images. The logs say what happened.");
    window.keep_picture("jobs-faulted");
}

#[test]
fn sending_that_is_stopped_leaves_no_job_that_waits_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    // Large enough to be stopped half-way.
    let header = "ObjectType = Image\nNDims = 3\nDimSize = 512 512 384\nElementType = MET_USHORT\n\
                  ElementSpacing = 1 1 1\nElementDataFile = voxels.raw\n";
    let path = folder.path().join("large.mhd");
    std::fs::write(&path, header).unwrap();
    std::fs::File::create(folder.path().join("voxels.raw")).unwrap().set_len(512 * 512 * 384 * 2).unwrap();
    let Some(mut window) = with_server(LAPTOP, vec![path], options(&data)) else { return };
    store_pipeline(&data, "copy", "cp /input/* /output/");
    window.run_pipeline("copy");
    let sending =
        |window: &Window| window.harness.state().server().transfers.first().map(|transfer| transfer.id);
    window.wait_until("the job is there", |window| window.harness.state().server().jobs.len() == 1);
    let id = sending(&window).expect("it takes longer than that");
    window.harness.state().send(Command::Jobs(JobsCommand::CancelTransfer(id)));
    window.until("sending has ended", |window| sending(window).is_none());
    window.until_job_is_over();
    let job = window.harness.state().server().jobs[0].clone();
    assert_eq!((job.details.status, job.details.started), (JobStatus::Canceled, None), "{job:?}");
    assert!(job.message.contains("stopped while its files were sent"), "{job:?}");
}

#[test]
fn jobs_of_the_last_time_are_listed_again_and_a_second_window_shares_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let series = series(folder.path());
    let Some(mut first) = with_server(LAPTOP, vec![series.clone()], options(&data)) else { return };
    store_pipeline(&data, "copy", "cp /input/* /output/");
    first.run_pipeline("copy");
    first.until_job_is_over();

    let mut second = with_server(LAPTOP, vec![series], options(&data)).expect("the first one runs");
    assert_eq!(second.harness.state().server().session, Session::Running(Place::OtherWindow));
    second.harness.get_by_label("Server other window");
    assert_eq!(second.harness.state().server().jobs.len(), 1);
    // What one starts the other sees.
    second.run_pipeline("copy");
    first.until("the other's job is listed", |window| window.harness.state().server().jobs.len() == 2);
    second.until_job_is_over();

    // Without the first, the second takes over; nothing is lost.
    drop(first);
    second.until("the second has the server", |window| {
        window.harness.state().server().session == Session::Running(Place::Embedded)
    });
    assert_eq!(second.harness.state().server().jobs.len(), 2);
    drop(second);
    let third = with_server(LAPTOP, Vec::new(), options(&data)).expect("the folder is free");
    assert_eq!(third.harness.state().server().jobs.len(), 2);
}

#[test]
fn a_folder_that_is_in_use_and_does_not_answer_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let Some(_first) = with_server(LAPTOP, Vec::new(), options(&data)) else { return };
    let mut deaf = options(&data);
    deaf.config.listen.unix = None;
    let mut second = with_server(LAPTOP, Vec::new(), deaf).expect("it does not fail");
    assert_eq!(second.harness.state().server().session, Session::InUse);
    second.harness.get_by_label("Server in use elsewhere");
    second.key(Modifiers::NONE, Key::F4);
    second.harness.get_by_label_contains("does not answer");
    second.harness.get_by_label("Try again");
    second.keep_picture("jobs-in-use");
}

#[test]
fn a_server_that_cannot_start_says_why_and_starts_when_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    std::fs::write(&data, "a file where the folder should be").unwrap();
    let mut window = Window::with_paths(LAPTOP, 1.0, Vec::new());
    window.harness.state_mut().set_server(options(&data), true);
    window.until("it has failed", |window| {
        matches!(window.harness.state().server().session, Session::Failed(_))
    });
    window.harness.get_by_label("Server failed");
    window.key(Modifiers::NONE, Key::F4);
    window.harness.get_by_label("The embedded server could not start.");
    window.keep_picture("jobs-failed");
    std::fs::remove_file(&data).unwrap();
    window.click("Try again");
    window.until("it is up or lacks a sandbox", |window| match &window.harness.state().server().session {
        Session::Failed(message) => message.detail.contains("sandbox"),
        session => session.is_running(),
    });
}

#[test]
fn windows_go_on_while_the_server_starts_and_off_means_off() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let mut window = Window::with_paths(LAPTOP, 1.0, Vec::new());
    window.harness.get_by_label("Server off");
    assert!(!data.exists());
    window.harness.state_mut().set_server(options(&data), true);
    // The first frame afterwards does not wait for it.
    window.harness.step();
    window.harness.step();
    assert_eq!(window.harness.state().server().session, Session::Starting);
    window.harness.get_by_label("Server starting");
    window.until("the server is up or not", |window| window.harness.state().is_server_settled());
    window.harness.state().send(Command::Jobs(JobsCommand::ToggleServer));
    window.settle();
    window.harness.get_by_label("Server off");
    // On again at once: the one before has let go of the folder by then.
    window.harness.state().send(Command::Jobs(JobsCommand::ToggleServer));
    window.until("the server is on again", |window| {
        let app = window.harness.state();
        app.is_server_settled() && app.server().session != Session::Off
    });
    let session = &window.harness.state().server().session;
    assert!(matches!(session, Session::Running(Place::Embedded) | Session::Failed(_)), "{session:?}");
}

#[test]
fn a_window_at_rest_draws_nothing_because_of_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let Some(mut window) = with_server(LAPTOP, Vec::new(), options(&data)) else { return };
    window.key(Modifiers::NONE, Key::F4);
    window.leave();
    let delay = window.harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(delay > Duration::from_secs(3600), "asks for a frame in {delay:?}");
}
