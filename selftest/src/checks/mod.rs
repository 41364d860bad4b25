//! The checks: what each is called, what it looks at, and how far off it may be.

mod codecs;
mod derived;
mod grey;
mod reading;
mod slices;
mod statistics;
mod volumes;

use crate::painter::Painter;
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

/// A check of reading and measuring, run once.
pub(crate) struct FileCheck {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Workplace) -> Result<Measured, SelftestError>,
}

/// A check of drawing, run on the processor and on the graphics adapter.
pub(crate) struct PictureCheck {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Workplace, &mut Painter) -> Result<Measured, SelftestError>,
}

macro_rules! checks {
    ($kind:ident: $($name:literal, $what:literal, $run:path;)*) => {
        &[$($kind { name: $name, what: $what, run: $run },)*]
    };
}

pub(crate) const FILE_CHECKS: &[FileCheck] = checks! { FileCheck:
    "read/stored-values", "12 bits in dirty 16, signed and unsigned, with rescale", reading::stored_values;
    "read/pixel-spacing", "lengths on pixels that are not square", reading::pixel_spacing;
    "read/position", "place of every voxel of an oblique stack", reading::position;
    "read/orientations", "48 orientations of a DICOM stack, by place of every voxel", reading::orientations;
    "read/orientations-nifti", "48 orientations of a NIfTI volume", reading::orientations_nifti;
    "read/gantry-tilt", "place of every voxel under a tilted gantry", reading::gantry_tilt;
    "read/uneven-spacing", "values between slices at uneven distances, and the verdict", reading::uneven_spacing;
    "read/missing-slice", "places around a missing slice, and the verdict", reading::missing_slice;
    "read/grey-codecs", "JPEG lossless, JPEG-LS, JPEG 2000, HTJ2K and RLE, grey", codecs::grey;
    "read/color-codecs", "RGB, planar, YBR, palette, RLE, JPEG-LS and JPEG 2000, colour", codecs::color;
    "read/color-jpeg", "JPEG baseline, YBR_FULL_422", codecs::color_jpeg;
    "read/segmentation", "voxels and volume of a segmentation with gaps", derived::segmentation;
    "read/suv", "SUVbw of a reference object", derived::suv;
    "statistics/shapes", "count, mean, SD, extremes, median and area of ellipse, rectangle, polygon",
        statistics::shapes;
    "statistics/left-out", "padding, NaN and empty regions are no values", statistics::left_out;
};

pub(crate) const PICTURE_CHECKS: &[PictureCheck] = checks! { PictureCheck:
    "window-linear", "grey levels of the LINEAR window", grey::linear;
    "window-linear-exact", "grey levels of the LINEAR_EXACT window", grey::linear_exact;
    "window-sigmoid", "grey levels of the SIGMOID window", grey::sigmoid;
    "smpte", "grey steps of a test pattern, 5 % and 95 % patches", grey::smpte;
    "monochrome1", "MONOCHROME1 is inverted once", grey::monochrome1;
    "slice-grey", "value of every pixel of five planes, as grey", slices::grey;
    "slice-values", "value of every pixel of five planes, as number", slices::values;
    "slice-tilted", "value of every pixel on the grid of a tilted gantry", slices::tilted;
    "slab-digits", "thick slabs show the digits of their own slices", slices::slab_digits;
    "circle", "a circle on pixels that are not square is round", slices::circle;
    "color", "colours are shown as stored", slices::color;
    "volume-length", "size of a block in the volume view", volumes::length;
    "volume-mip", "maximum projection against the reference", volumes::mip;
    "volume-lit", "lit volume against the reference", volumes::lit;
    "cube", "slice within its cube against the reference", volumes::cube;
};

/// Grey bytes may be rounded either way.
pub(crate) fn levels(deviation: f64) -> Measured {
    Measured { deviation, limit: 1.0, unit: "grey levels" }
}
