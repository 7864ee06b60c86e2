//! What a long answer becomes: parts that leave in order, or one line of a template.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;

use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Gives an answer of so many paragraphs, each of some 1,500 characters.
fn long(paragraphs: usize) -> String {
    let paragraph = |number: usize| {
        format!(
            "**Paragraph {number}.** {}",
            "Words that fill it. ".repeat(75).trim()
        )
    };
    (0..paragraphs)
        .map(paragraph)
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[tokio::test]
async fn a_long_answer_leaves_in_parts_and_stands_whole_in_the_history() {
    let world = World::start().await;
    world
        .model
        .script([Reply::says(&long(4)), Reply::says("Short.")]);
    world.tells("ana", "tell me everything, please").await;
    let heard = world.heard("ana");
    assert_eq!(heard.len(), 2);
    assert!(
        heard[0].starts_with("*Paragraph 0.*") && heard[1].starts_with("*Paragraph 2.*"),
        "{heard:?}"
    );
    assert_eq!(world.outcomes("ana"), ["replied"]);
    world.tells("ana", "and more?").await;
    let asked = world.last_asked();
    assert!(
        asked
            .iter()
            .any(|(role, text)| role == "assistant" && *text == heard.join("\n")),
        "{asked:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_all_parts_ends_with_a_sign_of_it() {
    let world = World::with("[reply]\nparts = 1").await;
    world.model.script([Reply::says(&long(4))]);
    world.tells("ana", "tell me everything, please").await;
    let heard = world.heard("ana");
    assert_eq!(heard.len(), 1);
    assert!(heard[0].ends_with("it.…"), "{}", heard[0]);
    world.end().await;
}

#[tokio::test]
async fn a_newer_message_between_two_parts_keeps_what_was_heard_and_no_more() {
    let world = World::start().await;
    world
        .model
        .script([Reply::says(&long(4)), Reply::says("Then this.")]);
    // The first part is sent; the second meets a gate that is shut.
    world.braze.misbehave(Plan::status(200).times(1));
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("ana", "tell me everything, please").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(2)).await;
    world.breathe().await;
    world.says("ana", "stop, only the opening hours").await;
    world.within(Duration::from_mins(2)).await;
    let heard = world.heard("ana");
    assert_eq!(
        heard.last().map(String::as_str),
        Some("Then this."),
        "{heard:?}"
    );
    assert!(
        !heard.iter().any(|text| text.contains("Paragraph 2")),
        "{heard:?}"
    );
    let asked = world.last_asked();
    let said: Vec<_> = asked
        .iter()
        .filter(|(role, _)| role == "assistant")
        .collect();
    assert!(
        said.iter().all(|(_, text)| !text.contains("Paragraph 2")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|(_, text)| text.contains("Paragraph 0")),
        "{said:?}"
    );
    assert_eq!(
        asked.last().map(|(_, text)| text.as_str()),
        Some("stop, only the opening hours")
    );
    assert_eq!(world.outcomes("ana"), ["replied", "replied"]);
    world.end().await;
}

#[tokio::test]
async fn a_template_gets_one_line_also_of_a_fixed_text() {
    let world = World::with_assistant("template = { fixed = 24 }").await;
    world.model.script([
        Reply::says("# Hello\n\nWe have:\n- one\n- two"),
        Reply::says(&long(3)),
    ]);
    world.tells("ana", "what do you have?").await;
    world.tells("ana", "tell me everything, please").await;
    let heard = world.heard("ana");
    assert_eq!(heard[0], "*Hello* We have: • one • two");
    assert_eq!(heard.len(), 2);
    assert!(
        heard[1].len() <= 1_010 && heard[1].ends_with('…') && !heard[1].contains('\n'),
        "{}",
        heard[1]
    );
    world.end().await;
}
