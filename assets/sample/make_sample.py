#!/usr/bin/env python3
"""Makes the bundled sample study: a real chest CT, thinned and compressed without loss.

    pip install pydicom==3.0.2 pyjpegls==1.5.1 numpy SimpleITK==2.5.7
    python3 make_sample.py SOURCE_FOLDER [TARGET_FOLDER]

SOURCE_FOLDER holds the 200 files of LIDC-IDRI-0314 (see README.md). TARGET_FOLDER defaults to this folder.
Every second slice is kept, at full matrix size, and stored as JPEG-LS lossless. The result is the same, byte for
byte, whenever the script runs with these versions. Each file is read back and its pixels are compared with the
source; truth.json is computed from the source files, never from the compressed ones.
"""

import hashlib
import json
import sys
import uuid
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, JPEGLSLossless

KEEP_EVERY = 2
PROBE_COUNT = 20

# Attributes copied from the source as they are. What is not named here does not enter the sample.
COPIED = """
SpecificCharacterSet SOPClassUID StudyDate SeriesDate AcquisitionDate ContentDate StudyTime AcquisitionTime
ContentTime AccessionNumber Modality Manufacturer ReferringPhysicianName ManufacturerModelName
PatientName PatientID PatientBirthDate PatientSex PatientIdentityRemoved DeidentificationMethod BodyPartExamined
ScanOptions SliceThickness KVP ReconstructionDiameter GantryDetectorTilt TableHeight RotationDirection
XRayTubeCurrent Exposure FilterType ConvolutionKernel PatientPosition StudyInstanceUID StudyID AcquisitionNumber
ImagePositionPatient ImageOrientationPatient PositionReferenceIndicator SliceLocation SamplesPerPixel
PhotometricInterpretation Rows Columns PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation
LongitudinalTemporalInformationModified RescaleIntercept RescaleSlope
""".split()


def derived_uid(*parts):
    """A UID below 2.25 that depends on nothing but `parts` (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(('lantern-sample', *parts))).int}")


def read_source(folder):
    """All slices, head first."""
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]), reverse=True)
    assert len(slices) == 200, f"{len(slices)} files in {folder}, expected 200"
    assert len({s.SeriesInstanceUID for s in slices}) == 1
    steps = np.diff([float(s.ImagePositionPatient[2]) for s in slices])
    assert np.allclose(steps, -1.0, atol=1e-6), "source slices are 1 mm apart"
    return slices


def derive(source, number):
    """One slice of the sample: a whitelist of attributes, new identity, pixels compressed without loss."""
    out = Dataset()
    for keyword in COPIED:
        if keyword in source:
            out.add(source[keyword])
    out.ImageType = ["DERIVED", *source.ImageType[1:]]
    out.SOPInstanceUID = derived_uid("instance", source.SOPInstanceUID)
    out.SeriesInstanceUID = derived_uid("series", source.SeriesInstanceUID)
    # The archive's de-identification gave every file a frame of reference of its own; one series has one.
    out.FrameOfReferenceUID = derived_uid("frame-of-reference", source.SeriesInstanceUID)
    out.SeriesNumber = 1
    out.InstanceNumber = number
    out.StudyDescription = "Chest CT, LIDC-IDRI-0314"
    out.SeriesDescription = "Chest, every second slice"
    out.DerivationDescription = "Every second slice of the source series, JPEG-LS lossless"
    # The source says the same window twice.
    out.WindowCenter, out.WindowWidth = source.WindowCenter[0], source.WindowWidth[0]
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    out.SourceImageSequence = [reference]

    out.file_meta = FileMetaDataset()
    out.file_meta.MediaStorageSOPClassUID = out.SOPClassUID
    out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    out.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    out.PixelData = source.PixelData
    out.compress(JPEGLSLossless, generate_instance_uid=False)
    out.LossyImageCompression = "00"
    return out


def truth(slices, names):
    """What a reader has to find, from the uncompressed source; slices ascend along the normal (feet first)."""
    slices, names = slices[::-1], names[::-1]
    stored = np.stack([s.pixel_array for s in slices])
    slope, intercept = float(slices[0].RescaleSlope), float(slices[0].RescaleIntercept)
    values = stored.astype(np.float64) * slope + intercept
    position = [[float(c) for c in s.ImagePositionPatient] for s in slices]
    row_spacing, column_spacing = (float(c) for c in slices[0].PixelSpacing)
    spacing_z = (position[-1][2] - position[0][2]) / (len(slices) - 1)
    depth, height, width = values.shape

    random = np.random.default_rng(314)
    indices = [(0, 0, 0), (width - 1, height - 1, depth - 1), (width // 2, height // 2, depth // 2)]
    while len(indices) < PROBE_COUNT:
        i, j, k = (int(random.integers(n)) for n in (width, height, depth))
        if values[k, j, i] > -950 or len(indices) % 4 == 0:
            indices.append((i, j, k))
    samples = [
        {
            "index": [i, j, k],
            "lps": [position[k][0] + i * column_spacing, position[k][1] + j * row_spacing, position[k][2]],
            "stored": int(stored[k, j, i]),
            "value": float(values[k, j, i]),
        }
        for i, j, k in indices
    ]
    return {
        "generator": "make_sample.py from the uncompressed source with pydicom and NumPy",
        "versions": {"pydicom": pydicom.__version__, "numpy": np.__version__},
        "modality": "CT",
        "series_uid": str(derived_uid("series", slices[0].SeriesInstanceUID)),
        "study_uid": str(slices[0].StudyInstanceUID),
        "patient_id": str(slices[0].PatientID),
        "transfer_syntax": str(JPEGLSLossless),
        "dims": [width, height, depth],
        "spacing_mm": [column_spacing, row_spacing, spacing_z],
        "origin_lps": position[0],
        "direction": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "voxel_type": "uint16",
        "unit": "HU",
        "rescale": {"slope": slope, "intercept": intercept},
        "window": {"center": float(slices[0].WindowCenter[0]), "width": float(slices[0].WindowWidth[0])},
        "stats": {
            "min": float(values.min()),
            "max": float(values.max()),
            "mean": float(values.mean()),
            "sd": float(values.std()),
        },
        "stored_sha256": hashlib.sha256(stored.astype("<u2").tobytes()).hexdigest(),
        "slice_files": names,
        "samples": samples,
    }


def check_with_itk(folder, expected):
    """A second reader, with another JPEG-LS decoder, sees the same geometry and voxels."""
    image = SimpleITK.ReadImage([str(folder / name) for name in expected["slice_files"]])
    assert list(image.GetSize()) == expected["dims"]
    assert np.allclose(image.GetSpacing(), expected["spacing_mm"], atol=1e-4)
    assert np.allclose(image.GetOrigin(), expected["origin_lps"], atol=1e-6)
    assert np.allclose(image.GetDirection(), expected["direction"])
    for sample in expected["samples"]:
        assert image[tuple(sample["index"])] == sample["value"], sample
    values = SimpleITK.GetArrayViewFromImage(image)
    assert abs(values.mean(dtype=np.float64) - expected["stats"]["mean"]) < 1e-9


def main():
    here = Path(__file__).resolve().parent
    source_folder, target = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here
    target.mkdir(parents=True, exist_ok=True)
    slices = read_source(source_folder)[::KEEP_EVERY]
    names = [f"I{number:04}.dcm" for number in range(1, len(slices) + 1)]
    for number, (name, source) in enumerate(zip(names, slices), 1):
        path = target / name
        derive(source, number).save_as(path, enforce_file_format=True)
        back = pydicom.dcmread(path)
        assert np.array_equal(back.pixel_array, source.pixel_array), f"{name} is not lossless"
    expected = truth(slices, names)
    check_with_itk(target, expected)
    (target / "truth.json").write_text(json.dumps(expected, indent=1) + "\n")
    total = sum(p.stat().st_size for p in target.glob("*.dcm"))
    assert total < 20 << 20, f"{total} bytes"
    print(f"{len(names)} files, {total / 2**20:.2f} MiB, lossless, checked with pydicom and SimpleITK")


if __name__ == "__main__":
    main()
