//! Private attributes that are safe to keep: table E.3.10-1 of DICOM PS3.15, sequences left out.

/// Private creator, group, low byte of the element, value representation.
#[rustfmt::skip]
const SAFE: &[(&str, u16, u8, [u8; 2])] = &[
    ("ELSCINT1", 0x00E1, 0x21, *b"DS"),
    ("ELSCINT1", 0x00E1, 0x50, *b"DS"),
    ("ELSCINT1", 0x01E1, 0x26, *b"CS"),
    ("ELSCINT1", 0x01F1, 0x01, *b"CS"),
    ("ELSCINT1", 0x01F1, 0x07, *b"DS"),
    ("ELSCINT1", 0x01F1, 0x26, *b"DS"),
    ("ELSCINT1", 0x01F1, 0x27, *b"DS"),
    ("GEMS_ACQU_01", 0x0019, 0x23, *b"DS"),
    ("GEMS_ACQU_01", 0x0019, 0x24, *b"DS"),
    ("GEMS_ACQU_01", 0x0019, 0x27, *b"DS"),
    ("GEMS_ACQU_01", 0x0019, 0x9E, *b"LO"),
    ("GEMS_HELIOS_01", 0x0045, 0x02, *b"FL"),
    ("GEMS_PARM_01", 0x0043, 0x39, *b"IS"),
    ("GEMS_PARM_01", 0x0043, 0x6F, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x01, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x02, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x03, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x04, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x06, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x07, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x08, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x09, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x0A, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x0B, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x0C, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x0E, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x10, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x11, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x12, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x19, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x1A, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x1B, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x1C, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x1D, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x1E, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x1F, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x21, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x22, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x23, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x24, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x26, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x2D, *b"SS"),
    ("Philips Imaging DD 001", 0x2001, 0x32, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x33, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x35, *b"SS"),
    ("Philips Imaging DD 001", 0x2001, 0x36, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x46, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x47, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x48, *b"SS"),
    ("Philips Imaging DD 001", 0x2001, 0x4B, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x4C, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x4D, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x4E, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x55, *b"UL"),
    ("Philips Imaging DD 001", 0x2001, 0x56, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x61, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x62, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x63, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x6E, *b"SH"),
    ("Philips Imaging DD 001", 0x2001, 0x77, *b"CS"),
    ("Philips Imaging DD 001", 0x2001, 0x7A, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0x7B, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x81, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x82, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x83, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x84, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x85, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x86, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0x88, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x89, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x8A, *b"DS"),
    ("Philips Imaging DD 001", 0x2001, 0x9F, *b"US"),
    ("Philips Imaging DD 001", 0x2001, 0xA3, *b"UL"),
    ("Philips Imaging DD 001", 0x2001, 0xC1, *b"LO"),
    ("Philips Imaging DD 001", 0x2001, 0xCB, *b"IS"),
    ("Philips Imaging DD 001", 0x2001, 0xF1, *b"FL"),
    ("Philips Imaging DD 001", 0x2001, 0xF2, *b"FL"),
    ("Philips MR Imaging DD 001", 0x2005, 0x0D, *b"FL"),
    ("Philips MR Imaging DD 001", 0x2005, 0x0E, *b"FL"),
    ("Philips PET Private Group", 0x7053, 0x00, *b"DS"),
    ("Philips PET Private Group", 0x7053, 0x09, *b"DS"),
    ("SIEMENS MR HEADER", 0x0019, 0x0C, *b"IS"),
    ("SIEMENS MR HEADER", 0x0019, 0x0D, *b"CS"),
    ("SIEMENS MR HEADER", 0x0019, 0x0E, *b"FD"),
    ("SIEMENS MR HEADER", 0x0019, 0x27, *b"FD"),
];

/// Value representation of a private attribute that carries no identity, if the standard lists it as such.
pub(super) fn safe_vr(creator: &str, tag: u32) -> Option<[u8; 2]> {
    let (group, element) = ((tag >> 16) as u16, tag as u8);
    let row = SAFE.iter().find(|row| (row.0, row.1, row.2) == (creator, group, element))?;
    Some(row.3)
}

/// Whether a creator has safe attributes in the group of `tag`.
pub(super) fn has_safe(creator: &str, tag: u32) -> bool {
    SAFE.iter().any(|row| row.0 == creator && u32::from(row.1) == tag >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_safe_only_with_its_own_creator() {
        assert_eq!(safe_vr("SIEMENS MR HEADER", 0x0019_100C), Some(*b"IS"));
        assert_eq!(safe_vr("GEMS_ACQU_01", 0x0019_100C), None);
        assert_eq!(safe_vr("Philips PET Private Group", 0x7053_1100), Some(*b"DS"));
    }
}
