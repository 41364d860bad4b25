//! Draws the toolkit's frames into memory, and only where they differ from the frame before.
//!
//! The window is cut into square tiles. Each tile has a fingerprint of all that lies in it; a tile whose fingerprint
//! is the same as in the frame before keeps its pixels.

use egui::{ClippedPrimitive, Color32, TexturesDelta};

use super::items::{self, Item};
use super::raster::{self, Place};
use super::textures::Textures;

/// Edge of a tile in pixels; 16 KiB of pixels stay in the processor's nearest cache.
const EDGE: u32 = 64;
/// Changed tiles that make another thread worth its start.
const TILES_PER_THREAD: usize = 96;
/// Threads that draw at most; the rest is left to those who draw the pictures.
const MAX_THREADS: usize = 4;

/// The window's picture, kept from frame to frame.
pub struct Canvas {
    size: [u32; 2],
    columns: usize,
    tiles: Vec<Tile>,
    textures: Textures,
    items: Vec<Item>,
}

struct Tile {
    place: Place,
    pixels: Vec<u32>,
    /// `None` until it is drawn for the first time.
    print: Option<u64>,
    next_print: u64,
    /// Indices of what lies in it.
    items: Vec<u32>,
    is_changed: bool,
}

/// Part of the window in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Size to the right.
    pub width: u32,
    /// Size downwards.
    pub height: u32,
}

/// What to draw in a frame.
pub struct CanvasFrame<'a> {
    /// The tessellated shapes.
    pub primitives: &'a [ClippedPrimitive],
    /// Pixels per point.
    pub scale: f32,
    /// Behind everything.
    pub background: Color32,
}

impl Canvas {
    /// An empty canvas.
    pub fn new() -> Self {
        Self { size: [0; 2], columns: 0, tiles: Vec::new(), textures: Textures::default(), items: Vec::new() }
    }

    /// Size in pixels.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// Makes it as large as the window; what was drawn is lost if the size changes.
    pub fn resize(&mut self, size: [u32; 2]) {
        if size == self.size {
            return;
        }
        let [columns, rows] = size.map(|s| s.div_ceil(EDGE));
        (self.size, self.columns) = (size, columns as usize);
        let place =
            |x: u32, y: u32| Place { left: (x * EDGE) as i32, top: (y * EDGE) as i32, edge: EDGE as i32 };
        let places = (0..rows).flat_map(|y| (0..columns).map(move |x| place(x, y)));
        self.tiles = places
            .map(|place| Tile {
                place,
                pixels: vec![0; (EDGE * EDGE) as usize],
                print: None,
                next_print: 0,
                items: Vec::new(),
                is_changed: false,
            })
            .collect();
    }

    /// Takes new and changed textures in; to be called before the frame that uses them is drawn.
    pub fn set_textures(&mut self, delta: &TexturesDelta) {
        self.textures.set(delta);
    }

    /// Forgets textures; to be called after the last frame that uses them was drawn.
    pub fn free_textures(&mut self, delta: &TexturesDelta) {
        self.textures.free(delta);
    }

    /// Draws a frame; returns what changed, as few rectangles that do not overlap.
    pub fn draw(&mut self, frame: &CanvasFrame<'_>) -> Vec<PixelRect> {
        let background = items::background(frame.background);
        items::collect(frame.primitives, frame.scale, self.size, &self.textures, &mut self.items);
        self.sort_into_tiles(background);
        let (textures, items) = (&self.textures, self.items.as_slice());
        let mut changed: Vec<&mut Tile> = self.tiles.iter_mut().filter(|t| t.is_changed).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (changed.len() / TILES_PER_THREAD + 1).min(cores).min(MAX_THREADS);
        let share = changed.len().div_ceil(threads).max(1);
        let mut parts = changed.chunks_mut(share);
        let own = parts.next();
        // Threads of their own: those of the pictures are busy for as long as a picture takes.
        std::thread::scope(|scope| {
            for part in parts {
                scope.spawn(move || draw_tiles(part, items, textures, background));
            }
            draw_tiles(own.unwrap_or_default(), items, textures, background);
        });
        self.changed_rects()
    }

    /// The whole window.
    pub fn whole(&self) -> PixelRect {
        PixelRect { x: 0, y: 0, width: self.size[0], height: self.size[1] }
    }

    /// Copies a part of the picture to the same place of `target`, which has the canvas' size; pixels are
    /// `0x00RRGGBB`.
    pub fn copy(&self, part: PixelRect, target: &mut [u32]) {
        let width = self.size[0] as usize;
        let right = (part.x + part.width).min(self.size[0]);
        let bottom = (part.y + part.height).min(self.size[1]);
        let mut y = part.y;
        while y < bottom {
            let row_of_tiles = (y / EDGE) as usize * self.columns;
            let mut x = part.x;
            while x < right {
                let end = ((x / EDGE + 1) * EDGE).min(right);
                let start = ((y % EDGE) * EDGE + x % EDGE) as usize;
                let tile = self.tiles.get(row_of_tiles + (x / EDGE) as usize);
                let from = tile.and_then(|t| t.pixels.get(start..start + (end - x) as usize));
                let at = y as usize * width + x as usize;
                let to = target.get_mut(at..at + (end - x) as usize);
                if let (Some(from), Some(to)) = (from, to) {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = from & 0x00ff_ffff);
                }
                x = end;
            }
            y += 1;
        }
    }

    /// The whole picture, for screenshots.
    pub fn image(&self) -> egui::ColorImage {
        let mut packed = vec![0; self.size[0] as usize * self.size[1] as usize];
        self.copy(self.whole(), &mut packed);
        let pixels = packed.into_iter().map(|p: u32| {
            let [_, r, g, b] = p.to_be_bytes();
            Color32::from_rgb(r, g, b)
        });
        egui::ColorImage::new(self.size.map(|s| s as usize), pixels.collect())
    }

    fn sort_into_tiles(&mut self, background: u32) {
        for tile in &mut self.tiles {
            tile.items.clear();
            tile.next_print = u64::from(background);
        }
        for (index, item) in self.items.iter().enumerate() {
            let [left, top, right, bottom] = item.bounds.map(|v| v.max(0) as usize);
            let edge = EDGE as usize;
            for row in top / edge..bottom.div_ceil(edge) {
                let first = row * self.columns;
                let columns = first + left / edge..first + right.div_ceil(edge).min(self.columns);
                for tile in self.tiles.get_mut(columns).unwrap_or_default() {
                    tile.next_print = items::fingerprint(tile.next_print, item.print);
                    tile.items.push(index as u32);
                }
            }
        }
        for tile in &mut self.tiles {
            tile.is_changed = tile.print != Some(tile.next_print);
            tile.print = Some(tile.next_print);
        }
    }

    /// Neighbouring tiles of a row make one rectangle, and equal ones below each other.
    fn changed_rects(&self) -> Vec<PixelRect> {
        let mut rects: Vec<PixelRect> = Vec::new();
        for row in self.tiles.chunks(self.columns.max(1)) {
            let above = rects.len();
            let mut x = 0;
            for run in row.chunk_by(|a, b| a.is_changed == b.is_changed) {
                let start = x;
                x += run.len() as u32 * EDGE;
                let Some(first) = run.first().filter(|t| t.is_changed) else { continue };
                let y = first.place.top as u32;
                let width = x.min(self.size[0]) - start;
                rects.push(PixelRect { x: start, y, width, height: EDGE.min(self.size[1] - y) });
            }
            let mut merged = rects.split_off(above);
            merged.retain(|new| {
                let is_below =
                    |r: &&mut PixelRect| r.x == new.x && r.width == new.width && r.y + r.height == new.y;
                let Some(over) = rects.iter_mut().find(is_below) else { return true };
                over.height += new.height;
                false
            });
            rects.append(&mut merged);
        }
        rects
    }
}

impl Default for Canvas {
    fn default() -> Self {
        Self::new()
    }
}

fn draw_tiles(tiles: &mut [&mut Tile], items: &[Item], textures: &Textures, background: u32) {
    for tile in tiles {
        tile.pixels.fill(background);
        for index in &tile.items {
            if let Some(item) = items.get(*index as usize) {
                raster::draw(item, textures, tile.place, &mut tile.pixels);
            }
        }
    }
}
