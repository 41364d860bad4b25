//! ZIP archives: members are unpacked one at a time into memory, with their sizes checked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zip::ZipArchive;

use super::bytes::read_bounded;
use crate::formats::find::is_junk_name;

/// Deflate cannot pack better than this; a member that claims more is a bomb or damaged.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Largest member that is unpacked.
const MAX_MEMBER_BYTES: u64 = 4 << 30;
/// Most members that are looked at.
const MAX_MEMBERS: usize = 200_000;

/// A ZIP archive on disk.
#[derive(Debug)]
pub(crate) struct ZipArchiveFile {
    /// Cloned for each reader; the clones share the parsed table of contents.
    archive: ZipArchive<SharedFile>,
}

/// One open file read by many threads, each at its own position.
#[derive(Debug, Clone)]
struct SharedFile {
    file: Arc<Mutex<File>>,
    position: u64,
    len: u64,
}

impl Read for SharedFile {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.read(target)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.len.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// A member of an archive that may be an image.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) index: usize,
    /// The archive's path joined with the name inside; for people only, never opened.
    pub(crate) path: PathBuf,
}

impl ZipArchiveFile {
    /// Lists the members of the archive at `path`, hidden ones and folders left out.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Member>)> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let shared = SharedFile { file: Arc::new(Mutex::new(file)), position: 0, len };
        let mut archive = ZipArchive::new(shared).map_err(io::Error::other)?;
        if archive.len() > MAX_MEMBERS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many members"));
        }
        let mut members = Vec::new();
        for index in 0..archive.len() {
            // A member whose place or name is damaged is listed too: reading it will say what is wrong.
            let name = match archive.by_index_raw(index) {
                Ok(member) if member.is_dir() => continue,
                Ok(member) => member.name().ok().map(|name| name.replace('\\', "/")),
                Err(_) => None,
            };
            let name = name.unwrap_or_else(|| format!("member {}", index + 1));
            let inside: PathBuf =
                Path::new(&name).components().filter(|c| matches!(c, Component::Normal(_))).collect();
            let is_hidden = inside.components().any(|c| is_junk_name(&c.as_os_str().to_string_lossy()));
            if !is_hidden {
                members.push(Member { index, path: path.join(inside) });
            }
        }
        Ok((Self { archive }, members))
    }

    /// Unpacks one member into memory.
    pub(crate) fn read_member(&self, index: usize) -> io::Result<Vec<u8>> {
        let mut archive = self.archive.clone();
        let member = archive.by_index(index).map_err(io::Error::other)?;
        let packed = member.compressed_size();
        let limit = packed.saturating_mul(MAX_DEFLATE_RATIO).saturating_add(64).min(MAX_MEMBER_BYTES);
        let claimed = member.size();
        if claimed > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "claims to unpack to more than its size allows",
            ));
        }
        read_bounded(member, claimed, claimed)
    }
}
