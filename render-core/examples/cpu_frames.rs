//! Times the CPU path on a raw int16 CT and prints one JSON line per case; `docs/bench/vtk_peer.py` does the same
//! with VTK on the same array, cameras, transfer functions and sampling distance.
//!
//! `cargo run --release -p render-core --example cpu_frames -- RAW 512,512,512 0.78,0.78,0.39 [FRAMES] [FILTER]`
//!
//! RAW holds little-endian int16 HU, x fastest. With `PSNR=1` each case is also held against the reference.
#![expect(clippy::print_stdout, reason = "a command-line program")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::Window;
use imaging::label_volume::LabelVolume;
use imaging::volume::{Volume, VolumeMeta};
use render_core::camera::Camera;
use render_core::color_map::ColorMap;
use render_core::cpu::CpuRenderer;
use render_core::image::Image8;
use render_core::layers::{LabelColors, LabelLayer, ScalarLayer, SliceLayer};
use render_core::reference;
use render_core::scene::{
    CropBox, GreyMapping, Interpolation, Lighting, Slab, SlabMode, SlicePlane, SliceScene, VolumeMode,
    VolumeScene,
};
use render_core::transfer_function::VolumePreset;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, dims, spacing, rest @ ..] = args.as_slice() else {
        return Err("usage: cpu_frames RAW X,Y,Z SX,SY,SZ [FRAMES] [FILTER]".into());
    };
    let dims: Vec<usize> = dims.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let spacing: Vec<f64> = spacing.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let frames: usize = rest.first().map_or(Ok(12), |s| s.parse())?;
    let filter = rest.get(1).map_or("", String::as_str);
    let bytes = std::fs::read(path)?;
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    drop(bytes);
    let dims = Dims::new(dims[0], dims[1], dims[2]);
    let geometry = Geometry::axis_aligned(dims, DVec3::ZERO, DVec3::from_slice(&spacing))?;
    let volume = Arc::new(Volume::new(VolumeMeta::scalar(geometry), samples)?);
    let is_checked = std::env::var_os("PSNR").is_some();
    let mut renderer = CpuRenderer::new();
    if std::env::var_os("PORTABLE").is_some() {
        renderer = renderer.portable();
    }
    let start = Instant::now();
    renderer.prepare(&volume, 0);
    println!(r#"{{"what":"prepare","ms":{:.2}}}"#, ms_since(start));
    for (name, mode) in modes() {
        for size in [512, 1024] {
            let name = format!("volume {name} {size}");
            if name.contains(filter) {
                volume_case(&mut renderer, &volume, &name, &mode, size, frames, is_checked)?;
            }
        }
    }
    for (name, scene) in slices(&volume) {
        if name.contains(filter) {
            slice_case(&mut renderer, &name, &scene, frames, is_checked)?;
        }
    }
    Ok(())
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Processor time of all threads so far, in ms; 0 where the system does not say.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) * 10.0
}

fn modes() -> Vec<(String, VolumeMode)> {
    let mut modes = Vec::new();
    for name in ["CT-Bone", "CT-Soft-Tissue", "CT-Lung"] {
        let Some(preset) = VolumePreset::by_name(name) else { continue };
        let transfer_function = Arc::new(preset.transfer_function());
        for lighting in [None, Some(Lighting::default())] {
            let kind = if lighting.is_some() { "shaded" } else { "unshaded" };
            let mode = VolumeMode::Composite { transfer_function: transfer_function.clone(), lighting };
            modes.push((format!("{name} {kind}"), mode));
        }
    }
    let grey = GreyMapping { window: Window::linear(300.0, 1800.0), is_inverted: false };
    modes.push(("MIP".to_owned(), VolumeMode::Mip { grey }));
    modes
}

fn scene(volume: &Arc<Volume>, mode: &VolumeMode, size: u32, azimuth_deg: f64) -> VolumeScene {
    let g = *volume.geometry();
    VolumeScene {
        volume: volume.clone(),
        time_point: 0,
        camera: Camera::orbit(&g, azimuth_deg.to_radians(), 15f64.to_radians(), 1.0),
        size_px: [size; 2],
        mode: mode.clone(),
        step_mm: VolumeScene::full_quality_step_mm(&g),
        crop: CropBox::whole(&g),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

fn volume_case(
    renderer: &mut CpuRenderer,
    volume: &Arc<Volume>,
    name: &str,
    mode: &VolumeMode,
    size: u32,
    frames: usize,
    is_checked: bool,
) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    let start = Instant::now();
    renderer.volume(&scene(volume, mode, size, 0.0))?;
    let first = ms_since(start);
    let cpu = cpu_ms();
    for frame in 0..frames {
        let scene = scene(volume, mode, size, frame as f64 * 360.0 / frames as f64);
        let start = Instant::now();
        renderer.volume(&scene)?;
        times.push(ms_since(start));
    }
    let mut psnr = format!(r#","cpu_ms":{:.1}"#, (cpu_ms() - cpu) / frames as f64);
    if is_checked {
        let scene = scene(volume, mode, size, 30.0);
        let ours = renderer.volume(&scene)?.to_srgb8([0.0; 3]);
        psnr +=
            &format!(r#","psnr_db":{:.1}"#, psnr_db(&ours, &reference::volume(&scene)?.to_srgb8([0.0; 3])));
        save(&ours, name)?;
    }
    report(name, first, times, &psnr);
    Ok(())
}

fn slices(volume: &Arc<Volume>) -> Vec<(String, SliceScene)> {
    let g = *volume.geometry();
    let size_px = [512; 2];
    let (right, down) =
        SlicePlane::oblique_axes(DVec3::new(0.3, 0.5, 0.8), DVec3::NEG_Y).unwrap_or((DVec3::X, DVec3::Y));
    let mut planes: Vec<(String, SlicePlane)> = AnatomicalPlane::ALL
        .map(|p| (p.name().to_owned(), SlicePlane::anatomical(p, &g, g.center_lps(), size_px)))
        .into();
    planes.push(("Oblique".to_owned(), SlicePlane::fitted(right, down, &g, g.center_lps(), size_px)));
    let make = |plane, interpolation, slab| SliceScene {
        volume: volume.clone(),
        time_point: 0,
        plane,
        size_px,
        interpolation,
        slab,
        grey: GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false },
        color_map: None,
        layers: Vec::new(),
    };
    let layers = layers(volume).unwrap_or_default();
    let mut scenes = Vec::new();
    for (name, plane) in planes {
        let plain = Slab::default();
        let thick = Slab { thickness_mm: 10.0, mode: SlabMode::Max };
        scenes.push((format!("slice {name} linear"), make(plane, Interpolation::Linear, plain)));
        scenes.push((format!("slice {name} nearest"), make(plane, Interpolation::Nearest, plain)));
        scenes.push((format!("slice {name} slab 10 mm"), make(plane, Interpolation::Linear, thick)));
        for (what, layer) in &layers {
            let bare = make(plane, Interpolation::Linear, plain);
            scenes.push((format!("slice {name} {what}"), SliceScene { layers: vec![layer.clone()], ..bare }));
        }
        let map = ColorMap::by_id("hot-iron");
        let mapped = SliceScene { color_map: map, ..make(plane, Interpolation::Linear, plain) };
        scenes.push((format!("slice {name} hot iron"), mapped));
    }
    scenes
}

/// Labels all over the image, and a volume of a quarter of its resolution over it.
fn layers(volume: &Volume) -> Option<Vec<(&'static str, SliceLayer)>> {
    let g = volume.geometry();
    let d = g.dims();
    let label = |i: usize| ((i % d.x / 40 + i / d.x % d.y / 40 + i / (d.x * d.y) / 40) % 5) as u8;
    let labels: Vec<u8> = (0..d.checked_count()?).map(label).collect();
    let labels = Arc::new(Volume::new(VolumeMeta::scalar(*g), labels).ok()?);
    let labels = LabelLayer {
        labels: Arc::new(LabelVolume::from_volume(&labels, 0).ok()?),
        colors: Arc::new(LabelColors::new()),
        fill_opacity: 0.4,
        outline_opacity: 1.0,
        outline_px: 2,
    };
    let coarse = Dims::new(d.x.div_ceil(4), d.y.div_ceil(4), d.z.div_ceil(4));
    let grid = Geometry::axis_aligned(coarse, g.origin_lps(), g.spacing_mm() * 4.0).ok()?;
    let uptake: Vec<u16> = (0..coarse.checked_count()?).map(|i| (i * 7919 % 65_536) as u16).collect();
    let uptake = ScalarLayer {
        volume: Arc::new(Volume::new(VolumeMeta::scalar(grid), uptake).ok()?),
        time_point: 0,
        window: GreyMapping { window: Window::linear(32_768.0, 65_536.0), is_inverted: false },
        color_map: ColorMap::by_id("hot-iron")?,
        opacity: 0.5,
        threshold: None,
        interpolation: Interpolation::Linear,
    };
    Some(vec![("labels", SliceLayer::Labels(labels)), ("fusion", SliceLayer::Scalar(uptake))])
}

fn slice_case(
    renderer: &mut CpuRenderer,
    name: &str,
    scene: &SliceScene,
    frames: usize,
    is_checked: bool,
) -> Result<(), Box<dyn Error>> {
    let (mut times, mut first) = (Vec::new(), 0.0);
    let cpu = cpu_ms();
    for frame in 0..frames * 5 {
        let mut scene = scene.clone();
        // Scrolls, so that no slice is in the cache from the last one.
        scene.plane.center_lps += scene.plane.normal() * ((frame % 50) as f64 * 2.3 - 57.0);
        let start = Instant::now();
        renderer.slice(&scene)?;
        if frame == 0 { first = ms_since(start) } else { times.push(ms_since(start)) }
    }
    let mut error = format!(r#","cpu_ms":{:.2}"#, (cpu_ms() - cpu) / (frames * 5) as f64);
    if is_checked {
        let (ours, truth) = (renderer.slice(scene)?, reference::slice(scene)?);
        let most = ours.rgba.iter().zip(&truth.rgba).map(|(a, b)| a.abs_diff(*b)).max();
        error += &format!(r#","max_difference":{}"#, most.unwrap_or(0));
    }
    report(name, first, times, &error);
    Ok(())
}

fn report(name: &str, first: f64, mut times: Vec<f64>, more: &str) {
    times.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (times.first(), times.last()) else { return };
    let median = times[times.len() / 2];
    println!(
        r#"{{"what":"{name}","n":{},"first_ms":{first:.2},"median_ms":{median:.2},"min_ms":{min:.2},"max_ms":{max:.2}{more}}}"#,
        times.len()
    );
}

fn psnr_db(a: &Image8, b: &Image8) -> f64 {
    let square = |(x, y): (&u8, &u8)| (f64::from(*x) - f64::from(*y)).powi(2);
    let sum: f64 = a.rgba.iter().zip(&b.rgba).map(square).sum();
    // Alpha is equal everywhere and does not count.
    let mean = sum / (a.rgba.len() / 4 * 3) as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

fn save(image: &Image8, name: &str) -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::var_os("SAVE") else { return Ok(()) };
    let mut ppm = format!("P6 {} {} 255\n", image.width, image.height).into_bytes();
    ppm.extend(image.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]));
    let file = format!("{}.ppm", name.replace(' ', "_"));
    Ok(std::fs::write(std::path::Path::new(&folder).join(file), ppm)?)
}
