//! Pipelines, payloads, models and metadata.

use super::{Server, path};

#[test]
fn pipelines_are_stored_listed_shown_replaced_and_removed() {
    let server = Server::start();
    let id = server.pipeline();
    let text = server.text(&["list", "pipelines"]);
    let columns: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(columns, [vec!["NAME", "ID"], vec!["liver", &id]]);
    assert_eq!(server.json(&["list", "pipeline"])["pipelines"][0]["pipeline_id"], *id);
    let document = server.json(&["describe", "pipeline", "-p", &id[..6]]);
    assert_eq!(document["files"][0]["content"], "name: liver\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.yaml");
    std::fs::write(&file, "name: lung\n").unwrap();
    server.json(&["update", "pipeline", "-p", &id, "-f", path(&file)]);
    assert!(server.text(&["describe", "pipelines", &id]).contains("name: lung"));
    server.json(&["delete", "pipelines", &id]);
    assert_eq!(
        server.fails(&["delete", "pipeline", &id], 1),
        "Error: Code: -4097, there is no such pipeline\n"
    );
    let output = server.run(&["create", "pipelines", "-p", path(&folder.path().join("none"))]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn payloads_are_made_listed_shown_and_deleted() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), vec![0; 3_000_000]).unwrap();
    let document = server.json(&["create", "payloads", "-f", path(folder.path()), "--metadata", "Site=lab"]);
    let id = document["payload_id"].as_str().unwrap();
    assert_eq!(server.json(&["list", "payloads", "--reusable"])["payloads"][0]["bytes"], 3_000_000);
    let text = server.text(&["describe", "payload", &id[..3]]);
    assert!(
        text.contains("SIZE: 2.9 MiB") && text.contains("METADATA: Site=lab") && text.contains("/a"),
        "{text}"
    );
    assert_eq!(server.json(&["describe", "payload", id])["files"][0]["name"], "/a");
    server.json(&["delete", "file", &format!("{id}:a")]);
    assert!(server.fake.state().payloads[id].files.is_empty());
    server.json(&["delete", "payload", id]);
    assert!(server.fails(&["describe", "payload", id], 1).contains("Code: -12289"));
    let old = Server::without_extension();
    assert!(old.fails(&["list", "payloads"], 1).contains("does not offer Payloads.List"));
}

#[test]
fn models_go_into_catalogs_and_come_back() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("liver.zip");
    std::fs::write(&archive, vec![7; 5000]).unwrap();
    let unpacked = folder.path().join("kidney.v2");
    std::fs::create_dir(&unpacked).unwrap();
    assert!(server.fails(&["create", "model", "-p", path(&unpacked)], 1).contains("holds no file"));
    std::fs::write(unpacked.join("config.pbtxt"), "name: kidney").unwrap();
    let packed = server.json(&["create", "model", "-p", path(&unpacked)]);
    let packed = packed["model_id"].as_str().unwrap();
    let (details, content) = server.fake.state().models[packed].clone();
    assert_eq!((details.name.as_str(), &content[..4]), ("kidney.v2", &b"PK\x03\x04"[..]));
    assert!(content.windows(22).any(|bytes| bytes == b"kidney.v2/config.pbtxt"), "the folder's name is kept");
    server.text(&["delete", "models", packed]);
    let create = ["create", "model", "-p", path(&archive)];
    let raw = server.text(&[&create[..], &["-r"]].concat());
    assert!(server.fake.state().models.contains_key(raw.strip_suffix('\n').unwrap()), "{raw:?}");
    assert!(server.fails(&[&create[..], &["--raw", "--json"]].concat(), 2).contains("exclude each other"));
    server.text(&["delete", "models", raw.trim()]);
    let made = server.json(&["create", "model", "-p", path(&archive), "-t", "pytorch"]);
    let id = made["model_id"].as_str().unwrap();
    let models = server.json(&["list", "models"]);
    assert_eq!(
        (&models["models"][0]["name"], &models["models"][0]["type"]),
        (&"liver".into(), &"pytorch".into())
    );
    assert_eq!(server.text(&["list", "models", "-q"]).trim(), id);
    for (kind, field) in [("catalog", "catalog_id"), ("instance", "instance_id")] {
        let made = server.json(&["create", kind, "--model", &id[..2]]);
        let list = made[field].as_str().unwrap();
        assert_eq!(server.json(&["describe", kind, list])["models"][0]["model_id"], *id);
        assert!(server.text(&["list", &format!("{kind}s")]).contains("liver"));
        server.json(&["list", kind]);
        server.json(&["update", kind, list]);
        assert_eq!(server.json(&["describe", kind, list])["models"].as_array().unwrap().len(), 0);
        server.json(&["delete", kind, list]);
    }
    let target = folder.path().join("back.zip");
    server.json(&["download", "model", id, path(&target)]);
    assert_eq!(std::fs::read(&target).unwrap(), vec![7; 5000]);
    assert!(server.fails(&["download", "model", id, path(&target)], 1).contains("is there already"));
    server.json(&["describe", "model", id]);
    server.json(&["delete", "models", id]);
}

#[test]
fn notes_are_added_shown_and_removed_on_every_kind() {
    let server = Server::start();
    let pipeline = server.pipeline();
    let job = server.fake.add_job("a", 1, 1);
    let payload = server.json(&["create", "payload"])["payload_id"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("m.zip");
    std::fs::write(&archive, "x").unwrap();
    let model =
        server.json(&["create", "model", "-p", path(&archive)])["model_id"].as_str().unwrap().to_owned();
    for (kind, id) in [("pipeline", &pipeline), ("job", &job), ("payload", &payload), ("model", &model)] {
        let set = server.json(&["metadata", "add", kind, id, "A=1", "B=x=y"]);
        assert_eq!(set["metadata"], serde_json::json!({ "A": "1", "B": "x=y" }), "{kind}");
        assert_eq!(server.text(&["metadata", "remove", kind, id, "A"]), "B=x=y\n", "{kind}");
        assert_eq!(server.text(&["metadata", "list", kind, id]), "B=x=y\n", "{kind}");
    }
    let text = server.fails(&["metadata", "add", "job", &job, "a=1", "A=2"], 2);
    assert!(text.contains("comes twice"), "{text}");
}
