//! `lantern render`: one picture, without a window.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use glam::DVec3;
use imaging::color_profile::in_srgb;
use imaging::geometry::{AnatomicalPlane, Geometry};
use imaging::intensity::{CT_PRESETS, Window};
use imaging::series::SeriesEntry;
use imaging::volume::{Unit, Volume};
use render_core::Renderer;
use render_core::camera::Camera;
use render_core::image::Image8;
use render_core::scene::{
    CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlabMode, SlicePlane, SliceScene,
    VolumeMode, VolumeScene,
};
use render_core::transfer_function::{TransferFunction, VOLUME_PRESETS, VolumePreset};
use serde::Serialize;

use super::select::SeriesArguments;
use super::{RendererArgument, UsageError, output, values};

/// Render one view to a PNG file, without a window
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    series: SeriesArguments,

    /// What to draw
    #[arg(long, value_enum)]
    view: View,

    /// Picture size in pixels
    #[arg(long, value_name = "WxH", value_parser = values::size, default_value = "512x512")]
    size: [u32; 2],

    /// Window center and width in modality units (HU for CT); default: the file's own, else the 1–99 % range
    #[arg(long, value_name = "C,W", value_parser = values::window, allow_hyphen_values = true)]
    window: Option<[f64; 2]>,

    /// Window preset for slices and MIP (Abdomen, Lung, Bone, …) or volume preset (CT-Bone, CT-Lung, …)
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,

    /// Where to cut, in mm: the LPS coordinate along the axis of an anatomical plane, or the distance from the
    /// middle of the volume along --normal; default: the middle
    #[arg(long, value_name = "D", allow_hyphen_values = true)]
    slice_mm: Option<f64>,

    /// Direction into the picture of an oblique slice, LPS
    #[arg(long, value_name = "X,Y,Z", value_parser = values::triple, allow_hyphen_values = true)]
    normal: Option<DVec3>,

    /// Direction that points up in an oblique slice, LPS
    #[arg(long, value_name = "X,Y,Z", value_parser = values::triple, allow_hyphen_values = true)]
    up: Option<DVec3>,

    /// Azimuth and elevation in degrees (0,0 looks from the front; azimuth grows towards the patient's left), and
    /// zoom (1 shows everything)
    #[arg(long, value_name = "AZ,EL,ZOOM", value_parser = values::triple, allow_hyphen_values = true,
          default_value = "0,0,1")]
    camera: DVec3,

    /// Slab thickness in mm
    #[arg(long, value_name = "MM", default_value_t = 0.0)]
    slab: f64,

    /// How a slab is combined
    #[arg(long, value_enum, default_value_t)]
    slab_mode: SlabModeArgument,

    /// How values between voxels are made
    #[arg(long, value_enum, default_value_t)]
    interpolation: InterpolationArgument,

    /// Draw colours as they are stored, not through the image's colour profile
    #[arg(long)]
    stored_colors: bool,

    /// Draw the volume without light and shade
    #[arg(long)]
    unshaded: bool,

    /// Time point, from 0
    #[arg(long, default_value_t = 0)]
    time: usize,

    /// What draws the picture
    #[arg(long, value_enum, default_value_t)]
    renderer: RendererArgument,

    /// PNG file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Print what was drawn as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum View {
    Axial,
    Coronal,
    Sagittal,
    /// Any plane; see --normal and --up
    Oblique,
    /// Lit volume
    Volume,
    /// Maximum intensity projection of the volume
    Mip,
    /// The oblique slice inside the volume's coloured edges
    Cube,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum SlabModeArgument {
    #[default]
    Mean,
    Max,
    Min,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum InterpolationArgument {
    Nearest,
    #[default]
    Linear,
}

/// What was drawn.
#[derive(Debug, Serialize)]
struct Report {
    out: String,
    width: u32,
    height: u32,
    adapter: String,
    window: Option<[f64; 2]>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (entry, volume) = arguments.series.load()?;
    if arguments.time >= volume.time_points() {
        let count = volume.time_points();
        let reason = format!("time point {} does not exist; the series has {count}", arguments.time);
        return Err(UsageError(reason).into());
    }
    note_ignored(arguments);
    let volume = Arc::new(volume);
    let volume = if arguments.stored_colors { volume } else { in_srgb(&volume) };
    let mut renderer = Renderer::new(arguments.renderer.into())?;
    let (picture, window) = match arguments.view {
        View::Axial | View::Coronal | View::Sagittal | View::Oblique => {
            let scene = slice_scene(arguments, &entry, &volume)?;
            (renderer.slice(&scene)?, Some(scene.grey.window))
        }
        View::Cube => {
            let slice = slice_scene(arguments, &entry, &volume)?;
            let window = slice.grey.window;
            let camera = camera(arguments, volume.geometry());
            let axis_colors = [[0.89, 0.38, 0.36], [0.30, 0.70, 0.54], [0.85, 0.64, 0.25]];
            let scene = CubeScene { slice, camera, size_px: arguments.size, axis_colors };
            (renderer.cube(&scene)?.to_srgb8([0.0; 3]), Some(window))
        }
        View::Volume | View::Mip => {
            let scene = volume_scene(arguments, &entry, &volume)?;
            let window = match &scene.mode {
                VolumeMode::Mip { grey } => Some(grey.window),
                VolumeMode::Composite { .. } => None,
            };
            (renderer.volume(&scene)?.to_srgb8([0.0; 3]), window)
        }
    };
    write_png(&arguments.out, picture)?;
    if arguments.json {
        let [width, height] = arguments.size;
        output::json(&Report {
            out: arguments.out.display().to_string(),
            width,
            height,
            adapter: renderer.report().to_string(),
            window: window.map(|w| [w.center, w.width]),
        })?;
    }
    Ok(())
}

/// Says which options mean nothing for the view.
fn note_ignored(arguments: &Arguments) {
    let is_volume = matches!(arguments.view, View::Volume | View::Mip);
    let options = [
        ("--slice-mm", is_volume && arguments.slice_mm.is_some()),
        ("--slab", is_volume && arguments.slab > 0.0),
        ("--window", arguments.view == View::Volume && arguments.window.is_some()),
        (
            "--preset",
            arguments.view != View::Volume && arguments.window.is_some() && arguments.preset.is_some(),
        ),
    ];
    for (option, _) in options.iter().filter(|(_, is_ignored)| *is_ignored) {
        output::note(&format!("{option} has no effect on this picture"));
    }
}

fn slice_scene(
    arguments: &Arguments,
    entry: &SeriesEntry,
    volume: &Arc<Volume>,
) -> anyhow::Result<SliceScene> {
    Ok(SliceScene {
        volume: volume.clone(),
        time_point: arguments.time,
        plane: plane(arguments, volume.geometry())?,
        size_px: arguments.size,
        interpolation: match arguments.interpolation {
            InterpolationArgument::Nearest => Interpolation::Nearest,
            InterpolationArgument::Linear => Interpolation::Linear,
        },
        slab: Slab {
            thickness_mm: arguments.slab,
            mode: match arguments.slab_mode {
                SlabModeArgument::Mean => SlabMode::Mean,
                SlabModeArgument::Max => SlabMode::Max,
                SlabModeArgument::Min => SlabMode::Min,
            },
        },
        grey: grey(arguments, entry, volume)?,
        color_map: None,
        layers: Vec::new(),
    })
}

fn plane(arguments: &Arguments, geometry: &Geometry) -> anyhow::Result<SlicePlane> {
    let center = geometry.center_lps();
    let anatomical = match arguments.view {
        View::Axial => Some(AnatomicalPlane::Axial),
        View::Coronal => Some(AnatomicalPlane::Coronal),
        View::Sagittal => Some(AnatomicalPlane::Sagittal),
        _ => None,
    };
    if let Some(plane) = anatomical {
        let mut through = center;
        if let Some(mm) = arguments.slice_mm {
            match plane {
                AnatomicalPlane::Axial => through.z = mm,
                AnatomicalPlane::Coronal => through.y = mm,
                AnatomicalPlane::Sagittal => through.x = mm,
            }
        }
        return Ok(SlicePlane::anatomical(plane, geometry, through, arguments.size));
    }
    let normal = arguments.normal.unwrap_or(DVec3::Z);
    // Up is the patient's front when looking mostly along the body, else the head.
    let is_axial = normal.normalize_or_zero().z.abs() > std::f64::consts::FRAC_1_SQRT_2;
    let up = arguments.up.unwrap_or(if is_axial { DVec3::NEG_Y } else { DVec3::Z });
    let (right, down) = SlicePlane::oblique_axes(normal, up)
        .ok_or_else(|| UsageError("--normal must not be zero or parallel to --up".to_owned()))?;
    let through = center + right.cross(down) * arguments.slice_mm.unwrap_or(0.0);
    Ok(SlicePlane::fitted(right, down, geometry, through, arguments.size))
}

fn grey(arguments: &Arguments, entry: &SeriesEntry, volume: &Volume) -> anyhow::Result<GreyMapping> {
    let window = if let Some([center, width]) = arguments.window {
        window_for(volume, center, width)
    } else if let Some(name) = &arguments.preset {
        let preset = CT_PRESETS.iter().find(|p| p.name.eq_ignore_ascii_case(name));
        preset.map(|p| p.window()).ok_or_else(|| {
            let known: Vec<&str> = CT_PRESETS.iter().map(|p| p.name).collect();
            UsageError(format!("no window preset `{name}`; known: {}", known.join(", ")))
        })?
    } else {
        default_window(entry, volume)
    };
    Ok(GreyMapping { window, is_inverted: entry.is_inverted })
}

/// LINEAR for whole numbers, LINEAR_EXACT where values are fractions.
fn window_for(volume: &Volume, center: f64, width: f64) -> Window {
    let rescale = volume.rescale();
    let is_whole = rescale.slope.fract() == 0.0
        && rescale.intercept.fract() == 0.0
        && !volume.voxels().type_name().starts_with("float");
    if is_whole {
        Window::linear(center, width)
    } else {
        Window::spanning(center - width / 2.0, center + width / 2.0)
    }
}

/// The file's first window, else the 1st to 99th percentile.
pub(super) fn default_window(entry: &SeriesEntry, volume: &Volume) -> Window {
    entry.windows.first().map_or_else(|| volume.histogram(4096).auto_window(), |named| named.window)
}

fn camera(arguments: &Arguments, geometry: &Geometry) -> Camera {
    let DVec3 { x: azimuth, y: elevation, z: zoom } = arguments.camera;
    Camera::orbit(geometry, azimuth.to_radians(), elevation.to_radians(), zoom)
}

fn volume_scene(
    arguments: &Arguments,
    entry: &SeriesEntry,
    volume: &Arc<Volume>,
) -> anyhow::Result<VolumeScene> {
    let mode = if arguments.view == View::Mip {
        VolumeMode::Mip { grey: grey(arguments, entry, volume)? }
    } else {
        VolumeMode::Composite {
            transfer_function: Arc::new(transfer_function(arguments.preset.as_deref(), volume)?),
            lighting: (!arguments.unshaded).then(Lighting::default),
        }
    };
    let geometry = volume.geometry();
    Ok(VolumeScene {
        volume: volume.clone(),
        time_point: arguments.time,
        camera: camera(arguments, geometry),
        size_px: arguments.size,
        mode,
        step_mm: VolumeScene::full_quality_step_mm(geometry),
        crop: CropBox::whole(geometry),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    })
}

/// The named preset, or the one that suits the volume's unit; relative presets are fitted to the value range.
pub(super) fn transfer_function(name: Option<&str>, volume: &Volume) -> anyhow::Result<TransferFunction> {
    let default = if *volume.unit() == Unit::Hounsfield { "CT-Bone" } else { "MR-Default" };
    let name = name.unwrap_or(default);
    let preset = VolumePreset::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = VOLUME_PRESETS.iter().map(|p| p.name).collect();
        UsageError(format!("no volume preset `{name}`; known: {}", known.join(", ")))
    })?;
    let function = preset.transfer_function();
    if preset.modality.is_some() {
        return Ok(function);
    }
    let histogram = volume.histogram(4096);
    Ok(function.fitted_to(histogram.percentile(0.01), histogram.percentile(0.999)))
}

/// Writes a picture; the file appears whole or not at all.
fn write_png(path: &Path, picture: Image8) -> anyhow::Result<()> {
    let image = image::RgbaImage::from_raw(picture.width, picture.height, picture.rgba)
        .context("picture and its size disagree")?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    let partial = path.with_extension("png.part");
    std::fs::write(&partial, bytes.into_inner())
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
