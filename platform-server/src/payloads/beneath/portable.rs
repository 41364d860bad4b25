//! The plain form, for systems without `openat2`: each step is looked at before it is taken.
//!
//! Somebody who may write beneath the folder could put a link there between the look and the step.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{Entry, Kind};

/// A folder by its path.
#[derive(Debug)]
pub(in crate::payloads) struct Folder(PathBuf);

impl Folder {
    /// Opens a folder that the administrator named.
    pub(in crate::payloads) fn open(path: &Path) -> io::Result<Self> {
        if path.metadata()?.is_dir() {
            Ok(Self(path.to_owned()))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// The folder itself once more.
    pub(in crate::payloads) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.clone()))
    }

    /// Its handle, to be pressed to the disk.
    pub(in crate::payloads) fn into_file(self) -> io::Result<File> {
        folder_handle(&self.0)
    }

    fn at(&self, path: &Path) -> io::Result<PathBuf> {
        let mut whole = self.0.clone();
        for component in path.components() {
            let Component::Normal(name) = component else { return Err(io::ErrorKind::InvalidInput.into()) };
            whole.push(name);
            if fs::symlink_metadata(&whole).is_ok_and(|found| found.is_symlink()) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
        Ok(whole)
    }

    /// A folder beneath this one; the empty path is this one.
    pub(in crate::payloads) fn folder(&self, path: &Path) -> io::Result<Self> {
        Self::open(&self.at(path)?)
    }

    /// The folder of that name in this one, and whether it had to be made.
    pub(in crate::payloads) fn folder_or_new(&self, name: &str) -> io::Result<(Self, bool)> {
        let path = self.at(Path::new(name))?;
        match fs::create_dir(&path) {
            Ok(()) => Ok((Self::open(&path)?, true)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((Self::open(&path)?, false)),
            Err(error) => Err(error),
        }
    }

    /// Opens a regular file to read.
    pub(in crate::payloads) fn file(&self, path: &Path) -> io::Result<File> {
        let path = self.at(path)?;
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        File::open(path)
    }

    /// Makes a new file to write.
    pub(in crate::payloads) fn new_file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.at(Path::new(name))?)
    }

    /// Moves an entry into another folder. An entry that is there already stays, and so does this one.
    pub(in crate::payloads) fn move_to(&self, name: &str, target: &Self, new_name: &str) -> io::Result<()> {
        let (from, to) = (self.at(Path::new(name))?, target.at(Path::new(new_name))?);
        if fs::symlink_metadata(&to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(from, to)
    }

    /// Gives a file a second name in this folder.
    pub(in crate::payloads) fn link(&self, from: &Self, path: &Path, new_name: &str) -> io::Result<()> {
        fs::hard_link(from.at(path)?, self.at(Path::new(new_name))?)
    }

    /// Removes a name that is no folder.
    pub(in crate::payloads) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = self.at(path)?;
        let mut permissions = fs::symlink_metadata(&path)?.permissions();
        if permissions.readonly() {
            // A read-only file cannot be removed on Windows.
            #[expect(
                clippy::permissions_set_readonly_false,
                reason = "the file is removed in the next step"
            )]
            permissions.set_readonly(false);
            fs::set_permissions(&path, permissions)?;
        }
        fs::remove_file(path)
    }

    /// Permission bits of folders do not exist here.
    pub(in crate::payloads) fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    /// What is in this folder, by name.
    pub(in crate::payloads) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let found = entry.file_type()?;
            let kind = match () {
                () if found.is_symlink() => Kind::Link,
                () if found.is_file() => Kind::File,
                () if found.is_dir() => Kind::Folder,
                () => Kind::Other,
            };
            entries.push(Entry { name: entry.file_name(), kind });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }
}

fn folder_handle(path: &Path) -> io::Result<File> {
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        // FILE_FLAG_BACKUP_SEMANTICS: the only way to open a folder.
        OpenOptions::new().read(true).write(true).custom_flags(0x0200_0000).open(path)
    }
    #[cfg(not(windows))]
    File::open(path)
}

/// Makes a file read-only.
pub(in crate::payloads) fn seal(file: &File, _mode: u32) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}

/// Permission bits do not exist here.
pub(in crate::payloads) fn mode(_file: &File) -> io::Result<u32> {
    Ok(0o644)
}

/// Handles cannot be told apart here.
pub(in crate::payloads) fn identity(_file: &File) -> io::Result<Option<(u64, u64)>> {
    Ok(None)
}

/// Sharing blocks is not supported here.
pub(in crate::payloads) fn reflink(_from: &File, _to: &File) -> io::Result<bool> {
    Ok(false)
}

/// Writing ahead of the end is left to the system here.
pub(in crate::payloads) fn begin_writing(_file: &File, _offset: u64, _bytes: u64) {}

/// Pressing a whole file system to the disk is not supported here; the caller presses file by file.
pub(in crate::payloads) fn sync_file_system(_file: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The use of a file system cannot be asked here.
pub(in crate::payloads) fn used_share(_folder: &Path) -> io::Result<f64> {
    Err(io::ErrorKind::Unsupported.into())
}
