//! Golden pictures of render-core: one idea each, and the same file holds for reference, processor and GPU.
//!
//! The head has a bright ball towards the patient's left, front and head, and a vessel from the right ear to the
//! back, so a flipped picture shows.
//! `UPDATE_GOLDEN=1` rewrites the files from the reference.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

use std::sync::{Arc, OnceLock};

use glam::{DMat3, DVec3};
use image::RgbaImage;
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::Window;
use imaging::label_volume::LabelVolume;
use imaging::phantom;
use imaging::volume::Volume;
use render_core::camera::Camera;
use render_core::color_map::ColorMap;
use render_core::cpu::CpuRenderer;
use render_core::gpu::GpuOptions;
use render_core::image::Image8;
use render_core::layers::{LabelColors, LabelLayer, ScalarLayer, SliceLayer};
use render_core::scene::{
    ClipPlane, CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlabMode, SlicePlane,
    SliceScene, VolumeMode, VolumeScene,
};
use render_core::transfer_function::{ControlPoint, TransferFunction};
use render_core::{reference, testing};
use test_support::image_compare::{Tolerance, assert_golden, compare};

const SLICE_PX: [u32; 2] = [160, 160];
const VIEW_PX: [u32; 2] = [192, 192];

/// Radius of the skull.
const RADIUS_MM: f64 = 64.0;
/// Centre of the ball, and the ends of a vessel that runs from the right ear up to the back of the head.
const BALL_LPS: DVec3 = DVec3::new(0.4 * RADIUS_MM, -0.35 * RADIUS_MM, 0.3 * RADIUS_MM);
const VESSEL_LPS: [DVec3; 2] = [
    DVec3::new(-0.65 * RADIUS_MM, -0.2 * RADIUS_MM, -0.1 * RADIUS_MM),
    DVec3::new(0.1 * RADIUS_MM, 0.6 * RADIUS_MM, 0.45 * RADIUS_MM),
];

/// The head phantom of `imaging` with a vessel, and with edges that a scanner would blur over 3 mm.
fn head() -> Arc<Volume> {
    static HEAD: OnceLock<Arc<Volume>> = OnceLock::new();
    HEAD.get_or_init(|| {
        let (dims, spacing) = (Dims::new(96, 104, 80), DVec3::new(1.5, 1.5, 1.9));
        let origin = (dims.as_dvec3() - 1.0) * spacing * -0.5;
        let geometry = Geometry::axis_aligned(dims, origin, spacing).unwrap();
        Arc::new(phantom::volume_from_lps(geometry, blurred_head_hu))
    })
    .clone()
}

fn blurred_head_hu(p: DVec3) -> f64 {
    let inside = |depth_mm: f64| (depth_mm / 3.0 + 0.5).clamp(0.0, 1.0);
    let mix = |outer: f64, inner: f64, share: f64| outer + (inner - outer) * share;
    let [from, to] = VESSEL_LPS;
    let along = ((p - from).dot(to - from) / (to - from).length_squared()).clamp(0.0, 1.0);
    let vessel = inside(4.0 - p.distance(from + (to - from) * along));
    let skull = mix(-1000.0, 1000.0, inside(RADIUS_MM - p.length()));
    let brain = mix(skull, 40.0, inside(0.88 * RADIUS_MM - p.length()));
    let with_ball = mix(brain, 300.0, inside(0.2 * RADIUS_MM - p.distance(BALL_LPS)));
    mix(with_ball, 450.0, vessel)
}

fn rgba(picture: Image8) -> RgbaImage {
    RgbaImage::from_raw(picture.width, picture.height, picture.rgba).unwrap()
}

/// A tissue-like function: soft tissue as a faint haze, the ball orange, bone ivory.
fn tissue(soft_opacity: f32) -> Arc<TransferFunction> {
    let point = |value, rgb: [u8; 3], opacity| ControlPoint {
        value,
        color: rgb.map(|c| f32::from(c) / 255.0),
        opacity,
    };
    Arc::new(TransferFunction::new(
        [
            point(-200.0, [200, 120, 90], 0.0),
            point(20.0, [205, 120, 95], soft_opacity),
            point(60.0, [215, 130, 100], soft_opacity),
            point(250.0, [255, 150, 40], 0.7),
            point(330.0, [255, 170, 60], 0.7),
            point(420.0, [190, 25, 25], 0.8),
            point(500.0, [190, 25, 25], 0.8),
            point(700.0, [240, 225, 200], 0.4),
            point(1000.0, [245, 235, 215], 0.9),
        ],
        1.0,
    ))
}

fn view(mode: VolumeMode) -> VolumeScene {
    let volume = head();
    let g = *volume.geometry();
    VolumeScene {
        camera: Camera::orbit(&g, 0.5, 0.3, 1.5),
        crop: CropBox::whole(&g),
        step_mm: VolumeScene::full_quality_step_mm(&g) * 0.5,
        volume,
        time_point: 0,
        size_px: VIEW_PX,
        mode,
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

/// The front half of the head removed, so that brain, ball and skull are all in sight.
fn opened(mode: VolumeMode) -> VolumeScene {
    let kept = ClipPlane { normal_lps: DVec3::Y, offset_mm: -22.0 };
    VolumeScene { clip_planes: vec![kept], ..view(mode) }
}

fn slice(right: DVec3, down: DVec3, through_lps: DVec3, slab: Slab) -> SliceScene {
    let volume = head();
    let plane = SlicePlane::fitted(right, down, volume.geometry(), through_lps, SLICE_PX);
    SliceScene {
        volume,
        time_point: 0,
        plane,
        size_px: SLICE_PX,
        interpolation: Interpolation::Linear,
        slab,
        grey: GreyMapping { window: Window::linear(120.0, 600.0), is_inverted: false },
        color_map: None,
        layers: Vec::new(),
    }
}

/// Holds the pictures of all three paths against one file, which only the reference's may write.
fn hold(name: &str, reference: Image8, cpu: Image8, gpu: Option<Image8>) {
    let reference = rgba(reference);
    assert_golden(name, &reference, Tolerance::exact());
    for other in [Some(cpu), gpu].into_iter().flatten().map(rgba) {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            compare(&other, &reference, Tolerance::same_sampling()).unwrap();
        } else {
            assert_golden(name, &other, Tolerance::same_sampling());
        }
    }
}

fn hold_slice(name: &str, scene: &SliceScene) {
    let gpu = testing::gpu_renderer(GpuOptions::default()).map(|mut gpu| gpu.slice(scene).unwrap());
    hold(name, reference::slice(scene).unwrap(), CpuRenderer::new().slice(scene).unwrap(), gpu);
}

fn hold_view(name: &str, scene: &VolumeScene) {
    let black = [0.0; 3];
    let gpu = testing::gpu_renderer(GpuOptions::default()).map(|mut gpu| {
        let frame = gpu.volume_texture(scene).unwrap();
        let shown = gpu.tone_map(&frame, black).unwrap();
        gpu.read_image8(&shown).unwrap()
    });
    let reference = reference::volume(scene).unwrap().to_srgb8(black);
    hold(name, reference, CpuRenderer::new().volume(scene).unwrap().to_srgb8(black), gpu);
}

fn hold_anatomical(name: &str, plane: AnatomicalPlane) {
    let (right, down) = plane.screen_axes_lps();
    hold_slice(name, &slice(right, down, BALL_LPS, Slab::default()));
}

#[test]
fn axial_slice_has_the_patients_left_on_the_right() {
    hold_anatomical("slice_axial", AnatomicalPlane::Axial);
}

#[test]
fn coronal_slice_has_the_head_up_and_the_left_on_the_right() {
    hold_anatomical("slice_coronal", AnatomicalPlane::Coronal);
}

#[test]
fn sagittal_slice_has_the_nose_on_the_left() {
    hold_anatomical("slice_sagittal", AnatomicalPlane::Sagittal);
}

#[test]
fn oblique_slice_cuts_ball_and_skull() {
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.35, 0.25, 0.9), DVec3::NEG_Y).unwrap();
    hold_slice("slice_oblique", &slice(right, down, BALL_LPS, Slab::default()));
}

#[test]
fn thick_slab_shows_the_greatest_values() {
    let slab = Slab { thickness_mm: 30.0, mode: SlabMode::Max };
    let (right, down) = AnatomicalPlane::Axial.screen_axes_lps();
    let mut scene = slice(right, down, DVec3::new(0.0, 0.0, 5.0), slab);
    scene.grey.window = Window::linear(400.0, 1400.0);
    hold_slice("slab_mip", &scene);
}

/// Skull, brain, ball and vessel as labels 1 to 4, on a grid that is coarser than the image and turned against it.
fn parts_of_the_head() -> LabelLayer {
    let direction = DMat3::from_rotation_z(0.3) * DMat3::from_rotation_x(0.2);
    let (dims, spacing) = (Dims::new(64, 64, 64), DVec3::splat(2.3));
    let origin = direction * ((dims.as_dvec3() - 1.0) * spacing * -0.5);
    let geometry = Geometry::new(dims, origin, spacing, direction).unwrap();
    let part_of = |hu: f64| match hu {
        _ if hu < -400.0 => 0,
        _ if hu < 170.0 => 2,
        _ if hu < 370.0 => 3,
        _ if hu < 500.0 => 4,
        _ => 1,
    };
    let parts = phantom::volume_from_lps(geometry, |p| f64::from(part_of(blurred_head_hu(p))));
    LabelLayer {
        labels: Arc::new(LabelVolume::from_volume(&Arc::new(parts), 1 << 20).unwrap()),
        colors: Arc::new(LabelColors::new()),
        fill_opacity: 0.35,
        outline_opacity: 1.0,
        outline_px: 1,
    }
}

#[test]
fn labels_are_filled_and_outlined_over_the_image() {
    let (right, down) = AnatomicalPlane::Axial.screen_axes_lps();
    let mut scene = slice(right, down, BALL_LPS, Slab::default());
    scene.layers = vec![SliceLayer::Labels(parts_of_the_head())];
    hold_slice("slice_labels", &scene);
}

#[test]
fn activity_glows_over_the_anatomy() {
    // Two spots of uptake, one in the ball, at a quarter of the image's resolution.
    let (dims, spacing) = (Dims::new(30, 30, 26), DVec3::new(5.0, 5.0, 6.0));
    let origin = (dims.as_dvec3() - 1.0) * spacing * -0.5 + DVec3::new(1.3, -0.7, 2.1);
    let geometry = Geometry::axis_aligned(dims, origin, spacing).unwrap();
    let spot = |p: DVec3, at: DVec3, mm: f64| (-p.distance_squared(at) / (2.0 * mm * mm)).exp();
    let other = DVec3::new(-30.0, 25.0, BALL_LPS.z);
    let uptake = phantom::volume_from_lps(geometry, |p| {
        8000.0 * spot(p, BALL_LPS, 9.0) + 5000.0 * spot(p, other, 14.0)
    });
    let (right, down) = AnatomicalPlane::Axial.screen_axes_lps();
    let mut scene = slice(right, down, BALL_LPS, Slab::default());
    scene.layers = vec![SliceLayer::Scalar(ScalarLayer {
        volume: Arc::new(uptake),
        time_point: 0,
        window: GreyMapping { window: Window::linear(3500.0, 7000.0), is_inverted: false },
        color_map: ColorMap::by_id("hot-iron").unwrap(),
        opacity: 0.6,
        threshold: Some(800.0),
        interpolation: Interpolation::Linear,
    })];
    hold_slice("slice_fusion", &scene);
}

#[test]
fn lit_volume_shows_ball_vessel_and_skull_in_relief() {
    let mode =
        VolumeMode::Composite { transfer_function: tissue(0.004), lighting: Some(Lighting::default()) };
    hold_view("volume_lit", &opened(mode));
}

#[test]
fn unlit_volume_is_flat_colour() {
    hold_view(
        "volume_unlit",
        &opened(VolumeMode::Composite { transfer_function: tissue(0.004), lighting: None }),
    );
}

#[test]
fn mip_shows_the_densest_tissue_along_each_ray() {
    // From above through the middle of the head, so that the skull does not hide everything.
    let grey = GreyMapping { window: Window::linear(400.0, 1400.0), is_inverted: false };
    let mut scene = view(VolumeMode::Mip { grey });
    scene.camera = Camera::orbit(scene.volume.geometry(), 0.0, 1.2, 1.5);
    (scene.crop.min_index.z, scene.crop.max_index.z) = (34.0, 54.0);
    hold_view("volume_mip", &scene);
}

#[test]
fn clipped_and_cropped_volume_has_clean_cuts() {
    let mode = VolumeMode::Composite { transfer_function: tissue(0.35), lighting: Some(Lighting::default()) };
    let mut scene = view(mode);
    let normal_lps = DVec3::new(-0.5, 0.8, -0.3).normalize();
    scene.clip_planes = vec![ClipPlane { normal_lps, offset_mm: -12.0 }];
    scene.crop.min_index.z = 24.0;
    hold_view("volume_clipped", &scene);
}

#[test]
fn cube_shows_where_the_oblique_slice_cuts() {
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.3, 0.3, 0.9), DVec3::NEG_Y).unwrap();
    let slice = slice(right, down, BALL_LPS, Slab::default());
    let camera = Camera::orbit(slice.volume.geometry(), 0.5, 0.5, 1.0);
    let axis_colors = [[0.91, 0.33, 0.33], [0.36, 0.78, 0.42], [0.35, 0.6, 0.95]];
    let scene = CubeScene { slice, camera, size_px: VIEW_PX, axis_colors };
    let grey = [0.03; 3];
    let gpu =
        testing::gpu_renderer(GpuOptions::default()).map(|mut gpu| gpu.cube(&scene).unwrap().to_srgb8(grey));
    let reference = reference::cube(&scene).unwrap().to_srgb8(grey);
    hold("cube", reference, CpuRenderer::new().cube(&scene).unwrap().to_srgb8(grey), gpu);
}

#[test]
fn a_flipped_or_unlit_picture_would_not_pass() {
    let lighting = Some(Lighting::default());
    let picture = |lighting| {
        let mode = VolumeMode::Composite { transfer_function: tissue(0.25), lighting };
        rgba(reference::volume(&opened(mode)).unwrap().to_srgb8([0.0; 3]))
    };
    let lit = picture(lighting);
    let flipped = image::imageops::flip_horizontal(&lit);
    assert!(compare(&flipped, &lit, Tolerance::same_sampling()).is_err());
    assert!(compare(&picture(None), &lit, Tolerance::same_sampling()).is_err());
}
