//! What README.md says is so: its fragments parse, its reference is complete, its links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use frontdesk::braze::{InboundLimits, parse, templates};
use frontdesk::config::{Config, Environment, Source};
use frontdesk::domain::Language;
use frontdesk::rules::Rules;
use toml::{Table, Value};

use crate::layers::files;
use crate::world::SIGNING_KEY;

/// The tables whose second level is named by the operator.
const NAMED: [&str; 5] = [
    "workspaces",
    "models",
    "desks",
    "assistants",
    "operator.people",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Gives the code blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let starts = text.split(&fence).skip(1);
    starts
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Gives the section under a heading of the second level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = format!("\n## {heading}\n");
    let (_, rest) = text.split_once(&start).expect(heading);
    rest.split("\n## ").next().unwrap()
}

/// Gives the sample configuration with what stands in comments: keys and tables, not words.
fn sample() -> Table {
    let lines = read("frontdesk.toml");
    let lines = lines.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
        _ => line,
    });
    let text: Vec<_> = lines.collect();
    // Placeholders are refused where somebody forgets them.
    let text = text.join("\n").replace("example.com", "acme.dev");
    text.parse().unwrap()
}

/// Puts a fragment over a configuration, table by table.
fn lay(over: Table, base: &mut Table) {
    for (key, value) in over {
        match (value, base.get_mut(&key)) {
            (Value::Table(over), Some(Value::Table(base))) => lay(over, base),
            (value, _) => drop(base.insert(key, value)),
        }
    }
}

/// Lets every reference to a secret lead to one that all places accept.
fn with_secrets(text: &str) -> String {
    let mut parts = text.split("env::");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        text + "env::SECRET" + rest
    })
}

/// Gives the keys as the reference writes them: `server.listen`, `models.NAME.model`.
fn keys(table: &Table, prefix: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = match NAMED.contains(&prefix) {
            true => format!("{prefix}.NAME"),
            false if prefix.is_empty() => key.clone(),
            false => format!("{prefix}.{key}"),
        };
        match value {
            Value::Table(inner) if !key.ends_with(".business") => self::keys(inner, &key, keys),
            _ => drop(keys.insert(key)),
        }
    }
}

/// Gives the fields of the structs that a configuration is read into.
fn configured_fields() -> BTreeSet<String> {
    let sources = files(&root().join("src")).into_iter();
    let sources = sources.filter(|path| !path.starts_with(root().join("src/sandbox")));
    let mut fields = BTreeSet::new();
    for source in sources.map(|path| std::fs::read_to_string(path).unwrap()) {
        for after in source.split("deny_unknown_fields").skip(1) {
            let body = after.split("\n}").next().unwrap();
            let names = body.lines().filter_map(|line| {
                let (name, _) = line.strip_prefix("    pub ")?.split_once(':')?;
                Some(name.to_owned())
            });
            fields.extend(names);
        }
    }
    fields
}

#[test]
fn every_toml_block_is_read_as_what_it_is() {
    let blocks = blocks(&read("README.md"), "toml");
    assert!(blocks.len() >= 2, "{blocks:?}");
    for block in blocks {
        if block.contains("[[rule]]") {
            let rules = Rules::parse(&block).unwrap_or_else(|wrong| panic!("{wrong:?}\n{block}"));
            assert!(rules.iter().count() > 0);
            continue;
        }
        let mut table = sample();
        lay(block.parse().expect(&block), &mut table);
        // An address that is a secret is no signing key.
        let text = table
            .to_string()
            .replace("env::SLACK_URL", "https://hooks.acme.dev/x");
        let text = with_secrets(&text);
        let environment = Environment::of([
            ("SECRET", SIGNING_KEY),
            ("FRONTDESK__ASSISTANTS__SUPPORT__CAMPAIGN_ID", "campaign-1"),
        ]);
        if let Err(wrong) = Config::load(Source::from_text("README.md", &text), &environment) {
            panic!("{:?}\n{block}", wrong.problems);
        }
    }
}

#[test]
fn every_key_is_in_the_reference() {
    let readme = read("README.md");
    let reference = section(&readme, "Configuration reference");
    let mut in_sample = BTreeSet::new();
    keys(&sample(), "", &mut in_sample);
    assert!(in_sample.len() > 15, "{in_sample:?}");
    for key in in_sample {
        assert!(reference.contains(&format!("`{key}`")), "{key}");
    }
    let fields = configured_fields();
    assert!(fields.len() > 40, "{fields:?}");
    for field in fields {
        let spellings = [
            format!(".{field}`"),
            format!("`{field}."),
            format!("`{field}`"),
        ];
        let is_named = spellings
            .iter()
            .any(|spelling| reference.contains(spelling));
        assert!(is_named, "{field}");
    }
}

#[test]
fn every_limit_has_its_name_in_the_source() {
    let readme = read("README.md");
    let sources: Vec<_> = files(&root().join("src"))
        .into_iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let code = section(&readme, "Limits by name")
        .split('`')
        .skip(1)
        .step_by(2);
    let is_name = |word: &&str| word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let names: Vec<_> = code.filter(is_name).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let line = format!("const {name}: ");
        assert!(sources.iter().any(|text| text.contains(&line)), "{name}");
    }
}

#[test]
fn every_webhook_body_is_read() {
    let blocks = blocks(&read("README.md"), "liquid");
    let bodies = blocks.iter().filter(|block| block.starts_with('{'));
    let bodies: Vec<_> = bodies.filter(|body| body.contains("\"message\"")).collect();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        let escapes = body.contains("json_escape");
        let body = render(body, &|tag| match tag {
            tag if tag.contains("inbound_message_body") && escapes => r#"a \"b\" c"#,
            tag if tag.contains("inbound_message_body") => r#"a "b" c"#,
            tag if tag.contains("user_id") => "ana",
            tag if tag.contains("phone_number") => "+15550100",
            tag if tag.contains("language") => "es",
            _ => "",
        });
        let read = parse(body.as_bytes(), "support", &InboundLimits::default()).expect(&body);
        assert_eq!(read.text.0, r#"a "b" c"#);
        assert_eq!(
            read.customer.external_id().map(|id| id.0.as_str()),
            Some("ana")
        );
        assert_eq!(
            read.language,
            body.contains("\"language\"").then(|| language("es"))
        );
    }
}

#[test]
fn the_templates_are_the_ones_that_are_printed() {
    let answering = templates::answering("external_system_msg_body");
    let words = ["stop".to_owned(), "baja".to_owned()];
    let unless_said = templates::unless_said(&words);
    let in_readme = [answering.as_str(), templates::LISTENING, templates::GUIDE];
    let in_guide = [answering.as_str(), templates::LISTENING, &unless_said];
    for (file, expected) in [("README.md", in_readme), (GUIDES[0], in_guide)] {
        let blocks = blocks(&read(file), "liquid");
        let blocks: Vec<&str> = blocks.iter().map(|block| block.trim_end()).collect();
        for template in expected {
            assert!(blocks.contains(&template), "{file} lacks {template}");
        }
    }
}

/// The guide to setting up Braze, in each language that it is read in; the first is the one that others follow.
const GUIDES: [&str; 6] = [
    "docs/braze-setup.md",
    "docs/braze-setup.es.md",
    "docs/braze-setup.pt.md",
    "docs/braze-setup.fr.md",
    "docs/braze-setup.de.md",
    "docs/braze-setup.ja.md",
];

#[test]
fn the_guide_is_whole_in_every_language() {
    let first = read(GUIDES[0]);
    let code = |text: &str| -> Vec<String> {
        let parts = text.split("```").skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    // Headings, items, rows: what a translation could leave out.
    let shape = |text: &str| -> Vec<String> {
        let outside = text.split("```").step_by(2).collect::<String>();
        let kind = |line: &str| {
            let begins = ["## ", "# ", "- ", "| "]
                .into_iter()
                .find(|kind| line.starts_with(kind));
            begins.map(|kind| format!("{kind}{}", line.matches(" | ").count()))
        };
        outside.lines().filter_map(kind).collect()
    };
    assert!(code(&first).len() >= 8 && shape(&first).len() >= 20);
    for guide in GUIDES {
        let text = read(guide);
        assert_eq!(code(&text), code(&first), "{guide}");
        assert_eq!(shape(&text), shape(&first), "{guide}");
        for other in GUIDES {
            let link = format!("({})", other.trim_start_matches("docs/"));
            assert!(text.contains(&link), "{guide} does not lead to {other}");
        }
    }
}

fn language(code: &str) -> Language {
    code.parse().unwrap()
}

/// Fills in Liquid tags as Braze does.
fn render(template: &str, value: &dyn Fn(&str) -> &'static str) -> String {
    let mut parts = template.split("{{");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        let (tag, rest) = part.split_once("}}").expect(part);
        text + value(tag) + rest.trim_start_matches('}')
    })
}

#[test]
fn every_link_leads_somewhere() {
    let readme = read("README.md");
    let anchors: BTreeSet<String> = readme
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches(['#', ' '])))
        .collect();
    let links = readme
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap());
    for link in links.filter(|link| !link.starts_with("http")) {
        match link.strip_prefix('#') {
            Some(name) => assert!(anchors.contains(name), "{link}"),
            None => assert!(root().join(PathBuf::from(link)).exists(), "{link}"),
        }
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn no_line_names_a_place_on_somebody_s_machine() {
    for line in read("README.md").lines() {
        for place in ["/home/", "/Users/", "/root/", "/tmp/", "/work/", "C:\\"] {
            assert!(!line.contains(place), "{line}");
        }
    }
}
