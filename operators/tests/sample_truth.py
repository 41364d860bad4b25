#!/usr/bin/env python3
"""Computes sample_truth.json with SimpleITK, which shares no code with the operators.

Usage: sample_truth.py SAMPLE_FOLDER > sample_truth.json
The steps are those of assets/pipelines/lung-segmentation.yaml with its default parameters.
"""

import json
import math
import sys

import SimpleITK as sitk

BODY_MIN, MARGIN_MM, AIR_MAX, LARGEST, AT_LEAST_ML = -300, 5.0, -400, 2, 200.0

reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
image = reader.Execute()

body = sitk.LabelShapeStatisticsImageFilter()
body.Execute(image >= BODY_MIN)
box = body.GetBoundingBox(1)
low, high = [], []
for axis in range(3):
    margin = math.ceil(MARGIN_MM / image.GetSpacing()[axis])
    low.append(max(box[axis] - margin, 0))
    high.append(min(box[axis] + box[axis + 3] - 1 + margin, image.GetSize()[axis] - 1))
size = [h - l + 1 for l, h in zip(low, high)]
cropped = sitk.RegionOfInterest(image, size, low)

air = sitk.Cast(cropped <= AIR_MAX, sitk.sitkUInt8)
parts = sitk.RelabelComponent(sitk.ConnectedComponent(air, False))
shape = sitk.LabelShapeStatisticsImageFilter()
shape.Execute(parts)
voxel_ml = math.prod(cropped.GetSpacing()) / 1000.0
mask = sitk.Image(cropped.GetSize(), sitk.sitkUInt8)
mask.CopyInformation(cropped)
kept = 0
for part in shape.GetLabels():
    b = shape.GetBoundingBox(part)
    touches = any(b[a] == 0 or b[a] + b[a + 3] == size[a] for a in (0, 1))
    if kept < LARGEST and not touches and shape.GetNumberOfPixels(part) * voxel_ml >= AT_LEAST_ML:
        kept += 1
        one = parts == part
        # Background joined over edges and corners, as the foreground is joined over faces.
        filled = sitk.BinaryFillhole(one, True, 1)
        mask = sitk.Maximum(mask, sitk.Cast(filled, sitk.sitkUInt8) * kept)

shape = sitk.LabelShapeStatisticsImageFilter()
shape.Execute(mask)
labels = []
for label in shape.GetLabels():
    b = shape.GetBoundingBox(label)
    labels.append(
        {
            "voxels": shape.GetNumberOfPixels(label),
            "ml": shape.GetPhysicalSize(label) / 1000.0,
            "centroid_lps_mm": shape.GetCentroid(label),
            "first_index": b[:3],
            "last_index": [b[a] + b[a + 3] - 1 for a in range(3)],
        }
    )
truth = {
    "made_with": "SimpleITK " + sitk.Version_VersionString(),
    "components_found": int(sitk.GetArrayViewFromImage(parts).max()),
    "size": mask.GetSize(),
    "origin": mask.GetOrigin(),
    "spacing": mask.GetSpacing(),
    "direction": mask.GetDirection(),
    "cropped_sum": float(sitk.GetArrayViewFromImage(cropped).astype("int64").sum()),
    "labels": labels,
}
json.dump(truth, sys.stdout, indent=1)
print()
