"""Makes the compressed frames of the self-test; needs numpy and imagecodecs.

The pictures are those of `src/checks/codecs.rs`: grey = 100 x + 41 y (12 bits), colour = flat blocks of 16 x 16.
The lossless ones decode to exactly these values, whatever made them.
"""

import imagecodecs
import numpy

y, x = numpy.mgrid[0:24, 0:32]
grey = (100 * x + 41 * y).astype(numpy.uint16)

BLOCKS = [
    [(200, 30, 60), (20, 180, 90), (40, 70, 220), (250, 240, 10)],
    [(255, 255, 255), (0, 0, 0), (128, 64, 192), (90, 160, 210)],
]
color = numpy.array(BLOCKS, numpy.uint8).repeat(16, axis=0).repeat(16, axis=1)

files = {
    "grey.jls": imagecodecs.jpegls_encode(grey),
    "grey.ljpg": imagecodecs.ljpeg_encode(grey, bitspersample=12),
    "grey.j2k": imagecodecs.jpeg2k_encode(grey, level=0, codecformat="j2k", reversible=True, bitspersample=12),
    "grey.jhc": imagecodecs.htj2k_encode(grey, reversible=True) if imagecodecs.HTJ2K.available else None,
    "color.jls": imagecodecs.jpegls_encode(color),
    "color.j2k": imagecodecs.jpeg2k_encode(color, level=0, codecformat="j2k", reversible=True, mct=True),
    "color.jpg": imagecodecs.jpeg8_encode(color, level=95, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"),
}
for name, data in files.items():
    if data is None:
        print(name, "left out: no encoder")
        continue
    with open(name, "wb") as file:
        file.write(data)
    print(name, len(data))
