//! One short question, for who wants to know whether a target works.

use std::convert::Infallible;
use std::time::Duration;

use uuid::Uuid;

use super::{Asking, Lineup, Manner, Run, Text, Unanswered, format, object};
use crate::domain::{ConversationId, Spending};
use crate::model::{Answer, Fault, FaultKind, Meter, Question, Role, Turn, Usage};
use crate::redact::Private;

/// What is asked. It is no language's sentence, and every model knows the answer.
const QUESTION: &str = "2 + 2 = ?";

/// What came of the question.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What was answered, or why nothing was.
    pub said: Result<Said, Fault>,
    /// What all calls took.
    pub spent: Spending,
    /// How long it took, all calls together.
    pub elapsed: Duration,
    /// Whether that is longer than one call may take where another target follows.
    pub is_slow: bool,
}

/// What is known of an answer. Its words are of no interest.
#[derive(Clone, Debug)]
pub struct Said {
    /// The model that the server says it used.
    pub model: Option<String>,
    /// Whether it decided, as it was asked to. Else it only wrote: its text counts as the reply, and nothing is picked.
    pub is_object: bool,
    /// What the server counted for the last call.
    pub usage: Usage,
}

impl Lineup {
    /// Asks the targets a short question in the way in which they are asked for a customer, and under the same limits.
    pub async fn probe(&self) -> Probed {
        let meter = Meter::default();
        let asking = Asking {
            customer: "",
            conversation: ConversationId(Uuid::nil()),
            meter: &meter,
        };
        let prepare = |manner: Manner<'_>, _: bool| {
            let question = question();
            let body = format::question(manner, &question);
            let read = move |text: &Text| decided(text, &question.rules);
            Ok::<_, Infallible>((body, read))
        };
        let started = self.clock.elapsed();
        let run = self.run(prepare, self.deadline, &asking).await;
        let elapsed = self.clock.elapsed().saturating_sub(started);
        let is_slow = |run: &Run<'_, bool>| elapsed > self.usual(run.target);
        Probed {
            is_slow: run.as_ref().is_ok_and(is_slow),
            said: run
                .map(|run| Said {
                    model: run.got.model,
                    is_object: run.got.read,
                    usage: run.got.usage,
                })
                .map_err(|unanswered| match unanswered {
                    Unanswered::Composing(never) => match never {},
                    Unanswered::Fault(fault) => fault,
                }),
            spent: meter.total(),
            elapsed,
        }
    }
}

/// Gives a question with a rule to pick, as assistants have them: some servers take a schema only without.
fn question() -> Question {
    Question {
        images: Vec::new(),
        system: "You answer the customers of a shop, briefly.".to_owned(),
        turns: vec![Turn {
            role: Role::User,
            text: Private(QUESTION.to_owned()),
        }],
        rules: vec![(
            "refund".to_owned(),
            "The customer wants money back".to_owned(),
        )],
    }
}

/// Tells whether an answer came as an object.
fn decided(text: &Text, rules: &[(String, String)]) -> Result<bool, FaultKind> {
    let _: Answer = object::answer(&text.text, text.is_cut, rules)?;
    Ok(object::is_object(&text.text))
}
