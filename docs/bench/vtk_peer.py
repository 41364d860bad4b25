#!/usr/bin/env python3
"""Times VTK and SimpleITK on the cases of `render-core/examples/cpu_frames.rs` and prints one JSON line per case.

    pip install numpy vtk SimpleITK
    python3 docs/bench/vtk_peer.py RAW X,Y,Z SX,SY,SZ [FRAMES] [FILTER]

RAW holds little-endian int16, x fastest. Volume cases use vtkFixedPointVolumeRayCastMapper on the same array with
the same cameras, transfer functions, sampling distance (the smallest voxel spacing) and one ray per pixel; nothing is
adapted for interaction. Run both programs in the same minute, in turns. `cpu_ms` is processor time of all threads.
"""
import json
import math
import statistics
import sys
import time

import numpy as np

# The presets of render-core/src/transfer_function.rs: value, sRGB colour, opacity per mm.
PRESETS = {
    "CT-Bone": [
        (-1000, (0, 0, 0), 0), (150, (120, 70, 50), 0), (250, (190, 140, 100), 0.08),
        (450, (232, 215, 185), 0.45), (1200, (255, 250, 240), 0.85), (3000, (255, 255, 255), 0.95)],
    "CT-Soft-Tissue": [
        (-1000, (0, 0, 0), 0), (-180, (150, 100, 70), 0), (-60, (205, 150, 110), 0.03), (40, (200, 90, 75), 0.12),
        (120, (215, 120, 95), 0.2), (300, (240, 225, 200), 0.6), (1500, (255, 255, 250), 0.9)],
    "CT-Lung": [
        (-1000, (0, 0, 0), 0), (-900, (40, 60, 90), 0), (-780, (80, 120, 160), 0.015), (-600, (150, 170, 190), 0.06),
        (-450, (215, 150, 130), 0.03), (-200, (200, 90, 80), 0), (3000, (255, 240, 220), 0)],
}
FOV_DEG = 30.0
ELEVATION = math.radians(15)


def report(name, times, cpu, **more):
    print(json.dumps({"what": name, "n": len(times), "median_ms": round(statistics.median(times), 2),
                      "min_ms": round(min(times), 2), "max_ms": round(max(times), 2),
                      "cpu_ms": round(cpu / len(times), 2), **more}), flush=True)


def timed(frames, draw):
    times, cpu = [], time.process_time()
    for i in range(frames):
        start = time.perf_counter()
        draw(i)
        times.append((time.perf_counter() - start) * 1e3)
    return times, (time.process_time() - cpu) * 1e3


def vtk_image(array, spacing):
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.SetSpacing(*spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(array.reshape(-1), deep=False))
    return image


def volume_cases(array, spacing, frames, wanted):
    import vtk
    image = vtk_image(array, spacing)
    dims = np.array(array.shape[::-1])
    center = (dims - 1) * spacing / 2
    distance = np.linalg.norm(dims * spacing) / 2 / math.sin(math.radians(FOV_DEG / 2))
    cases = [(f"{name} {kind}", name, kind) for name in PRESETS for kind in ("unshaded", "shaded")]
    cases.append(("MIP", None, "mip"))
    for title, preset, kind in cases:
        for size in (512, 1024):
            name = f"volume {title} {size}"
            if wanted not in name:
                continue
            mapper = vtk.vtkFixedPointVolumeRayCastMapper()
            mapper.SetInputData(image)
            mapper.SetAutoAdjustSampleDistances(0)
            mapper.SetImageSampleDistance(1.0)
            mapper.SetSampleDistance(min(spacing))
            mapper.SetInteractiveSampleDistance(min(spacing))
            color, opacity = vtk.vtkColorTransferFunction(), vtk.vtkPiecewiseFunction()
            if kind == "mip":
                mapper.SetBlendModeToMaximumIntensity()
                color.AddRGBPoint(-600, 0, 0, 0)
                color.AddRGBPoint(1200, 1, 1, 1)
                opacity.AddPoint(-601, 0)
                opacity.AddPoint(-600, 1)
            else:
                for value, rgb, alpha in PRESETS[preset]:
                    color.AddRGBPoint(value, *(c / 255 for c in rgb))
                    opacity.AddPoint(value, alpha)
            look = vtk.vtkVolumeProperty()
            look.SetColor(color)
            look.SetScalarOpacity(opacity)
            look.SetScalarOpacityUnitDistance(1.0)
            look.SetInterpolationTypeToLinear()
            if kind == "shaded":
                look.ShadeOn()
                look.SetAmbient(0.25)
                look.SetDiffuse(0.75)
                look.SetSpecular(0.25)
                look.SetSpecularPower(24)
            volume = vtk.vtkVolume()
            volume.SetMapper(mapper)
            volume.SetProperty(look)
            renderer = vtk.vtkRenderer()
            renderer.AddVolume(volume)
            window = vtk.vtkRenderWindow()
            window.SetOffScreenRendering(1)
            window.SetMultiSamples(0)
            window.SetSize(size, size)
            window.AddRenderer(renderer)
            camera = renderer.GetActiveCamera()
            camera.SetViewAngle(FOV_DEG)

            def draw(i):
                azimuth = 2 * math.pi * i / frames
                towards = np.array([math.sin(azimuth) * math.cos(ELEVATION),
                                    -math.cos(azimuth) * math.cos(ELEVATION), math.sin(ELEVATION)])
                camera.SetFocalPoint(*center)
                camera.SetPosition(*(center + towards * distance))
                camera.SetViewUp(0, 0, 1)
                renderer.ResetCameraClippingRange()
                window.Render()

            (first,), _ = timed(1, draw)
            times, cpu = timed(frames, draw)
            report(name, times, cpu, first_ms=round(first, 2), peer="vtkFixedPointVolumeRayCastMapper")
            window.Finalize()


def slice_cases(array, spacing, frames, wanted):
    import SimpleITK as sitk
    import vtk
    dims = np.array(array.shape[::-1])
    center = (dims - 1) * spacing / 2
    normal = np.array([0.3, 0.5, 0.8])
    normal /= np.linalg.norm(normal)
    down = np.array([0.0, 1.0, 0.0])
    down -= normal * normal.dot(down)
    down /= np.linalg.norm(down)
    planes = {"Axial": ((1, 0, 0), (0, 1, 0)), "Coronal": ((1, 0, 0), (0, 0, -1)),
              "Sagittal": ((0, 1, 0), (0, 0, -1)), "Oblique": (np.cross(down, normal), down)}
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (dims * spacing) - dims * spacing / 2
    itk_image = sitk.GetImageFromArray(array)
    itk_image.SetSpacing([float(s) for s in spacing])
    image = vtk_image(array, spacing)
    for title, (right, down) in planes.items():
        name = f"slice {title} linear"
        if wanted not in name:
            continue
        right, down = np.array(right, float), np.array(down, float)
        normal = np.cross(right, down)
        extent = max(np.abs(corners @ right).max(), np.abs(corners @ down).max()) * 2
        pixel = extent / 512

        def origin(i):
            shift = (i % 50) * 2.3 - 57.0
            return center + normal * shift - (right + down) * (pixel * 255.5)

        def with_itk(i):
            out = sitk.Resample(itk_image, (512, 512, 1), sitk.Transform(), sitk.sitkLinear,
                                [float(v) for v in origin(i)], (float(pixel), float(pixel), 1.0),
                                np.stack([right, down, normal], 1).reshape(-1).tolist(), -1024.0, sitk.sitkFloat32)
            out = sitk.IntensityWindowing(out, -160.0, 240.0, 0.0, 255.0)
            return float(sitk.GetArrayViewFromImage(out).mean())

        reslice = vtk.vtkImageReslice()
        reslice.SetInputData(image)
        reslice.SetOutputDimensionality(2)
        reslice.SetInterpolationModeToLinear()
        reslice.SetBackgroundLevel(-1024)
        reslice.SetOutputSpacing(pixel, pixel, 1)
        reslice.SetOutputOrigin(0, 0, 0)
        reslice.SetOutputExtent(0, 511, 0, 511, 0, 0)
        window = vtk.vtkImageMapToWindowLevelColors()
        window.SetInputConnection(reslice.GetOutputPort())
        window.SetWindow(400)
        window.SetLevel(40)

        def with_vtk(i):
            reslice.SetResliceAxesDirectionCosines(*right, *down, *normal)
            reslice.SetResliceAxesOrigin(*origin(i))
            window.Update()

        for peer, draw in (("SimpleITK", with_itk), ("vtkImageReslice", with_vtk)):
            draw(49)
            times, cpu = timed(frames * 5, draw)
            report(name, times, cpu, peer=peer)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    dims = [int(v) for v in sys.argv[2].split(",")]
    spacing = np.array([float(v) for v in sys.argv[3].split(",")])
    frames = int(sys.argv[4]) if len(sys.argv) > 4 else 12
    wanted = sys.argv[5] if len(sys.argv) > 5 else ""
    array = np.fromfile(sys.argv[1], "<i2").reshape(dims[::-1])
    volume_cases(array, spacing, frames, wanted)
    slice_cases(array, spacing, frames, wanted)


if __name__ == "__main__":
    main()
