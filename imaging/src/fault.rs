//! Deliberate mistakes, to prove that the self-test finds them.
//!
//! Without the feature `faults` nothing here costs anything: [`is_active`] is `false` at compile time. With it, one
//! mistake at a time is switched on by `inject` or by `LANTERN_FAULT=<name>` at the start. The feature is refused
//! without debug assertions, so that no release can be broken.

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` breaks the program on purpose and must not be in a release");

/// A mistake that viewers have really made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Pixel Spacing read as column spacing first.
    SwappedSpacing = 1,
    /// The direction of rows has the wrong sign.
    FlippedAxis,
    /// Image Position taken for the corner of the first pixel instead of its centre.
    HalfPixelShift,
    /// MONOCHROME1 inverted on reading and again on display, so not at all.
    DoubleInversion,
    /// Drawn values are one stored unit (1 HU at a rescale slope of 1) too high, on GPU and processor alike.
    ShaderBias,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::SwappedSpacing,
        Self::FlippedAxis,
        Self::HalfPixelShift,
        Self::DoubleInversion,
        Self::ShaderBias,
    ];

    /// Name for `LANTERN_FAULT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SwappedSpacing => "swapped-spacing",
            Self::FlippedAxis => "flipped-axis",
            Self::HalfPixelShift => "half-pixel-shift",
            Self::DoubleInversion => "double-inversion",
            Self::ShaderBias => "shader-bias",
        }
    }
}

/// Whether this build can be broken on purpose.
pub const IS_POSSIBLE: bool = cfg!(feature = "faults");

/// Whether a mistake is to be made.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn is_active(_: Fault) -> bool {
    false
}

#[cfg(feature = "faults")]
mod switch {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Fault;

    fn active() -> &'static AtomicU8 {
        static ACTIVE: OnceLock<AtomicU8> = OnceLock::new();
        ACTIVE.get_or_init(|| {
            let wanted = std::env::var("LANTERN_FAULT").unwrap_or_default();
            let fault = Fault::ALL.into_iter().find(|fault| fault.name() == wanted);
            AtomicU8::new(fault.map_or(0, |fault| fault as u8))
        })
    }

    /// Whether a mistake is to be made.
    pub fn is_active(fault: Fault) -> bool {
        active().load(Ordering::SeqCst) == fault as u8
    }

    /// Makes this mistake from now on, or none; for the whole process.
    pub fn inject(fault: Option<Fault>) {
        active().store(fault.map_or(0, |fault| fault as u8), Ordering::SeqCst);
    }
}

#[cfg(feature = "faults")]
pub use switch::{inject, is_active};
