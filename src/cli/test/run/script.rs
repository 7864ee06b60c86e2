//! What the scripted model answers: the test's answers to questions, its summary to requests for one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::cli::stage::Stage;
use crate::cli::test::case::{Answer, Fault, Test};
use crate::sandbox::model::{Reply, Trouble};
use crate::sandbox::{Fault as Spoilt, Plan};

/// What a request for a summary is answered with where the test has none.
const SUMMARY: &str = "A summary of the conversation.";

/// What the model still has to say. Cloning gives another handle on the same script.
#[derive(Clone)]
pub(super) struct Script {
    state: Arc<Mutex<State>>,
    unanswered: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    /// Questions that nothing was scripted for.
    unscripted: usize,
}

impl Script {
    /// Hands the script to the stand-in model, where there is one.
    pub(super) fn hand_out(test: &Test, stage: &Stage) -> Self {
        let script = Self {
            state: Arc::default(),
            unanswered: stage.unanswered(),
        };
        let Some(answers) = &test.model else {
            return script;
        };
        script.state().answers = answers.iter().cloned().collect();
        let summary = test.summary.clone().unwrap_or_else(|| SUMMARY.to_owned());
        let own = script.clone();
        stage
            .model
            .respond_with(move |request| own.reply(request, &summary));
        script
    }

    /// Says that the model was asked more than it has answers for; once.
    pub(super) fn complaint(&self) -> Option<String> {
        let unscripted = std::mem::take(&mut self.state().unscripted);
        (unscripted > 0).then(|| {
            "the model was asked, and the script has no answer left; add one to `model`, or leave `model` out for the \
             stand-in's own answers"
                .to_owned()
        })
    }

    /// Says that answers were never asked for.
    pub(super) fn left_over(&self) -> Option<String> {
        let left = self.state().answers.len();
        (left > 0).then(|| format!("{left} of the model's answers were never asked for"))
    }

    fn reply(&self, request: &Value, summary: &str) -> Reply {
        // Only a question for a customer wants an object; a summary is plain text.
        if request.get("response_format").is_none() {
            return Reply::Text(summary.to_owned());
        }
        let mut state = self.state();
        match state.answers.pop_front() {
            Some(Answer::Text(text)) => Reply::Text(text),
            Some(Answer::Object(object)) => Reply::Object(Value::Object(object)),
            Some(Answer::Fault(fault)) => {
                // The stage must not wait for these to be answered.
                if matches!(fault, Fault::Timeout | Fault::Connect) {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                of_fault(fault)
            }
            None => {
                state.unscripted += 1;
                Reply::Trouble(Trouble::Filtered)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_fault(fault: Fault) -> Reply {
    match fault {
        Fault::Timeout => Reply::Fault(Plan::hang()),
        Fault::Connect => Reply::Fault(Plan::reset()),
        Fault::BadResponse => Reply::Fault(Plan::from(Spoilt::Garbage)),
        Fault::Empty => Reply::Text(String::new()),
        Fault::BadRequest => {
            let body = r#"{"error": {"message": "the request cannot be served", "type": "invalid_request_error"}}"#;
            Reply::Raw(400, body.to_owned())
        }
        Fault::RateLimited => Reply::Trouble(Trouble::RateLimited),
        Fault::Overloaded => Reply::Trouble(Trouble::Overloaded),
        Fault::ContextLength => Reply::Trouble(Trouble::Overflow {
            prompt: 9_000,
            context: 8_192,
        }),
        Fault::Auth => Reply::Trouble(Trouble::Key),
        Fault::Quota => Reply::Trouble(Trouble::Quota),
        Fault::Filtered => Reply::Trouble(Trouble::Filtered),
    }
}
