//! The slow, readable twin of every pass, in `f64`: the definition that GPU and CPU are tested against.
//!
//! Written for reading; uses every core per row of pixels and nothing else to be fast.

use glam::{DVec2, DVec3};
use imaging::volume::{Channels, Volume};
use rayon::prelude::*;

use crate::RenderError;
use crate::camera::{Camera, Ray};
use crate::image::{Image8, ImageF32};
use crate::scene::{
    CropBox, CubeScene, GreyMapping, Interpolation, Lighting, SlabMode, SliceScene, VolumeMode, VolumeScene,
    pixel_offset, start_offset,
};
use crate::transfer_function::TransferLut;

mod layers;

pub use layers::slice_labels;

/// Modality values of a slice, one per pixel; NaN outside the volume. For colour volumes channel `channel`.
///
/// # Errors
/// If the scene does not validate.
pub fn slice_values(scene: &SliceScene, channel: usize) -> Result<Vec<f64>, RenderError> {
    scene.validate()?;
    let [width, height] = scene.size_px;
    let offsets = scene.slab.offsets_mm(scene.volume.geometry());
    let normal = scene.plane.normal();
    let to_index = scene.volume.geometry().index_from_lps();
    let value_at = |x: u32, y: u32| {
        let p = scene.plane.lps_from_px(f64::from(x) + 0.5, f64::from(y) + 0.5, scene.size_px);
        let samples: Vec<f64> = offsets
            .iter()
            .filter_map(|&mm| sample(scene, to_index.transform_point3(p + normal * mm), channel))
            .collect();
        combine(&samples, scene.slab.mode)
    };
    Ok((0..height)
        .into_par_iter()
        .flat_map_iter(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| value_at(x, y))
        .collect())
}

fn sample(scene: &SliceScene, index: DVec3, channel: usize) -> Option<f64> {
    match scene.interpolation {
        Interpolation::Linear => scene.volume.sample_linear(index, channel, scene.time_point),
        Interpolation::Nearest => {
            let i = (index + 0.5).floor();
            let is_inside = i.cmpge(DVec3::ZERO).all();
            let i = [i.x as usize, i.y as usize, i.z as usize];
            is_inside.then(|| scene.volume.shown_value_at(i, channel, scene.time_point)).flatten()
        }
    }
}

fn combine(samples: &[f64], mode: SlabMode) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    match mode {
        SlabMode::Mean => samples.iter().sum::<f64>() / samples.len() as f64,
        SlabMode::Max => samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        SlabMode::Min => samples.iter().copied().fold(f64::INFINITY, f64::min),
    }
}

/// A slice as shown: windowed grey or the colours of the map, or those of a colour volume; black outside; with its
/// layers.
///
/// # Errors
/// If the scene does not validate.
pub fn slice(scene: &SliceScene) -> Result<Image8, RenderError> {
    let mut image = image_slice(scene)?;
    for layer in &scene.layers {
        layers::blend(scene, layer, &mut image)?;
    }
    Ok(image)
}

/// The image of a slice without its layers.
fn image_slice(scene: &SliceScene) -> Result<Image8, RenderError> {
    let [width, height] = scene.size_px;
    let byte = |v: f64| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    let rgba: Vec<u8> = match scene.volume.channels() {
        Channels::Scalar => slice_values(scene, 0)?
            .into_iter()
            .flat_map(|v| {
                let [red, green, blue] = match &scene.color_map {
                    _ if v.is_nan() => [0; 3],
                    None => [byte(scene.grey.apply(v)); 3],
                    Some(map) => map.color_at(scene.grey.apply(v)).map(|c| (c + 0.5) as u8),
                };
                [red, green, blue, 255]
            })
            .collect(),
        Channels::Rgb | Channels::Rgba => {
            let white = scene.volume.color_white();
            let channel = |c| slice_values(scene, c);
            let (r, g, b) = (channel(0)?, channel(1)?, channel(2)?);
            let alpha = match scene.volume.channels() {
                Channels::Rgba => channel(3)?,
                _ => vec![white; r.len()],
            };
            let shown = |v: f64, a: f64| byte(v / white * a / white);
            (0..r.len())
                .flat_map(|i| [shown(r[i], alpha[i]), shown(g[i], alpha[i]), shown(b[i], alpha[i]), 255])
                .collect()
        }
    };
    Ok(Image8 { width, height, rgba })
}

/// Display colour (sRGB-coded) of a thin slice at a continuous index, `None` outside.
fn shown_at(scene: &SliceScene, index: DVec3) -> Option<[f32; 3]> {
    let value = |channel| sample(scene, index, channel);
    let white = scene.volume.color_white();
    let alpha = match scene.volume.channels() {
        Channels::Scalar => return Some([scene.grey.apply(value(0)?) as f32; 3]),
        Channels::Rgb => 1.0,
        Channels::Rgba => value(3)? / white,
    };
    let shown = |v: f64| (v / white * alpha).clamp(0.0, 1.0) as f32;
    Some([shown(value(0)?), shown(value(1)?), shown(value(2)?)])
}

/// Part of a ray inside the visible volume, `t_entry..t_exit` in mm, or `None` if it misses.
pub fn visible_segment(scene: &VolumeScene, ray: Ray) -> Option<(f64, f64)> {
    let to_index = scene.volume.geometry().index_from_lps();
    let origin = to_index.transform_point3(ray.origin_lps);
    let direction = to_index.transform_vector3(ray.direction_lps);
    let crop = scene.crop.intersection(CropBox::whole(scene.volume.geometry()));
    let is_perspective = matches!(scene.camera.projection, crate::camera::Projection::Perspective { .. });
    let (mut entry, mut exit) = (if is_perspective { 0.0 } else { f64::NEG_INFINITY }, f64::INFINITY);
    for axis in 0..3 {
        let (o, d) = (origin[axis], direction[axis]);
        let (low, high) = (crop.min_index[axis], crop.max_index[axis]);
        if d.abs() < 1e-12 {
            if o < low || o > high {
                return None;
            }
            continue;
        }
        let (a, b) = ((low - o) / d, (high - o) / d);
        entry = entry.max(a.min(b));
        exit = exit.min(a.max(b));
    }
    for plane in &scene.clip_planes {
        let distance = plane.normal_lps.dot(ray.origin_lps) - plane.offset_mm;
        let rate = plane.normal_lps.dot(ray.direction_lps);
        if rate.abs() < 1e-12 {
            if distance < 0.0 {
                return None;
            }
        } else if rate > 0.0 {
            entry = entry.max(-distance / rate);
        } else {
            exit = exit.min(-distance / rate);
        }
    }
    (entry < exit).then_some((entry, exit))
}

/// Trilinear modality value at a continuous index, clamped to the outer voxel centres.
fn clamped_sample(volume: &Volume, index: DVec3, time_point: usize) -> f64 {
    let clamped = index.clamp(DVec3::ZERO, volume.dims().as_dvec3() - 1.0);
    volume.sample_linear(clamped, 0, time_point).unwrap_or(0.0)
}

/// Gradient of the modality value per mm in LPS, by central differences over ±1 voxel.
fn gradient_lps(volume: &Volume, index: DVec3, time_point: usize) -> DVec3 {
    let at = |offset: DVec3| clamped_sample(volume, index + offset, time_point);
    let difference = |axis: DVec3| (at(axis) - at(-axis)) * 0.5;
    let g = DVec3::new(difference(DVec3::X), difference(DVec3::Y), difference(DVec3::Z));
    volume.geometry().index_from_lps().matrix3.transpose() * g
}

/// Colour of a lit sample: Blinn-Phong with both sides lit, fading to unlit where the gradient vanishes.
///
/// `gradient` in modality units per mm; `full_at` is the magnitude from which shading is full.
pub fn shade(
    color: [f32; 3],
    gradient: DVec3,
    full_at: f64,
    light: &Lighting,
    camera: &Camera,
    view: DVec3,
) -> [f32; 3] {
    let magnitude = gradient.length();
    let Some(normal) = gradient.try_normalize() else { return color };
    let basis = camera.basis();
    let [x, y, z] = light.towards_lamp.map(f64::from);
    let lamp = (basis.right * x + basis.up * y - basis.forward * z).normalize_or(-basis.forward);
    let half = (lamp - view).normalize_or(lamp);
    let diffuse = normal.dot(lamp).abs() as f32;
    let highlight = (normal.dot(half).abs() as f32).powf(light.shininess) * light.specular;
    let weight = (magnitude / full_at).clamp(0.0, 1.0) as f32;
    color.map(|c| {
        let lit = c * (light.ambient + light.diffuse * diffuse) + highlight;
        c + (lit - c) * weight
    })
}

/// Gradient magnitude (modality units per mm) from which a sample is fully shaded: 1 % of the LUT's range.
pub fn full_shading_gradient(lut: &TransferLut) -> f64 {
    (lut.high - lut.low) * 0.01
}

/// A volume view as linear, premultiplied colour. MIP pictures hold the window's grey, decoded to linear light.
///
/// # Errors
/// If the scene does not validate.
pub fn volume(scene: &VolumeScene) -> Result<ImageF32, RenderError> {
    scene.validate()?;
    let [width, height] = scene.size_px;
    let step_mm = scene.effective_step_mm();
    let lut = match &scene.mode {
        VolumeMode::Composite { transfer_function, .. } => Some(transfer_function.lut(step_mm)),
        VolumeMode::Mip { .. } => None,
    };
    let [shift_x, shift_y] = pixel_offset(scene.jitter_frame);
    let pixels = (0..height)
        .into_par_iter()
        .flat_map_iter(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| {
            let point = DVec2::new(f64::from(x) + 0.5 + shift_x, f64::from(y) + 0.5 + shift_y);
            let ray = scene.camera.ray(point, scene.size_px);
            let Some((entry, exit)) = visible_segment(scene, ray) else { return [0.0; 4] };
            let first = entry + f64::from(start_offset(x, y, scene.jitter_frame)) * step_mm;
            let samples = (0..).map(|k| first + f64::from(k) * step_mm).take_while(|&t| t < exit);
            match (&scene.mode, &lut) {
                (VolumeMode::Composite { lighting, .. }, Some(lut)) => {
                    composite(scene, lut, lighting.as_ref(), ray, samples)
                }
                (VolumeMode::Mip { grey }, _) => maximum(scene, grey, ray, samples),
                (VolumeMode::Composite { .. }, None) => [0.0; 4],
            }
        })
        .collect();
    Ok(ImageF32 { width, height, pixels })
}

fn composite(
    scene: &VolumeScene,
    lut: &TransferLut,
    lighting: Option<&Lighting>,
    ray: Ray,
    samples: impl Iterator<Item = f64>,
) -> [f32; 4] {
    let to_index = scene.volume.geometry().index_from_lps();
    let [mut red, mut green, mut blue, mut alpha] = [0.0f32; 4];
    for t in samples {
        let index = to_index.transform_point3(ray.origin_lps + ray.direction_lps * t);
        let [r, g, b, a] = lut.lookup(clamped_sample(&scene.volume, index, scene.time_point));
        if a <= 0.0 {
            continue;
        }
        let color = match lighting {
            Some(light) => {
                let gradient = gradient_lps(&scene.volume, index, scene.time_point);
                let full_at = full_shading_gradient(lut);
                shade([r, g, b], gradient, full_at, light, &scene.camera, ray.direction_lps)
            }
            None => [r, g, b],
        };
        let weight = (1.0 - alpha) * a;
        red += weight * color[0];
        green += weight * color[1];
        blue += weight * color[2];
        alpha += weight;
    }
    [red, green, blue, alpha]
}

fn maximum(
    scene: &VolumeScene,
    grey: &GreyMapping,
    ray: Ray,
    samples: impl Iterator<Item = f64>,
) -> [f32; 4] {
    let to_index = scene.volume.geometry().index_from_lps();
    let highest = samples
        .map(|t| to_index.transform_point3(ray.origin_lps + ray.direction_lps * t))
        .map(|index| clamped_sample(&scene.volume, index, scene.time_point))
        .fold(f64::NEG_INFINITY, f64::max);
    if highest == f64::NEG_INFINITY {
        return [0.0; 4];
    }
    let linear = crate::image::decode_srgb(grey.apply(highest) as f32);
    [linear, linear, linear, 1.0]
}

/// Half width in pixels of the cube's edges.
pub const CUBE_EDGE_HALF_PX: f64 = 1.25;

/// The slice plane inside the volume's coloured edges. Linear, premultiplied.
///
/// The plane is opaque where the volume is cut; edges are drawn in front of or behind it by depth.
///
/// # Errors
/// If the slice does not validate.
pub fn cube(scene: &CubeScene) -> Result<ImageF32, RenderError> {
    scene.slice.validate()?;
    let [width, height] = scene.size_px;
    let edges = cube_edges(scene);
    let pixels = (0..height)
        .into_par_iter()
        .flat_map_iter(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| {
            let point = DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5);
            let plane = plane_color(scene, point);
            cube_pixel(point, plane, &edges)
        })
        .collect();
    Ok(ImageF32 { width, height, pixels })
}

/// One projected edge: ends in px, depths in mm, linear colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProjectedEdge {
    pub(crate) ends_px: [DVec2; 2],
    pub(crate) depths_mm: [f64; 2],
    pub(crate) color: [f32; 3],
}

/// The twelve edges of the volume as seen by the camera; edges that reach behind the camera are left out.
pub(crate) fn cube_edges(scene: &CubeScene) -> Vec<ProjectedEdge> {
    let corners = scene.slice.volume.geometry().corners_lps();
    let mut edges = Vec::with_capacity(12);
    for from in 0..8usize {
        for axis in 0..3usize {
            let to = from | (1 << axis);
            let projected = |i: usize| scene.camera.project(corners[i], scene.size_px);
            if to == from {
                continue;
            }
            if let (Some((a, da)), Some((b, db))) = (projected(from), projected(to)) {
                let color = scene.axis_colors[axis].map(crate::image::decode_srgb);
                edges.push(ProjectedEdge { ends_px: [a, b], depths_mm: [da, db], color });
            }
        }
    }
    edges
}

/// Linear colour and depth of the cut plane at a point of the picture, if the ray meets it inside the volume.
pub(crate) fn plane_color(scene: &CubeScene, point_px: DVec2) -> Option<([f32; 3], f64)> {
    let ray = scene.camera.ray(point_px, scene.size_px);
    let plane = &scene.slice.plane;
    let rate = ray.direction_lps.dot(plane.normal());
    if rate.abs() < 1e-9 {
        return None;
    }
    let t = (plane.center_lps - ray.origin_lps).dot(plane.normal()) / rate;
    let hit = ray.origin_lps + ray.direction_lps * t;
    let index = scene.slice.volume.geometry().index_from_lps().transform_point3(hit);
    let color = shown_at(&scene.slice, index).filter(|_| t > 0.0)?.map(crate::image::decode_srgb);
    let depth = (hit - scene.camera.position_lps).dot(scene.camera.basis().forward);
    Some((color, depth))
}

pub(crate) fn cube_pixel(point: DVec2, plane: Option<([f32; 3], f64)>, edges: &[ProjectedEdge]) -> [f32; 4] {
    let mut layers: Vec<(f64, [f32; 3], f32)> =
        plane.map(|(color, depth)| (depth, color, 1.0)).into_iter().collect();
    for edge in edges {
        let along = edge.ends_px[1] - edge.ends_px[0];
        let t = ((point - edge.ends_px[0]).dot(along) / along.length_squared().max(1e-12)).clamp(0.0, 1.0);
        let distance = point.distance(edge.ends_px[0] + along * t);
        let coverage = (CUBE_EDGE_HALF_PX + 0.5 - distance).clamp(0.0, 1.0) as f32;
        if coverage > 0.0 {
            let depth = edge.depths_mm[0] + (edge.depths_mm[1] - edge.depths_mm[0]) * t;
            layers.push((depth, edge.color, coverage));
        }
    }
    layers.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = [0.0f32; 4];
    for (_, color, opacity) in layers {
        let weight = (1.0 - out[3]) * opacity;
        for c in 0..3 {
            out[c] += weight * color[c];
        }
        out[3] += weight;
    }
    out
}

#[cfg(test)]
mod tests;
