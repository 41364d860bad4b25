//! Pages that are shared with others.
#![expect(unsafe_code, reason = "mapping files is unsafe")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;

/// A mapping of a whole file.
#[derive(Debug)]
pub(super) struct Map {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the pages belong to the mapping, not to a thread; writing needs `&mut`.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

/// What may be done with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Map {
    pub(super) fn new(file: impl AsFd, len: usize, access: Access) -> io::Result<Self> {
        if len == 0 {
            // Aligned for every number type; the kernel maps nothing of no length.
            return Ok(Self { start: NonNull::<u64>::dangling().cast(), len });
        }
        let protection = match access {
            Access::Read => libc::PROT_READ,
            Access::Write => libc::PROT_READ | libc::PROT_WRITE,
        };
        let fd = file.as_fd().as_raw_fd();
        // SAFETY: the kernel chooses where.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { start, len })
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: mapped by `new` with this length; nobody can borrow from it any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

/// Whether the file can neither change nor shrink, and holds at least so many bytes.
pub(super) fn is_final(file: impl AsFd, len: u64) -> bool {
    let wanted = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK;
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: takes plain numbers.
    let seals = unsafe { libc::fcntl(fd, libc::F_GET_SEALS) };
    seals >= 0 && seals & wanted == wanted && holds(file, len)
}

/// Whether the file cannot shrink, and holds at least so many bytes.
pub(super) fn is_steady(file: impl AsFd, len: u64) -> bool {
    // SAFETY: takes plain numbers.
    let seals = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GET_SEALS) };
    seals >= 0 && seals & libc::F_SEAL_SHRINK != 0 && holds(file, len)
}

fn holds(file: impl AsFd, len: u64) -> bool {
    let mut status = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel fills a structure that is ours; all zeroes is a valid one.
    let status = unsafe {
        if libc::fstat(file.as_fd().as_raw_fd(), status.as_mut_ptr()) != 0 {
            return false;
        }
        status.assume_init()
    };
    u64::try_from(status.st_size).is_ok_and(|size| size >= len)
}
