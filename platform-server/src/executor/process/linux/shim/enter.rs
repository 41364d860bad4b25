//! The way into the sandbox: what happens between the shim and bubblewrap.
//!
//! Where the server is root, the child first makes a mount namespace of its own, puts everything that bubblewrap shall
//! find below one small folder, and then becomes a user without rights: bubblewrap itself never runs as root.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::Pid;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::super::protocol::{ResourceLimit, Sandbox};
use super::super::sandbox::{CHANNEL_FD, INIT_SOCKET_FD, SECCOMP_FD, STAGE};
use super::super::seccomp;
use super::program::set_limit;

/// Starts bubblewrap; returns its pid once its file runs.
pub(super) fn start(
    sandbox: &Sandbox,
    socket: OwnedFd,
    output: OwnedFd,
    error: OwnedFd,
    doors: Vec<File>,
    channel: Option<OwnedFd>,
    limit: Option<ResourceLimit>,
) -> io::Result<Pid> {
    let filter = filter_file()?;
    let mut command = Command::new(&sandbox.program);
    command.args(&sandbox.arguments).args(&sandbox.init).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(output).stderr(error);
    let inherited = [
        Some((socket, INIT_SOCKET_FD)),
        filter.map(|filter| (filter.into(), SECCOMP_FD)),
        channel.map(|channel| (channel, CHANNEL_FD)),
    ];
    prepare_child(&mut command, sandbox, inherited.into_iter().flatten().collect(), doors, limit);
    let child = command.spawn()?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The filter of system calls as a file that bubblewrap reads.
fn filter_file() -> io::Result<Option<File>> {
    let Some(filter) = seccomp::filter() else { return Ok(None) };
    let mut file = File::from(rustix::fs::memfd_create("filter", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(&filter)?;
    file.rewind()?;
    Ok(Some(file))
}

#[expect(unsafe_code, reason = "code between fork and exec")]
fn prepare_child(
    command: &mut Command,
    sandbox: &Sandbox,
    inherited: Vec<(OwnedFd, i32)>,
    mut doors: Vec<File>,
    limit: Option<ResourceLimit>,
) {
    let (runs_as, staged) = (sandbox.runs_as, sandbox.staged.clone());
    // SAFETY: this process has one thread, so the child may do what any process may.
    unsafe {
        command.pre_exec(move || {
            for door in &mut doors {
                door.write_all(b"0")?;
            }
            for (file, number) in &inherited {
                inherit(file.as_raw_fd(), *number)?;
            }
            limit.map_or(Ok(()), set_limit)?;
            if let Some((user, group)) = runs_as {
                stage(&staged)?;
                become_user(user, group)?;
            }
            Ok(())
        });
    }
}

/// Under the number `to`, which survives exec.
#[expect(unsafe_code, reason = "the number is part of the contract with who inherits it")]
pub(super) fn inherit(from: i32, to: i32) -> io::Result<()> {
    // SAFETY: takes plain numbers; whatever had the number `to` in this child is not used any more.
    if unsafe { libc::dup2(from, to) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts `sources` at `STAGE/0`, `STAGE/1` and so on, in a mount namespace of this process alone.
#[expect(unsafe_code, reason = "unshare is unsafe as it could unshare open files")]
fn stage(sources: &[PathBuf]) -> io::Result<()> {
    // SAFETY: a mount namespace only; files and memory stay as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS)? };
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // Opened before the stage hides what lies where it is.
    let open = |path: &PathBuf| -> io::Result<(OwnedFd, bool)> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        let is_dir = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).is_dir();
        Ok((file, is_dir))
    };
    let opened = sources.iter().map(open).collect::<io::Result<Vec<_>>>()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", STAGE, "tmpfs", flags, Some(c"mode=0711,size=64k"))?;
    for (index, (file, is_dir)) in opened.iter().enumerate() {
        let place = Path::new(STAGE).join(index.to_string());
        if *is_dir {
            fs::create_dir(&place)?;
        } else {
            File::create(&place)?;
        }
        mount_bind(format!("/proc/self/fd/{}", file.as_raw_fd()), &place)?;
    }
    Ok(())
}

/// For good: no way back to the server's user.
#[expect(
    unsafe_code,
    reason = "the whole process changes its user, of which the standard library has no account"
)]
fn become_user(user: u32, group: u32) -> io::Result<()> {
    // SAFETY: take plain numbers and a list that is empty; this process has one thread.
    let is_done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(group, group, group) == 0
            && libc::setresuid(user, user, user) == 0
    };
    if is_done { Ok(()) } else { Err(io::Error::last_os_error()) }
}
