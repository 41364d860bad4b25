"""Tries by hand to change pages that are published, by every file of them that an operator can get."""
import errno
import fcntl
import mmap
import os
import socket
import struct

line = socket.socket(fileno=int(os.environ["LANTERN_FASTIO"].removeprefix("fd:")))
BYTES = 4096


def text(value):
    return struct.pack("<H", len(value)) + value


def ask(kind, body):
    line.send(struct.pack("<IHHII", 16 + len(body), 1, kind, 1, 0) + body)
    answer, files, _, _ = socket.recv_fds(line, 1 << 16, 1)
    assert struct.unpack("<IHHII", answer[:16])[2] in (128, 129), answer
    return files[0] if files else None


def attempt(what, work):
    try:
        work()
        print(what, "worked")
    except OSError as error:
        print(what, errno.errorcode[error.errno])


def change(what, file):
    attempt(what + "-map", lambda: mmap.mmap(file, BYTES, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
    attempt(what + "-write", lambda: os.pwrite(file, b"x", 0))
    attempt(what + "-shrink", lambda: os.ftruncate(file, 1))
    attempt(what + "-grow", lambda: os.ftruncate(file, 2 * BYTES))
    attempt(what + "-seal", lambda: fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW))


name = text(b"own")
own = ask(1, name + struct.pack("<BBQ", 1, 1, BYTES) + text(b""))
# What changes the pages afterwards is proved to work before.
with mmap.mmap(own, BYTES) as pages:
    pages[:4] = b"mine"
attempt("before-map", lambda: mmap.mmap(own, BYTES).close())
attempt("before-write", lambda: os.pwrite(own, b"m", 0))
ask(2, name)
change("own", own)
opened = ask(4, struct.pack("<I", 0) + name)
change("opened", opened)
change("again", os.open("/proc/self/fd/%d" % opened, os.O_RDWR))
print("first", os.pread(opened, 5, 0).decode().replace("\0", "."), os.fstat(opened).st_size)
