//! Small pictures of series for the browser, one after the other, the latest asked for first.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use imaging::color_profile::in_srgb;
use imaging::formats;
use imaging::geometry::Geometry;
use imaging::intensity::Window;
use imaging::series::SeriesEntry;
use imaging::volume::Volume;
use render_core::image::Image8;
use render_core::reference;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlicePlane, SliceScene};

use super::{Message, Outbox, spawn};
use crate::document::SeriesKey;

/// Edge of a thumbnail in pixels: 48 points on a screen of twice the density.
const EDGE_PX: u32 = 96;

pub(super) enum ThumbnailSource {
    Files(Box<SeriesEntry>),
    Memory(Arc<Volume>),
}

pub(super) fn start(outbox: Outbox) -> Sender<(SeriesKey, ThumbnailSource)> {
    let (sender, inbox) = channel::<(SeriesKey, ThumbnailSource)>();
    spawn("thumbnails", move || {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                match inbox.recv() {
                    Ok(request) => waiting.push(request),
                    Err(_) => return,
                }
            }
            waiting.extend(inbox.try_iter());
            if let Some((key, source)) = waiting.pop() {
                outbox.send(Message::Thumbnail { key, image: thumbnail(source) });
            }
        }
    });
    sender
}

/// The middle slice as acquired, in the file's first window or between percentiles.
fn thumbnail(source: ThumbnailSource) -> Option<Image8> {
    let (slice, window, is_inverted) = match source {
        ThumbnailSource::Files(entry) => {
            let slice = formats::load_slice(&entry, entry.dims.z / 2, 0).ok()?;
            (in_srgb(&Arc::new(slice)), entry.windows.first().map(|w| w.window), entry.is_inverted)
        }
        ThumbnailSource::Memory(volume) => (volume, None, false),
    };
    draw(slice, window, is_inverted)
}

fn draw(volume: Arc<Volume>, window: Option<Window>, is_inverted: bool) -> Option<Image8> {
    let geometry: Geometry = *volume.geometry();
    let middle = (geometry.dims().as_dvec3() - 1.0) * 0.5;
    let through = geometry.lps_from_index().transform_point3(middle.floor());
    let size_px = [EDGE_PX; 2];
    let axes = geometry.direction();
    let down = (axes.y_axis - axes.x_axis * axes.x_axis.dot(axes.y_axis)).try_normalize()?;
    let plane = SlicePlane::fitted(axes.x_axis, down, &geometry, through, size_px);
    let window = window.unwrap_or_else(|| volume.histogram(512).auto_window());
    let scene = SliceScene {
        volume,
        time_point: 0,
        plane,
        size_px,
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window, is_inverted },
        color_map: None,
        layers: Vec::new(),
    };
    reference::slice(&scene).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DMat3, DVec3};
    use imaging::geometry::Dims;
    use imaging::phantom;

    #[test]
    fn thumbnail_of_the_head_is_dark_outside_and_bright_inside() {
        let volume = phantom::head(Dims::new(32, 32, 16), DVec3::new(1.0, 1.0, 2.0), DMat3::IDENTITY);
        let image = thumbnail(ThumbnailSource::Memory(Arc::new(volume))).unwrap();
        assert_eq!((image.width, image.height), (EDGE_PX, EDGE_PX));
        assert_eq!(image.pixel(1, 1).unwrap()[0], 0);
        assert!(image.pixel(EDGE_PX / 2, EDGE_PX / 2).unwrap()[0] > 60);
    }
}
