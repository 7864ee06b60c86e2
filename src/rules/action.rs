//! What a rule does, read from its table.

use toml::Spanned;

use super::Action;
use super::file::RuleTable;
use crate::problem::Problem;

/// The text of a folder that asks whether people are to take over.
const OFFER: &str = "offer";

/// Every action there is.
const ACTIONS: &str =
    "use `escalate`, `offer`, `reply`, `ignore`, `assistant`, `return`, `opt_out` or `opt_in`";

/// Reads the action of a rule; what is wrong with it goes to `problems`.
pub(super) fn read(key: &str, table: &RuleTable, problems: &mut Vec<Problem>) -> Action {
    let word = table.action.get_ref().as_str();
    let says = matches!(word, "reply" | "offer");
    let mut refuse = |field: &str, value: Option<&Spanned<String>>, message: &str, help: &str| {
        if let Some(value) = value {
            let problem = Problem::new(format!("{key}.{field}"), message);
            problems.push(problem.help(help).at(Some(value.span())));
        }
    };
    if !says {
        let help = "remove it, or set `action = \"reply\"`";
        refuse(
            "text",
            table.text.as_ref(),
            "only the actions `reply` and `offer` say a text",
            help,
        );
    }
    if word != "assistant" {
        let help = "remove it, or set `action = \"assistant\"`";
        let message = "only the action `assistant` passes a customer on";
        refuse("assistant", table.assistant.as_ref(), message, help);
    }
    let given = |value: Option<&Spanned<String>>| {
        let value = value.map(|value| value.get_ref().trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    let wrong = match word {
        "escalate" => return Action::Escalate,
        "opt_out" => return Action::OptOut,
        "opt_in" => return Action::OptIn,
        "return" => return Action::Return,
        "ignore" => return Action::Ignore,
        "offer" => {
            let text = given(table.text.as_ref()).unwrap_or_else(|| OFFER.to_owned());
            return Action::Offer { text };
        }
        "reply" => match given(table.text.as_ref()) {
            Some(text) => return Action::Reply { text },
            None => Problem::new(key, "the action `reply` needs to know what to say")
                .help("add `text`, the key of a text in `texts/*.toml`"),
        },
        "assistant" => match given(table.assistant.as_ref()) {
            Some(name) => return Action::Assistant { name },
            None => Problem::new(key, "the action `assistant` needs to know which one")
                .help("add `assistant`, a name of `[assistants]` in the configuration"),
        },
        // Words that people try first.
        "handoff" | "hand_off" | "human" => unknown(key, word).help("use `escalate`"),
        _ => unknown(key, word).help(ACTIONS),
    };
    problems.push(wrong.at(Some(table.action.span())));
    Action::Escalate
}

fn unknown(key: &str, word: &str) -> Problem {
    Problem::new(
        format!("{key}.action"),
        format!("there is no action `{word}`"),
    )
}
