//! Files beneath one folder, whatever links operators put there.
//!
//! On Linux the kernel refuses every step through a link or onto another device (`openat2`), so nothing that changes
//! between a check and its use matters. Elsewhere each step is looked at before it is taken.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
use portable as system;

pub(super) use system::{Folder, begin_writing, identity, mode, reflink, seal, sync_file_system, used_share};

use std::ffi::OsString;

/// What an entry of a folder is. Links are never followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// One entry of a folder.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
}
