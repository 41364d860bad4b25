//! Mouse, wheel and trackpad over a viewport, turned into commands.

use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, Rect, Response, Ui, Vec2};
use render_core::scene::SlicePlane;

use super::{ViewportContext, ViewportState};
use crate::command::{
    Command, Held, LayoutCommand, MouseButton, MouseEffect, MouseGesture, Press, SliceCommand, ViewCommand,
    VoiCommand, VolumeCommand,
};
use crate::document::{SeriesKey, Tool, ViewportId, VolumeView};

/// Trackpad points that count as one notch of a wheel.
const POINTS_PER_NOTCH: f64 = 40.0;
/// Pointer travel that doubles or halves the picture.
const POINTS_PER_DOUBLING: f64 = 120.0;
/// Pointer travel for one slice with the scroll tool.
const POINTS_PER_SLICE: f64 = 6.0;

/// Turns of the wheel over this viewport, in notches; positive is away from the user.
fn wheel_notches(ui: &Ui, response: &Response) -> Option<(f64, Modifiers)> {
    if !response.contains_pointer() {
        return None;
    }
    ui.input(|input| {
        let mut notches = 0.0;
        let mut held = input.modifiers;
        for event in &input.events {
            if let Event::MouseWheel { unit, delta, modifiers, .. } = event {
                held = *modifiers;
                // With Shift some systems report sideways travel.
                let travel = f64::from(if delta.y == 0.0 { delta.x } else { delta.y });
                notches += match unit {
                    MouseWheelUnit::Line => travel,
                    MouseWheelUnit::Page => travel * 10.0,
                    MouseWheelUnit::Point => travel / POINTS_PER_NOTCH,
                };
            }
        }
        (notches != 0.0).then_some((notches, held))
    })
}

/// Finger travel for one slice with three fingers.
const TOUCH_POINTS_PER_SLICE: f64 = 12.0;

/// Two fingers or more on a viewport.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fingers {
    count: usize,
    /// How much further apart they are than in the frame before.
    zoom: f64,
    moved: Vec2,
    center: Pos2,
}

/// What several fingers on this viewport do; the first finger alone is the pointer.
///
/// Once a second finger was down, the pointer does nothing until all are lifted: the last one to leave must not drag.
fn fingers(ui: &Ui, response: &Response, state: &mut ViewportState) -> (Option<Fingers>, bool) {
    let (touch, is_touched) = ui.input(|i| (i.multi_touch(), i.any_touches()));
    let fingers = touch.filter(|t| response.rect.contains(t.start_pos)).map(|t| Fingers {
        count: t.num_touches,
        zoom: f64::from(t.zoom_delta),
        moved: t.translation_delta,
        center: t.center_pos,
    });
    state.is_multi_touch = touch.is_some() || (state.is_multi_touch && is_touched);
    (fingers, state.is_multi_touch)
}

/// The button that is dragged over a viewport, and what is held with it.
fn press_of(response: &Response, modifiers: Modifiers) -> Option<Press> {
    let buttons = [
        (PointerButton::Middle, MouseButton::Middle),
        (PointerButton::Secondary, MouseButton::Right),
        (PointerButton::Primary, MouseButton::Left),
    ];
    let (_, button) = buttons.into_iter().find(|(button, _)| response.dragged_by(*button))?;
    let held = match (modifiers.shift, modifiers.command) {
        (true, _) => Held::Shift,
        (_, true) => Held::Ctrl,
        _ => Held::Nothing,
    };
    Some(Press { button, held })
}

fn zoom_factor(delta: Vec2) -> f64 {
    (-f64::from(delta.y) / POINTS_PER_DOUBLING).exp2()
}

/// Selects the viewport when it is pressed, and does what a double click is to do.
fn activate(response: &Response, id: ViewportId, ctx: &ViewportContext<'_>, ui: &Ui) {
    let is_pressed = response.is_pointer_button_down_on() && ui.input(|i| i.pointer.any_pressed());
    if ctx.document.active != id && (is_pressed || response.clicked() || response.has_focus()) {
        ctx.queue.send(Command::Layout(LayoutCommand::Activate(id)));
    }
    let is_drawing = matches!(ctx.document.tool, Tool::Draw(_));
    if response.double_clicked_by(PointerButton::Primary) && !is_drawing {
        match ctx.settings.mouse.effect(MouseGesture::DoubleClick) {
            MouseEffect::Maximise => ctx.queue.send(Command::Layout(LayoutCommand::ToggleMaximised(id))),
            MouseEffect::Fit => ctx.queue.send(Command::View(ViewCommand::Fit(id))),
            _ => {}
        }
    }
}

/// Where a slice's picture lies on screen.
#[derive(Clone, Copy)]
pub(super) struct SliceFrame {
    /// On screen, in points.
    pub(super) rect: Rect,
    /// In the patient.
    pub(super) plane: SlicePlane,
    /// In device pixels.
    pub(super) size_px: [u32; 2],
}

impl SliceFrame {
    /// Device pixels per point.
    pub(super) fn scale(&self) -> f64 {
        f64::from(self.size_px[0]) / f64::from(self.rect.width())
    }

    /// Millimetres per point.
    pub(super) fn mm_per_point(&self) -> f64 {
        self.plane.mm_per_px * self.scale()
    }

    /// The point of the patient under a point of the screen.
    pub(super) fn lps(&self, pos: Pos2) -> glam::DVec3 {
        let from_corner = pos - self.rect.min;
        let scale = self.scale();
        self.plane.lps_from_px(
            f64::from(from_corner.x) * scale,
            f64::from(from_corner.y) * scale,
            self.size_px,
        )
    }

    /// The point of the screen where a point of the patient is seen.
    pub(super) fn pos(&self, lps: glam::DVec3) -> Pos2 {
        let ([x, y], _) = self.plane.px_from_lps(lps, self.size_px);
        let scale = self.scale();
        self.rect.min + Vec2::new((x / scale) as f32, (y / scale) as f32)
    }
}

/// Pointer and wheel over a slice.
pub(super) fn slice_gestures(
    ui: &Ui,
    response: &Response,
    frame: &SliceFrame,
    (viewport, series): (ViewportId, SeriesKey),
    (ctx, is_drawing): (&ViewportContext<'_>, bool),
    state: &mut ViewportState,
) {
    activate(response, viewport, ctx, ui);
    let modifiers = ui.input(|i| i.modifiers);
    let send = |command| ctx.queue.send(command);
    let mm = frame.mm_per_point();
    let hover = response.hover_pos();
    if let Some((notches, held)) = wheel_notches(ui, response) {
        let is_with_ctrl = held.command || held.ctrl;
        let gesture = if is_with_ctrl { MouseGesture::CtrlWheel } else { MouseGesture::Wheel };
        match ctx.settings.mouse.effect(gesture) {
            MouseEffect::Zoom => {
                let from_middle = hover.map_or(Vec2::ZERO, |p| p - frame.rect.center());
                send(Command::View(ViewCommand::Zoom {
                    viewport,
                    factor: 1.15f64.powf(notches),
                    right_mm: f64::from(from_middle.x) * mm,
                    down_mm: f64::from(from_middle.y) * mm,
                    is_drag: false,
                }));
            }
            MouseEffect::Scroll => {
                // Towards the user is the next image.
                state.wheel_rest -= notches;
                let steps = state.wheel_rest.trunc();
                state.wheel_rest -= steps;
                if steps != 0.0 {
                    send(Command::Slice(SliceCommand::Scroll { viewport, steps: steps as i64 }));
                }
            }
            _ => {}
        }
    }
    let (fingers, is_multi_touch) = fingers(ui, response, state);
    if let Some(fingers) = fingers {
        if fingers.count == 2 {
            pan(viewport, fingers.moved, mm, ctx);
            pinch(viewport, &fingers, frame.rect.center(), mm, ctx);
        } else {
            state.drag_rest += f64::from(fingers.moved.y) / TOUCH_POINTS_PER_SLICE;
            let steps = state.drag_rest.trunc();
            state.drag_rest -= steps;
            if steps != 0.0 {
                send(Command::Slice(SliceCommand::Scroll { viewport, steps: steps as i64 }));
            }
        }
    }
    if is_multi_touch {
        return;
    }
    let set_cursor =
        |pos: Pos2| send(Command::Slice(SliceCommand::SetCursor { series, lps: frame.lps(pos) }));
    let delta = response.drag_delta();
    let press = press_of(response, modifiers);
    match press {
        // The pointer belongs to what is drawn.
        _ if is_drawing && press.is_none_or(Press::is_plain_left) => {}
        Some(press) => match tool_of(press, ctx) {
            None | Some(Tool::Draw(_)) => {}
            Some(Tool::WindowLevel) => {
                let upwards = if ctx.settings.is_level_drag_inverted { -1.0 } else { 1.0 };
                if delta != Vec2::ZERO {
                    send(Command::Voi(VoiCommand::Drag {
                        series,
                        width_steps: f64::from(delta.x),
                        center_steps: f64::from(delta.y) * upwards,
                    }));
                }
            }
            Some(Tool::Pan) => pan(viewport, delta, mm, ctx),
            Some(Tool::Zoom) => zoom(viewport, delta, ctx),
            Some(Tool::Scroll) => {
                state.drag_rest += f64::from(delta.y) / POINTS_PER_SLICE;
                let steps = state.drag_rest.trunc();
                state.drag_rest -= steps;
                if steps != 0.0 {
                    send(Command::Slice(SliceCommand::Scroll { viewport, steps: steps as i64 }));
                }
            }
            Some(Tool::Crosshair) => {
                if let Some(pos) = response.interact_pointer_pos() {
                    set_cursor(pos);
                }
            }
            Some(Tool::Oblique) => {
                if delta != Vec2::ZERO {
                    let radians = |points: f32| f64::from(points) * 0.25f64.to_radians();
                    send(Command::Slice(SliceCommand::Tilt {
                        viewport,
                        yaw_rad: radians(delta.x),
                        pitch_rad: -radians(delta.y),
                    }));
                }
            }
        },
        None => {
            let is_live = modifiers.shift && !modifiers.command && ui.input(|i| i.pointer.is_moving());
            match (hover, response.interact_pointer_pos()) {
                (Some(pos), _) if is_live && !ui.input(|i| i.pointer.any_down()) => set_cursor(pos),
                (_, Some(pos)) if ctx.document.tool == Tool::Crosshair && response.clicked() => {
                    set_cursor(pos)
                }
                _ => {}
            }
        }
    }
}

/// The tool that a drag over a slice works with, if any.
fn tool_of(press: Press, ctx: &ViewportContext<'_>) -> Option<Tool> {
    match ctx.settings.mouse.effect(MouseGesture::Slice(press)) {
        MouseEffect::Tool => Some(ctx.document.tool),
        MouseEffect::Window => Some(Tool::WindowLevel),
        MouseEffect::Pan => Some(Tool::Pan),
        MouseEffect::Zoom => Some(Tool::Zoom),
        MouseEffect::Scroll => Some(Tool::Scroll),
        _ => None,
    }
}

fn pan(viewport: ViewportId, delta: Vec2, mm_per_point: f64, ctx: &ViewportContext<'_>) {
    if delta != Vec2::ZERO {
        ctx.queue.send(Command::View(ViewCommand::Pan {
            viewport,
            right_mm: f64::from(delta.x) * mm_per_point,
            down_mm: f64::from(delta.y) * mm_per_point,
        }));
    }
}

/// Zooms about the point between the fingers.
fn pinch(
    viewport: ViewportId,
    fingers: &Fingers,
    middle: Pos2,
    mm_per_point: f64,
    ctx: &ViewportContext<'_>,
) {
    if fingers.zoom != 1.0 {
        let from_middle = fingers.center - middle;
        ctx.queue.send(Command::View(ViewCommand::Zoom {
            viewport,
            factor: fingers.zoom,
            right_mm: f64::from(from_middle.x) * mm_per_point,
            down_mm: f64::from(from_middle.y) * mm_per_point,
            is_drag: true,
        }));
    }
}

fn zoom(viewport: ViewportId, delta: Vec2, ctx: &ViewportContext<'_>) {
    if delta.y != 0.0 {
        let factor = zoom_factor(delta);
        ctx.queue.send(Command::View(ViewCommand::Zoom {
            viewport,
            factor,
            right_mm: 0.0,
            down_mm: 0.0,
            is_drag: true,
        }));
    }
}

/// Pointer and wheel over the volume; returns whether the camera is being moved.
pub(super) fn volume_gestures(
    ui: &Ui,
    response: &Response,
    view: &VolumeView,
    viewport: ViewportId,
    ctx: &ViewportContext<'_>,
    state: &mut ViewportState,
) -> bool {
    activate(response, viewport, ctx, ui);
    if let Some((notches, _)) = wheel_notches(ui, response) {
        ctx.queue.send(Command::View(ViewCommand::Zoom {
            viewport,
            factor: 1.15f64.powf(notches),
            right_mm: 0.0,
            down_mm: 0.0,
            is_drag: false,
        }));
    }
    let delta = response.drag_delta();
    let press = press_of(response, ui.input(|i| i.modifiers));
    let effect = press.map_or(MouseEffect::Nothing, |p| ctx.settings.mouse.effect(MouseGesture::Volume(p)));
    let mm_per_point = view.camera.height_at_target_mm() / f64::from(response.rect.height());
    let radians = |points: f32| f64::from(points) * std::f64::consts::PI / f64::from(response.rect.height());
    let (fingers, is_multi_touch) = fingers(ui, response, state);
    if let Some(fingers) = fingers {
        pan(viewport, fingers.moved, mm_per_point, ctx);
        // About the middle: what lies between the fingers has no single depth.
        pinch(viewport, &fingers, fingers.center, mm_per_point, ctx);
    }
    if is_multi_touch {
        return true;
    }
    match effect {
        MouseEffect::Pan => pan(viewport, delta, mm_per_point, ctx),
        MouseEffect::Zoom => zoom(viewport, delta, ctx),
        MouseEffect::Roll if delta.x != 0.0 => {
            ctx.queue.send(Command::Volume(VolumeCommand::Roll { viewport, radians: radians(delta.x) }));
        }
        MouseEffect::Rotate if delta != Vec2::ZERO => {
            ctx.queue.send(Command::Volume(VolumeCommand::Rotate {
                viewport,
                yaw_rad: -radians(delta.x),
                pitch_rad: radians(delta.y),
            }));
        }
        _ => {}
    }
    effect != MouseEffect::Nothing
}
