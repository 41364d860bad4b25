//! `lantern bench`: how fast this machine loads, cuts and renders.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glam::DVec3;
use imaging::formats::{self, ReadLimits};
use imaging::geometry::AnatomicalPlane;
use imaging::source::Progress;
use imaging::volume::Volume;
use render_core::Renderer;
use render_core::camera::Camera;
use render_core::scene::{
    CropBox, GreyMapping, Interpolation, Lighting, Slab, SlicePlane, SliceScene, VolumeMode, VolumeScene,
};
use serde::Serialize;

use super::output;
use super::render::{default_window, transfer_function};
use super::select::{self, SeriesArguments};
use super::{RendererArgument, UsageError, values};
use crate::window::{MeasureOptions, WindowReport};

/// Measure speed and memory on this machine
#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Find and load a series from scratch, again and again
    Load {
        #[command(flatten)]
        series: SeriesArguments,
        #[command(flatten)]
        runs: Runs,
    },
    /// Draw orthogonal and oblique slices through the whole volume
    Slice {
        #[command(flatten)]
        series: SeriesArguments,
        #[command(flatten)]
        runs: Runs,
        /// Picture size in pixels
        #[arg(long, value_name = "WxH", value_parser = values::size, default_value = "512x512")]
        size: [u32; 2],
        /// What draws the pictures
        #[arg(long, value_enum, default_value_t)]
        renderer: RendererArgument,
    },
    /// Draw the volume at full quality with the camera turning
    Volume {
        #[command(flatten)]
        series: SeriesArguments,
        /// Picture size in pixels
        #[arg(long, value_name = "WxH", value_parser = values::size, default_value = "512x512")]
        size: [u32; 2],
        /// Frames of one full turn
        #[arg(long, alias = "runs", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        frames: u32,
        /// With light and shade
        #[arg(long)]
        shaded: bool,
        /// Maximum intensity projection
        #[arg(long, conflicts_with = "shaded")]
        mip: bool,
        /// Volume preset
        #[arg(long, value_name = "NAME")]
        preset: Option<String>,
        /// What draws the pictures
        #[arg(long, value_enum, default_value_t)]
        renderer: RendererArgument,
        /// Print JSON (the contract is docs/schema/bench.schema.json)
        #[arg(long)]
        json: bool,
    },
    /// Open the real window on a study, turn its volume, scroll its slices, rest, and close it
    ///
    /// Needs a display, if only a virtual one (xvfb-run).
    Window {
        /// File, folder, ZIP archive or DICOMDIR to open
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Window size in points
        #[arg(long, value_name = "WxH", value_parser = values::size, default_value = "1920x1080")]
        size: [u32; 2],
        /// Seconds of turning, of scrolling and of rest
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Let the volume fill the window while it is turned
        #[arg(long)]
        maximised: bool,
        /// At the end destroy the graphics device and measure how long the window is away
        #[arg(long)]
        lose_device: bool,
        /// What draws the pictures
        #[arg(long, value_enum, default_value_t)]
        renderer: RendererArgument,
        /// Print JSON (the contract is docs/schema/bench-window.schema.json)
        #[arg(long)]
        json: bool,
    },
}

/// How often, and how to print.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Runs {
    /// Number of measured runs
    #[arg(long, alias = "frames", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    /// Print JSON (the contract is docs/schema/bench.schema.json)
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    what: &'static str,
    n: usize,
    median_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Size of the voxels in memory.
    bytes: u64,
    /// Highest memory use of the process so far; `null` where the system does not tell.
    peak_rss_mib: Option<f64>,
    adapter: String,
    threads: usize,
    /// The first frame, which prepares the volume; not among the `n`.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_ms: Option<f64>,
    /// Medians of parts of the measurement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    median_ms: f64,
}

pub(super) fn run(arguments: &Arguments, started: Instant) -> anyhow::Result<()> {
    if let Arguments::Window { path, size, seconds, maximised, lose_device, renderer, json } = arguments {
        let report = crate::window::measure_window(MeasureOptions {
            path: path.clone(),
            renderer: (*renderer).into(),
            size: *size,
            duration: Duration::from_secs(*seconds),
            is_maximised: *maximised,
            is_losing_device: *lose_device,
            started,
        })?;
        return if *json { output::json(&report) } else { output::text(&window_table(&report)) };
    }
    let (report, is_json) = match arguments {
        Arguments::Load { series, runs } => (load(series, runs.runs)?, runs.json),
        Arguments::Slice { series, runs, size, renderer } => {
            (slice(series, runs.runs, *size, *renderer)?, runs.json)
        }
        Arguments::Volume { series, size, frames, shaded, mip, preset, renderer, json } => {
            let look = Look { is_shaded: *shaded, is_mip: *mip, preset: preset.as_deref() };
            (volume(series, *size, *frames, look, *renderer)?, *json)
        }
        Arguments::Window { .. } => return Ok(()),
    };
    if is_json { output::json(&report) } else { output::text(&table(&report)) }
}

fn load(series: &SeriesArguments, runs: u32) -> anyhow::Result<Report> {
    let progress = Progress::new();
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..runs {
        let start = Instant::now();
        let catalog = formats::scan(std::slice::from_ref(&series.path), &progress)?;
        let entry = select::choose(&catalog, series.series.as_deref())?;
        let volume = formats::load(entry, ReadLimits::default(), &progress)?;
        times.push(milliseconds(start));
        bytes = volume.voxels().size_bytes() as u64;
    }
    let threads = rayon::current_num_threads();
    Ok(report("load", times, bytes, format!("{threads} threads (CPU)")))
}

fn slice(
    series: &SeriesArguments,
    runs: u32,
    size_px: [u32; 2],
    renderer: RendererArgument,
) -> anyhow::Result<Report> {
    let (entry, volume) = series.load()?;
    let volume = Arc::new(volume);
    let mut renderer = Renderer::new(renderer.into())?;
    let geometry = *volume.geometry();
    let grey = GreyMapping { window: default_window(&entry, &volume), is_inverted: entry.is_inverted };
    let oblique = SlicePlane::oblique_axes(DVec3::new(0.35, -0.45, 0.82), DVec3::NEG_Y)
        .map(|(right, down)| SlicePlane::fitted(right, down, &geometry, geometry.center_lps(), size_px));
    let anatomical = |plane| SlicePlane::anatomical(plane, &geometry, geometry.center_lps(), size_px);
    let kinds = [
        ("axial", Some(anatomical(AnatomicalPlane::Axial))),
        ("coronal", Some(anatomical(AnatomicalPlane::Coronal))),
        ("sagittal", Some(anatomical(AnatomicalPlane::Sagittal))),
        ("oblique", oblique),
    ];
    let mut all = Vec::new();
    let mut parts = Vec::new();
    let mut first_ms = None;
    for (name, plane) in kinds {
        let Some(plane) = plane else { continue };
        let mut times = Vec::new();
        for run in 0..=runs {
            // Scroll through the middle 80 % of the volume, so that no two pictures are alike.
            let along = (f64::from(run) / f64::from(runs.max(1)) - 0.5) * 0.8;
            let depth = geometry.corners_lps().map(|c| (c - plane.center_lps).dot(plane.normal()).abs());
            let depth = depth.into_iter().fold(0.0, f64::max);
            let moved =
                SlicePlane { center_lps: plane.center_lps + plane.normal() * (along * 2.0 * depth), ..plane };
            let scene = SliceScene {
                volume: volume.clone(),
                time_point: 0,
                plane: moved,
                size_px,
                interpolation: Interpolation::Linear,
                slab: Slab::default(),
                grey,
                color_map: None,
                layers: Vec::new(),
            };
            let start = Instant::now();
            renderer.slice(&scene)?;
            let time = milliseconds(start);
            if run == 0 {
                first_ms = first_ms.or(Some(time));
            } else {
                times.push(time);
            }
        }
        parts.push(Part { name, median_ms: median(&times) });
        all.extend(times);
    }
    let bytes = volume.voxels().size_bytes() as u64;
    Ok(Report { first_ms, parts, ..report("slice", all, bytes, renderer.report().to_string()) })
}

/// How the volume is drawn.
#[derive(Debug, Clone, Copy)]
struct Look<'a> {
    is_shaded: bool,
    is_mip: bool,
    preset: Option<&'a str>,
}

fn volume(
    series: &SeriesArguments,
    size_px: [u32; 2],
    frames: u32,
    look: Look<'_>,
    renderer: RendererArgument,
) -> anyhow::Result<Report> {
    let (entry, volume) = series.load()?;
    let volume = Arc::new(volume);
    if volume.channels().count() != 1 {
        return Err(UsageError("a colour image cannot be rendered as a volume".to_owned()).into());
    }
    let mut renderer = Renderer::new(renderer.into())?;
    let mode = if look.is_mip {
        let grey = GreyMapping { window: default_window(&entry, &volume), is_inverted: entry.is_inverted };
        VolumeMode::Mip { grey }
    } else {
        VolumeMode::Composite {
            transfer_function: Arc::new(transfer_function(look.preset, &volume)?),
            lighting: look.is_shaded.then(Lighting::default),
        }
    };
    let scene_at = |turn: f64| turning_scene(&volume, &mode, size_px, turn);
    let start = Instant::now();
    renderer.volume(&scene_at(0.0))?;
    let first_ms = Some(milliseconds(start));
    let mut times = Vec::new();
    for frame in 1..=frames {
        let scene = scene_at(f64::from(frame) / f64::from(frames));
        let start = Instant::now();
        renderer.volume(&scene)?;
        times.push(milliseconds(start));
    }
    let bytes = volume.voxels().size_bytes() as u64;
    Ok(Report { first_ms, ..report("volume", times, bytes, renderer.report().to_string()) })
}

/// Full quality, `turn` (0 to 1) of the way around the patient, slightly from above.
fn turning_scene(volume: &Arc<Volume>, mode: &VolumeMode, size_px: [u32; 2], turn: f64) -> VolumeScene {
    let geometry = volume.geometry();
    VolumeScene {
        volume: volume.clone(),
        time_point: 0,
        camera: Camera::orbit(geometry, turn * std::f64::consts::TAU, 0.3, 1.0),
        size_px,
        mode: mode.clone(),
        step_mm: VolumeScene::full_quality_step_mm(geometry),
        crop: CropBox::whole(geometry),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

fn report(what: &'static str, times: Vec<f64>, bytes: u64, adapter: String) -> Report {
    Report {
        what,
        n: times.len(),
        median_ms: median(&times),
        min_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
        max_ms: times.iter().copied().fold(0.0, f64::max),
        bytes,
        peak_rss_mib: peak_rss_mib(),
        adapter,
        threads: rayon::current_num_threads(),
        first_ms: None,
        parts: Vec::new(),
    }
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2)) {
        (Some(a), Some(b)) => (a + b) / 2.0,
        _ => f64::NAN,
    }
}

/// Highest resident memory of this process.
#[cfg(target_os = "linux")]
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Highest resident memory of this process; not known on this system.
#[cfg(not(target_os = "linux"))]
fn peak_rss_mib() -> Option<f64> {
    None
}

fn window_table(r: &WindowReport) -> String {
    let mut lines = vec![
        format!("start to window: {:.0} ms", r.start_ms),
        format!(
            "opening to first picture: {:.0} ms, to everything: {:.0} ms",
            r.first_picture_ms, r.complete_ms
        ),
        format!(
            "turning: {:.1} pictures/s, longest {:.0} ms, {:.0} of {} pixels wide",
            r.turn.fps, r.turn.longest_ms, r.turn.mean_width_px, r.turn.size_px[0]
        ),
        format!(
            "last movement to the full picture: {:.0} ms, to the last of its refinements: {:.0} ms",
            r.settle_ms, r.refined_ms
        ),
        format!("scrolling: {:.1} pictures/s, longest {:.0} ms", r.scroll.fps, r.scroll.longest_ms),
    ];
    lines.extend(r.idle_cpu_percent.map(|p| format!("idle: {p:.1} % of one core, {} frames", r.idle_frames)));
    lines.extend(r.device_loss_ms.map(|ms| format!("back after device loss: {ms:.0} ms")));
    lines.push(format!("pictures by {}, window by {}", r.adapter, r.window_adapter));
    lines.join("\n")
}

fn table(r: &Report) -> String {
    let mut lines = vec![
        format!("{}: median {:.2} ms ({:.2} to {:.2}, n = {})", r.what, r.median_ms, r.min_ms, r.max_ms, r.n),
        format!(
            "voxels {:.1} MiB, {}, {} threads",
            r.bytes as f64 / f64::from(1 << 20),
            r.adapter,
            r.threads
        ),
    ];
    lines.extend(r.first_ms.map(|ms| format!("first {ms:.2} ms")));
    lines.extend(r.peak_rss_mib.map(|mib| format!("peak memory {mib:.0} MiB")));
    lines.extend(r.parts.iter().map(|p| format!("{}: median {:.2} ms", p.name, p.median_ms)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_or_the_mean_of_the_two_middles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
