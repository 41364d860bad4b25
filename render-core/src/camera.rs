//! Camera of the volume view: where it stands, what it sees, and the ray through each pixel.

use glam::{DQuat, DVec2, DVec3};
use imaging::geometry::Geometry;

/// How depth becomes size on screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Projection {
    /// Full vertical field of view in radians.
    Perspective {
        /// Angle between the top and bottom of the picture.
        vertical_fov_rad: f64,
    },
    /// Parallel rays.
    Orthographic {
        /// Height of the picture in the patient.
        height_mm: f64,
    },
}

/// A camera in patient space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Where it stands, LPS in mm.
    pub position_lps: DVec3,
    /// What it looks at, LPS in mm; also the centre of rotation.
    pub target_lps: DVec3,
    /// Roughly up; made perpendicular to the view direction.
    pub up_lps: DVec3,
    /// Perspective or parallel.
    pub projection: Projection,
}

/// A ray in patient space; `direction_lps` has unit length, so the parameter is in mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ray {
    /// Start of the ray, LPS in mm. For a perspective camera the camera's position.
    pub origin_lps: DVec3,
    /// Unit direction.
    pub direction_lps: DVec3,
}

/// Screen axes of a camera as LPS unit vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the directions name themselves")]
pub struct Basis {
    pub forward: DVec3,
    pub right: DVec3,
    pub up: DVec3,
}

/// Default full vertical field of view.
const FOV_RAD: f64 = 30.0 * std::f64::consts::PI / 180.0;

impl Camera {
    /// Looks at the middle of a volume so that all of it is visible at `zoom` 1.
    ///
    /// `azimuth_rad` 0 looks from the front (anterior) and grows towards the patient's left; `elevation_rad` grows
    /// towards the head, ±π/2 at most. `zoom` 2 halves the distance.
    pub fn orbit(geometry: &Geometry, azimuth_rad: f64, elevation_rad: f64, zoom: f64) -> Self {
        let (sin_a, cos_a) = azimuth_rad.sin_cos();
        let (sin_e, cos_e) =
            elevation_rad.clamp(-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2).sin_cos();
        let towards_camera = DVec3::new(sin_a * cos_e, -cos_a * cos_e, sin_e);
        // The derivative with respect to elevation: defined at the poles too.
        let up = DVec3::new(-sin_a * sin_e, cos_a * sin_e, cos_e);
        let radius = geometry.diagonal_mm() * 0.5;
        let distance = radius / (FOV_RAD * 0.5).sin() / zoom.clamp(1e-3, 1e3);
        let target = geometry.center_lps();
        Self {
            position_lps: target + towards_camera * distance,
            target_lps: target,
            up_lps: up,
            projection: Projection::Perspective { vertical_fov_rad: FOV_RAD },
        }
    }

    /// Screen axes. Degenerate cameras (position on target, up along the view) fall back to looking posterior.
    pub fn basis(&self) -> Basis {
        let forward = (self.target_lps - self.position_lps).try_normalize().unwrap_or(DVec3::Y);
        let right = forward
            .cross(self.up_lps)
            .try_normalize()
            .or_else(|| forward.cross(DVec3::Z).try_normalize())
            .unwrap_or(DVec3::X);
        Basis { forward, right, up: right.cross(forward) }
    }

    /// Ray through a point of the picture; (0, 0) is the top left *corner*, pixel centres lie at +0.5.
    pub fn ray(&self, point_px: DVec2, size_px: [u32; 2]) -> Ray {
        let Basis { forward, right, up } = self.basis();
        let size = DVec2::new(f64::from(size_px[0]), f64::from(size_px[1]));
        // −0.5..0.5 over the height, x scaled alike: square pixels.
        let from_center = (point_px - size * 0.5) / size.y;
        match self.projection {
            Projection::Perspective { vertical_fov_rad } => {
                let height = 2.0 * (vertical_fov_rad * 0.5).tan();
                let direction = forward + (right * from_center.x - up * from_center.y) * height;
                Ray { origin_lps: self.position_lps, direction_lps: direction.normalize() }
            }
            Projection::Orthographic { height_mm } => {
                let offset = (right * from_center.x - up * from_center.y) * height_mm;
                Ray { origin_lps: self.position_lps + offset, direction_lps: forward }
            }
        }
    }

    /// Projects a point to picture coordinates (px from the top left corner) and its depth along the view in mm.
    ///
    /// `None` behind a perspective camera.
    pub fn project(&self, point_lps: DVec3, size_px: [u32; 2]) -> Option<(DVec2, f64)> {
        let Basis { forward, right, up } = self.basis();
        let v = point_lps - self.position_lps;
        let depth = v.dot(forward);
        let height_mm = match self.projection {
            Projection::Perspective { vertical_fov_rad } if depth > 1e-9 => {
                2.0 * depth * (vertical_fov_rad * 0.5).tan()
            }
            Projection::Perspective { .. } => return None,
            Projection::Orthographic { height_mm } => height_mm,
        };
        let size = DVec2::new(f64::from(size_px[0]), f64::from(size_px[1]));
        let from_center = DVec2::new(v.dot(right), -v.dot(up)) / height_mm;
        Some((from_center * size.y + size * 0.5, depth))
    }

    /// Turns the camera around its target: yaw about the screen's vertical, pitch about its horizontal axis.
    ///
    /// Positive yaw moves the camera to the right of the picture, positive pitch upwards.
    pub fn rotated(self, yaw_rad: f64, pitch_rad: f64) -> Self {
        let b = self.basis();
        let turn = DQuat::from_axis_angle(b.up, yaw_rad) * DQuat::from_axis_angle(b.right, -pitch_rad);
        let offset = turn * (self.position_lps - self.target_lps);
        Self { position_lps: self.target_lps + offset, up_lps: turn * b.up, ..self }
    }

    /// Turns the picture around the view axis; positive is counter-clockwise for the viewer.
    pub fn rolled(self, roll_rad: f64) -> Self {
        let b = self.basis();
        Self { up_lps: DQuat::from_axis_angle(b.forward, roll_rad) * b.up, ..self }
    }

    /// Moves camera and target parallel to the picture, in mm at the target.
    pub fn panned(self, right_mm: f64, up_mm: f64) -> Self {
        let b = self.basis();
        let shift = b.right * right_mm + b.up * up_mm;
        Self { position_lps: self.position_lps + shift, target_lps: self.target_lps + shift, ..self }
    }

    /// Comes closer by `factor` (2 halves the distance or the picture height).
    pub fn zoomed(self, factor: f64) -> Self {
        let factor = if factor.is_finite() { factor.clamp(1e-3, 1e3) } else { 1.0 };
        let projection = match self.projection {
            Projection::Orthographic { height_mm } => {
                Projection::Orthographic { height_mm: height_mm / factor }
            }
            p => p,
        };
        let offset = (self.position_lps - self.target_lps) / factor;
        Self { position_lps: self.target_lps + offset, projection, ..self }
    }

    /// Height of the picture in mm at the target's depth.
    pub fn height_at_target_mm(&self) -> f64 {
        match self.projection {
            Projection::Perspective { vertical_fov_rad } => {
                2.0 * self.position_lps.distance(self.target_lps) * (vertical_fov_rad * 0.5).tan()
            }
            Projection::Orthographic { height_mm } => height_mm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;
    use imaging::geometry::Dims;

    fn geometry() -> Geometry {
        Geometry::axis_aligned(Dims::new(100, 80, 60), DVec3::new(-5.0, 7.0, 9.0), DVec3::new(1.0, 1.2, 2.0))
            .unwrap()
    }

    #[test]
    fn front_view_shows_the_patients_left_on_the_right() {
        let b = Camera::orbit(&geometry(), 0.0, 0.0, 1.0).basis();
        assert!(b.right.abs_diff_eq(DVec3::X, 1e-12) && b.up.abs_diff_eq(DVec3::Z, 1e-12));
        let side = Camera::orbit(&geometry(), std::f64::consts::FRAC_PI_2, 0.0, 1.0).basis();
        assert!(side.forward.abs_diff_eq(DVec3::NEG_X, 1e-12), "azimuth 90° looks from the left");
        let top = Camera::orbit(&geometry(), 0.0, std::f64::consts::FRAC_PI_2, 1.0).basis();
        assert!(top.forward.abs_diff_eq(DVec3::NEG_Z, 1e-12) && top.up.abs_diff_eq(DVec3::Y, 1e-12));
    }

    #[test]
    fn rays_go_through_the_pixels_their_points_project_to() {
        let size = [320, 200];
        for camera in [
            Camera::orbit(&geometry(), 0.7, 0.3, 1.3),
            Camera {
                projection: Projection::Orthographic { height_mm: 150.0 },
                ..Camera::orbit(&geometry(), -1.0, 1.2, 1.0)
            },
        ] {
            for point in [DVec2::new(0.5, 0.5), DVec2::new(160.0, 100.0), DVec2::new(300.5, 20.5)] {
                let ray = camera.ray(point, size);
                let (back, _) = camera.project(ray.origin_lps + ray.direction_lps * 210.0, size).unwrap();
                assert!(back.abs_diff_eq(point, 1e-8), "{point} came back as {back}");
            }
        }
    }

    #[test]
    fn whole_volume_is_visible_at_zoom_one_from_anywhere() {
        let g = geometry();
        for (a, e) in [(0.0, 0.0), (0.8, 0.5), (2.5, -1.0), (-2.0, 1.5)] {
            let camera = Camera::orbit(&g, a, e, 1.0);
            for corner in g.corners_lps() {
                let (p, depth) = camera.project(corner, [200, 200]).unwrap();
                assert!(p.min_element() >= 0.0 && p.max_element() <= 200.0 && depth > 0.0, "{corner} at {p}");
            }
        }
    }

    #[test]
    fn rotation_keeps_the_distance_and_zoom_the_target() {
        let camera = Camera::orbit(&geometry(), 0.2, 0.1, 1.0);
        let turned = camera.rotated(0.4, -0.3);
        let distance = |c: &Camera| c.position_lps.distance(c.target_lps);
        assert!((distance(&turned) - distance(&camera)).abs() < 1e-9);
        assert!((distance(&camera.zoomed(2.0)) - distance(&camera) / 2.0).abs() < 1e-9);
        let b = camera.basis();
        let moved = |c: Camera| c.position_lps - camera.position_lps;
        assert!(moved(camera.rotated(0.1, 0.0)).dot(b.right) > 0.0);
        assert!(moved(camera.rotated(0.0, 0.1)).dot(b.up) > 0.0);
    }
}
