//! Pipelines that Lantern brings: stored once in each data folder, so that they can be changed and deleted there.

use std::path::Path;

use platform_client::Client;
use platform_client::metadata::Metadata;
use platform_client::pipelines::DefinitionFile;

/// Name and definition of each.
const PIPELINES: &[(&str, &str)] =
    &[("lung-segmentation", include_str!("../../../assets/pipelines/lung-segmentation.yaml"))];

/// Lists, in the data folder, which were stored.
const STORED: &str = "reference-pipelines.txt";

/// Stores those that never were, and are not there under their name.
pub(super) async fn register(client: &Client, data: &Path) -> anyhow::Result<()> {
    let list = data.join(STORED);
    let mut stored = match std::fs::read_to_string(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let missing: Vec<_> =
        PIPELINES.iter().filter(|(name, _)| !stored.lines().any(|line| line == *name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let known = client.pipelines().list().await?;
    for (name, definition) in missing {
        if !known.iter().any(|pipeline| pipeline.name == *name) {
            let file = DefinitionFile { path: format!("{name}.yaml"), content: (*definition).to_owned() };
            client.pipelines().create(&[file], &Metadata::new(), None).await?;
        }
        stored.push_str(name);
        stored.push('\n');
    }
    std::fs::write(&list, stored)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::PIPELINES;

    #[test]
    fn every_definition_of_the_repository_is_brought_under_its_own_name() {
        let folder = test_support::data::workspace_root().join("assets/pipelines");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, PIPELINES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, definition) in PIPELINES {
            assert!(definition.lines().any(|line| line == format!("name: {name}")), "{name}");
        }
    }
}
