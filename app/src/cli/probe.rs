//! `lantern probe`: values at voxels or patient positions.

use glam::DVec3;
use imaging::volume::Volume;
use serde::Serialize;

use super::output::{self, finite};
use super::select::SeriesArguments;
use super::{UsageError, values};

/// Print the value at voxels or patient positions; the flags repeat and are answered in the order given
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    series: SeriesArguments,

    /// Voxel index (column, row, slice), from 0; fractions are allowed
    #[arg(long, value_name = "X,Y,Z", value_parser = values::triple, allow_hyphen_values = true)]
    index: Vec<DVec3>,

    /// Patient position in mm, LPS
    #[arg(long, value_name = "X,Y,Z", value_parser = values::triple, allow_hyphen_values = true)]
    lps: Vec<DVec3>,

    /// Time point, from 0
    #[arg(long, default_value_t = 0)]
    time: usize,

    /// Print JSON (the contract is docs/schema/probe.schema.json)
    #[arg(long)]
    json: bool,
}

/// A point as it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Point {
    Index(DVec3),
    Lps(DVec3),
}

/// The points of both flags in the order in which they were typed.
pub(super) fn points_in_order(matches: &clap::ArgMatches) -> Vec<Point> {
    let of = |name: &str, make: fn(DVec3) -> Point| -> Vec<(usize, Point)> {
        let places = matches.indices_of(name).into_iter().flatten();
        let points = matches.get_many::<DVec3>(name).into_iter().flatten();
        places.zip(points.map(|p| make(*p))).collect()
    };
    let mut all = of("index", Point::Index);
    all.extend(of("lps", Point::Lps));
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, point)| point).collect()
}

#[derive(Debug, Serialize)]
struct Report {
    points: Vec<PointReport>,
}

#[derive(Debug, Serialize)]
struct PointReport {
    /// Continuous index.
    index: [f64; 3],
    lps: [f64; 3],
    /// At the nearest voxel; `null` outside and where the file has no value. One number, or one per channel of a colour image.
    value: Option<Value>,
    /// Trilinear; `null` also where a slice that no file filled would take part.
    interpolated: Option<Value>,
    unit: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Value {
    Scalar(Option<f64>),
    Channels(Vec<Option<f64>>),
}

pub(super) fn run(arguments: &Arguments, points: &[Point]) -> anyhow::Result<()> {
    if points.is_empty() {
        return Err(UsageError("give at least one --index or --lps".to_owned()).into());
    }
    let (_, volume) = arguments.series.load()?;
    if arguments.time >= volume.time_points() {
        let count = volume.time_points();
        let reason = format!("time point {} does not exist; the series has {count}", arguments.time);
        return Err(UsageError(reason).into());
    }
    let points = points.iter().map(|&p| point_report(&volume, p, arguments.time)).collect();
    let report = Report { points };
    if arguments.json { output::json(&report) } else { output::text(&table(&report)) }
}

fn point_report(volume: &Volume, point: Point, time_point: usize) -> PointReport {
    let geometry = volume.geometry();
    let (index, lps) = match point {
        Point::Index(index) => (index, geometry.lps_from_index().transform_point3(index)),
        Point::Lps(lps) => (geometry.index_from_lps().transform_point3(lps), lps),
    };
    let nearest = (index + 0.5).floor();
    let is_inside = volume.dims().contains([nearest.x as i64, nearest.y as i64, nearest.z as i64]);
    let nearest = [nearest.x as usize, nearest.y as usize, nearest.z as usize];
    let value = |of_channel: &dyn Fn(usize) -> Option<f64>| {
        is_inside.then(|| match volume.channels().count() {
            1 => Value::Scalar(of_channel(0).and_then(finite)),
            n => Value::Channels((0..n).map(|c| of_channel(c).and_then(finite)).collect()),
        })
    };
    PointReport {
        index: index.to_array(),
        lps: lps.to_array(),
        value: value(&|c| volume.value_at(nearest, c, time_point)),
        interpolated: value(&|c| volume.measure_linear(index, c, time_point)),
        unit: volume.unit().symbol().map(str::to_owned),
    }
}

fn table(report: &Report) -> String {
    let shown = |value: &Option<Value>| match value {
        None => "outside".to_owned(),
        // NaN, or a slice that no file filled.
        Some(Value::Scalar(v)) => v.map_or_else(|| "no value".to_owned(), |v| format!("{v}")),
        Some(Value::Channels(v)) => format!("{v:?}"),
    };
    let line = |p: &PointReport| {
        let [i, j, k] = p.index;
        let [x, y, z] = p.lps;
        format!(
            "index {i:.3} {j:.3} {k:.3}  LPS {x:.3} {y:.3} {z:.3} mm  {} (interpolated {}) {}",
            shown(&p.value),
            shown(&p.interpolated),
            p.unit.as_deref().unwrap_or("")
        )
    };
    report.points.iter().map(line).collect::<Vec<_>>().join("\n")
}
