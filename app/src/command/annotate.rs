//! What commands do to annotations.

use std::sync::Arc;

use glam::DVec3;
use imaging::measurement::{Calibration, DrawingKind, DrawingPlane};

use super::{AnnotationCommand, DraftCommand};
use crate::document::{Annotation, AnnotationId, Document, Draft, ViewportId};
use crate::session::capture::tracking_uids;

/// Pointer travel, in shares of the smallest voxel spacing, that counts as another place.
const LEAST_STEP: f64 = 0.05;

impl Document {
    pub(super) fn apply_draft(&mut self, command: &DraftCommand) {
        match *command {
            DraftCommand::Begin { viewport, kind, plane, at } => self.begin_draft(viewport, kind, plane, at),
            DraftCommand::Point(at) => {
                let least = self.least_step_mm();
                if let Some(draft) = &mut self.draft {
                    draft.point_at(at, least);
                }
            }
            DraftCommand::Set(at) => {
                let least = self.least_step_mm();
                if let Some(draft) = &mut self.draft {
                    draft.set(at, least);
                    if draft.is_full() {
                        self.finish_draft();
                    }
                }
            }
            DraftCommand::Cancel => self.draft = None,
        }
    }

    fn begin_draft(&mut self, id: ViewportId, kind: DrawingKind, plane: DrawingPlane, at: DVec3) {
        let Some(series) = self.workspace.viewport(id).series else { return };
        if at.is_finite() {
            // What is complete is kept, whichever viewport it is in.
            self.finish_draft();
            self.selected = None;
            let draft = Draft::begin((id, series), kind, plane, at);
            let is_full = draft.is_full();
            self.draft = Some(draft);
            if is_full {
                self.finish_draft();
            }
        }
    }

    fn least_step_mm(&self) -> f64 {
        let key = self.draft.as_ref().map(|draft| draft.series);
        let spacing = key.and_then(|key| self.geometry(key)).map(|g| g.spacing_mm().min_element());
        spacing.unwrap_or(1.0) * LEAST_STEP
    }

    pub(super) fn apply_annotation(&mut self, command: &AnnotationCommand) {
        match command {
            AnnotationCommand::Finish => self.finish_draft(),
            AnnotationCommand::Add(annotation) => {
                if self.series(annotation.series).is_some() {
                    self.add((**annotation).clone());
                }
            }
            AnnotationCommand::MovePoint { id, index, lps } => self.change(*id, |a| {
                // A picture may show it from another slice; it stays in the plane it was drawn in.
                let on_plane = a.drawing.plane().foot(*lps);
                a.drawing = a.drawing.with_point_moved(*index, on_plane);
            }),
            AnnotationCommand::Translate { id, by } => self.change(*id, |a| {
                a.drawing = a.drawing.translated(*by);
            }),
            AnnotationCommand::Select(id) => self.selected = *id,
            AnnotationCommand::Delete(id) => {
                if self.workspace.annotations.get(id).is_some_and(|a| !a.is_locked) {
                    self.workspace.annotations.remove(id);
                    self.selected = self.selected.filter(|selected| selected != id);
                }
            }
            AnnotationCommand::SetLabel { id, label } => self.change_even_locked(*id, |a| {
                a.label.clone_from(label);
            }),
            AnnotationCommand::ToggleLocked(id) => {
                self.change_even_locked(*id, |a| a.is_locked = !a.is_locked);
            }
            AnnotationCommand::ToggleVisible(id) => {
                self.change_even_locked(*id, |a| a.is_visible = !a.is_visible);
            }
            AnnotationCommand::ToggleAll => {
                self.workspace.are_annotations_visible = !self.workspace.are_annotations_visible;
            }
            AnnotationCommand::JumpTo(id) => self.jump_to(*id),
            AnnotationCommand::Calibrate { id, known_mm, by, at } => {
                self.calibrate(*id, *known_mm, [by.as_str(), at.as_str()]);
            }
            AnnotationCommand::RemoveCalibration(key) => {
                self.workspace.calibrations.remove(key);
            }
            AnnotationCommand::Copy(id) => self.copied = self.workspace.annotations.get(id).cloned(),
            AnnotationCommand::Paste => self.paste(),
            AnnotationCommand::Import(annotations) => self.import(annotations),
        }
    }

    fn finish_draft(&mut self) {
        let Some(draft) = self.draft.take() else { return };
        if let Some(drawing) = draft.finished() {
            let id = self.add(Annotation::new(draft.series, drawing));
            if matches!(draft.kind, DrawingKind::Text | DrawingKind::Arrow) {
                self.labelled = Some(id);
            }
        }
    }

    fn add(&mut self, mut annotation: Annotation) -> AnnotationId {
        // Undo may have taken some back whose identifiers come again with redo: never one that was given before.
        self.last_annotation += 1;
        let id = AnnotationId(self.last_annotation);
        let seed = self.uid_seed;
        annotation.tracking_uid.get_or_insert_with(|| seed.uid(u64::from(id.0)));
        self.workspace.annotations.insert(id, Arc::new(annotation));
        self.workspace.are_annotations_visible = true;
        self.selected = Some(id);
        id
    }

    /// Adds what was read from a file, but for what is there already; one step for undo.
    fn import(&mut self, annotations: &[Annotation]) {
        let mut uids = tracking_uids(&self.workspace);
        for annotation in annotations {
            let is_new = annotation.tracking_uid.as_ref().is_none_or(|uid| uids.insert(uid.clone()));
            if is_new && self.series(annotation.series).is_some() {
                self.add(annotation.clone());
            }
        }
        self.selected = None;
    }

    fn change(&mut self, id: AnnotationId, change: impl FnOnce(&mut Annotation)) {
        if self.workspace.annotations.get(&id).is_some_and(|a| !a.is_locked) {
            self.change_even_locked(id, change);
        }
    }

    fn change_even_locked(&mut self, id: AnnotationId, change: impl FnOnce(&mut Annotation)) {
        if let Some(annotation) = self.workspace.annotations.get_mut(&id) {
            change(Arc::make_mut(annotation));
        }
    }

    /// Shows the series of an annotation where it was drawn, on a plane that is parallel to it if there is one.
    fn jump_to(&mut self, id: AnnotationId) {
        let Some(annotation) = self.workspace.annotations.get(&id).cloned() else { return };
        self.selected = Some(id);
        if !self.workspace.shown_series().contains(&annotation.series) {
            self.show(annotation.series);
        }
        let normal = annotation.drawing.plane().normal();
        let showing = self.workspace.visible().filter(|v| v.series == Some(annotation.series));
        let turned = |v: &crate::document::Viewport| v.slice().map_or(0.0, |s| s.normal().dot(normal).abs());
        let best = showing.max_by(|a, b| turned(a).total_cmp(&turned(b))).map(|v| v.id);
        if let Some(best) = best {
            self.active = best;
        }
        let center = annotation.drawing.center_lps();
        if self.geometry(annotation.series).is_some() {
            self.set_cursor(annotation.series, center);
        } else {
            // It is gone to when the series has been loaded.
            self.cursors.insert(annotation.series, center);
        }
    }

    /// Takes the length of a line for true; all lengths of its series follow.
    fn calibrate(&mut self, id: AnnotationId, known_mm: f64, said: [&str; 2]) {
        let Some(annotation) = self.workspace.annotations.get(&id) else { return };
        let key = annotation.series;
        let Some(series) = self.series(key) else { return };
        let unit = series.spacing_source.label();
        if let Ok(calibration) = Calibration::from_line(&annotation.drawing, known_mm, &unit, said) {
            self.workspace.calibrations.insert(key, Arc::new(calibration));
        }
    }

    /// Puts the copied annotation onto the plane of the active viewport, at the same place of the picture.
    fn paste(&mut self) {
        let Some(copied) = self.copied.clone() else { return };
        let viewport = self.active_viewport();
        let (Some(key), Some(view)) = (viewport.series, viewport.slice()) else { return };
        let (Some(geometry), Some(cursor)) = (self.geometry(key).copied(), self.cursor(key)) else { return };
        let through = view.through(&geometry, cursor);
        let normal = copied.drawing.plane().normal();
        // Only along the normal: on the next slice it lies over the same anatomy.
        let by = normal * (through - copied.drawing.plane().through_lps()).dot(normal);
        let drawing = copied.drawing.translated(by);
        self.add(Annotation {
            series: key,
            drawing,
            is_locked: false,
            tracking_uid: None,
            ..(*copied).clone()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, EditCommand};
    use crate::document::{LoadedVolume, Series};
    use glam::DMat3;
    use imaging::geometry::Dims;
    use imaging::intensity::Histogram;
    use imaging::phantom;
    use imaging::series::SeriesAttributes;

    fn document() -> Document {
        let dims = Dims::new(20, 24, 16);
        let volume = Arc::new(phantom::head(dims, DVec3::new(2.0, 2.0, 3.0), DMat3::IDENTITY));
        let mut d = Document::new();
        let key = d.new_key();
        d.series.push(Series::from_volume(key, SeriesAttributes::default(), Arc::clone(&volume)));
        d.show(key);
        let histogram = Histogram::of_voxels(volume.voxels(), volume.rescale(), None, 256);
        d.volume_loaded(key, LoadedVolume { shown: Arc::clone(&volume), volume, histogram });
        d
    }

    fn plane(z: f64) -> DrawingPlane {
        DrawingPlane::new(DVec3::new(0.0, 0.0, z), DVec3::X, DVec3::Y).unwrap()
    }

    fn begin(d: &mut Document, kind: DrawingKind, at: DVec3) {
        let begin = DraftCommand::Begin { viewport: ViewportId(0), kind, plane: plane(1.5), at };
        d.apply(&Command::Draft(begin));
    }

    fn set(d: &mut Document, at: DVec3) {
        d.apply(&Command::Draft(DraftCommand::Set(at)));
    }

    fn only(d: &Document) -> (AnnotationId, Annotation) {
        let mut all = d.workspace.annotations.iter();
        let (id, annotation) = all.next().expect("there is one");
        assert!(all.next().is_none(), "there is only one");
        (*id, (**annotation).clone())
    }

    #[test]
    fn two_places_make_a_length_on_the_plane_and_undo_takes_it_back_whole() {
        let mut d = document();
        begin(&mut d, DrawingKind::Length, DVec3::new(1.0, 2.0, 1.5));
        assert!(d.workspace.annotations.is_empty(), "one place is no length");
        d.apply(&Command::Draft(DraftCommand::Point(DVec3::new(3.0, 2.0, 1.5))));
        set(&mut d, DVec3::new(4.0, 6.0, 9.0));
        let (id, a) = only(&d);
        assert_eq!(a.drawing.points_lps(), [DVec3::new(1.0, 2.0, 1.5), DVec3::new(4.0, 6.0, 1.5)]);
        assert_eq!((d.selected, d.draft.is_none()), (Some(id), true));
        d.apply(&Command::Edit(EditCommand::Undo));
        assert!(d.workspace.annotations.is_empty());
        d.apply(&Command::Edit(EditCommand::Redo));
        assert_eq!(only(&d), (id, a));
    }

    #[test]
    fn the_same_place_twice_is_one_place() {
        let mut d = document();
        let at = DVec3::new(1.0, 2.0, 1.5);
        begin(&mut d, DrawingKind::Length, at);
        set(&mut d, at);
        assert!(d.draft.is_some() && d.workspace.annotations.is_empty());
        d.apply(&Command::Draft(DraftCommand::Cancel));
        assert!(d.draft.is_none() && d.history.undo_title() != Some("measurement"));
    }

    #[test]
    fn open_ended_lines_end_when_somebody_says_so() {
        let mut d = document();
        begin(&mut d, DrawingKind::Polygon, DVec3::ZERO);
        set(&mut d, DVec3::new(5.0, 0.0, 1.5));
        d.apply(&Command::Annotation(AnnotationCommand::Finish));
        assert!(d.workspace.annotations.is_empty(), "two places enclose nothing");
        begin(&mut d, DrawingKind::Polygon, DVec3::ZERO);
        set(&mut d, DVec3::new(5.0, 0.0, 1.5));
        set(&mut d, DVec3::new(5.0, 5.0, 1.5));
        d.apply(&Command::Annotation(AnnotationCommand::Finish));
        assert_eq!(only(&d).1.drawing.points_lps().len(), 3);
    }

    #[test]
    fn dragging_a_handle_is_one_step_and_locked_ones_stay() {
        let mut d = document();
        begin(&mut d, DrawingKind::Length, DVec3::new(0.0, 0.0, 1.5));
        set(&mut d, DVec3::new(4.0, 0.0, 1.5));
        let (id, before) = only(&d);
        for x in [5.0, 6.0, 7.0] {
            let lps = DVec3::new(x, 0.0, 1.5);
            d.apply(&Command::Annotation(AnnotationCommand::MovePoint { id, index: 1, lps }));
        }
        d.apply(&Command::Edit(EditCommand::EndGesture));
        assert_eq!(only(&d).1.drawing.points_lps()[1].x, 7.0);
        d.apply(&Command::Edit(EditCommand::Undo));
        assert_eq!(only(&d).1, before);
        d.apply(&Command::Annotation(AnnotationCommand::ToggleLocked(id)));
        d.apply(&Command::Annotation(AnnotationCommand::Translate { id, by: DVec3::X }));
        d.apply(&Command::Annotation(AnnotationCommand::Delete(id)));
        assert_eq!(only(&d).1.drawing, before.drawing);
    }

    #[test]
    fn a_draft_ends_with_its_series_and_one_that_is_complete_is_kept_when_another_begins() {
        let mut d = document();
        begin(&mut d, DrawingKind::Polygon, DVec3::ZERO);
        set(&mut d, DVec3::new(5.0, 0.0, 1.5));
        set(&mut d, DVec3::new(5.0, 5.0, 1.5));
        begin(&mut d, DrawingKind::Length, DVec3::ZERO);
        assert_eq!(only(&d).1.drawing.kind(), DrawingKind::Polygon);
        assert!(d.draft.is_some());
        let dims = Dims::new(8, 8, 8);
        let volume = Arc::new(phantom::head(dims, DVec3::ONE, DMat3::IDENTITY));
        let key = d.new_key();
        d.series.push(Series::from_volume(key, SeriesAttributes::default(), volume));
        d.apply(&Command::Series(crate::command::SeriesCommand::Show(key)));
        assert!(d.draft.is_none(), "another series is shown there now");
    }

    #[test]
    fn a_handle_stays_in_the_plane_of_its_drawing() {
        let mut d = document();
        begin(&mut d, DrawingKind::Length, DVec3::new(0.0, 0.0, 1.5));
        set(&mut d, DVec3::new(4.0, 0.0, 1.5));
        let (id, _) = only(&d);
        let lps = DVec3::new(6.0, 0.0, 9.0);
        d.apply(&Command::Annotation(AnnotationCommand::MovePoint { id, index: 1, lps }));
        assert_eq!(only(&d).1.drawing.points_lps()[1], DVec3::new(6.0, 0.0, 1.5));
    }

    #[test]
    fn keys_delete_only_what_is_on_screen() {
        use crate::command::Action;
        let mut d = document();
        let key = d.active_viewport().series.unwrap();
        begin(&mut d, DrawingKind::Length, DVec3::new(0.0, 0.0, 1.5));
        set(&mut d, DVec3::new(4.0, 0.0, 1.5));
        d.set_cursor(key, DVec3::new(0.0, 0.0, 1.5));
        assert!(Action::DeleteAnnotation.command(&d).is_some());
        d.set_cursor(key, DVec3::new(0.0, 0.0, 19.5));
        assert_eq!(Action::DeleteAnnotation.command(&d), None, "it is on another slice");
        d.set_cursor(key, DVec3::new(0.0, 0.0, 1.5));
        d.apply(&Command::Annotation(AnnotationCommand::ToggleAll));
        assert_eq!(Action::DeleteAnnotation.command(&d), None, "it is hidden");
    }

    #[test]
    fn series_that_are_replaced_leave_no_step_that_names_them() {
        let mut d = document();
        let key = d.active_viewport().series.unwrap();
        d.apply(&Command::View(crate::command::ViewCommand::Flip {
            viewport: ViewportId(0),
            is_horizontal: true,
        }));
        d.forget_series(&[key]);
        assert_eq!(d.history.undo_title(), None);
        assert!(d.workspace.viewports.iter().all(|v| v.series.is_none()));
    }

    #[test]
    fn pasted_on_another_slice_it_lies_over_the_same_anatomy() {
        let mut d = document();
        let key = d.active_viewport().series.unwrap();
        begin(&mut d, DrawingKind::Circle, DVec3::new(2.0, 3.0, 1.5));
        set(&mut d, DVec3::new(8.0, 3.0, 1.5));
        let (id, _) = only(&d);
        d.apply(&Command::Annotation(AnnotationCommand::Copy(id)));
        d.set_cursor(key, DVec3::new(0.0, 0.0, 10.5));
        d.apply(&Command::Annotation(AnnotationCommand::Paste));
        let pasted = d.workspace.annotations.values().nth(1).unwrap();
        let center = pasted.drawing.points_lps()[0];
        assert!(center.abs_diff_eq(DVec3::new(2.0, 3.0, 10.5), 1e-9), "{center}");
        d.apply(&Command::Annotation(AnnotationCommand::JumpTo(id)));
        assert!((d.cursor(key).unwrap().z - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_known_length_calibrates_the_series_until_it_is_undone() {
        let mut d = document();
        let key = d.active_viewport().series.unwrap();
        begin(&mut d, DrawingKind::Length, DVec3::new(0.0, 0.0, 1.5));
        set(&mut d, DVec3::new(10.0, 0.0, 1.5));
        let (id, _) = only(&d);
        let said = || ("R. Reader".to_owned(), "today".to_owned());
        let (by, at) = said();
        d.apply(&Command::Annotation(AnnotationCommand::Calibrate { id, known_mm: 20.0, by, at }));
        assert_eq!(d.workspace.calibrations[&key].mm_per_unit(), 2.0);
        d.apply(&Command::Edit(EditCommand::Undo));
        assert!(d.workspace.calibrations.is_empty());
        let (by, at) = said();
        d.apply(&Command::Annotation(AnnotationCommand::Calibrate { id, known_mm: -1.0, by, at }));
        assert!(d.workspace.calibrations.is_empty(), "no line is that long");
    }
}
