#!/usr/bin/env python3
"""Times loading a 400-slice CT in every form beside other readers, in turns; prints a table and writes JSON.

    make bench-peers

or, with SimpleITK, pydicom, nibabel, vtk and python-gdcm in the environment and dcm2niix on the path:

    python3 docs/bench/load_peers.py DATA_FOLDER target/release/lantern --json target/bench-peers/load.json

DATA_FOLDER is filled on the first run from the sample study: resampled to 400 slices, written uncompressed, compressed
in four ways, as NIfTI and MetaImage, and beside that 4 000 small files in eight series. Every measurement is a process
of its own whose clock starts once its libraries are loaded; files come from the page cache. Time of processors is
given, too, in the order of the readers: on a busy machine it says more than wall time. The output is compared: each
reader has to find the same sum of voxels.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLICES = 400
MIB = 1 << 20
# Rounds that count: many where all readers are quick, as a busy machine disturbs those most.
ROUNDS, QUICK_ROUNDS, QUICK_SECS = 3, 9, 2.0

# What is read; the peers, and how many times the speed of each is asked for (issue 3).
CASES = [
    ("uncompressed", "native", {"VTK": 1.5, "SimpleITK": 3.5, "pydicom": None}),
    ("JPEG-LS", "jpeg_ls", {"SimpleITK": 2.5}),
    ("JPEG 2000 lossless", "jpeg_2000", {"SimpleITK": 1.8}),
    ("RLE", "rle", {"dcm2niix": 2.0, "SimpleITK": None}),
    ("JPEG lossless (.70)", "jpeg_lossless", {"GDCM": 2.5, "SimpleITK": None}),
    (".nii.gz", "ct.nii.gz", {"SimpleITK": 1.0, "nibabel": None}),
    (".mha", "ct.mha", {"VTK": 1.0, "SimpleITK": None}),
    (".mha, compressed", "ct_compressed.mha", {"VTK": 1.0, "SimpleITK": None}),
]
SYNTAXES = {
    "jpeg_ls": "JPEGLSLossless",
    "jpeg_2000": "JPEG2000Lossless",
    "rle": "RLELossless",
    "jpeg_lossless": "JPEGLosslessProcess14_1",
}


def make_data(folder):
    """Writes everything that is read; the volume is the sample study with slices interpolated between its own."""
    import numpy
    import SimpleITK

    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sample = Path(__file__).resolve().parents[2] / "assets/sample"
    files = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(sample))
    image = SimpleITK.ReadImage(files, SimpleITK.sitkInt16)
    size, spacing = image.GetSize(), image.GetSpacing()
    thin = (size[2] - 1) * spacing[2] / (SLICES - 1)
    image = SimpleITK.Resample(
        image, [size[0], size[1], SLICES], SimpleITK.Transform(), SimpleITK.sitkLinear, image.GetOrigin(),
        [spacing[0], spacing[1], thin], image.GetDirection(), 0.0, SimpleITK.sitkInt16,
    )
    SimpleITK.WriteImage(image, str(folder / "ct.nii.gz"), True)
    SimpleITK.WriteImage(image, str(folder / "ct.mha"), False)
    SimpleITK.WriteImage(image, str(folder / "ct_compressed.mha"), True)
    array = SimpleITK.GetArrayFromImage(image)
    for z in range(SLICES):
        position = image.TransformIndexToPhysicalPoint((0, 0, z))
        path = folder / "native" / f"{z:04}.dcm"
        write_slice(path, array[z], "2.25.1", z, position, spacing, thin)
    for name in SYNTAXES:
        transcode(folder / "native", folder / name, SYNTAXES[name])
    small = numpy.ascontiguousarray(array[::2, ::8, ::8])
    for i in range(4000):
        series, z = i % 8, i // 8
        path = folder / "small" / f"{i * 2654435761 % 4001:05}.dcm"
        write_slice(path, small[z % len(small)], f"2.25.{series + 2}", z, (0, 0, 1.5 * z), (8, 8), 1.5)
    (folder / "expected.json").write_text(json.dumps({"sum": int(array.sum(dtype=numpy.int64)), "bytes": array.nbytes}))
    (folder / "complete").touch()


def write_slice(path, pixels, series, z, position, spacing, thickness):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{series}.{z + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{series}.{z + 1}"
    ds.Modality, ds.PatientID, ds.PatientName, ds.StudyID = "CT", "BENCH", "Bench", "1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "2.25.100", series, "2.25.101"
    ds.StudyDate, ds.StudyTime, ds.SeriesNumber, ds.InstanceNumber = "20240101", "120000", 1, z + 1
    ds.ImagePositionPatient = [f"{p:.6f}" for p in position]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [spacing[1], spacing[0]], f"{thickness:.6f}"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.PixelData = pixels.tobytes()
    ds.save_as(path, enforce_file_format=True)


def transcode(source, target, syntax):
    import gdcm

    target.mkdir()
    for path in sorted(source.iterdir()):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        change.SetInput(reader.GetImage())
        assert change.Change(), syntax
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target / path.name))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()


class Clock:
    """Wall time, and time of processors in this process and those it waited for."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        used = os.times()
        return time.perf_counter(), used.user + used.system + used.children_user + used.children_system

    def stop(self):
        return tuple(now - start for now, start in zip(self.now(), self.start))


def read_simpleitk(path):
    import SimpleITK

    clock = Clock()
    if path.is_dir():
        files = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
        image = SimpleITK.ReadImage(files)
    else:
        image = SimpleITK.ReadImage(str(path))
    return clock.stop(), lambda: SimpleITK.GetArrayViewFromImage(image)


def read_vtk(path):
    import vtk
    from vtk.util import numpy_support

    clock = Clock()
    if path.is_dir():
        reader = vtk.vtkDICOMImageReader()
        reader.SetDirectoryName(str(path))
    else:
        reader = vtk.vtkMetaImageReader()
        reader.SetFileName(str(path))
    reader.Update()
    taken = clock.stop()
    return taken, lambda: numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())


def read_pydicom(path):
    import numpy
    import pydicom

    clock = Clock()
    datasets = [pydicom.dcmread(file) for file in path.iterdir()]
    datasets.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    volume = numpy.stack([d.pixel_array for d in datasets])
    return clock.stop(), lambda: volume


def read_nibabel(path):
    import nibabel
    import numpy

    clock = Clock()
    volume = numpy.asarray(nibabel.load(path).dataobj)
    return clock.stop(), lambda: volume


def read_gdcm(path):
    """Sorted by position and decoded slice by slice into one array, with GDCM alone."""
    import gdcm
    import numpy

    clock = Clock()
    sorter = gdcm.IPPSorter()
    sorter.SetComputeZSpacing(True)
    assert sorter.Sort([str(file) for file in path.iterdir()])
    slices = []
    for file in sorter.GetFilenames():
        reader = gdcm.ImageReader()
        reader.SetFileName(file)
        assert reader.Read()
        buffer = reader.GetImage().GetBuffer()
        slices.append(numpy.frombuffer(buffer.encode("utf-8", "surrogateescape"), dtype=numpy.int16))
    volume = numpy.stack(slices)
    return clock.stop(), lambda: volume


def read_dcm2niix(path):
    """Its output is written, uncompressed, to memory: it cannot do without."""
    import nibabel
    import numpy

    with tempfile.TemporaryDirectory(dir="/dev/shm") as target:
        clock = Clock()
        subprocess.run(
            ["dcm2niix", "-z", "n", "-b", "n", "-o", target, str(path)], check=True, stdout=subprocess.DEVNULL
        )
        taken = clock.stop()
        volume = numpy.array(nibabel.load(next(Path(target).glob("*.nii"))).dataobj)
    return taken, lambda: volume


PEERS = {
    "SimpleITK": read_simpleitk,
    "VTK": read_vtk,
    "pydicom": read_pydicom,
    "nibabel": read_nibabel,
    "GDCM": read_gdcm,
    "dcm2niix": read_dcm2niix,
}


def run_peer(name, path):
    """One measurement in this process, printed as JSON."""
    import numpy
    import resource

    (secs, cpu_secs), voxels = PEERS[name](Path(path))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if name == "dcm2niix" else resource.RUSAGE_SELF)
    found = {"secs": secs, "cpu_secs": cpu_secs, "peak": usage.ru_maxrss * 1024}
    print(json.dumps(found | {"sum": int(voxels().sum(dtype=numpy.int64))}))


def measure_peer(name, path):
    output = subprocess.run([sys.executable, __file__, "--peer", name, str(path)], check=True, capture_output=True)
    return json.loads(output.stdout.splitlines()[-1])


def measure_lantern(lantern, path, series=None):
    command = [lantern, "bench", "load", str(path), "--runs", "1", "--json"]
    command += ["--series", series] if series else []
    clock = Clock()
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {"secs": found["median_ms"] / 1e3, "cpu_secs": clock.stop()[1], "peak": (found["peak_rss_mib"] or 0) * MIB,
            "bytes": found["bytes"]}


def measure_case(folder, lantern, peers, expected):
    """Medians of all readers, one after the other, round by round."""
    times = {name: [] for name in ["Lantern", *peers]}
    cpu = {name: [] for name in times}
    peaks = dict.fromkeys(times, 0)
    round_index, rounds = 0, ROUNDS
    while round_index <= rounds:
        for name in times:
            if name == "Lantern":
                found = measure_lantern(lantern, folder)
                assert found["bytes"] == expected["bytes"], (folder, found)
            else:
                found = measure_peer(name, folder)
                assert found["sum"] == expected["sum"], (folder, name, found, expected)
            # The first round warms the page cache.
            if round_index > 0:
                times[name].append(found["secs"])
                cpu[name].append(found["cpu_secs"])
            peaks[name] = max(peaks[name], found["peak"])
        if round_index == 1:
            rounds = QUICK_ROUNDS if all(secs[0] < QUICK_SECS for secs in times.values()) else ROUNDS
        round_index += 1
    medians = [{name: statistics.median(secs) for name, secs in all_secs.items()} for all_secs in (times, cpu)]
    return *medians, peaks


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--peer", help=argparse.SUPPRESS)
    arguments.add_argument("--only", help="cases whose folder or file has this in its name")
    arguments.add_argument("--json", type=Path, help="write all figures to this file")
    arguments.add_argument("data", type=Path)
    arguments.add_argument("lantern", nargs="?")
    given = arguments.parse_args()
    if given.peer:
        return run_peer(given.peer, given.data)
    make_data(given.data)
    expected = json.loads((given.data / "expected.json").read_text())
    load_before = os.getloadavg()
    megabytes = expected["bytes"] / 1e6
    limit = 1.3 * expected["bytes"] + 150 * MIB
    print(f"MB/s of voxels, {SLICES} slices of 512 x 512, load {load_before[0]:.1f}; peak memory of Lantern, "
          f"at most {limit / MIB:.0f} MiB\n")
    print("| read | Lantern | peers | ratio (asked) | per processor second | MiB |\n|---|---|---|---|---|---|")
    report, is_met = [], True
    for title, name, peers in CASES:
        if given.only and given.only not in name:
            continue
        secs, cpu_secs, peaks = measure_case(given.data / name, given.lantern, peers, expected)
        speeds = {reader: megabytes / s for reader, s in secs.items()}
        ratios = {peer: speeds["Lantern"] / speeds[peer] for peer in peers}
        verdicts = {peer: ratios[peer] >= asked for peer, asked in peers.items() if asked}
        memory_met = peaks["Lantern"] <= limit
        is_met &= all(verdicts.values()) and memory_met
        report.append({"case": name, "mb_per_s": speeds, "mb_per_cpu_s": {reader: megabytes / s for reader, s in cpu_secs.items()},
                       "ratio": ratios, "asked": peers, "met": verdicts,
                       "peak_mib": {reader: peak / MIB for reader, peak in peaks.items()}, "memory_met": memory_met})
        others = ", ".join(f"{peer} {speeds[peer]:.0f}" for peer in peers)
        words = ", ".join(f"{ratios[peer]:.1f} ({asked}{'' if verdicts[peer] else ', MISSED'})"
                          for peer, asked in peers.items() if asked)
        per_core = ", ".join(f"{megabytes / s:.0f}" for s in cpu_secs.values())
        print(f"| {title} | {speeds['Lantern']:.0f} | {others} | {words} | {per_core} | {peaks['Lantern'] / MIB:.0f}"
              f"{'' if memory_met else ', MISSED'} |", flush=True)
    small = [measure_lantern(given.lantern, given.data / "small", "2.25.2")["secs"] for _ in range(ROUNDS)]
    is_met &= statistics.median(small) <= 2.0
    print(f"\n4 000 small files in 8 series found, grouped and sorted, one series of 500 loaded: "
          f"{statistics.median(small):.2f} s (at most 2 s{'' if statistics.median(small) <= 2 else ', MISSED'})")
    print(f"Load afterwards: {os.getloadavg()[0]:.1f}. {'All targets met.' if is_met else 'NOT all targets met.'}")
    if given.json:
        given.json.write_text(json.dumps({
            "load_average": [load_before[0], os.getloadavg()[0]], "cores": os.cpu_count(),
            "cases": report, "small_files_secs": small,
        }, indent=1))


if __name__ == "__main__":
    main()
