"""Does what its arguments say with buffers, one after the other, and prints how each ended."""
import os
import socket
import struct
import sys
import time

import lantern_fastio

channel = lantern_fastio.connect()
kept = []


def listed():
    """Asks by hand: the library has no call for it."""
    line = socket.socket(fileno=os.dup(int(os.environ["LANTERN_FASTIO"].removeprefix("fd:"))))
    line.send(struct.pack("<IHHII", 16, 1, 5, 9, 0))
    answer = line.recv(1 << 17)
    assert struct.unpack("<IHHII", answer[:16]) == (len(answer), 1, 130, 9, 0)
    is_cut, count = struct.unpack_from("<BH", answer, 16)
    at, entries = 19, []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", answer, at)
        name = answer[at + 2:at + 2 + length].decode()
        element, rank = struct.unpack_from("<BB", answer, at + 2 + length)
        at += 4 + length
        shape = struct.unpack_from("<%dQ" % rank, answer, at)
        at += 8 * rank
        role, is_published = struct.unpack_from("<BB", answer, at)
        at += 2
        entries.append("%s=%d[%s]%d%d" % (name, element, ",".join(map(str, shape)), role, is_published))
    assert at == len(answer) and not is_cut
    return " ".join(entries)


def do(what, name="", value="0"):
    if what == "publish":
        buffer = channel.allocate(name, "int32", [1])
        buffer.data[0] = int(value)
        buffer.publish()
    elif what == "allocate":
        kept.append(channel.allocate(name, "uint8", [3, 5]))
    elif what == "open":
        return str(channel.open(name, float(value)).data[0])
    elif what == "list":
        return listed()
    elif what == "ready":
        channel.ready()
    elif what == "wait":
        while not os.path.exists(name):
            time.sleep(0.02)
    elif what == "fail":
        sys.exit(3)
    return "ok"


for step in sys.argv[1:]:
    words = step.split(":")
    try:
        how = do(*words)
    except lantern_fastio.FastIoError as error:
        how = lantern_fastio.CODES[error.code]
    print(*words, how, flush=True)
