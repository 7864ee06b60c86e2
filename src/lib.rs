//! Frontdesk answers a business's WhatsApp customers: Braze carries the messages, a language model writes the answers,
//! people take over where they should. This page is the map of the crate; `README.md` is for those who run it.
//!
//! # Bird's view
//!
//! Two drivers work on one store and never call each other. The HTTP doors ([`http`]) take messages in; the workers
//! ([`workers`]) turn them into answers and carry those out. All that the two share is rows on disk and a bell that
//! says "look again". So intake goes on while a model is slow, and work goes on after a crash where the rows stand.
//!
//! A few words are used in one sense throughout:
//!
//! - an *assistant* is one configured responder: prompts, models, a campaign, perhaps a desk;
//! - a *target* is one model endpoint; an assistant's targets in order are its *lineup*;
//! - a *conversation* is one customer with one assistant: the unit of order, of memory and of ownership;
//! - a *turn* takes all waiting messages of a conversation and comes to one decision about them;
//! - an *outcome* is what became of a customer's message ([`domain::Outcome`]);
//! - a *delivery* is one thing to be sent: words for Braze, or an event for a desk;
//! - the *owner* of a conversation is who may speak: the assistant, or people;
//! - the *epoch* of a conversation is a number that grows when the ground shifts under a turn: a newer message, another
//!   owner, another word about consent.
//!
//! # The life of a message
//!
//! ```text
//!  customer ─► Braze ─► POST /v1/inbound/NAME
//!                            │ who posts? what does it say? is it a copy?
//!                            ▼
//!                    ┌── the store ──┐  commit, sync, then 202
//!                    │ conversations │
//!   turn workers ◄───┤   messages    ├───► couriers, one for each way out
//!                    │  deliveries   │
//!   1 claim ─────────┤               ├───────── 6 claim, in order
//!   2 gather         │               │          7 pass the gate
//!   3 screen: rules  │               │          8 clear: may it still leave?
//!   4 ask: the model │               │            and note that it does
//!   5 judge ─────────┤               ├───────── 9 send, note how it went
//!       settle, whole│               │            │
//!                    └───────────────┘            ├─► Braze ─► customer
//!                        ▲                        └─► desk
//!                        └── POST /v1/conversations/ID/ack, replies, release
//! ```
//!
//! **In.** A listener of our own bounds what strangers can cost ([`http::Entrance`]). A door checks the bearer token, reads
//! the body ([`braze::parse`]) and stores the message. It answers 202 when the commit is on disk, 200 for a copy. What
//! cannot be read is kept too, in quarantine, since Braze does not send it again. The message makes its conversation due:
//! `burst.quiet` from now, `burst.cap` from the first one at most, and at once where a phrase rule is met that hands over
//! or opts out.
//!
//! **Turn.** A worker claims conversations that are due, never single messages. It gathers the prompt folder in force,
//! what was said before ([`memory`]) and the language; screens the words by rules ([`turn::screen`]); asks the
//! models where they decide nothing ([`model`]), unless a limit of the day is reached; and judges the answer
//! ([`turn::judge`]). Whether turns helped, and whether people were offered, is told from the messages themselves, so that
//! what is taken back counts no more. Messages that a rule passes on to another assistant end here, and begin in that one's
//! conversation with the customer. What comes out is one [`domain::Settlement`]: the outcome, what enters the history, what is to be
//! sent, who owns the conversation now. The store applies it in one transaction, or not at all where the epoch has moved
//! on. A message that arrives meanwhile moves it: the model's call is dropped, and one new turn takes all. After
//! `burst.supersede_max` such times running the epoch stands still for messages, so that who writes without pause is
//! answered too. What a turn has spent is written down with its end, whatever that is. What the window drops can be
//! folded into a running summary, after the turn and beside it ([`turn::fold`]): a reply never waits for that.
//!
//! **Models.** A [`model::Lineup`] tries an assistant's targets in order, within one deadline. Each fault has a name, and
//! one place decides what is done about it: the request is changed, the same target is asked again, the next one is, or
//! nobody. A target that keeps failing is left alone for a while; the next one answers at once meanwhile.
//!
//! **Out.** A courier claims the oldest open delivery of a conversation, waits at the workspace's gate
//! ([`braze::Workspace::gate`]), and asks the store a last time. Only then, with the delivery marked `sending` on disk,
//! does the request leave. An answer makes it `sent`, due again, or dead; no answer makes it *unknown*, and
//! `reply.on_unknown` decides. A reply that never left is taken back out of the history. Where a newer message or an outage
//! kept it, its messages wait for another answer; else their outcome is corrected.
//!
//! **Handover.** A settlement can pass the conversation to people. The customer hears a notice, the desk gets a signed
//! event ([`handoff`]) with transcript and summary, and what the customer writes from then on is forwarded. What people do
//! comes in by the desk's doors: it is written out for how the conversation stands ([`turn::desk`]) and applied in one
//! transaction ([`store::Store::act`]), which refuses it where that has changed. Their words leave as deliveries do, before
//! the assistant's. Timers are columns that the upkeep looks at: nobody came in time, the window closes, nothing was heard.
//! It comes back when the desk releases it, the customer asks for it, or after `desks.NAME.idle`.
//!
//! **By hand.** Operators have a listener of their own ([`http::operator`]). What they decide goes through the same store,
//! under the same fences: a takeover is a new owner and a new epoch, a retry passes the last check like any delivery, an
//! erasure leaves turns and couriers nothing to write to. Each act and its line in the audit log are one transaction.
//!
//! # Layers
//!
//! The modules below are listed from top to bottom, and a module names only modules below it. There are no circles;
//! `tests/it/layers.rs` reads the sources and fails on any other edge.
//!
//! | layer | modules | what it knows |
//! | --- | --- | --- |
//! | commands | [`cli`] | arguments, exit codes, what a person sees |
//! | stand-ins | [`sandbox`] | the other side of each protocol; of ours only the clock and the stop, so that a wrong field cannot agree with itself |
//! | composition | [`app`], [`config`] | every part; a configuration in, a running gateway out |
//! | drivers | [`http`], [`workers`] | when something happens |
//! | the heart | [`turn`] | what to do about messages |
//! | what a turn uses | [`memory`], [`prompts`], [`rules`], [`model`], [`reply`] | one subject each |
//! | ways out | [`braze`], [`handoff`] | one protocol each |
//! | the store | [`store`] | SQL, and nothing else does |
//! | terms | [`domain`] | what things are; no IO |
//! | ground | [`telemetry`], [`metrics`], [`http_client`], [`shutdown`], [`watch`], [`watchdog`], [`clock`], [`duration`], [`pii`], [`problem`], [`redact`], [`retry`] | at most one another |
//!
//! Each module owns its errors and its slice of the configuration. Errors become a status in one place
//! ([`http::HttpError`]), problems of a configuration are composed in one place ([`config::Config::load`]). The one trait
//! is [`store::Store`], whose part for operators is [`store::Operations`]; whatever is outside is a real client with a base URL, and its fakes are servers.
//!
//! # Promises, and how they are kept
//!
//! 1. **What was accepted is kept.** One thread writes; whatever waits shares a commit with a full sync, and each caller
//!    is answered after it. A full queue, backlog or disk is a 503, which makes Braze come again.
//! 2. **One at a time, in order.** [`store::Store::claim`] gives a conversation to one worker, with a [`store::Lease`]
//!    that only it can make and that [`store::Store::settle`] demands. Deliveries leave one after the other for each
//!    conversation and way out.
//! 3. **Every message ends in one outcome.** A turn cannot settle without one. A turn that panics, and messages that were
//!    under way at three crashes and alone among suspects at the last, end in `failed(poison)` with a word to the
//!    customer. No model is shown them again.
//! 4. **No double talk.** [`store::Store::clear`] refuses an assistant's words when people have the conversation, the
//!    customer has opted out, a newer message has come, or the words are too old. It is the same commit that marks them as
//!    leaving, so nothing fits in between.
//! 5. **Doubt is bounded.** Braze knows no idempotency key. What is `sending` is on disk before it leaves, so after a
//!    crash at most `workspaces.NAME.concurrency` replies can have been sent without our knowing; with
//!    `on_unknown = "hold"` none of them is sent twice.
//! 6. **Outages bend.** Where a model fails, the next one answers; where all do, it costs one fallback text. Braze or a
//!    desk that is down makes deliveries wait, each way out by itself. A store that is down stops the workers, who ask
//!    until it answers.
//! 7. **A customer's words are data.** They are [`redact::Private`], which prints as nothing. They go to the model in the
//!    user role; what Braze knows of the customer goes through `customer.md` alone, as JSON. Braces are broken up in
//!    [`reply::prepare`] before Braze's Liquid can see them. No model decides about consent.
//! 8. **No network call in a transaction.** Methods of the store wait for nothing but the database. Who works on what is
//!    a claim in a row, not a lock that is held.
//! 9. **Every limit has a name,** a value and a reason, as a constant or a key of the configuration.
//!
//! Two habits make these testable. Time is an argument ([`clock::Clock`]), so no test sleeps. And deciding is apart from
//! doing: [`turn::screen`] and [`turn::judge`] have no IO, no await and no clock.
//!
//! # What is deliberately absent
//!
//! - **A queue beside the store.** A message that waits is a message without outcome: inbox and history are one table.
//! - **Two models at once.** They are asked one after the other: to race them would pay twice for each answer.
//! - **Streams of a model.** WhatsApp takes whole messages, and an answer is judged before it is sent.
//! - **Tools, retrieval, actions.** The model talks, and picks from a closed list what happens next.
//! - **Batches to Braze.** One recipient a request, never `broadcast`: a mistake reaches one person.
//! - **Templates in fixed texts.** They are sent as they stand, but for `{opens}` in the two that say when people are back.
//! - **A second node.** The store is one SQLite file, held by one process.
//! - **Reloading the configuration.** Prompts are reloaded, the machine room is restarted.

pub mod cli;

pub mod sandbox;

pub mod app;
pub mod config;
pub mod http;
pub mod workers;

pub mod turn;

pub mod memory;
pub mod prompts;
pub mod rules;

pub mod model;

pub mod reply;

pub mod braze;
pub mod handoff;

pub mod store;

pub mod domain;

pub mod telemetry;

pub mod metrics;

pub mod http_client;
pub mod shutdown;
pub mod watch;
pub mod watchdog;

pub mod redact;
pub mod retry;

pub mod clock;
pub mod duration;
pub mod pii;
pub mod problem;

#[cfg(test)]
pub mod fuzz;
