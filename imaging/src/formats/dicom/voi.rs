//! Windows that a file suggests: VOI lookup tables, then all center/width pairs with their names.

use super::dataset::DataSet;
use super::lut::Lut;
use super::tags;
use super::text::Charset;
use crate::intensity::{NamedWindow, VoiFunction, VoiTable, Window};
use crate::series::SeriesWarning;

/// Windows of an object: shared by all frames, else of the object itself; tables first.
pub(super) fn windows(
    set: &DataSet,
    shared: Option<&DataSet>,
    charset: &Charset,
    warnings: &mut Vec<SeriesWarning>,
) -> Vec<NamedWindow> {
    let mut windows = of_group(shared, charset, warnings);
    if windows.is_empty() {
        windows = pairs(set, charset, warnings);
    }
    let mut tables = tables(set, charset, warnings);
    // A table says more than a window, so it comes first.
    tables.append(&mut windows);
    tables
}

/// Windows of one frame, or of all, in a functional group; empty if it has none.
pub(super) fn of_group(
    group: Option<&DataSet>,
    charset: &Charset,
    warnings: &mut Vec<SeriesWarning>,
) -> Vec<NamedWindow> {
    let item = group.and_then(|group| group.item(tags::FRAME_VOI_LUT_SEQUENCE));
    item.map(|item| pairs(item, charset, warnings)).unwrap_or_default()
}

fn pairs(set: &DataSet, charset: &Charset, warnings: &mut Vec<SeriesWarning>) -> Vec<NamedWindow> {
    let function = match set.text(tags::VOI_LUT_FUNCTION).as_deref() {
        Some("LINEAR_EXACT") => VoiFunction::LinearExact,
        Some("SIGMOID") => VoiFunction::Sigmoid,
        _ => VoiFunction::Linear,
    };
    let names = charset.text(set, tags::WINDOW_EXPLANATION);
    let mut names = names.split('\\').map(str::trim);
    let centers = set.numbers(tags::WINDOW_CENTER);
    let widths = set.numbers(tags::WINDOW_WIDTH);
    let stated = [tags::WINDOW_CENTER, tags::WINDOW_WIDTH].map(|tag| set.text(tag).is_some());
    if centers.len() != widths.len() || (stated.contains(&true) && centers.is_empty()) {
        warn(
            warnings,
            "window centers and widths do not belong together; those without a counterpart were left out",
        );
    }
    let mut windows: Vec<NamedWindow> = Vec::new();
    for (i, (&center, &width)) in centers.iter().zip(&widths).enumerate() {
        let name = names.next().filter(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("Window {}", i + 1), str::to_owned);
        // LINEAR needs a width of at least 1; narrower ones are meant exactly (float data).
        let window = Window::new(center, width, function)
            .or_else(|_| Window::new(center, width, VoiFunction::LinearExact));
        let Ok(window) = window else {
            warn(warnings, "a window without a width was left out");
            continue;
        };
        // Some scanners write the same pair twice.
        if !windows.iter().any(|known| known.window == window) {
            windows.push(NamedWindow { name, window });
        }
    }
    windows
}

/// Once for all frames.
fn warn(warnings: &mut Vec<SeriesWarning>, text: &str) {
    let warning = SeriesWarning::Other(text.to_owned());
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

fn tables(set: &DataSet, charset: &Charset, warnings: &mut Vec<SeriesWarning>) -> Vec<NamedWindow> {
    let mut tables = Vec::new();
    for (i, item) in set.items(tags::VOI_LUT_SEQUENCE).iter().enumerate() {
        let table = Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA)
            .and_then(|lut| VoiTable::new(lut.first, lut.entries(), lut.stated_bits));
        let Some(table) = table else {
            warnings.push(SeriesWarning::Other("a VOI lookup table is damaged and was left out".to_owned()));
            continue;
        };
        let name = charset.text(item, tags::LUT_EXPLANATION);
        let name = if name.is_empty() { format!("VOI LUT {}", i + 1) } else { name };
        tables.push(NamedWindow { name, window: Window::table(table) });
    }
    tables
}
