"""Waits for a file, then reads `voxels`."""
import os
import sys
import time

import lantern_fastio

channel = lantern_fastio.connect()
channel.ready()
channel.progress(0.5, "waiting")
while len(sys.argv) > 1 and not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
voxels = channel.open("voxels")
print("sum", sum(voxels.data[:1000]), voxels.bytes)
