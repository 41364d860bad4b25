//! Memory for whole volumes: asked for before it is taken, in large pages where the system offers them.

use crate::volume::Sample;

/// `count` zeros.
///
/// Zeroed pages come from the system untouched, so a volume costs memory only where it is written.
///
/// # Errors
/// The bytes that could not be had.
pub fn zeroed<T: Sample>(count: usize) -> Result<Vec<T>, u64> {
    let needed = (count as u64).saturating_mul(size_of::<T>() as u64);
    // `vec!` ends the process where memory is refused, so ask first.
    let mut check: Vec<T> = Vec::new();
    check.try_reserve_exact(count).map_err(|_| needed)?;
    drop(check);
    // The standard library recognises zero and takes untouched pages.
    let mut voxels = vec![T::zeroed(); count];
    prefer_huge_pages(bytemuck::cast_slice_mut(&mut voxels));
    Ok(voxels)
}

/// Asks for 2 MiB pages: filling a volume is bound by page faults otherwise.
#[cfg(target_os = "linux")]
fn prefer_huge_pages(bytes: &mut [u8]) {
    const HUGE_PAGE: usize = 2 << 20;
    let offset = bytes.as_ptr().align_offset(HUGE_PAGE);
    let Some(aligned) = bytes.get_mut(offset..) else { return };
    let len = aligned.len() / HUGE_PAGE * HUGE_PAGE;
    if len == 0 {
        return;
    }
    #[expect(
        unsafe_code,
        reason = "the only way to give this advice; no safe wrapper covers memory of a Vec"
    )]
    // SAFETY: the range lies inside a live allocation, is page aligned, and this advice never changes its contents.
    unsafe {
        // Only advice: where it is refused, small pages serve.
        libc::madvise(aligned.as_mut_ptr().cast(), len, libc::MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge_pages(_bytes: &mut [u8]) {}
