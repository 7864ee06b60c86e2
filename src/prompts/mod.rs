//! An assistant's folder: what the model is told, what is said by rote, what is listened for.
//!
//! A folder is read and checked as a whole. What passed is one immutable [`Folder`]; [`Prompts`] holds the one in
//! force and swaps it for a better one, never for a broken one. Three rules keep customers' words from becoming
//! instructions: they are values, never templates; the system prompt's context has no place for them; and
//! `customer.md` prints every value as JSON that cannot leave its block.

mod context;
mod fault;
mod languages;
mod live;
mod moment;
mod source;
mod template;
mod texts;
mod watch;

#[cfg(test)]
mod tests;

pub use context::{Business, CustomerContext, MemorySummaryContext, SummaryContext, SystemContext};
pub use live::{Prompts, Reloaded, Reloads};
pub use source::Source;
pub use template::PromptError;
pub use texts::key;
pub use watch::{report, watch};

use std::fmt;

use jiff::Timestamp;

use context::Constants;
use source::{Files, RULES};
use template::{Template, Templates};
use texts::{OPENS, Texts};

use crate::domain::{Hours, Language};
use crate::problem::Problem;
use crate::rules::Rules;

/// One version of an assistant's folder: loaded, checked, immutable.
pub struct Folder {
    version: String,
    rules: Rules,
    texts: Texts,
    templates: Templates,
    constants: Constants,
}

impl Folder {
    /// Reads and checks a folder; gives all that is wrong with it at once.
    ///
    /// The templates are rendered with the `business` that they will see, so that a fact which a prompt asks for and
    /// the configuration lacks is found here, not at the first customer.
    pub fn load(
        source: &Source,
        default_language: Language,
        business: &Business,
    ) -> Result<Self, Vec<Problem>> {
        let (files, mut problems) = source.read();
        if files.is_empty() {
            return Err(problems);
        }
        // A file that could not be read is not missing, too.
        let unread = problems.iter().map(|problem| problem.file.clone());
        let unread = unread.collect::<Vec<_>>();
        let mut collect = |found: Vec<Problem>| {
            let news = found.into_iter();
            problems.extend(news.filter(|problem| !unread.contains(&problem.file)));
        };
        let rules = rules(&files).map_err(&mut collect).ok().flatten();
        let texts = Texts::read(source, &files, default_language, rules.as_ref())
            .map_err(&mut collect)
            .ok();
        let constants = Constants::new(business, rules.as_ref());
        let templates = Templates::compile(&files, &constants)
            .map_err(&mut collect)
            .ok();
        match (rules, texts, templates) {
            (Some(rules), Some(texts), Some(templates)) if problems.is_empty() => Ok(Self {
                version: source::version(&files),
                rules,
                texts,
                templates,
                constants,
            }),
            _ => Err(problems),
        }
    }

    /// Gives the version: twelve hexadecimal digits that change with every byte of the folder's files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Gives the rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Gives the languages that the folder has texts in.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        self.texts.languages()
    }

    /// Gives a canned text in a language, or in the default language where the folder does not speak it.
    ///
    /// A checked folder has every text of [`key`] and every one that a rule answers with; any other is empty.
    pub fn text(&self, key: &str, language: Language) -> &str {
        self.texts.get(key, language).unwrap_or_default()
    }

    /// Gives a canned text that says when people are back, in a language as [`Self::text`] does. Nothing where they are there
    /// already, or do not come within a year.
    pub fn text_when_back(
        &self,
        key: &str,
        language: Language,
        now: Timestamp,
        hours: &Hours,
    ) -> Option<String> {
        let opens = hours.opens_next(now).filter(|opens| *opens > now)?;
        let spoken = self.texts.spoken(language);
        let opens = moment::say(spoken, now, opens, hours.zone());
        Some(self.text(key, spoken).replace(OPENS, &opens))
    }

    /// Renders the system prompt.
    pub fn system(&self, context: &SystemContext<'_>) -> Result<String, PromptError> {
        let context = self.constants.system(context);
        self.templates.render(Template::System, context)
    }

    /// Renders what the model is told of the customer, for the user role; nothing where nothing is known.
    pub fn customer(&self, context: &CustomerContext<'_>) -> Result<Option<String>, PromptError> {
        context::customer(context)
            .map(|context| self.templates.render(Template::Customer, context))
            .transpose()
    }

    /// Renders the system prompt for the summary that the desk gets.
    pub fn summary(&self, context: &SummaryContext<'_>) -> Result<String, PromptError> {
        let context = self.constants.summary(context);
        self.templates.render(Template::Summary, context)
    }

    /// Renders the system prompt for the running summary that the assistant keeps.
    pub fn memory_summary(
        &self,
        context: &MemorySummaryContext<'_>,
    ) -> Result<String, PromptError> {
        let context = self.constants.memory_summary(context);
        self.templates.render(Template::MemorySummary, context)
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folder({})", self.version)
    }
}

/// Reads the rules, where there is a file of them; that there is none was said already.
fn rules(files: &Files) -> Result<Option<Rules>, Vec<Problem>> {
    let Some(file) = files.get(RULES) else {
        return Ok(None);
    };
    let here = |problem: Problem| problem.in_file(&file.name);
    Rules::parse(&file.text)
        .map(Some)
        .map_err(|problems| problems.into_iter().map(here).collect())
}
