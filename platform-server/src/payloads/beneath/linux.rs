//! The Linux form: every path is resolved by the kernel beneath an open folder.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Entry, Kind};

const STAY: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open folder. It stays the same one when its name is moved.
#[derive(Debug)]
pub(in crate::payloads) struct Folder(File);

impl Folder {
    /// Opens a folder that the administrator named; links in its path are fine.
    pub(in crate::payloads) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(sys::open(path, FOLDER, Mode::empty())?.into()))
    }

    /// The folder itself once more.
    pub(in crate::payloads) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Its handle, to be pressed to the disk.
    pub(in crate::payloads) fn into_file(self) -> io::Result<File> {
        Ok(self.0)
    }

    fn at(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
        loop {
            match sys::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, STAY) {
                // The tree was renamed meanwhile; the kernel could not be sure.
                Err(Errno::AGAIN) => {}
                // A link is in the way.
                Err(Errno::LOOP) => return Err(io::ErrorKind::NotADirectory.into()),
                other => return Ok(other?.into()),
            }
        }
    }

    /// A folder beneath this one; the empty path is this one.
    pub(in crate::payloads) fn folder(&self, path: &Path) -> io::Result<Self> {
        if path.as_os_str().is_empty() {
            return self.again();
        }
        self.at(path, FOLDER, Mode::empty()).map(Self)
    }

    /// The folder of that name in this one, and whether it had to be made.
    pub(in crate::payloads) fn folder_or_new(&self, name: &str) -> io::Result<(Self, bool)> {
        match sys::mkdirat(&self.0, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let folder = self.folder(Path::new(name))?;
                // Whatever the process's mask says, operators under other accounts read here.
                sys::fchmod(&folder.0, Mode::from_raw_mode(0o755))?;
                Ok((folder, true))
            }
            Err(Errno::EXIST) => Ok((self.folder(Path::new(name))?, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a regular file to read. Anything else is refused without side effects.
    pub(in crate::payloads) fn file(&self, path: &Path) -> io::Result<File> {
        // Without waiting: opening a pipe would wait for a writer.
        let file = self.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Makes a new file to write.
    pub(in crate::payloads) fn new_file(&self, name: &str) -> io::Result<File> {
        self.at(Path::new(name), OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o600))
    }

    /// Moves an entry into another folder. An entry that is there already stays, and so does this one.
    pub(in crate::payloads) fn move_to(&self, name: &str, target: &Self, new_name: &str) -> io::Result<()> {
        Ok(sys::renameat_with(&self.0, name, &target.0, new_name, RenameFlags::NOREPLACE)?)
    }

    /// Gives a file a second name in this folder.
    pub(in crate::payloads) fn link(&self, from: &Self, path: &Path, new_name: &str) -> io::Result<()> {
        // Through the folder that the kernel checked; its last step is not followed.
        let folder = from.folder(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(sys::linkat(&folder.0, name, &self.0, new_name, AtFlags::empty())?)
    }

    /// Removes a name that is no folder.
    pub(in crate::payloads) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let folder = self.folder(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(sys::unlinkat(&folder.0, name, AtFlags::empty())?)
    }

    /// Sets the permission bits of this folder.
    pub(in crate::payloads) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(sys::fchmod(&self.0, Mode::from_raw_mode(mode))?)
    }

    /// What is in this folder, by name.
    pub(in crate::payloads) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in sys::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match sys::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    // Gone meanwhile.
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                known => known,
            };
            let kind = match kind {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            };
            entries.push(Entry { name: OsString::from_vec(name.to_bytes().to_vec()), kind });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }
}

/// Makes a file read-only for everybody, executable where `mode` says so.
pub(in crate::payloads) fn seal(file: &File, mode: u32) -> io::Result<()> {
    Ok(sys::fchmod(file, Mode::from_raw_mode(0o444 | (mode & 0o111)))?)
}

/// The permission bits of a file.
pub(in crate::payloads) fn mode(file: &File) -> io::Result<u32> {
    Ok(sys::fstat(file)?.st_mode & 0o777)
}

/// Tells whether two handles are of one file.
pub(in crate::payloads) fn identity(file: &File) -> io::Result<Option<(u64, u64)>> {
    let found = sys::fstat(file)?;
    Ok(Some((found.st_dev, found.st_ino)))
}

/// Lets the disk begin with a part of a file, without waiting and without promising anything.
pub(in crate::payloads) fn begin_writing(file: &File, offset: u64, bytes: u64) {
    let (Ok(offset), Ok(bytes)) = (offset.try_into(), bytes.try_into()) else { return };
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call reads and writes no memory of ours.
    #[expect(unsafe_code, reason = "no safe library offers sync_file_range")]
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, bytes, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Lets a file share another one's blocks; false where the file system cannot.
pub(in crate::payloads) fn reflink(from: &File, to: &File) -> io::Result<bool> {
    match sys::ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS | Errno::PERM) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Presses everything of the file system that holds `file` to the disk.
pub(in crate::payloads) fn sync_file_system(file: &File) -> io::Result<()> {
    Ok(sys::syncfs(file)?)
}

/// How much of the file system that holds `folder` is in use, from 0 to 1, as `df` counts it.
pub(in crate::payloads) fn used_share(folder: &Path) -> io::Result<f64> {
    let found = sys::statvfs(folder)?;
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    let usable = used.saturating_add(found.f_bavail);
    Ok(if usable == 0 { 1.0 } else { used as f64 / usable as f64 })
}
