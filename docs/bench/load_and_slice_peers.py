#!/usr/bin/env python3
"""Times SimpleITK, pydicom and VTK on loading a CT series and cutting slices from it; prints JSON.

    pip install SimpleITK pydicom numpy vtk
    python3 docs/bench/load_and_slice_peers.py FOLDER

FOLDER holds one uncompressed CT series. Compare with `lantern bench load|slice FOLDER --json` in the same minute.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy
import pydicom
import SimpleITK
import vtk
from vtk.util import numpy_support

RUNS = 9
SIZE = 512


def median_ms(work, runs=RUNS):
    """Median of wall times; the first run warms caches and is left out."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 3)


def load_simpleitk(folder):
    reader = SimpleITK.ImageSeriesReader()
    uid = reader.GetGDCMSeriesIDs(folder)[0]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder, uid))
    return reader.Execute()


def load_pydicom(folder):
    datasets = [pydicom.dcmread(path) for path in Path(folder).iterdir() if path.is_file()]
    datasets.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    return numpy.stack([d.pixel_array for d in datasets])


def load_vtk(folder):
    reader = vtk.vtkDICOMImageReader()
    reader.SetDirectoryName(folder)
    reader.Update()
    return reader.GetOutput()


def slices_simpleitk(image, axes):
    """Resample a 512×512 plane with the given axes through the middle, moving along its normal."""
    size, spacing = image.GetSize(), image.GetSpacing()
    middle = numpy.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    right, down = numpy.array(axes[0], float), numpy.array(axes[1], float)
    normal = numpy.cross(right, down)
    pixel = max(n * s for n, s in zip(size, spacing)) / SIZE
    resample = SimpleITK.ResampleImageFilter()
    resample.SetSize([SIZE, SIZE, 1])
    resample.SetOutputSpacing([pixel, pixel, 1.0])
    resample.SetOutputDirection(numpy.column_stack([right, down, normal]).ravel().tolist())
    resample.SetInterpolator(SimpleITK.sitkLinear)
    resample.SetDefaultPixelValue(-1000)
    state = {"step": 0}

    def cut():
        state["step"] += 1
        origin = middle + normal * (state["step"] % 50) - (right + down) * pixel * SIZE / 2
        resample.SetOutputOrigin(origin.tolist())
        plane = resample.Execute(image)
        SimpleITK.IntensityWindowing(plane, -160.0, 240.0, 0.0, 255.0)

    return median_ms(cut, 40)


def slices_vtk(image, axes):
    right, down = numpy.array(axes[0], float), numpy.array(axes[1], float)
    normal = numpy.cross(right, down)
    middle = numpy.array(image.GetCenter())
    pixel = max((image.GetDimensions()[i]) * image.GetSpacing()[i] for i in range(3)) / SIZE
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetOutputDimensionality(2)
    reslice.SetInterpolationModeToLinear()
    reslice.SetOutputSpacing(pixel, pixel, 1)
    reslice.SetOutputExtent(0, SIZE - 1, 0, SIZE - 1, 0, 0)
    reslice.SetOutputOrigin(-pixel * SIZE / 2, -pixel * SIZE / 2, 0)
    colors = vtk.vtkImageMapToWindowLevelColors()
    colors.SetWindow(400)
    colors.SetLevel(40)
    colors.SetInputConnection(reslice.GetOutputPort())
    state = {"step": 0}

    def cut():
        state["step"] += 1
        matrix = vtk.vtkMatrix4x4()
        origin = middle + normal * (state["step"] % 50)
        for row in range(3):
            for column, vector in enumerate([right, down, normal, origin]):
                matrix.SetElement(row, column, vector[row])
        reslice.SetResliceAxes(matrix)
        colors.Update()

    return median_ms(cut, 40)


def main():
    folder = sys.argv[1]
    image = load_simpleitk(folder)
    array = numpy.ascontiguousarray(SimpleITK.GetArrayFromImage(image).astype(numpy.int16))
    vtk_image = vtk.vtkImageData()
    vtk_image.SetDimensions(*image.GetSize())
    vtk_image.SetSpacing(*image.GetSpacing())
    vtk_image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(array.ravel(), deep=True))
    image16 = SimpleITK.Cast(image, SimpleITK.sitkInt16)
    axial = ([1, 0, 0], [0, 1, 0])
    normal = numpy.array([0.35, -0.45, 0.82])
    normal /= numpy.linalg.norm(normal)
    down = numpy.array([0, 1, 0]) - normal * normal[1]
    down /= numpy.linalg.norm(down)
    oblique = (numpy.cross(down, normal), down)
    print(json.dumps({
        "dims": image.GetSize(),
        "bytes": int(array.nbytes),
        "load_ms": {
            "SimpleITK": median_ms(lambda: load_simpleitk(folder), 3),
            "pydicom": median_ms(lambda: load_pydicom(folder), 3),
            "VTK": median_ms(lambda: load_vtk(folder), 3),
        },
        "axial_ms": {"SimpleITK": slices_simpleitk(image16, axial), "VTK": slices_vtk(vtk_image, axial)},
        "oblique_ms": {"SimpleITK": slices_simpleitk(image16, oblique), "VTK": slices_vtk(vtk_image, oblique)},
        "versions": {
            "SimpleITK": SimpleITK.Version_VersionString(),
            "pydicom": pydicom.__version__,
            "VTK": vtk.vtkVersion.GetVTKVersion(),
        },
    }))


if __name__ == "__main__":
    main()
