//! Tables for spreadsheets and statistics.

use super::MeasurementRecord;

const COLUMNS: [&str; 16] = [
    "tracking_uid",
    "label",
    "kind",
    "quantity",
    "value",
    "unit",
    "plus_minus",
    "study_uid",
    "series_uid",
    "modality",
    "sop_instance_uid",
    "frame_number",
    "frame_of_reference_uid",
    "plane_normal_lps",
    "points_lps_mm",
    "receipt",
];

/// All numbers as a table, one row each, with a head line; drawings without numbers have one row with neither number.
///
/// RFC 4180: commas, quotes where needed, CR LF, UTF-8 without mark. Numbers have a decimal point and as many digits
/// as they need to be read back equal. Values that are withheld are empty. Points are `(x y z)` one after another.
/// Text that a spreadsheet would take for a formula has an apostrophe before it.
pub fn to_csv(records: &[MeasurementRecord]) -> String {
    let mut table = String::new();
    push_row(&mut table, &COLUMNS.map(str::to_owned));
    for record in records {
        let shared = Shared::of(record);
        if record.quantities.is_empty() {
            push_row(&mut table, &shared.row([const { String::new() }; 4]));
        }
        for quantity in &record.quantities {
            let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
            let cells = [
                quantity.name.id().to_owned(),
                number(quantity.value),
                text(&quantity.unit),
                number(quantity.plus_minus),
            ];
            push_row(&mut table, &shared.row(cells));
        }
    }
    table
}

/// Cells that all rows of a record have in common.
struct Shared {
    before: [String; 3],
    after: [String; 9],
}

impl Shared {
    fn of(record: &MeasurementRecord) -> Self {
        let image = &record.image;
        let instance = image.instances.first();
        let frames = instance.map(|instance| instance.frame_numbers.as_slice()).unwrap_or_default();
        let points: Vec<String> = record.drawing.points_lps().iter().map(|&lps| triple(lps)).collect();
        let receipt = record.receipt.as_ref().map(|receipt| receipt.lines().join(" | ")).unwrap_or_default();
        Self {
            before: [text(&record.tracking_uid), text(&record.label), record.drawing.kind().id().to_owned()],
            after: [
                text(&image.study_uid),
                text(&image.series_uid),
                text(&image.modality),
                text(instance.map(|instance| instance.sop_instance_uid.as_str()).unwrap_or_default()),
                frames.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
                text(image.frame_of_reference_uid.as_deref().unwrap_or_default()),
                triple(record.drawing.plane().normal()),
                points.concat(),
                text(&receipt),
            ],
        }
    }

    fn row(&self, number: [String; 4]) -> Vec<String> {
        self.before.iter().cloned().chain(number).chain(self.after.iter().cloned()).collect()
    }
}

fn triple(v: glam::DVec3) -> String {
    format!("({} {} {})", v.x, v.y, v.z)
}

/// Text that no spreadsheet calculates with.
fn text(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n', '|', '%']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

fn push_row(table: &mut String, cells: &[String]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            table.push(',');
        }
        if cell.contains([',', '"', '\r', '\n']) {
            table.push('"');
            table.push_str(&cell.replace('"', "\"\""));
            table.push('"');
        } else {
            table.push_str(cell);
        }
    }
    table.push_str("\r\n");
}
