#!/usr/bin/env python3
"""Makes the small generated files in made/ and what a reader has to find in them (made/expected.json).

    pip install SimpleITK==2.5.7 nibabel==5.4.2 pynrrd==1.1.3 numpy pillow tifffile
    python3 make_volumes.py

Values and geometry in expected.json come from SimpleITK or nibabel reading the file back, never from the product and,
where a reader exists, never from the code that wrote the file. Where no reader understands a file (named in `by`), the
expectation is written down here with its reason. The matrix is LPS from index, three rows of four numbers; values are
modality values, channels innermost, then x, y, z, time; NaN is null.
"""

import gzip
import json
import shutil
import zlib
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import SimpleITK as sitk
import tifffile
from PIL import Image

HERE = Path(__file__).resolve().parent
OUT = HERE / "made"
X, Y, Z = 5, 4, 3
RNG = np.random.default_rng(2)
expected = {}

NUMPY_NAMES = {"uint64": "float64", "int64": "float64"}


def numbers(array):
    flat = np.asarray(array, dtype=np.float64).ravel()
    return [None if np.isnan(v) else float(v) for v in flat]


def note(name, by, stored, values, matrix, time_points=1, channels=1, dims=(X, Y, Z), warnings=()):
    stored = np.dtype(stored).name
    expected[name] = {
        "by": by,
        "dims": list(dims),
        "time_points": time_points,
        "channels": channels,
        "voxel_type": NUMPY_NAMES.get(stored, stored),
        "lps_from_index": [[float(c) for c in row] for row in matrix],
        "values": numbers(values),
        "warnings": list(warnings),
    }


def block(dtype, shape=(Z, Y, X), low=None, high=None):
    """Values over the whole range of the type, in NumPy order (z, y, x)."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (RNG.standard_normal(shape) * 1000).astype(dtype)
    info = np.iinfo(dtype)
    low = max(info.min, -(2**53)) if low is None else low
    high = min(info.max, 2**53) if high is None else high
    return RNG.integers(low, high, shape, dtype=np.int64 if dtype != np.uint64 else np.uint64, endpoint=True).astype(dtype)


# ---------------------------------------------------------------- NIfTI

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
PLAIN = np.array([[-0.5, 0, 0, 11.0], [0, 0.75, 0, -22.0], [0, 0, 2.0, 33.0], [0, 0, 0, 1]])
SHEARED = np.array([[0.5, 0.1, 0.3, -7.0], [-0.05, 0.8, 0.4, 5.0], [0.02, -0.1, 1.9, 3.0], [0, 0, 0, 1]])


def nifti_truth(name, time_points=1, channels=1, dims=(X, Y, Z), warnings=(), matrix=None, by="nibabel"):
    image = nibabel.load(OUT / name)
    data = np.asanyarray(image.dataobj)
    stored = image.get_data_dtype()
    values = np.ascontiguousarray(data.T)
    if stored.fields:
        stored = np.dtype("u1")
        values = values.view(np.uint8).reshape(*values.shape, -1)
    matrix = LPS @ image.affine if matrix is None else matrix
    note(name, by, stored, values, matrix[:3], time_points, channels, dims, warnings)


def save_nifti(name, array, affine=PLAIN, order="<", cls=nibabel.Nifti1Image, header=None, qform=None, sform=2):
    """`array` in NumPy order (t, z, y, x)."""
    base = cls.header_class(endianness=order)
    base.set_data_dtype(array.dtype.newbyteorder("="))
    image = cls(array.T, affine, base)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine if sform else None, sform)
    image.set_qform(*(qform or (None, 0)))
    for key, value in (header or {}).items():
        image.header[key] = value
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)


def patch(name, offset, data):
    path = OUT / name
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(data)] = data
    path.write_bytes(raw)


def make_nifti():
    for code in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
        for order, suffix in (("<", "le"), (">", "be")):
            name = f"nifti/{np.dtype(code).name}_{suffix}.nii"
            save_nifti(name, block(code), order=order)
            nifti_truth(name)
    save_nifti("nifti/compressed.nii.gz", block("i2"))
    nifti_truth("nifti/compressed.nii.gz")

    # Two gzip members and padding behind them, as some tools write.
    raw = (OUT / "nifti/int16_le.nii").read_bytes()
    members = gzip.compress(raw[:400], mtime=0) + gzip.compress(raw[400:], mtime=0) + bytes(16)
    (OUT / "nifti/members.nii.gz").write_bytes(members)
    source = expected["nifti/int16_le.nii"]
    expected["nifti/members.nii.gz"] = dict(source, by="nibabel of int16_le.nii")

    save_nifti("nifti/pair.hdr", block("i2"), cls=nibabel.Nifti1Pair)
    nifti_truth("nifti/pair.hdr")
    save_nifti("nifti/pair_compressed.hdr.gz", block("f4"), cls=nibabel.Nifti1Pair, order=">")
    nifti_truth("nifti/pair_compressed.hdr.gz")
    save_nifti("nifti/two.nii", block("i2"), cls=nibabel.Nifti2Image)
    nifti_truth("nifti/two.nii")
    save_nifti("nifti/two_pair_be.hdr", block("f8"), cls=nibabel.Nifti2Pair, order=">", affine=SHEARED)
    nifti_truth("nifti/two_pair_be.hdr")

    for code, name, channels in (("RGB", "rgb24", 3), ("RGBA", "rgba32", 4)):
        kind = np.dtype([(c, "u1") for c in code])
        colours = block("u1", (Z, Y, X, channels))
        save_nifti(f"nifti/{name}.nii", colours.view(kind)[..., 0])
        nifti_truth(f"nifti/{name}.nii", channels=channels)

    save_nifti("nifti/time.nii", block("i2", (4, Z, Y, X)))
    nifti_truth("nifti/time.nii", time_points=4)
    save_nifti("nifti/five_dimensions.nii", block("i2", (3, 2, Z, Y, X)))
    nifti_truth("nifti/five_dimensions.nii", time_points=6, warnings=["more than four dimensions"])
    save_nifti("nifti/flat.nii", block("i2", (Y, X)))
    nifti_truth("nifti/flat.nii", dims=(X, Y, 1))
    # Sizes beyond the number of dimensions mean nothing.
    save_nifti("nifti/idle_dimensions.nii", block("i2"))
    patch("nifti/idle_dimensions.nii", 48, np.array([7, -3, 0, 9], "<i2").tobytes())
    nifti_truth("nifti/idle_dimensions.nii")

    save_nifti("nifti/sheared.nii", block("i2"), affine=SHEARED)
    nifti_truth("nifti/sheared.nii")
    rotation = nibabel.eulerangles.euler2mat(0.3, -0.7, 1.1)
    for name, handedness in (("qform", 1), ("qform_left_handed", -1)):
        affine = np.eye(4)
        affine[:3, :3] = rotation @ np.diag([0.5, 0.75, 2.0 * handedness])
        affine[:3, 3] = 4, -5, 6
        save_nifti(f"nifti/{name}.nii", block("i2"), qform=(affine, 1), sform=0, affine=affine)
        nifti_truth(f"nifti/{name}.nii")
    # A half turn, where the number that the header leaves out is zero.
    half_turn = np.diag([0.5, -0.75, -2.0, 1.0])
    save_nifti("nifti/qform_half_turn.nii", block("i2"), qform=(half_turn, 1), sform=0, affine=half_turn)
    nifti_truth("nifti/qform_half_turn.nii")
    save_nifti("nifti/both_forms.nii", block("i2"), affine=SHEARED, qform=(half_turn, 1))
    nifti_truth("nifti/both_forms.nii")
    save_nifti("nifti/broken_sform.nii", block("i2"), qform=(half_turn, 1))
    patch("nifti/broken_sform.nii", 280, bytes(48))
    nifti_truth("nifti/broken_sform.nii", matrix=LPS @ half_turn, by="the qform written here; nibabel takes the zeros",
                warnings=["not usable"])

    # Nobody knows the directions: as SimpleITK reads it.
    save_nifti("nifti/no_forms.nii", block("i2"), sform=0)
    patch("nifti/no_forms.nii", 80, np.array([0.5, 0.75, 2.0], "<f4").tobytes())
    image = sitk.ReadImage(OUT / "nifti/no_forms.nii")
    note("nifti/no_forms.nii", "SimpleITK", "i2", sitk.GetArrayFromImage(image), itk_matrix(image),
         warnings=["no patient position"])

    for unit, name in (("meter", "metres"), ("micron", "micrometres")):
        save_nifti(f"nifti/{name}.nii", block("i2"))
        image = nibabel.load(OUT / f"nifti/{name}.nii")
        header = image.header.copy()
        header.set_xyzt_units(unit)
        patch(f"nifti/{name}.nii", 123, header.binaryblock[123:124])
        image = sitk.ReadImage(OUT / f"nifti/{name}.nii")
        note(f"nifti/{name}.nii", "SimpleITK", "i2", sitk.GetArrayFromImage(image), itk_matrix(image))

    save_nifti("nifti/scaled.nii", block("i2"))
    patch("nifti/scaled.nii", 112, np.array([0.25, -1000.5], "<f4").tobytes())
    nifti_truth("nifti/scaled.nii")
    expected["nifti/scaled.nii"]["voxel_type"] = "int16"
    save_nifti("nifti/slope_zero.nii", block("i2"))
    patch("nifti/slope_zero.nii", 112, np.array([0.0, 100.0], "<f4").tobytes())
    nifti_truth("nifti/slope_zero.nii")
    holes = block("f4")
    holes[1, 2, 3], holes[0, 0, 0] = np.nan, np.nan
    save_nifti("nifti/holes.nii", holes)
    nifti_truth("nifti/holes.nii")

    # Refused by name.
    save_nifti("nifti/complex.nii", block("f4").astype("c8"))
    save_nifti("nifti/analyze.hdr", block("i2"), cls=nibabel.Nifti1Pair)
    patch("nifti/analyze.hdr", 344, bytes(4))
    # A 2 KiB file that claims 2 GiB, plain and compressed.
    save_nifti("nifti/claims_2_gib.nii", block("i2", (7, 7, 17)))
    patch("nifti/claims_2_gib.nii", 42, np.array([1024, 1024, 1024], "<i2").tobytes())
    (OUT / "nifti/claims_2_gib.nii.gz").write_bytes(gzip.compress((OUT / "nifti/claims_2_gib.nii").read_bytes(), mtime=0))


# ---------------------------------------------------------------- MetaImage and NRRD, read by SimpleITK


def itk_matrix(image):
    n = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(n, n)
    matrix = np.eye(3, 4)
    k = min(n, 3)
    matrix[:k, :k] = (direction @ np.diag(image.GetSpacing()))[:k, :k]
    matrix[:k, 3] = image.GetOrigin()[:k]
    return matrix


def itk_truth(name, warnings=(), colour=True):
    image = sitk.ReadImage(OUT / name)
    size = (*image.GetSize(), 1, 1)[:4]
    components = image.GetNumberOfComponentsPerPixel()
    values = sitk.GetArrayFromImage(image)
    time_points, channels = size[3], components
    if components > 1 and not colour:
        values, time_points, channels = np.moveaxis(values, -1, 0), components, 1
    note(name, "SimpleITK", values.dtype, values, itk_matrix(image), time_points, channels, size[:3], warnings)


def itk_image(array, vector=False, direction=None, spacing=(0.5, 0.75, 2.0), origin=(-11.0, 22.0, 33.0)):
    image = sitk.GetImageFromArray(array, isVector=vector)
    n = image.GetDimension()
    image.SetSpacing((*spacing, 1.0)[:n])
    image.SetOrigin((*origin, 0.0)[:n])
    if direction is not None:
        image.SetDirection(direction.ravel())
    return image


ROTATION = nibabel.eulerangles.euler2mat(0.3, -0.7, 1.1)


def write_itk(name, image, compress=False):
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, path, compress)


def by_hand(name, header, data=b""):
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + data)


def make_metaimage():
    for code in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
        name = f"metaimage/{np.dtype(code).name}.mha"
        write_itk(name, itk_image(block(code), direction=ROTATION), compress=code in ("i2", "f8"))
        itk_truth(name)
    write_itk("metaimage/detached.mhd", itk_image(block("i2"), direction=ROTATION))
    itk_truth("metaimage/detached.mhd")
    write_itk("metaimage/detached_compressed.mhd", itk_image(block("u2")), compress=True)
    itk_truth("metaimage/detached_compressed.mhd")
    write_itk("metaimage/rgb.mha", itk_image(block("u1", (Z, Y, X, 3)), vector=True))
    itk_truth("metaimage/rgb.mha")
    write_itk("metaimage/rgba.mha", itk_image(block("u1", (Z, Y, X, 4)), vector=True), compress=True)
    itk_truth("metaimage/rgba.mha")
    write_itk("metaimage/displacement.mha", itk_image(block("f4", (Z, Y, X, 3)), vector=True))
    itk_truth("metaimage/displacement.mha", colour=False, warnings=["3 components"])
    write_itk("metaimage/flat.mha", itk_image(block("i2", (Y, X)), direction=np.array([[0.0, -1], [1, 0]])))
    itk_truth("metaimage/flat.mha")
    write_itk("metaimage/time.mha", itk_image(block("i2", (2, Z, Y, X))))
    itk_truth("metaimage/time.mha")

    head = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = {X} {Y} {Z}\n"
    place = "ElementSpacing = 0.5 0.75 2\nOffset = 1 2 3\n"
    matrix = "0 1 0 0 0 1 1 0 0"
    data = block("i2")
    cases = {
        "big_endian.mha": (place + "BinaryDataByteOrderMSB = True\n", data.astype(">i2")),
        "big_endian_element.mha": (place + "ElementByteOrderMSB = True\n", data.astype(">i2")),
        "size_only.mha": ("ElementSize = 0.5 0.75 2\nPosition = 1 2 3\n", data),
        "size_and_spacing.mha": (place + "ElementSize = 9 9 9\n", data),
        "orientation.mha": (f"ElementSpacing = 0.5 0.75 2\nOrientation = {matrix}\nOrigin = 1 2 3\n", data),
        "rotation.mha": (f"ElementSpacing = 0.5 0.75 2\nRotation = {matrix}\nPosition = 1 2 3\n", data),
        # ITK does not look at the letters.
        "letters.mha": (place + f"TransformMatrix = {matrix}\nAnatomicalOrientation = LPI\n", data),
        "center_of_rotation.mha": (place + f"TransformMatrix = {matrix}\nCenterOfRotation = 5 6 7\n", data),
        "negative_spacing.mha": ("ElementSpacing = -0.5 0.75 2\nOffset = 1 2 3\n", data),
        "sheared.mha": (place + "TransformMatrix = 1 0 0 0 1 0 0 0.3 0.9\n", data),
        "windows_lines.mha": (place.replace("\n", "\r\n"), data),
    }
    for name, (fields, values) in cases.items():
        by_hand(f"metaimage/{name}", head + fields + "ElementType = MET_SHORT\nElementDataFile = LOCAL\n", values.tobytes())
        itk_truth(f"metaimage/{name}")
    bare = head + "ElementType = MET_SHORT\n%sElementDataFile = LOCAL\n"
    by_hand("metaimage/bare.mha", bare % "", data.tobytes())
    itk_truth("metaimage/bare.mha", warnings=["spacing along z", "no patient position"])
    by_hand("metaimage/slope.mha", bare % "ElementToIntensityFunctionSlope = 2\n", data.tobytes())
    itk_truth("metaimage/slope.mha", warnings=["ElementToIntensityFunction"])
    by_hand("metaimage/long.mha", (bare % "").replace("SHORT", "LONG"), block("i4").tobytes())
    itk_truth("metaimage/long.mha", warnings=["no patient position"])

    files = head + place + "ElementType = MET_SHORT\n"
    for k in range(Z):
        by_hand(f"metaimage/slice{2 * k + 8:02}.raw", "", data[k].tobytes())
    by_hand("metaimage/list.mhd", files + "ElementDataFile = LIST\n" + "".join(f"slice{2 * k + 8:02}.raw\n" for k in range(Z)))
    by_hand("metaimage/pattern.mhd", files + "ElementDataFile = slice%02d.raw 8 12 2\n")
    by_hand("metaimage/skip.raw", "", b"some other header" + data.tobytes())
    by_hand("metaimage/skip_end.mhd", files + "HeaderSize = -1\nElementDataFile = skip.raw\n")
    by_hand("metaimage/skip_bytes.mhd", files + "HeaderSize = 17\nElementDataFile = skip.raw")
    for name in ("list", "pattern", "skip_end", "skip_bytes"):
        itk_truth(f"metaimage/{name}.mhd")

    # Refused by name, or damaged.
    by_hand("metaimage/text.mha", head.replace("BinaryData = True", "BinaryData = False") + "ElementType = MET_SHORT\nElementDataFile = LOCAL\n1 2 3\n")
    by_hand("metaimage/tube.mha", "ObjectType = Tube\nNDims = 3\nElementDataFile = LOCAL\n")
    by_hand("metaimage/missing_data.mhd", files + "ElementDataFile = gone.raw\n")
    by_hand("metaimage/claims_2_gib.mha", files.replace(f"DimSize = {X} {Y} {Z}", "DimSize = 1024 1024 1024") + "ElementDataFile = LOCAL\n", bytes(1800))
    by_hand("metaimage/bomb.mha", files.replace(f"DimSize = {X} {Y} {Z}", "DimSize = 1024 1024 1024") + "CompressedData = True\nElementDataFile = LOCAL\n", zlib.compress(bytes(1 << 21), 9))


def make_nrrd():
    for code in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
        name = f"nrrd/{np.dtype(code).name}.nrrd"
        write_itk(name, itk_image(block(code), direction=ROTATION), compress=code in ("i2", "f8"))
        itk_truth(name)

    data = block("i2")

    def head(fields, sizes=f"{X} {Y} {Z}", kind="short", encoding="raw", endian="little"):
        rank = len(sizes.split())
        return (f"NRRD0004\n# made by make_volumes.py\ntype: {kind}\ndimension: {rank}\nsizes: {sizes}\n"
                f"encoding: {encoding}\nendian: {endian}\nsome key:=some value\n{fields}")

    def attached(name, fields, values=data, warnings=(), **more):
        by_hand(f"nrrd/{name}", head(fields, **more) + "\n", values if isinstance(values, bytes) else values.tobytes())
        itk_truth(f"nrrd/{name}", warnings=warnings)

    axes = "space directions: (0,0.5,0) (0,0,0.75) (2,0,0)\nspace origin: (1,2,3)\n"
    for space in ("LPS", "RAS", "LAS", "left-posterior-superior", "right-anterior-superior", "left-anterior-superior"):
        attached(f"{space}.nrrd", f"space: {space}\n{axes}")
    for space in ("scanner-xyz", "3D-right-handed"):
        attached(f"{space}.nrrd", f"space: {space}\n{axes}", warnings=["no patient position"])
    attached("sheared.nrrd", "space: LPS\nspace directions: (0.5, 0, 0) (0.1, 0.75, 0) (0, 0.3, 2)\nspace origin: (1, 2, 3)\n")
    attached("big_endian.nrrd", f"space: LPS\n{axes}", data.astype(">i2"), endian="big")
    attached("text.nrrd", f"space: LPS\n{axes}", " ".join(map(str, data.ravel())).encode(), encoding="ascii")
    attached("spacings.nrrd", "spacings: 0.5 0.75 2\n", warnings=["no patient position"])
    attached("axis_mins.nrrd", "spacings: 0.5 0.75 2\naxis mins: 10 20 30\n", warnings=["no patient position"])
    attached("axis_mins_node.nrrd", "spacings: 0.5 0.75 2\naxis mins: 10 20 30\ncenters: node node node\n", warnings=["no patient position"])
    attached("bare.nrrd", "", warnings=["spacing along x", "no patient position"])

    colours = block("u1", (Z, Y, X, 3))
    vectors, origin = "(0,0.5,0) (0,0,0.75) (2,0,0)", "space origin: (1,2,3)\n"
    attached("rgb.nrrd", f"space: RAS\nspace directions: none {vectors}\n{origin}kinds: RGB-color domain domain domain\n",
             colours, sizes=f"3 {X} {Y} {Z}", kind="uchar")
    attached("rgb_planar.nrrd", f"space: RAS\nspace directions: {vectors} none\n{origin}kinds: domain domain domain vector\n",
             np.ascontiguousarray(np.moveaxis(colours, -1, 0)), sizes=f"{X} {Y} {Z} 3", kind="uchar")
    field = block("f4", (Z, Y, X, 3))
    by_hand("nrrd/displacement.nrrd", head(f"space: LPS\nspace directions: none {vectors}\n{origin}kinds: vector domain domain domain\n",
            sizes=f"3 {X} {Y} {Z}", kind="float") + "\n", field.tobytes())
    itk_truth("nrrd/displacement.nrrd", colour=False, warnings=["3 components"])
    # A sequence of four as Slicer writes it, fastest axis first; SimpleITK takes it for a vector.
    sequence = block("i2", (Z, Y, X, 4))
    by_hand("nrrd/sequence.nrrd", head(f"space: LPS\nspace directions: none {vectors}\n{origin}kinds: list domain domain domain\n",
            sizes=f"4 {X} {Y} {Z}") + "\n", sequence.tobytes())
    itk_truth("nrrd/sequence.nrrd", colour=False)
    # pynrrd knows spaces with time and the unit of a space, SimpleITK does not.
    series = block("i2", (4, Z, Y, X))
    by_hand("nrrd/time.nrrd", head("space: right-anterior-superior-time\nspace directions: (0.5,0,0,0) (0,0.75,0,0) (0,0,2,0) (0,0,0,1.5)\n"
            "space origin: (1,2,3,0)\n", sizes=f"{X} {Y} {Z} 4") + "\n", series.tobytes())
    values, _ = nrrd.read(str(OUT / "nrrd/time.nrrd"), index_order="C")
    note("nrrd/time.nrrd", "pynrrd; matrix by the definition of the format", "i2", values,
         [[-0.5, 0, 0, -1], [0, -0.75, 0, -2], [0, 0, 2, 3]], time_points=4)
    by_hand("nrrd/micrometres.nrrd", head('space: LPS\nspace directions: (500,0,0) (0,750,0) (0,0,2000)\nspace origin: (1000,2000,3000)\n'
            'space units: "um" "um" "um"\n') + "\n", data.tobytes())
    values, _ = nrrd.read(str(OUT / "nrrd/micrometres.nrrd"), index_order="C")
    note("nrrd/micrometres.nrrd", "pynrrd; matrix by the definition of the format", "i2", values,
         [[0.5, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 2, 3]])
    attached("flat.nrrd", "space dimension: 2\nspace directions: (0.5,0) (0,0.75)\nspace origin: (1,2)\n", data[0], sizes=f"{X} {Y}",
             warnings=["no patient position"])

    # Voxels in other files.
    where = f"space: LPS\n{axes}"
    by_hand("nrrd/skip.raw", "", b"line one\nline two\nabc" + data.tobytes())
    by_hand("nrrd/skip.raw.gz", "", gzip.compress(b"abc" + data.tobytes(), mtime=0))
    for k in range(Z):
        by_hand(f"nrrd/slice{k:03}.raw", "", data[k].tobytes())
    by_hand("nrrd/line_and_byte_skip.nhdr", head(where) + "line skip: 2\nbyte skip: 3\ndata file: skip.raw\n")
    by_hand("nrrd/skip_to_end.nhdr", head(where) + "byteskip: -1\ndatafile: skip.raw\n")
    by_hand("nrrd/byte_skip_compressed.nhdr", head(where, encoding="gzip") + "byte skip: 3\ndata file: skip.raw.gz\n")
    by_hand("nrrd/list.nhdr", head(where) + "data file: LIST\n" + "".join(f"slice{k:03}.raw\n" for k in range(Z)))
    by_hand("nrrd/pattern.nhdr", head(where) + f"data file: slice%03d.raw 0 {Z - 1} 1\n")
    for name in ("line_and_byte_skip", "skip_to_end", "byte_skip_compressed", "list", "pattern"):
        itk_truth(f"nrrd/{name}.nhdr")

    # Refused by name, or damaged.
    by_hand("nrrd/bzip2.nrrd", head(where, encoding="bzip2") + "\n", b"BZh9")
    by_hand("nrrd/missing_data.nhdr", head(where) + "data file: gone.raw\n")
    by_hand("nrrd/claims_2_gib.nrrd", head(where, sizes="1024 1024 1024") + "\n", bytes(1800))
    by_hand("nrrd/bomb.nrrd", head(where, sizes="1024 1024 1024", encoding="gzip") + "\n", gzip.compress(bytes(1 << 21), 9, mtime=0))


# ---------------------------------------------------------------- ordinary pictures


def make_pictures():
    (OUT / "picture").mkdir(parents=True, exist_ok=True)
    flat = np.eye(3, 4)
    height, width = 6, 9
    warnings = ["not calibrated"]

    def keep(name, array, save, channels=1, values=None, more=()):
        save(OUT / "picture" / name, array)
        values = array if values is None else values
        note(f"picture/{name}", "the array written", array.dtype, values, flat, 1, channels, (array.shape[1], array.shape[0], 1),
             warnings + list(more))

    def pillow(path, array):
        Image.fromarray(array).save(path)

    grey, deep = block("u1", (height, width)), block("u2", (height, width))
    rgb, rgba = block("u1", (height, width, 3)), block("u1", (height, width, 4))
    keep("grey8.png", grey, pillow)
    keep("grey16.png", deep, pillow)
    keep("rgb8.png", rgb, pillow, 3)
    keep("rgba8.png", rgba, pillow, 4)
    keep("grey8.bmp", grey, pillow)
    keep("rgb8.bmp", rgb, pillow, 3)
    grey_alpha = block("u1", (height, width, 2))
    as_rgba = grey_alpha[..., [0, 0, 0, 1]]
    keep("grey8_alpha.png", grey_alpha, pillow, 4, as_rgba)
    keep("grey8.tif", grey, lambda p, a: tifffile.imwrite(p, a))
    keep("grey16.tif", deep, lambda p, a: tifffile.imwrite(p, a, byteorder=">"))
    keep("rgb8.tif", rgb, lambda p, a: tifffile.imwrite(p, a, photometric="rgb"), 3)
    keep("rgb16.tif", block("u2", (height, width, 3)), lambda p, a: tifffile.imwrite(p, a, photometric="rgb"), 3)
    keep("big.tif", grey, lambda p, a: tifffile.imwrite(p, a, bigtiff=True))

    def two_pages(path, array):
        with tifffile.TiffWriter(path) as writer:
            writer.write(array)
            writer.write(array[::-1])

    keep("two_pages.tif", grey, two_pages, more=["only the first page"])

    # A smooth picture, so that decoders agree to within one step.
    y, x = np.mgrid[0:16, 0:24]
    smooth = (40 + 5 * x + 6 * y).astype("u1")
    Image.fromarray(smooth).save(OUT / "picture/grey8.jpg", quality=95)
    decoded = np.asarray(Image.open(OUT / "picture/grey8.jpg"))
    note("picture/grey8.jpg", "Pillow, within 1", "u1", decoded, flat, 1, 1, (24, 16, 1), [*warnings, "lossy"])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth).save(OUT / "picture/turned.jpg", quality=95, exif=exif)
    note("picture/turned.jpg", "Pillow turned by NumPy, within 1", "u1", np.rot90(decoded, -1), flat, 1, 1, (16, 24, 1), [*warnings, "lossy"])
    (OUT / "picture/truncated.png").write_bytes((OUT / "picture/rgb8.png").read_bytes()[:120])


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    make_nifti()
    make_metaimage()
    make_nrrd()
    make_pictures()
    lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(expected.items())]
    (OUT / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    size = sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file())
    print(f"{len(expected)} files with expected values, {size / 1024:.0f} KiB in all")


if __name__ == "__main__":
    main()
