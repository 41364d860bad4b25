//! What the engine says of an image: which it is, and what it would run.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::executor::RunSpec;

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::executor) struct Image {
    /// The digest of its configuration: names may lead elsewhere the next moment, this does not.
    pub(in crate::executor) id: String,
    entry_point: Vec<String>,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    working_dir: String,
    /// Folders for which the engine would make storage without limit.
    pub(in crate::executor) volumes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    config: Option<Configuration>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Configuration {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
}

impl Image {
    /// From what `image inspect` prints: a list of one.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(in crate::executor) fn parse(text: &[u8]) -> Result<Self, String> {
        let list: Vec<Inspected> = serde_json::from_slice(text)
            .map_err(|error| format!("what the engine says of it cannot be read: {error}"))?;
        let [Inspected { id, config }] = <[Inspected; 1]>::try_from(list)
            .map_err(|list| format!("the engine knows {} images of that name", list.len()))?;
        let config = config.unwrap_or_default();
        let pair = |entry: String| entry.split_once('=').map(|(name, value)| (name.into(), value.into()));
        Ok(Self {
            id,
            entry_point: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            environment: config.env.unwrap_or_default().into_iter().filter_map(pair).collect(),
            working_dir: config.working_dir.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
        })
    }

    /// Completes a run by what the image says: its entry point comes first, and behind it the run's command, or else
    /// the image's. What the run says of variables and of the working folder goes before.
    ///
    /// # Errors
    /// If nobody says what to run.
    pub(in crate::executor) fn complete(&self, run: &mut RunSpec) -> Result<(), String> {
        let rest = if run.command.is_empty() { &self.command } else { &run.command };
        run.command = self.entry_point.iter().chain(rest).cloned().collect();
        if run.command.first().is_none_or(String::is_empty) {
            return Err("neither the image nor the definition says what to run".into());
        }
        for (name, value) in &self.environment {
            run.environment.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if run.working_dir.is_empty() {
            run.working_dir.clone_from(&self.working_dir);
        }
        Ok(())
    }
}

/// Whether the engine's words say that an image is not here, and not that the engine is in trouble.
pub(in crate::executor) fn is_missing(words: &str) -> bool {
    let words = words.to_lowercase();
    ["no such image", "image not known", "no such object"].iter().any(|known| words.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.into()).collect()
    }

    fn completed(image: &Image, command: &[&str]) -> Result<RunSpec, String> {
        let mut run = RunSpec { command: texts(command), ..RunSpec::default() };
        run.environment.insert("LEVEL".into(), "own".into());
        image.complete(&mut run).map(|()| run)
    }

    #[test]
    fn the_entry_point_comes_first_and_the_definitions_command_replaces_the_images() {
        let text = br#"[{"Id":"sha256:ab","Config":{"Entrypoint":["/crop"],"Cmd":["--help"],
            "Env":["PATH=/opt/bin","LEVEL=images","BAD"],"WorkingDir":"/work","Volumes":{"/cache":{}}}}]"#;
        let image = Image::parse(text).unwrap();
        assert_eq!((image.id.as_str(), &image.volumes), ("sha256:ab", &texts(&["/cache"])));
        let run = completed(&image, &["--margin", "5"]).unwrap();
        assert_eq!(run.command, ["/crop", "--margin", "5"]);
        assert_eq!(run.working_dir, "/work");
        assert_eq!(
            (run.environment["PATH"].as_str(), run.environment["LEVEL"].as_str()),
            ("/opt/bin", "own")
        );
        assert_eq!(completed(&image, &[]).unwrap().command, ["/crop", "--help"]);
    }

    #[test]
    fn without_entry_point_the_command_is_the_program_and_somebody_has_to_give_one() {
        for text in [&br#"[{"Id":"x","Config":{}}]"#[..], br#"[{"Id":"x","Config":{"Env":null,"Cmd":null}}]"#]
        {
            let image = Image::parse(text).unwrap();
            assert_eq!(completed(&image, &["sh", "-c", "true"]).unwrap().command, ["sh", "-c", "true"]);
            assert!(completed(&image, &[]).is_err());
        }
    }

    #[test]
    fn an_image_that_is_missing_is_no_engine_in_trouble() {
        assert!(is_missing("Error: inspecting object: x: image not known"));
        assert!(is_missing("Error response from daemon: No such image: x:latest"));
        assert!(!is_missing("Cannot connect to the Docker daemon at unix:///var/run/docker.sock."));
    }

    #[test]
    fn anything_else_is_no_image() {
        for text in ["", "[]", "{}", "[{}]", r#"[{"Id":"a"},{"Id":"b"}]"#, r#"[{"Id":7}]"#] {
            assert!(Image::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
