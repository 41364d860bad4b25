//! Memory that an operator was given and cannot use is given back.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]
#![expect(unsafe_code, reason = "the standard library has no memory with seals")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::thread::{self, JoinHandle};

use lantern_fastio::socket::{self, Wait};
use lantern_fastio::wire::{self, MAX_FRAME_BYTES, Reply, Request};
use lantern_fastio::{Channel, FastIoError};

/// A platform that gives a file for a buffer, and tells what it hears next.
fn platform(file: Option<File>) -> (Channel, JoinHandle<Request>) {
    let (line, operators_end) = socket::pair().unwrap();
    let hear = move || {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let received = socket::receive(&line, &mut frame, Wait::Yes).unwrap();
        let (number, request) = wire::decode_request(&frame[..received.len]).unwrap();
        let (reply, file) = match &request {
            Request::Allocate(description) => (Reply::Buffer(description.clone()), file.as_ref()),
            _ => (Reply::Done, None),
        };
        let reply = wire::encode_reply(number, &reply);
        socket::send(&line, &reply, file.map(AsFd::as_fd), Wait::Yes).unwrap();
        request
    };
    let both = move || {
        assert!(matches!(hear(), Request::Allocate(_)));
        hear()
    };
    (Channel::from_socket(operators_end), thread::spawn(both))
}

fn sealed() -> File {
    // SAFETY: the name ends with a zero; the file is new and belongs to nobody else.
    let file = unsafe {
        let made = libc::memfd_create(c"test".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        assert!(made >= 0);
        File::from_raw_fd(made)
    };
    file.set_len(8).unwrap();
    // SAFETY: takes plain numbers.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) }, 0);
    file
}

fn allocate(file: Option<File>) -> (Result<(), FastIoError>, Request) {
    let (channel, next) = platform(file);
    let allocated = channel.allocate::<u8>("x", &[8], "");
    // One that could be used is given back when it goes.
    let allocated = allocated.map(drop);
    // Who hears nothing more hears that this is the end.
    drop(channel);
    (allocated, next.join().unwrap())
}

#[test]
fn memory_that_cannot_be_used_is_given_back() {
    let good = sealed();
    let reads_only = File::open(format!("/proc/self/fd/{}", good.as_raw_fd())).unwrap();
    let shrinks = tempfile::tempfile().unwrap();
    shrinks.set_len(8).unwrap();
    for (what, file) in [("none", None), ("reads only", Some(reads_only)), ("shrinks", Some(shrinks))] {
        let (allocated, next) = allocate(file);
        assert!(allocated.is_err(), "{what}");
        assert_eq!(next, Request::Discard { name: "x".into() }, "{what}");
    }
    let (allocated, next) = allocate(Some(good));
    assert!(allocated.is_ok() && matches!(next, Request::Discard { .. }));
}
