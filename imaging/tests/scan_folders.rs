//! Finding series: archives, DICOMDIRs, odd names, links, broken files, folders that cannot be listed.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, load_slice, scan, source_files};
use imaging::series::{Catalog, SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::volume::Volume;
use test_support::data;
use zip::write::SimpleFileOptions;

fn scan_one(path: &Path) -> Result<Catalog, ImagingError> {
    scan(&[path.to_path_buf()], &Progress::new())
}

fn load_all(entry: &SeriesEntry) -> Volume {
    load(entry, ReadLimits::default(), &Progress::new()).unwrap()
}

/// The fifteen slices of one small MR volume.
fn epi(variant: &str) -> Option<PathBuf> {
    Some(data("zoo/zoo")?.join("series-pitfalls/gen_epi").join(variant))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn missing_slice_is_reported_and_left_empty_at_its_true_place() {
    let Some(folder) = epi("missing_slice") else { return };
    let catalog = scan_one(&folder).unwrap();
    assert_eq!(catalog.series.len(), 1);
    let volume = load_all(&catalog.series[0]);
    assert_eq!(volume.dims().z, 15);
    let missing = SeriesWarning::MissingSlices { count: 1, after_slice: vec![6] };
    assert!(volume.warnings().contains(&missing), "{:?}", volume.warnings());
    let smallest = volume.statistics().min;
    assert!((0..64).all(|i| volume.shown_value_at([i, i, 7], 0, 0) == Some(smallest)));
    assert!((0..64).all(|i| volume.value_at([i, i, 7], 0, 0).is_none()), "what fills it is no value");
    assert!((0..64).any(|i| volume.value_at([i, i, 8], 0, 0) != Some(smallest)));
    // The last slice stays where it was: file s14 says z = 52.3125.
    let last = volume.geometry().lps_from_index().transform_point3([0.0, 0.0, 14.0].into());
    assert!((last.z - 52.3125).abs() < 1e-4, "{last}");
    let empty = load_slice(&catalog.series[0], 7, 0).unwrap();
    assert_eq!(empty.shown_value_at([3, 3, 0], 0, 0), empty.shown_value_at([40, 40, 0], 0, 0));
    assert!(empty.is_empty_slice(0, 0));
}

#[test]
fn duplicate_slice_is_left_out_and_reported() {
    let (Some(folder), Some(whole)) = (epi("duplicate_slice"), epi("no_instance_number_shuffled")) else {
        return;
    };
    let catalog = scan_one(&folder).unwrap();
    assert_eq!(catalog.series.len(), 1);
    let volume = load_all(&catalog.series[0]);
    assert_eq!((volume.dims().z, volume.time_points()), (15, 1));
    assert!(
        volume.warnings().contains(&SeriesWarning::DuplicateSlices { count: 1 }),
        "{:?}",
        volume.warnings()
    );
    // Shuffled names and no instance numbers give the same volume: order comes from positions.
    let shuffled = load_all(&scan_one(&whole).unwrap().series[0]);
    assert_eq!(shuffled.voxels(), volume.voxels());
    assert_eq!(shuffled.geometry(), volume.geometry());
    assert_eq!(shuffled.warnings(), []);
}

#[test]
fn slice_of_another_matrix_is_split_off_with_the_reason() {
    let Some(folder) = epi("one_slice_other_matrix") else { return };
    let catalog = scan_one(&folder).unwrap();
    let mut sizes: Vec<_> = catalog.series.iter().map(|s| s.dims.to_array()).collect();
    sizes.sort();
    assert_eq!(sizes, [[48, 48, 1], [64, 64, 15]], "the gap stays open at the place of the odd slice");
    for entry in &catalog.series {
        let reason = SeriesWarning::Split { reason: "matrix size differs, pixel spacing differs".to_owned() };
        let short = SeriesWarning::Split { reason: "matrix size differs".to_owned() };
        assert!(entry.warnings.contains(&reason) || entry.warnings.contains(&short), "{:?}", entry.warnings);
    }
}

#[test]
fn rescale_that_differs_between_slices_is_applied_to_each() {
    let (Some(folder), Some(plain)) = (epi("rescale_varies_per_slice"), epi("no_instance_number_shuffled"))
    else {
        return;
    };
    let volume = load_all(&scan_one(&folder).unwrap().series[0]);
    let stored = load_all(&scan_one(&plain).unwrap().series[0]);
    assert!(volume.warnings().contains(&SeriesWarning::RescaleVaries));
    assert_eq!(volume.voxels().type_name(), "float32");
    for z in 0..15 {
        // File sNN carries slope 1 + NN/4 and intercept −10·NN.
        let (slope, intercept) = (1.0 + 0.25 * z as f64, -10.0 * z as f64);
        for (x, y) in [(8, 8), (31, 51), (38, 37)] {
            let expected = slope * stored.value_at([x, y, z], 0, 0).unwrap() + intercept;
            assert_eq!(volume.value_at([x, y, z], 0, 0), Some(expected), "{x} {y} {z}");
        }
    }
}

#[test]
fn frames_without_positions_follow_instance_numbers() {
    let (Some(folder), Some(plain)) = (epi("no_position_tags"), epi("no_instance_number_shuffled")) else {
        return;
    };
    let volume = load_all(&scan_one(&folder).unwrap().series[0]);
    assert!(volume.warnings().contains(&SeriesWarning::NoPosition));
    assert_eq!(volume.dims().z, 15);
    let sorted = load_all(&scan_one(&plain).unwrap().series[0]);
    let sum = |v: &Volume| v.statistics().mean;
    assert!((sum(&volume) - sum(&sorted)).abs() < 1e-9);
}

#[test]
fn archive_is_read_like_a_folder() {
    let Some(folder) = epi("missing_slice") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Prüfung 1.zip");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (i, file) in files(&folder).iter().enumerate() {
        let method =
            if i % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        archive
            .start_file(format!("a/b/{i}"), SimpleFileOptions::default().compression_method(method))
            .unwrap();
        archive.write_all(&fs::read(file).unwrap()).unwrap();
    }
    archive.start_file("__MACOSX/a/._1", SimpleFileOptions::default()).unwrap();
    archive.write_all(b"junk").unwrap();
    archive.finish().unwrap();
    let from_archive = scan_one(&path).unwrap();
    let from_folder = scan_one(&folder).unwrap();
    assert_eq!((from_archive.series.len(), from_archive.skipped.len()), (1, 0));
    let (a, b) = (load_all(&from_archive.series[0]), load_all(&from_folder.series[0]));
    assert_eq!(a.voxels(), b.voxels());
    assert_eq!(a.geometry(), b.geometry());
    assert!(from_archive.series[0].first_path().starts_with(&path));
    // Its files can be passed on as they were packed.
    let (packed, plain) =
        (source_files(&from_archive.series[0]).unwrap(), source_files(&from_folder.series[0]).unwrap());
    assert_eq!((packed.len(), plain.len()), (14, 14));
    for (packed, plain) in packed.iter().zip(&plain) {
        assert_eq!(plain.unpacked().unwrap(), None);
        assert_eq!(packed.unpacked().unwrap(), Some(fs::read(plain.path()).unwrap()));
    }
}

#[test]
fn broken_member_of_an_archive_does_not_hide_the_others() {
    let sample = test_support::data::workspace_root().join("assets/sample");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cd.zip");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for name in ["I0001.dcm", "I0002.dcm", "I0003.dcm"] {
        let whole = fs::read(sample.join(name)).unwrap();
        let kept = if name == "I0003.dcm" { &whole[..400] } else { &whole[..] };
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(kept).unwrap();
    }
    archive.finish().unwrap();
    let catalog = scan_one(&path).unwrap();
    assert_eq!(catalog.series[0].dims.z, 2);
    assert_eq!(catalog.skipped.len(), 1);
    assert!(catalog.skipped[0].path.ends_with("I0003.dcm") && !catalog.skipped[0].is_sound);
}

#[cfg(unix)]
#[test]
fn what_is_neither_file_nor_folder_is_refused_unopened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(scan_one(&path).unwrap_err().to_string().contains("neither a file nor a folder"));
}

#[test]
fn archive_bomb_is_refused_before_it_unpacks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.zip");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("bomb", deflated).unwrap();
    archive.write_all(&vec![0u8; 4 << 20]).unwrap();
    archive.finish().unwrap();
    // Claim 4 GiB − 1 in the local header and the table of contents.
    let mut bytes = fs::read(&path).unwrap();
    let size = (4u32 << 20).to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&i| bytes[i..i + 4] == size).collect();
    for place in places {
        bytes[place..place + 4].copy_from_slice(&0xFFFF_FFFEu32.to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    let catalog = scan_one(&path);
    let reason = match &catalog {
        Err(error) => error.reason(),
        Ok(catalog) => catalog.skipped[0].reason.clone(),
    };
    assert!(reason.contains("more than its size allows"), "{reason}");
}

#[test]
fn junk_hidden_files_and_link_loops_do_not_disturb() {
    let Some(folder) = epi("missing_slice") else { return };
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("Müller Äpfel/名前 1");
    fs::create_dir_all(&deep).unwrap();
    for (i, file) in files(&folder).iter().enumerate() {
        let name = [format!("{i}"), format!("{i}.DCM"), format!("I{i}.x")][i % 3].clone();
        fs::copy(file, deep.join(name)).unwrap();
    }
    fs::write(deep.join(".DS_Store"), b"x").unwrap();
    fs::write(deep.join("Thumbs.db"), b"x").unwrap();
    fs::write(deep.join("readme.txt"), b"DICOM files of a phantom").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path(), deep.join("up")).unwrap();
    let catalog = scan_one(dir.path()).unwrap();
    assert_eq!((catalog.series.len(), catalog.skipped.len()), (1, 0), "{:?}", catalog.skipped);
    assert_eq!(catalog.series[0].dims.z, 15);
}

#[test]
fn files_without_preamble_are_recognised() {
    let Some(folder) = epi("missing_slice") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (i, file) in files(&folder).iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        // Without preamble, and every second one also without file header.
        let start = if i % 2 == 0 {
            128 + 4
        } else {
            let length_at = 128 + 4 + 8;
            let meta = u32::from_le_bytes(bytes[length_at..length_at + 4].try_into().unwrap());
            length_at + 4 + meta as usize
        };
        fs::write(dir.path().join(i.to_string()), &bytes[start..]).unwrap();
    }
    let catalog = scan_one(dir.path()).unwrap();
    assert_eq!(catalog.series.len(), 1);
    assert_eq!(
        load_all(&catalog.series[0]).voxels(),
        load_all(&scan_one(&folder).unwrap().series[0]).voxels()
    );
}

#[test]
fn damaged_slice_leaves_the_rest_usable() {
    let Some(folder) = epi("no_instance_number_shuffled") else { return };
    let dir = tempfile::tempdir().unwrap();
    let sources = files(&folder);
    for (i, file) in sources.iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        let keep = if i == 5 { bytes.len() - 3000 } else { bytes.len() };
        fs::write(dir.path().join(i.to_string()), &bytes[..keep]).unwrap();
    }
    fs::write(dir.path().join("broken.dcm"), b"not at all").unwrap();
    let catalog = scan_one(dir.path()).unwrap();
    assert_eq!((catalog.series.len(), catalog.skipped.len()), (1, 1));
    assert!(!catalog.skipped[0].is_sound);
    let volume = load_all(&catalog.series[0]);
    assert_eq!(volume.dims().z, 15);
    let warned = volume
        .warnings()
        .iter()
        .any(|w| matches!(w, SeriesWarning::UnreadableFiles { count: 1, first, .. } if first.ends_with("5")));
    assert!(warned, "{:?}", volume.warnings());
    let whole = load_all(&scan_one(&folder).unwrap().series[0]);
    let equal = (0..15)
        .filter(|&z| (0..64).all(|i| volume.value_at([i, 20, z], 0, 0) == whole.value_at([i, 20, z], 0, 0)));
    assert_eq!(equal.count(), 14);
}

#[test]
fn nothing_empty_and_absent_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(scan_one(dir.path()), Err(ImagingError::NothingFound { .. })));
    let absent = dir.path().join("is not there");
    assert!(matches!(scan_one(&absent), Err(ImagingError::Io { path, .. }) if path == absent));
    let text = dir.path().join("ein Brief.txt");
    fs::write(&text, "hello").unwrap();
    assert!(matches!(scan_one(&text), Err(ImagingError::NotAnImage { path, .. }) if path == text));
    assert!(matches!(scan_one(dir.path()), Err(ImagingError::NothingFound { .. })));
}

#[cfg(unix)]
#[test]
fn folder_without_rights_is_named_and_the_rest_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let Some(folder) = epi("missing_slice") else { return };
    let dir = tempfile::tempdir().unwrap();
    for file in files(&folder) {
        fs::copy(&file, dir.path().join(file.file_name().unwrap())).unwrap();
    }
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let is_root = fs::read_dir(&locked).is_ok();
    let catalog = scan_one(dir.path()).unwrap();
    assert_eq!(catalog.series.len(), 1);
    if !is_root {
        assert_eq!(catalog.skipped[0].path, locked);
        assert!(matches!(scan_one(&locked), Err(ImagingError::Io { path, .. }) if path == locked));
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn dicomdir_stands_for_the_files_it_names() {
    let Some(folder) = epi("missing_slice") else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("dicom/s1")).unwrap();
    let mut items = Vec::new();
    let names = files(&folder);
    for (i, file) in names.iter().enumerate() {
        // The medium was copied with lower-case names; the DICOMDIR says upper case.
        fs::copy(file, dir.path().join(format!("dicom/s1/im{i}"))).unwrap();
        items.push(format!("DICOM\\S1\\IM{i}"));
    }
    items.push("DICOM\\S1\\GONE".to_owned());
    items.push("..\\..\\etc\\passwd".to_owned());
    fs::write(dir.path().join("DICOMDIR"), dicomdir(&items)).unwrap();
    let catalog = scan_one(&dir.path().join("DICOMDIR")).unwrap();
    assert_eq!(catalog.series.len(), 1);
    assert_eq!(
        load_all(&catalog.series[0]).voxels(),
        load_all(&scan_one(&folder).unwrap().series[0]).voxels()
    );
    let mut reasons: Vec<&str> = catalog.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    reasons.sort_unstable();
    let [missing, outside] = reasons.as_slice() else { panic!("{:?}", catalog.skipped) };
    assert!(missing.contains("missing") && outside.contains("outside"), "{missing}, {outside}");
    // In a folder the DICOMDIR itself is only one more sound file.
    let catalog = scan_one(dir.path()).unwrap();
    assert_eq!((catalog.series.len(), catalog.skipped.len()), (1, 1));
    assert!(catalog.skipped[0].is_sound);
}

/// A minimal DICOMDIR in explicit VR little endian.
fn dicomdir(references: &[String]) -> Vec<u8> {
    let element = |tag: [u16; 2], vr: &[u8], value: &[u8]| {
        let mut bytes = [tag[0].to_le_bytes(), tag[1].to_le_bytes()].concat();
        bytes.extend_from_slice(vr);
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(value);
        bytes
    };
    let padded = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(b' ');
        }
        bytes
    };
    let long = |tag: [u16; 2], vr: Option<&[u8]>, value: &[u8]| {
        let mut bytes = [tag[0].to_le_bytes(), tag[1].to_le_bytes()].concat();
        if let Some(vr) = vr {
            bytes.extend_from_slice(vr);
            bytes.extend_from_slice(&[0, 0]);
        }
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
        bytes
    };
    let items: Vec<u8> = references
        .iter()
        .flat_map(|name| long([0xFFFE, 0xE000], None, &element([0x0004, 0x1500], b"CS", &padded(name))))
        .collect();
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    file.extend(element([0x0002, 0x0010], b"UI", b"1.2.840.10008.1.2.1\0"));
    file.extend(long([0x0004, 0x1220], Some(b"SQ"), &items));
    file
}

#[test]
fn cancelled_work_stops_with_cancelled() {
    let Some(folder) = epi("missing_slice") else { return };
    let progress = Progress::new();
    progress.cancel();
    let result = scan(std::slice::from_ref(&folder), &progress);
    assert!(matches!(result, Err(ImagingError::Cancelled)));
    let entry = &scan_one(&folder).unwrap().series[0];
    assert!(matches!(load(entry, ReadLimits::default(), &progress), Err(ImagingError::Cancelled)));
    let limits = ReadLimits { max_volume_bytes: 1000 };
    let progress = Progress::new();
    assert!(matches!(load(entry, limits, &progress), Err(ImagingError::TooLarge { .. })));
    load(entry, ReadLimits::default(), &progress).unwrap();
    assert_eq!((progress.done(), progress.total()), (entry.decoded_bytes, entry.decoded_bytes));
}

#[test]
fn series_that_is_no_volume_is_split_and_explained() {
    let Some(root) = data("zoo/zoo") else { return };
    let catalog = scan_one(&root.join("series-pitfalls/failing_sliceorientation_001")).unwrap();
    assert!(catalog.series.len() > 1);
    let explained = |s: &SeriesEntry| {
        s.warnings
            .iter()
            .any(|w| matches!(w, SeriesWarning::Split { reason } if reason.contains("orientation")))
    };
    assert!(catalog.series.iter().all(explained));
    let frames: usize = catalog.series.iter().map(|s| s.dims.z * s.time_points).sum();
    assert_eq!(frames, 4);
}
