//! The shim's program as the spawner: forks itself for each run.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;

use rustix::stdio;

use super::super::spawner::{SPAWNER_ARGUMENT, TOKEN_BYTES, receive};
use super::supervise;

pub(super) fn run() -> ExitCode {
    match make_shims() {
        Ok(Role::Spawner) => ExitCode::SUCCESS,
        Ok(Role::Shim) => supervise::run(),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Which process came back.
enum Role {
    Spawner,
    Shim,
}

/// Returns in the spawner when the server is gone, and in each copy at once.
fn make_shims() -> io::Result<Role> {
    // A signal for the server's terminal is none for it.
    _ = rustix::process::setsid();
    reap_by_itself()?;
    let place = argument_place()?;
    // Proves that copies will be able to.
    write_argument(place, SPAWNER_ARGUMENT)?;
    rustix::io::write(stdio::stdin(), b"+")?;
    while let Some((token, [input, output])) = receive(stdio::stdin())? {
        // Where there is room for no more processes, this run is lost, and none that waits behind it: the server sees
        // that its files are closed.
        if let Ok(true) = fork() {
            become_shim(place, &token, &input, &output)?;
            return Ok(Role::Shim);
        }
    }
    Ok(Role::Spawner)
}

/// Takes the run's files, the spawner's own socket making room, and the run's name.
fn become_shim(place: u64, token: &str, input: &OwnedFd, output: &OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(input.as_fd())?;
    rustix::stdio::dup2_stdout(output.as_fd())?;
    write_argument(place, token)
}

/// Where the last argument of this process lies in its memory, as the kernel shows it to others.
fn argument_place() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    // `arg_end` is field 49; the name before is field 2. Behind the argument comes a zero.
    let end = fields.split_whitespace().nth(46).and_then(|field| field.parse::<u64>().ok());
    let place =
        end.and_then(|end| end.checked_sub(TOKEN_BYTES as u64 + 1)).ok_or(io::ErrorKind::InvalidData)?;
    let mut found = [0; TOKEN_BYTES];
    File::open("/proc/self/mem")?.read_exact_at(&mut found, place)?;
    if found == SPAWNER_ARGUMENT.as_bytes() { Ok(place) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn write_argument(place: u64, argument: &str) -> io::Result<()> {
    File::options().write(true).open("/proc/self/mem")?.write_all_at(argument.as_bytes(), place)
}

/// True in the copy.
#[expect(unsafe_code, reason = "fork")]
fn fork() -> io::Result<bool> {
    // SAFETY: this process has one thread, so the copy may do what any process may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(pid == 0),
    }
}

/// Lets the system forget copies that have ended; a shim takes its own children up again.
#[expect(unsafe_code, reason = "no safe wrapper for signal")]
fn reap_by_itself() -> io::Result<()> {
    // SAFETY: sets a disposition that needs no handler.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}
