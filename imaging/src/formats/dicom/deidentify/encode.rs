//! Elements as bytes.

use std::io::{self, Write};

use super::super::dataset::{LONG_VRS, Syntax};
use super::super::tags::{self, Tag};
use super::super::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// Preamble and file header.
pub(super) fn write_meta(
    target: &mut dyn Write,
    sop_class: &str,
    sop_instance: &str,
    transfer_syntax: &str,
) -> io::Result<()> {
    let syntax = Syntax { is_explicit: true, is_big_endian: false };
    let mut group = Vec::new();
    let mut add = |tag: Tag, vr: [u8; 2], value: &[u8]| {
        write_element(&mut group, tag, vr, padded(vr, value.to_vec()), syntax)
    };
    add(0x0002_0001, *b"OB", &[0, 1])?;
    add(0x0002_0002, *b"UI", sop_class.as_bytes())?;
    add(0x0002_0003, *b"UI", sop_instance.as_bytes())?;
    add(tags::TRANSFER_SYNTAX_UID, *b"UI", transfer_syntax.as_bytes())?;
    add(0x0002_0012, *b"UI", IMPLEMENTATION_CLASS_UID.as_bytes())?;
    add(0x0002_0013, *b"SH", IMPLEMENTATION_VERSION.as_bytes())?;
    target.write_all(&[0; 128])?;
    target.write_all(b"DICM")?;
    let len = (group.len() as u32).to_le_bytes();
    write_element(target, 0x0002_0000, *b"UL", len.to_vec(), syntax)?;
    target.write_all(&group)
}

/// An even number of bytes, filled up as the value representation asks.
pub(super) fn padded(vr: [u8; 2], mut value: Vec<u8>) -> Vec<u8> {
    if value.len() % 2 == 1 {
        value.push(if matches!(&vr, b"UI" | b"OB" | b"UN") { 0 } else { b' ' });
    }
    value
}

pub(super) fn write_element(
    target: &mut dyn Write,
    tag: Tag,
    vr: [u8; 2],
    value: Vec<u8>,
    syntax: Syntax,
) -> io::Result<()> {
    let len = u32::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    write_header(target, tag, vr, len, syntax)?;
    target.write_all(&value)
}

/// Tag, VR and length, as `syntax` writes them; items have no VR.
pub(super) fn write_header(
    target: &mut dyn Write,
    tag: Tag,
    vr: [u8; 2],
    len: u32,
    syntax: Syntax,
) -> io::Result<()> {
    let short = |number: u16| if syntax.is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let long = |number: u32| if syntax.is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    target.write_all(&short((tag >> 16) as u16))?;
    target.write_all(&short(tag as u16))?;
    if !syntax.is_explicit || tag >> 16 == 0xFFFE {
        return target.write_all(&long(len));
    }
    // What is too long for its VR was written as implicit VR in an explicit object.
    let (vr, is_long) = match u16::try_from(len) {
        _ if LONG_VRS.contains(&&vr) => (vr, true),
        Ok(_) => (vr, false),
        Err(_) => (*b"UN", true),
    };
    target.write_all(&vr)?;
    if is_long {
        target.write_all(&[0, 0])?;
        target.write_all(&long(len))
    } else {
        target.write_all(&short(len as u16))
    }
}
