//! Colour maps: from a display value to a colour, for scalar images and for what is laid over them.
//!
//! A [`ColorMap`] is a table of 256 sRGB colours. Between entries it is interpolated linearly, so that a map is
//! smooth however finely it is stretched. The built-in ones are in [`ColorMap::all`]; the tables of those that are
//! not computed lie in `assets/color_maps`, with their origin.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// Entries of a colour map.
pub const ENTRIES: usize = 256;

type Lut = [[u8; 3]; ENTRIES];

static HOT_IRON: Lut = table(include_str!("../../assets/color_maps/hot-iron.txt"));
static PET: Lut = table(include_str!("../../assets/color_maps/pet.txt"));
static HOT_METAL_BLUE: Lut = table(include_str!("../../assets/color_maps/hot-metal-blue.txt"));
static PET_20_STEP: Lut = table(include_str!("../../assets/color_maps/pet-20-step.txt"));
static VIRIDIS: Lut = table(include_str!("../../assets/color_maps/viridis.txt"));

/// A lookup table from display values `0.0..=1.0` to sRGB-coded colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColorMap {
    id: Cow<'static, str>,
    name: Cow<'static, str>,
    uid: Option<&'static str>,
    lut: Lut,
}

impl ColorMap {
    /// A map of one's own; `id` should differ from those of [`ColorMap::all`].
    pub fn new(id: impl Into<Cow<'static, str>>, name: impl Into<Cow<'static, str>>, lut: Lut) -> Self {
        Self { id: id.into(), name: name.into(), uid: None, lut }
    }

    /// The built-in maps in the order of menus.
    ///
    /// Hot iron, PET, hot metal blue and PET 20 step are the well-known palettes of DICOM PS3.6, Annex B.
    /// Viridis (Smith, van der Walt, Firing; CC0 1.0) is perceptually uniform. Rainbow runs through the saturated
    /// hues from blue (240°) to red (0°).
    pub fn all() -> &'static [Arc<Self>] {
        static ALL: LazyLock<Vec<Arc<ColorMap>>> = LazyLock::new(|| {
            let map = |id, name, lut| ColorMap::new(id, name, lut);
            let palette = |id, name, uid, lut| ColorMap { uid: Some(uid), ..map(id, name, lut) };
            [
                map("grey", "Grey", computed(|i| [i as u8; 3])),
                map("inverted-grey", "Inverted grey", computed(|i| [255 - i as u8; 3])),
                palette("hot-iron", "Hot iron", "1.2.840.10008.1.5.1", HOT_IRON),
                palette("pet", "PET", "1.2.840.10008.1.5.2", PET),
                palette("hot-metal-blue", "Hot metal blue", "1.2.840.10008.1.5.3", HOT_METAL_BLUE),
                palette("pet-20-step", "PET 20 step", "1.2.840.10008.1.5.4", PET_20_STEP),
                map("viridis", "Viridis", VIRIDIS),
                map("rainbow", "Rainbow", computed(rainbow)),
            ]
            .map(Arc::new)
            .into()
        });
        &ALL
    }

    /// The built-in map with this [`ColorMap::id`].
    pub fn by_id(id: &str) -> Option<Arc<Self>> {
        Self::all().iter().find(|map| map.id == id).cloned()
    }

    /// The built-in map with this UID of DICOM PS3.6, Annex B.
    pub fn by_uid(uid: &str) -> Option<Arc<Self>> {
        Self::all().iter().find(|map| map.uid == Some(uid)).cloned()
    }

    /// Name for files and commands, e.g. `hot-iron`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Name for people, e.g. `Hot iron`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// UID of a well-known palette of DICOM.
    pub fn uid(&self) -> Option<&'static str> {
        self.uid
    }

    /// The colours, lowest first, sRGB-coded.
    pub fn lut(&self) -> &[[u8; 3]; ENTRIES] {
        &self.lut
    }

    /// Colour of a display value, sRGB-coded, `0.0..=255.0` per channel.
    ///
    /// Value 0 is the first entry and 1 the last; between entries linear; clamped; NaN is 0.
    pub fn color_at(&self, display: f64) -> [f64; 3] {
        let at = if display > 0.0 { display.min(1.0) * (ENTRIES - 1) as f64 } else { 0.0 };
        let low = (at as usize).min(ENTRIES - 2);
        let share = at - low as f64;
        let [low, high] = [low, low + 1].map(|i| self.lut.get(i).copied().unwrap_or_default());
        std::array::from_fn(|c| {
            let (low, high) = (f64::from(low[c]), f64::from(high[c]));
            low + (high - low) * share
        })
    }

    /// `count` colours at equal distances from the lowest to the highest, for a legend.
    ///
    /// A single one is the colour of the middle.
    pub fn strip(&self, count: usize) -> impl Iterator<Item = [u8; 3]> + '_ {
        let display = move |i: usize| if count > 1 { i as f64 / (count - 1) as f64 } else { 0.5 };
        (0..count).map(move |i| self.color_at(display(i)).map(|c| (c + 0.5) as u8))
    }
}

fn computed(color: impl Fn(usize) -> [u8; 3]) -> Lut {
    std::array::from_fn(color)
}

/// Hue 240° to 0° at full saturation and value, in four straight parts: blue, cyan, green, yellow, red.
fn rainbow(i: usize) -> [u8; 3] {
    let at = i as f64 / (ENTRIES - 1) as f64 * 4.0;
    let part = |v: f64| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    [part(at - 2.0), part(at.min(4.0 - at)), part(2.0 - at)]
}

/// Reads a table of hexadecimal `rrggbb` when the crate is compiled; one that is not whole does not compile.
const fn table(text: &str) -> Lut {
    let bytes = text.as_bytes();
    let mut lut = [[0; 3]; ENTRIES];
    let (mut at, mut digits) = (0, 0);
    while at < bytes.len() {
        let digit = match bytes[at] {
            d @ b'0'..=b'9' => d - b'0',
            d @ b'a'..=b'f' => d - b'a' + 10,
            b' ' | b'\r' | b'\n' => 255,
            _ => panic!("not a hexadecimal digit"),
        };
        if digit != 255 {
            let byte = &mut lut[digits / 6][digits % 6 / 2];
            *byte = *byte * 16 + digit;
            digits += 1;
        }
        at += 1;
    }
    assert!(digits == ENTRIES * 6, "a colour map has 256 colours");
    lut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(id: &str) -> Arc<ColorMap> {
        ColorMap::by_id(id).unwrap()
    }

    #[test]
    fn ids_names_and_uids_are_unique_and_find_their_map() {
        for (i, map) in ColorMap::all().iter().enumerate() {
            let others = || ColorMap::all().iter().take(i);
            assert!(others().all(|other| other.id() != map.id() && other.name() != map.name()));
            assert_eq!(ColorMap::by_id(map.id()).as_ref(), Some(map));
            if let Some(uid) = map.uid() {
                assert_eq!(ColorMap::by_uid(uid).as_ref(), Some(map));
            }
        }
        assert_eq!(ColorMap::by_id("sepia"), None);
    }

    #[test]
    fn the_palettes_are_those_of_the_standard() {
        let rises = |from: usize, slope: usize| {
            move |i: usize| if i == 255 { 255 } else { (i.saturating_sub(from) * slope).min(255) as u8 }
        };
        let (red, green, blue) = (rises(0, 2), rises(128, 2), rises(191, 4));
        for (i, &color) in map("hot-iron").lut().iter().enumerate() {
            assert_eq!(color, [red(i), green(i), blue(i)], "hot iron, entry {i}");
        }
        let entries = |id: &str, at: [usize; 4]| at.map(|i| map(id).lut()[i]);
        let white = [255; 3];
        assert_eq!(entries("pet", [63, 128, 192, 255]), [[0, 128, 125], [128, 0, 255], [255, 128, 0], white]);
        let expected = [[50, 0, 200], [181, 58, 9], [255, 96, 0], white];
        assert_eq!(entries("hot-metal-blue", [102, 150, 170, 255]), expected);
        let steps = map("pet-20-step").lut().windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(steps, 19, "twenty colours");
    }

    #[test]
    fn grey_and_rainbow_hit_their_corners() {
        let corners =
            |id: &str| [0.0, 0.25, 0.5, 0.75, 1.0].map(|t| map(id).color_at(t).map(|c| c.round() as u8));
        assert_eq!(corners("grey"), [0, 64, 128, 191, 255].map(|v| [v; 3]));
        assert_eq!(corners("inverted-grey"), [255, 191, 128, 64, 0].map(|v| [v; 3]));
        let [blue, cyan, green, yellow, red] = corners("rainbow");
        assert_eq!((blue, red), ([0, 0, 255], [255, 0, 0]));
        assert!(cyan[0] == 0 && cyan[1] > 250 && cyan[2] > 250, "{cyan:?}");
        assert!(green[1] > 250 && green[0] < 5 && green[2] < 5, "{green:?}");
        assert!(yellow[0] > 250 && yellow[1] > 250 && yellow[2] == 0, "{yellow:?}");
    }

    #[test]
    fn viridis_grows_lighter_all_the_way() {
        let luminance =
            |c: &[u8; 3]| 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
        let map = map("viridis");
        assert_eq!((map.lut()[0], map.lut()[255]), ([68, 1, 84], [253, 231, 37]));
        assert!(map.lut().windows(2).all(|pair| luminance(&pair[0]) < luminance(&pair[1]) + 0.25));
    }

    #[test]
    fn colours_between_entries_are_mixed_in_proportion() {
        let mut lut = [[0; 3]; ENTRIES];
        lut[1] = [100, 200, 40];
        let map = ColorMap::new("two", "Two", lut);
        let at = |entry: f64| map.color_at(entry / 255.0).map(|c| (c * 1e6).round() / 1e6);
        assert_eq!(
            (at(0.0), at(0.25), at(1.0), at(1.5)),
            ([0.0; 3], [25.0, 50.0, 10.0], [100.0, 200.0, 40.0], [50.0, 100.0, 20.0])
        );
        assert_eq!(
            (map.color_at(-3.0), map.color_at(f64::NAN), map.color_at(9.0)),
            ([0.0; 3], [0.0; 3], [0.0; 3])
        );
    }

    #[test]
    fn strips_run_from_end_to_end() {
        let map = map("hot-iron");
        let strip: Vec<[u8; 3]> = map.strip(5).collect();
        assert_eq!((strip.len(), strip[0], strip[4]), (5, [0, 0, 0], [255, 255, 255]));
        assert_eq!(map.strip(256).collect::<Vec<_>>(), map.lut());
        assert_eq!((map.strip(0).count(), map.strip(1).collect::<Vec<_>>()), (0, vec![[255, 0, 0]]));
    }
}
