//! `rules.toml`, read and compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::action;
use super::pattern::{self, Edge, Node, Unreadable};
use super::vocabulary::{self, Classes, FILLER};
use super::when::WhenTable;
use super::{Meaning, Rule, Rules};
use crate::domain::Language;
use crate::problem::Problem;

/// The most rules in a file: all that the model decides stand in its prompt, and it picks badly from a longer list.
const RULES_MAX: usize = 64;

/// The most phrases of one rule, in all languages together: more than a person keeps an eye on.
const PHRASES_PER_RULE_MAX: usize = 2_000;

/// The longest phrase, in characters: a longer one is a sentence that nobody will say again.
const PHRASE_CHARS_MAX: usize = 400;

/// The longest name of a rule, in characters: it is shown in tables and metrics.
const NAME_CHARS_MAX: usize = 64;

type ByLanguage<T> = BTreeMap<String, T>;
type Phrases = Vec<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default)]
    vocabulary: ByLanguage<BTreeMap<String, Phrases>>,
    #[serde(default)]
    rule: Vec<RuleTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTable {
    name: Spanned<String>,
    pub(super) action: Spanned<String>,
    pub(super) text: Option<Spanned<String>>,
    pub(super) assistant: Option<Spanned<String>>,
    description: Option<String>,
    #[serde(default)]
    when: WhenTable,
    #[serde(default)]
    phrases: ByLanguage<Phrases>,
    #[serde(default)]
    except: ByLanguage<Phrases>,
}

/// Reads and compiles a rules file, or tells all that is wrong with it.
pub(super) fn parse(source: &str) -> Result<Rules, Vec<Problem>> {
    let file: RulesFile = toml::from_str(source)
        .map_err(|error| vec![Problem::new("", error.message()).at(error.span())])?;
    let mut compiler = Compiler::default();
    compiler.vocabulary(&file.vocabulary);
    compiler.rules(file.rule);
    if compiler.problems.is_empty() {
        Ok(compiler.rules)
    } else {
        Err(compiler.problems)
    }
}

#[derive(Default)]
struct Compiler {
    classes: BTreeMap<Language, Classes>,
    rules: Rules,
    problems: Vec<Problem>,
}

impl Compiler {
    fn vocabulary(&mut self, vocabulary: &ByLanguage<BTreeMap<String, Phrases>>) {
        for (code, classes) in vocabulary {
            let spans = classes.values().flatten().map(Spanned::span);
            let Some(language) = self.language(code, "vocabulary", spans.min_by_key(|s| s.start))
            else {
                continue;
            };
            for (name, members) in classes {
                let key = format!("vocabulary.{code}.{name}");
                let choices = self.class(&key, members);
                let class = Node::OneOf(choices);
                self.classes
                    .entry(language)
                    .or_default()
                    .insert(name.clone(), class);
            }
            self.fillers(code, language);
        }
    }

    fn class(&mut self, key: &str, members: &Phrases) -> Vec<Node> {
        if members.is_empty() {
            self.problems
                .push(Problem::new(key, "the class is empty").help("add a word, or remove it"));
        }
        let mut choices = Vec::new();
        for (index, member) in members.iter().enumerate() {
            match read(member.get_ref()).and_then(as_part) {
                Ok(body) => choices.push(body),
                Err(why) => self.complain(format!("{key}[{index}]"), member, why),
            }
        }
        choices
    }

    /// Compiles the fillers of a language.
    fn fillers(&mut self, code: &str, language: Language) {
        let Some(classes) = self.classes.get(&language) else {
            return;
        };
        let Some(Node::OneOf(members)) = classes.get(FILLER) else {
            return;
        };
        for (index, member) in members.iter().enumerate() {
            let added =
                vocabulary::unfold(member, classes).and_then(|body| self.rules.fillers.add(&body));
            if let Err(why) = added {
                let key = format!("vocabulary.{code}.{FILLER}[{index}]");
                self.problems
                    .push(Problem::new(key, why.message).help(why.help));
            }
        }
    }

    fn rules(&mut self, tables: Vec<RuleTable>) {
        if tables.len() > RULES_MAX {
            let message = format!("there are {} rules, more than {RULES_MAX}", tables.len());
            self.problems
                .push(Problem::new("rule", message).help("join rules that do the same"));
        }
        let mut names = BTreeSet::new();
        for (index, table) in tables.into_iter().enumerate() {
            let key = format!("rule[{index}]");
            self.name(&key, &table.name, &mut names);
            self.has_grounds(&key, &table);
            for (field, phrases, except) in [
                ("phrases", &table.phrases, false),
                ("except", &table.except, true),
            ] {
                for (code, phrases) in in_file_order(phrases) {
                    self.phrases(&format!("{key}.{field}"), code, phrases, (index, except));
                }
            }
            let action = action::read(&key, &table, &mut self.problems);
            let when = table.when.read(&format!("{key}.when"), &mut self.problems);
            let description = table.description.as_deref().map(one_line);
            let place = table.assistant.as_ref().unwrap_or(&table.action).span();
            self.rules.named.push(Rule {
                place,
                name: table.name.into_inner(),
                action,
                description: description.filter(|text| !text.is_empty()),
                when,
                has_phrases: table.phrases.values().any(|phrases| !phrases.is_empty()),
            });
        }
    }

    fn name(&mut self, key: &str, name: &Spanned<String>, seen: &mut BTreeSet<String>) {
        let key = format!("{key}.name");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let text = name.get_ref();
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.chars().all(plain) {
            let message = format!("`{text}` is no name for a rule");
            let help = format!("use `a-z`, `0-9` and `_`, at most {NAME_CHARS_MAX} characters");
            self.problems
                .push(Problem::new(key, message).help(help).at(Some(name.span())));
        } else if !seen.insert(text.clone()) {
            let problem = Problem::new(key, format!("a rule named `{text}` stands above already"));
            self.problems.push(
                problem
                    .help("give each rule its own name")
                    .at(Some(name.span())),
            );
        }
    }

    fn has_grounds(&mut self, key: &str, table: &RuleTable) {
        let phrases: usize = table
            .phrases
            .values()
            .chain(table.except.values())
            .map(Vec::len)
            .sum();
        let described = table
            .description
            .as_ref()
            .is_some_and(|text| !text.trim().is_empty());
        let span = Some(table.name.span());
        if phrases > PHRASES_PER_RULE_MAX {
            let message = format!("it has {phrases} phrases, more than {PHRASES_PER_RULE_MAX}");
            self.problems.push(
                Problem::new(key, message)
                    .help("use classes and alternatives")
                    .at(span),
            );
        } else if table.phrases.values().all(Vec::is_empty) && !described && table.when.is_empty() {
            let message =
                "it has neither phrases nor a description nor conditions, so it never applies";
            let help = "add `[rule.phrases]`, a `description` by which the model picks it, or `[rule.when]`";
            self.problems
                .push(Problem::new(key, message).help(help).at(span));
        }
    }

    fn phrases(&mut self, key: &str, code: &str, phrases: &Phrases, (rule, except): (usize, bool)) {
        let Some(language) = self.language(code, key, phrases.first().map(Spanned::span)) else {
            return;
        };
        for (index, phrase) in phrases.iter().enumerate() {
            match self.phrase(phrase.get_ref(), language, except) {
                Ok(pattern::Phrase {
                    firm, start, end, ..
                }) => self.rules.meanings.push(Meaning {
                    phrase: phrase.get_ref().clone(),
                    rule,
                    language,
                    except,
                    firm,
                    start,
                    end,
                }),
                Err(why) => self.complain(format!("{key}.{code}[{index}]"), phrase, why),
            }
        }
    }

    fn phrase(
        &mut self,
        source: &str,
        language: Language,
        except: bool,
    ) -> Result<pattern::Phrase, Unreadable> {
        let phrase = read(source)?;
        if !except {
            phrase.check_ends()?;
        }
        let none = Classes::new();
        let body = vocabulary::unfold(&phrase.body, self.classes.get(&language).unwrap_or(&none))?;
        self.rules.phrases.add(&body)?;
        Ok(phrase)
    }

    fn language(&mut self, code: &str, key: &str, span: Option<Range<usize>>) -> Option<Language> {
        let language = code
            .parse::<Language>()
            .ok()
            .filter(|language| language.code() == code);
        if language.is_none() {
            let problem = Problem::new(format!("{key}.{code}"), format!("`{code}` is no language"));
            self.problems
                .push(problem.help("use two small letters, such as `en`").at(span));
        }
        language
    }

    fn complain(&mut self, key: String, phrase: &Spanned<String>, why: Unreadable) {
        let message = format!(
            "cannot read the phrase `{}`: {}",
            phrase.get_ref(),
            why.message
        );
        self.problems.push(
            Problem::new(key, message)
                .help(why.help)
                .at(Some(phrase.span())),
        );
    }
}

fn read(source: &str) -> Result<pattern::Phrase, Unreadable> {
    if source.chars().count() > PHRASE_CHARS_MAX {
        let message = format!("it is longer than {PHRASE_CHARS_MAX} characters");
        return Err(Unreadable::new(message, "make several phrases of it"));
    }
    pattern::parse(source)
}

/// Refuses what is no part of a phrase: `!`, `=`, `^` and `$`, and what may be nothing.
fn as_part(phrase: pattern::Phrase) -> Result<Node, Unreadable> {
    if phrase.firm || phrase.start != Edge::Anywhere || phrase.end != Edge::Anywhere {
        return Err(Unreadable::new(
            "`!`, `=`, `^` and `$` mean nothing in a class",
            "write them in the phrases that use it",
        ));
    }
    if phrase.body.may_be_nothing() {
        return Err(Unreadable::new(
            "all of it may be missing",
            "at least one word must stand outside of `( )`",
        ));
    }
    Ok(phrase.body)
}

/// Gives the languages as they stand in the file, which is the order in which their phrases beat one another.
fn in_file_order(phrases: &ByLanguage<Phrases>) -> Vec<(&String, &Phrases)> {
    let mut ordered: Vec<_> = phrases.iter().collect();
    ordered.sort_by_key(|(_, phrases)| phrases.first().map_or(0, |phrase| phrase.span().start));
    ordered
}

/// Writes a text that was broken into lines as one: prompts list a description a line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
