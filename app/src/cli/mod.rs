//! The command line: one file per verb, thin over the same crates as the window.
//!
//! Every verb ends with 0 (ok), 1 (failed) or 2 (bad usage); data goes to stdout, errors to stderr.

mod bench;
mod deidentify;
mod info;
mod output;
mod platform;
mod probe;
mod render;
mod select;
mod selftest;
mod serve;
mod tags;
mod telemetry;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use platform_server::config::ConfigError;
use render_core::RendererChoice;

/// Viewer for medical images: slices, oblique planes and lit volumes of DICOM, NIfTI, MetaImage and NRRD.
///
/// Without a command, opens the window on the given files and folders.
#[derive(Debug, Parser)]
#[command(name = "lantern", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    window: WindowArguments,
}

/// What the window is started with.
#[derive(Debug, clap::Args)]
struct WindowArguments {
    /// Files, folders, ZIP archives or DICOMDIRs to open, or a session (.lantern)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// What draws the pictures
    #[arg(long, value_enum, default_value_t)]
    renderer: RendererArgument,

    /// Save the window as PNG once the pictures are complete, then quit
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,

    /// Window size in points
    #[arg(long, value_name = "WxH", value_parser = values::size, default_value = "1600x1000")]
    window_size: [u32; 2],

    /// Start without the embedded server
    #[arg(long)]
    no_server: bool,

    /// Where the embedded server keeps its data, instead of in the user's own folder
    #[arg(long, value_name = "DIR", conflicts_with = "no_server")]
    server_data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Info(info::Arguments),
    Probe(probe::Arguments),
    Tags(tags::Arguments),
    Deidentify(deidentify::Arguments),
    Render(render::Arguments),
    #[command(subcommand)]
    Bench(bench::Arguments),
    Selftest(selftest::Arguments),
    #[command(flatten)]
    Platform(platform::Verb),
    Serve(serve::Arguments),
}

/// `--renderer` as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RendererArgument {
    /// The graphics card if there is one, else the processor
    #[default]
    Auto,
    /// The graphics card, or a software adapter
    Gpu,
    /// The processor
    Cpu,
}

impl From<RendererArgument> for RendererChoice {
    fn from(argument: RendererArgument) -> Self {
        match argument {
            RendererArgument::Auto => Self::Auto,
            RendererArgument::Gpu => Self::Gpu,
            RendererArgument::Cpu => Self::Cpu,
        }
    }
}

/// A mistake in how the program was called, as opposed to something that failed; ends with 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Settings that cannot be used: mistakes in them are mistakes in how the program was called.
fn wrong_settings(error: ConfigError) -> anyhow::Error {
    match error {
        ConfigError::Invalid { .. } => UsageError(error.to_string()).into(),
        error => error.into(),
    }
}

/// Runs the program with the process's own arguments.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs the program with the given arguments; the first is the program's name.
pub fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let started = process_start();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|verb| verb == crate::shim::VERB) {
        return platform_server::executor::process::shim_main();
    }
    let parsed = Cli::command().try_get_matches_from(arguments).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // A closed pipe while printing help is not worth a message.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    // The server starts its own, with what else it tells.
    if !matches!(cli.verb, Some(Verb::Serve(_))) {
        start_log(is_verbose(&matches));
    }
    let result = match cli.verb {
        None => open_window(cli.window),
        Some(Verb::Info(arguments)) => info::run(&arguments),
        Some(Verb::Probe(arguments)) => {
            let order = matches.subcommand_matches("probe").map(probe::points_in_order).unwrap_or_default();
            probe::run(&arguments, &order)
        }
        Some(Verb::Tags(arguments)) => tags::run(&arguments),
        Some(Verb::Deidentify(arguments)) => deidentify::run(&arguments),
        Some(Verb::Render(arguments)) => render::run(&arguments),
        Some(Verb::Bench(arguments)) => bench::run(&arguments, started),
        Some(Verb::Selftest(arguments)) => selftest::run(&arguments),
        Some(Verb::Platform(verb)) => return platform::run(verb),
        Some(Verb::Serve(arguments)) => serve::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// When this process began, for measuring how long the window takes to appear.
fn process_start() -> Instant {
    let now = Instant::now();
    process_age().and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// Time since the system started this process, to 1/100 s.
#[cfg(target_os = "linux")]
fn process_age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the command in parentheses: state is field 3, the start in 1/100 s since boot field 22.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - ticks / 100.0).ok()
}

/// Time since the system started this process; not known on this system.
#[cfg(not(target_os = "linux"))]
fn process_age() -> Option<Duration> {
    None
}

fn open_window(arguments: WindowArguments) -> anyhow::Result<()> {
    let size = arguments.window_size;
    crate::run_window(crate::WindowOptions {
        paths: arguments.paths,
        renderer: arguments.renderer.into(),
        size,
        screenshot: arguments.screenshot.map(|path| crate::ScreenshotRequest { path, size }),
        server: match (arguments.server_data, arguments.no_server) {
            (Some(folder), _) => crate::ServerChoice::On(folder),
            (None, true) => crate::ServerChoice::Off,
            (None, false) => crate::ServerChoice::OfUser,
        },
    })
}

/// Errors on stderr; `LANTERN_LOG=debug` shows more. An OpenGL driver that is tried and not there is no error.
fn log_filter(is_verbose: bool) -> tracing_subscriber::EnvFilter {
    let otherwise = if is_verbose { "debug" } else { "error,wgpu_hal::gles=off" };
    tracing_subscriber::EnvFilter::try_from_env("LANTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(otherwise))
}

/// Whether `--verbose` stands anywhere; verbs that do not know it have refused it.
fn is_verbose(matches: &clap::ArgMatches) -> bool {
    let is_here = matches.try_get_one::<bool>("verbose").is_ok_and(|flag| flag.copied() == Some(true));
    is_here || matches.subcommand().is_some_and(|(_, below)| is_verbose(below))
}

fn start_log(is_verbose: bool) {
    // A second start within one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(log_filter(is_verbose))
        .with_writer(std::io::stderr)
        .try_init();
}
