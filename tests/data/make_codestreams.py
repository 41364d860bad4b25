"""Writes made/codestreams: compressed frames of a known pattern, for the matrix of codecs and colour models.

Needs numpy and imagecodecs (libjpeg-turbo, CharLS, OpenJPEG, libjxl); tests wrap the frames in DICOM themselves.
The colour pattern is four flat quadrants of 32 x 32 pixels, the grey one a ramp of 12 bits, so that the expected
values stand in the tests and do not come from any decoder. Only the lossy JPEG XL pictures have a `.raw` beside
them: what libjxl decodes them to.
"""

from pathlib import Path

import imagecodecs
import numpy as np

OUT = Path(__file__).parent / "made" / "codestreams"
COLORS = [[(200, 40, 60), (30, 180, 90)], [(50, 70, 210), (240, 220, 20)]]


def quadrants():
    rgb = np.zeros((32, 32, 3), np.uint8)
    for row in range(2):
        for column in range(2):
            rgb[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = COLORS[row][column]
    return rgb


def to_ybr(rgb):
    """YBR_FULL of PS3.3 C.7.6.3.1.2."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 0.2990 * r + 0.5870 * g + 0.1140 * b
    cb = -0.1687 * r - 0.3313 * g + 0.5000 * b + 128
    cr = 0.5000 * r - 0.4187 * g - 0.0813 * b + 128
    return np.clip(np.round(np.stack([y, cb, cr], -1)), 0, 255).astype(np.uint8)


def ramp12():
    y, x = np.mgrid[0:16, 0:16]
    return ((x * 257 + y * 31) % 4096).astype(np.uint16)


def write(name, data):
    (OUT / name).write_bytes(data)
    print(name, len(data))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rgb, ybr = quadrants(), to_ybr(quadrants())
    jpeg = imagecodecs.jpeg8_encode
    write("jpeg_jfif_ycc_444.jpg", jpeg(rgb, 95, colorspace="RGB", outcolorspace="YCBCR", subsampling="444"))
    write("jpeg_jfif_ycc_422.jpg", jpeg(rgb, 95, colorspace="RGB", outcolorspace="YCBCR", subsampling="422"))
    write("jpeg_jfif_ycc_420.jpg", jpeg(rgb, 95, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"))
    adobe = jpeg(rgb, 95, colorspace="RGB", outcolorspace="RGB", subsampling="444")
    write("jpeg_adobe_rgb.jpg", adobe)
    write("jpeg_lossless_rgb.jpg", jpeg(rgb, colorspace="RGB", outcolorspace="RGB", lossless=True, predictor=1))
    for predictor in range(1, 8):
        packed = jpeg(ramp12(), lossless=True, predictor=predictor, bitspersample=12)
        write(f"jpeg_lossless_{predictor}.jpg", packed)
    write("jpegls_rgb.jls", imagecodecs.jpegls_encode(rgb))
    write("j2k_mct.j2k", imagecodecs.jpeg2k_encode(rgb, codecformat="J2K", reversible=True, level=0, mct=True))
    write("j2k_plain_rgb.j2k", imagecodecs.jpeg2k_encode(rgb, codecformat="J2K", reversible=True, level=0, mct=False))
    write("j2k_plain_ybr.j2k", imagecodecs.jpeg2k_encode(ybr, codecformat="J2K", reversible=True, level=0, mct=False))
    write("jxl_rgb.jxl", imagecodecs.jpegxl_encode(rgb, lossless=True))
    write("jxl_grey12.jxl", imagecodecs.jpegxl_encode(ramp12(), lossless=True, bitspersample=12))
    write("htj2k_rgb.j2k", imagecodecs.htj2k_encode(rgb, reversible=True))
    write("jxl_from_jpeg.jxl", imagecodecs.jpegxl_encode_jpeg((OUT / "jpeg_jfif_ycc_444.jpg").read_bytes(), usecontainer=False))
    for name, picture in [("jxl_lossy_rgb", rgb), ("jxl_lossy_grey", np.ascontiguousarray(rgb[..., 0]))]:
        packed = imagecodecs.jpegxl_encode(picture, distance=1.0)
        write(f"{name}.jxl", packed)
        write(f"{name}.raw", imagecodecs.jpegxl_decode(packed).tobytes())


if __name__ == "__main__":
    main()
