//! `render` through the binary: the pictures are what they should be.

use image::RgbaImage;

use super::{lantern, sample, stderr, text};

fn render(arguments: &[&str]) -> RgbaImage {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("picture.png");
    let sample = sample();
    let mut all = vec!["render", text(&sample), "--out", text(&out)];
    all.extend(arguments);
    let output = lantern(&all);
    assert!(output.status.success(), "{all:?}: {}", stderr(&output));
    image::open(&out).unwrap().into_rgba8()
}

fn mean_grey(image: &RgbaImage) -> f64 {
    let sum: f64 = image.pixels().map(|p| f64::from(p[0])).sum();
    sum / f64::from(image.width() * image.height())
}

#[test]
fn window_changes_the_grey_of_the_same_slice() {
    let lung = render(&["--view", "axial", "--size", "128x128", "--preset", "Lung"]);
    let bone = render(&["--view", "axial", "--size", "128x128", "--window", "400,2000"]);
    assert_eq!(lung.dimensions(), (128, 128));
    assert!(mean_grey(&lung) > mean_grey(&bone) + 10.0);
}

#[test]
fn oblique_with_the_axial_normal_is_the_axial_slice() {
    let size = ["--size", "96x80", "--window", "-450,2000"];
    let axial = render(&[&["--view", "axial"][..], &size].concat());
    let oblique = render(&[&["--view", "oblique", "--normal=0,0,1", "--up=0,-1,0"][..], &size].concat());
    assert_eq!(axial, oblique);
}

#[test]
fn chest_from_the_front_is_brighter_inside_than_around() {
    for view in ["volume", "mip"] {
        let picture = render(&["--view", view, "--size", "96x96", "--camera", "20,10,1"]);
        assert_eq!(picture.get_pixel(0, 0)[0], 0, "{view}: background is black");
        assert!(mean_grey(&picture) > 4.0, "{view}: something is drawn");
    }
}

#[test]
fn every_renderer_draws_the_same_picture() {
    let view = ["--view", "volume", "--size", "96x96", "--camera", "30,20,1.2", "--preset", "CT-Bone"];
    let cpu = render(&[&view[..], &["--renderer", "cpu"]].concat());
    let gpu = render(&[&view[..], &["--renderer", "gpu"]].concat());
    let psnr = test_support::image_compare::psnr_db(&cpu, &gpu);
    assert!(psnr >= 35.0, "PSNR is {psnr:.1} dB");
}
