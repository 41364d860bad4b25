"""Sends what no operator should, and prints whether it is still heard."""
import array
import errno
import os
import random
import socket
import struct
import sys
import time

line = socket.socket(fileno=int(os.environ["LANTERN_FASTIO"].removeprefix("fd:")))
assert line.type == socket.SOCK_SEQPACKET
chance = random.Random(int(sys.argv[2]))


def frame(kind, body=b"", number=1, version=1):
    return struct.pack("<IHHII", 16 + len(body), version, kind, number, 0) + body


def text(value):
    return struct.pack("<H", len(value)) + value


def noise():
    shape = chance.randrange(4)
    body = chance.randbytes(chance.choice([0, 1, 7, 40, 5000]))
    if shape == 0:
        return body or b"x"
    if shape == 1:
        return frame(chance.randrange(300), body)
    if shape == 2:
        name = text(chance.randbytes(chance.randrange(9)))
        return frame(1, name + bytes([chance.randrange(13), 16]) + chance.randbytes(128) + text(b""))
    return frame(chance.choice([2, 3, 4, 5, 16, 17, 18]), body, chance.randrange(1 << 32), chance.choice([1, 1, 2]))


what = sys.argv[1]
try:
    if what == "noise":
        for _ in range(int(sys.argv[3])):
            line.send(noise())
            # Some of it may be a message, which is not answered.
            try:
                line.recv(1 << 17, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
    elif what == "deaf":
        while True:
            line.send(frame(5))
    elif what == "flood":
        for at in range(5000):
            line.send(frame(18, b"\x02" + text(b"line %d" % at)))
            line.send(frame(16, struct.pack("<f", at / 5000) + text(b"x" * 4000)))
    elif what == "endless":
        line.send(frame(17))
        time.sleep(0.2)
        for _ in range(63):
            if os.fork() == 0:
                break
        while True:
            line.send(frame(18, b"\x01" + text(b"x" * 4000)))
    elif what == "files":
        own = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 3))]
        for _ in range(2000):
            try:
                line.sendmsg([frame(17)], own)
            except OSError as error:
                # The kernel lets nobody have too many files under way.
                if error.errno != errno.ETOOMANYREFS:
                    raise
                time.sleep(0.01)
    elif what == "oversize":
        line.send(frame(1, b"\xff" * 100000))
        assert struct.unpack("<IHHII", line.recv(1 << 17)[:16])[2] == 255
    line.send(frame(5, number=77))
    for _ in range(1 << 20):
        answer = line.recv(1 << 17)
        if not answer or struct.unpack("<IHHII", answer[:16])[3] == 77:
            break
    print("heard" if answer else "cut")
except OSError as error:
    print("cut")
