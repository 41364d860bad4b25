//! The transfer function as a curve of opacity over a histogram with logarithmic counts; points can be dragged.

use std::sync::Arc;

use egui::{Color32, CursorIcon, Pos2, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, remap, vec2};
use imaging::intensity::Histogram;
use render_core::transfer_function::{ControlPoint, TransferFunction};

use crate::command::{Command, CommandQueue, VolumeCommand};
use crate::document::{Display, Series};
use crate::text;
use crate::theme;

const HEIGHT: f32 = 96.0;
const COLORS: f32 = 8.0;
/// How near the pointer must be to take a point, in points of the screen.
const REACH: f32 = 10.0;

/// What the curve remembers: the point being dragged.
#[derive(Debug, Default)]
pub struct CurveState {
    dragged: Option<usize>,
}

/// Range of values that is shown: the bulk of the data and the inner points of the curve.
fn value_range(function: &TransferFunction, histogram: &Histogram) -> (f64, f64) {
    let (mut low, mut high) = (histogram.percentile(0.0005), histogram.percentile(0.9995));
    let points = function.points();
    for p in points.iter().filter(|p| p.opacity > 0.0) {
        let is_last = points.last().is_some_and(|l| l.value == p.value);
        if !is_last {
            low = low.min(p.value);
            high = high.max(p.value);
        }
    }
    let margin = ((high - low) * 0.03).max(1e-9);
    (low - margin, high + margin)
}

/// Draws and edits the curve.
pub fn curve_ui(
    ui: &mut Ui,
    series: &Series,
    display: &Display,
    histogram: &Histogram,
    queue: &CommandQueue,
    state: &mut CurveState,
) {
    let function = &display.volume.transfer_function;
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT + COLORS), Sense::click_and_drag());
    response.widget_info(|| {
        WidgetInfo::labeled(egui::accesskit::Role::Image, true, "Transfer function: opacity over values")
    });
    let plot = Rect::from_min_size(rect.min, vec2(rect.width(), HEIGHT));
    let (low, high) = value_range(function, histogram);
    let to_screen = |value: f64, opacity: f32| {
        let x = plot.left() + ((value - low) / (high - low)) as f32 * plot.width();
        pos2(x, remap(opacity, 0.0..=1.0, plot.bottom()..=plot.top() + 4.0))
    };
    let painter = ui.painter_at(rect);
    painter.rect_filled(plot, 2.0, theme::FIELD);
    histogram_bars(&painter, plot, histogram, (low, high));
    color_strip(&painter, rect, plot, function, (low, high));
    let curve: Vec<Pos2> = std::iter::once(to_screen(low, function.at(low).1))
        .chain(function.points().iter().map(|p| to_screen(p.value, p.opacity)))
        .chain(std::iter::once(to_screen(high, function.at(high).1)))
        .collect();
    let mut sorted = curve.clone();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x));
    painter.add(Shape::line(sorted, Stroke::new(1.5, theme::TEXT)));
    let near = response.hover_pos().and_then(|p| nearest(function, p, &to_screen));
    for (i, point) in function.points().iter().enumerate() {
        let pos = to_screen(point.value, point.opacity);
        if plot.expand(1.0).contains(pos) {
            let [r, g, b] = point.color.map(|c| (c * 255.0 + 0.5) as u8);
            let is_held = state.dragged == Some(i) || (state.dragged.is_none() && near == Some(i));
            let ring = if is_held { theme::ACCENT } else { theme::TEXT };
            painter.circle(pos, 4.0, Color32::from_rgb(r, g, b), Stroke::new(1.5, ring));
        }
    }
    edit(ui, (&response, plot, (low, high)), series, function, queue, (state, near));
    let response = if near.is_some() { response.on_hover_cursor(CursorIcon::Grab) } else { response };
    let held = state.dragged.or(near).and_then(|i| function.points().get(i));
    if let Some(point) = held {
        let value = text::modality_value(point.value.round(), &series.unit);
        response.on_hover_text_at_pointer(format!("{value}, opacity {:.0} % per mm", point.opacity * 100.0));
    }
}

fn nearest(
    function: &TransferFunction,
    pointer: Pos2,
    to_screen: &impl Fn(f64, f32) -> Pos2,
) -> Option<usize> {
    let distance = |p: &ControlPoint| to_screen(p.value, p.opacity).distance(pointer);
    let points = function.points().iter().enumerate();
    points
        .map(|(i, p)| (i, distance(p)))
        .filter(|(_, d)| *d <= REACH)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(i, _)| i)
}

fn edit(
    ui: &Ui,
    (response, plot, (low, high)): (&egui::Response, Rect, (f64, f64)),
    series: &Series,
    function: &TransferFunction,
    queue: &CommandQueue,
    (state, near): (&mut CurveState, Option<usize>),
) {
    if response.drag_started() {
        state.dragged = near;
    }
    if !response.dragged() {
        state.dragged = None;
        return;
    }
    let (Some(index), Some(pointer)) = (state.dragged, response.interact_pointer_pos()) else { return };
    let mut points = function.points().to_vec();
    let before = index.checked_sub(1).and_then(|i| points.get(i)).map_or(f64::NEG_INFINITY, |p| p.value);
    let after = points.get(index + 1).map_or(f64::INFINITY, |p| p.value);
    let Some(point) = points.get_mut(index) else { return };
    let share = f64::from((pointer.x - plot.left()) / plot.width());
    let gap = (high - low) * 1e-4;
    let value = low + share * (high - low);
    point.value = value.max(before + gap).min(after - gap);
    point.opacity = remap(pointer.y, plot.bottom()..=plot.top() + 4.0, 0.0..=1.0).clamp(0.0, 1.0);
    if ui.input(|i| i.pointer.is_moving()) {
        let edited = TransferFunction::new(points, function.reference_mm);
        queue.send(Command::Volume(VolumeCommand::SetTransferFunction(series.key, Arc::new(edited))));
    }
}

fn histogram_bars(painter: &egui::Painter, plot: Rect, histogram: &Histogram, (low, high): (f64, f64)) {
    let columns = plot.width().max(1.0) as usize;
    let bins = histogram.counts.len();
    let bin_width = (histogram.high - histogram.low) / bins as f64;
    if bin_width <= 0.0 {
        return;
    }
    let mut heights = vec![0u64; columns];
    for (i, count) in histogram.counts.iter().enumerate() {
        let value = histogram.low + (i as f64 + 0.5) * bin_width;
        let column = ((value - low) / (high - low) * columns as f64).floor();
        if column >= 0.0
            && let Some(height) = heights.get_mut(column as usize)
        {
            *height = (*height).max(*count);
        }
    }
    let most = heights.iter().copied().max().unwrap_or(0).max(1);
    let scale = plot.height() / (1.0 + most as f32).ln();
    let mut last = 0.0;
    for (i, &count) in heights.iter().enumerate() {
        // Columns narrower than a bin repeat their neighbour instead of leaving a comb.
        let height = if count == 0 && bin_width > (high - low) / columns as f64 {
            last
        } else {
            (1.0 + count as f32).ln() * scale
        };
        last = height;
        let x = plot.left() + i as f32;
        let bar = Rect::from_min_max(pos2(x, plot.bottom() - height), pos2(x + 1.0, plot.bottom()));
        painter.rect_filled(bar, 0.0, theme::HISTOGRAM.gamma_multiply(0.6));
    }
}

fn color_strip(
    painter: &egui::Painter,
    rect: Rect,
    plot: Rect,
    function: &TransferFunction,
    range: (f64, f64),
) {
    const STEPS: usize = 64;
    let width = plot.width() / STEPS as f32;
    for i in 0..STEPS {
        let value = range.0 + (range.1 - range.0) * (i as f64 + 0.5) / STEPS as f64;
        let [r, g, b] = function.at(value).0.map(|c| (c * 255.0 + 0.5) as u8);
        let x = plot.left() + i as f32 * width;
        let cell = Rect::from_min_max(pos2(x, plot.bottom() + 2.0), pos2(x + width + 0.5, rect.bottom()));
        painter.rect_filled(cell, 0.0, Color32::from_rgb(r, g, b));
    }
}
