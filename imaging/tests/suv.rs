//! Standardised uptake values: a real series against its truth, and a reference object with known answers.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod dicom_builder;

use std::path::Path;

use dicom_builder::{Set, object};
use imaging::formats::{ReadLimits, load, scan, uptake_header};
use imaging::series::SeriesEntry;
use imaging::source::Progress;
use imaging::uptake::{NoUptake, SuvFactor, suv_body_weight};
use test_support::data;

fn entry(path: &Path) -> SeriesEntry {
    scan(&[path.to_path_buf()], &Progress::new()).unwrap().series.remove(0)
}

#[test]
fn real_pet_series_has_the_factor_and_maximum_of_the_truth() {
    let Some(path) = data("pet/pet-wb/pet-wb") else { return };
    let truth = std::fs::read_to_string(data("pet/pet-wb/truth.json").unwrap()).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    let truth = &truth["series"][0]["suv_bw"];
    let number = |name: &str| truth[name].as_f64().unwrap();
    let entry = entry(&path);
    let factor = suv_body_weight(&uptake_header(&entry).unwrap()).unwrap();
    assert!((factor.decay_secs.unwrap() - number("seconds_injection_to_series")).abs() < 1e-6);
    assert!((factor.suv_per_value / number("factor_suvbw_per_bqml") - 1.0).abs() < 1e-12);
    let volume = load(&entry, ReadLimits::default(), &Progress::new()).unwrap();
    let max = volume.statistics().max;
    assert!((factor.suv_per_value * max - number("volume_max_suvbw")).abs() < 1e-4);
    // The same through a rescale of stored values.
    let rescale = factor.rescale(volume.rescale());
    let stored = volume.voxels().get(1_000_000).unwrap();
    let value = volume.rescale().apply(stored) * factor.suv_per_value;
    assert!((rescale.apply(stored) - value).abs() <= 1e-12 * value.abs().max(1.0));
}

/// A slice of a PET of a 70 kg patient, injected with 370 MBq of ¹⁸F at 12:00 and scanned at 13:00, whose pixels hold
/// SUV 1, 2, 4 and 8 as a reference object of the QIBA kind does.
fn made() -> (Set, [u16; 4]) {
    // 370e6 Bq · 2^(−3600 / 6586.2) / 70 000 g is the activity of SUV 1 per ml, by hand 3618.67 Bq/ml.
    let per_suv = 370e6 * (-3600.0f64 / 6586.2).exp2() / 70_000.0;
    assert!((per_suv - 3618.67).abs() < 0.5, "{per_suv}");
    let slope = per_suv / 1000.0;
    let stored = [1000u16, 2000, 4000, 8000];
    let dose =
        Set::new().text(0x0018_1072, "TM", "120000.00").ds(0x0018_1074, &[370e6]).ds(0x0018_1075, &[6586.2]);
    let bytes: Vec<u8> = stored.iter().flat_map(|v| v.to_le_bytes()).collect();
    let set = object("1.2.840.10008.5.1.4.1.1.128", "PT")
        .text(0x0008_0021, "DA", "20240115")
        .text(0x0008_0022, "DA", "20240115")
        .text(0x0008_0031, "TM", "130000.00")
        .text(0x0008_0032, "TM", "130000.00")
        .ds(0x0010_1030, &[70.0])
        .text(0x0028_0051, "CS", "NORM\\ATTN\\SCAT\\DECY")
        .seq(0x0054_0016, [dose])
        .text(0x0054_1001, "CS", "BQML")
        .text(0x0054_1102, "CS", "START")
        .us(0x0028_0002, &[1])
        .text(0x0028_0004, "CS", "MONOCHROME2")
        .us(0x0028_0010, &[2])
        .us(0x0028_0011, &[2])
        .us(0x0028_0100, &[16])
        .us(0x0028_0101, &[16])
        .us(0x0028_0102, &[15])
        .us(0x0028_0103, &[0])
        .ds(0x0028_0030, &[4.0, 4.0])
        .ds(0x0020_0032, &[0.0, 0.0, 0.0])
        .ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
        .ds(0x0028_1052, &[0.0])
        .text(0x0028_1053, "DS", &format!("{slope:.12}"))
        .bytes(0x7FE0_0010, "OW", &bytes);
    (set, stored)
}

/// A dose item with a date and time of injection.
fn dose_at(date_time: &str) -> Set {
    Set::new()
        .text(0x0018_1078, "DT", date_time)
        .text(0x0018_1072, "TM", "000000")
        .ds(0x0018_1074, &[370e6])
        .ds(0x0018_1075, &[6586.2])
}

/// SUV of the four pixels, or why there is none.
fn suvs(set: &Set) -> Result<[f64; 4], NoUptake> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pet.dcm");
    std::fs::write(&path, set.file()).unwrap();
    let entry = entry(&path);
    let factor = suv_body_weight(&uptake_header(&entry).unwrap())?;
    let volume = load(&entry, ReadLimits::default(), &Progress::new()).unwrap();
    let rescale = factor.rescale(volume.rescale());
    Ok([0, 1, 2, 3].map(|i| rescale.apply(volume.voxels().get(i).unwrap())))
}

fn assert_suvs(set: &Set, expected: [f64; 4], what: &str) {
    let found = suvs(set).unwrap_or_else(|reason| panic!("{what}: {reason}"));
    for (f, e) in found.iter().zip(expected) {
        assert!((f / e - 1.0).abs() < 1e-9, "{what}: {found:?}");
    }
}

#[test]
fn reference_object_has_the_uptake_of_every_pixel() {
    let (set, _) = made();
    assert_suvs(&set, [1.0, 2.0, 4.0, 8.0], "decay to the series time");
    // Corrected to the time of injection: nothing decays, so the same activity means less.
    let decayed = (-3600.0f64 / 6586.2).exp2();
    let admin = set.clone().text(0x0054_1102, "CS", "ADMIN");
    assert_suvs(&admin, [1.0, 2.0, 4.0, 8.0].map(|suv| suv * decayed), "no decay");
}

#[test]
fn time_zones_and_midnight_do_not_change_the_uptake() {
    let (set, _) = made();
    let with = |date_time: &str| set.clone().seq(0x0054_0016, [dose_at(date_time)]);
    let expected = [1.0, 2.0, 4.0, 8.0];
    assert_suvs(&with("20240115120000.000000"), expected, "date and time");
    let zoned = |date_time: &str, zone: &str| with(date_time).text(0x0008_0201, "SH", zone);
    assert_suvs(&zoned("20240115120000-0500", "-0500"), expected, "the same negative zone");
    // Injected 16:00 UTC, scanned 17:00 UTC; then half an hour later each.
    assert_suvs(&zoned("20240115110000-0500", "-0400"), expected, "zones that differ");
    assert_suvs(&zoned("20240115220000+0530", "-0430"), expected, "zones of other sign");
    let night = set
        .clone()
        .text(0x0008_0021, "DA", "20240301")
        .text(0x0008_0022, "DA", "20240301")
        .text(0x0008_0031, "TM", "003000")
        .text(0x0008_0032, "TM", "003000");
    let time_only =
        Set::new().text(0x0018_1072, "TM", "233000").ds(0x0018_1074, &[370e6]).ds(0x0018_1075, &[6586.2]);
    assert_suvs(&night.clone().seq(0x0054_0016, [time_only]), expected, "past midnight without a date");
    assert_suvs(
        &night.seq(0x0054_0016, [dose_at("20240229233000")]),
        expected,
        "past midnight of a leap day",
    );
}

#[test]
fn values_that_are_suv_already_stay() {
    let (set, stored) = made();
    let set = set.text(0x0054_1001, "CS", "GML").ds(0x0028_1053, &[0.001]);
    assert_suvs(&set, stored.map(|v| f64::from(v) * 0.001), "GML");
}

#[test]
fn counts_of_philips_need_a_private_factor() {
    let (set, stored) = made();
    let set = set.text(0x0054_1001, "CS", "CNTS").ds(0x0028_1053, &[1.0]);
    assert_eq!(suvs(&set), Err(NoUptake::PhilipsScale));
    let creator = "Philips PET Private Group";
    let philips = set.clone().text(0x7053_0010, "LO", creator);
    assert_suvs(
        &philips.clone().ds(0x7053_1000, &[0.000_25]),
        stored.map(|v| f64::from(v) * 0.000_25),
        "SUV scale",
    );
    // A SUV scale of 0 means none; then the activity scale counts.
    let per_suv = 370e6 * (-3600.0f64 / 6586.2).exp2() / 70_000.0;
    let activity = philips.ds(0x7053_1000, &[0.0]).ds(0x7053_1009, &[3.5]);
    assert_suvs(&activity, stored.map(|v| f64::from(v) * 3.5 / per_suv), "activity scale");
    let foreign = set.text(0x7053_0010, "LO", "SOMEBODY ELSE").ds(0x7053_1000, &[0.000_25]);
    assert_eq!(suvs(&foreign), Err(NoUptake::PhilipsScale), "private elements of another owner");
}

#[test]
fn whatever_is_missing_is_the_reason_that_is_given() {
    let (set, _) = made();
    let dose = |item: Set| set.clone().seq(0x0054_0016, [item]);
    let time = || Set::new().text(0x0018_1072, "TM", "120000");
    let check = |set: Set, reason: NoUptake| assert_eq!(suvs(&set), Err(reason));
    check(set.clone().text(0x0010_1030, "DS", ""), NoUptake::Weight);
    check(set.clone().text(0x0010_1030, "DS", "0"), NoUptake::Weight);
    check(dose(time().ds(0x0018_1075, &[6586.2])), NoUptake::Dose);
    check(
        dose(time().ds(0x0018_1074, &[370.0]).ds(0x0018_1075, &[6586.2])),
        NoUptake::DoseImplausible { bq: 370.0 },
    );
    check(dose(time().ds(0x0018_1074, &[370e6])), NoUptake::HalfLife);
    check(dose(Set::new().ds(0x0018_1074, &[370e6]).ds(0x0018_1075, &[6586.2])), NoUptake::InjectionTime);
    check(set.clone().text(0x0008_0031, "TM", ""), NoUptake::SeriesTime);
    check(set.clone().text(0x0008_0031, "TM", "26:00"), NoUptake::SeriesTime);
    check(set.clone().text(0x0054_1001, "CS", ""), NoUptake::NoUnits);
    check(set.clone().text(0x0054_1001, "CS", "PROPCPS"), NoUptake::Units { units: "PROPCPS".to_owned() });
    check(
        set.clone().text(0x0054_1102, "CS", "NONE"),
        NoUptake::DecayCorrection { found: "NONE".to_owned() },
    );
    let uncorrected = set.clone().text(0x0028_0051, "CS", "NORM\\DECY");
    let reason = NoUptake::NotCorrected { what: "attenuation", found: "NORM\\DECY".to_owned() };
    assert_eq!(
        reason.to_string(),
        "the images are not corrected for attenuation (corrected image: `NORM\\DECY`)"
    );
    check(uncorrected, reason);
    check(dose(dose_at("20240115140000")), NoUptake::InjectedAfterwards { secs: 3600.0 });
    check(dose(dose_at("20231215120000")), NoUptake::TooLong { hours: 31.0 * 24.0 + 1.0 });
    // A series made later from the same scan carries the time of its making.
    check(set.clone().text(0x0008_0031, "TM", "150000"), NoUptake::ReferenceTimeUnknown);
    assert_eq!(SuvFactor::unit().symbol(), Some("g/ml"));
}
