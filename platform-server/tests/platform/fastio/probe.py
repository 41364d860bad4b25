"""Tries what an operator may not do, and prints how each attempt ended."""
import os
import signal
import sys

import lantern_fastio

channel = lantern_fastio.connect()


def attempt(what, work):
    try:
        work()
        print(what, "ok")
    except lantern_fastio.FastIoError as error:
        print(what, lantern_fastio.CODES[error.code])
    sys.stdout.flush()


MIB = 1 << 20
attempt("type", lambda: channel.allocate("typed", "uint8", [4]))
attempt("shape", lambda: channel.allocate("typed", "int16", [5]))
attempt("name", lambda: channel.allocate("a b", "uint8", [4]))
attempt("other's", lambda: channel.open("somebody/typed"))
attempt("absent", lambda: channel.open("absent"))
attempt("huge", lambda: channel.allocate("huge", "float64", [1 << 60]))
attempt("budget", lambda: channel.allocate("large", "uint8", [17 * MIB]))
held = channel.allocate("half", "uint8", [8 * MIB])
attempt("twice", lambda: channel.allocate("half", "uint8", [1]))
attempt("rest", lambda: channel.allocate("rest", "uint8", [9 * MIB]))
held.close()
attempt("freed", lambda: channel.allocate("rest", "uint8", [16 * MIB]).close())

# A child that keeps the pages mapped for writing keeps them from being published.
torn = channel.allocate("torn", "uint8", [4096])
inherited, keep = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(keep[1])
    os.write(inherited[1], b"x")
    os.read(keep[0], 1)
    os._exit(0)
os.read(inherited[0], 1)
attempt("mapped", torn.publish)
os.close(keep[1])
os.close(keep[0])
os.waitpid(child, 0)

buffers = []
try:
    while True:
        buffers.append(channel.allocate("n%d" % len(buffers), "uint8", [1]))
except lantern_fastio.FastIoError as error:
    print("count", len(buffers), lantern_fastio.CODES[error.code])
for buffer in buffers:
    buffer.close()
empty = channel.allocate("empty", "uint8", [0])
empty.publish()
print("empty", channel.open("empty").bytes)
left = channel.allocate("left", "uint8", [MIB])
sys.stdout.flush()
if sys.argv[1:] == ["die"]:
    os.kill(os.getpid(), signal.SIGKILL)
