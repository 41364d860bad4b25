#!/usr/bin/env bash
# Fills fuzz/corpus/ with small good and bad files: those of tests/data, and the larger set if it is there.
# Nothing above MAX_KIB: large inputs make a fuzzer slow and teach it nothing.
set -euo pipefail
cd "$(dirname "$0")"
MAX_KIB=64

seed() { # seed TARGET FOLDER NAME-PATTERN...
	local target=$1 folder=$2; shift 2
	[ -d "$folder" ] || return 0
	mkdir -p "corpus/$target"
	for pattern in "$@"; do
		find "$folder" -type f -size "-${MAX_KIB}k" -name "$pattern" -print0 |
			while IFS= read -r -d '' file; do
				cp "$file" "corpus/$target/$(sha1sum < "$file" | cut -c1-16)"
			done
	done
}

for set in ../tests/data/dicom ../target/test-data/zoo/zoo; do
	seed dicom "$set" '*.dcm'
	# Those with compressed pixel data: an item with a length of its own.
	mkdir -p corpus/codestream
	LC_ALL=C grep -rlaP --include='*.dcm' '\xe0\x7f\x10\x00(OB|OW)\x00\x00\xff\xff\xff\xff' "$set" 2>/dev/null |
		while IFS= read -r file; do
			[ "$(stat -c %s "$file")" -gt $((MAX_KIB * 1024)) ] ||
				cp "$file" "corpus/codestream/$(sha1sum < "$file" | cut -c1-16)"
		done
	for kind in seg-pm rt sr-wave-other gsps pr sr seg; do
		seed derived "$set/$kind" '*.dcm'
	done
	seed dicomdir "$set" 'DICOMDIR*' '*dicomdir*'
done
seed nifti ../tests/data/made/nifti '*.nii' '*.nii.gz'
seed metaimage ../tests/data/made/metaimage '*.mha' '*.mhd'
seed nrrd ../tests/data/made/nrrd '*.nrrd' '*.nhdr'
seed raster ../tests/data/made/picture '*'
for target in $(sed -n 's/^    ("\([a-z]*\)", "input.*\|^    ("\([a-z]*\)", "DICOMDIR.*/\1\2/p' src/exercise.rs); do
	seed "$target" "../tests/data/fuzz/$target" '*'
	mkdir -p "corpus/$target"
done

# An archive of the three smallest images, stored and deflated.
command -v zip >/dev/null && (
	cd ../tests/data/dicom
	small=$(find . -name '*.dcm' -size +0 -size -8k | LC_ALL=C sort | head -3)
	# shellcheck disable=SC2086
	for level in 0 6; do rm -f "/tmp/fuzz-seed-$$.zip"; zip -q "-$level" "/tmp/fuzz-seed-$$.zip" $small
		mv "/tmp/fuzz-seed-$$.zip" "$OLDPWD/corpus/archive/level$level"; done
)
du -sh corpus/* | sed 's/^/seeded /'
