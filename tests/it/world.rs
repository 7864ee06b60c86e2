//! A world to test in: the gateway between stand-ins for the model, Braze and the desk, and a clock moved by hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::app::App;
use frontdesk::clock::Clock;
use frontdesk::config::{Config, Environment, Source};
use frontdesk::metrics;
use frontdesk::sandbox::{Answered, Braze, Character, Desk, HelpDesk, Model, Phone};
use frontdesk::shutdown::Shutdown;
use frontdesk::store::{Counts, Sqlite};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::hooked::Hooked;

/// When every world begins.
pub(crate) const START: &str = "2026-03-02T09:00:00Z";

/// What Braze shows to post a message.
pub(crate) const INBOUND_SECRET: &str = "inbound-secret-of-24-chars-or-more";

/// What the desk shows to act.
pub(crate) const DESK_SECRET: &str = "desk-secret-of-24-chars-or-more";

/// What `vera` shows to look.
pub(crate) const VIEWER_SECRET: &str = "viewer-secret-of-24-chars-or-more";

/// What `ole` shows to act.
pub(crate) const OPERATOR_SECRET: &str = "operator-secret-of-24-chars-or-more";

/// What `ada` shows to erase.
pub(crate) const ADMIN_SECRET: &str = "admin-secret-of-24-chars-or-more";

/// What signs the events for the desk.
pub(crate) const SIGNING_KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What signs them while that is replaced.
pub(crate) const SIGNING_KEY_NEXT: &str = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// What a help desk wants to see.
pub(crate) const DESK_KEY: &str = "desk-key";

/// What a help desk signs its webhooks with.
pub(crate) const WEBHOOK_SECRET: &str = "webhook-secret-of-24-chars-or-more";

/// How long a test waits for something that should happen by itself, in real time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gate that nothing has to wait at.
const FAST: &str = "rate = 1000\nburst = 1000";

/// A model that is asked once.
const NO_RETRIES: &str = "retries = 0";

/// An assistant that takes nobody for a machine.
pub(crate) const NO_BRAKE: &str = "limits.brake.pause = \"0s\"";

/// What differs from the usual configuration.
struct Text<'a> {
    character: Character,
    server: &'a str,
    workspace: &'a str,
    target: &'a str,
    has_spare: bool,
    desk: &'a str,
    assistant: &'a str,
    help_desk: HelpDesk,
    more: &'a str,
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self {
            character: Character::default(),
            server: "",
            workspace: FAST,
            target: NO_RETRIES,
            has_spare: false,
            desk: "",
            assistant: "",
            help_desk: HelpDesk::Standard,
            more: "",
        }
    }
}

/// The gateway and everything around it.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) model: Model,
    /// A second model, for assistants that have one.
    pub(crate) spare: Model,
    pub(crate) braze: Braze,
    pub(crate) desk: Desk,
    pub(crate) app: App,
    support: Phone,
    toml: String,
    config: Config,
    outside: Shutdown,
    folder: TempDir,
}

impl World {
    /// Starts a world with the usual configuration.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// Starts a world whose gate lets `rate` requests a second pass, `burst` at once.
    pub(crate) async fn with_rates(rate: u32, burst: u32) -> Self {
        Self::make("", &format!("rate = {rate}\nburst = {burst}"), "", "").await
    }

    /// Starts a world with such a gate and with more in its configuration.
    pub(crate) async fn paced(rate: u32, burst: u32, more: &str) -> Self {
        Self::make("", &format!("rate = {rate}\nburst = {burst}"), "", more).await
    }

    /// Starts a world with such keys for its workspace alone.
    pub(crate) async fn slow(workspace: &str) -> Self {
        Self::make("", workspace, "", "").await
    }

    /// Starts a world with more in its configuration: keys of its store, then whole tables.
    pub(crate) async fn with(more: &str) -> Self {
        Self::make("", FAST, "", more).await
    }

    /// Starts a world whose store does now and then what it should not.
    pub(crate) async fn hooked() -> (Self, Arc<Hooked>) {
        let world = Self::start().await;
        assert!(soon(world.app.stop()).await);
        let uncounted = metrics::Store::default();
        let store = Sqlite::open(&world.config.store, world.clock.clone(), uncounted).unwrap();
        let hooked = Arc::new(Hooked::around(store));
        let store = Arc::clone(&hooked);
        let app = App::start_on(store, &world.config, world.clock.clone())
            .await
            .unwrap();
        let world = Self {
            support: phone(&app, "support"),
            app,
            ..world
        };
        (world, hooked)
    }

    /// Starts a world with more keys for its assistant.
    pub(crate) async fn with_assistant(keys: &str) -> Self {
        Self::make("", FAST, keys, "").await
    }

    /// Starts a world with more keys for its assistant, and more tables.
    pub(crate) async fn equipped(keys: &str, more: &str) -> Self {
        Self::make("", FAST, keys, more).await
    }

    /// Starts a world with more keys for its listener.
    pub(crate) async fn with_server(keys: &str) -> Self {
        Self::make(keys, FAST, "", "").await
    }

    /// Starts a world with more keys for its desk.
    pub(crate) async fn with_desk(keys: &str) -> Self {
        let text = Text {
            desk: keys,
            ..Text::default()
        };
        Self::write(text).await
    }

    /// Starts a world with more keys for its workspace.
    pub(crate) async fn with_workspace(keys: &str) -> Self {
        Self::make("", &format!("{FAST}\n{keys}"), "", "").await
    }

    /// Starts a world with more keys for its model, which is not asked again by itself.
    pub(crate) async fn with_target(keys: &str) -> Self {
        let text = Text {
            target: &format!("{NO_RETRIES}\n{keys}"),
            ..Text::default()
        };
        Self::write(text).await
    }

    /// Starts a world with the usual model alone, or with a spare one behind it, both with the usual retries; with more
    /// keys for its assistant, and more tables.
    pub(crate) async fn with_models(has_spare: bool, assistant: &str, more: &str) -> Self {
        let text = Text {
            target: "",
            has_spare,
            assistant,
            more,
            ..Text::default()
        };
        Self::write(text).await
    }

    /// Starts a world whose model is such a server, and is configured by such keys.
    pub(crate) async fn with_character(character: Character, target: &str) -> Self {
        let text = Text {
            character,
            target,
            ..Text::default()
        };
        Self::write(text).await
    }

    /// Starts a world with a spare model behind the usual one, and more keys for that.
    pub(crate) async fn with_spare(target: &str) -> Self {
        let text = Text {
            target,
            has_spare: true,
            ..Text::default()
        };
        Self::write(text).await
    }

    /// Starts a world whose desk is such a help desk, which knows where its webhooks go; with more tables.
    pub(crate) async fn at_help_desk(help_desk: HelpDesk, more: &str) -> Self {
        let text = Text {
            help_desk,
            server: "public_url = \"http://127.0.0.1:8080\"",
            more,
            ..Text::default()
        };
        let world = Self::write(text).await;
        world.listens();
        world
    }

    /// Tells the help desk where the gateway listens.
    fn listens(&self) {
        let kind = match self.desk.help_desk() {
            HelpDesk::Zendesk => "zendesk",
            HelpDesk::Chatwoot => "chatwoot",
            _ => return,
        };
        let url = format!("{}/v1/desks/main/{kind}", self.url());
        self.desk.call_back(&url, WEBHOOK_SECRET);
    }

    async fn make(server: &str, workspace: &str, assistant: &str, more: &str) -> Self {
        let text = Text {
            server,
            workspace,
            assistant,
            more,
            ..Text::default()
        };
        Self::write(text).await
    }

    async fn write(text: Text<'_>) -> Self {
        // Customers in tests write as no person does.
        let is_limited = [text.assistant, text.more]
            .iter()
            .any(|keys| keys.contains("limits"));
        let limits = if is_limited { "" } else { NO_BRAKE };
        let clock = Clock::manual(START.parse::<Timestamp>().unwrap());
        let outside = Shutdown::new();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, &outside).await.unwrap();
        let spare = Model::start(anywhere, &outside).await.unwrap();
        let braze = Braze::start(anywhere, &outside).await.unwrap();
        let desk = Desk::start(anywhere, &outside).await.unwrap();
        model.use_clock(&clock);
        model.use_character(text.character);
        spare.use_clock(&clock);
        braze.use_clock(&clock);
        desk.use_clock(&clock);
        braze.require_key("braze-key");
        desk.check_signatures(SIGNING_KEY).unwrap();
        desk.become_one(text.help_desk);
        desk.require_key(DESK_KEY);
        let folder = tempfile::tempdir().unwrap();
        let (table, models) = match text.has_spare {
            true => {
                let url = spare.url();
                let table =
                    format!("[models.spare]\nbase_url = \"{url}\"\nmodel = \"spare-stand-in\"");
                (table, r#"models = ["main", "spare"]"#)
            }
            false => (String::new(), ""),
        };
        let toml = configuration(&model.url(), &braze.url(), &desk.url(), folder.path())
            .replace("{spare}", &table)
            .replace(STANDARD_DESK, &desk_keys(text.help_desk))
            .replace("{server}", text.server)
            .replace("{workspace}", text.workspace)
            .replace("{target}", text.target)
            .replace("{desk}", text.desk)
            .replace(
                "{assistant}",
                &format!("{models}\n{limits}\n{}", text.assistant),
            );
        let toml = toml + text.more;
        let config = config(&toml);
        let app = App::start(&config, clock.clone()).await.unwrap();
        Self {
            clock,
            model,
            spare,
            braze,
            desk,
            support: phone(&app, "support"),
            app,
            toml,
            config,
            outside,
            folder,
        }
    }

    /// Gives the address of the gateway.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.app.address())
    }

    /// Gives the folder that the world keeps its files in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a phone whose messages go to an assistant, with the right secret.
    pub(crate) fn phone(&self, assistant: &str) -> Phone {
        phone(&self.app, assistant)
    }

    /// A customer writes to the assistant `support`; the message is taken.
    pub(crate) async fn says(&self, customer: &str, text: &str) -> Answered {
        let answered = self
            .support
            .says(customer, "+15550100", text)
            .await
            .unwrap();
        assert_eq!(answered.status, 202, "{answered:?}");
        answered
    }

    /// A customer writes, the quiet time passes, and everything that follows has happened.
    pub(crate) async fn tells(&self, customer: &str, text: &str) {
        self.says(customer, text).await;
        self.pass(Duration::from_secs(1)).await;
    }

    /// Moves the clock, then waits until nothing is left to do at that time.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.rest().await;
    }

    /// Lets time go by, second for second, until nothing is left to do; fails if that takes longer than `time`.
    pub(crate) async fn within(&self, time: Duration) {
        for _ in 0..=time.as_secs() {
            let counts = self.app.store().counts().await.unwrap();
            if counts.is_all_done() {
                return self.told().await;
            }
            self.clock.advance(Duration::from_secs(1));
            self.breathe().await;
        }
        panic!("not everything was done within {time:?}");
    }

    /// Gives the gateway room to do what it can do at this time: a few commits of the store go by.
    pub(crate) async fn breathe(&self) {
        for _ in 0..20 {
            self.app.store().probe().await.unwrap();
        }
    }

    /// Waits until every message has an outcome and every delivery has left.
    pub(crate) async fn rest(&self) {
        self.until("everything to be done", Counts::is_all_done)
            .await;
        self.told().await;
    }

    /// Waits until who wrote something has heard that it is on disk, and has counted it: others can see it there before.
    /// The store answers in order, so who asks it last hears last.
    pub(crate) async fn told(&self) {
        drop(self.app.store().probe().await);
        tokio::task::yield_now().await;
    }

    /// Waits until the store stands as it should. Asking the store is what takes the time; nobody sleeps.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&Counts) -> bool) {
        let mut last = Counts::default();
        let asking = async {
            loop {
                last = self.app.store().counts().await.unwrap();
                if enough(&last) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let in_time = Clock::system().timeout(PATIENCE, asking).await.is_ok();
        assert!(in_time, "waited in vain for {what}: {last:?}");
    }

    /// Gives the texts that a customer got, oldest first.
    pub(crate) fn heard(&self, customer: &str) -> Vec<String> {
        let sent = self.braze.sent().into_iter();
        sent.filter(|sent| sent.recipient.value() == customer)
            .map(|sent| sent.text().to_owned())
            .collect()
    }

    /// Gives what became of a customer's messages, oldest first.
    pub(crate) fn outcomes(&self, customer: &str) -> Vec<String> {
        self.rows(&format!(
            "SELECT coalesce(outcome, 'waiting') FROM message m JOIN conversation c ON c.key = m.conversation
             WHERE m.author = 'customer' AND c.external_id = '{customer}' ORDER BY seq"
        ))
    }

    /// Counts the deliveries that are marked as possible duplicates.
    pub(crate) fn possible_duplicates(&self) -> usize {
        self.rows("SELECT name FROM delivery WHERE possible_duplicate")
            .len()
    }

    /// Looks into the database: the first column of every row, a text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        rows(self.folder(), sql)
    }

    /// Gives the contents of all messages of the last request to the model, by role.
    pub(crate) fn last_asked(&self) -> Vec<(String, String)> {
        let body = self.model.requests().pop().unwrap().json();
        let messages = body["messages"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        messages
            .map(|message| (text(&message["role"]), text(&message["content"])))
            .collect()
    }

    /// Stops the gateway and starts it anew on the same files.
    pub(crate) async fn restart(self) -> Self {
        assert!(soon(self.app.stop()).await);
        let app = App::start(&self.config, self.clock.clone()).await.unwrap();
        let world = Self {
            support: phone(&app, "support"),
            app,
            ..self
        };
        world.listens();
        world
    }

    /// Stops the gateway, does something with its files, and starts it anew on them.
    pub(crate) async fn restart_after(self, then: impl FnOnce(&Path)) -> Self {
        assert!(soon(self.app.stop()).await);
        then(self.folder.path());
        let app = App::start(&self.config, self.clock.clone()).await.unwrap();
        Self {
            support: phone(&app, "support"),
            app,
            ..self
        }
    }

    /// Stops the gateway and starts it anew on the same files with more in its configuration.
    pub(crate) async fn restart_with(self, more: &str) -> Self {
        let toml = format!("{}\n{more}", self.toml);
        let config = config(&toml);
        Self {
            toml,
            config,
            ..self
        }
        .restart()
        .await
    }

    /// Stops the gateway and starts it anew on the same files with something else in its configuration.
    pub(crate) async fn restart_replacing(self, old: &str, new: &str) -> Self {
        assert!(self.toml.contains(old), "{old}");
        let toml = self.toml.replace(old, new);
        let config = config(&toml);
        Self {
            toml,
            config,
            ..self
        }
        .restart()
        .await
    }

    /// Ends the world; fails if the gateway does not stop as it should.
    pub(crate) async fn end(self) {
        assert!(soon(self.app.stop()).await);
        self.outside.stop();
    }
}

/// Looks into the database of a world whose gateway may have stopped.
pub(crate) fn rows(folder: &Path, sql: &str) -> Vec<String> {
    let file = rusqlite::Connection::open(folder.join("frontdesk.db")).unwrap();
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn phone(app: &App, assistant: &str) -> Phone {
    let url = format!("http://{}/v1/inbound/{assistant}", app.address());
    Phone::new(url, INBOUND_SECRET).unwrap()
}

/// Waits for something that has to happen by itself, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    Clock::system()
        .timeout(PATIENCE, future)
        .await
        .expect("it happens within the time that tests wait")
}

/// What a desk that takes our own JSON needs.
const STANDARD_DESK: &str = r#"signing_key = "env::SIGNING_KEY"
        secrets = ["env::DESK_SECRET"]"#;

/// Gives what a desk needs.
fn desk_keys(desk: HelpDesk) -> String {
    let keys = Desk::keys(desk);
    match desk {
        HelpDesk::Standard => STANDARD_DESK.to_owned(),
        HelpDesk::Slack => format!("{keys}\nsecrets = [\"env::DESK_SECRET\"]"),
        HelpDesk::Freshdesk => {
            format!("{keys}\napi_key = \"env::DESK_KEY\"\nsecrets = [\"env::DESK_SECRET\"]")
        }
        HelpDesk::Zendesk | HelpDesk::Chatwoot => {
            format!("{keys}\napi_key = \"env::DESK_KEY\"\nwebhook_secret = \"env::WEBHOOK_SECRET\"")
        }
    }
}

/// Gives the usual configuration.
fn configuration(model: &str, braze: &str, desk: &str, folder: &Path) -> String {
    format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        {{server}}
        [operator]
        listen = "127.0.0.1:0"
        [operator.people.vera]
        role = "viewer"
        secrets = ["env::VIEWER"]
        [operator.people.ole]
        role = "operator"
        secrets = ["env::OPERATOR", "env::OPERATOR_NEXT"]
        [operator.people.ada]
        role = "admin"
        secrets = ["env::ADMIN"]
        [workspaces.main]
        endpoint = "{braze}"
        api_key = "env::BRAZE_KEY"
        {{workspace}}
        [models.main]
        base_url = "{model}"
        model = "stand-in"
        {{target}}
        {{spare}}
        [desks.main]
        url = "{desk}"
        signing_key = "env::SIGNING_KEY"
        secrets = ["env::DESK_SECRET"]
        {{desk}}
        [assistants.support]
        secrets = ["env::INBOUND", "env::INBOUND_NEXT"]
        campaign_id = "campaign-1"
        desk = "main"
        disclosure = false
        {{assistant}}
        [assistants.support.business]
        name = "Acme"
        [store]
        path = "{}/frontdesk.db"
        "#,
        folder.display()
    )
}

/// Reads a configuration with the secrets of the tests.
pub(crate) fn config(toml: &str) -> Config {
    let environment = Environment::of([
        ("BRAZE_KEY", "braze-key"),
        ("SIGNING_KEY", SIGNING_KEY),
        ("SIGNING_KEY_NEXT", SIGNING_KEY_NEXT),
        ("DESK_SECRET", DESK_SECRET),
        ("DESK_KEY", DESK_KEY),
        ("WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("INBOUND", INBOUND_SECRET),
        ("VIEWER", VIEWER_SECRET),
        ("OPERATOR", OPERATOR_SECRET),
        ("OPERATOR_NEXT", "the-next-operator-secret-of-the-rotation"),
        ("ADMIN", ADMIN_SECRET),
        ("INBOUND_NEXT", "the-next-inbound-secret-of-the-rotation"),
    ]);
    Config::load(Source::from_text("test.toml", toml), &environment)
        .unwrap_or_else(|problems| panic!("{:#?}", problems.problems))
}
