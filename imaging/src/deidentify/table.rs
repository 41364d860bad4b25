//! Table E.1-1 of DICOM PS3.15: what the basic profile does with each attribute, and which options say otherwise.
//!
//! Facts of the edition [`EDITION`]; columns of options as of 2025b, with which all rows but one of the newer edition
//! agree (Display URI has none). Repeating groups, private attributes and group lengths have rules of their own,
//! see [`super::rules`]. The columns for graphics and structured content are left out: those options are not offered.

/// The edition of the standard whose table this is.
pub(super) const EDITION: &str = "2026c";

/// Action codes of the basic profile, as the table names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::upper_case_acronyms, reason = "the codes are the table's own")]
pub(super) enum Code {
    /// Remove.
    X,
    /// Zero length or a dummy.
    Z,
    /// A dummy that is not empty.
    D,
    /// A UID that is replaced consistently.
    U,
    /// Remove, or empty where the object needs the attribute.
    XZ,
    /// Remove, or a dummy where the object needs a value.
    XD,
    /// Empty, or a dummy where the object needs a value.
    ZD,
    /// Remove, empty or a dummy.
    XZD,
    /// Remove, empty, or replace the UIDs in the items.
    XZU,
}

use Code::{D, U, X, XD, XZ, XZD, XZU, Z, ZD};

/// Options whose column has an entry for an attribute; K (keep) unless the name says C (clean).
pub(super) mod option {
    pub(crate) const NONE: u16 = 0;
    pub(crate) const UIDS: u16 = 1;
    pub(crate) const DEVICE: u16 = 1 << 1;
    pub(crate) const DEVICE_CLEANED: u16 = 1 << 2;
    pub(crate) const INSTITUTION: u16 = 1 << 3;
    pub(crate) const PATIENT: u16 = 1 << 4;
    pub(crate) const PATIENT_CLEANED: u16 = 1 << 5;
    /// K with full dates, C with modified ones.
    pub(crate) const DATES: u16 = 1 << 6;
    /// C.
    pub(crate) const DESCRIPTORS: u16 = 1 << 7;
}

use option::{DATES, DESCRIPTORS, DEVICE, DEVICE_CLEANED, INSTITUTION, NONE, PATIENT, PATIENT_CLEANED, UIDS};

/// What the table says of an attribute; `None` for one that it does not name.
pub(super) fn row(tag: u32) -> Option<(Code, u16)> {
    let at = TABLE.binary_search_by_key(&tag, |row| row.0).ok()?;
    TABLE.get(at).map(|row| (row.1, row.2))
}

/// The rows, in the order of their tags.
#[rustfmt::skip]
pub(super) const TABLE: &[(u32, Code, u16)] = &[
    (0x0000_1000, X, UIDS), // Affected SOP Instance UID
    (0x0000_1001, U, UIDS), // Requested SOP Instance UID
    (0x0002_0003, U, UIDS), // Media Storage SOP Instance UID
    (0x0004_1511, U, UIDS), // Referenced SOP Instance UID in File
    (0x0008_0012, XD, DATES), // Instance Creation Date
    (0x0008_0013, XZD, DATES), // Instance Creation Time
    (0x0008_0014, U, UIDS), // Instance Creator UID
    (0x0008_0015, X, DATES), // Instance Coercion DateTime
    (0x0008_0017, U, UIDS), // Acquisition UID
    (0x0008_0018, U, UIDS), // SOP Instance UID
    (0x0008_0019, U, UIDS), // Pyramid UID
    (0x0008_0020, Z, DATES), // Study Date
    (0x0008_0021, XD, DATES), // Series Date
    (0x0008_0022, XZ, DATES), // Acquisition Date
    (0x0008_0023, ZD, DATES), // Content Date
    (0x0008_0024, X, DATES), // Overlay Date
    (0x0008_0025, X, DATES), // Curve Date
    (0x0008_002A, XZD, DATES), // Acquisition DateTime
    (0x0008_0030, Z, DATES), // Study Time
    (0x0008_0031, XD, DATES), // Series Time
    (0x0008_0032, XZ, DATES), // Acquisition Time
    (0x0008_0033, ZD, DATES), // Content Time
    (0x0008_0034, X, DATES), // Overlay Time
    (0x0008_0035, X, DATES), // Curve Time
    (0x0008_0050, Z, NONE), // Accession Number
    (0x0008_0054, X, DEVICE_CLEANED), // Retrieve AE Title
    (0x0008_0055, X, DEVICE_CLEANED), // Station AE Title
    (0x0008_0058, U, UIDS), // Failed SOP Instance UID List
    (0x0008_0080, XZD, INSTITUTION), // Institution Name
    (0x0008_0081, X, INSTITUTION), // Institution Address
    (0x0008_0082, XZD, INSTITUTION), // Institution Code Sequence
    (0x0008_0090, Z, NONE), // Referring Physician's Name
    (0x0008_0092, X, NONE), // Referring Physician's Address
    (0x0008_0094, X, NONE), // Referring Physician's Telephone Numbers
    (0x0008_0096, X, NONE), // Referring Physician Identification Sequence
    (0x0008_009C, Z, NONE), // Consulting Physician's Name
    (0x0008_009D, X, NONE), // Consulting Physician Identification Sequence
    (0x0008_0106, D, DATES), // Context Group Version
    (0x0008_0107, D, DATES), // Context Group Local Version
    (0x0008_0201, X, DATES), // Timezone Offset From UTC
    (0x0008_1000, X, DEVICE_CLEANED), // Network ID
    (0x0008_1010, XZD, DEVICE), // Station Name
    (0x0008_1030, X, DESCRIPTORS), // Study Description
    (0x0008_103E, X, DESCRIPTORS), // Series Description
    (0x0008_1040, X, INSTITUTION), // Institutional Department Name
    (0x0008_1041, X, INSTITUTION), // Institutional Department Type Code Sequence
    (0x0008_1048, X, NONE), // Physician(s) of Record
    (0x0008_1049, X, NONE), // Physician(s) of Record Identification Sequence
    (0x0008_1050, X, NONE), // Performing Physician's Name
    (0x0008_1052, X, NONE), // Performing Physician Identification Sequence
    (0x0008_1060, X, NONE), // Name of Physician(s) Reading Study
    (0x0008_1062, X, NONE), // Physician(s) Reading Study Identification Sequence
    (0x0008_1070, XZD, NONE), // Operators' Name
    (0x0008_1072, XD, NONE), // Operator Identification Sequence
    (0x0008_1080, X, DESCRIPTORS), // Admitting Diagnoses Description
    (0x0008_1084, X, DESCRIPTORS), // Admitting Diagnoses Code Sequence
    (0x0008_1088, X, DESCRIPTORS), // Pyramid Description
    (0x0008_1110, XZ, UIDS), // Referenced Study Sequence
    (0x0008_1111, XZD, UIDS), // Referenced Performed Procedure Step Sequence
    (0x0008_1120, X, UIDS), // Referenced Patient Sequence
    (0x0008_1140, XZU, UIDS), // Referenced Image Sequence
    (0x0008_1155, U, UIDS), // Referenced SOP Instance UID
    (0x0008_1195, U, UIDS), // Transaction UID
    (0x0008_1301, X, DESCRIPTORS), // Principal Diagnosis Code Sequence
    (0x0008_1302, X, DESCRIPTORS), // Primary Diagnosis Code Sequence
    (0x0008_1303, X, DESCRIPTORS), // Secondary Diagnoses Code Sequence
    (0x0008_1304, X, DESCRIPTORS), // Histological Diagnoses Code Sequence
    (0x0008_2111, X, DESCRIPTORS), // Derivation Description
    (0x0008_2112, XZU, UIDS), // Source Image Sequence
    (0x0008_3010, U, UIDS), // Irradiation Event UID
    (0x0008_4000, X, DESCRIPTORS), // Identifying Comments
    (0x0010_0010, Z, NONE), // Patient's Name
    (0x0010_0011, X, NONE), // Person Names to Use Sequence
    (0x0010_0012, X, NONE), // Name to Use
    (0x0010_0013, X, NONE), // Name to Use Comment
    (0x0010_0014, X, NONE), // Third Person Pronouns Sequence
    (0x0010_0015, X, NONE), // Pronoun Code Sequence
    (0x0010_0016, X, DESCRIPTORS), // Pronoun Comment
    (0x0010_0020, ZD, NONE), // Patient ID
    (0x0010_0021, X, NONE), // Issuer of Patient ID
    (0x0010_0030, Z, NONE), // Patient's Birth Date
    (0x0010_0032, X, NONE), // Patient's Birth Time
    (0x0010_0040, Z, PATIENT), // Patient's Sex
    (0x0010_0041, X, NONE), // Gender Identity Sequence
    (0x0010_0042, X, PATIENT_CLEANED | DESCRIPTORS), // Sex Parameters for Clinical Use Category Comment
    (0x0010_0043, X, PATIENT), // Sex Parameters for Clinical Use Category Sequence
    (0x0010_0044, X, NONE), // Gender Identity Code Sequence
    (0x0010_0045, X, DESCRIPTORS), // Gender Identity Comment
    (0x0010_0046, X, PATIENT), // Sex Parameters for Clinical Use Category Code Sequence
    (0x0010_0047, X, PATIENT), // Sex Parameters for Clinical Use Category Reference
    (0x0010_0050, X, NONE), // Patient's Insurance Plan Code Sequence
    (0x0010_0101, X, NONE), // Patient's Primary Language Code Sequence
    (0x0010_0102, X, NONE), // Patient's Primary Language Modifier Code Sequence
    (0x0010_1000, X, NONE), // Other Patient IDs
    (0x0010_1001, X, NONE), // Other Patient Names
    (0x0010_1002, X, NONE), // Other Patient IDs Sequence
    (0x0010_1005, X, NONE), // Patient's Birth Name
    (0x0010_1010, X, PATIENT), // Patient's Age
    (0x0010_1020, X, PATIENT), // Patient's Size
    (0x0010_1030, X, PATIENT), // Patient's Weight
    (0x0010_1040, X, NONE), // Patient's Address
    (0x0010_1050, X, NONE), // Insurance Plan Identification
    (0x0010_1060, X, NONE), // Patient's Mother's Birth Name
    (0x0010_1080, X, NONE), // Military Rank
    (0x0010_1081, X, NONE), // Branch of Service
    (0x0010_1090, X, NONE), // Medical Record Locator
    (0x0010_1100, X, NONE), // Referenced Patient Photo Sequence
    (0x0010_2000, X, DESCRIPTORS), // Medical Alerts
    (0x0010_2110, X, PATIENT_CLEANED | DESCRIPTORS), // Allergies
    (0x0010_2150, X, NONE), // Country of Residence
    (0x0010_2152, X, NONE), // Region of Residence
    (0x0010_2154, X, NONE), // Patient's Telephone Numbers
    (0x0010_2155, X, NONE), // Patient's Telecom Information
    (0x0010_2160, X, PATIENT), // Ethnic Group
    (0x0010_2161, X, PATIENT), // Ethnic Group Code Sequence
    (0x0010_2162, X, PATIENT), // Ethnic Groups
    (0x0010_2180, X, DESCRIPTORS), // Occupation
    (0x0010_21A0, X, PATIENT), // Smoking Status
    (0x0010_21B0, X, DESCRIPTORS), // Additional Patient History
    (0x0010_21C0, X, PATIENT), // Pregnancy Status
    (0x0010_21D0, X, DATES), // Last Menstrual Date
    (0x0010_21F0, X, NONE), // Patient's Religious Preference
    (0x0010_2203, XZ, PATIENT), // Patient's Sex Neutered
    (0x0010_2297, X, NONE), // Responsible Person
    (0x0010_2299, X, NONE), // Responsible Organization
    (0x0010_4000, X, DESCRIPTORS), // Patient Comments
    (0x0012_0010, D, NONE), // Clinical Trial Sponsor Name
    (0x0012_0020, D, NONE), // Clinical Trial Protocol ID
    (0x0012_0021, Z, NONE), // Clinical Trial Protocol Name
    (0x0012_0022, X, NONE), // Issuer of Clinical Trial Protocol ID
    (0x0012_0023, X, NONE), // Other Clinical Trial Protocol IDs Sequence
    (0x0012_0030, Z, INSTITUTION), // Clinical Trial Site ID
    (0x0012_0031, Z, INSTITUTION), // Clinical Trial Site Name
    (0x0012_0032, X, NONE), // Issuer of Clinical Trial Site ID
    (0x0012_0040, D, NONE), // Clinical Trial Subject ID
    (0x0012_0041, X, NONE), // Issuer of Clinical Trial Subject ID
    (0x0012_0042, D, NONE), // Clinical Trial Subject Reading ID
    (0x0012_0043, X, NONE), // Issuer of Clinical Trial Subject Reading ID
    (0x0012_0050, Z, NONE), // Clinical Trial Time Point ID
    (0x0012_0051, X, DESCRIPTORS), // Clinical Trial Time Point Description
    (0x0012_0055, X, NONE), // Issuer of Clinical Trial Time Point ID
    (0x0012_0060, Z, INSTITUTION), // Clinical Trial Coordinating Center Name
    (0x0012_0071, X, NONE), // Clinical Trial Series ID
    (0x0012_0072, X, DESCRIPTORS), // Clinical Trial Series Description
    (0x0012_0073, X, NONE), // Issuer of Clinical Trial Series ID
    (0x0012_0081, D, INSTITUTION), // Clinical Trial Protocol Ethics Committee Name
    (0x0012_0082, X, NONE), // Clinical Trial Protocol Ethics Committee Approval Number
    (0x0012_0086, X, DATES), // Ethics Committee Approval Effectiveness Start Date
    (0x0012_0087, X, DATES), // Ethics Committee Approval Effectiveness End Date
    (0x0014_407C, X, DEVICE | DATES), // Calibration Time
    (0x0014_407E, X, DEVICE | DATES), // Calibration Date
    (0x0016_002B, X, DESCRIPTORS), // Maker Note
    (0x0016_004B, X, DESCRIPTORS), // Device Setting Description
    (0x0016_004D, X, NONE), // Camera Owner Name
    (0x0016_004E, X, DEVICE), // Lens Specification
    (0x0016_004F, X, DEVICE), // Lens Make
    (0x0016_0050, X, DEVICE), // Lens Model
    (0x0016_0051, X, DEVICE), // Lens Serial Number
    (0x0016_0070, X, NONE), // GPS Version ID
    (0x0016_0071, X, NONE), // GPS Latitude Ref
    (0x0016_0072, X, NONE), // GPS Latitude
    (0x0016_0073, X, NONE), // GPS Longitude Ref
    (0x0016_0074, X, NONE), // GPS Longitude
    (0x0016_0075, X, NONE), // GPS Altitude Ref
    (0x0016_0076, X, NONE), // GPS Altitude
    (0x0016_0077, X, NONE), // GPS Time Stamp
    (0x0016_0078, X, NONE), // GPS Satellites
    (0x0016_0079, X, NONE), // GPS Status
    (0x0016_007A, X, NONE), // GPS Measure Mode
    (0x0016_007B, X, NONE), // GPS DOP
    (0x0016_007C, X, NONE), // GPS Speed Ref
    (0x0016_007D, X, NONE), // GPS Speed
    (0x0016_007E, X, NONE), // GPS Track Ref
    (0x0016_007F, X, NONE), // GPS Track
    (0x0016_0080, X, NONE), // GPS Img Direction Ref
    (0x0016_0081, X, NONE), // GPS Img Direction
    (0x0016_0082, X, NONE), // GPS Map Datum
    (0x0016_0083, X, NONE), // GPS Dest Latitude Ref
    (0x0016_0084, X, NONE), // GPS Dest Latitude
    (0x0016_0085, X, NONE), // GPS Dest Longitude Ref
    (0x0016_0086, X, NONE), // GPS Dest Longitude
    (0x0016_0087, X, NONE), // GPS Dest Bearing Ref
    (0x0016_0088, X, NONE), // GPS Dest Bearing
    (0x0016_0089, X, NONE), // GPS Dest Distance Ref
    (0x0016_008A, X, NONE), // GPS Dest Distance
    (0x0016_008B, X, NONE), // GPS Processing Method
    (0x0016_008C, X, NONE), // GPS Area Information
    (0x0016_008D, X, DATES), // GPS Date Stamp
    (0x0016_008E, X, NONE), // GPS Differential
    (0x0018_0010, ZD, DESCRIPTORS), // Contrast/Bolus Agent
    (0x0018_0027, X, DATES), // Intervention Drug Stop Time
    (0x0018_0035, X, DATES), // Intervention Drug Start Time
    (0x0018_1000, XZD, DEVICE), // Device Serial Number
    (0x0018_1002, U, UIDS | DEVICE), // Device UID
    (0x0018_1004, X, DEVICE), // Plate ID
    (0x0018_1005, X, DEVICE), // Generator ID
    (0x0018_1007, X, DEVICE), // Cassette ID
    (0x0018_1008, X, DEVICE), // Gantry ID
    (0x0018_1009, X, DEVICE), // Unique Device Identifier
    (0x0018_100A, X, DEVICE), // UDI Sequence
    (0x0018_100B, U, UIDS | DEVICE), // Manufacturer's Device Class UID
    (0x0018_1010, X, DEVICE), // Secondary Capture Device ID
    (0x0018_1011, X, DEVICE), // Hardcopy Creation Device ID
    (0x0018_1012, X, DATES), // Date of Secondary Capture
    (0x0018_1014, X, DATES), // Time of Secondary Capture
    (0x0018_1030, XD, DESCRIPTORS), // Protocol Name
    (0x0018_1042, X, DATES), // Contrast/Bolus Start Time
    (0x0018_1043, X, DATES), // Contrast/Bolus Stop Time
    (0x0018_1072, X, DATES), // Radiopharmaceutical Start Time
    (0x0018_1073, X, DATES), // Radiopharmaceutical Stop Time
    (0x0018_1078, X, DATES), // Radiopharmaceutical Start DateTime
    (0x0018_1079, X, DATES), // Radiopharmaceutical Stop DateTime
    (0x0018_11BB, D, DESCRIPTORS), // Acquisition Field Of View Label
    (0x0018_1200, X, DEVICE | DATES), // Date of Last Calibration
    (0x0018_1201, X, DEVICE | DATES), // Time of Last Calibration
    (0x0018_1202, X, DEVICE | DATES), // DateTime of Last Calibration
    (0x0018_1203, Z, DEVICE | DATES), // Calibration DateTime
    (0x0018_1204, X, DEVICE | DATES), // Date of Manufacture
    (0x0018_1205, X, DEVICE | DATES), // Date of Installation
    (0x0018_1400, XD, DESCRIPTORS), // Acquisition Device Processing Description
    (0x0018_2042, U, UIDS), // Target UID
    (0x0018_4000, X, DESCRIPTORS), // Acquisition Comments
    (0x0018_5011, X, DEVICE), // Transducer Identification Sequence
    (0x0018_700A, XD, DEVICE), // Detector ID
    (0x0018_700C, XD, DEVICE | DATES), // Date of Last Detector Calibration
    (0x0018_700E, XD, DEVICE | DATES), // Time of Last Detector Calibration
    (0x0018_9074, D, DATES), // Frame Acquisition DateTime
    (0x0018_9151, D, DATES), // Frame Reference DateTime
    (0x0018_9185, X, DESCRIPTORS), // Respiratory Motion Compensation Technique Description
    (0x0018_9367, D, DEVICE), // X-Ray Source ID
    (0x0018_9369, D, DATES), // Source Start DateTime
    (0x0018_936A, D, DATES), // Source End DateTime
    (0x0018_9371, D, DEVICE), // X-Ray Detector ID
    (0x0018_9373, X, DEVICE), // X-Ray Detector Label
    (0x0018_937B, X, DESCRIPTORS), // Multi-energy Acquisition Description
    (0x0018_937F, X, DESCRIPTORS), // Decomposition Description
    (0x0018_9424, X, DESCRIPTORS), // Acquisition Protocol Description
    (0x0018_9516, XD, DATES), // Start Acquisition DateTime
    (0x0018_9517, XD, DATES), // End Acquisition DateTime
    (0x0018_9623, D, DATES), // Functional Sync Pulse
    (0x0018_9701, D, DATES), // Decay Correction DateTime
    (0x0018_9804, D, DATES), // Exclusion Start DateTime
    (0x0018_9919, ZD, DATES), // Instruction Performed DateTime
    (0x0018_9937, X, DESCRIPTORS), // Requested Series Description
    (0x0018_A002, X, DATES), // Contribution DateTime
    (0x0018_A003, X, DESCRIPTORS), // Contribution Description
    (0x0020_000D, U, UIDS), // Study Instance UID
    (0x0020_000E, U, UIDS), // Series Instance UID
    (0x0020_0010, Z, NONE), // Study ID
    (0x0020_0027, X, DESCRIPTORS), // Pyramid Label
    (0x0020_0052, U, UIDS), // Frame of Reference UID
    (0x0020_0200, U, UIDS), // Synchronization Frame of Reference UID
    (0x0020_3401, X, DEVICE), // Modifying Device ID
    (0x0020_3403, X, DATES), // Modified Image Date
    (0x0020_3405, X, DATES), // Modified Image Time
    (0x0020_3406, X, NONE), // Modified Image Description
    (0x0020_4000, X, DESCRIPTORS), // Image Comments
    (0x0020_9158, X, DESCRIPTORS), // Frame Comments
    (0x0020_9161, U, UIDS), // Concatenation UID
    (0x0020_9164, U, UIDS), // Dimension Organization UID
    (0x0028_1199, U, UIDS), // Palette Color Lookup Table UID
    (0x0028_1214, U, UIDS), // Large Palette Color Lookup Table UID
    (0x0028_4000, X, NONE), // Image Presentation Comments
    (0x0032_0012, X, NONE), // Study ID Issuer
    (0x0032_0032, X, DATES), // Study Verified Date
    (0x0032_0033, X, DATES), // Study Verified Time
    (0x0032_0034, X, DATES), // Study Read Date
    (0x0032_0035, X, DATES), // Study Read Time
    (0x0032_1000, X, DATES), // Scheduled Study Start Date
    (0x0032_1001, X, DATES), // Scheduled Study Start Time
    (0x0032_1010, X, DATES), // Scheduled Study Stop Date
    (0x0032_1011, X, DATES), // Scheduled Study Stop Time
    (0x0032_1020, X, DEVICE), // Scheduled Study Location
    (0x0032_1021, X, DEVICE_CLEANED), // Scheduled Study Location AE Title
    (0x0032_1030, X, DESCRIPTORS), // Reason for Study
    (0x0032_1032, X, NONE), // Requesting Physician
    (0x0032_1033, X, DESCRIPTORS), // Requesting Service
    (0x0032_1040, X, DATES), // Study Arrival Date
    (0x0032_1041, X, DATES), // Study Arrival Time
    (0x0032_1050, X, DATES), // Study Completion Date
    (0x0032_1051, X, DATES), // Study Completion Time
    (0x0032_1060, XZ, DESCRIPTORS), // Requested Procedure Description
    (0x0032_1066, X, DESCRIPTORS), // Reason for Visit
    (0x0032_1067, X, DESCRIPTORS), // Reason for Visit Code Sequence
    (0x0032_1070, X, DESCRIPTORS), // Requested Contrast Agent
    (0x0032_4000, X, DESCRIPTORS), // Study Comments
    (0x0034_0001, D, NONE), // Flow Identifier Sequence
    (0x0034_0002, D, NONE), // Flow Identifier
    (0x0034_0005, D, NONE), // Source Identifier
    (0x0034_0007, D, DATES), // Frame Origin Timestamp
    (0x0038_0004, X, NONE), // Referenced Patient Alias Sequence
    (0x0038_0010, X, NONE), // Admission ID
    (0x0038_0011, X, NONE), // Issuer of Admission ID
    (0x0038_0014, X, NONE), // Issuer of Admission ID Sequence
    (0x0038_001A, X, DATES), // Scheduled Admission Date
    (0x0038_001B, X, DATES), // Scheduled Admission Time
    (0x0038_001C, X, DATES), // Scheduled Discharge Date
    (0x0038_001D, X, DATES), // Scheduled Discharge Time
    (0x0038_001E, X, NONE), // Scheduled Patient Institution Residence
    (0x0038_0020, X, DATES), // Admitting Date
    (0x0038_0021, X, DATES), // Admitting Time
    (0x0038_0030, X, DATES), // Discharge Date
    (0x0038_0032, X, DATES), // Discharge Time
    (0x0038_0040, X, DESCRIPTORS), // Discharge Diagnosis Description
    (0x0038_0050, X, PATIENT_CLEANED), // Special Needs
    (0x0038_0060, X, NONE), // Service Episode ID
    (0x0038_0061, X, NONE), // Issuer of Service Episode ID
    (0x0038_0062, X, DESCRIPTORS), // Service Episode Description
    (0x0038_0064, X, NONE), // Issuer of Service Episode ID Sequence
    (0x0038_0300, X, NONE), // Current Patient Location
    (0x0038_0400, X, NONE), // Patient's Institution Residence
    (0x0038_0500, X, PATIENT_CLEANED | DESCRIPTORS), // Patient State
    (0x0038_4000, X, DESCRIPTORS), // Visit Comments
    (0x003A_0020, X, DESCRIPTORS), // Multiplex Group Label
    (0x003A_0203, X, DESCRIPTORS), // Channel Label
    (0x003A_020C, X, DESCRIPTORS), // Channel Derivation Description
    (0x003A_0310, U, UIDS), // Multiplex Group UID
    (0x003A_0314, D, DATES), // Impedance Measurement DateTime
    (0x003A_0329, X, DESCRIPTORS), // Waveform Filter Description
    (0x003A_032B, X, DESCRIPTORS), // Filter Lookup Table Description
    (0x0040_0001, X, DEVICE_CLEANED), // Scheduled Station AE Title
    (0x0040_0002, X, DATES), // Scheduled Procedure Step Start Date
    (0x0040_0003, X, DATES), // Scheduled Procedure Step Start Time
    (0x0040_0004, X, DATES), // Scheduled Procedure Step End Date
    (0x0040_0005, X, DATES), // Scheduled Procedure Step End Time
    (0x0040_0006, X, NONE), // Scheduled Performing Physician's Name
    (0x0040_0007, X, DESCRIPTORS), // Scheduled Procedure Step Description
    (0x0040_0009, X, NONE), // Scheduled Procedure Step ID
    (0x0040_000B, X, NONE), // Scheduled Performing Physician Identification Sequence
    (0x0040_0010, X, DEVICE), // Scheduled Station Name
    (0x0040_0011, X, DEVICE), // Scheduled Procedure Step Location
    (0x0040_0012, X, PATIENT_CLEANED), // Pre-Medication
    (0x0040_0241, X, DEVICE_CLEANED), // Performed Station AE Title
    (0x0040_0242, X, DEVICE), // Performed Station Name
    (0x0040_0243, X, NONE), // Performed Location
    (0x0040_0244, X, DATES), // Performed Procedure Step Start Date
    (0x0040_0245, X, DATES), // Performed Procedure Step Start Time
    (0x0040_0250, X, DATES), // Performed Procedure Step End Date
    (0x0040_0251, X, DATES), // Performed Procedure Step End Time
    (0x0040_0253, X, NONE), // Performed Procedure Step ID
    (0x0040_0254, X, DESCRIPTORS), // Performed Procedure Step Description
    (0x0040_0275, X, DESCRIPTORS), // Request Attributes Sequence
    (0x0040_0280, X, DESCRIPTORS), // Comments on the Performed Procedure Step
    (0x0040_0310, X, DESCRIPTORS), // Comments on Radiation Dose
    (0x0040_050A, X, NONE), // Specimen Accession Number
    (0x0040_0512, D, NONE), // Container Identifier
    (0x0040_0513, Z, NONE), // Issuer of the Container Identifier Sequence
    (0x0040_051A, X, DESCRIPTORS), // Container Description
    (0x0040_0551, D, NONE), // Specimen Identifier
    (0x0040_0554, U, UIDS), // Specimen UID
    (0x0040_0555, XZ, NONE), // Acquisition Context Sequence
    (0x0040_0556, X, DESCRIPTORS), // Acquisition Context Description
    (0x0040_0562, Z, NONE), // Issuer of the Specimen Identifier Sequence
    (0x0040_0600, X, DESCRIPTORS), // Specimen Short Description
    (0x0040_0602, X, DESCRIPTORS), // Specimen Detailed Description
    (0x0040_0610, Z, NONE), // Specimen Preparation Sequence
    (0x0040_06FA, X, NONE), // Slide Identifier
    (0x0040_1001, X, NONE), // Requested Procedure ID
    (0x0040_1002, X, DESCRIPTORS), // Reason for the Requested Procedure
    (0x0040_1004, X, NONE), // Patient Transport Arrangements
    (0x0040_1005, X, NONE), // Requested Procedure Location
    (0x0040_100A, X, DESCRIPTORS), // Reason for Requested Procedure Code Sequence
    (0x0040_1010, X, NONE), // Names of Intended Recipients of Results
    (0x0040_1011, X, NONE), // Intended Recipients of Results Identification Sequence
    (0x0040_1101, D, NONE), // Person Identification Code Sequence
    (0x0040_1102, X, NONE), // Person's Address
    (0x0040_1103, X, NONE), // Person's Telephone Numbers
    (0x0040_1104, X, NONE), // Person's Telecom Information
    (0x0040_1400, X, DESCRIPTORS), // Requested Procedure Comments
    (0x0040_2001, X, DESCRIPTORS), // Reason for the Imaging Service Request
    (0x0040_2004, X, DATES), // Issue Date of Imaging Service Request
    (0x0040_2005, X, DATES), // Issue Time of Imaging Service Request
    (0x0040_2008, X, NONE), // Order Entered By
    (0x0040_2009, X, NONE), // Order Enterer's Location
    (0x0040_2010, X, NONE), // Order Callback Phone Number
    (0x0040_2011, X, NONE), // Order Callback Telecom Information
    (0x0040_2016, Z, NONE), // Placer Order Number / Imaging Service Request
    (0x0040_2017, Z, NONE), // Filler Order Number / Imaging Service Request
    (0x0040_2400, X, DESCRIPTORS), // Imaging Service Request Comments
    (0x0040_3001, X, NONE), // Confidentiality Constraint on Patient Data Description
    (0x0040_4005, X, DATES), // Scheduled Procedure Step Start DateTime
    (0x0040_4008, X, DATES), // Scheduled Procedure Step Expiration DateTime
    (0x0040_4010, X, DATES), // Scheduled Procedure Step Modification DateTime
    (0x0040_4011, X, DATES), // Expected Completion DateTime
    (0x0040_4023, U, UIDS), // Referenced General Purpose Scheduled Procedure Step Transaction UID
    (0x0040_4025, X, DEVICE), // Scheduled Station Name Code Sequence
    (0x0040_4027, X, DEVICE), // Scheduled Station Geographic Location Code Sequence
    (0x0040_4028, X, DEVICE), // Performed Station Name Code Sequence
    (0x0040_4030, X, DEVICE), // Performed Station Geographic Location Code Sequence
    (0x0040_4034, X, NONE), // Scheduled Human Performers Sequence
    (0x0040_4035, X, NONE), // Actual Human Performers Sequence
    (0x0040_4036, X, NONE), // Human Performer's Organization
    (0x0040_4037, X, NONE), // Human Performer's Name
    (0x0040_4050, X, DATES), // Performed Procedure Step Start DateTime
    (0x0040_4051, X, DATES), // Performed Procedure Step End DateTime
    (0x0040_4052, X, DATES), // Procedure Step Cancellation DateTime
    (0x0040_A023, X, DATES), // Findings Group Recording Date (Trial)
    (0x0040_A024, X, DATES), // Findings Group Recording Time (Trial)
    (0x0040_A027, D, NONE), // Verifying Organization
    (0x0040_A030, D, DATES), // Verification DateTime
    (0x0040_A032, XD, DATES), // Observation DateTime
    (0x0040_A033, X, DATES), // Observation Start DateTime
    (0x0040_A034, X, DATES), // Effective Start DateTime
    (0x0040_A035, X, DATES), // Effective Stop DateTime
    (0x0040_A073, D, NONE), // Verifying Observer Sequence
    (0x0040_A075, D, NONE), // Verifying Observer Name
    (0x0040_A078, X, NONE), // Author Observer Sequence
    (0x0040_A07A, X, NONE), // Participant Sequence
    (0x0040_A07C, X, NONE), // Custodial Organization Sequence
    (0x0040_A082, Z, DATES), // Participation DateTime
    (0x0040_A088, Z, NONE), // Verifying Observer Identification Code Sequence
    (0x0040_A110, X, DATES), // Date of Document or Verbal Transaction (Trial)
    (0x0040_A112, X, DATES), // Time of Document Creation or Verbal Transaction (Trial)
    (0x0040_A120, D, DATES), // DateTime
    (0x0040_A121, D, DATES), // Date
    (0x0040_A122, D, DATES), // Time
    (0x0040_A123, D, NONE), // Person Name
    (0x0040_A124, U, NONE), // UID
    (0x0040_A13A, D, DATES), // Referenced DateTime
    (0x0040_A171, U, UIDS), // Observation UID
    (0x0040_A172, U, UIDS), // Referenced Observation UID (Trial)
    (0x0040_A192, X, DATES), // Observation Date (Trial)
    (0x0040_A193, X, DATES), // Observation Time (Trial)
    (0x0040_A307, X, NONE), // Current Observer (Trial)
    (0x0040_A352, X, NONE), // Verbal Source (Trial)
    (0x0040_A353, X, NONE), // Address (Trial)
    (0x0040_A354, X, NONE), // Telephone Number (Trial)
    (0x0040_A358, X, NONE), // Verbal Source Identifier Code Sequence (Trial)
    (0x0040_A402, U, UIDS), // Observation Subject UID (Trial)
    (0x0040_A730, D, NONE), // Content Sequence
    (0x0040_B020, XD, NONE), // Waveform Annotation Sequence
    (0x0040_B034, X, DATES), // Annotation DateTime
    (0x0040_B036, X, DATES), // Segment Definition DateTime
    (0x0040_B03B, X, DESCRIPTORS), // Montage Name
    (0x0040_B03F, X, DESCRIPTORS), // Montage Channel Label
    (0x0040_DB06, X, DATES), // Template Version
    (0x0040_DB07, X, DATES), // Template Local Version
    (0x0040_DB0C, U, UIDS), // Template Extension Organization UID
    (0x0040_DB0D, U, UIDS), // Template Extension Creator UID
    (0x0040_E004, X, DATES), // HL7 Document Effective Time
    (0x0040_E012, X, NONE), // Display URI
    (0x0042_0011, D, NONE), // Encapsulated Document
    (0x0044_0004, X, DATES), // Approval Status DateTime
    (0x0044_000B, X, DATES), // Product Expiration DateTime
    (0x0044_0010, X, DATES), // Substance Administration DateTime
    (0x0044_0104, D, DATES), // Assertion DateTime
    (0x0044_0105, X, DATES), // Assertion Expiration DateTime
    (0x0050_001B, X, NONE), // Container Component ID
    (0x0050_0020, X, DEVICE), // Device Description
    (0x0050_0021, X, DESCRIPTORS), // Long Device Description
    (0x0062_0021, U, UIDS), // Tracking UID
    (0x0064_0003, U, UIDS), // Source Frame of Reference UID
    (0x0068_6226, D, DATES), // Effective DateTime
    (0x0068_6270, D, DATES), // Information Issue DateTime
    (0x006A_0003, D, UIDS), // Annotation Group UID
    (0x006A_0005, D, DESCRIPTORS), // Annotation Group Label
    (0x006A_0006, X, DESCRIPTORS), // Annotation Group Description
    (0x0070_0001, D, NONE), // Graphic Annotation Sequence
    (0x0070_0006, D, DESCRIPTORS), // Unformatted Text Value
    (0x0070_0082, X, DATES), // Presentation Creation Date
    (0x0070_0083, X, DATES), // Presentation Creation Time
    (0x0070_0084, ZD, NONE), // Content Creator's Name
    (0x0070_0086, X, NONE), // Content Creator's Identification Code Sequence
    (0x0070_031A, U, UIDS), // Fiducial UID
    (0x0070_1101, U, UIDS), // Presentation Display Collection UID
    (0x0070_1102, U, UIDS), // Presentation Sequence Collection UID
    (0x0072_000A, D, DATES), // Hanging Protocol Creation DateTime
    (0x0072_005E, D, DEVICE_CLEANED), // Selector AE Value
    (0x0072_005F, D, PATIENT), // Selector AS Value
    (0x0072_0061, D, DATES), // Selector DA Value
    (0x0072_0063, D, DATES), // Selector DT Value
    (0x0072_0065, D, NONE), // Selector OB Value
    (0x0072_0066, D, DESCRIPTORS), // Selector LO Value
    (0x0072_0068, D, DESCRIPTORS), // Selector LT Value
    (0x0072_006A, D, NONE), // Selector PN Value
    (0x0072_006B, D, DATES), // Selector TM Value
    (0x0072_006C, D, DESCRIPTORS), // Selector SH Value
    (0x0072_006D, D, NONE), // Selector UN Value
    (0x0072_006E, D, DESCRIPTORS), // Selector ST Value
    (0x0072_0070, D, DESCRIPTORS), // Selector UT Value
    (0x0072_0071, D, NONE), // Selector UR Value
    (0x0074_1234, X, DEVICE_CLEANED), // Receiving AE
    (0x0074_1236, X, DEVICE_CLEANED), // Requesting AE
    (0x0088_0140, U, UIDS), // Storage Media File-set UID
    (0x0088_0200, X, NONE), // Icon Image Sequence
    (0x0088_0904, X, NONE), // Topic Title
    (0x0088_0906, X, NONE), // Topic Subject
    (0x0088_0910, X, NONE), // Topic Author
    (0x0088_0912, X, NONE), // Topic Keywords
    (0x0100_0420, X, DATES), // SOP Authorization DateTime
    (0x0400_0100, U, NONE), // Digital Signature UID
    (0x0400_0105, D, DATES), // Digital Signature DateTime
    (0x0400_0115, D, NONE), // Certificate of Signer
    (0x0400_0310, X, DATES), // Certified Timestamp
    (0x0400_0402, X, NONE), // Referenced Digital Signature Sequence
    (0x0400_0403, X, NONE), // Referenced SOP Instance MAC Sequence
    (0x0400_0404, X, NONE), // MAC
    (0x0400_0550, X, NONE), // Modified Attributes Sequence
    (0x0400_0551, X, NONE), // Nonconforming Modified Attributes Sequence
    (0x0400_0552, X, NONE), // Nonconforming Data Element Value
    (0x0400_0561, X, NONE), // Original Attributes Sequence
    (0x0400_0562, D, DATES), // Attribute Modification DateTime
    (0x0400_0563, D, DEVICE), // Modifying System
    (0x0400_0564, Z, INSTITUTION), // Source of Previous Values
    (0x0400_0565, D, DESCRIPTORS), // Reason for the Attribute Modification
    (0x0400_0600, X, NONE), // Instance Origin Status
    (0x2030_0020, X, NONE), // Text String
    (0x2100_0040, X, DATES), // Creation Date
    (0x2100_0050, X, DATES), // Creation Time
    (0x2100_0070, X, DEVICE_CLEANED), // Originator
    (0x2100_0140, D, DEVICE_CLEANED), // Destination AE
    (0x2200_0002, XZ, DESCRIPTORS), // Label Text
    (0x2200_0005, XZ, NONE), // Barcode Value
    (0x3002_0121, X, DESCRIPTORS), // Position Acquisition Template Name
    (0x3002_0123, X, DESCRIPTORS), // Position Acquisition Template Description
    (0x3006_0002, D, DESCRIPTORS), // Structure Set Label
    (0x3006_0004, X, DESCRIPTORS), // Structure Set Name
    (0x3006_0006, X, DESCRIPTORS), // Structure Set Description
    (0x3006_0008, Z, DATES), // Structure Set Date
    (0x3006_0009, Z, DATES), // Structure Set Time
    (0x3006_0024, U, UIDS), // Referenced Frame of Reference UID
    (0x3006_0026, Z, DESCRIPTORS), // ROI Name
    (0x3006_0028, X, DESCRIPTORS), // ROI Description
    (0x3006_002D, X, DATES), // ROI DateTime
    (0x3006_002E, X, DATES), // ROI Observation DateTime
    (0x3006_0038, X, DESCRIPTORS), // ROI Generation Description
    (0x3006_004D, X, NONE), // ROI Creator Sequence
    (0x3006_004E, X, NONE), // ROI Interpreter Sequence
    (0x3006_0085, X, DESCRIPTORS), // ROI Observation Label
    (0x3006_0088, X, DESCRIPTORS), // ROI Observation Description
    (0x3006_00A6, Z, NONE), // ROI Interpreter
    (0x3006_00C2, U, UIDS), // Related Frame of Reference UID
    (0x3008_0024, D, DATES), // Treatment Control Point Date
    (0x3008_0025, D, DATES), // Treatment Control Point Time
    (0x3008_0054, XD, DATES), // First Treatment Date
    (0x3008_0056, XD, DATES), // Most Recent Treatment Date
    (0x3008_0105, XZ, DEVICE), // Source Serial Number
    (0x3008_0162, D, DATES), // Safe Position Exit Date
    (0x3008_0164, D, DATES), // Safe Position Exit Time
    (0x3008_0166, D, DATES), // Safe Position Return Date
    (0x3008_0168, D, DATES), // Safe Position Return Time
    (0x3008_0250, XD, DATES), // Treatment Date
    (0x3008_0251, XD, DATES), // Treatment Time
    (0x300A_0002, D, DESCRIPTORS), // RT Plan Label
    (0x300A_0003, X, DESCRIPTORS), // RT Plan Name
    (0x300A_0004, X, DESCRIPTORS), // RT Plan Description
    (0x300A_0006, XD, DATES), // RT Plan Date
    (0x300A_0007, XD, DATES), // RT Plan Time
    (0x300A_000B, X, DESCRIPTORS), // Treatment Sites
    (0x300A_000E, X, DESCRIPTORS), // Prescription Description
    (0x300A_0013, U, UIDS), // Dose Reference UID
    (0x300A_0016, X, DESCRIPTORS), // Dose Reference Description
    (0x300A_0054, U, UIDS), // Table Top Position Alignment UID
    (0x300A_0072, X, DESCRIPTORS), // Fraction Group Description
    (0x300A_0083, U, UIDS), // Referenced Dose Reference UID
    (0x300A_00B2, XZ, DEVICE), // Treatment Machine Name
    (0x300A_00C3, X, DESCRIPTORS), // Beam Description
    (0x300A_00DD, X, DESCRIPTORS), // Bolus Description
    (0x300A_0196, X, DESCRIPTORS), // Fixation Device Description
    (0x300A_01A6, X, DESCRIPTORS), // Shielding Device Description
    (0x300A_01B2, X, DESCRIPTORS), // Setup Technique Description
    (0x300A_0216, X, DEVICE), // Source Manufacturer
    (0x300A_022C, D, DATES), // Source Strength Reference Date
    (0x300A_022E, D, DATES), // Source Strength Reference Time
    (0x300A_02EB, X, DESCRIPTORS), // Compensator Description
    (0x300A_0608, D, DESCRIPTORS), // Treatment Position Group Label
    (0x300A_0609, U, UIDS), // Treatment Position Group UID
    (0x300A_0611, Z, NONE), // RT Accessory Holder Slot ID
    (0x300A_0615, Z, NONE), // RT Accessory Device Slot ID
    (0x300A_0619, D, DESCRIPTORS), // Radiation Dose Identification Label
    (0x300A_0623, D, DESCRIPTORS), // Radiation Dose In-Vivo Measurement Label
    (0x300A_062A, D, DESCRIPTORS), // RT Tolerance Set Label
    (0x300A_0650, U, UIDS), // Patient Setup UID
    (0x300A_0676, X, DESCRIPTORS), // Equipment Frame of Reference Description
    (0x300A_067C, D, DESCRIPTORS), // Radiation Generation Mode Label
    (0x300A_067D, Z, DESCRIPTORS), // Radiation Generation Mode Description
    (0x300A_0700, U, UIDS), // Treatment Session UID
    (0x300A_0734, D, DESCRIPTORS), // Treatment Tolerance Violation Description
    (0x300A_0736, D, DATES), // Treatment Tolerance Violation DateTime
    (0x300A_073A, D, DATES), // Recorded RT Control Point DateTime
    (0x300A_0741, D, DATES), // Interlock DateTime
    (0x300A_0742, D, DESCRIPTORS), // Interlock Description
    (0x300A_0760, D, DATES), // Override DateTime
    (0x300A_0783, D, DESCRIPTORS), // Interlock Origin Description
    (0x300A_0785, U, UIDS), // Referenced Treatment Position Group UID
    (0x300A_078E, X, DESCRIPTORS), // Patient Treatment Preparation Procedure Parameter Description
    (0x300A_0792, X, DESCRIPTORS), // Patient Treatment Preparation Method Description
    (0x300A_0794, X, DESCRIPTORS), // Patient Setup Photo Description
    (0x300A_079A, X, DESCRIPTORS), // Displacement Reference Label
    (0x300C_0113, X, DESCRIPTORS), // Reason for Omission Description
    (0x300C_0127, D, DEVICE | DATES), // Beam Hold Transition DateTime
    (0x300E_0004, Z, DATES), // Review Date
    (0x300E_0005, Z, DATES), // Review Time
    (0x300E_0008, XZ, NONE), // Reviewer Name
    (0x3010_0006, U, UIDS), // Conceptual Volume UID
    (0x3010_000B, U, UIDS), // Referenced Conceptual Volume UID
    (0x3010_000F, Z, DESCRIPTORS), // Conceptual Volume Combination Description
    (0x3010_0013, U, UIDS), // Constituent Conceptual Volume UID
    (0x3010_0015, U, UIDS), // Source Conceptual Volume UID
    (0x3010_0017, Z, DESCRIPTORS), // Conceptual Volume Description
    (0x3010_001B, Z, NONE), // Device Alternate Identifier
    (0x3010_002D, D, DEVICE), // Device Label
    (0x3010_0031, U, UIDS), // Referenced Fiducials UID
    (0x3010_0033, D, DESCRIPTORS), // User Content Label
    (0x3010_0034, D, DESCRIPTORS), // User Content Long Label
    (0x3010_0035, D, DESCRIPTORS), // Entity Label
    (0x3010_0036, X, DESCRIPTORS), // Entity Name
    (0x3010_0037, X, DESCRIPTORS), // Entity Description
    (0x3010_0038, D, DESCRIPTORS), // Entity Long Label
    (0x3010_003B, U, UIDS), // RT Treatment Phase UID
    (0x3010_0043, Z, DEVICE), // Manufacturer's Device Identifier
    (0x3010_004C, XD, DATES), // Intended Phase Start Date
    (0x3010_004D, XD, DATES), // Intended Phase End Date
    (0x3010_0054, D, DESCRIPTORS), // RT Prescription Label
    (0x3010_0056, XD, DESCRIPTORS), // RT Treatment Approach Label
    (0x3010_005A, Z, DESCRIPTORS), // RT Physician Intent Narrative
    (0x3010_005C, Z, DESCRIPTORS), // Reason for Superseding
    (0x3010_0061, X, DESCRIPTORS), // Prior Treatment Dose Description
    (0x3010_006E, U, UIDS), // Dosimetric Objective UID
    (0x3010_006F, U, UIDS), // Referenced Dosimetric Objective UID
    (0x3010_0077, XD, DESCRIPTORS), // Treatment Site
    (0x3010_007A, Z, DESCRIPTORS), // Treatment Technique Notes
    (0x3010_007B, Z, DESCRIPTORS), // Prescription Notes
    (0x3010_007F, Z, DESCRIPTORS), // Fractionation Notes
    (0x3010_0081, Z, DESCRIPTORS), // Prescription Notes Sequence
    (0x3010_0085, X, DATES), // Intended Fraction Start Time
    (0x4000_0010, X, NONE), // Arbitrary
    (0x4000_4000, X, NONE), // Text Comments
    (0x4008_0040, X, NONE), // Results ID
    (0x4008_0042, X, NONE), // Results ID Issuer
    (0x4008_0100, X, DATES), // Interpretation Recorded Date
    (0x4008_0101, X, DATES), // Interpretation Recorded Time
    (0x4008_0102, X, NONE), // Interpretation Recorder
    (0x4008_0108, X, DATES), // Interpretation Transcription Date
    (0x4008_0109, X, DATES), // Interpretation Transcription Time
    (0x4008_010A, X, NONE), // Interpretation Transcriber
    (0x4008_010B, X, DESCRIPTORS), // Interpretation Text
    (0x4008_010C, X, NONE), // Interpretation Author
    (0x4008_0111, X, NONE), // Interpretation Approver Sequence
    (0x4008_0112, X, DATES), // Interpretation Approval Date
    (0x4008_0113, X, DATES), // Interpretation Approval Time
    (0x4008_0114, X, NONE), // Physician Approving Interpretation
    (0x4008_0115, X, DESCRIPTORS), // Interpretation Diagnosis Description
    (0x4008_0118, X, NONE), // Results Distribution List Sequence
    (0x4008_0119, X, NONE), // Distribution Name
    (0x4008_011A, X, NONE), // Distribution Address
    (0x4008_0200, X, NONE), // Interpretation ID
    (0x4008_0202, X, NONE), // Interpretation ID Issuer
    (0x4008_0300, X, DESCRIPTORS), // Impressions
    (0x4008_4000, X, DESCRIPTORS), // Results Comments
    (0xFFFA_FFFA, X, NONE), // Digital Signatures Sequence
    (0xFFFC_FFFC, X, NONE), // Data Set Trailing Padding
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_so_that_each_is_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TABLE.iter().all(|&(tag, code, options)| row(tag) == Some((code, options))));
        assert_eq!(row(0x0028_0010), None);
    }

    #[test]
    fn well_known_rows_are_as_in_the_standard() {
        assert_eq!(row(0x0010_0010), Some((Z, NONE)));
        assert_eq!(row(0x0010_0020), Some((ZD, NONE)));
        assert_eq!(row(0x0008_0018), Some((U, UIDS)));
        assert_eq!(row(0x0008_103E), Some((X, DESCRIPTORS)));
        assert_eq!(row(0x0018_1000), Some((XZD, DEVICE)));
        assert_eq!(row(0x0010_1010), Some((X, PATIENT)));
        assert_eq!(row(0x0008_2112), Some((XZU, UIDS)));
        assert_eq!(TABLE.len(), 652);
    }
}
