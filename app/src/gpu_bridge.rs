//! From finished pictures to textures of the window, and from the document to render requests.
//!
//! The only place that knows both the renderer's pictures and the window's textures. The window only blits.

use std::collections::BTreeMap;

use egui::{ColorImage, TextureHandle, TextureId, TextureOptions};
use egui_wgpu::RenderState;
use imaging::volume::VolumeId;
use render_core::RendererChoice;
use render_core::camera::Camera;
use render_core::gpu::DeviceWatch;
use render_core::image::Image8;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlicePlane};

use crate::document::{SeriesKey, ViewportId, VolumeLook};
use crate::tasks::{Picture, Pixels, RenderRequest, RendererSource, Scene, Tasks};
use crate::text::UserMessage;

/// Everything a picture depends on; equal keys, equal pictures.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "see the scenes")]
pub enum SceneKey {
    Slice {
        volume: VolumeId,
        plane: SlicePlane,
        size_px: [u32; 2],
        interpolation: Interpolation,
        slab: Slab,
        grey: GreyMapping,
    },
    Volume {
        volume: VolumeId,
        camera: Camera,
        size_px: [u32; 2],
        look: VolumeLook,
        grey: Option<GreyMapping>,
        is_moving: bool,
    },
    Cube {
        volume: VolumeId,
        plane: SlicePlane,
        size_px: [u32; 2],
        camera: Camera,
        grey: GreyMapping,
        slab: Slab,
    },
}

/// A scene ready to be drawn, with its key.
pub struct Wanted {
    /// Whose picture.
    pub viewport: ViewportId,
    /// Of which series.
    pub series: SeriesKey,
    /// What it depends on.
    pub key: SceneKey,
    /// What to draw.
    pub scene: Scene,
}

/// What the window shows.
enum Texture {
    /// Uploaded from memory.
    Managed(TextureHandle),
    /// The renderer's own; kept alive while it is on screen.
    Native { id: TextureId, _texture: wgpu::Texture },
}

#[derive(Default)]
struct Slot {
    texture: Option<Texture>,
    shown_series: Option<SeriesKey>,
    requested: Option<(SceneKey, u64, SeriesKey)>,
    /// Generation of the picture on screen and whether nothing better follows.
    shown: Option<(u64, bool)>,
    error: Option<UserMessage>,
    /// Pictures that came so far.
    count: u64,
    /// Width of the last one in pixels.
    width_px: u32,
}

impl Slot {
    fn is_final(&self) -> bool {
        self.requested.as_ref().is_some_and(|(_, generation, _)| self.shown == Some((*generation, true)))
    }
}

/// Whose picture: of a viewport, or of the inset in its corner.
type SlotId = (ViewportId, bool);

/// Which renderer a window uses: its own device if that is a real GPU, else one the worker opens.
///
/// A software adapter is not shared: the window would wait behind every volume.
pub fn renderer_source(
    choice: RendererChoice,
    window: Option<&RenderState>,
    watch: &DeviceWatch,
) -> RendererSource {
    match window {
        Some(state) if choice != RendererChoice::Cpu && is_real_gpu(&state.adapter) => {
            RendererSource::Shared {
                adapter: state.adapter.clone(),
                device: state.device.clone(),
                queue: state.queue.clone(),
                watch: watch.clone(),
            }
        }
        _ => RendererSource::Open(choice),
    }
}

fn is_real_gpu(adapter: &wgpu::Adapter) -> bool {
    let kind = adapter.get_info().device_type;
    matches!(
        kind,
        wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu
    )
}

/// The pictures on screen.
#[derive(Default)]
pub struct Pictures {
    /// The window's renderer, for textures that are shown where they are.
    window: Option<RenderState>,
    slots: BTreeMap<SlotId, Slot>,
    next_generation: u64,
    thumbnails: BTreeMap<SeriesKey, Option<TextureHandle>>,
}

fn color_image(image: &Image8) -> ColorImage {
    // Opaque, so premultiplied and straight alpha are the same; this one copies fastest.
    ColorImage::from_rgba_premultiplied([image.width as usize, image.height as usize], &image.rgba)
}

/// Shows a texture of the window's device, in the place of an earlier one if there was one.
fn show_native(texture: wgpu::Texture, old: Option<Texture>, window: &RenderState) -> Texture {
    let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
    let filter = wgpu::FilterMode::Linear;
    let mut renderer = window.renderer.write();
    let id = match old {
        Some(Texture::Native { id, .. }) => {
            renderer.update_egui_texture_from_wgpu_texture(&window.device, &view, filter, id);
            id
        }
        _ => renderer.register_native_texture(&window.device, &view, filter),
    };
    Texture::Native { id, _texture: texture }
}

fn release(texture: Option<Texture>, window: Option<&RenderState>) {
    if let (Some(Texture::Native { id, .. }), Some(window)) = (texture, window) {
        window.renderer.write().free_texture(&id);
    }
}

impl Pictures {
    /// No pictures yet; `window` is what shows textures that stay on the GPU.
    pub fn new(window: Option<RenderState>) -> Self {
        Self { window, ..Self::default() }
    }

    /// What draws the window itself.
    pub fn window_adapter(&self) -> String {
        let Some(window) = &self.window else { return String::new() };
        let info = window.adapter.get_info();
        format!("{} ({:?})", info.name, info.backend)
    }

    /// Destroys the window's device.
    pub(crate) fn lose_device(&self) {
        if let Some(window) = &self.window {
            window.device.destroy();
        }
    }

    /// Asks for pictures whose key changed; the renderer drops what is out of date.
    pub fn request(&mut self, wanted: Vec<Wanted>, tasks: &Tasks) {
        for w in wanted {
            let is_inset = matches!(w.scene, Scene::Cube(_));
            let slot = self.slots.entry((w.viewport, is_inset)).or_default();
            if slot.requested.as_ref().is_some_and(|(key, ..)| *key == w.key) {
                continue;
            }
            self.next_generation += 1;
            slot.requested = Some((w.key, self.next_generation, w.series));
            tasks.render(RenderRequest {
                viewport: w.viewport,
                series: w.series,
                generation: self.next_generation,
                scene: w.scene,
            });
        }
    }

    /// Puts a finished picture on screen, unless a later one is there already or the viewport shows another series
    /// by now: a picture never stands under another patient's name.
    pub fn accept(&mut self, ctx: &egui::Context, picture: Picture) {
        let slot = self.slots.entry((picture.viewport, picture.is_inset)).or_default();
        if slot.shown.is_some_and(|(generation, _)| generation > picture.generation) {
            return;
        }
        if slot.requested.as_ref().is_none_or(|(.., series)| *series != picture.series) {
            return;
        }
        slot.count += 1;
        slot.width_px = picture.pixels.width_px();
        let old = slot.texture.take();
        slot.texture = match (picture.pixels, old, &self.window) {
            (Pixels::Memory(image), Some(Texture::Managed(mut texture)), _) => {
                texture.set(color_image(&image), TextureOptions::LINEAR);
                Some(Texture::Managed(texture))
            }
            (Pixels::Memory(image), old, window) => {
                release(old, window.as_ref());
                let name = format!("viewport {}", picture.viewport.0);
                Some(Texture::Managed(ctx.load_texture(name, color_image(&image), TextureOptions::LINEAR)))
            }
            (Pixels::Texture(texture), old, Some(window)) => Some(show_native(texture, old, window)),
            // Without the window's device there is nothing that could show it; the renderer is never shared then.
            (Pixels::Texture(_), old, None) => old,
        };
        slot.shown_series = Some(picture.series);
        slot.shown = Some((picture.generation, picture.is_final));
        slot.error = None;
    }

    /// Notes that a picture could not be drawn.
    pub fn fail(&mut self, viewport: ViewportId, error: UserMessage) {
        self.slots.entry((viewport, false)).or_default().error = Some(error);
    }

    /// The picture of a viewport, if it shows this series.
    pub fn texture(&self, viewport: ViewportId, series: SeriesKey, is_inset: bool) -> Option<TextureId> {
        let slot = self.slots.get(&(viewport, is_inset))?;
        let texture = slot.texture.as_ref()?;
        let id = match texture {
            Texture::Managed(handle) => handle.id(),
            Texture::Native { id, .. } => *id,
        };
        (slot.shown_series == Some(series)).then_some(id)
    }

    /// Pictures that a viewport was given so far.
    pub fn count(&self, viewport: ViewportId) -> u64 {
        self.slots.get(&(viewport, false)).map_or(0, |slot| slot.count)
    }

    /// Width in pixels of the picture of a viewport; less than the viewport's while a volume turns.
    pub fn width_px(&self, viewport: ViewportId) -> u32 {
        self.slots.get(&(viewport, false)).map_or(0, |slot| slot.width_px)
    }

    /// Whether the picture of a viewport is the one asked for last, in its final form.
    pub fn is_final(&self, viewport: ViewportId) -> bool {
        self.slots.get(&(viewport, false)).is_some_and(Slot::is_final)
    }

    /// Why the viewport has no picture.
    pub fn error(&self, viewport: ViewportId) -> Option<&UserMessage> {
        self.slots.get(&(viewport, false))?.error.as_ref()
    }

    /// Whether every picture that was asked for is on screen in its final form.
    pub fn is_settled(&self) -> bool {
        self.slots.values().all(|slot| slot.requested.is_none() || slot.error.is_some() || slot.is_final())
    }

    /// Forgets everything, for when all studies are closed.
    pub fn clear(&mut self) {
        for slot in std::mem::take(&mut self.slots).into_values() {
            release(slot.texture, self.window.as_ref());
        }
        self.thumbnails.clear();
    }

    /// Takes a thumbnail; `None` means there is none to be had.
    pub fn accept_thumbnail(&mut self, ctx: &egui::Context, key: SeriesKey, image: Option<&Image8>) {
        let texture = image.map(|i| {
            ctx.load_texture(format!("thumbnail {}", key.0), color_image(i), TextureOptions::LINEAR)
        });
        self.thumbnails.insert(key, texture);
    }

    /// A thumbnail, once there.
    pub fn thumbnail(&self, key: SeriesKey) -> Option<TextureId> {
        self.thumbnails.get(&key)?.as_ref().map(TextureHandle::id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const VIEWPORT: ViewportId = ViewportId(0);

    fn picture(series: SeriesKey, generation: u64) -> Picture {
        Picture {
            viewport: VIEWPORT,
            series,
            generation,
            is_inset: false,
            pixels: Pixels::Memory(Image8::black(2, 2)),
            is_final: true,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn late_picture_of_another_series_is_never_shown() {
        let ctx = egui::Context::default();
        let (before, now) = (SeriesKey(1), SeriesKey(2));
        let mut pictures = Pictures::new(None);
        let volume = imaging::phantom::head(
            imaging::geometry::Dims::new(4, 4, 4),
            glam::DVec3::ONE,
            glam::DMat3::IDENTITY,
        );
        let plane = SlicePlane {
            center_lps: glam::DVec3::ZERO,
            right: glam::DVec3::X,
            down: glam::DVec3::Y,
            mm_per_px: 1.0,
        };
        let window = imaging::intensity::Window::linear(40.0, 400.0);
        let key = SceneKey::Slice {
            volume: volume.id(),
            plane,
            size_px: [2, 2],
            interpolation: Interpolation::Linear,
            slab: Slab::default(),
            grey: GreyMapping { window, is_inverted: false },
        };
        pictures.slots.entry((VIEWPORT, false)).or_default().requested = Some((key, 2, now));
        pictures.accept(&ctx, picture(before, 1));
        assert!(pictures.texture(VIEWPORT, now, false).is_none(), "another patient's picture");
        assert!(pictures.texture(VIEWPORT, before, false).is_none());
        pictures.accept(&ctx, picture(now, 2));
        assert!(pictures.texture(VIEWPORT, now, false).is_some() && pictures.is_settled());
        pictures.clear();
        pictures.accept(&ctx, picture(now, 3));
        assert!(pictures.texture(VIEWPORT, now, false).is_none(), "everything was closed");
    }
}
