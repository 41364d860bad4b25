//! From finished pictures to textures of the window, and from the document to render requests.
//!
//! The only place that knows both the renderer's pictures and the window's textures. The window only blits.

mod blit;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use egui::{Color32, ColorImage, Painter, Rect, Shape, TextureHandle, TextureOptions, pos2};
use egui_wgpu::RenderState;
use glam::DVec3;
use imaging::volume::VolumeId;
use render_core::RendererChoice;
use render_core::camera::Camera;
use render_core::color_map::ColorMap;
use render_core::gpu::DeviceWatch;
use render_core::image::Image8;
use render_core::layers::SliceLayer;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlicePlane};

use crate::document::{SeriesKey, SliceView, ViewportId, VolumeLook};
use crate::tasks::{Picture, Pixels, RenderRequest, RendererSource, Scene, Stage, Tasks};
use crate::text::UserMessage;
use crate::theme;
use blit::{BlitPicture, Blitter};

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
        color_map: Option<Arc<ColorMap>>,
        layers: Vec<SliceLayer>,
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

/// How a slice is looked at: what is written over its picture follows from this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Caption {
    /// Directions and framing.
    pub view: SliceView,
    /// Crosshair the plane goes through, LPS in mm.
    pub cursor_lps: DVec3,
}

/// What a picture on screen shows, which may lag behind the document while the next one is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Everything it depends on.
    pub key: SceneKey,
    /// For slices.
    pub caption: Option<Caption>,
}

/// A scene ready to be drawn, with its key.
pub struct Wanted {
    /// Whose picture.
    pub viewport: ViewportId,
    /// Of which series.
    pub series: SeriesKey,
    /// What it depends on.
    pub key: SceneKey,
    /// For slices.
    pub caption: Option<Caption>,
    /// What to draw.
    pub scene: Scene,
}

/// What the window shows.
enum Texture {
    /// The toolkit's, where it does not draw with wgpu.
    Managed(TextureHandle),
    /// On the window's device.
    Blit(BlitPicture),
}

#[derive(Default)]
struct Slot {
    texture: Option<Texture>,
    shown_series: Option<SeriesKey>,
    requested: Option<(SceneKey, u64, SeriesKey)>,
    /// Generation of the picture on screen and how good it is.
    shown: Option<(u64, Stage)>,
    /// What that picture shows.
    shown_scene: Option<Shown>,
    /// What was asked for and may still come, oldest first.
    asked: VecDeque<(u64, Shown)>,
    error: Option<UserMessage>,
    /// Pictures that came so far.
    count: u64,
    /// Width of the last one in pixels.
    width_px: u32,
}

/// Requests that are remembered per picture; a renderer so far behind draws only the latest anyway.
const MAX_ASKED: usize = 4096;

impl Slot {
    /// Remembers what the picture of a request will show.
    fn ask(&mut self, generation: u64, shown: Shown) {
        if self.asked.len() >= MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((generation, shown));
    }

    /// Notes what is on screen now; requests before it have been passed over.
    fn show(&mut self, generation: u64, stage: Stage) {
        while self.asked.front().is_some_and(|(asked, _)| *asked < generation) {
            self.asked.pop_front();
        }
        if let Some((asked, shown)) = self.asked.front()
            && *asked == generation
        {
            self.shown_scene = Some(shown.clone());
        } else if self.shown.is_none_or(|(before, _)| before != generation) {
            self.shown_scene = None;
        }
        self.shown = Some((generation, stage));
    }

    /// How good the picture on screen is, if it is of the latest request.
    fn stage(&self) -> Option<Stage> {
        let (_, requested, _) = self.requested.as_ref()?;
        self.shown.filter(|(generation, _)| generation == requested).map(|(_, stage)| stage)
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
    /// The window's renderer.
    window: Option<RenderState>,
    /// Draws the pictures in it.
    blitter: Option<Blitter>,
    /// One pixel of the colour between panels.
    background: Option<BlitPicture>,
    slots: BTreeMap<SlotId, Slot>,
    next_generation: u64,
    thumbnails: BTreeMap<SeriesKey, Option<TextureHandle>>,
}

fn color_image(image: &Image8) -> ColorImage {
    // Opaque, so premultiplied and straight alpha are the same; this one copies fastest.
    ColorImage::from_rgba_premultiplied([image.width as usize, image.height as usize], &image.rgba)
}

impl SceneKey {
    /// Size of the whole picture in device pixels.
    pub fn size_px(&self) -> [u32; 2] {
        match self {
            Self::Slice { size_px, .. } | Self::Volume { size_px, .. } | Self::Cube { size_px, .. } => {
                *size_px
            }
        }
    }
}

impl Pictures {
    /// No pictures yet; `window` is what will show them.
    pub fn new(window: Option<RenderState>) -> Self {
        let blitter = window.as_ref().map(Blitter::new);
        let chrome = Image8 { width: 1, height: 1, rgba: theme::CHROME.to_array().to_vec() };
        let background = blitter.as_ref().map(|b| b.upload(&chrome, None));
        Self { window, blitter, background, ..Self::default() }
    }

    /// Fills the window with the colour of panels, which then need no background of their own.
    pub fn background_ui(&self, painter: &Painter, rect: Rect) {
        match (&self.blitter, &self.background) {
            (Some(blitter), Some(pixel)) => painter.add(blitter.callback(rect, pixel)),
            _ => painter.rect_filled(rect, 0.0, theme::CHROME),
        };
    }

    /// Draws the picture of a viewport at `place`, if it is of this series; false if there is none.
    pub fn picture_ui(
        &self,
        painter: &Painter,
        place: Rect,
        (viewport, series, is_inset): (ViewportId, SeriesKey, bool),
    ) -> bool {
        let Some(slot) = self.slots.get(&(viewport, is_inset)) else { return false };
        let Some(texture) = slot.texture.as_ref().filter(|_| slot.shown_series == Some(series)) else {
            return false;
        };
        let shape = match (texture, &self.blitter) {
            (Texture::Managed(handle), _) => {
                let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                Shape::image(handle.id(), place, whole, Color32::WHITE)
            }
            (Texture::Blit(picture), Some(blitter)) => blitter.callback(place, picture).into(),
            (Texture::Blit(_), None) => return false,
        };
        painter.add(shape);
        true
    }

    /// What draws the window itself.
    pub fn window_adapter(&self) -> String {
        let Some(window) = &self.window else { return "processor".to_owned() };
        let info = window.adapter.get_info();
        format!("{} ({:?})", info.name, info.backend)
    }

    /// Lets the window's device report what happened to it, its loss above all. Does not wait.
    pub(crate) fn poll_device(&self) {
        if let Some(window) = &self.window {
            // A device that is lost may refuse; that it is lost was reported then.
            let _ = window.device.poll(wgpu::PollType::Poll);
        }
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
            slot.ask(self.next_generation, Shown { key: w.key.clone(), caption: w.caption });
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
        slot.texture = match (picture.pixels, old, &self.blitter) {
            (Pixels::Memory(image), Some(Texture::Blit(old)), Some(blitter)) => {
                Some(Texture::Blit(blitter.upload(&image, Some(old))))
            }
            (Pixels::Memory(image), _, Some(blitter)) => Some(Texture::Blit(blitter.upload(&image, None))),
            (Pixels::Texture(texture), _, Some(blitter)) => Some(Texture::Blit(blitter.show(texture))),
            (Pixels::Memory(image), Some(Texture::Managed(mut handle)), None) => {
                handle.set(color_image(&image), TextureOptions::LINEAR);
                Some(Texture::Managed(handle))
            }
            (Pixels::Memory(image), _, None) => {
                let name = format!("viewport {}", picture.viewport.0);
                Some(Texture::Managed(ctx.load_texture(name, color_image(&image), TextureOptions::LINEAR)))
            }
            // Without the window's device there is nothing that could show it; the renderer is never shared then.
            (Pixels::Texture(_), old, None) => old,
        };
        slot.shown_series = Some(picture.series);
        slot.show(picture.generation, picture.stage);
        slot.error = None;
    }

    /// Notes that a picture could not be drawn.
    pub fn fail(&mut self, viewport: ViewportId, error: UserMessage) {
        self.slots.entry((viewport, false)).or_default().error = Some(error);
    }

    /// Whether a viewport has a picture of this series.
    pub fn has_picture(&self, viewport: ViewportId, series: SeriesKey, is_inset: bool) -> bool {
        let slot = self.slots.get(&(viewport, is_inset));
        slot.is_some_and(|slot| slot.texture.is_some() && slot.shown_series == Some(series))
    }

    /// What the picture of a viewport shows, if it is of this series.
    pub fn shown(&self, viewport: ViewportId, series: SeriesKey) -> Option<&Shown> {
        let slot = self.slots.get(&(viewport, false))?;
        slot.shown_scene.as_ref().filter(|_| slot.shown_series == Some(series))
    }

    /// Pictures that a viewport was given so far.
    pub fn count(&self, viewport: ViewportId) -> u64 {
        self.slots.get(&(viewport, false)).map_or(0, |slot| slot.count)
    }

    /// Width in pixels of the picture of a viewport; less than the viewport's while a volume turns.
    pub fn width_px(&self, viewport: ViewportId) -> u32 {
        self.slots.get(&(viewport, false)).map_or(0, |slot| slot.width_px)
    }

    /// How good the picture of a viewport is, if it shows what was asked for last.
    pub fn stage(&self, viewport: ViewportId) -> Option<Stage> {
        self.slots.get(&(viewport, false))?.stage()
    }

    /// Why the viewport has no picture.
    pub fn error(&self, viewport: ViewportId) -> Option<&UserMessage> {
        self.slots.get(&(viewport, false))?.error.as_ref()
    }

    /// Whether every picture that was asked for is on screen in its final form.
    pub fn is_settled(&self) -> bool {
        self.slots.values().all(|slot| {
            slot.requested.is_none() || slot.error.is_some() || slot.stage() == Some(Stage::Final)
        })
    }

    /// Forgets everything, for when all studies are closed.
    pub fn clear(&mut self) {
        self.slots.clear();
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
    pub fn thumbnail(&self, key: SeriesKey) -> Option<egui::TextureId> {
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
            stage: Stage::Final,
            duration: Duration::ZERO,
        }
    }

    fn slice_key(center_x: f64) -> SceneKey {
        let dims = imaging::geometry::Dims::new(4, 4, 4);
        let volume = imaging::phantom::head(dims, DVec3::ONE, glam::DMat3::IDENTITY);
        let center_lps = DVec3::new(center_x, 0.0, 0.0);
        let plane = SlicePlane { center_lps, right: DVec3::X, down: DVec3::Y, mm_per_px: 1.0 };
        let window = imaging::intensity::Window::linear(40.0, 400.0);
        SceneKey::Slice {
            volume: volume.id(),
            plane,
            size_px: [2, 2],
            interpolation: Interpolation::Linear,
            slab: Slab::default(),
            grey: GreyMapping { window, is_inverted: false },
            color_map: None,
            layers: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_over_a_picture_belongs_to_that_picture_and_not_to_the_next() {
        let ctx = egui::Context::default();
        let series = SeriesKey(1);
        let caption = |right| {
            let view = SliceView { right, ..SliceView::new(imaging::geometry::AnatomicalPlane::Axial) };
            Caption { view, cursor_lps: DVec3::ZERO }
        };
        let mut pictures = Pictures::new(None);
        let slot = pictures.slots.entry((VIEWPORT, false)).or_default();
        for (generation, right) in [(1, DVec3::X), (2, DVec3::Y), (3, DVec3::NEG_X)] {
            let key = slice_key(generation as f64);
            slot.ask(generation, Shown { key: key.clone(), caption: Some(caption(right)) });
            slot.requested = Some((key, generation, series));
        }
        let right = |p: &Pictures| p.shown(VIEWPORT, series).and_then(|s| s.caption).map(|c| c.view.right);
        assert_eq!(right(&pictures), None, "nothing is shown yet");
        pictures.accept(&ctx, picture(series, 1));
        assert_eq!(right(&pictures), Some(DVec3::X), "the request is ahead, the picture is not");
        // The second was passed over.
        pictures.accept(&ctx, picture(series, 3));
        assert_eq!(right(&pictures), Some(DVec3::NEG_X));
        // A finer picture of the same request.
        pictures.accept(&ctx, picture(series, 3));
        assert_eq!(right(&pictures), Some(DVec3::NEG_X));
        assert_eq!(pictures.shown(VIEWPORT, SeriesKey(2)), None, "not of another series");
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
            color_map: None,
            layers: Vec::new(),
        };
        pictures.slots.entry((VIEWPORT, false)).or_default().requested = Some((key, 2, now));
        pictures.accept(&ctx, picture(before, 1));
        assert!(!pictures.has_picture(VIEWPORT, now, false), "another patient's picture");
        assert!(!pictures.has_picture(VIEWPORT, before, false));
        pictures.accept(&ctx, picture(now, 2));
        assert!(pictures.has_picture(VIEWPORT, now, false) && pictures.is_settled());
        pictures.clear();
        pictures.accept(&ctx, picture(now, 3));
        assert!(!pictures.has_picture(VIEWPORT, now, false), "everything was closed");
    }
}
