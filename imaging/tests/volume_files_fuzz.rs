//! Thousands of damaged copies of the made files: none may end in a panic, nor ask for more memory than the file
//! justifies.
#![expect(unsafe_code, reason = "an allocator that watches sizes can only be written so")]
#![expect(clippy::unwrap_used, reason = "test code; the lint knows only functions marked as tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use imaging::formats::{ReadLimits, load, scan};
use imaging::source::Progress;

/// Remembers the largest block that anyone asked for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const COPIES_PER_FILE: usize = 40;
const ALLOWED_BYTES: usize = 24 << 20;

/// xorshift64*; the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }
}

/// One to four bytes changed, mostly in the header; sometimes the end cut off or a digit made many.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let reach = if random.below(4) == 0 { bytes.len() } else { bytes.len().min(400) };
        let Some(byte) = bytes.get_mut(random.below(reach)) else { return };
        *byte = match random.below(4) {
            0 => 0xff,
            1 => *byte ^ 1 << random.below(8),
            2 => b'0' + random.below(10) as u8,
            _ => random.below(256) as u8,
        };
    }
    match random.below(12) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            if let Some(at) = bytes.iter().take(400).position(u8::is_ascii_digit) {
                bytes.splice(at..at, *b"99999999");
            }
        }
        _ => {}
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn damaged_files_neither_panic_nor_ask_for_memory_that_is_not_theirs() {
    let mut random = Random(SEED);
    let (mut read, mut refused) = (0, 0);
    for folder in ["nifti", "metaimage", "nrrd", "picture"] {
        let source = test_support::data::repository_data("made").join(folder);
        // Data files stay beside their headers.
        let scratch = tempfile::tempdir().unwrap();
        for file in files_below(&source) {
            std::fs::copy(&file, scratch.path().join(file.file_name().unwrap())).unwrap();
        }
        for file in files_below(&source) {
            let name = file.file_name().unwrap();
            let extension = file.extension().unwrap().to_str().unwrap();
            if ["raw", "zraw", "img"].contains(&extension) {
                continue;
            }
            let good = std::fs::read(&file).unwrap();
            let path = scratch.path().join(name);
            for copy in 0..COPIES_PER_FILE {
                let mut bytes = good.clone();
                damage(&mut bytes, &mut random);
                std::fs::write(&path, &bytes).unwrap();
                LARGEST.store(0, Ordering::Relaxed);
                let progress = Progress::new();
                let result = scan(std::slice::from_ref(&path), &progress).and_then(|catalog| {
                    let entry = catalog.series.first().expect("a file that is no image is an error");
                    load(entry, ReadLimits::default(), &progress)
                });
                let largest = LARGEST.load(Ordering::Relaxed);
                assert!(
                    largest < ALLOWED_BYTES,
                    "copy {copy} of {name:?}, seed {SEED:#x}: {largest} bytes at once"
                );
                match result {
                    Ok(volume) => {
                        assert!(volume.voxels().size_bytes() < ALLOWED_BYTES);
                        read += 1;
                    }
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        refused += 1;
                    }
                }
            }
            std::fs::write(&path, &good).unwrap();
        }
    }
    // The damage is neither so small that nothing is refused nor so great that everything is.
    assert!(read > 500 && refused > 500, "{read} read, {refused} refused");
}
