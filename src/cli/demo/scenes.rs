//! The scenes: what customers do, and what should come of it.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::Stage;
use super::screen::Screen;
use crate::domain::{Failure, Outcome, Suppression};
use crate::sandbox::Plan;

/// One who writes.
pub(super) struct Customer {
    /// The name, which is the external id as well.
    pub(super) name: &'static str,
    /// The number.
    pub(super) phone: &'static str,
}

const EMMA: Customer = Customer {
    name: "Emma",
    phone: "+15550101",
};
const ANA: Customer = Customer {
    name: "Ana",
    phone: "+34600000102",
};
const LUCAS: Customer = Customer {
    name: "Lucas",
    phone: "+5511900000103",
};
const CAMILLE: Customer = Customer {
    name: "Camille",
    phone: "+33600000104",
};
const JONAS: Customer = Customer {
    name: "Jonas",
    phone: "+491500000105",
};
const YUKI: Customer = Customer {
    name: "Yuki",
    phone: "+819000000106",
};

/// How long silence has to last to count as silence: longer than the quiet time and the model together.
const SILENCE: Duration = Duration::from_secs(2);

/// Plays all scenes. Gives what should have happened and did not.
pub(super) async fn play(stage: &Stage) -> Vec<String> {
    let mut missed = Vec::new();
    let mut note = |title: &str, result: anyhow::Result<()>| {
        if let Err(error) = result {
            missed.push(format!("{title}: {error:#}"));
        }
    };
    note("six languages", six_languages(stage).await);
    note("memory", memory(stage).await);
    note("a burst", burst(stage).await);
    note("outages", outages(stage).await);
    note("a handoff", handoff(stage).await);
    note("an opt-out", opt_out(stage).await);
    note("the end", nothing_left(stage).await);
    missed
}

async fn six_languages(stage: &Stage) -> anyhow::Result<()> {
    Screen::scene("Six customers write at once, each in their own language");
    let (emma, ana, lucas, camille, jonas, yuki) = tokio::join!(
        one_answer(stage, &EMMA, "Hi, when do you open?"),
        one_answer(stage, &ANA, "Hola, ¿dónde está mi pedido?"),
        one_answer(stage, &LUCAS, "Oi, qual é o horário de vocês?"),
        one_answer(stage, &CAMILLE, "Bonjour, quels sont vos horaires ?"),
        one_answer(stage, &JONAS, "Hallo, wann habt ihr geöffnet?"),
        one_answer(stage, &YUKI, "こんにちは、営業時間を教えてください"),
    );
    emma.and(ana).and(lucas).and(camille).and(jonas).and(yuki)
}

async fn one_answer(stage: &Stage, customer: &Customer, text: &str) -> anyhow::Result<()> {
    let message = stage.says(customer, text).await?;
    stage.sees(customer, message, Outcome::Replied).await?;
    stage.hears(customer, 1).await?;
    Ok(())
}

async fn memory(stage: &Stage) -> anyhow::Result<()> {
    Screen::scene(
        "Ana answers the question she was asked: the gateway remembers what it was about",
    );
    let message = stage.says(&ANA, "Es el 48213").await?;
    stage.sees(&ANA, message, Outcome::Replied).await?;
    let heard = stage.hears(&ANA, 2).await?;
    ensure!(
        heard[1].contains("48213"),
        "the answer is not about her order"
    );
    Ok(())
}

async fn burst(stage: &Stage) -> anyhow::Result<()> {
    Screen::scene("Lucas thinks in pieces and gets one answer");
    let first = stage.says(&LUCAS, "e mais uma coisa").await?;
    let second = stage.says(&LUCAS, "quero devolver um pedido").await?;
    let third = stage.says(&LUCAS, "o número é 77120").await?;
    for message in [first, second, third] {
        stage.sees(&LUCAS, message, Outcome::Replied).await?;
    }
    let heard = stage.hears(&LUCAS, 2).await?;
    ensure!(
        heard[1].contains("77120"),
        "the answer does not take all pieces together"
    );
    Ok(())
}

async fn outages(stage: &Stage) -> anyhow::Result<()> {
    Screen::scene("The model is down for Camille, Braze is down for Jonas");
    let (camille, jonas) = (
        "Puis-je rendre un article ?",
        "Und wo ist meine Bestellung?",
    );
    stage.model.behave();
    stage.model.misbehave(Plan::status(503).times(2));
    let message = stage.says(&CAMILLE, camille).await?;
    stage
        .sees(&CAMILLE, message, Outcome::Failed(Failure::Model))
        .await?;
    stage.hears(&CAMILLE, 2).await?;
    stage.model.misbehave(Plan::delay(super::MODEL_THINKS));

    stage
        .braze
        .misbehave(Plan::status(503).times(2).when(JONAS.name));
    stage
        .screen
        .note("Braze answers 503 twice; the reply is kept and sent again");
    let message = stage.says(&JONAS, jonas).await?;
    stage.sees(&JONAS, message, Outcome::Replied).await?;
    stage.hears(&JONAS, 2).await?;
    ensure!(stage.braze.answered_with(503) == 2, "Braze was not down");
    Ok(())
}

async fn handoff(stage: &Stage) -> anyhow::Result<()> {
    Screen::scene(
        "Emma wants a person: the desk, a Chatwoot, takes over, and the assistant stays quiet until it is done",
    );
    let message = stage.says(&EMMA, "Can I talk to a human, please?").await?;
    stage.sees(&EMMA, message, Outcome::HandedOff).await?;
    stage.hears(&EMMA, 2).await?;
    let message = stage
        .says(&EMMA, "It is about the lamp that came broken")
        .await?;
    stage.sees(&EMMA, message, Outcome::Forwarded).await?;
    // What agents see: the brief, what Emma asked, what she said then.
    let ticket = stage.filed(3).await?.id;
    stage.clock.sleep(SILENCE).await;
    stage
        .hears(&EMMA, 2)
        .await
        .context("the assistant spoke while the desk had the conversation")?;

    stage
        .screen
        .note("Bea takes the conversation in the desk, and answers there");
    let (_, taken) = stage.desk.agent_takes(ticket).await?;
    ensure!(
        taken.status == 200,
        "an assignment was answered with {}",
        taken.status
    );
    let words = "Hello Emma, this is Bea. A new lamp is on its way.";
    let (_, said) = stage.desk.agent_says(ticket, words).await?;
    ensure!(
        said.status == 200,
        "an agent's words were answered with {}",
        said.status
    );
    let heard = stage.hears(&EMMA, 3).await?;
    ensure!(
        heard[2] == words,
        "the agent's words did not reach the customer"
    );

    stage
        .screen
        .note("Bea resolves the conversation in the desk");
    let (_, solved) = stage.desk.agent_resolves(ticket).await?;
    ensure!(
        solved.status == 200,
        "the end was answered with {}",
        solved.status
    );
    let message = stage
        .says(&EMMA, "Thanks! And when do you open tomorrow?")
        .await?;
    stage.sees(&EMMA, message, Outcome::Replied).await?;
    stage.hears(&EMMA, 4).await?;
    Ok(())
}

async fn opt_out(stage: &Stage) -> anyhow::Result<()> {
    Screen::scene("Yuki wants no more messages");
    let message = stage.says(&YUKI, "配信停止").await?;
    stage.sees(&YUKI, message, Outcome::Canned).await?;
    stage.hears(&YUKI, 2).await?;
    let message = stage.says(&YUKI, "注文はどこですか").await?;
    stage
        .sees(&YUKI, message, Outcome::Suppressed(Suppression::OptedOut))
        .await?;
    stage.clock.sleep(SILENCE).await;
    stage
        .hears(&YUKI, 2)
        .await
        .context("a message left after the opt-out")?;
    Ok(())
}

async fn nothing_left(stage: &Stage) -> anyhow::Result<()> {
    let counts = stage.app.store().counts().await?;
    ensure!(
        counts.waiting == 0,
        "{} messages have no outcome",
        counts.waiting
    );
    ensure!(
        counts.dead_deliveries == 0,
        "{} deliveries were given up",
        counts.dead_deliveries
    );
    ensure!(
        stage.braze.answered_with(429) == 0,
        "Braze had to refuse a request"
    );
    Ok(())
}
