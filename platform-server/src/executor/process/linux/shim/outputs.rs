//! What a run left in its writable folders: how much, and, if asked for, each file with its hash.
//!
//! Operators choose names, links and depth, so links are not followed, nothing recurses, and numbers are bounded.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::executor::outcome::OutputFile;

/// What a file or folder takes at least: its inode and its name, so that empty files count too.
const ENTRY_BYTES: u64 = 512;
/// More files than a manifest lists.
const MAX_LISTED: usize = 100_000;

/// What `dirs` take on disk. Files with several names count once. Stops early once `enough` is passed.
pub(super) fn used_bytes<'a>(dirs: impl IntoIterator<Item = &'a Path>, enough: u64) -> u64 {
    let mut used = 0u64;
    let mut linked = HashSet::new();
    let mut queue: Vec<_> = dirs.into_iter().map(Path::to_owned).collect();
    while let Some(dir) = queue.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            // Of the entry itself, not of what a link points to.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.nlink() > 1 && !meta.is_dir() && !linked.insert((meta.dev(), meta.ino())) {
                continue;
            }
            used = used.saturating_add(ENTRY_BYTES).saturating_add(meta.blocks().saturating_mul(512));
            if used > enough {
                return used;
            }
            if meta.is_dir() {
                queue.push(entry.path());
            }
        }
    }
    used
}

/// Every regular file below `dir`, which the operator saw as `place`, by name.
pub(super) fn list(dir: &Path, place: &str, into: &mut Vec<OutputFile>) -> io::Result<()> {
    let mut queue = vec![(dir.to_owned(), place.to_owned())];
    while let Some((dir, place)) = queue.pop() {
        let mut entries: Vec<_> = fs::read_dir(&dir)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = format!("{place}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                queue.push((entry.path(), path));
            } else if kind.is_file() {
                if into.len() >= MAX_LISTED {
                    return Err(io::Error::other(format!("more than {MAX_LISTED} files")));
                }
                let (size_bytes, sha256) = hash(&entry.path())?;
                into.push(OutputFile { path, size_bytes, sha256 });
            }
        }
    }
    Ok(())
}

fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file: File = fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0u64;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            len => {
                hasher.update(buffer.get(..len).unwrap_or_default());
                size += len as u64;
            }
        }
    }
    Ok((size, hex(&hasher.finalize())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_neither_followed_nor_counted_twice() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![1; 64 << 10]).unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        symlink(outside.path().join("big"), dir.path().join("c")).unwrap();
        symlink(outside.path(), dir.path().join("d")).unwrap();
        symlink(dir.path(), dir.path().join("e")).unwrap();
        let used = used_bytes([dir.path()], u64::MAX);
        assert!((64 << 10..100 << 10).contains(&used), "{used}");

        let mut listed = Vec::new();
        list(dir.path(), "/output", &mut listed).unwrap();
        let paths: Vec<_> = listed.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/output/a", "/output/b"]);
    }

    #[test]
    fn files_are_listed_with_their_hash() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("x/y")).unwrap();
        fs::write(dir.path().join("x/y/abc"), "abc").unwrap();
        let mut listed = Vec::new();
        list(dir.path(), "/output", &mut listed).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].path.as_str(), listed[0].size_bytes), ("/output/x/y/abc", 3));
        // FIPS 180-2, appendix B.1.
        assert_eq!(listed[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
