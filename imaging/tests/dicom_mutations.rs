//! Thousands of damaged copies of good files: nothing panics, and memory stays bounded by the size of the file.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

mod made_dicom;

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, load_slice, scan};
use imaging::source::Progress;
use made_dicom::{DEFLATED, Dicom, EXPLICIT, Value, deflate, text};
use test_support::allocations::{Counting, peak_during};
use test_support::damage::{Chance, mutate};
use test_support::data;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn open(path: &Path) {
    let Ok(catalog) = scan(&[path.to_path_buf()], &Progress::new()) else { return };
    for entry in catalog.series.iter().take(4) {
        let _ = load_slice(entry, entry.dims.z / 2, 0);
        let _ = load(entry, ReadLimits::default(), &Progress::new());
    }
}

/// Memory is counted for the whole process, so tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What scanning and loading a file gives, and the most memory that it took.
fn memory_of(path: &Path) -> (Result<usize, ImagingError>, usize) {
    peak_during(|| {
        scan(&[path.to_path_buf()], &Progress::new())
            .and_then(|catalog| load(&catalog.series[0], ReadLimits::default(), &Progress::new()))
            .map(|volume| volume.dims().z * volume.time_points())
    })
}

/// A frame of 512 × 512 that decodes to grey: JPEG 2000, lossless, 16 bits.
fn good_frame() -> Option<Vec<u8>> {
    let name = "codec-matrix-ct/CTImage_1.2.840.10008.1.2.4.90_JPEG2000LosslessOnlyTransferSyntax.dcm";
    let bytes = std::fs::read(data("zoo/zoo")?.join(name)).unwrap();
    let start = bytes.windows(4).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51]).unwrap();
    Some(bytes[start..bytes.len() - 8].to_vec())
}

fn film(frames: usize, fragments: Vec<Vec<u8>>) -> Dicom {
    Dicom::image("1.2.840.10008.1.2.4.90", 512, 512)
        .bits(16, 16, 15, true)
        .with(0x0028_0008, text("IS", frames))
        .without(0x0020_0032)
        .fragments(fragments)
}

#[test]
fn frames_that_only_the_header_knows_take_no_memory() {
    let _turn = alone();
    let Some(frame) = good_frame() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.dcm");
    // Two real frames, 131 072 claimed: what is there is shown.
    film(131_072, vec![frame.clone(), frame.clone()]).write(&path);
    let (result, used) = memory_of(&path);
    assert_eq!(result.unwrap(), 2);
    assert!(used < 64 << 20, "{} MiB", used >> 20);
    // The claim backed by fragments that hold nothing, or next to nothing.
    let empty = vec![Vec::new(); 131_072];
    let tiny = vec![vec![0xFF, 0x4F]; 131_072];
    for filler in [empty, tiny] {
        let fragments = std::iter::once(frame.clone()).chain(filler).collect();
        film(131_072, fragments).write(&path);
        let size = std::fs::metadata(&path).unwrap().len() as usize;
        let (result, used) = memory_of(&path);
        assert!(result.is_ok_and(|frames| frames == 1) || used < 256 << 20, "{} MiB", used >> 20);
        assert!(used < (256 << 20) + 64 * size, "{} MiB from {size} bytes", used >> 20);
    }
    // Most of a few hundred frames are rubbish: refused rather than filled in.
    let rubbish: Vec<Vec<u8>> = (0..400).map(|_| vec![0x55; 200]).collect();
    film(401, std::iter::once(frame).chain(rubbish).collect()).write(&path);
    let (result, _) = memory_of(&path);
    assert!(matches!(result, Err(ImagingError::Damaged { .. })), "{result:?}");
}

#[test]
fn deflated_files_are_unpacked_no_further_than_their_pixels() {
    let _turn = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.dcm");
    let image = Dicom::image(DEFLATED, 64, 64).words(&[7; 64 * 64]);
    image.write(&path);
    assert_eq!(memory_of(&path).0.unwrap(), 1);
    // A private element of 192 MiB of zeros before the pixels: stepped over, never held.
    let before = image.clone().with(0x0009_1001, Value::Bytes("OB", vec![0; 192 << 20]));
    before.write(&path);
    drop(before);
    let (result, used) = memory_of(&path);
    assert_eq!(result.unwrap(), 1);
    assert!(used < 32 << 20, "{} MiB", used >> 20);
    // The same after the pixels.
    let mut bytes = image.encode();
    let plain = Dicom { syntax: EXPLICIT.to_owned(), ..image.clone() };
    let plain = plain.with(0x7FE1_1001, Value::Bytes("OB", vec![0; 192 << 20])).encode();
    let start = plain.windows(4).position(|w| w == [0x08, 0x00, 0x16, 0x00]).unwrap();
    let packed_start = bytes.len() - deflate(&plain_data_set(&image)).len();
    bytes.truncate(packed_start);
    bytes.extend(deflate(&plain[start..]));
    drop(plain);
    std::fs::write(&path, &bytes).unwrap();
    let (result, used) = memory_of(&path);
    assert_eq!(result.unwrap(), 1);
    assert!(used < 32 << 20, "{} MiB", used >> 20);
    // Endless rubbish where the header should be.
    let endless = image.with(0x0009_1001, Value::Bytes("OB", vec![0; 300 << 20]));
    endless.write(&path);
    drop(endless);
    let (result, used) = memory_of(&path);
    assert!(result.unwrap_err().reason().contains("header larger than any image has"));
    assert!(used < 32 << 20, "{} MiB", used >> 20);
}

/// The elements of an object as they are before deflating.
fn plain_data_set(object: &Dicom) -> Vec<u8> {
    let bytes = Dicom { syntax: EXPLICIT.to_owned(), ..object.clone() }.encode();
    let start = bytes.windows(4).position(|w| w == [0x08, 0x00, 0x16, 0x00]).unwrap();
    bytes[start..].to_vec()
}

#[test]
fn damaged_files_neither_panic_nor_take_memory() {
    const ROUNDS: usize = 120;
    let _turn = alone();
    let Some(root) = data("zoo/zoo") else { return };
    let names = [
        "charset/chrH32.dcm",
        "codec-other/CT_small.dcm",
        "codec-other/JPEGLSNearLossless_08.dcm",
        "codec-other/MR_small_RLE.dcm",
        "codec-other/MR_small_bigendian.dcm",
        "codec-other/MR_small_implicit.dcm",
        "codec-other/MR_small_jp2klossless.dcm",
        "codec-other/MR_small_jpeg_ls_lossless.dcm",
        "codec-other/MR4_JPLY.dcm",
        "codec-matrix-ct/CTImage_1.2.840.10008.1.2.4.55_JPEGProcess10.dcm",
        "codec-other/image_dfl.dcm",
        "colour/SC_rgb_dcmtk_+eb+cy+np.dcm",
        "colour/SC_rgb_rle_16bit_2frame.dcm",
        "colour/SC_ybr_full_422_uncompressed.dcm",
        "colour/examples_palette.dcm",
        "multiframe/emri_small.dcm",
        "multiframe/emri_small_jpeg_2k_lossless.dcm",
        "rt/rtdose_rle.dcm",
        "seg-pm/24x38x3_multiframe.dcm",
        "seg-pm/parametric_map_float.dcm",
    ];
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("mutant.dcm");
    for (seed, name) in names.iter().enumerate() {
        let bytes = std::fs::read(root.join(name)).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        open(&path);
        let mut chance = Chance(seed as u64);
        for round in 0..ROUNDS {
            let mutant = mutate(&bytes, 4096, &mut chance);
            std::fs::write(&path, &mutant).unwrap();
            let (outcome, used) = peak_during(|| catch_unwind(AssertUnwindSafe(|| open(&path))));
            assert!(outcome.is_ok(), "panic: {name}, round {round}");
            // Decoders need several copies of a frame; compression of empty areas explains the factor.
            let allowed = (256 << 20) + 1100 * mutant.len().min(1 << 20);
            assert!(used <= allowed, "{} MiB: {name}, round {round}", used >> 20);
        }
    }
}

#[test]
fn damaged_codestreams_neither_panic_nor_take_memory() {
    let _turn = alone();
    let folder = test_support::repository_data("made/codestreams");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mutant.dcm");
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for (seed, name) in names.iter().enumerate() {
        let (syntax, is_grey) = match name.extension().and_then(|e| e.to_str()) {
            Some("jls") => ("1.2.840.10008.1.2.4.80", false),
            Some("j2k") => ("1.2.840.10008.1.2.4.90", false),
            Some("jxl") => ("1.2.840.10008.1.2.4.110", name.to_string_lossy().contains("grey")),
            Some("jpg") => ("1.2.840.10008.1.2.4.57", name.to_string_lossy().contains("lossless_")),
            _ => continue,
        };
        let bytes = std::fs::read(name).unwrap();
        let mut chance = Chance(1000 + seed as u64);
        for round in 0..30 {
            let frame = if round == 0 { bytes.clone() } else { mutate(&bytes, 4096, &mut chance) };
            let object = if is_grey {
                Dicom::image(syntax, 16, 16).bits(16, 12, 11, false)
            } else {
                Dicom::color(syntax, 32, 32, "RGB", 0)
            };
            object.fragments(vec![frame]).write(&path);
            let (outcome, used) = peak_during(|| catch_unwind(AssertUnwindSafe(|| open(&path))));
            assert!(outcome.is_ok(), "panic: {}, round {round}", name.display());
            assert!(used <= 256 << 20, "{} MiB: {}, round {round}", used >> 20, name.display());
        }
    }
}
