//! The tree is the architecture: a module names only modules below it, and nobody goes round that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Gives the crate's modules from top to bottom, as `lib.rs` lists them.
fn modules(source: &Path) -> Vec<String> {
    let lib = std::fs::read_to_string(source.join("lib.rs")).unwrap();
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}

/// Gives the top-level modules that a text names as `crate::x` or in `crate::{x, y::z}`.
fn named(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => names.extend(group_heads(group)),
            None => names.extend(head(after)),
        }
    }
    names
}

/// Gives the heads of the items of a brace group, up to its own closing brace.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = Vec::new();
    let mut item = String::new();
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(head(item.trim()));
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(letter);
    }
    heads.extend(head(item.trim()));
    heads
}

fn head(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn a_module_names_only_modules_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules = modules(&source);
    assert!(modules.len() > 15, "{modules:?}");
    let rank = |name: &str| modules.iter().position(|module| module == name);
    let mut wrong = Vec::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        let own = path
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        let Some(own_rank) = rank(own) else {
            assert!(
                ["lib", "main"].contains(&own),
                "{own} is not listed in lib.rs"
            );
            continue;
        };
        for name in named(&std::fs::read_to_string(&file).unwrap()) {
            if rank(&name).is_some_and(|rank| rank < own_rank) {
                wrong.push(format!(
                    "{} names {name}, which stands above {own}",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_stand_ins_know_nothing_of_the_gateway() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in files(&source.join("sandbox")) {
        for name in named(&std::fs::read_to_string(&file).unwrap()) {
            assert!(
                ["sandbox", "shutdown", "clock"].contains(&name.as_str()),
                "{} names {name}: a wrong field could agree with itself",
                file.display()
            );
        }
    }
}

#[test]
fn no_sql_stands_outside_the_store() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in files(&source) {
        let text = std::fs::read_to_string(&file).unwrap();
        let has_sql = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"]
            .iter()
            .any(|sql| text.contains(sql));
        assert!(
            !has_sql || file.starts_with(source.join("store")),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_reader_of_names_sees_groups_and_skips_comments() {
    let text =
        "use crate::{store::{Store, a}, clock};\n// crate::http\nlet x = crate::turn::run();";
    let names: Vec<_> = named(text).into_iter().collect();
    assert_eq!(names, ["clock", "store", "turn"]);
}
