"""Writes small ICC profiles, pictures that carry one, and what Little CMS makes of their colours.

    python -m venv venv && venv/bin/pip install pillow numpy && venv/bin/python make_color_profiles.py

Profiles are made here from numbers of the standards that define them. Expected colours come from Little CMS through
Pillow (perceptual intent to its sRGB, no flags), never from this project.
"""

import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, features

OUT = Path(__file__).parent / "made" / "color"
# Bradford-adapted to D50, as profiles of these spaces carry them (columns: red, green, blue).
ADOBE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
D50 = np.array([0.9642, 1.0, 0.8249])


def s15(value):
    return struct.pack(">i", round(value * 65536))


def text(value):
    data = value.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(data)) + data + bytes(78)


def xyz(values):
    return b"XYZ " + bytes(4) + b"".join(map(s15, values))


def gamma(value):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def srgb_curve():
    parameters = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(map(s15, parameters))


def profile(kind, space, pcs, version, tags):
    """Header and tags; the date is fixed so that files do not change."""
    head = bytearray(128)
    head[8:12] = struct.pack(">I", version)
    head[12:16], head[16:20], head[20:24] = kind, space, pcs
    head[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head[36:40] = b"acsp"
    head[68:80] = b"".join(map(s15, D50))
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags:
        data += bytes(-len(data) % 4)
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    head[0:4] = struct.pack(">I", start + len(body))
    return bytes(head) + table + body


def matrix(name, columns, curve, kind=b"mntr"):
    tags = [(b"desc", text(name)), (b"wtpt", xyz(D50))]
    tags += [(tag, xyz(columns[:, i])) for i, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    return profile(kind, b"RGB ", b"XYZ ", 0x02200000, tags)


def lab(values):
    f = np.where(values > 216 / 24389, np.cbrt(values), (24389 / 27 * values + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def scanner(grid=9):
    """An input device by a table to Lab (lut16Type), as DICOM asks for; reds and greens leak into each other.

    Nine points along each axis, as many real ones have. Sizes that do not divide 33 points (11, say) differ from Little
    CMS by up to 3 of 255 in dark colours, because both resample the table.
    """
    axis = np.linspace(0, 1, grid)
    device = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1) ** 1.8
    leak = np.array([[0.86, 0.12, 0.02], [0.08, 0.84, 0.08], [0.02, 0.1, 0.88]])
    values = lab(device @ leak.T @ ADOBE.T / D50)
    coded = np.stack([values[..., 0] * 652.8, (values[..., 1] + 128) * 256, (values[..., 2] + 128) * 256], -1)
    clut = np.clip(np.rint(coded), 0, 65535).astype(">u2").tobytes()
    ramp = struct.pack(">2H", 0, 65535) * 3
    identity = b"".join(map(s15, np.eye(3).ravel()))
    table = b"mft2" + bytes(4) + bytes([3, 3, grid, 0]) + identity + struct.pack(">HH", 2, 2) + ramp + clut + ramp
    tags = [(b"desc", text("Made scanner")), (b"wtpt", xyz(D50)), (b"A2B0", table)]
    return profile(b"scnr", b"RGB ", b"Lab ", 0x02200000, tags)


def grey():
    tags = [(b"desc", text("Made grey")), (b"wtpt", xyz(D50)), (b"kTRC", gamma(2.2))]
    return profile(b"mntr", b"GRAY", b"XYZ ", 0x02200000, tags)


def colors():
    steps = [0, 16, 64, 128, 200, 255]
    return np.array([[r, g, b] for r in steps for g in steps for b in steps], np.uint8)


def expected(data, stored):
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    image = Image.fromarray(stored.reshape(1, -1, 3), "RGB")
    intent = ImageCms.Intent.PERCEPTUAL
    shown = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), renderingIntent=intent)
    return np.asarray(shown).reshape(-1, 3)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    profiles = {
        "adobe": matrix("Made Adobe RGB", ADOBE, gamma(563 / 256)),
        "display_p3": matrix("Made Display P3", DISPLAY_P3, srgb_curve()),
        "scanner": scanner(),
    }
    stored = colors()
    truth = {"made_with": f"Pillow with Little CMS {features.version('littlecms2')}", "stored": stored.ravel().tolist()}
    for name, data in profiles.items():
        (OUT / f"{name}.icc").write_bytes(data)
        truth[name] = expected(data, stored).ravel().tolist()
    (OUT / "grey.icc").write_bytes(grey())
    picture = Image.fromarray(stored.reshape(12, 18, 3), "RGB")
    picture.save(OUT / "adobe.png", icc_profile=profiles["adobe"])
    picture.save(OUT / "scanner.tif", icc_profile=profiles["scanner"])
    picture.save(OUT / "display_p3.jpg", icc_profile=profiles["display_p3"], quality=95, subsampling=0)
    picture.save(OUT / "grey_profile.png", icc_profile=grey())
    (OUT / "expected.json").write_text(json.dumps(truth, separators=(",", ":")) + "\n")


main()
