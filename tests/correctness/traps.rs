//! The table of traps.

/// A mistake that has been made, and what keeps it from being made here.
pub(crate) struct Trap {
    /// What went wrong elsewhere.
    pub(crate) trap: &'static str,
    /// What holds here.
    pub(crate) rule: &'static str,
    pub(crate) held: Held,
}

/// What holds a rule.
#[derive(Clone, Copy)]
pub(crate) enum Held {
    /// Tests, as path from the root of the workspace and name of the function.
    By(&'static [(&'static str, &'static str)]),
    /// Nothing, for a reason.
    NotYet(&'static str),
}

use Held::{By, NotYet};

const MEASURING: &str = "imaging/tests/measurement/rules.rs";
const MEASURED_PIXELS: &str = "imaging/tests/measurement/pixels.rs";
const MEASURED_REPORT: &str = "imaging/tests/measurement_export/report.rs";
const MEASURED_GEOMETRY: &str = "imaging/tests/measurement/geometry.rs";
const SLICES: &str = "imaging/tests/slice_geometry.rs";
const ENHANCED: &str = "imaging/tests/enhanced_multiframe.rs";
const VALUES: &str = "imaging/tests/dicom_values.rs";
const COLOUR: &str = "imaging/tests/dicom_colour.rs";
const COLOR_PROFILES: &str = "imaging/tests/color_profiles.rs";
const FORMATS: &str = "imaging/tests/dicom_formats.rs";
const TRUTH: &str = "tests/truth/main.rs";
const SPACING: &str = "imaging/tests/pixel_spacing.rs";
const FOLDERS: &str = "imaging/tests/scan_folders.rs";
const STATISTICS: &str = "imaging/tests/statistics.rs";
const SUV: &str = "imaging/tests/suv.rs";
const SEGMENTATION: &str = "imaging/tests/segmentation.rs";
const CONTOURS: &str = "imaging/tests/contours.rs";
const PRESENTATION: &str = "imaging/tests/presentation_state.rs";
const ORIENTATIONS: &str = "imaging/tests/orientations.rs";
const NIFTI: &str = "imaging/tests/nifti_files.rs";
const GEOMETRY: &str = "imaging/src/geometry.rs";
const INTENSITY: &str = "imaging/src/intensity.rs";
const BROKEN: &str = "imaging/tests/broken_files/main.rs";

macro_rules! traps {
    ($($trap:literal, $rule:literal => $held:expr;)*) => {
        &[$(Trap { trap: $trap, rule: $rule, held: $held }),*]
    };
}

pub(crate) const TRAPS: &[Trap] = traps! {
    // reading and order
    "Slice order from file names or the order of a list",
    "slices are sorted by position along the normal, with a total order" => By(&[
        (SLICES, "shuffled_files_give_the_same_volume"),
        (SLICES, "trigger_times_and_temporal_positions_order_what_lies_at_one_place"),
    ]);
    "Numbers of reformatted slices run against those of the stack",
    "instance number and position are shown, and planes count in the anatomical direction" => By(&[
        ("app/src/document/series.rs", "stack_is_counted_by_instance_numbers_else_from_head_to_feet"),
        ("app/src/document/slice_view.rs", "reformatted_planes_count_in_the_anatomical_direction"),
    ]);
    "Missing slice or variable table speed closes up the stack",
    "every slice stays at its true place, gaps stay empty, and the series says so" => By(&[
        (SLICES, "a_missing_slice_leaves_the_last_slice_at_its_true_place"),
        (SLICES, "uneven_slices_keep_their_true_positions"),
        (SLICES, "a_gap_that_is_no_multiple_is_left_empty_and_red"),
        (FOLDERS, "missing_slice_is_reported_and_left_empty_at_its_true_place"),
    ]);
    "Gantry tilt shown as if slices were perpendicular",
    "a tilted stack is a sheared grid; right angles stay right" => By(&[
        (SLICES, "a_tilted_gantry_keeps_the_right_angles_of_a_cube"),
        ("render-core/tests/tilted_grid.rs", "a_cube_scanned_with_a_tilted_gantry_has_right_angles_in_every_plane"),
        (GEOMETRY, "tilt_is_the_angle_between_step_and_normal"),
    ]);
    "Oblique acquisition drawn in its bounding box",
    "the grid keeps its own axes; the acquisition plane is cut along its slices" => By(&[
        ("app/src/document/planes.rs", "oblique_grids_keep_their_own_planes_and_say_so_in_letters"),
        (TRUTH, "everything_that_other_tools_say_of_the_shared_images_is_what_we_say"),
    ]);
    "Radial series or slices with their own orientation taken for a stack",
    "slices that are not parallel form no volume and stay readable one by one" => By(&[
        (SLICES, "slices_of_a_radial_series_stay_readable_and_form_no_volume"),
        (SLICES, "every_image_of_a_radial_series_lies_in_its_own_plane"),
        (FOLDERS, "series_that_is_no_volume_is_split_and_explained"),
    ]);
    "Orientation letters do not follow flips",
    "letters come from the final transform of the screen" => By(&[
        ("app/src/document/slice_view.rs", "letters_follow_all_flips_and_rotations_in_all_planes"),
        ("app/tests/window/reading.rs", "the_picture_itself_is_mirrored_when_the_letters_are"),
        (GEOMETRY, "letters_come_in_decreasing_order_of_cosine"),
    ]);
    "Patient's right on the wrong side",
    "radiological convention: the patient's right is on the left of the screen" => By(&[
        (GEOMETRY, "radiological_screen_axes_put_patient_right_on_the_left"),
        ("tests/golden/render.rs", "axial_slice_has_the_patients_left_on_the_right"),
    ]);
    // distances
    "Row and column spacing swapped or ignored",
    "spacing is written row first: the first number is along y" => By(&[
        (SPACING, "row_spacing_is_along_y_and_column_spacing_along_x"),
    ]);
    "Pixels that are not square",
    "the shape comes from spacing, else from the aspect ratio, which gives no lengths" => By(&[
        (SPACING, "pixels_that_are_not_square_keep_their_shape_from_spacing_else_from_the_aspect_ratio"),
        (SPACING, "film_spacing_comes_before_aspect_and_aspect_before_nothing"),
    ]);
    "Spacing at the detector shown as spacing in the patient",
    "Pixel Spacing, then Imager Pixel Spacing divided by the magnification, then film; each labelled" => By(&[
        (SPACING, "a_known_length_in_a_magnified_mammogram_is_right"),
        (SPACING, "the_ratio_of_source_distances_serves_where_no_magnification_is_stated"),
        (SPACING, "calibrated_pixel_spacing_counts_before_that_of_the_detector"),
        ("imaging/src/spacing.rs", "labels_say_where_a_length_comes_from"),
    ]);
    "Calibration by the user silently ignored",
    "calibration is data with provenance and goes with every number, into reports too" => By(&[
        (MEASURING, "calibration_of_twice_the_length_doubles_every_length_and_says_so"),
        (MEASURED_REPORT, "receipt_and_calibration_travel_with_the_report"),
    ]);
    "Ultrasound stretched by its regions, or measured across them",
    "lengths are measured per region, the picture is never stretched" => By(&[
        (SPACING, "ultrasound_is_measured_per_region_and_never_stretched"),
        ("imaging/src/spacing.rs", "lengths_are_measured_with_the_deltas_of_their_own_region"),
        (MEASURING, "ultrasound_is_measured_per_region_and_not_across"),
    ]);
    "Slices of multi-frame objects 1 mm apart whatever the file says",
    "distances come from the functional groups: per frame, then shared" => By(&[
        (ENHANCED, "an_enhanced_ct_equals_its_classic_twin"),
        (ENHANCED, "what_a_frame_says_itself_overrides_what_all_share"),
        ("imaging/tests/dicom_meaning.rs", "enhanced_ct_equals_its_classic_twin"),
    ]);
    "Enhanced object cut into several files",
    "a concatenation is one series of all frames" => By(&[
        (ENHANCED, "a_concatenation_of_eight_files_is_one_series_of_all_frames"),
    ]);
    "Lengths shown although the geometry is not known",
    "every series has a verdict; red withholds millimetres until acknowledged" => By(&[
        (SLICES, "the_verdict_changes_at_one_percent_and_at_one_and_a_half_times_the_median"),
        ("imaging/src/verdict.rs", "lengths_that_do_not_exist_are_red_and_those_of_the_detector_amber"),
        ("app/src/document/lengths.rs", "red_withholds_millimetres_until_acknowledged"),
        (MEASURING, "red_geometry_withholds_millimetres_until_somebody_takes_note"),
    ]);
    // grey values
    "One rescale or window for all frames",
    "modality transform and windows are those of the frame on show" => By(&[
        (ENHANCED, "windows_that_change_from_frame_to_frame_are_those_of_the_frame_on_show"),
        ("app/src/command/apply.rs", "each_slice_is_shown_with_its_own_window_until_one_is_set_by_hand"),
        (ENHANCED, "slopes_that_change_from_frame_to_frame_are_applied_to_each"),
        (FOLDERS, "rescale_that_differs_between_slices_is_applied_to_each"),
    ]);
    "MONOCHROME1 inverted twice, or lost on reset",
    "inversion happens once, when drawing, and never in the values" => By(&[
        (VALUES, "monochrome1_is_inverted_once_and_never_in_the_values"),
        ("imaging/tests/dicom_meaning.rs", "monochrome1_is_flagged_and_left_as_stored"),
    ]);
    "Signed values and dirty bits above Bits Stored",
    "bits are masked and signs extended" => By(&[
        (VALUES, "dirty_high_bits_are_masked_and_signs_extended_in_every_byte_order"),
        ("imaging/src/formats/dicom/pixels.rs", "only_stored_bits_count_and_signs_extend"),
    ]);
    "Padding of −2000 read as 63536",
    "padding is read by Pixel Representation, whatever its VR" => By(&[
        (VALUES, "padding_is_read_by_pixel_representation_whatever_its_representation_in_the_file"),
        ("imaging/tests/dicom_meaning.rs", "padding_is_signed_where_pixels_are"),
    ]);
    "Rescale applied to colour or to secondary captures that merely inherited it",
    "a rescale counts only where the object defines it" => By(&[
        (VALUES, "secondary_captures_do_not_apply_a_rescale_that_they_inherited"),
        (COLOUR, "rescale_and_windows_that_a_colour_picture_inherited_are_not_applied"),
    ]);
    "VOI tables with odd descriptors",
    "read as PS3.3 says; what is damaged gives way to the window" => By(&[
        (VALUES, "odd_table_descriptors_of_three_vendors_are_read"),
        (VALUES, "voi_table_comes_before_windows_and_maps_modality_values"),
        (VALUES, "odd_voi_tables_are_read_and_damaged_ones_give_way_to_the_window"),
    ]);
    "Windows narrower than 1, sigmoid windows",
    "fractions get LINEAR_EXACT; each function refuses what it cannot be" => By(&[
        (VALUES, "narrow_windows_over_fractions_are_exact"),
        (INTENSITY, "narrow_windows_are_refused_by_function"),
        (INTENSITY, "linear_window_follows_the_standard_at_its_edges"),
        (INTENSITY, "exact_and_sigmoid_windows"),
    ]);
    "Statistics from normalised textures",
    "statistics read the voxels; textures are for display" => By(&[
        (STATISTICS, "ten_thousand_random_regions_equal_brute_force"),
        (STATISTICS, "whole_real_volumes_agree_with_numpy"),
    ]);
    "NaN, infinity or a sentinel as the result of an empty region",
    "an empty region says that it has no pixels; what is not finite is counted apart" => By(&[
        (STATISTICS, "region_without_pixels_says_so"),
        (INTENSITY, "statistics_ignore_what_is_not_finite"),
        (VALUES, "float_pixels_are_values_and_nan_among_them_is_left_out"),
        (MEASURED_PIXELS, "regions_without_pixels_say_so"),
    ]);
    "Maximum from outside the region",
    "a pixel belongs to a region if its centre does" => By(&[
        (STATISTICS, "ten_thousand_random_regions_equal_brute_force"),
        (STATISTICS, "neighbouring_regions_share_no_pixel_and_leave_none_out"),
        (MEASURED_PIXELS, "ten_thousand_random_regions_hold_the_voxels_that_brute_force_finds"),
    ]);
    "Area of an ellipse from its pixels or its bounding box",
    "π·a·b in millimetres of the patient" => By(&[
        (STATISTICS, "ellipse_and_circle_areas_are_analytic_on_anisotropic_pixels"),
        (MEASURED_GEOMETRY, "areas_and_edges_are_analytic"),
    ]);
    "Numbers rounded from rounded numbers",
    "computed in f64, rounded once when printed" => By(&[
        ("app/src/text/numbers.rs", "numbers_have_a_true_minus_and_no_negative_zero"),
        (INTENSITY, "statistics_stay_exact_far_from_zero_and_across_chunks"),
    ]);
    "Area statistics on interpolated pixels",
    "statistics come from source voxels; a mask on another grid is refused, not resampled in silence" => By(&[
        (STATISTICS, "mask_on_another_grid_is_refused_not_misread"),
        (MEASURED_PIXELS, "oblique_regions_are_sampled_between_voxels_and_say_so"),
    ]);
    "Modality table left out of statistics; tiny slopes rounded away",
    "values are modality values in f64" => By(&[
        (VALUES, "modality_table_replaces_stored_values_and_keeps_padding_out"),
        (VALUES, "tiny_slopes_keep_their_digits"),
        (STATISTICS, "a_tiny_slope_keeps_its_digits"),
    ]);
    "Padding in statistics, histogram and automatic window",
    "padding is left out everywhere" => By(&[
        (VALUES, "padding_stays_out_of_the_histogram"),
        (VALUES, "padding_that_differs_between_slices_is_left_out_of_each"),
        (INTENSITY, "percentiles_leave_padding_out"),
    ]);
    "SUV without decay, with the wrong time, or from counts",
    "SUVbw only where everything it needs is in the file, else the reason" => By(&[
        (SUV, "real_pet_series_has_the_factor_and_maximum_of_the_truth"),
        (SUV, "reference_object_has_the_uptake_of_every_pixel"),
        (SUV, "time_zones_and_midnight_do_not_change_the_uptake"),
        (SUV, "counts_of_philips_need_a_private_factor"),
        (SUV, "whatever_is_missing_is_the_reason_that_is_given"),
    ]);
    "Hounsfield units for what is no CT",
    "the unit belongs to the image: HU only for CT image classes" => By(&[
        (VALUES, "hounsfield_is_only_said_of_ct_images"),
        ("imaging/tests/dicom_series.rs", "pet_has_its_own_unit_and_rescale"),
    ]);
    "Unit of one layer shown for another in a fusion",
    "the probe names the unit of each layer" => By(&[
        ("app/tests/window/regions.rs", "a_second_series_lies_over_the_first_in_its_own_colours"),
    ]);
    // colour
    "Planar configuration ignored, or believed for JPEG",
    "honoured for uncompressed pixels; the codestream decides for compressed ones" => By(&[
        (COLOUR, "every_codec_shows_the_same_colours_whatever_the_labels_say"),
    ]);
    "Green or pink pictures: YBR labels and colour transforms that disagree",
    "codestream and label decide together, in one table" => By(&[
        (COLOUR, "every_codec_shows_the_same_colours_whatever_the_labels_say"),
        (COLOUR, "what_would_decode_wrongly_is_refused_with_the_reason"),
        (TRUTH, "everything_that_other_tools_say_of_the_shared_images_is_what_we_say"),
    ]);
    "Colours with fewer bits stored than allocated drawn nearly black",
    "full intensity is that of the bits stored; values stay those of the file" => By(&[
        (COLOUR, "full_intensity_is_that_of_the_bits_stored_and_values_stay_those_of_the_file"),
        (COLOUR, "full_intensity_of_a_codestream_is_the_smaller_of_what_it_and_the_header_say"),
        ("render-core/src/reference/tests.rs", "full_intensity_is_what_the_volume_says"),
    ]);
    "Palette colour: 16 bits, segmented tables, first mapped value",
    "all of them are read" => By(&[
        (COLOUR, "palettes_follow_their_descriptors"),
        (COLOUR, "palette_of_65536_entries_is_written_as_zero"),
        ("imaging/src/formats/dicom/lut.rs", "segmented_tables_expand_runs_lines_and_repeats"),
    ]);
    "Transfer syntaxes that open as noise",
    "a table says what is read and what is refused by name, and a file proves each line" => By(&[
        (FORMATS, "every_line_of_the_table_is_what_happens"),
        (FORMATS, "every_transfer_syntax_with_pixels_that_the_registry_knows_is_in_the_table"),
    ]);
    "ICC profile ignored",
    "applied to pictures, with a badge; values stay as stored" => By(&[
        (COLOR_PROFILES, "colours_through_a_profile_are_those_of_little_cms_and_values_stay_as_stored"),
        (COLOR_PROFILES, "pictures_carry_their_profile_and_keep_their_values"),
        ("app/tests/window/color_profiles.rs", "colours_go_through_the_profile_and_a_badge_says_so"),
    ]);
    // masks and contours
    "Segmentation frames assumed in order, complete or upright",
    "each frame lies where its plane position says; gaps are legal" => By(&[
        (SEGMENTATION, "all_48_orientations_lie_at_the_same_place_in_the_patient"),
        (SEGMENTATION, "sparse_frames_lie_at_their_true_position_and_gaps_stay_empty"),
        (SEGMENTATION, "segmentation_of_half_the_resolution_covers_eight_voxels_with_each_of_its_own"),
        (SEGMENTATION, "organs_of_a_real_ct_have_the_volumes_centroids_and_counts_of_the_truth"),
    ]);
    "One-bit masks whose rows do not fill bytes",
    "bits are one stream across rows and frames" => By(&[
        (SEGMENTATION, "one_bit_pixels_are_one_stream_across_rows_and_frames"),
        ("imaging/src/labelmap.rs", "bits_are_one_stream_whatever_the_first_bit"),
        (VALUES, "single_bits_are_one_stream_across_rows_and_frames"),
    ]);
    "Masks of NIfTI shown flipped on DICOM",
    "every grid carries its own transform to the patient" => By(&[
        (ORIENTATIONS, "nifti_lies_right_along_all_48_orientations_by_sform_and_by_qform"),
        (NIFTI, "one_head_stored_in_many_orientations_is_the_same_picture"),
        (SEGMENTATION, "all_48_orientations_lie_at_the_same_place_in_the_patient"),
    ]);
    "Contours shifted by half a pixel",
    "contour points are millimetres of the patient; the centre of a voxel is its index" => By(&[
        (CONTOURS, "point_at_a_voxel_centre_has_the_index_of_that_voxel"),
        (CONTOURS, "square_around_voxel_centres_encloses_exactly_those"),
        (TRUTH, "everything_that_other_tools_say_of_the_shared_images_is_what_we_say"),
    ]);
    "Graphics of presentation states and reports shifted by half a pixel",
    "they count from the corner of the first pixel" => By(&[
        (PRESENTATION, "graphics_count_from_the_corner_of_the_first_pixel"),
        (PRESENTATION, "displayed_area_covers_its_corner_pixels_whole"),
        (MEASURED_REPORT, "drawings_without_a_frame_of_reference_are_written_on_pixels_from_their_corner"),
    ]);
    "Cursor or overlay half a voxel away",
    "the centre convention holds everywhere inside" => By(&[
        (GEOMETRY, "first_voxel_centre_is_the_origin"),
        (GEOMETRY, "edges_are_half_a_voxel_outside_the_centres"),
        (GEOMETRY, "index_to_lps_and_back_is_identity"),
        ("render-core/src/scene.rs", "plane_maps_pixels_to_lps_and_back"),
        (VALUES, "overlay_planes_lie_where_they_say_over_the_frames_they_name"),
    ]);
    "Contours on the nearest slice however far",
    "a contour belongs to a slice within half the spacing" => By(&[
        (CONTOURS, "contour_belongs_to_the_slice_within_half_a_spacing"),
        (CONTOURS, "nearer_of_two_planes_in_one_slice_counts"),
        (CONTOURS, "contours_further_apart_than_slices_leave_slices_empty_and_say_so"),
    ]);
    "Contours or presentation states on the wrong series",
    "shown only in the same frame of reference or where referenced, else the reason" => By(&[
        (CONTOURS, "contours_in_another_frame_of_reference_are_refused_with_the_reason"),
        (PRESENTATION, "state_applies_to_the_images_and_frames_it_names"),
        (SLICES, "frames_of_reference_are_kept_apart_unless_every_file_has_its_own"),
    ]);
    "Dose grid at a fractional offset",
    "the dose has its own grid in the patient" => By(&[
        ("imaging/tests/dicom_meaning.rs", "dose_has_its_grid_and_scaling"),
    ]);
    "Dose drawn over the image at a whole-voxel offset",
    "layers are resampled in the patient's space" => By(&[
        ("render-core/tests/scalar_layers.rs", "a_coarse_volume_with_an_offset_lies_where_the_patient_is"),
    ]);
    // other formats
    "NIfTI orientation: qform before sform, codes of zero, RAS turned twice",
    "sform, then qform, then spacing with a warning; RAS becomes LPS once" => By(&[
        (ORIENTATIONS, "nifti_lies_right_along_all_48_orientations_by_sform_and_by_qform"),
        (NIFTI, "every_made_file_has_the_values_and_the_place_that_nibabel_finds"),
        (NIFTI, "one_head_stored_in_many_orientations_is_the_same_picture"),
    ]);
    "Saved drawing comes back reversed",
    "what is saved and loaded again is the same" => By(&[
        (MEASURED_REPORT, "reports_are_read_back_as_the_drawings_they_came_from"),
    ]);
    "Direction of MetaImage and NRRD ignored",
    "TransformMatrix, Offset and letters; space and its directions" => By(&[
        (ORIENTATIONS, "metaimage_lies_right_along_all_48_orientations"),
        (ORIENTATIONS, "letters_without_a_matrix_turn_nothing_and_are_doubted"),
        (ORIENTATIONS, "nrrd_lies_right_along_all_48_orientations_and_in_every_space"),
    ]);
    "Resolution of TIFF taken for that of the specimen",
    "an ordinary picture is not calibrated, whatever its dots per inch" => By(&[
        ("imaging/tests/raster_files.rs", "no_unit_of_a_tiffs_resolution_makes_millimetres_of_its_pixels"),
    ]);
    "Slide pyramids: microns per pixel, edge tiles, fractional downsampling",
    "scale from the pyramid's intent, padded edges" => NotYet("slides are not read yet");
    // damage
    "Broken files crash, hang or take all memory",
    "refused or shown with a message that names what is wrong; memory follows the file, not what it claims" => By(&[
        (BROKEN, "every_broken_file_is_refused_or_shown_with_the_message_that_names_what_is_wrong"),
        ("imaging/tests/dicom_mutations.rs", "damaged_files_neither_panic_nor_take_memory"),
        ("imaging/tests/derived_mutations.rs", "damaged_objects_neither_panic_nor_take_memory"),
        ("imaging/tests/volume_files_fuzz.rs", "damaged_files_neither_panic_nor_ask_for_memory_that_is_not_theirs"),
        ("tests/fuzz_inputs.rs", "inputs_that_once_failed_are_opened_or_refused_quietly"),
    ]);
};
