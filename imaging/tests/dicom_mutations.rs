//! Thousands of damaged copies of good files: nothing panics, and memory stays bounded by the size of the file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use imaging::formats::{ReadLimits, load, load_slice, scan};
use imaging::source::Progress;
use test_support::data;

/// Counts what is allocated, and remembers the most.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system allocator unchanged; counting touches no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// SplitMix64; a failure prints file and round, which give the same bytes again.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

fn mutate(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut mutant = bytes.to_vec();
    // Headers are small and matter most.
    let reach = if chance.next(3) > 0 { mutant.len().min(4096) } else { mutant.len() };
    match chance.next(6) {
        0 => mutant.truncate(chance.next(reach)),
        1 => {
            let at = chance.next(reach).min(mutant.len().saturating_sub(4));
            let lie = [u32::MAX, 0x7FFF_FFFF, 0xFFFF_FFFE, 0, 0x0001_0000][chance.next(5)];
            mutant[at..at + 4].copy_from_slice(&lie.to_le_bytes());
        }
        2 => {
            let at = chance.next(reach);
            mutant.drain(at..(at + 1 + chance.next(16)).min(bytes.len()));
        }
        3 => {
            let at = chance.next(reach);
            let piece = mutant[at..(at + 64).min(mutant.len())].to_vec();
            let to = chance.next(reach);
            mutant.splice(to..to, piece);
        }
        _ => {
            for _ in 0..=chance.next(8) {
                let at = chance.next(reach);
                mutant[at] ^= 1 << chance.next(8);
            }
        }
    }
    mutant
}

fn open(path: &Path) {
    let Ok(catalog) = scan(&[path.to_path_buf()], &Progress::new()) else { return };
    for entry in catalog.series.iter().take(4) {
        let _ = load_slice(entry, entry.dims.z / 2, 0);
        let _ = load(entry, ReadLimits::default(), &Progress::new());
    }
}

#[test]
fn damaged_files_neither_panic_nor_take_memory() {
    const ROUNDS: usize = 120;
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
            let mutant = mutate(&bytes, &mut chance);
            std::fs::write(&path, &mutant).unwrap();
            let before = LIVE.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let outcome = catch_unwind(AssertUnwindSafe(|| open(&path)));
            assert!(outcome.is_ok(), "panic: {name}, round {round}");
            let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
            // Decoders need several copies of a frame; compression of empty areas explains the factor.
            let allowed = (256 << 20) + 1100 * mutant.len().min(1 << 20);
            assert!(used <= allowed, "{} MiB: {name}, round {round}", used >> 20);
        }
    }
}
