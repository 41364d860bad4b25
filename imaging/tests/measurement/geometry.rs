//! Lengths, areas and angles in random planes, grids and views.

use std::f64::consts::PI;

use glam::{DQuat, DVec2, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::{Drawing, DrawingKind, DrawingPlane, QuantityName};
use imaging::volume::{Volume, VolumeMeta};
use proptest::prelude::*;

use crate::{drawing, measured, number};

fn grid() -> impl Strategy<Value = Volume> {
    let spacing = prop::array::uniform3(0.05f64..8.0);
    let turn = prop::array::uniform4(-1.0f64..1.0)
        .prop_filter("no rotation", |q| q.iter().map(|part| part * part).sum::<f64>() > 1e-3);
    (spacing, turn, prop::array::uniform3(-500.0f64..500.0)).prop_map(|(spacing, turn, origin)| {
        let direction = glam::DMat3::from_quat(DQuat::from_array(turn).normalize());
        let dims = Dims::new(4, 5, 3);
        let geometry = Geometry::new(dims, origin.into(), spacing.into(), direction).unwrap();
        Volume::new(VolumeMeta::scalar(geometry), vec![0i16; 60]).unwrap()
    })
}

fn plane() -> impl Strategy<Value = DrawingPlane> {
    let axes = (prop::array::uniform3(-1.0f64..1.0), prop::array::uniform3(-1.0f64..1.0));
    (prop::array::uniform3(-400.0f64..400.0), axes).prop_filter_map("no plane", |(through, (right, down))| {
        let (right, down): (DVec3, DVec3) = (right.into(), down.into());
        let is_plane = right.length() > 0.1 && right.normalize().cross(down).length() > 0.1;
        is_plane.then(|| DrawingPlane::new(through.into(), right, down).unwrap())
    })
}

/// A view of a plane: device pixels per mm, turn, and the place that is shown at the middle.
#[derive(Debug, Clone, Copy)]
struct View {
    zoom: f64,
    turn: f64,
    is_flipped: bool,
    middle: DVec2,
}

impl View {
    fn screen_from_plane(&self, place: DVec2) -> DVec2 {
        let at = DVec2::from_angle(self.turn).rotate(place - self.middle) * self.zoom;
        if self.is_flipped { DVec2::new(-at.x, at.y) } else { at }
    }

    fn plane_from_screen(&self, at: DVec2) -> DVec2 {
        let at = if self.is_flipped { DVec2::new(-at.x, at.y) } else { at };
        DVec2::from_angle(-self.turn).rotate(at / self.zoom) + self.middle
    }
}

fn view() -> impl Strategy<Value = View> {
    (0.05f64..60.0, -4.0f64..4.0, any::<bool>(), prop::array::uniform2(-300.0f64..300.0))
        .prop_map(|(zoom, turn, is_flipped, middle)| View { zoom, turn, is_flipped, middle: middle.into() })
}

fn place() -> impl Strategy<Value = DVec2> {
    prop::array::uniform2(-250.0f64..250.0).prop_map(DVec2::from)
}

fn near(found: f64, expected: f64) -> Result<(), TestCaseError> {
    let tolerance = 1e-9 * expected.abs().max(1.0);
    prop_assert!((found - expected).abs() <= tolerance, "{found}, not {expected}");
    Ok(())
}

proptest! {
    #[test]
    fn known_length_drawn_through_any_view_is_measured_exactly(
        volume in grid(), plane in plane(), views in prop::array::uniform2(view()),
        start in place(), angle in -4.0f64..4.0, mm in 0.01f64..600.0,
    ) {
        let end = start + DVec2::from_angle(angle) * mm;
        // Each end is set in a view of its own, as when somebody zooms in between.
        let [a, b] = [(start, views[0]), (end, views[1])].map(|(place, view)| {
            plane.lift(view.plane_from_screen(view.screen_from_plane(place)))
        });
        let line = Drawing::complete(DrawingKind::Length, vec![a, b], plane).unwrap();
        let found = number(&measured(&line, &volume), QuantityName::Length);
        prop_assert!((found - mm).abs() < 1e-6, "{found}, not {mm}");
    }

    #[test]
    fn areas_and_edges_are_analytic(
        volume in grid(), plane in plane(), center in place(), turn in -4.0f64..4.0,
        a in 0.1f64..90.0, b in 0.1f64..90.0, corners in 3u32..24,
    ) {
        let axis = DVec2::from_angle(turn);
        let number = |kind, places: &[DVec2], name| number(&measured(&drawing(kind, plane, places), &volume), name);
        let ellipse = [center, center + axis * a, center + axis.perp() * b];
        near(number(DrawingKind::Ellipse, &ellipse, QuantityName::Area), PI * a * b)?;
        near(number(DrawingKind::Ellipse, &ellipse, QuantityName::LongAxis), 2.0 * a.max(b))?;
        near(number(DrawingKind::Ellipse, &ellipse, QuantityName::ShortAxis), 2.0 * a.min(b))?;
        let circle = [center, center + axis * a];
        near(number(DrawingKind::Circle, &circle, QuantityName::Area), PI * a * a)?;
        near(number(DrawingKind::Circle, &circle, QuantityName::Perimeter), 2.0 * PI * a)?;
        near(number(DrawingKind::Circle, &circle, QuantityName::Diameter), 2.0 * a)?;
        let rectangle = [center, center + DVec2::new(-a, b)];
        near(number(DrawingKind::Rectangle, &rectangle, QuantityName::Area), a * b)?;
        near(number(DrawingKind::Rectangle, &rectangle, QuantityName::Perimeter), 2.0 * (a + b))?;
        near(number(DrawingKind::Rectangle, &rectangle, QuantityName::Width), a)?;
        near(number(DrawingKind::Rectangle, &rectangle, QuantityName::Height), b)?;
        // A regular polygon in a circle of radius a.
        let part = 2.0 * PI / f64::from(corners);
        let polygon: Vec<DVec2> =
            (0..corners).map(|i| center + DVec2::from_angle(turn + part * f64::from(i)) * a).collect();
        let n = f64::from(corners);
        for kind in [DrawingKind::Polygon, DrawingKind::Freehand] {
            near(number(kind, &polygon, QuantityName::Area), 0.5 * n * a * a * part.sin())?;
            near(number(kind, &polygon, QuantityName::Perimeter), 2.0 * n * a * (part / 2.0).sin())?;
        }
    }

    #[test]
    fn angles_do_not_depend_on_plane_grid_or_arm(
        volume in grid(), plane in plane(), vertex in place(), turn in -4.0f64..4.0,
        degrees in 0.0f64..180.0, arms in prop::array::uniform2(0.5f64..200.0),
    ) {
        let end = |degrees: f64, arm: f64| vertex + DVec2::from_angle(turn + degrees.to_radians()) * arm;
        let (a, b) = (end(0.0, arms[0]), end(degrees, arms[1]));
        let angle = drawing(DrawingKind::Angle, plane, &[a, vertex, b]);
        let found = number(&measured(&angle, &volume), QuantityName::Angle);
        prop_assert!((found - degrees).abs() < 1e-6, "{found}, not {degrees}");
        // Lines have no direction: the order of their ends does not matter.
        let shift = DVec2::new(40.0, -7.0);
        for [p, q] in [[vertex, b], [b, vertex]] {
            let cobb = drawing(DrawingKind::CobbAngle, plane, &[a, vertex, p + shift, q + shift]);
            let found = number(&measured(&cobb, &volume), QuantityName::CobbAngle);
            let expected = degrees.min(180.0 - degrees);
            prop_assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn smooth_regions_have_the_area_and_edge_of_their_curve(
        volume in grid(), plane in plane(), center in place(), turn in -4.0f64..4.0, radius in 1.0f64..80.0,
    ) {
        let places: Vec<DVec2> =
            (0..9).map(|i| center + DVec2::from_angle(turn + f64::from(i) * 0.7) * radius * (1.0 + 0.1 * f64::from(i % 3)))
                .collect();
        let spline = drawing(DrawingKind::Spline, plane, &places);
        // As the sum over very many very short lines.
        let outline = &spline.outline_lps(1e-9)[0];
        let fine: Vec<DVec2> = outline.iter().map(|&lps| plane.project(lps)).collect();
        let pairs = || fine.iter().zip(fine.iter().skip(1));
        let area = pairs().map(|(p, q)| (*p - center).perp_dot(*q - center)).sum::<f64>().abs() / 2.0;
        let edge: f64 = pairs().map(|(p, q)| p.distance(*q)).sum();
        let found = measured(&spline, &volume);
        let (found_area, found_edge) = (number(&found, QuantityName::Area), number(&found, QuantityName::Perimeter));
        prop_assert!((found_area / area - 1.0).abs() < 1e-3, "{found_area}, not {area}");
        prop_assert!((found_edge / edge - 1.0).abs() < 1e-3, "{found_edge}, not {edge}");
        prop_assert!(found_edge >= edge - 1e-9 * edge, "a curve is no shorter than its chords");
    }

    #[test]
    fn moving_and_copying_a_drawing_changes_no_length(
        volume in grid(), plane in plane(), places in prop::array::uniform4(place()),
        by in prop::array::uniform3(-200.0f64..200.0),
    ) {
        for kind in DrawingKind::ALL {
            let count = kind.points().min;
            let here = drawing(kind, plane, &places[..count]);
            let there = here.translated(by.into());
            let (here, there) = (measured(&here, &volume), measured(&there, &volume));
            for (a, b) in here.quantities.iter().zip(&there.quantities) {
                if a.name != QuantityName::Value {
                    near(a.value.unwrap(), b.value.unwrap())?;
                }
            }
        }
    }
}
