"""Tries what an operator may not do, and prints how each attempt ended."""
import os
import resource
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


print("files", *resource.getrlimit(resource.RLIMIT_NOFILE))
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

# Pages that somebody still looks at are not unmapped: the next buffer would lie at the same address.
used = channel.allocate("used", "int16", [2048])
whole = used.data
part = whole[10:20].toreadonly()
attempt("in-use", used.publish)
attempt("in-use", used.close)
whole[15] = 7
whole = None
attempt("part", used.publish)
part = None
attempt("unused", used.publish)
again = channel.open("used")
assert again.data[15] == 7 and sum(again.data) == 7
view = again.data
attempt("view", again.close)
assert view[15] == 7
view = None
attempt("closed", again.close)
try:
    with channel.allocate("broken", "uint8", [1]) as broken:
        held = broken.data
        raise ValueError("own")
except ValueError as error:
    print("broken", error)
held = None
broken.close()

left = channel.allocate("left", "uint8", [MIB])
sys.stdout.flush()
if sys.argv[1:] == ["die"]:
    os.kill(os.getpid(), signal.SIGKILL)
