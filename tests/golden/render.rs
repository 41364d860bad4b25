//! Golden pictures of render-core: one idea each, and the same file holds for reference, processor and GPU.
//!
//! The head phantom has a bright ball towards the patient's left, front and head, so a flipped picture shows.
//! `UPDATE_GOLDEN=1` rewrites the files from the reference.

use std::sync::Arc;

use glam::{DMat3, DVec3};
use image::RgbaImage;
use imaging::geometry::{AnatomicalPlane, Dims};
use imaging::intensity::Window;
use imaging::phantom;
use imaging::volume::Volume;
use render_core::camera::Camera;
use render_core::cpu::CpuRenderer;
use render_core::gpu::GpuOptions;
use render_core::image::Image8;
use render_core::scene::{
    ClipPlane, CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlabMode, SlicePlane, SliceScene,
    VolumeMode, VolumeScene,
};
use render_core::transfer_function::{ControlPoint, TransferFunction};
use render_core::{reference, testing};
use test_support::image_compare::{Tolerance, assert_golden, compare};

const SLICE_PX: [u32; 2] = [160, 160];
const VIEW_PX: [u32; 2] = [192, 192];

fn head() -> Arc<Volume> {
    Arc::new(phantom::head(Dims::new(96, 104, 80), DVec3::new(1.5, 1.5, 1.9), DMat3::IDENTITY))
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
            point(350.0, [255, 170, 60], 0.7),
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
    }
}

/// The centre of the phantom's ball.
fn ball_lps() -> DVec3 {
    let g = *head().geometry();
    DVec3::new(0.4, -0.35, 0.3) * (g.dims().as_dvec3() * g.spacing_mm()).min_element() * 0.45
}

fn hold_slice(name: &str, scene: &SliceScene) {
    let expected = rgba(reference::slice(scene).unwrap());
    assert_golden(name, &expected, Tolerance::exact());
    let cpu = rgba(CpuRenderer::new().slice(scene).unwrap());
    assert_golden(name, &cpu, Tolerance::same_sampling());
    if let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) {
        assert_golden(name, &rgba(gpu.slice(scene).unwrap()), Tolerance::same_sampling());
    }
}

fn hold_view(name: &str, scene: &VolumeScene) {
    let black = [0.0; 3];
    let expected = rgba(reference::volume(scene).unwrap().to_srgb8(black));
    assert_golden(name, &expected, Tolerance::exact());
    let cpu = rgba(CpuRenderer::new().volume(scene).unwrap().to_srgb8(black));
    assert_golden(name, &cpu, Tolerance::same_sampling());
    if let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) {
        let frame = gpu.volume_texture(scene).unwrap();
        let shown = gpu.tone_map(&frame, black).unwrap();
        assert_golden(name, &rgba(gpu.read_image8(&shown).unwrap()), Tolerance::same_sampling());
    }
}

fn hold_anatomical(name: &str, plane: AnatomicalPlane) {
    let (right, down) = plane.screen_axes_lps();
    hold_slice(name, &slice(right, down, ball_lps(), Slab::default()));
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
    hold_slice("slice_oblique", &slice(right, down, ball_lps(), Slab::default()));
}

#[test]
fn thick_slab_shows_the_greatest_values() {
    let slab = Slab { thickness_mm: 30.0, mode: SlabMode::Max };
    let (right, down) = AnatomicalPlane::Axial.screen_axes_lps();
    let mut scene = slice(right, down, DVec3::new(0.0, 0.0, 5.0), slab);
    scene.grey.window = Window::linear(400.0, 1400.0);
    hold_slice("slab_mip", &scene);
}

#[test]
fn lit_volume_shows_brain_ball_and_skull_in_relief() {
    let mode = VolumeMode::Composite {
        transfer_function: tissue(0.25),
        lighting: Some(Lighting::default()),
    };
    hold_view("volume_lit", &opened(mode));
}

#[test]
fn unlit_volume_is_flat_colour() {
    hold_view(
        "volume_unlit",
        &opened(VolumeMode::Composite { transfer_function: tissue(0.02), lighting: None }),
    );
}

#[test]
fn mip_shows_the_densest_tissue_along_each_ray() {
    let grey = GreyMapping { window: Window::linear(500.0, 2000.0), is_inverted: false };
    hold_view("volume_mip", &opened(VolumeMode::Mip { grey }));
}

#[test]
fn clipped_and_cropped_volume_has_clean_cuts() {
    let mode = VolumeMode::Composite {
        transfer_function: tissue(0.35),
        lighting: Some(Lighting::default()),
    };
    let mut scene = view(mode);
    let normal_lps = DVec3::new(-0.5, 0.8, -0.3).normalize();
    scene.clip_planes = vec![ClipPlane { normal_lps, offset_mm: -12.0 }];
    scene.crop.min_index.z = 24.0;
    hold_view("volume_clipped", &scene);
}

#[test]
fn cube_shows_where_the_oblique_slice_cuts() {
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.3, 0.3, 0.9), DVec3::NEG_Y).unwrap();
    let slice = slice(right, down, ball_lps(), Slab::default());
    let camera = Camera::orbit(slice.volume.geometry(), 0.5, 0.5, 1.0);
    let axis_colors = [[0.91, 0.33, 0.33], [0.36, 0.78, 0.42], [0.35, 0.6, 0.95]];
    let scene = CubeScene { slice, camera, size_px: VIEW_PX, axis_colors };
    let name = "cube";
    let black = [0.0; 3];
    assert_golden(name, &rgba(reference::cube(&scene).unwrap().to_srgb8(black)), Tolerance::exact());
    let cpu = rgba(CpuRenderer::new().cube(&scene).unwrap().to_srgb8(black));
    assert_golden(name, &cpu, Tolerance::same_sampling());
    if let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) {
        let shown = rgba(gpu.cube(&scene).unwrap().to_srgb8(black));
        assert_golden(name, &shown, Tolerance::same_sampling());
    }
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
