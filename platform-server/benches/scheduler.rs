//! What one job costs the scheduler with 100, 10 000 and 100 000 others in the queue.
//!
//! `alike` has one kind of request; `mixed` has sixteen, in three priorities, with big ones waiting in front;
//! in `different` no two ask for the same.

mod load;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

use load::{KINDS, Load};

fn bench(criterion: &mut Criterion) {
    for (name, kinds) in KINDS {
        let mut group = criterion.benchmark_group(format!("scheduler, {name}"));
        for queued in [100, 10_000, 100_000] {
            let mut load = Load::new(queued, kinds);
            group.bench_function(BenchmarkId::new("turn", queued), |b| {
                b.iter_batched(|| (), |()| load.turn(), BatchSize::NumIterations(1000));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
