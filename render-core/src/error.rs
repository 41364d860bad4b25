//! What can go wrong while rendering.

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum RenderError {
    #[error("no graphics adapter that can draw volumes was found")]
    NoAdapter,
    #[error("the graphics device was lost")]
    DeviceLost,
    #[error("the graphics device refused: {reason}")]
    Device { reason: String },
    #[error("picture size {width} × {height} is empty or too large")]
    Size { width: u32, height: u32 },
    #[error("{what} is not a usable number")]
    NotFinite { what: &'static str },
    #[error("the volume needs {needed_bytes} bytes of graphics memory, the budget is {budget_bytes}")]
    OutOfMemory { needed_bytes: u64, budget_bytes: u64 },
    #[error("a colour image has no transfer function; show it in slices")]
    ColorVolume,
    #[error("the graphics device has no room for labels at full resolution")]
    ReducedLabels,
    #[error("a colour image has no colour map; only scalar images can be laid over others")]
    ColorLayer,
    #[error("time point {time_point} does not exist; the volume has {count}")]
    TimePoint { time_point: usize, count: usize },
}
