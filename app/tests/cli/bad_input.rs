//! What happens with files that are missing, empty, broken or hostile: a message that names the file, exit code 1,
//! never a panic.

use std::fs;
use std::path::Path;

use super::{json, lantern, sample, stderr, text};

/// Every verb must fail with 1 and a message holding all of `words`.
fn check(path: &Path, words: &[&str]) {
    for verb in [&["info"][..], &["probe", "--index=0,0,0"], &["bench", "load"]] {
        let (head, tail) = match verb {
            ["bench", "load"] => (&["bench", "load"][..], &[][..]),
            [first, rest @ ..] => (std::slice::from_ref(first), rest),
            [] => continue,
        };
        let mut arguments = head.to_vec();
        arguments.push(text(path));
        arguments.extend(tail);
        let output = lantern(&arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(!message.contains("panicked"), "{message}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: `{word}` is not in: {message}");
        }
    }
}

#[test]
fn missing_file_is_named() {
    check(Path::new("/nowhere/at all/ä.dcm"), &["/nowhere/at all/ä.dcm"]);
}

#[test]
fn empty_folder_says_that_nothing_was_found() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), &["no image found", text(folder.path())]);
}

#[test]
fn text_file_is_not_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes für später.txt");
    fs::write(&path, "not an image").unwrap();
    check(&path, &["notes für später.txt"]);
}

#[test]
fn empty_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.dcm");
    fs::write(&path, "").unwrap();
    check(&path, &["empty.dcm"]);
}

#[test]
fn truncated_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut off.dcm");
    let whole = fs::read(sample().join("I0001.dcm")).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    check(&path, &["cut off.dcm"]);
}

#[test]
fn study_with_one_broken_file_stays_open_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for i in 40..46 {
        let name = format!("I{i:04}.dcm");
        fs::copy(sample().join(&name), folder.path().join(&name)).unwrap();
    }
    let broken = folder.path().join("I0042.dcm");
    let whole = fs::read(&broken).unwrap();
    fs::write(&broken, &whole[..300]).unwrap();
    let info = json("info", &[text(folder.path())]);
    let series = &info["series"][0];
    assert_eq!(series["dims"], serde_json::json!([512, 512, 6]), "the gap stays at its place");
    let said = format!("{}{}", series["warnings"], info["skipped"]);
    assert!(said.contains("missing") && said.contains("I0042.dcm"), "{said}");
}

#[test]
fn names_with_spaces_and_letters_of_any_script_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Schädel CT 頭部");
    fs::create_dir(&path).unwrap();
    fs::copy(sample().join("I0050.dcm"), path.join("Bild Nr. 1")).unwrap();
    let info = json("info", &[text(&path)]);
    assert_eq!(info["series"].as_array().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn folder_without_rights_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read_dir(&locked).is_ok() {
        eprintln!("running as root: rights do not apply; checked as an empty folder");
    }
    check(&locked, &["locked"]);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}
