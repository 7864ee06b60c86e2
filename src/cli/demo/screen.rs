//! What the demo shows: one line for each thing that happens, with its time.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use crate::clock::Clock;
use crate::sandbox::desk::{Writer, Written};
use crate::sandbox::{Braze, Desk};
use crate::shutdown::Shutdown;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const MAGENTA: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

/// Writes to the terminal; colours go where there are some.
#[derive(Clone)]
pub(super) struct Screen {
    clock: Clock,
    started: Duration,
}

impl Screen {
    pub(super) fn new(clock: Clock) -> Self {
        let started = clock.elapsed();
        Self { clock, started }
    }

    pub(super) fn title(address: &str) {
        anstream::println!(
            "{BOLD}Frontdesk demo{PLAIN}: the gateway at {address}, stand-ins for the model, Braze and the desk"
        );
        anstream::println!(
            "{DIM}customer ›   assistant ‹   desk «   and in brackets what became of a message{PLAIN}"
        );
    }

    pub(super) fn scene(title: &str) {
        anstream::println!("\n{BOLD}{title}{PLAIN}");
    }

    pub(super) fn said(&self, name: &str, text: &str) {
        self.line(&format!("{CYAN}{name:>8} ›{PLAIN} {text}"));
    }

    pub(super) fn outcome(&self, name: &str, outcome: &str, rule: Option<&str>) {
        let rule = rule
            .map(|rule| format!(" by rule {rule}"))
            .unwrap_or_default();
        self.line(&format!("{DIM}{name:>8}   [{outcome}{rule}]{PLAIN}"));
    }

    pub(super) fn note(&self, text: &str) {
        self.line(&format!("{YELLOW}           {text}{PLAIN}"));
    }

    /// Shows from now on what Braze delivers and what the desk gets.
    pub(super) fn follow(&self, braze: &Braze, desk: &Desk, until: &Shutdown) {
        let (screen, braze) = (self.clone(), braze.clone());
        drop(until.spawn_contained(async move {
            for seen in 0.. {
                braze.wait_for_sent(seen + 1).await;
                if let Some(sent) = usize::try_from(seen)
                    .ok()
                    .and_then(|seen| braze.sent().into_iter().nth(seen))
                {
                    let name = sent.recipient.value().to_owned();
                    screen.line(&format!(
                        "{GREEN}{name:>8} ‹{PLAIN} {}",
                        sent.text().replace('\n', " ")
                    ));
                }
            }
        }));
        let (screen, desk) = (self.clone(), desk.clone());
        let mut events = desk.events();
        drop(until.spawn_contained(async move {
            let mut shown = 0;
            while !matches!(events.recv().await, Err(RecvError::Closed)) {
                let threads = desk.threads().into_iter();
                let mut written: Vec<_> = threads.flat_map(|thread| thread.written).collect();
                written.sort_by_key(|one| one.id);
                for one in &written[shown.min(written.len())..] {
                    screen.filed(one);
                }
                shown = written.len();
            }
        }));
    }

    /// Shows what the desk's agents see; what they write themselves is shown when the customer gets it.
    fn filed(&self, one: &Written) {
        let (kind, text) = match (one.writer, one.is_private) {
            (Writer::Agent, _) => return,
            (_, true) => ("note", one.text.lines().find(|line| !line.is_empty())),
            (_, false) => ("message", Some(one.text.as_str())),
        };
        let text = text.unwrap_or_default().replace('\n', " ");
        self.line(&format!(
            "{MAGENTA}    desk «{PLAIN} {kind} {DIM}{text}{PLAIN}"
        ));
    }

    pub(super) fn verdict(missed: &[String]) {
        if missed.is_empty() {
            anstream::println!("\n{GREEN}Everything happened that should.{PLAIN}");
        }
        for missed in missed {
            anstream::println!("{RED}missed: {missed}{PLAIN}");
        }
    }

    pub(super) fn invitation(address: &str, secret: &str) {
        anstream::println!(
            "\nIt stays up. Write to it yourself, as Braze would (Ctrl-C ends it):\n\n  \
             curl http://{address}/v1/inbound/support -H 'Authorization: Bearer {secret}' \\\n    \
             -d '{{\"user_id\": \"You\", \"phone_number\": \"+15550123\", \"message\": \"When do you open?\"}}'\n"
        );
    }

    fn line(&self, text: &str) {
        let time = self
            .clock
            .elapsed()
            .saturating_sub(self.started)
            .as_secs_f64();
        anstream::println!("{DIM}{time:6.2} s{PLAIN} {text}");
    }
}
