//! What each command does to the document.

use std::sync::Arc;

use glam::DVec3;
use imaging::intensity::{CT_PRESETS, VoiFunction, Window};
use render_core::transfer_function::VolumePreset;

use super::{
    Command, EditCommand, LayoutCommand, SeriesCommand, SliceCommand, ViewCommand, VoiCommand, VolumeCommand,
};
use crate::document::{
    AUTO, Display, Document, Placement, SeriesKey, SliceView, View, Viewport, ViewportId, VolumeLook,
    VolumePresetChoice, VolumeView,
};

impl Document {
    /// Applies one command and records it for undo if it changed the workspace.
    ///
    /// Commands of the window itself (`App`, `File`, `Jobs`) do nothing here.
    pub fn apply(&mut self, command: &Command) {
        if let Command::Edit(edit) = command {
            self.apply_edit(*edit);
        } else if command.is_continuous() {
            self.history.begin_gesture(command.title(), &self.workspace);
            self.run(command);
        } else {
            let before = self.workspace.clone();
            self.run(command);
            if before != self.workspace {
                self.history.end_gesture(&before);
                // Turns of the wheel, and number fields that are dragged, become one step.
                let may_merge = matches!(
                    command,
                    Command::View(ViewCommand::Zoom { .. })
                        | Command::Voi(VoiCommand::Set { .. })
                        | Command::Slice(SliceCommand::SetSlab { .. })
                );
                self.history.push(command.title().to_owned(), &before, &self.workspace, may_merge);
            }
        }
        self.place_views();
    }

    fn apply_edit(&mut self, edit: EditCommand) {
        match edit {
            EditCommand::Undo => self.history.undo(&mut self.workspace),
            EditCommand::Redo => self.history.redo(&mut self.workspace),
            EditCommand::EndGesture => {
                self.round_windows();
                self.history.end_gesture(&self.workspace);
            }
        }
    }

    fn run(&mut self, command: &Command) {
        match command {
            Command::App(_) | Command::File(_) | Command::Edit(_) | Command::Jobs(_) => {}
            Command::Layout(layout) => self.apply_layout(*layout),
            Command::Series(series) => self.apply_series(*series),
            Command::Voi(voi) => self.apply_voi(voi),
            Command::Slice(slice) => self.apply_slice(slice),
            Command::View(view) => self.apply_view(view),
            Command::Volume(volume) => self.apply_volume(volume),
            Command::Tool(tool) => self.tool = *tool,
        }
    }

    fn apply_layout(&mut self, command: LayoutCommand) {
        match command {
            LayoutCommand::Activate(id) => self.active = id,
            LayoutCommand::NextViewport => self.step_viewport(1),
            LayoutCommand::PreviousViewport => self.step_viewport(self.workspace.viewports.len() - 1),
            LayoutCommand::ToggleMaximised(id) => {
                let layout = &mut self.workspace.layout;
                layout.maximised = if layout.maximised == Some(id) { None } else { Some(id) };
                self.active = id;
            }
            LayoutCommand::FourUp => self.workspace.layout.maximised = None,
        }
    }

    fn step_viewport(&mut self, by: usize) {
        let viewports = &self.workspace.viewports;
        let now = viewports.iter().position(|v| v.id == self.active).unwrap_or(0);
        let Some(next) = viewports.get((now + by) % viewports.len()).map(|v| v.id) else { return };
        self.active = next;
        if self.workspace.layout.maximised.is_some() {
            self.workspace.layout.maximised = Some(next);
        }
    }

    fn apply_series(&mut self, command: SeriesCommand) {
        let now = self.active_viewport().series.and_then(|key| self.series.iter().position(|s| s.key == key));
        let next = match command {
            SeriesCommand::Show(key) => Some(key),
            SeriesCommand::Next => self.series.get(now.map_or(0, |i| i + 1)).map(|s| s.key),
            SeriesCommand::Previous => {
                now.and_then(|i| i.checked_sub(1)).and_then(|i| self.series.get(i)).map(|s| s.key)
            }
            SeriesCommand::Reload(_) => None,
            SeriesCommand::Acknowledge(key) => {
                self.workspace.acknowledged.insert(key);
                None
            }
        };
        if let Some(key) = next {
            self.show(key);
        }
    }

    /// Shows a series in all viewports; flat images fill the window, as there is nothing to reformat.
    pub fn show(&mut self, key: SeriesKey) {
        let Some(is_volume) = self.series(key).map(|s| s.is_volume()) else { return };
        for viewport in &mut self.workspace.viewports {
            if viewport.series != Some(key) {
                viewport.series = Some(key);
                viewport.placement = Placement::None;
            }
        }
        if is_volume {
            self.workspace.layout.maximised = None;
        } else {
            self.active = ViewportId(0);
            self.workspace.layout.maximised = Some(self.active);
        }
    }

    fn display_mut(&mut self, key: SeriesKey) -> Option<&mut Display> {
        self.workspace.displays.get_mut(&key)
    }

    fn apply_voi(&mut self, command: &VoiCommand) {
        let named = |display: &mut Display, window: Window, name: Option<String>| {
            display.window = window;
            display.window_name = name;
        };
        match command {
            VoiCommand::Set { series, window, name } => {
                if let Some(display) = self.display_mut(*series) {
                    named(display, *window, name.clone());
                }
            }
            VoiCommand::Drag { series, width_steps, center_steps } => {
                self.drag_window(*series, *width_steps, *center_steps);
                self.dragged_windows.insert(*series);
            }
            VoiCommand::Preset(key, n) => {
                let is_ct = self.series(*key).is_some_and(|s| s.attributes.modality == "CT");
                if let (true, Some(preset), Some(display)) =
                    (is_ct, CT_PRESETS.get(*n), self.display_mut(*key))
                {
                    named(display, preset.window(), Some(preset.name.to_owned()));
                }
            }
            VoiCommand::FileWindow(key, n) => {
                let window = self.series(*key).and_then(|s| s.windows.get(*n)).cloned();
                if let (Some(w), Some(display)) = (window, self.display_mut(*key)) {
                    named(display, w.window, Some(w.name));
                }
            }
            VoiCommand::Auto(key) => {
                let window =
                    self.series(*key).and_then(|s| Some(Display::auto_window(&s.loaded()?.histogram, s)));
                if let (Some(window), Some(display)) = (window, self.display_mut(*key)) {
                    named(display, window, Some(AUTO.to_owned()));
                }
            }
            VoiCommand::ToggleInverted(key) => {
                if let Some(display) = self.display_mut(*key) {
                    display.is_inverted = !display.is_inverted;
                }
            }
            VoiCommand::ToggleColorProfile(key) => {
                if let Some(display) = self.display_mut(*key) {
                    display.is_color_managed = !display.is_color_managed;
                }
            }
            VoiCommand::Reset(key) => self.reset_window(*key),
            VoiCommand::Interpolate(key, interpolation) => {
                if let Some(display) = self.display_mut(*key) {
                    display.interpolation = *interpolation;
                }
            }
        }
    }

    fn reset_window(&mut self, key: SeriesKey) {
        let initial = self.series(key).map(Display::initial);
        if let (Some(initial), Some(display)) = (initial, self.display_mut(key)) {
            display.window = initial.window;
            display.window_name = initial.window_name;
            display.is_inverted = initial.is_inverted;
        }
    }

    /// One pointer step changes the window by a share of its own width, at most 1/500 of the data's range.
    ///
    /// So narrow windows are set finely, and PET in single numbers moves like CT in thousands.
    fn drag_window(&mut self, key: SeriesKey, width_steps: f64, center_steps: f64) {
        let range = self.series(key).and_then(|s| {
            let h = &s.loaded()?.histogram;
            Some(h.percentile(0.999) - h.percentile(0.001))
        });
        let Some(display) = self.display_mut(key) else { return };
        let w = display.window.adjustable();
        let range = range.filter(|r| *r > 0.0).unwrap_or(w.width * 4.0);
        let step = (w.width.max(range / 400.0) / 200.0).min(range / 500.0);
        let least = if w.function == VoiFunction::Linear { 1.0 } else { range * 1e-6 };
        let width = (w.width + width_steps * step).clamp(least, range * 20.0 + least);
        if let Ok(window) = Window::new(w.center + center_steps * step, width, w.function) {
            display.window = window;
            display.window_name = None;
        }
    }

    /// After a drag, windows over whole numbers are whole numbers, so that what is printed is what is applied.
    fn round_windows(&mut self) {
        for key in std::mem::take(&mut self.dragged_windows) {
            let Some(display) = self.workspace.displays.get_mut(&key) else { continue };
            let w = &mut display.window;
            if display.window_name.is_none() && w.function == VoiFunction::Linear && w.width >= 2.0 {
                (w.center, w.width) = (w.center.round(), w.width.round());
            }
        }
    }

    fn slice_mut(&mut self, id: ViewportId) -> Option<&mut SliceView> {
        match &mut self.workspace.viewport_mut(id)?.view {
            View::Slice(view) => Some(view),
            View::Volume(_) => None,
        }
    }

    fn apply_slice(&mut self, command: &SliceCommand) {
        match *command {
            SliceCommand::Scroll { viewport, steps } => self.scroll(viewport, steps),
            SliceCommand::First(viewport) => self.scroll(viewport, i64::MIN / 4),
            SliceCommand::Last(viewport) => self.scroll(viewport, i64::MAX / 4),
            SliceCommand::SetCursor { series, lps } => self.set_cursor(series, lps),
            SliceCommand::SetSlab { viewport, slab } => {
                if let Some(view) = self.slice_mut(viewport) {
                    view.slab = slab;
                }
            }
            SliceCommand::Tilt { viewport, yaw_rad, pitch_rad } => {
                if let Some(view) = self.slice_mut(viewport) {
                    view.tilt(yaw_rad, pitch_rad);
                }
            }
            SliceCommand::SetFrame { viewport, frame } => {
                let geometry =
                    self.workspace.viewport(viewport).series.and_then(|key| self.geometry(key).copied());
                if let (Some(geometry), Some(view)) = (geometry, self.slice_mut(viewport)) {
                    view.place(frame, &geometry);
                }
            }
        }
    }

    fn scroll(&mut self, id: ViewportId, steps: i64) {
        let viewport = *self.workspace.viewport(id);
        let (Some(view), Some(key)) = (viewport.slice(), viewport.series) else { return };
        let Some(series) = self.series(key) else { return };
        let (Some(loaded), Some(order)) = (series.loaded(), series.stack_order()) else { return };
        let geometry = *loaded.volume.geometry();
        if let Some(cursor) = self.cursor(key) {
            self.cursors.insert(key, view.stepped(&geometry, cursor, steps, order));
        }
    }

    /// Sets the crosshair, kept inside the volume.
    fn set_cursor(&mut self, key: SeriesKey, lps: DVec3) {
        let Some(geometry) = self.geometry(key) else { return };
        let last = geometry.dims().as_dvec3() - 1.0;
        let index = geometry.index_from_lps().transform_point3(lps).clamp(DVec3::ZERO, last);
        let inside = geometry.lps_from_index().transform_point3(index);
        if inside.is_finite() {
            self.cursors.insert(key, inside);
        }
    }

    fn apply_view(&mut self, command: &ViewCommand) {
        match *command {
            ViewCommand::Pan { viewport, right_mm, down_mm } => self.with_view(viewport, |view| match view {
                View::Slice(slice) => slice.pan(right_mm, down_mm),
                View::Volume(volume) => volume.camera = volume.camera.panned(-right_mm, down_mm),
            }),
            ViewCommand::Zoom { viewport, factor, right_mm, down_mm, .. } => {
                self.with_view(viewport, |view| match view {
                    View::Slice(slice) => slice.zoom_about(factor, right_mm, down_mm),
                    View::Volume(volume) => volume.camera = volume.camera.zoomed(factor),
                });
            }
            ViewCommand::Fit(viewport) => {
                let camera = self.initial_camera(viewport);
                self.with_view(viewport, |view| match view {
                    View::Slice(slice) => {
                        slice.pan_lps = DVec3::ZERO;
                        slice.zoom = 1.0;
                    }
                    View::Volume(volume) => {
                        if let Some(initial) = camera {
                            let b = volume.camera.basis();
                            let distance = initial.position_lps.distance(initial.target_lps);
                            volume.camera.target_lps = initial.target_lps;
                            volume.camera.position_lps = initial.target_lps - b.forward * distance;
                        }
                    }
                });
            }
            ViewCommand::RotateQuarter { viewport, clockwise } => {
                self.with_view(viewport, |view| match view {
                    View::Slice(slice) => slice.rotate_quarter(clockwise),
                    View::Volume(volume) => {
                        let angle = std::f64::consts::FRAC_PI_2;
                        volume.camera = volume.camera.rolled(if clockwise { -angle } else { angle });
                    }
                })
            }
            ViewCommand::Flip { viewport, is_horizontal } => self.with_view(viewport, |view| {
                // A mirrored volume would be a wrong picture; only slices flip.
                if let View::Slice(slice) = view {
                    if is_horizontal { slice.flip_horizontal() } else { slice.flip_vertical() }
                }
            }),
            ViewCommand::Reset(viewport) => self.reset_view(viewport),
            ViewCommand::ToggleOverlay => self.is_overlay_visible = !self.is_overlay_visible,
        }
    }

    fn with_view(&mut self, id: ViewportId, change: impl FnOnce(&mut View)) {
        if let Some(viewport) = self.workspace.viewport_mut(id) {
            change(&mut viewport.view);
        }
    }

    fn initial_camera(&self, id: ViewportId) -> Option<render_core::camera::Camera> {
        let key = self.workspace.viewport(id).series?;
        self.geometry(key).map(VolumeView::initial_camera)
    }

    /// Framing, orientation and grey values as the series opened.
    fn reset_view(&mut self, id: ViewportId) {
        let Some(key) = self.workspace.viewport(id).series else { return };
        let Some(geometry) = self.geometry(key).copied() else { return };
        if let Some(viewport) = self.workspace.viewport_mut(id) {
            let placement = viewport.placement;
            *viewport = Viewport { placement: Placement::None, ..*viewport };
            viewport.place(&geometry, placement);
        }
        if self.workspace.viewport(id).slice().is_some() {
            self.reset_window(key);
        }
    }

    fn apply_volume(&mut self, command: &VolumeCommand) {
        match command {
            VolumeCommand::Rotate { viewport, yaw_rad, pitch_rad } => {
                self.with_camera(*viewport, |v| v.camera = v.camera.rotated(*yaw_rad, *pitch_rad));
            }
            VolumeCommand::Roll { viewport, radians } => {
                self.with_camera(*viewport, |v| v.camera = v.camera.rolled(*radians));
            }
            VolumeCommand::Face { viewport, plane } => {
                let (right, down) = plane.screen_axes_lps();
                let forward = right.cross(down);
                self.with_camera(*viewport, |v| {
                    let distance = v.camera.position_lps.distance(v.camera.target_lps);
                    v.camera.position_lps = v.camera.target_lps - forward * distance;
                    v.camera.up_lps = -down;
                });
            }
            VolumeCommand::Preset(key, name) => {
                let histogram = self.series(*key).and_then(|s| s.loaded()).map(|l| l.histogram.clone());
                if let (Some(preset), Some(display)) = (VolumePreset::by_name(name), self.display_mut(*key)) {
                    let style = display.volume.style;
                    display.volume =
                        VolumeLook { style, ..VolumeLook::from_preset(preset, histogram.as_ref()) };
                }
            }
            VolumeCommand::Style(key, style) => {
                if let Some(display) = self.display_mut(*key) {
                    display.volume.style = *style;
                }
            }
            VolumeCommand::SetTransferFunction(key, function) => {
                if let Some(display) = self.display_mut(*key) {
                    display.volume.transfer_function = Arc::clone(function);
                    display.volume.preset = VolumePresetChoice::Custom;
                }
            }
        }
    }

    fn with_camera(&mut self, id: ViewportId, change: impl FnOnce(&mut VolumeView)) {
        self.with_view(id, |view| {
            if let View::Volume(volume) = view {
                change(volume);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{LoadedVolume, Series};
    use glam::DMat3;
    use imaging::geometry::Dims;
    use imaging::intensity::Histogram;
    use imaging::phantom;
    use imaging::series::SeriesAttributes;

    fn document() -> (Document, SeriesKey) {
        let volume =
            Arc::new(phantom::head(Dims::new(20, 24, 16), DVec3::new(2.0, 2.0, 3.0), DMat3::IDENTITY));
        let mut document = Document::new();
        let key = document.new_key();
        let attributes = SeriesAttributes { modality: "CT".into(), ..SeriesAttributes::default() };
        document.series.push(Series::from_volume(key, attributes, Arc::clone(&volume)));
        document.apply(&Command::Series(SeriesCommand::Show(key)));
        let histogram = Histogram::of_voxels(volume.voxels(), volume.rescale(), None, 256);
        document.volume_loaded(key, LoadedVolume { shown: Arc::clone(&volume), volume, histogram });
        (document, key)
    }

    #[test]
    fn acknowledging_a_red_geometry_shows_millimetres_and_can_be_undone() {
        let (mut document, key) = document();
        let gap = imaging::series::SeriesWarning::MissingSlices { count: 1, after_slice: vec![3] };
        document.series_mut(key).unwrap().warnings.push(gap);
        let shown = |document: &Document| document.lengths(document.series(key).unwrap()).text("50");
        assert_eq!(shown(&document), "mm withheld");
        document.apply(&Command::Series(SeriesCommand::Acknowledge(key)));
        assert_eq!(shown(&document), "50 mm");
        document.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!(shown(&document), "mm withheld");
    }

    fn window(document: &Document, key: SeriesKey) -> Window {
        document.workspace.displays[&key].window
    }

    #[test]
    fn preset_digits_set_the_table_windows_and_undo_returns() {
        let (mut d, key) = document();
        let before = window(&d, key);
        d.apply(&Command::Voi(VoiCommand::Preset(key, 1)));
        assert_eq!((window(&d, key).center, window(&d, key).width), (-600.0, 1500.0));
        d.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!(window(&d, key), before);
        d.apply(&Command::Edit(EditCommand::Redo));
        assert_eq!(window(&d, key).width, 1500.0);
    }

    #[test]
    fn a_window_drag_is_one_undo_step_and_ends_on_whole_numbers() {
        let (mut d, key) = document();
        d.apply(&Command::Voi(VoiCommand::Preset(key, 0)));
        for _ in 0..30 {
            d.apply(&Command::Voi(VoiCommand::Drag { series: key, width_steps: 1.3, center_steps: -0.7 }));
        }
        d.apply(&Command::Edit(EditCommand::EndGesture));
        let w = window(&d, key);
        assert!(w.width > 400.0 && w.center < 40.0, "{w:?}");
        assert_eq!((w.width.fract(), w.center.fract()), (0.0, 0.0));
        d.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!((window(&d, key).center, window(&d, key).width), (40.0, 400.0));
    }

    #[test]
    fn scrolling_moves_only_the_cursor_and_is_no_undo_step() {
        let (mut d, key) = document();
        let title = d.history.undo_title().map(str::to_owned);
        let before = d.workspace.clone();
        let cursor = d.cursor(key).unwrap();
        d.apply(&Command::Slice(SliceCommand::Scroll { viewport: ViewportId(0), steps: 2 }));
        assert_eq!(d.workspace, before);
        assert_eq!(d.history.undo_title().map(str::to_owned), title);
        assert!((d.cursor(key).unwrap() - cursor).abs_diff_eq(DVec3::new(0.0, 0.0, -6.0), 1e-9));
        d.apply(&Command::Slice(SliceCommand::First(ViewportId(0))));
        assert!((d.cursor(key).unwrap().z - 22.5).abs() < 1e-9, "slice 1 is the one nearest the head");
    }

    #[test]
    fn typed_windows_keep_their_fractions_and_dragging_a_field_is_one_step() {
        let (mut d, key) = document();
        let before = window(&d, key);
        for center in [10.25, 10.5, 10.75] {
            let window = Window::linear(center, 2.5);
            d.apply(&Command::Voi(VoiCommand::Set { series: key, window, name: None }));
        }
        d.apply(&Command::Edit(EditCommand::EndGesture));
        assert_eq!((window(&d, key).center, window(&d, key).width), (10.75, 2.5));
        d.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!(window(&d, key), before);
    }

    #[test]
    fn turning_right_turns_slices_and_volume_clockwise() {
        let (mut d, _) = document();
        let id = d.workspace.viewports.iter().find(|v| v.volume().is_some()).unwrap().id;
        let basis = |d: &Document| d.workspace.viewport(id).volume().unwrap().camera.basis();
        let before = basis(&d);
        d.apply(&Command::View(ViewCommand::RotateQuarter { viewport: id, clockwise: true }));
        let after = basis(&d);
        assert!(after.right.abs_diff_eq(before.up, 1e-9), "what was on top is now on the right");
        assert!(after.up.abs_diff_eq(-before.right, 1e-9));
    }

    #[test]
    fn cursor_stays_inside_the_volume() {
        let (mut d, key) = document();
        d.apply(&Command::Slice(SliceCommand::SetCursor { series: key, lps: DVec3::splat(1e6) }));
        let g = *d.geometry(key).unwrap();
        assert!(g.nearest_index(d.cursor(key).unwrap()).is_some());
        d.apply(&Command::Slice(SliceCommand::SetCursor { series: key, lps: DVec3::NAN }));
        assert!(d.cursor(key).unwrap().is_finite());
    }

    #[test]
    fn maximising_keeps_the_cameras() {
        let (mut d, _) = document();
        d.apply(&Command::View(ViewCommand::Zoom {
            viewport: ViewportId(1),
            factor: 2.0,
            right_mm: 0.0,
            down_mm: 0.0,
            is_drag: false,
        }));
        let before = d.workspace.viewports;
        d.apply(&Command::Layout(LayoutCommand::ToggleMaximised(ViewportId(1))));
        assert_eq!(d.workspace.layout.maximised, Some(ViewportId(1)));
        d.apply(&Command::Layout(LayoutCommand::ToggleMaximised(ViewportId(1))));
        assert_eq!(d.workspace.layout.maximised, None);
        assert_eq!(d.workspace.viewports, before);
    }

    #[test]
    fn reset_returns_framing_orientation_and_window() {
        let (mut d, key) = document();
        let (view, w) = (*d.workspace.viewport(ViewportId(2)), window(&d, key));
        d.apply(&Command::View(ViewCommand::Flip { viewport: ViewportId(2), is_horizontal: true }));
        d.apply(&Command::View(ViewCommand::Pan { viewport: ViewportId(2), right_mm: 9.0, down_mm: 1.0 }));
        d.apply(&Command::Voi(VoiCommand::Preset(key, 3)));
        d.apply(&Command::View(ViewCommand::Reset(ViewportId(2))));
        assert_eq!((*d.workspace.viewport(ViewportId(2)), window(&d, key)), (view, w));
    }
}
