//! Writes MetaImage (`.mha`): header and voxels in one file, plain or zlib.
//!
//! Space is LPS in millimetres, as in ITK; numbers of the header are written with all their digits, so that the same
//! geometry is read back. Row i of `TransformMatrix` is the direction of index axis i.

use std::io::{self, Write};

use imaging::geometry::Geometry;

use crate::deflate::{Deflate, Frame};
use crate::modality::NumberType;

/// What a file holds besides its voxels.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// Grid and its place.
    pub geometry: &'a Geometry,
    /// Type of the voxels.
    pub number_type: NumberType,
    /// Whether voxels are compressed.
    pub is_compressed: bool,
}

impl Header<'_> {
    /// The text before the voxels; `compressed_bytes` is their size if they are compressed.
    fn text(&self, compressed_bytes: Option<u64>) -> String {
        let g = self.geometry;
        let numbers = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        let compression = match compressed_bytes {
            Some(bytes) => format!("CompressedData = True\nCompressedDataSize = {bytes}\n"),
            None => "CompressedData = False\n".to_owned(),
        };
        let d = g.dims();
        let element = match self.number_type {
            NumberType::U8 => "MET_UCHAR",
            NumberType::I16 => "MET_SHORT",
            NumberType::F32 => "MET_FLOAT",
        };
        format!(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n{compression}\
             TransformMatrix = {}\nOffset = {}\nCenterOfRotation = 0 0 0\nElementSpacing = {}\n\
             DimSize = {} {} {}\nElementType = {element}\nElementDataFile = LOCAL\n",
            numbers(&g.direction().to_cols_array()),
            numbers(&g.origin_lps().to_array()),
            numbers(&g.spacing_mm().to_array()),
            d.x,
            d.y,
            d.z,
        )
    }
}

/// Writes a file; `voxels` writes all values, little endian, x fastest.
///
/// A compressed image is held in memory, since its size comes first.
///
/// # Errors
/// Those of `out` and `voxels`.
pub fn write(
    header: Header<'_>,
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if !header.is_compressed {
        out.write_all(header.text(None).as_bytes())?;
        return voxels(out);
    }
    let mut packed = Vec::new();
    let mut deflate = Deflate::new(Frame::Zlib, &mut packed)?;
    voxels(&mut deflate)?;
    deflate.finish()?;
    out.write_all(header.text(Some(packed.len() as u64)).as_bytes())?;
    out.write_all(&packed)
}
