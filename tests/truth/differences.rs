//! Where we differ from the tools that made the truth, and why we are right; what is not asked of us; what is not
//! shown.

/// Differences that are meant. A row that differs no longer fails the test.
pub(crate) struct Known {
    /// The item, or its beginning followed by `*`.
    pub(crate) item: &'static str,
    /// The key, as the report names it.
    pub(crate) key: &'static str,
    /// Why our answer is the right one.
    #[expect(dead_code, reason = "for the reader of this table")]
    pub(crate) why: &'static str,
}

impl Known {
    /// Whether a difference is this one.
    pub(crate) fn covers(&self, item: &str, key: &str) -> bool {
        let is_item = match self.item.strip_suffix('*') {
            Some(start) => item.starts_with(start),
            None => item == self.item,
        };
        is_item && key == self.key
    }
}

pub(crate) const KNOWN: &[Known] = &[
    Known {
        item: "ct/ge-head-tilt series 2",
        key: "unique_slice_positions",
        why: "28 slices 1.1 to 7 mm apart are mixed onto an even grid of 37; `slices` holds each of the 28",
    },
    Known {
        item: "ct/ge-head-tilt series 2",
        key: "slice_thickness",
        why: "slices are 4 mm thick, then 7 mm; ours is none where slices differ, the truth's that of the first file",
    },
    Known {
        item: "ct/lidc-0314 series 30026",
        key: "frame_of_reference_uid",
        why: "each of the 200 files has a frame of reference of its own; any of them is as right as another",
    },
    Known {
        item: "study/philips-phantom-study series 401",
        key: "rescale_varies",
        why: "secondary captures that inherited a rescale; it is not applied (viewer conventions, overlapping rescale)",
    },
    Known {
        item: "volumes/orientations/*",
        key: "pixel_type",
        why: "the files hold bytes with a slope; SimpleITK's type is the one after rescaling, ours the stored one",
    },
    Known {
        item: "volumes/orientations/*",
        key: "nifti.scl",
        why: "nibabel clears slope and intercept once it has read them; values equal SimpleITK's and nibabel's own",
    },
    Known {
        item: "zoo/colour/SC_ybr_full_422_uncompressed.dcm",
        key: "pixels.lossy",
        why: "the transfer syntax is lossless, but the header says that the image was compressed with loss before",
    },
    Known { item: "zoo/colour/SC_ybr_full_uncompressed.dcm", key: "pixels.lossy", why: "the same" },
    Known {
        item: "zoo/malformed/badVR.dcm",
        key: "NumberOfFrames",
        why: "`1A` is no number; the frames that the file holds are counted, and a warning says so",
    },
    Known {
        item: "zoo/malformed/badVR.dcm",
        key: "pixels",
        why: "pydicom stops at the number of frames; with 15 counted frames the pixels are all there",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "BitsStored",
        why: "values are modality values: a lookup table replaces stored ones (PS3.3 C.11.1)",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "PixelRepresentation",
        why: "the entries of the modality table are unsigned",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.dtype",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.min",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.max",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.mean",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.std",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.samples",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
    Known {
        item: "zoo/lut-overlay/mlut_18.dcm",
        key: "pixels.sha256_native_le",
        why: "the truth is of stored values, ours of what the modality table makes of them",
    },
];

/// Keys that nothing compares: how the truth was made, and what `imaging` does not offer.
pub(crate) const NOT_ASKED: &[(&str, &str)] = &[
    ("generator", "how the truth was made"),
    ("tool_versions", "how the truth was made"),
    ("coordinate_system", "how the truth was made"),
    ("values", "how the truth was made"),
    ("note", "how the truth was made"),
    ("notes", "how the truth was made"),
    ("kind", "how the truth was made"),
    ("phase_key", "how the truth was made"),
    ("suv_bw.note", "how the truth was made"),
    ("rtstruct.note", "how the truth was made"),
    ("organs.source", "how the truth was made"),
    ("check.reader", "how the truth was made"),
    ("check.max_abs_diff_vs_pydicom", "how the truth was made"),
    ("volume.coordinate_system", "how the truth was made"),
    ("independent_check", "how the truth was made"),
    ("pixels.decoder", "how the truth was made"),
    ("pydicom_error", "how the truth was made"),
    ("dcmtk_error", "how the truth was made"),
    ("expectation", "how the truth was made"),
    ("parse", "whether pydicom could parse the header; what we cannot is in NOT_SHOWN"),
    ("sop_class", "the kind of object is not offered; units and refusals depend on it and are compared"),
    ("SOPClassUID", "the same"),
    ("image_type", "not offered; it only keeps unlike slices apart"),
    ("SpecificCharacterSet", "not offered; the names that it decodes are compared"),
    ("nifti.qform_code", "not offered; the matrix that it selects is compared"),
    ("nifti.sform_code", "the same"),
    ("nifti.xyzt_units", "not offered; the spacing in millimetres that follows from it is compared"),
    ("volume.pixel_type", "SimpleITK's type after rescaling; `bits` holds ours"),
    ("suv_bw.injection_time", "offered with its date; `seconds_injection_to_series` holds it"),
    ("suv_bw.series_time", "the same"),
    (
        "object.pixels",
        "that no tool could decode them is the truth; ours are compared in imaging/tests/segmentation.rs",
    ),
    ("model.model", "about the network, which is not ours"),
    ("model.origin", "about the network, which is not ours"),
    ("model.io", "about the network, which is not ours"),
    ("model.logit_stats", "about the network, which is not ours"),
    ("model.tolerance", "about the network, which is not ours"),
    ("model.independent_check", "about the network, which is not ours"),
    ("model.onnxruntime", "about the network, which is not ours"),
    ("samples.logits", "about the network, which is not ours"),
];

/// Files without an image that we can show, and a part of the reason that is given.
pub(crate) const NOT_SHOWN: &[(&str, &str)] = &[
    ("charset/chrJapMulti.dcm", "holds no pixel data"),
    ("charset/chrSQEncoding.dcm", "holds no pixel data"),
    ("malformed/ExplVR_BigEndNoMeta.dcm", "treatment plan (RTPLAN): not shown yet"),
    (
        "malformed/JPEG2000-embedded-sequence-delimiter.dcm",
        "compressed as 3722445056 × 1024 with 1 components, the header says 256 × 1024 with 1",
    ),
    ("malformed/MR_truncated.dcm", "file is truncated: 8192 bytes of voxels expected, 8130 found"),
    ("malformed/UN_sequence.dcm", "holds no pixel data"),
    ("malformed/empty_charset_LEI.dcm", "holds no pixel data"),
    ("malformed/gen_deep_sequence_400.dcm", "sequences are nested too deeply"),
    ("malformed/gen_fuzzed_header.dcm", "not DICOM"),
    (
        "malformed/gen_huge_dims_tiny_data.dcm",
        "file is truncated: 8589672450 bytes of voxels expected, 32768 found",
    ),
    ("malformed/gen_preamble_only.dcm", "nothing after the file header"),
    ("malformed/gen_text_not_dicom.dcm", "unknown format"),
    ("malformed/gen_truncated_encapsulated.dcm", "compressed pixel data is missing or cut off"),
    ("malformed/gen_truncated_in_dataset.dcm", "ends in the middle of the header"),
    ("malformed/gen_truncated_in_meta.dcm", "ends inside the file header"),
    (
        "malformed/gen_truncated_pixeldata.dcm",
        "file is truncated: 32768 bytes of voxels expected, 13303 found",
    ),
    ("malformed/gen_unknown_transfer_syntax.dcm", "transfer syntax `1.2.999.99999.9.9.9` is not supported"),
    ("malformed/gen_zero_length.dcm", "the file is empty"),
    ("malformed/gen_zero_rows.dcm", "rows or columns are zero"),
    ("malformed/meta_missing_tsyntax.dcm", "not DICOM"),
    ("malformed/nested_priv_SQ.dcm", "rows or columns are missing"),
    ("malformed/no_meta.dcm", "unknown format"),
    ("malformed/no_meta_group_length.dcm", "holds no pixel data"),
    ("malformed/priv_SQ.dcm", "holds no pixel data"),
    ("malformed/rtplan_truncated.dcm", "treatment plan (RTPLAN): not shown yet"),
    ("rt/rtplan.dcm", "treatment plan (RTPLAN): not shown yet"),
    ("sr-wave-other/palette_hotiron.dcm", "holds no pixel data"),
    ("sr-wave-other/sm_annotations.dcm", "annotations (ANN): not shown yet"),
    ("sr-wave-other/sm_image.dcm", "whole-slide image (SM): not shown yet"),
    ("sr-wave-other/sm_image_jpegls.dcm", "whole-slide image (SM): not shown yet"),
    ("sr-wave-other/waveform_ecg.dcm", "waveform: not shown yet"),
];

/// Truth files of whole-slide images, which are not read yet.
pub(crate) const SLIDES: &[&str] = &["slides/truth.json"];
