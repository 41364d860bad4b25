//! Files up and down.

use super::{Server, path};

#[test]
fn a_job_gets_files_and_gives_its_results() {
    let server = Server::start();
    let id = server.fake.add_job("a", 1, 1);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/x"), "x").unwrap();
    std::fs::write(folder.path().join("y"), "yy").unwrap();
    let (first, second) = (folder.path().join("in"), folder.path().join("y"));
    let document = server.json(&["upload", &format!("{id}:series"), path(&first), path(&second)]);
    assert_eq!((&document["files"], &document["bytes"]), (&2.into(), &3.into()));
    let payload = document["payload_id"].as_str().unwrap();
    for (name, data) in [
        ("/operators/seg/out.mhd", "head"),
        ("/operators/seg/raw/out.raw", "voxels"),
        ("/operators/other/o", ""),
    ] {
        let mut state = server.fake.state();
        state.payloads.get_mut(payload).unwrap().files.insert(name.to_owned(), data.as_bytes().to_vec());
    }
    let to = folder.path().join("results");
    let source = format!("{id}:/operators/seg/*");
    let document = server.json(&["download", &source, path(&to)]);
    assert_eq!((&document["files"], &document["bytes"]), (&2.into(), &10.into()));
    assert_eq!(std::fs::read_to_string(to.join("raw/out.raw")).unwrap(), "voxels");
    let text = server.fails(&["download", &source, path(&to)], 1);
    assert!(text.starts_with("error: ") && text.contains("is there already"), "{text}");
    server.text(&["download", &source, path(&to), "--force"]);
    // One file under another name, by the payload's own identifier, in other letters.
    let target = folder.path().join("single");
    server.text(&["download", &format!("{payload}:INPUT/SERIES/X"), path(&target)]);
    assert_eq!(std::fs::read_to_string(target).unwrap(), "x");
    assert!(server.fails(&["download", &format!("{id}:/none/*"), path(&to)], 1).contains("no file matches"));
    assert!(server.fails(&["download", &id, path(&to)], 2).contains("ID:PATH"));
    assert!(server.fails(&["download"], 2).contains("ID:PATH"));
}

#[test]
fn names_that_leave_the_folder_are_reported_and_not_written() {
    let server = Server::start();
    let id = server.fake.add_job("a", 3, 1);
    let payload = server.fake.state().jobs[0].payload_id.clone();
    for name in ["/../escaped", "/ok"] {
        let mut state = server.fake.state();
        state.payloads.get_mut(&payload).unwrap().files.insert(name.to_owned(), b"x".to_vec());
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to");
    let output = server.run(&["download", &format!("{id}:/*"), path(&to)]);
    assert_eq!(output.status.code(), Some(0));
    assert!(crate::stderr(&output).contains("1 files have names that cannot be used here"));
    assert!(to.join("ok").is_file() && !folder.path().join("escaped").exists());
}

#[test]
fn two_files_of_one_name_are_refused_before_anything_is_sent() {
    let server = Server::start();
    let id = server.fake.add_job("a", 1, 1);
    let folder = tempfile::tempdir().unwrap();
    for sub in ["a", "b"] {
        std::fs::create_dir(folder.path().join(sub)).unwrap();
        std::fs::write(folder.path().join(sub).join("X"), "x").unwrap();
    }
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    assert!(server.fails(&["upload", &id, path(&a), path(&b)], 2).contains("two files would be `/X`"));
    assert_eq!(server.fake.count("Payloads.Upload"), 0);
}
