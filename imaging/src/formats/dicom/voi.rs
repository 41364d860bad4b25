//! Windows that a file suggests: all center/width pairs with their names, and VOI lookup tables as windows.

use super::dataset::DataSet;
use super::tags;
use super::text::Charset;
use crate::intensity::{NamedWindow, VoiFunction, Window};
use crate::series::SeriesWarning;

/// Windows of an object: of the first frame, else shared by all frames, else of the object itself.
pub(super) fn windows(
    set: &DataSet,
    first_frame: Option<&DataSet>,
    shared: Option<&DataSet>,
    charset: &Charset,
    warnings: &mut Vec<SeriesWarning>,
) -> Vec<NamedWindow> {
    let group = |group: Option<&DataSet>| -> Vec<NamedWindow> {
        group
            .and_then(|group| group.item(tags::FRAME_VOI_LUT_SEQUENCE))
            .map(|item| pairs(item, charset))
            .unwrap_or_default()
    };
    let mut windows = group(first_frame);
    if windows.is_empty() {
        windows = group(shared);
    }
    if windows.is_empty() {
        windows = pairs(set, charset);
    }
    let tables = tables(set, charset);
    if !tables.is_empty() {
        let text = "a VOI lookup table is shown as a linear window over the same range";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    // Only the range of a table is used, not its shape, so the file's own windows come first.
    windows.into_iter().chain(tables).collect()
}

fn pairs(set: &DataSet, charset: &Charset) -> Vec<NamedWindow> {
    let function = match set.text(tags::VOI_LUT_FUNCTION).as_deref() {
        Some("LINEAR_EXACT") => VoiFunction::LinearExact,
        Some("SIGMOID") => VoiFunction::Sigmoid,
        _ => VoiFunction::Linear,
    };
    let names = charset.text(set, tags::WINDOW_EXPLANATION);
    let mut names = names.split('\\').map(str::trim);
    let centers = set.numbers(tags::WINDOW_CENTER);
    let widths = set.numbers(tags::WINDOW_WIDTH);
    let mut windows: Vec<NamedWindow> = Vec::new();
    for (i, (&center, &width)) in centers.iter().zip(&widths).enumerate() {
        let name = names.next().filter(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("Window {}", i + 1), str::to_owned);
        // LINEAR needs a width of at least 1; narrower ones are meant exactly (float data).
        let window = Window::new(center, width, function)
            .or_else(|_| Window::new(center, width, VoiFunction::LinearExact));
        // Some scanners write the same pair twice.
        if let Ok(window) = window
            && !windows.iter().any(|known| known.window == window)
        {
            windows.push(NamedWindow { name, window });
        }
    }
    windows
}

fn tables(set: &DataSet, charset: &Charset) -> Vec<NamedWindow> {
    set.items(tags::VOI_LUT_SEQUENCE)
        .iter()
        .enumerate()
        .filter_map(|(i, item)| {
            let table = super::lut::Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA)?;
            let low = f64::from(table.first);
            let window = Window::spanning(low, low + (table.len() - 1) as f64);
            let name = charset.text(item, tags::LUT_EXPLANATION);
            let name = if name.is_empty() { format!("VOI LUT {}", i + 1) } else { name };
            (table.len() > 1).then_some(NamedWindow { name, window })
        })
        .collect()
}
