//! The assistant's folder while the gateway runs: changed, broken, mended.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frontdesk::domain::{Language, MessageId};
use frontdesk::prompts::{Prompts, Reloaded, Source};
use frontdesk::sandbox::Plan;
use frontdesk::sandbox::phone::Texted;
use uuid::Uuid;

use crate::world::{World, soon};

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
    // A refusal that says nothing about the model's health: so many failures would make the gateway leave it alone.
    world.model.misbehave(Plan::status(400).times(1));
    let taken = world.says(customer, "hello").await;
    world.pass(Duration::from_secs(1)).await;
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

/// Makes a small folder, quick to load, whose system prompt and fallback text carry a mark.
pub(crate) fn marked(folder: &Path, mark: &str) {
    std::fs::create_dir_all(folder.join("texts")).unwrap();
    let rules = "[[rule]]\nname = \"stop\"\naction = \"opt_out\"\nphrases.en = [\"=stop\"]\n";
    let texts = [
        "handoff_started",
        "late",
        "limit",
        "media",
        "no_agent",
        "no_agent_yet",
        "media_several",
        "offer",
        "opted_in",
        "opted_out",
        "returned",
    ]
    .map(|key| format!("{key} = \"{key}\"\n"));
    let closed = ["handoff_closed", "handoff_message"];
    let closed = closed.map(|key| format!("{key} = \"{key} {{opens}}\"\n"));
    let texts = texts.concat() + &closed.concat() + &format!("fallback = \"Sorry, {mark}.\"\n");
    for (file, text) in [
        (
            "system.md",
            format!("You help {{{{ business.name }}}}. {mark}\n"),
        ),
        ("customer.md", "{{ customer.profile }}\n".to_owned()),
        ("summary.md", "Sum it up.\n".to_owned()),
        ("rules.toml", rules.to_owned()),
        ("texts/en.toml", texts),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

/// Points a link at another folder in one step, as orchestrators do.
fn point(link: &Path, folder: &str) {
    let new = link.with_file_name(".new");
    std::os::unix::fs::symlink(folder, &new).unwrap();
    std::fs::rename(&new, link).unwrap();
}

fn open(folder: &Path) -> Prompts {
    let business = [("name".to_owned(), "Acme".into())].into_iter().collect();
    let source = Source::Directory(folder.to_owned());
    Prompts::open(source, Language::ENGLISH, business).unwrap()
}

/// Counts the files below a folder that this process has open.
fn open_files(folder: &Path) -> usize {
    let handles = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = handles.filter_map(|handle| std::fs::read_link(handle.unwrap().path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

#[test]
fn a_folder_that_is_exchanged_while_it_is_read_is_taken_whole_and_nothing_is_kept_of_the_old_one() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    marked(&path("one"), "mark-1");
    marked(&path("two"), "mark-2");
    let good = ["one", "two"].map(|name| open(&path(name)).current().version().to_owned());
    point(&path("live"), "one");
    let prompts = open(&path("live"));
    let stop = AtomicBool::new(false);
    let mut old = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                point(&path("live"), "two");
                point(&path("live"), "one");
                std::thread::yield_now();
            }
        });
        for _ in 0..50 {
            old.push(Arc::downgrade(&prompts.current()));
            drop(prompts.reload());
            let version = prompts.current().version().to_owned();
            if !good.contains(&version) {
                stop.store(true, Ordering::Relaxed);
                panic!("half of each is in force");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    point(&path("live"), "two");
    drop(prompts.reload().unwrap());
    let current = prompts.current();
    let kept = old.iter().filter_map(std::sync::Weak::upgrade);
    assert_eq!(
        kept.filter(|folder| !Arc::ptr_eq(folder, &current)).count(),
        0
    );
    assert_eq!(current.version(), good[1]);
    assert_eq!(open_files(root.path()), 0);
}

#[test]
fn what_became_of_each_look_is_counted_and_a_mended_folder_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (folder, away) = (root.path().join("folder"), root.path().join("away"));
    marked(&folder, "mark-1");
    let prompts = open(&folder);
    assert_eq!(prompts.reload(), Ok(Reloaded::Unchanged));
    let system = folder.join("system.md");
    let good = std::fs::read_to_string(&system).unwrap();
    // Broken, cut off in the middle, gone, not text.
    let breaks: [&dyn Fn(); 5] = [
        &|| std::fs::write(&system, "{{ nobody }}").unwrap(),
        &|| std::fs::write(&system, good.split_at(good.find("}}").unwrap()).0).unwrap(),
        &|| std::fs::remove_file(&system).unwrap(),
        &|| std::fs::write(&system, [0xff, 0xfe]).unwrap(),
        &|| std::fs::rename(&folder, &away).unwrap(),
    ];
    for (index, make) in breaks.into_iter().enumerate() {
        let version = prompts.current().version().to_owned();
        make();
        assert!(prompts.reload().is_err(), "{index}");
        assert!(prompts.reloads().is_broken);
        assert_eq!(prompts.current().version(), version);
        drop(std::fs::rename(&away, &folder));
        std::fs::write(&system, &good).unwrap();
        assert_eq!(prompts.reload(), Ok(Reloaded::Mended), "{index}");
        assert_eq!(prompts.reload(), Ok(Reloaded::Unchanged), "{index}");
        assert!(!prompts.reloads().is_broken);
    }
    std::fs::write(&system, format!("{good}\nmore")).unwrap();
    assert!(matches!(prompts.reload(), Ok(Reloaded::Swapped { .. })));
    assert_eq!(
        (prompts.reloads().swapped, prompts.reloads().refused),
        (1, 5)
    );
}

/// Reloads, and messages that come in between.
const RELOADS: usize = 1_000;
const MESSAGES: usize = 100;

/// The time from one message to the next: all of it is less than a turn may take, however far the gateway is behind.
const BETWEEN: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_while_customers_write_leave_each_turn_in_one_version() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    for (name, mark) in [("one", "mark-1"), ("two", "mark-2"), ("broken", "mark-3")] {
        marked(&path(name), mark);
    }
    std::fs::write(path("broken/rules.toml"), "[[rule]]\nname = ").unwrap();
    let versions = ["one", "two"].map(|name| open(&path(name)).current().version().to_owned());
    point(&path("live"), "one");
    let world = World::with_assistant(&format!("prompts = \"{}\"", path("live").display())).await;
    // As above, so that those whose calls fail together do not keep the others from the model.
    world.model.misbehave(Plan::status(400).when("fails"));

    let mut taken = Vec::new();
    for round in 0..RELOADS {
        match round % 4 {
            0 => point(&path("live"), "two"),
            1 => point(&path("live"), "broken"),
            2 => point(&path("live"), "one"),
            _ => std::fs::remove_file(path("live")).unwrap(),
        }
        if round % (RELOADS / MESSAGES) == round % 4 {
            let customer = format!("c{round}");
            let what = if round % 3 == 0 { "fails" } else { "works" };
            let answered = world
                .says(&customer, &format!("question {customer} {what}"))
                .await;
            let id = answered.body["message_id"].as_str().unwrap().to_owned();
            taken.push((customer, what, id));
            world.clock.advance(BETWEEN);
        }
        world.app.reload();
    }
    world.pass(Duration::from_secs(1)).await;

    assert!(taken.len() >= MESSAGES / 4, "{}", taken.len());
    let requests: Vec<String> = world
        .model
        .requests()
        .iter()
        .map(|request| request.json().to_string())
        .collect();
    let mut seen = BTreeSet::new();
    for (customer, what, id) in &taken {
        let id = MessageId(Uuid::parse_str(id).unwrap());
        let fate = world.app.store().fate(id).await.unwrap().unwrap();
        let version = fate.prompt_version.unwrap();
        let index = versions
            .iter()
            .position(|good| *good == version)
            .expect("a good version");
        let mark = format!("mark-{}", index + 1);
        let asked = requests
            .iter()
            .find(|body| body.contains(&format!("question {customer} ")));
        assert!(
            asked.unwrap().contains(&mark),
            "{customer} was asked with another version"
        );
        if *what == "fails" {
            assert_eq!(world.heard(customer), [format!("Sorry, {mark}.")]);
        }
        seen.insert(index);
    }
    assert_eq!(seen.len(), 2, "both versions had their turns");
    world.end().await;
}

#[tokio::test]
async fn a_turn_that_waits_for_the_model_keeps_the_version_that_it_began_with() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("folder");
    marked(&folder, "mark-1");
    let world = World::with_assistant(&format!("prompts = \"{}\"", folder.display())).await;
    let (_, first) = fallback(&world, "before").await;
    world.model.misbehave(Plan::hang().times(1));
    world.says("during", "hello").await;
    world.clock.advance(Duration::from_secs(1));
    soon(world.model.wait_for(2)).await;
    marked(&folder, "mark-2");
    world.app.reload();
    // The model never answers, and the words are of the folder that it was asked with.
    world.pass(Duration::from_secs(25)).await;
    assert_eq!(world.heard("during"), ["Sorry, mark-1."]);
    let (after, second) = fallback(&world, "after").await;
    assert_eq!(after, "Sorry, mark-2.");
    let versions = world
        .rows("SELECT prompt_version FROM message WHERE author = 'customer' ORDER BY conversation");
    assert_eq!(versions, [first.clone(), first, second]);
    world.end().await;
}

#[test]
fn links_of_each_file_that_are_exchanged_while_they_are_read_are_taken_whole() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    // As a ConfigMap is mounted: each file is a link through `..data`, which alone is exchanged.
    for (name, mark) in [("..1", "mark-1"), ("..2", "mark-2")] {
        marked(&path(name), mark);
    }
    let good = ["..1", "..2"].map(|name| open(&path(name)).current().version().to_owned());
    point(&path("..data"), "..1");
    for name in [
        "system.md",
        "customer.md",
        "summary.md",
        "rules.toml",
        "texts",
    ] {
        point(&path(name), &format!("..data/{name}"));
    }
    let prompts = open(root.path());
    // Exchanged once while it is read: of two looks that are alike, neither saw it happen.
    let half = (0..200).find(|round| {
        std::thread::scope(|scope| {
            let next = ["..2", "..1"][round % 2];
            scope.spawn(|| point(&path("..data"), next));
            drop(prompts.reload());
        });
        !good.contains(&prompts.current().version().to_owned())
    });
    assert_eq!(half, None, "half of each is in force");
}

#[tokio::test]
async fn a_prompt_that_fails_on_what_a_customer_is_called_costs_that_customer_a_word_and_no_call() {
    let folder = tempfile::tempdir().unwrap();
    marked(folder.path(), "mark");
    let fails = "{{ customer.profile }}{% if customer.name %}{% if customer.name == 'Zoe' %}{{ 1 // 0 }}{% endif %}{% endif %}";
    std::fs::write(folder.path().join("customer.md"), fails).unwrap();
    let keys = format!("prompts = \"{}\"", folder.path().display());
    let world = World::with_assistant(&keys).await;
    for name in ["Zoe", "Ana"] {
        let texted = Texted {
            user_id: name,
            phone_number: "+15550100",
            message: "hello",
            profile_name: name,
            dispatch_id: name,
            ..Texted::default()
        };
        world.phone("support").texts(&texted).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(world.outcomes("Zoe"), ["failed(prompt)"]);
    assert_eq!(world.heard("Zoe"), ["Sorry, mark."]);
    assert_eq!(world.outcomes("Ana"), ["replied"]);
    assert_eq!(world.model.request_count(), 1);
    world.end().await;
}
