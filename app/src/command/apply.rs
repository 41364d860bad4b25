//! What each command does to the document.

use std::sync::Arc;

use glam::DVec3;
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::{CT_PRESETS, VoiFunction, Window};
use render_core::transfer_function::VolumePreset;

use super::{
    AnnotationCommand, Command, EditCommand, LayoutCommand, MaskCommand, SeriesCommand, SliceCommand,
    ViewCommand, VoiCommand, VolumeCommand,
};
use crate::document::{
    AUTO, Arrangement, Display, Document, Fusion, Layout, MaskKey, MaskLook, MaskRegion, Placement,
    SeriesKey, SliceView, Tool, View, Viewport, ViewportId, VolumeLook, VolumePresetChoice, VolumeView,
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
                        | Command::Voi(VoiCommand::Set { .. } | VoiCommand::Fuse(..))
                        | Command::Slice(SliceCommand::SetSlab { .. })
                        | Command::Mask(MaskCommand::SetOpacity { .. })
                        | Command::Annotation(AnnotationCommand::Calibrate { .. })
                );
                self.history.push(command.title().to_owned(), &before, &self.workspace, may_merge);
            }
        }
        // What is drawn belongs to the series it was begun on.
        self.draft = self.draft.take().filter(|draft| {
            self.workspace.visible().any(|v| v.id == draft.viewport && v.series == Some(draft.series))
        });
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
        let visible = self.workspace.layout.visible();
        if !visible.contains(&self.active) {
            self.active = visible.first().copied().unwrap_or_default();
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
            Command::Draft(draft) => self.apply_draft(draft),
            Command::Annotation(annotation) => self.apply_annotation(annotation),
            Command::Mask(mask) => self.apply_mask(*mask),
            Command::Tool(tool) => {
                self.tool = *tool;
                self.draft = None;
                if let Tool::Draw(kind) = tool {
                    self.measuring = *kind;
                }
            }
        }
    }

    fn apply_layout(&mut self, command: LayoutCommand) {
        match command {
            LayoutCommand::Activate(id) => self.active = id,
            LayoutCommand::NextViewport => self.step_viewport(1),
            LayoutCommand::PreviousViewport => {
                self.step_viewport(self.workspace.layout.arrangement.viewports().len() - 1);
            }
            LayoutCommand::ToggleMaximised(id) => {
                let layout = &mut self.workspace.layout;
                layout.maximised = if layout.maximised == Some(id) { None } else { Some(id) };
                self.active = id;
            }
            LayoutCommand::Arrange(arrangement) => self.arrange(arrangement),
            LayoutCommand::ToggleNeurological => self.toggle_neurological(),
            LayoutCommand::ToggleLinked => self.is_linked = !self.is_linked,
            LayoutCommand::ToggleLinkedByOffset => self.is_linked_by_offset = !self.is_linked_by_offset,
        }
    }

    /// Divides the window anew. Viewports keep what they showed when they were last seen; cells that never showed
    /// anything get the series that follow the active one.
    fn arrange(&mut self, arrangement: Arrangement) {
        let active = self.active_viewport().series;
        self.workspace.layout = Layout { arrangement, maximised: None, stood_in_for: None };
        let ids = arrangement.viewports();
        if arrangement.is_of_one_series() {
            for id in &ids {
                self.put(*id, active);
            }
        } else {
            let start = active.and_then(|key| self.series.iter().position(|s| s.key == key)).unwrap_or(0);
            let mut shown = self.workspace.shown_series();
            for id in &ids {
                if self.workspace.viewport(*id).series.is_some() {
                    continue;
                }
                let following = self.series.iter().cycle().skip(start).take(self.series.len());
                let next = following.map(|s| s.key).find(|key| !shown.contains(key));
                shown.extend(next);
                self.put(*id, next);
            }
        }
        if !ids.contains(&self.active) {
            self.active = ids
                .iter()
                .copied()
                .find(|id| self.workspace.viewport(*id).series == active)
                .or(ids.first().copied())
                .unwrap_or_default();
        }
    }

    /// Puts a series into one viewport; it is placed anew if it is another than before.
    fn put(&mut self, id: ViewportId, series: Option<SeriesKey>) {
        if let Some(viewport) = self.workspace.viewport_mut(id)
            && viewport.series != series
        {
            viewport.series = series;
            viewport.placement = Placement::None;
        }
    }

    /// Mirrors all planes that show left and right, now and when they are placed.
    fn toggle_neurological(&mut self) {
        self.workspace.is_neurological = !self.workspace.is_neurological;
        for viewport in &mut self.workspace.viewports {
            if let View::Slice(view) = &mut viewport.view
                && view.plane != AnatomicalPlane::Sagittal
            {
                view.flip_horizontal();
            }
        }
    }

    fn step_viewport(&mut self, by: usize) {
        let ids = self.workspace.layout.arrangement.viewports();
        let now = ids.iter().position(|id| *id == self.active).unwrap_or(0);
        let Some(next) = ids.get((now + by) % ids.len()).copied() else { return };
        self.active = next;
        if self.workspace.layout.maximised.is_some() {
            self.workspace.layout.maximised = Some(next);
        }
    }

    fn apply_series(&mut self, command: SeriesCommand) {
        let now = self.active_viewport().series.and_then(|key| self.series.iter().position(|s| s.key == key));
        let next = match command {
            SeriesCommand::Show(key) => Some(key),
            SeriesCommand::ShowIn(id, key) => {
                self.active = id;
                Some(key)
            }
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

    /// Shows a series: in all planes where the layout is of one series, else in the active viewport.
    ///
    /// A flat image, which has nothing to reformat, takes the window; the next volume gives the layout back.
    pub fn show(&mut self, key: SeriesKey) {
        let Some(is_volume) = self.series(key).map(|s| s.is_volume()) else { return };
        let layout = self.workspace.layout;
        match (layout.stood_in_for, is_volume) {
            (Some(before), true) => {
                self.workspace.layout = Layout { arrangement: before, ..Layout::default() };
            }
            (None, false) if layout.arrangement.is_of_one_series() => {
                self.workspace.layout = Layout {
                    arrangement: Arrangement::ONE,
                    maximised: None,
                    stood_in_for: Some(layout.arrangement),
                };
            }
            _ => {}
        }
        let ids = self.workspace.layout.arrangement.viewports();
        if !ids.contains(&self.active) {
            self.active = ids.first().copied().unwrap_or_default();
        }
        if self.workspace.layout.arrangement.is_of_one_series() {
            self.workspace.layout.maximised = self.workspace.layout.maximised.filter(|id| *id == self.active);
            for id in ids {
                self.put(id, Some(key));
            }
        } else {
            self.put(self.active, Some(key));
        }
    }

    fn display_mut(&mut self, key: SeriesKey) -> Option<&mut Display> {
        self.workspace.displays.get_mut(&key)
    }

    fn apply_voi(&mut self, command: &VoiCommand) {
        let named = |display: &mut Display, window: Window, name: Option<String>| {
            display.window = window;
            display.window_name = name;
            display.file_window = None;
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
                let window = self.file_windows(*key).get(*n).cloned();
                if let (Some(w), Some(display)) = (window, self.display_mut(*key)) {
                    named(display, w.window, Some(w.name));
                    display.file_window = Some(*n);
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
            VoiCommand::ColorMap(key, map) => {
                if let Some(display) = self.display_mut(*key) {
                    display.color_map.clone_from(map);
                }
            }
            VoiCommand::Fuse(key, fusion) => match fusion {
                // Over itself it would only hide itself.
                Some(fusion) if fusion.over == *key => {}
                Some(fusion) => {
                    let opacity = fusion.opacity.clamp(0.0, 1.0);
                    self.workspace.fusions.insert(*key, Fusion { opacity, ..fusion.clone() });
                }
                None => {
                    self.workspace.fusions.remove(key);
                }
            },
            VoiCommand::Reset(key) => self.reset_window(*key),
            VoiCommand::Interpolate(key, interpolation) => {
                if let Some(display) = self.display_mut(*key) {
                    display.interpolation = *interpolation;
                }
            }
        }
    }

    fn apply_mask(&mut self, command: MaskCommand) {
        match command {
            MaskCommand::Toggle(key) => self.with_mask(key, |look, _| look.is_visible = !look.is_visible),
            MaskCommand::ToggleRegion { key, label } => {
                self.with_mask(key, |look, regions| look.toggle(label, regions));
            }
            MaskCommand::ToggleOnly { key, label } => {
                self.with_mask(key, |look, regions| look.toggle_only(label, regions));
            }
            MaskCommand::SetOpacity { key, fill, outline } => self.with_mask(key, |look, _| {
                (look.fill_opacity, look.outline_opacity) = (fill.clamp(0.0, 1.0), outline.clamp(0.0, 1.0));
            }),
            MaskCommand::JumpTo { series, lps } => self.set_cursor(series, lps),
            MaskCommand::ToggleAll(series) => {
                let keys: Vec<MaskKey> = self.masks_of(series).map(|masks| masks.key).collect();
                let looks = &mut self.workspace.mask_looks;
                let is_any_shown = keys.iter().any(|key| looks.get(key).is_some_and(|l| l.is_visible));
                for key in keys {
                    if let Some(look) = looks.get_mut(&key) {
                        look.is_visible = !is_any_shown;
                    }
                }
            }
        }
    }

    fn with_mask(&mut self, key: MaskKey, change: impl FnOnce(&mut MaskLook, &[MaskRegion])) {
        let masks = self.masks.iter().find(|masks| masks.key == key);
        if let (Some(masks), Some(look)) = (masks, self.workspace.mask_looks.get_mut(&key)) {
            change(look, &masks.regions);
        }
    }

    fn reset_window(&mut self, key: SeriesKey) {
        let initial = self.series(key).map(Display::initial);
        if let (Some(initial), Some(display)) = (initial, self.display_mut(key)) {
            display.window = initial.window;
            display.window_name = initial.window_name;
            display.file_window = initial.file_window;
            display.is_inverted = initial.is_inverted;
            display.color_map = initial.color_map;
        }
        self.follow_file_windows();
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
            display.file_window = None;
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
                let is_neurological = self.workspace.is_neurological;
                if let (Some(geometry), Some(view)) = (geometry, self.slice_mut(viewport)) {
                    view.place_for(frame, &geometry, is_neurological);
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
            let next = view.stepped(&geometry, cursor, steps, order);
            self.cursors.insert(key, next);
            self.follow(key, cursor, next);
        }
    }

    /// Moves the crosshairs of other series on screen along with one that moved: to the same place in one frame of
    /// reference, by the same way in others if that was asked for.
    fn follow(&mut self, moved: SeriesKey, from: DVec3, to: DVec3) {
        for other in self.workspace.shown_series() {
            let (Some(a), Some(b)) = (self.series(moved), self.series(other)) else { continue };
            if other == moved {
                continue;
            }
            let is_shared = a.shares_space_with(b);
            let target = match (is_shared && self.is_linked, self.is_linked_by_offset) {
                (true, _) => Some(to),
                (false, true) if !is_shared => self.cursor(other).map(|cursor| cursor + (to - from)),
                _ => None,
            };
            if let Some(target) = target {
                self.put_cursor(other, target);
            }
        }
    }

    /// Sets the crosshair, kept inside the volume; linked series follow.
    pub(super) fn set_cursor(&mut self, key: SeriesKey, lps: DVec3) {
        let Some(before) = self.cursor(key) else { return };
        if let Some(inside) = self.put_cursor(key, lps) {
            self.follow(key, before, inside);
        }
    }

    /// Sets the crosshair of one series, kept inside its volume; where it is then.
    fn put_cursor(&mut self, key: SeriesKey, lps: DVec3) -> Option<DVec3> {
        let geometry = self.geometry(key)?;
        let last = geometry.dims().as_dvec3() - 1.0;
        let index = geometry.index_from_lps().transform_point3(lps).clamp(DVec3::ZERO, last);
        let inside = geometry.lps_from_index().transform_point3(index);
        inside.is_finite().then(|| {
            self.cursors.insert(key, inside);
            inside
        })
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
        let is_neurological = self.workspace.is_neurological;
        if let Some(viewport) = self.workspace.viewport_mut(id) {
            let placement = viewport.placement;
            *viewport = Viewport { placement: Placement::None, ..*viewport };
            viewport.place(&geometry, placement, is_neurological);
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
    use imaging::formats::{self, ReadLimits};
    use imaging::geometry::Dims;
    use imaging::intensity::Histogram;
    use imaging::phantom::{self, dicom_file};
    use imaging::series::SeriesAttributes;
    use imaging::source::Progress;

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

    /// A stack of four slices read from files, each with two windows of its own (the last has but the first one).
    fn stack_with_windows() -> (Document, SeriesKey) {
        let dir = tempfile::tempdir().unwrap();
        for z in 0..4u16 {
            let [own, other] = [100.0 * f64::from(z), 1000.0 + f64::from(z)];
            let count = if z == 3 { 1 } else { 2 };
            let slice = dicom_file::object("1.2.840.10008.5.1.4.1.1.4", "MR")
                .text(0x0008_0018, "UI", &format!("1.2.3.4.{z}"))
                .ds(0x0020_0032, &[0.0, 0.0, f64::from(z)])
                .ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
                .us(0x0028_0002, &[1])
                .text(0x0028_0004, "CS", "MONOCHROME2")
                .us(0x0028_0010, &[2])
                .us(0x0028_0011, &[2])
                .ds(0x0028_0030, &[1.0, 1.0])
                .us(0x0028_0100, &[16])
                .us(0x0028_0101, &[16])
                .us(0x0028_0102, &[15])
                .us(0x0028_0103, &[0])
                .ds(0x0028_1050, &[own, other][..count])
                .ds(0x0028_1051, &[50.0, 60.0][..count])
                .bytes(0x7FE0_0010, "OW", &[z as u8, 0, 100, 0, 200, 0, 44, 1]);
            std::fs::write(dir.path().join(format!("{z}.dcm")), slice.file()).unwrap();
        }
        let catalog = formats::scan(&[dir.path().to_path_buf()], &Progress::new()).unwrap();
        let entry = catalog.series.into_iter().next().unwrap();
        let volume = Arc::new(formats::load(&entry, ReadLimits::default(), &Progress::new()).unwrap());
        let mut document = Document::new();
        let key = document.new_key();
        document.series.push(Series::from_entry(key, entry, dir.path().to_path_buf()));
        document.apply(&Command::Series(SeriesCommand::Show(key)));
        let histogram = Histogram::of_voxels(volume.voxels(), volume.rescale(), None, 256);
        document.volume_loaded(key, LoadedVolume { shown: Arc::clone(&volume), volume, histogram });
        (document, key)
    }

    fn to_slice(document: &mut Document, key: SeriesKey, z: usize) {
        let geometry = *document.geometry(key).unwrap();
        let lps = geometry.lps_from_index().transform_point3(DVec3::new(0.0, 0.0, z as f64));
        document.apply(&Command::Slice(SliceCommand::SetCursor { series: key, lps }));
    }

    #[test]
    fn each_slice_is_shown_with_its_own_window_until_one_is_set_by_hand() {
        let (mut d, key) = stack_with_windows();
        let center = |d: &Document| window(d, key).center;
        assert_eq!(
            (center(&d), d.file_windows(key).len()),
            (100.0, 2),
            "the crosshair is in the second of four"
        );
        to_slice(&mut d, key, 2);
        assert_eq!(center(&d), 200.0);
        let scroll = |steps| Command::Slice(SliceCommand::Scroll { viewport: ViewportId(0), steps });
        let at = |d: &Document| d.cursor(key).unwrap().z;
        d.apply(&scroll(1));
        assert_eq!(center(&d), 100.0 * at(&d), "scrolled to {}", at(&d));
        // The second window of each slice; where a slice has none, the one before stays.
        to_slice(&mut d, key, 1);
        d.apply(&Command::Voi(VoiCommand::FileWindow(key, 1)));
        to_slice(&mut d, key, 2);
        assert_eq!(center(&d), 1002.0);
        assert_eq!(d.file_windows(key)[1].window.center, 1002.0);
        to_slice(&mut d, key, 3);
        assert_eq!((center(&d), d.file_windows(key).len()), (1002.0, 1));
        // By hand, for the whole series.
        let by_hand = Window::linear(7.0, 70.0);
        d.apply(&Command::Voi(VoiCommand::Set { series: key, window: by_hand, name: None }));
        to_slice(&mut d, key, 0);
        assert_eq!(window(&d, key), by_hand);
        d.apply(&Command::Voi(VoiCommand::Reset(key)));
        assert_eq!(center(&d), 0.0);
        to_slice(&mut d, key, 2);
        assert_eq!(center(&d), 200.0);
    }

    #[test]
    fn windows_that_follow_the_slice_are_no_steps_of_undo() {
        let (mut d, key) = stack_with_windows();
        let title = d.history.undo_title().map(str::to_owned);
        for z in [0, 2, 1, 3] {
            to_slice(&mut d, key, z);
        }
        assert_eq!(d.history.undo_title().map(str::to_owned), title);
        d.apply(&Command::Voi(VoiCommand::Reset(key)));
        assert_eq!(d.history.undo_title().map(str::to_owned), title, "nothing had been changed");
        d.apply(&Command::Voi(VoiCommand::Set {
            series: key,
            window: Window::linear(7.0, 70.0),
            name: None,
        }));
        to_slice(&mut d, key, 1);
        d.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!(window(&d, key).center, 100.0, "the window of the slice on show, not of the one before");
        to_slice(&mut d, key, 2);
        d.apply(&Command::Edit(EditCommand::Redo));
        assert_eq!(window(&d, key).center, 7.0);
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
        let before = d.workspace.viewports.clone();
        d.apply(&Command::Layout(LayoutCommand::ToggleMaximised(ViewportId(1))));
        assert_eq!(d.workspace.layout.maximised, Some(ViewportId(1)));
        d.apply(&Command::Layout(LayoutCommand::ToggleMaximised(ViewportId(1))));
        assert_eq!(d.workspace.layout.maximised, None);
        assert_eq!(d.workspace.viewports, before);
    }

    /// A second series of the same document, `shift` away, in a frame of reference.
    fn another(d: &mut Document, frame: Option<&str>, depth: usize) -> SeriesKey {
        let dims = Dims::new(20, 24, depth);
        let volume = Arc::new(phantom::head(dims, DVec3::new(2.0, 2.0, 3.0), DMat3::IDENTITY));
        let key = d.new_key();
        let attributes = SeriesAttributes {
            modality: "CT".into(),
            frame_of_reference_uid: frame.map(str::to_owned),
            ..SeriesAttributes::default()
        };
        d.series.push(Series::from_volume(key, attributes, Arc::clone(&volume)));
        let histogram = Histogram::of_voxels(volume.voxels(), volume.rescale(), None, 256);
        d.volume_loaded(key, LoadedVolume { shown: Arc::clone(&volume), volume, histogram });
        key
    }

    fn arrange(d: &mut Document, arrangement: Arrangement) {
        d.apply(&Command::Layout(LayoutCommand::Arrange(arrangement)));
    }

    #[test]
    fn grids_fill_with_the_following_series_and_layouts_come_back_as_they_were() {
        let (mut d, first) = document();
        let (second, third) = (another(&mut d, None, 16), another(&mut d, None, 16));
        d.apply(&Command::View(ViewCommand::Flip { viewport: ViewportId(0), is_horizontal: true }));
        let planes = d.workspace.viewports[..4].to_vec();
        arrange(&mut d, Arrangement::grid(2, 2));
        let series: Vec<_> = d.workspace.visible().map(|v| v.series).collect();
        assert_eq!(series, [Some(first), Some(second), Some(third), None]);
        assert!(d.workspace.visible().take(3).all(|v| v.placement == Placement::Whole && v.is_stack));
        d.apply(&Command::Series(SeriesCommand::ShowIn(ViewportId(7), second)));
        assert_eq!(d.workspace.viewport(ViewportId(7)).series, Some(second));
        assert_eq!(d.active, ViewportId(7));
        d.apply(&Command::Layout(LayoutCommand::Activate(ViewportId(4))));
        arrange(&mut d, Arrangement::FourUp);
        assert_eq!(d.workspace.viewports[..4], planes[..], "the flip is still there");
        d.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!(d.workspace.layout.arrangement, Arrangement::grid(2, 2));
        assert_eq!(d.workspace.viewport(ViewportId(7)).series, Some(second));
    }

    #[test]
    fn a_flat_image_takes_the_window_and_the_next_volume_gives_the_layout_back() {
        let (mut d, volume) = document();
        let flat = another(&mut d, None, 1);
        arrange(&mut d, Arrangement::OnePlusTwo);
        d.apply(&Command::Series(SeriesCommand::Show(flat)));
        assert_eq!(d.workspace.layout.arrangement, Arrangement::ONE);
        assert_eq!(d.active_viewport().series, Some(flat));
        d.apply(&Command::Series(SeriesCommand::Show(volume)));
        assert_eq!(d.workspace.layout.arrangement, Arrangement::OnePlusTwo);
        assert!(d.workspace.visible().all(|v| v.series == Some(volume)));
    }

    #[test]
    fn series_of_one_frame_of_reference_scroll_together_and_others_by_offset_when_asked() {
        let (mut d, _) = document();
        let a = another(&mut d, Some("1.2"), 16);
        let b = another(&mut d, Some("1.2"), 16);
        let c = another(&mut d, Some("1.3"), 16);
        d.apply(&Command::Series(SeriesCommand::Show(a)));
        arrange(&mut d, Arrangement::grid(1, 3));
        let shown: Vec<_> = d.workspace.visible().filter_map(|v| v.series).collect();
        assert_eq!(shown, [a, b, c]);
        let scroll = |d: &mut Document| {
            d.apply(&Command::Slice(SliceCommand::Scroll { viewport: ViewportId(4), steps: 3 }));
        };
        let z = |d: &Document, key| d.cursor(key).unwrap().z;
        let before = (z(&d, a), z(&d, c));
        scroll(&mut d);
        assert_eq!(z(&d, a), before.0 - 9.0);
        assert_eq!(z(&d, b), z(&d, a), "the same place in the patient");
        assert_eq!(z(&d, c), before.1, "another frame of reference");
        d.apply(&Command::Layout(LayoutCommand::ToggleLinkedByOffset));
        scroll(&mut d);
        assert_eq!(z(&d, c), before.1 - 9.0);
        d.apply(&Command::Layout(LayoutCommand::ToggleLinked));
        let b_before = z(&d, b);
        scroll(&mut d);
        assert_eq!(z(&d, b), b_before, "unlinked");
    }

    #[test]
    fn neurological_side_mirrors_all_planes_but_sagittal_and_stays_for_new_ones() {
        use imaging::geometry::orientation_letters;
        let (mut d, key) = document();
        let left = |d: &Document, id| {
            orientation_letters(-d.workspace.viewport(ViewportId(id)).slice().unwrap().right)
        };
        assert_eq!([left(&d, 0), left(&d, 1), left(&d, 2)], ["R", "R", "A"]);
        d.apply(&Command::Layout(LayoutCommand::ToggleNeurological));
        assert_eq!([left(&d, 0), left(&d, 1), left(&d, 2)], ["L", "L", "A"]);
        let next = another(&mut d, None, 16);
        d.apply(&Command::Series(SeriesCommand::Show(next)));
        d.apply(&Command::View(ViewCommand::Reset(ViewportId(0))));
        assert_eq!([left(&d, 0), left(&d, 1)], ["L", "L"]);
        d.apply(&Command::Series(SeriesCommand::Show(key)));
        d.apply(&Command::Layout(LayoutCommand::ToggleNeurological));
        assert_eq!([left(&d, 0), left(&d, 1)], ["R", "R"]);
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
