//! Undo and redo: each step remembers the pieces it changed and nothing else, so undo never moves an unrelated view.

use std::collections::BTreeMap;
use std::sync::Arc;

use imaging::measurement::Calibration;

use super::annotations::{Annotation, AnnotationId};
use super::display::{Display, Fusion};
use super::layout::Layout;
use super::masks::{MaskKey, MaskLook};
use super::series::SeriesKey;
use super::workspace::{Viewport, Workspace};

/// Steps that are kept.
const MAX_STEPS: usize = 200;

/// One changed piece of the workspace, before and after.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Layout { before: Layout, after: Layout },
    Viewport { index: usize, before: Box<Viewport>, after: Box<Viewport> },
    Display { key: SeriesKey, before: Option<Box<Display>>, after: Option<Box<Display>> },
    Acknowledged { key: SeriesKey, after: bool },
    Neurological { after: bool },
    Annotation { id: AnnotationId, before: Option<Arc<Annotation>>, after: Option<Arc<Annotation>> },
    AnnotationsVisible { after: bool },
    Fusion { key: SeriesKey, before: Option<Fusion>, after: Option<Fusion> },
    MaskLook { key: MaskKey, before: Option<Box<MaskLook>>, after: Option<Box<MaskLook>> },
    Calibration { key: SeriesKey, before: Option<Arc<Calibration>>, after: Option<Arc<Calibration>> },
}

impl Piece {
    fn target(&self) -> (u8, usize) {
        match self {
            Self::Layout { .. } => (0, 0),
            Self::Viewport { index, .. } => (1, *index),
            Self::Display { key, .. } => (2, key.0 as usize),
            Self::Acknowledged { key, .. } => (3, key.0 as usize),
            Self::Neurological { .. } => (4, 0),
            Self::Annotation { id, .. } => (5, id.0 as usize),
            Self::AnnotationsVisible { .. } => (6, 0),
            Self::Calibration { key, .. } => (7, key.0 as usize),
            Self::MaskLook { key, .. } => (8, key.0 as usize),
            Self::Fusion { key, .. } => (9, key.0 as usize),
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    title: String,
    pieces: Vec<Piece>,
    may_merge: bool,
}

/// Undo and redo stacks, and the gesture in progress.
#[derive(Debug, Default)]
pub struct History {
    done: Vec<Step>,
    undone: Vec<Step>,
    gesture: Option<(String, Workspace)>,
}

/// Entries of two maps that differ, with what each has there.
fn changed<'a, K: Copy + Ord, V: PartialEq>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (K, Option<&'a V>, Option<&'a V>)> {
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(key)));
    keys.map(|key| (*key, before.get(key), after.get(key))).filter(|(_, b, a)| b != a)
}

/// Puts one entry of a map back.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

fn diff(before: &Workspace, after: &Workspace) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if before.layout != after.layout {
        pieces.push(Piece::Layout { before: before.layout, after: after.layout });
    }
    for (index, (b, a)) in before.viewports.iter().zip(&after.viewports).enumerate() {
        if b != a {
            pieces.push(Piece::Viewport { index, before: Box::new(*b), after: Box::new(*a) });
        }
    }
    for (key, b, a) in changed(&before.displays, &after.displays).filter(|(_, b, _)| b.is_some()) {
        let boxed = |d: Option<&Display>| d.cloned().map(Box::new);
        pieces.push(Piece::Display { key, before: boxed(b), after: boxed(a) });
    }
    for key in before.acknowledged.symmetric_difference(&after.acknowledged) {
        pieces.push(Piece::Acknowledged { key: *key, after: after.acknowledged.contains(key) });
    }
    for (id, b, a) in changed(&before.annotations, &after.annotations) {
        pieces.push(Piece::Annotation { id, before: b.cloned(), after: a.cloned() });
    }
    for (key, b, a) in changed(&before.fusions, &after.fusions) {
        pieces.push(Piece::Fusion { key, before: b.cloned(), after: a.cloned() });
    }
    // Looks and grey values come from loading, never from a step.
    let is_step = |b: Option<&MaskLook>, a: Option<&MaskLook>| b.is_some() && a.is_some();
    for (key, b, a) in changed(&before.mask_looks, &after.mask_looks).filter(|(_, b, a)| is_step(*b, *a)) {
        let boxed = |look: Option<&MaskLook>| look.cloned().map(Box::new);
        pieces.push(Piece::MaskLook { key, before: boxed(b), after: boxed(a) });
    }
    for (key, b, a) in changed(&before.calibrations, &after.calibrations) {
        pieces.push(Piece::Calibration { key, before: b.cloned(), after: a.cloned() });
    }
    if before.are_annotations_visible != after.are_annotations_visible {
        pieces.push(Piece::AnnotationsVisible { after: after.are_annotations_visible });
    }
    if before.is_neurological != after.is_neurological {
        pieces.push(Piece::Neurological { after: after.is_neurological });
    }
    pieces
}

fn restore(workspace: &mut Workspace, pieces: &[Piece], to_before: bool) {
    for piece in pieces {
        match piece {
            Piece::Layout { before, after } => workspace.layout = if to_before { *before } else { *after },
            Piece::Viewport { index, before, after } => {
                if let Some(viewport) = workspace.viewports.get_mut(*index) {
                    *viewport = **if to_before { before } else { after };
                }
            }
            Piece::Display { key, before, after } => {
                let display = if to_before { before } else { after };
                put(&mut workspace.displays, *key, display.as_deref().cloned());
            }
            Piece::Acknowledged { key, after } if *after != to_before => {
                workspace.acknowledged.insert(*key);
            }
            Piece::Acknowledged { key, .. } => {
                workspace.acknowledged.remove(key);
            }
            Piece::Annotation { id, before, after } => {
                put(&mut workspace.annotations, *id, if to_before { before } else { after }.clone());
            }
            Piece::Fusion { key, before, after } => {
                put(&mut workspace.fusions, *key, if to_before { before } else { after }.clone());
            }
            Piece::MaskLook { key, before, after } => {
                let look = if to_before { before } else { after };
                put(&mut workspace.mask_looks, *key, look.as_deref().cloned());
            }
            Piece::Calibration { key, before, after } => {
                put(&mut workspace.calibrations, *key, if to_before { before } else { after }.clone());
            }
            Piece::AnnotationsVisible { after } => workspace.are_annotations_visible = *after != to_before,
            Piece::Neurological { after } => workspace.is_neurological = *after != to_before,
        }
    }
}

impl History {
    /// Notes the state before a gesture; further calls until [`Self::end_gesture`] do nothing.
    pub fn begin_gesture(&mut self, title: &str, before: &Workspace) {
        if self.gesture.is_none() {
            self.gesture = Some((title.to_owned(), before.clone()));
        }
    }

    /// Whether a gesture is in progress.
    pub fn is_in_gesture(&self) -> bool {
        self.gesture.is_some()
    }

    /// The workspace as the last finished step left it: `now`, or as it was before the gesture in progress.
    pub fn settled<'a>(&'a self, now: &'a Workspace) -> &'a Workspace {
        self.gesture.as_ref().map_or(now, |(_, before)| before)
    }

    /// Turns the gesture into one step.
    pub fn end_gesture(&mut self, after: &Workspace) {
        if let Some((title, before)) = self.gesture.take() {
            self.push(title, &before, after, false);
        }
    }

    /// Records a finished change; nothing if nothing changed.
    ///
    /// A change that may merge joins a preceding one with the same title and targets (turns of the wheel).
    pub fn push(&mut self, title: String, before: &Workspace, after: &Workspace, may_merge: bool) {
        let pieces = diff(before, after);
        if pieces.is_empty() {
            return;
        }
        self.undone.clear();
        if may_merge
            && let Some(last) = self.done.last_mut().filter(|l| l.may_merge && l.title == title)
            && last.pieces.iter().map(Piece::target).eq(pieces.iter().map(Piece::target))
        {
            for (old, new) in last.pieces.iter_mut().zip(pieces) {
                match (old, new) {
                    (Piece::Layout { after, .. }, Piece::Layout { after: newer, .. }) => *after = newer,
                    (Piece::Viewport { after, .. }, Piece::Viewport { after: newer, .. }) => *after = newer,
                    (Piece::Display { after, .. }, Piece::Display { after: newer, .. }) => *after = newer,
                    (Piece::Fusion { after, .. }, Piece::Fusion { after: newer, .. }) => *after = newer,
                    (Piece::Calibration { after, .. }, Piece::Calibration { after: newer, .. }) => {
                        *after = newer;
                    }
                    (Piece::MaskLook { after, .. }, Piece::MaskLook { after: newer, .. }) => *after = newer,
                    _ => {}
                }
            }
            return;
        }
        self.done.push(Step { title, pieces, may_merge });
        if self.done.len() > MAX_STEPS {
            self.done.remove(0);
        }
    }

    /// What undo would take back.
    pub fn undo_title(&self) -> Option<&str> {
        self.done.last().map(|s| s.title.as_str())
    }

    /// What redo would bring back.
    pub fn redo_title(&self) -> Option<&str> {
        self.undone.last().map(|s| s.title.as_str())
    }

    /// Takes the last step back. A gesture in progress is ended first.
    pub fn undo(&mut self, workspace: &mut Workspace) {
        self.end_gesture(workspace);
        if let Some(step) = self.done.pop() {
            restore(workspace, &step.pieces, true);
            self.undone.push(step);
        }
    }

    /// Brings the last undone step back.
    pub fn redo(&mut self, workspace: &mut Workspace) {
        if self.gesture.is_some() {
            return;
        }
        if let Some(step) = self.undone.pop() {
            restore(workspace, &step.pieces, false);
            self.done.push(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{View, ViewportId};

    fn zoom(workspace: &mut Workspace, id: u8, factor: f64) {
        if let View::Slice(v) = &mut workspace.viewport_mut(ViewportId(id)).unwrap().view {
            v.zoom *= factor;
        }
    }

    fn zoom_of(workspace: &Workspace, id: u8) -> f64 {
        workspace.viewport(ViewportId(id)).slice().unwrap().zoom
    }

    #[test]
    fn undo_touches_only_what_its_step_changed() {
        let mut w = Workspace::default();
        let mut history = History::default();
        let before = w.clone();
        zoom(&mut w, 0, 2.0);
        history.push("Zoom".into(), &before, &w, false);
        // Changed without a step, as navigation does.
        zoom(&mut w, 1, 3.0);
        history.undo(&mut w);
        assert_eq!((zoom_of(&w, 0), zoom_of(&w, 1)), (1.0, 3.0));
        history.redo(&mut w);
        assert_eq!((zoom_of(&w, 0), zoom_of(&w, 1)), (2.0, 3.0));
    }

    #[test]
    fn a_gesture_is_one_step_and_an_empty_one_is_none() {
        let mut w = Workspace::default();
        let mut history = History::default();
        for _ in 0..10 {
            history.begin_gesture("Zoom", &w);
            zoom(&mut w, 0, 1.5);
        }
        history.end_gesture(&w);
        history.begin_gesture("Pan", &w);
        history.end_gesture(&w);
        assert_eq!(history.undo_title(), Some("Zoom"));
        history.undo(&mut w);
        assert_eq!((zoom_of(&w, 0), history.undo_title()), (1.0, None));
    }

    #[test]
    fn what_loading_brings_during_a_gesture_is_not_part_of_it() {
        let mut w = Workspace::default();
        let mut history = History::default();
        history.begin_gesture("Zoom", &w);
        zoom(&mut w, 0, 2.0);
        w.mask_looks.insert(MaskKey(1), MaskLook::new(&[]));
        history.end_gesture(&w);
        history.undo(&mut w);
        assert_eq!(zoom_of(&w, 0), 1.0);
        assert!(w.mask_looks.contains_key(&MaskKey(1)), "the regions are still drawn");
    }

    #[test]
    fn turns_of_the_wheel_become_one_step() {
        let mut w = Workspace::default();
        let mut history = History::default();
        for _ in 0..5 {
            let before = w.clone();
            zoom(&mut w, 2, 1.1);
            history.push("Zoom".into(), &before, &w, true);
        }
        history.undo(&mut w);
        assert_eq!((zoom_of(&w, 2), history.undo_title()), (1.0, None));
    }

    #[test]
    fn a_new_step_forgets_what_was_undone() {
        let mut w = Workspace::default();
        let mut history = History::default();
        let before = w.clone();
        zoom(&mut w, 0, 2.0);
        history.push("Zoom".into(), &before, &w, false);
        history.undo(&mut w);
        let before = w.clone();
        zoom(&mut w, 1, 2.0);
        history.push("Zoom".into(), &before, &w, false);
        assert_eq!(history.redo_title(), None);
    }
}
