//! The table of `docs/formats.md` against the reader, line by line.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod made_dicom;

use std::path::PathBuf;

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, scan};
use imaging::source::Progress;
use made_dicom::{Dicom, deflate, stored};
use test_support::{data, repository_data};

struct Line {
    uid: String,
    is_read: bool,
    /// `None` for files that are made here.
    example: Option<String>,
}

fn table() -> Vec<Line> {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| 1.2.840"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, uid, _, what, example, _] = cells[..] else { panic!("{line}") };
            let is_read = match what {
                "read" => true,
                "refused by name" => false,
                other => panic!("{uid} is neither read nor refused but `{other}`"),
            };
            let example = (example != "made").then(|| example.trim_matches('`').to_owned());
            Line { uid: uid.to_owned(), is_read, example }
        })
        .collect()
}

/// A frame of 32 × 32 in the given transfer syntax: colour quadrants, or grey where colour would need an encoder.
fn made(uid: &str) -> Dicom {
    let codestream =
        |name: &str| std::fs::read(repository_data(&format!("made/codestreams/{name}"))).unwrap();
    let color = |name: &str| Dicom::color(uid, 32, 32, "RGB", 0).fragments(vec![codestream(name)]);
    let grey: Vec<u8> = (0..1024u32).map(|i| (i * 7 % 251) as u8).collect();
    let plain = Dicom::image(uid, 32, 32).bits(8, 8, 7, false);
    match uid.strip_prefix("1.2.840.10008.1.2.").unwrap() {
        "4.92" | "4.93" => color("j2k_mct.j2k"),
        "4.202" | "4.203" => color("htj2k_rgb.j2k"),
        "4.110" => color("jxl_rgb.jxl"),
        "4.111" => color("jxl_from_jpeg.jxl"),
        "4.112" => color("jxl_lossy_rgb.jxl"),
        "8.1" => plain.fragments(vec![deflate(&grey)]),
        _ => plain.fragments(vec![grey]),
    }
}

/// Red at the middle of the first quadrant; grey values where they are exact.
fn check_made(uid: &str) {
    let (entry, volume) = made(uid).read().unwrap_or_else(|error| panic!("{uid}: {error}"));
    assert_eq!(entry.transfer_syntax.as_deref(), Some(uid));
    let values = stored(&volume);
    if entry.channels == 1 {
        let expected: Vec<f64> = (0..1024).map(|i| f64::from(i * 7 % 251)).collect();
        assert_eq!(values, expected, "{uid}");
    } else {
        let at = (8 * 32 + 8) * 3;
        let is_near = values[at..at + 3].iter().zip([200.0, 40.0, 60.0]).all(|(f, e)| (f - e).abs() <= 8.0);
        assert!(is_near, "{uid}: {:?}", &values[at..at + 3]);
    }
}

#[test]
fn every_line_of_the_table_is_what_happens() {
    let table = table();
    assert!(table.len() >= 36, "{} lines", table.len());
    for Line { uid, is_read, example } in &table {
        match (is_read, example) {
            (false, _) => match made(uid).read() {
                Err(ImagingError::Unsupported { what, .. }) => {
                    assert!(what.contains(uid.as_str()) && !what.contains('`'), "{uid} is not named: {what}");
                }
                other => panic!("{uid}: {other:?}"),
            },
            (true, None) => check_made(uid),
            (true, Some(name)) => {
                let Some(path) = data("zoo/zoo").map(|zoo| zoo.join(name)) else { continue };
                let catalog = scan(&[path], &Progress::new()).unwrap();
                assert_eq!(catalog.series[0].transfer_syntax.as_deref(), Some(uid.as_str()), "{name}");
                load(&catalog.series[0], ReadLimits::default(), &Progress::new())
                    .unwrap_or_else(|error| panic!("{uid}: {error}"));
            }
        }
    }
}

#[test]
fn every_transfer_syntax_with_pixels_that_the_registry_knows_is_in_the_table() {
    use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
    let table = table();
    // Streams between devices, not files; and syntaxes of documents.
    let no_files =
        |uid: &str| uid.starts_with("1.2.840.10008.1.2.7.") || uid.starts_with("1.2.840.10008.1.2.6.");
    for syntax in TransferSyntaxRegistry.iter().filter(|syntax| !no_files(syntax.uid())) {
        let is_listed = table.iter().any(|line| line.uid == syntax.uid());
        let is_fragmentable = ["1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.4.205"].contains(&syntax.uid());
        let is_retired_or_segmented = syntax.uid().ends_with(".1") && syntax.name().contains("Fragmentable");
        assert!(
            is_listed || is_fragmentable || is_retired_or_segmented,
            "{} {} is in no line of docs/formats.md",
            syntax.uid(),
            syntax.name()
        );
    }
}
