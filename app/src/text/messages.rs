//! Errors as messages a person can act on: what happened, what was kept, what to try.

use imaging::ImagingError;
use imaging::series::SeriesWarning;
use render_core::{RenderError, RenderNotice};

use super::bytes;

/// A message for the screen. Sentences end with a period; empty parts are not shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserMessage {
    /// What happened.
    pub what: String,
    /// What is still there, or what to try.
    pub advice: String,
    /// The technical chain, shown on demand.
    pub detail: String,
}

/// An error and its causes, `a: b: c`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// The message for a failure to find or read images.
pub fn message_for(error: &ImagingError) -> UserMessage {
    let name = |path: &std::path::Path| {
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
    };
    let (what, advice) = match error {
        ImagingError::Io { path, source } => match source.kind() {
            std::io::ErrorKind::NotFound => (
                format!("“{}” does not exist.", name(path)),
                "Check the spelling, or whether the drive is connected.",
            ),
            std::io::ErrorKind::PermissionDenied => (
                format!("“{}” may not be read by this user.", name(path)),
                "Ask for read access to the folder, or copy it to a place of your own.",
            ),
            _ => (
                format!("“{}” could not be read.", name(path)),
                "Check the drive or network connection and try again.",
            ),
        },
        ImagingError::NothingFound { path } => (
            format!("No image was found in “{}”.", name(path)),
            "Lantern reads DICOM, NIfTI, MetaImage, NRRD, TIFF, PNG, JPEG and BMP. Choose another folder or file.",
        ),
        ImagingError::NotAnImage { path, .. } => (
            format!("“{}” is not an image Lantern can read.", name(path)),
            "If it should be one, the file may be incomplete: compare its size with the original.",
        ),
        ImagingError::Damaged { path, .. } => {
            (format!("“{}” is damaged.", name(path)), "Export the image again from its source.")
        }
        ImagingError::Truncated { path, expected_bytes, found_bytes } => (
            format!(
                "“{}” is incomplete: {} of {} are there.",
                name(path),
                bytes(*found_bytes),
                bytes(*expected_bytes)
            ),
            "Copy or export the file again; the transfer was probably interrupted.",
        ),
        ImagingError::Unsupported { path, what } => (
            format!("“{}” uses something Lantern cannot read: {what}.", name(path)),
            "Export it as uncompressed DICOM, or open another series of the study.",
        ),
        ImagingError::Geometry { path, .. } => (
            format!(
                "The positions in “{}” make no sense, so it cannot be placed in the patient.",
                name(path)
            ),
            "Open another series, or export it again from its source.",
        ),
        ImagingError::TooLarge { needed_bytes, limit_bytes, .. } => (
            format!(
                "The image needs {} of memory, {} are allowed.",
                bytes(*needed_bytes),
                bytes(*limit_bytes)
            ),
            "Close other studies and try again, or open a smaller series.",
        ),
        ImagingError::VoxelCount { .. } => (
            "The image does not hold as many voxels as its header says.".to_owned(),
            "Export it again from its source.",
        ),
        ImagingError::Cancelled => ("Opening was cancelled.".to_owned(), "Nothing was changed."),
        _ => ("The image could not be opened.".to_owned(), "What was open before stays open."),
    };
    UserMessage { what, advice: advice.to_owned(), detail: chain(error) }
}

impl From<&RenderError> for UserMessage {
    fn from(error: &RenderError) -> Self {
        let (what, advice) = match error {
            RenderError::ColorVolume => {
                ("Colour images have no volume view.", "The slices show the colours as they are.")
            }
            RenderError::OutOfMemory { .. } => (
                "The volume does not fit into graphics memory.",
                "Slices still work. Start with --renderer cpu to use the main memory instead.",
            ),
            RenderError::NoAdapter => {
                ("No graphics adapter was found.", "Start with --renderer cpu to draw on the processor.")
            }
            _ => ("The picture could not be drawn.", "Other views keep working; try to reset this one."),
        };
        Self { what: what.to_owned(), advice: advice.to_owned(), detail: chain(error) }
    }
}

/// The message for something the renderer wants known.
pub fn message_for_notice(notice: &RenderNotice) -> UserMessage {
    let (what, advice) = match notice {
        RenderNotice::ReducedResolution { factor } => (
            format!("The volume view is drawn {factor} times coarser than the data."),
            "The volume does not fit into graphics memory. Slices show every voxel.",
        ),
        RenderNotice::DeviceRebuilt => {
            ("The graphics device was lost and opened again.".to_owned(), "Nothing was closed.")
        }
        RenderNotice::FellBackToCpu { .. } => (
            "The graphics device failed.".to_owned(),
            "Pictures are drawn by the processor from now on; nothing was closed.",
        ),
        _ => ("The renderer has changed how it draws.".to_owned(), "Nothing was closed."),
    };
    let detail =
        if let RenderNotice::FellBackToCpu { reason } = notice { reason.clone() } else { String::new() };
    UserMessage { what, advice: advice.to_owned(), detail }
}

/// Says what a reader should know about a series that opened, or `None` if there is nothing.
pub fn opened_with_warnings(warnings: &[SeriesWarning]) -> Option<UserMessage> {
    let needs_attention = |w: &&SeriesWarning| {
        matches!(
            w,
            SeriesWarning::MissingSlices { .. }
                | SeriesWarning::UnreadableFiles { .. }
                | SeriesWarning::NoPosition
                | SeriesWarning::UnevenSpacing { .. }
                | SeriesWarning::SliceGaps { .. }
        )
    };
    let first = warnings.iter().find(needs_attention)?;
    let sentence = |text: String| {
        let mut chars = text.chars();
        let head = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        format!("{head}{}.", chars.as_str())
    };
    Some(UserMessage {
        what: sentence(first.to_string()),
        advice: "The rest of the series is shown. See Geometry and Warnings in the inspector.".to_owned(),
        detail: warnings.iter().map(|w| sentence(w.to_string())).collect::<Vec<_>>().join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn every_message_says_what_happened_and_what_to_do() {
        let path = PathBuf::from("/data/Über alles/scan 1.dcm");
        let errors = [
            ImagingError::io(&path, std::io::Error::from(std::io::ErrorKind::NotFound)),
            ImagingError::io(&path, std::io::Error::from(std::io::ErrorKind::PermissionDenied)),
            ImagingError::NothingFound { path: path.clone() },
            ImagingError::Damaged { path: path.clone(), reason: "bad tag".into() },
            ImagingError::Truncated { path: path.clone(), expected_bytes: 1 << 20, found_bytes: 10 },
            ImagingError::Unsupported { path: path.clone(), what: "MPEG2 video".into() },
            ImagingError::TooLarge { path, needed_bytes: 1 << 40, limit_bytes: 1 << 30 },
        ];
        for error in errors {
            let m = message_for(&error);
            assert!(m.what.ends_with('.') && m.advice.ends_with('.'), "{m:?}");
            assert!(m.what.contains("scan 1.dcm") || m.what.contains("memory"), "{m:?}");
            assert!(!m.detail.is_empty());
        }
    }

    #[test]
    fn missing_slices_are_told_and_harmless_notes_are_not() {
        let missing = SeriesWarning::MissingSlices { count: 3, after_slice: vec![10] };
        let m = opened_with_warnings(&[SeriesWarning::RescaleVaries, missing]).unwrap();
        assert!(m.what.starts_with("3 slices are missing"), "{}", m.what);
        assert_eq!(opened_with_warnings(&[SeriesWarning::RescaleVaries]), None);
    }
}
