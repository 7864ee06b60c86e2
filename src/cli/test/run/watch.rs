//! What a step brings about, read off the stage.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Line, Ran};
use crate::cli::stage::{Relay, Stage};
use crate::cli::test::case::{Answer, Fault, Neighbour, User};
use crate::cli::test::checks::Seen;
use crate::config::Config;
use crate::domain::{ConversationId, Day, MessageId, Money, Spending};
use crate::prompts::Folder;
use crate::rules;
use crate::sandbox::Exchange;

/// Watches a stage: what has come since the mark.
pub(in crate::cli) struct Watch<'a> {
    stage: &'a Stage,
    customer: Vec<String>,
    zone: TimeZone,
    written: Vec<MessageId>,
    conversation: Option<ConversationId>,
    sent: usize,
    events: usize,
    asked: usize,
    began: Duration,
    spent: Spending,
    down: Vec<Neighbour>,
}

impl<'a> Watch<'a> {
    /// Begins to watch what becomes of a customer.
    pub(in crate::cli) async fn begin(
        stage: &'a Stage,
        user: &User,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let customer = vec![user.external_id.clone(), user.phone.clone()];
        let assistant = config.assistants.get(stage.assistant());
        let mut watch = Self {
            stage,
            customer,
            zone: assistant.map_or(TimeZone::UTC, crate::config::AssistantConfig::zone),
            written: Vec::new(),
            conversation: None,
            sent: 0,
            events: 0,
            asked: 0,
            began: Duration::ZERO,
            spent: Spending::default(),
            down: Vec::new(),
        };
        watch.mark().await?;
        Ok(watch)
    }

    /// Forgets what has come so far.
    pub(in crate::cli) async fn mark(&mut self) -> anyhow::Result<()> {
        self.sent = self.stage.braze.sent().len();
        self.events = self.stage.desk.received().len();
        self.asked = self.stage.asked().len();
        self.began = self.stage.clock.elapsed();
        self.spent = self.spent().await?;
        self.written.clear();
        Ok(())
    }

    /// Notes a message of the customer.
    pub(in crate::cli) fn wrote(&mut self, message: MessageId) {
        self.written.push(message);
    }

    /// Gives the conversation, once there is one.
    pub(in crate::cli) fn conversation(&self) -> Option<ConversationId> {
        self.conversation
    }

    /// Notes that a neighbour is down, or is so no more.
    pub(super) fn is_down(&mut self, neighbour: Neighbour, is_down: bool) {
        self.down.retain(|down| *down != neighbour);
        if is_down {
            self.down.push(neighbour);
        }
    }

    /// Tells whether a neighbour is down.
    pub(super) fn has_outage(&self) -> bool {
        !self.down.is_empty()
    }

    /// Gives what the conversation took today.
    async fn spent(&self) -> anyhow::Result<Spending> {
        let Some(conversation) = self.conversation else {
            return Ok(Spending::default());
        };
        let day = Day::of(self.stage.clock.now(), &self.zone);
        let spent = self.stage.app.store().spent(conversation, day).await?;
        Ok(spent.customer)
    }

    /// Gives what has come since the mark, and writes it into the test's conversation.
    pub(super) async fn look(&mut self, ran: &mut Ran) -> anyhow::Result<Seen> {
        let seen = self.seen().await?;
        for (who, what) in lines(&seen) {
            ran.conversation.push(Line { who, what });
        }
        ran.texts.extend(seen.texts.iter().cloned());
        let language = seen.language.clone().unwrap_or_default();
        let rules = seen.rules.iter().flatten();
        let rules = rules.map(|rule| (rule.clone(), language.clone()));
        ran.rules.extend(rules);
        Ok(seen)
    }

    /// Gives what has come since the mark.
    pub(in crate::cli) async fn seen(&mut self) -> anyhow::Result<Seen> {
        let took = self.stage.clock.elapsed().saturating_sub(self.began);
        let mut seen = Seen {
            sent: self.sent(),
            events: self.events(),
            prompts: self.prompts(),
            took,
            ..Seen::default()
        };
        for message in self.written.clone() {
            let fate = self.stage.fate(message).await?;
            self.conversation = Some(fate.conversation);
            let outcome = fate.outcome.map_or("waiting", |outcome| outcome.as_str());
            seen.outcomes.push(outcome.to_owned());
            seen.rules.push(fate.rule);
        }
        let folder = self.stage.app.prompts(self.stage.assistant());
        if let Some(folder) = folder.map(crate::prompts::Prompts::current) {
            seen.texts = recognised(&folder, &seen.sent);
        }
        seen.language = language(&seen);
        if let Some(id) = self.conversation
            && let Some(conversation) = self.stage.app.store().conversation(id).await?
        {
            conversation.owner.as_str().clone_into(&mut seen.state);
            let known = conversation.language.map(|language| language.to_string());
            seen.language = seen.language.or(known);
        }
        let spent = self.spent().await?;
        // At midnight the sums begin anew.
        let cost = spent.cost.nanos().checked_sub(self.spent.cost.nanos());
        seen.cost = cost.map_or(spent.cost, Money::from_nanos);
        let tokens = spent.tokens().checked_sub(self.spent.tokens());
        seen.tokens = tokens.unwrap_or(spent.tokens());
        Ok(seen)
    }

    fn sent(&self) -> Vec<String> {
        let sent = self.stage.braze.sent().into_iter().skip(self.sent);
        let own = sent.filter(|sent| self.is_own(sent.recipient.value()));
        own.map(|sent| sent.text().to_owned()).collect()
    }

    /// Tells whether a recipient is the customer: by his id, or by the digits of his number.
    fn is_own(&self, recipient: &str) -> bool {
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        };
        let same = |own: &String| own == recipient || digits(own) == recipient;
        self.customer.iter().any(same)
    }

    fn events(&self) -> Vec<(String, Value)> {
        let events = self.stage.desk.received().into_iter().skip(self.events);
        events.map(|event| (event.name, event.body)).collect()
    }

    /// Gives what was answered to the questions since the mark, where relays wrote it down.
    pub(in crate::cli) fn answers(&self) -> Vec<Answer> {
        let relays = self.stage.relays.iter();
        let mut passed: Vec<_> = relays.flat_map(Relay::answers).collect();
        passed.sort_by_key(|(asked, _)| asked.at);
        let new = passed.into_iter().skip(self.asked);
        let questions = new.filter(|(asked, _)| prompt(asked).is_some());
        questions
            .map(|(asked, answer)| told(asked.status, answer.as_ref()))
            .collect()
    }

    /// Gives the questions for an answer, each as one text; summaries are for people.
    fn prompts(&self) -> Vec<String> {
        let asked = self.stage.asked().into_iter().skip(self.asked);
        asked.filter_map(|asked| prompt(&asked)).collect()
    }
}

/// Gives a question for an answer as one text; nothing for any other request.
pub(in crate::cli) fn prompt(exchange: &Exchange) -> Option<String> {
    let body = exchange.json();
    let messages = body["messages"].as_array()?;
    let is_question = body.get("response_format").is_some() || body.get("tools").is_some();
    let contents = messages.iter().map(|message| match &message["content"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let text = contents.collect::<Vec<_>>().join("\n");
    // A model that is asked for plain text is told in words to answer with an object.
    (is_question || text.contains("\"action\"")).then_some(text)
}

/// Gives a model's answer as a script has it.
fn told(status: Option<u16>, answer: Option<&Value>) -> Answer {
    let fault = match status {
        Some(200) => Fault::BadResponse,
        Some(401) => Fault::Auth,
        Some(402) => Fault::Quota,
        Some(429) => Fault::RateLimited,
        Some(400..=499) => Fault::BadRequest,
        Some(_) => Fault::Overloaded,
        None => Fault::Timeout,
    };
    let message = answer.map(|answer| &answer["choices"][0]["message"]);
    let message = message.filter(|_| status == Some(200));
    let Some(message) = message.filter(|message| message.is_object()) else {
        return Answer::Fault(fault);
    };
    let called = message["tool_calls"][0]["function"]["arguments"].as_str();
    let text = called.or(message["content"].as_str()).unwrap_or_default();
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) if object.contains_key("reply") => {
            let known = ["reply", "action", "rule", "reason", "language"];
            let kept = object
                .into_iter()
                .filter(|(key, value)| known.contains(&key.as_str()) && !value.is_null());
            Answer::Object(kept.collect())
        }
        _ if text.is_empty() => Answer::Fault(Fault::Empty),
        _ => Answer::Text(text.to_owned()),
    }
}

/// Finds the fixed texts in what was sent: key and language. Of one that stands in another, the longer counts.
pub(in crate::cli) fn recognised(folder: &Arc<Folder>, sent: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for said in sent {
        let said = plain(said);
        let texts = folder
            .texts()
            .map(|(language, key, text)| (plain(text), key.to_owned(), language.to_string()));
        let inside: Vec<_> = texts.filter(|(text, ..)| holds(&said, text)).collect();
        let is_part = |text: &String| {
            let mut others = inside.iter();
            others.any(|(other, ..)| other.len() > text.len() && other.contains(text.as_str()))
        };
        let whole = inside.iter().filter(|(text, ..)| !is_part(text));
        found.extend(whole.map(|(_, key, language)| (key.clone(), language.clone())));
    }
    found
}

/// Tells whether a fixed text stands in what was sent. Where it names a value in braces, anything may stand.
fn holds(said: &str, text: &str) -> bool {
    let mut rest = said;
    let mut pieces = text.split('{');
    let first = pieces.next().unwrap_or_default();
    let after = pieces.map(|piece| piece.split_once('}').map_or(piece, |(_, after)| after));
    [first].into_iter().chain(after).all(|piece| {
        let found = rest.find(piece);
        rest = match found {
            Some(at) => &rest[at + piece.len()..],
            None => "",
        };
        found.is_some()
    })
}

/// Gives a text with single spaces.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells in which language the customer was spoken to: that of a fixed text, else that of the words.
fn language(seen: &Seen) -> Option<String> {
    let fixed = seen.texts.last().map(|(_, language)| language.clone());
    let spoken = || {
        let mut sent = seen.sent.iter().rev();
        sent.find_map(|text| rules::detect(text))
    };
    fixed.or_else(|| spoken().map(|language| language.to_string()))
}

/// Gives the lines that tell what a step brought about.
fn lines(seen: &Seen) -> Vec<(&'static str, String)> {
    let sent = seen.sent.iter().map(|text| ("assistant", text.clone()));
    let events = seen.events.iter().map(|(name, body)| {
        let reason = body["reason"]["code"].as_str();
        let reason = reason.map(|reason| format!(" ({reason})"));
        ("desk", format!("{name}{}", reason.unwrap_or_default()))
    });
    let outcome = seen.outcomes.last().map(|outcome| {
        let rule = seen.rules.last().cloned().flatten();
        let rule = rule.map(|rule| format!(" by the rule {rule}"));
        ("outcome", format!("{outcome}{}", rule.unwrap_or_default()))
    });
    sent.chain(events).chain(outcome).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Hello. We are back.", "We are back.", true)]
    #[case("We are back on Monday at 9.", "We are back {opens}.", true)]
    #[case("We are gone.", "We are back {opens}.", false)]
    #[case("at 9. We are back", "We are back {opens}.", false)]
    #[case("a 1 b 2 c", "a {x} b {y} c", true)]
    #[case("a 1 c 2 b", "a {x} b {y} c", false)]
    fn a_text_is_known_whatever_is_filled_in(
        #[case] said: &str,
        #[case] text: &str,
        #[case] holds: bool,
    ) {
        assert_eq!(super::holds(said, text), holds);
    }

    #[rstest]
    #[case(Some(200), r#"{"choices": [{"message": {"content": "Hi."}}]}"#, Answer::Text("Hi.".to_owned()))]
    #[case(
        Some(200),
        r#"{"choices": [{"message": {"content": ""}}]}"#,
        Answer::Fault(Fault::Empty)
    )]
    #[case(Some(200), "[]", Answer::Fault(Fault::BadResponse))]
    #[case(Some(429), "{}", Answer::Fault(Fault::RateLimited))]
    #[case(Some(500), "{}", Answer::Fault(Fault::Overloaded))]
    #[case(None, "{}", Answer::Fault(Fault::Timeout))]
    fn a_real_answer_becomes_one_of_a_script(
        #[case] status: Option<u16>,
        #[case] body: &str,
        #[case] expected: Answer,
    ) {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(told(status, Some(&body)), expected);
    }

    #[test]
    fn an_object_keeps_what_a_script_knows() {
        let content = r#"{"reply": "Hi.", "action": "answer", "rule": null, "mood": "good"}"#;
        let body = serde_json::json!({ "choices": [{ "message": { "content": content } }] });
        let Answer::Object(object) = told(Some(200), Some(&body)) else {
            panic!("{body}");
        };
        assert_eq!(
            Value::Object(object),
            serde_json::json!({ "reply": "Hi.", "action": "answer" })
        );
    }
}
