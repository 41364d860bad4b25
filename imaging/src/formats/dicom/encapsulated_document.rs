//! Reads encapsulated documents (PS3.3 A.45, C.24.2).

use super::bytes::Location;
use super::dataset::DEFLATED;
use super::derived_tags as dtags;
use super::object::Object;
use crate::ImagingError;
use crate::formats::ReadLimits;
use crate::report::EncapsulatedDocument;

pub(super) fn read(object: &Object<'_>, limits: ReadLimits) -> Result<EncapsulatedDocument, ImagingError> {
    let Some(place) = object.header.noted else {
        object.check_complete()?;
        return Err(object.damaged("holds no document"));
    };
    let found_bytes = place.len.unwrap_or(0);
    if found_bytes == 0 {
        return Err(object.damaged("the document is empty"));
    }
    // The value is cut off exactly if the walk met the end of the object inside it.
    if object.header.is_truncated {
        return Err(object.damaged("the document is cut off"));
    }
    if found_bytes > limits.max_volume_bytes {
        return Err(ImagingError::TooLarge {
            path: object.location.path().to_path_buf(),
            needed_bytes: found_bytes,
            limit_bytes: limits.max_volume_bytes,
        });
    }
    let mut warnings = Vec::new();
    // Values have an even length; the stated length tells padding from content.
    let stated = object.set().number(dtags::ENCAPSULATED_DOCUMENT_LENGTH).map(|length| length as u64);
    let len = match stated {
        Some(stated) if stated <= found_bytes => stated,
        Some(stated) => {
            warnings.push(format!("{stated} bytes stated, {found_bytes} found"));
            found_bytes
        }
        None => found_bytes,
    };
    let mut bytes = vec![0; len as usize];
    object
        .bytes
        .read_into(place.offset, &mut bytes)
        .map_err(|source| ImagingError::io(object.location.path(), source))?;
    let mime_type = object.set().text(dtags::MIME_TYPE).unwrap_or_default();
    if mime_type == "application/pdf" && !bytes.starts_with(b"%PDF-") {
        warnings.push("the document says it is a PDF but does not begin like one".to_owned());
    }
    let is_plain = matches!(object.location, Location::File(_)) && object.header.transfer_syntax != DEFLATED;
    Ok(EncapsulatedDocument {
        title: object.text(dtags::DOCUMENT_TITLE),
        mime_type,
        offset: is_plain.then_some(place.offset),
        bytes,
        warnings,
    })
}
