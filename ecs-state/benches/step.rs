//! What a step, a delta, a hash and a keyframe cost, each beside its floor in the same run.
//!
//! `cargo xtask bench step`. The floor of a step is bevy's raw iteration over the same components; that of
//! everything that reads or writes whole columns is a copy of the columns' bytes. Ends with a table of ratios.

#![allow(missing_docs, unreachable_pub, reason = "a bench has no readers of its interface")]
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a bench measures and reports"
)]

mod drift;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use drift::{Drift, Raw, STILL, open, setup};
use ecs_state::{Keyframe, Simulation};
use protocol::Columns;
use protocol::delta::{self, Writer};
use protocol::manifest::Visibility;

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
const CLASSES: [Visibility; 3] = [Visibility::Everyone, Visibility::Owner, Visibility::Server];
/// 30 Hz: a barrier each 300 ticks.
const USUAL: u32 = 30_000;
/// A barrier each tick.
const BARRIERS: u32 = 100;

/// Each measure and the floor it stands on.
const ROWS: [(&str, &str); 8] = [
    ("step, all move", "raw iteration"),
    ("step without a change", "raw iteration"),
    ("step with a barrier", "raw iteration"),
    ("delta encode, all move", "copy of columns"),
    ("delta decode, all move", "copy of columns"),
    ("hash, full", "copy of columns"),
    ("keyframe capture", "copy of columns"),
    ("keyframe rebuild", "copy of columns"),
];

/// Nanoseconds of each sample, by name and size.
#[derive(Default)]
struct Samples(RefCell<BTreeMap<(String, u32), Vec<f64>>>);

impl Samples {
    fn median(&self, name: &str, size: u32) -> Option<f64> {
        let mut samples = self.0.borrow().get(&(name.to_owned(), size))?.clone();
        samples.sort_by(f64::total_cmp);
        Some(samples[samples.len() / 2])
    }

    fn measure(&self, criterion: &mut Criterion, name: &str, size: u32, mut run: impl FnMut()) {
        criterion.bench_function(&format!("{name}/{size}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                (0..iterations).for_each(|_| run());
                let took = start.elapsed();
                let nanoseconds = took.as_nanos() as f64 / iterations as f64;
                self.0.borrow_mut().entry((name.to_owned(), size)).or_default().push(nanoseconds);
                took
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    let samples = Samples::default();
    for size in SIZES {
        floors(&mut criterion, &samples, size);
        steps(&mut criterion, &samples, size);
        deltas(&mut criterion, &samples, size);
        keyframes(&mut criterion, &samples, size);
    }
    criterion.final_summary();
    report(&samples);
}

fn floors(criterion: &mut Criterion, samples: &Samples, size: u32) {
    let mut raw = Raw::new(size);
    samples.measure(criterion, "raw iteration", size, || raw.step());
    let simulation = open::<USUAL>(size);
    let bytes: usize = all_columns(simulation.columns()).map(|(ids, width)| ids * (4 + width)).sum();
    let (source, mut target) = (vec![1u8; bytes], vec![0u8; bytes]);
    samples.measure(criterion, "copy of columns", size, || {
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
    });
}

/// Rows and width of each column.
fn all_columns(columns: &Columns) -> impl Iterator<Item = (usize, usize)> {
    let layouts = columns.manifest().layouts().iter().enumerate();
    layouts.map(|(index, layout)| (columns.column(index).len(), layout.width))
}

fn steps(criterion: &mut Criterion, samples: &Samples, size: u32) {
    let mut simulation = open::<USUAL>(size);
    samples.measure(criterion, "step, all move", size, || _ = black_box(simulation.step(0, &[])));
    let mut still = open::<STILL>(size);
    samples.measure(criterion, "step without a change", size, || _ = black_box(still.step(0, &[])));
    let mut at_barrier = open::<BARRIERS>(size);
    samples.measure(criterion, "step with a barrier", size, || _ = black_box(at_barrier.step(0, &[])));
}

/// Positions of two consecutive ticks, to go from one to the other and back.
fn deltas(criterion: &mut Criterion, samples: &Samples, size: u32) {
    let mut simulation = open::<USUAL>(size);
    let (index, layout) = simulation.columns().manifest().layout_of("Position").expect("the game has it");
    let width = layout.width;
    let (mut columns, before) = (simulation.columns().clone(), rows_of(simulation.columns(), index));
    simulation.step(0, &[]);
    let after = rows_of(simulation.columns(), index);
    let first = columns.column(index).iter().next().expect("the match is not empty").0.0;
    let present: Vec<_> = (0..(after.len() / width) as u32).map(|place| (first + place, place)).collect();
    let mut mirror = columns.clone();
    let mut writer = Writer::new();
    let mut write = |columns: &mut Columns, rows: &[u8]| {
        writer.begin(columns, &[]);
        for other in 0..all_columns(columns).count() {
            let (present, rows) = if other == index { (&present[..], rows) } else { (&[][..], &[][..]) };
            writer.component(columns, other, present, rows, &[]);
        }
        writer.finish(Visibility::Everyone)
    };
    let forth = write(&mut columns, &after);
    let back = write(&mut columns, &before);
    let mut is_after = false;
    samples.measure(criterion, "delta encode, all move", size, || {
        is_after = !is_after;
        black_box(write(&mut columns, if is_after { &after } else { &before }));
    });
    let mut is_after = false;
    samples.measure(criterion, "delta decode, all move", size, || {
        is_after = !is_after;
        let delta = if is_after { &forth } else { &back };
        delta::apply(&mut mirror, Visibility::Everyone, black_box(delta)).expect("it was just written");
    });
    samples.measure(criterion, "hash, full", size, || _ = black_box(simulation.columns().recomputed_sums()));
}

fn rows_of(columns: &Columns, index: usize) -> Vec<u8> {
    columns.column(index).iter().flat_map(|(_, row)| row.iter().copied()).collect()
}

fn keyframes(criterion: &mut Criterion, samples: &Samples, size: u32) {
    let simulation = open::<USUAL>(size);
    samples.measure(criterion, "keyframe capture", size, || {
        let classes = CLASSES.map(|class| delta::encode_full(simulation.columns(), class, |_| true));
        black_box(classes);
    });
    let bytes = simulation.keyframe().encode();
    samples.measure(criterion, "keyframe rebuild", size, || {
        let keyframe = Arc::new(Keyframe::decode(&bytes).expect("it was just written"));
        let restored = Simulation::<Drift<USUAL>>::restore(setup(size), keyframe);
        black_box(restored.expect("it is of this game"));
    });
}

fn report(samples: &Samples) {
    println!("\nmicroseconds (median of samples), and times the floor\n");
    println!("{:<26} {:<16} {}", "", "floor", SIZES.map(|size| format!("{size:>24}")).concat());
    for (name, floor) in ROWS {
        let cells = SIZES.map(|size| match (samples.median(name, size), samples.median(floor, size)) {
            (Some(took), Some(least)) => format!("{:>14.1} {:>7.1} x", took / 1_000.0, took / least),
            _ => format!("{:>24}", "-"),
        });
        println!("{name:<26} {floor:<16} {}", cells.concat());
    }
    for floor in ["raw iteration", "copy of columns"] {
        let cells = SIZES.map(|size| {
            samples
                .median(floor, size)
                .map_or(format!("{:>24}", "-"), |took| format!("{:>14.1} {:>9}", took / 1_000.0, ""))
        });
        println!("{floor:<26} {:<16} {}", "", cells.concat());
    }
}
