//! Your own JSON: a template that is given the event as our own format has it.

use std::path::Path;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value as Context};
use serde_json::Value;

use super::plan::{Progress, Request, Step};
use super::samples;
use super::told::Told;

/// Bytes of a template: a page of JSON is a tenth of it.
const TEMPLATE_BYTES: u64 = 64 * 1_024;

/// Steps that a template may take: a loop over the longest transcript takes a tenth.
const FUEL: u64 = 200_000;

/// Bytes of what it may make: the longest transcript twice.
const MADE_BYTES: usize = 2 * 1_024 * 1_024;

/// The one template of an environment.
const NAME: &str = "template";

/// A template that was checked with an event of each kind.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<Environment<'static>>);

/// Why a template is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// It is no template, or it asks for what is not there.
    #[error("{path}, line {line}{}: {what}", about(.event))]
    Wrong {
        /// The file.
        path: String,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// The event that shows it; empty where the template itself is wrong.
        event: String,
        /// What is wrong.
        what: String,
    },
}

fn about(event: &str) -> String {
    match event {
        "" => String::new(),
        event => format!(", with `{event}`"),
    }
}

impl Template {
    /// Reads a template and tries it with an event of each kind.
    pub(crate) fn open(path: &Path) -> Result<Self, TemplateError> {
        let shown = path.display().to_string();
        let unreadable = |why: String| TemplateError::Unreadable {
            path: shown.clone(),
            why,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        if length > TEMPLATE_BYTES {
            return Err(unreadable(format!(
                "it is longer than {TEMPLATE_BYTES} bytes"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::compile(&shown, text)
    }

    fn compile(path: &str, text: String) -> Result<Self, TemplateError> {
        let wrong = |event: &str, line, what| TemplateError::Wrong {
            path: path.to_owned(),
            line,
            event: event.to_owned(),
            what,
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, text)
            .map_err(|error| wrong("", error.line().unwrap_or_default(), shown(&error)))?;
        let template = Self(Arc::new(environment));
        for sample in samples::all() {
            let event = sample["event"].as_str().unwrap_or_default().to_owned();
            template
                .render(&sample)
                .map_err(|(line, what)| wrong(&event, line, what))?;
        }
        Ok(template)
    }

    /// Gives the request; nothing when the event is told, or the template makes nothing of it.
    pub(crate) fn next(&self, told: &Told, progress: &Progress) -> Result<Option<Request>, String> {
        if progress.has(Step::Post) {
            return Ok(None);
        }
        // What went wrong is told by place and kind alone: more could hold a customer's words.
        let made = self.render(&told.body).map_err(|(line, _)| {
            format!("the template makes no JSON of this event (line {line})")
        })?;
        Ok(made.map(|body| Request {
            body: Some(body),
            ..Request::post(Step::Post, String::new(), &Value::Null)
        }))
    }

    /// Gives what the template makes of an event: JSON, or nothing at all.
    fn render(&self, event: &Value) -> Result<Option<String>, (usize, String)> {
        let failed = |error: minijinja::Error| (error.line().unwrap_or_default(), shown(&error));
        let template = self.0.get_template(NAME).map_err(failed)?;
        let made = template
            .render(Context::from(Serde(event)))
            .map_err(failed)?;
        if made.trim().is_empty() {
            return Ok(None);
        }
        if made.len() > MADE_BYTES {
            return Err((0, format!("it makes more than {MADE_BYTES} bytes")));
        }
        match serde_json::from_str::<serde::de::IgnoredAny>(&made) {
            Ok(_) => Ok(Some(made)),
            Err(error) => {
                let what = format!("what it makes is no JSON: {error}");
                Err((0, what))
            }
        }
    }
}

fn shown(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Template, TemplateError> {
        Template::compile("own.json", text.to_owned())
    }

    fn told(index: usize) -> Told {
        Told::read("e-1".to_owned(), &samples::all()[index].to_string(), false)
    }

    #[test]
    fn values_are_json_whatever_the_customer_writes() {
        let template = compile(
            r#"{"who": {{ user.name }}, "all": {{ conversation }}, "id": {{ "fd-" ~ id }}}"#,
        )
        .unwrap();
        let mut told = told(0);
        told.body["user"]["name"] = "\"}, {{ 7*7 }} </script>\n".into();
        let request = template.next(&told, &Progress::default()).unwrap().unwrap();
        let made: Value = serde_json::from_str(&request.body.unwrap()).unwrap();
        assert_eq!(made["who"], told.body["user"]["name"]);
        assert_eq!(made["all"], told.body["conversation"]);
        assert_eq!(
            made["id"],
            format!("fd-{}", told.body["id"].as_str().unwrap())
        );
    }

    #[test]
    fn an_event_of_which_nothing_is_made_is_not_sent() {
        let template =
            compile(r#"{% if event == "handoff.requested" %}{"text": {{ summary }}}{% endif %}"#)
                .unwrap();
        let progress = Progress::default();
        assert!(template.next(&told(0), &progress).unwrap().is_some());
        assert_eq!(template.next(&told(1), &progress), Ok(None));
    }

    #[test]
    fn what_cannot_work_is_told_with_its_line_and_event() {
        for (text, says) in [
            ("{% if %}", "own.json, line 1: syntax error"),
            (
                "\n{{ nothing.here }}",
                "own.json, line 2, with `handoff.requested`: undefined value",
            ),
            (
                r#"{"text": {{ summary }}}"#,
                "with `handoff.message`: undefined value",
            ),
            ("[{{ event }}", "what it makes is no JSON"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                "fuel",
            ),
        ] {
            let error = compile(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let error = Template::open(Path::new("/nowhere/own.json")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read /nowhere/own.json")
        );
    }
}
