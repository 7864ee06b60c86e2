//! The assistant's folder while the gateway runs: changed, broken, mended.

use std::path::Path;

use frontdesk::domain::MessageId;
use frontdesk::sandbox::Plan;
use uuid::Uuid;

use crate::world::World;

/// Starts a world whose assistant has its own copy of the shipped folder.
async fn world(folder: &Path) -> World {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    copy(&shipped, folder);
    World::with_assistant(&format!("prompts = \"{}\"", folder.display())).await
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

/// A customer writes while the model is down. Gives the text that he got and the folder's version on record.
async fn fallback(world: &World, customer: &str) -> (String, String) {
    world.model.misbehave(Plan::status(500).times(1));
    let taken = world.says(customer, "hello").await;
    world.pass(std::time::Duration::from_secs(1)).await;
    let id = Uuid::parse_str(taken.body["message_id"].as_str().unwrap()).unwrap();
    let fate = world
        .app
        .store()
        .fate(MessageId(id))
        .await
        .unwrap()
        .unwrap();
    (
        world.heard(customer).pop().unwrap(),
        fate.prompt_version.unwrap(),
    )
}

#[tokio::test]
async fn a_changed_folder_is_taken_whole_and_a_broken_one_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    let texts = folder.path().join("texts/en.toml");
    let good = std::fs::read_to_string(&texts).unwrap();
    let (shipped, first) = fallback(&world, "u1").await;

    let line = good
        .lines()
        .find(|line| line.starts_with("fallback"))
        .unwrap();
    std::fs::write(
        &texts,
        good.replace(line, "fallback = \"Back in a minute.\""),
    )
    .unwrap();
    world.app.reload();
    let (changed, second) = fallback(&world, "u2").await;
    assert_eq!(changed, "Back in a minute.");
    assert_ne!((&shipped, &first), (&changed, &second));

    for (index, broken) in ["fallback = ", "other = \"x\"", ""].into_iter().enumerate() {
        std::fs::write(&texts, broken).unwrap();
        world.app.reload();
        let (kept, version) = fallback(&world, &format!("u-{index}")).await;
        assert_eq!(
            (kept, version),
            (changed.clone(), second.clone()),
            "{broken}"
        );
    }

    std::fs::write(&texts, &good).unwrap();
    world.app.reload();
    assert_eq!(fallback(&world, "u3").await, (shipped, first));
    world.end().await;
}
