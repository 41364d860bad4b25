//! How fast a DICOM series is found and read. `DICOM_BENCH=/path` names another series than the LIDC chest CT.

use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use imaging::formats::{ReadLimits, load, load_slice, scan};
use imaging::source::Progress;

fn series() -> Option<PathBuf> {
    let named = std::env::var_os("DICOM_BENCH").map(PathBuf::from);
    named.or_else(|| test_support::data("ct/lidc-0314/lidc-0314"))
}

fn bench(criterion: &mut Criterion) {
    let Some(path) = series() else { return };
    let paths = [path];
    let find = || scan(&paths, &Progress::new()).expect("the series is readable");
    let catalog = find();
    let entry = &catalog.series[0];
    let mut group = criterion.benchmark_group("dicom");
    group.sample_size(20);
    group.bench_function("scan", |b| b.iter(find));
    group.bench_function("first slice", |b| b.iter(|| load_slice(entry, entry.dims.z / 2, 0)));
    group.throughput(Throughput::Bytes(entry.decoded_bytes));
    group.bench_function("scan and load", |b| {
        b.iter(|| load(&find().series[0], ReadLimits::default(), &Progress::new()));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
