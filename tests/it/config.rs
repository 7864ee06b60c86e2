//! Bad configurations, through the real program: each is refused at once, where it stands, with what to do about it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use frontdesk::clock::Clock;

/// Everything that can be configured, and nothing wrong with it.
const GOOD: &str = r#"
default_assistant = "support"
[server]
listen = "127.0.0.1:0"
public_url = "https://frontdesk.acme.dev"
body_bytes = 262144
drain = "25s"
[store]
path = "frontdesk.db"
[log]
format = "json"
level = "info"
[memory]
messages = 20
ttl = "24h"
tokens = 3000
cache_mib = 64
[burst]
quiet = "1s"
cap = "8s"
[inbound]
escaping = "auto"
text_bytes = 16384
[turns]
in_flight = 2000
[reply]
ttl = "15m"
on_unknown = "resend_once"
[workspaces.main]
endpoint = "https://rest.iad-01.braze.com"
api_key = "env::BRAZE_KEY"
rate = 20
burst = 40
concurrency = 8
timeout = "20s"
[models.main]
base_url = "https://api.openai.com/v1"
model = "gpt"
api_key = "env::MODEL_KEY"
answer = "json_schema"
deadline = "30s"
max_tokens = 800
temperature = 0.5
[desks.main]
url = "https://desk.acme.dev/handoff"
signing_key = "env::SIGNING_KEY"
secrets = ["env::DESK_SECRET"]
idle = "12h"
timeout = "14s"
language = "fr"
summary_within = "9s"
[assistants.support]
prompts = "prompts"
display_name = "Ada"
language = "en"
time_zone = "UTC"
secrets = ["env::INBOUND"]
workspace = "main"
campaign_id = "c-1"
message_property = "body"
model = "main"
desk = "main"
[assistants.support.business]
name = "Acme"
"#;

/// No secret may hold anything that is not also in here, and nothing that is in here may be shown.
const NEVER_SHOWN: &str = "sesame";

/// How long a refusal may take where the machine is busy with other tests. Alone it takes some hundredths of a second.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What is changed in [`GOOD`] (`§` marks the line that should be named), the key that should be named, and words that
/// say what is wrong and what to do about it.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// Mistakes in the file.
const IN_THE_FILE: &[Case] = &[
    // Not TOML at all.
    ("[server]", "§[server", "", &["expected"]),
    ("drain = \"25s\"", "§drain = 25s", "", &["must be quoted"]),
    (
        "drain = \"25s\"",
        "drain = \"25s\"\n§drain = \"25s\"",
        "",
        &["duplicate key"],
    ),
    ("[store]", "§[server]", "", &["duplicate key"]),
    // Keys that nobody knows.
    (
        "[server]",
        "§colour = \"red\"\n[server]",
        "colour",
        &["unknown field `colour`", "`server`"],
    ),
    (
        "[store]",
        "§[stoer]",
        "stoer",
        &["unknown field `stoer`", "`store`"],
    ),
    (
        "drain =",
        "§drian =",
        "server.drian",
        &["unknown field `drian`", "`drain`"],
    ),
    (
        "path =",
        "§file =",
        "store.file",
        &["unknown field `file`", "`path`"],
    ),
    (
        "format =",
        "§style =",
        "log.style",
        &["unknown field `style`", "`format`"],
    ),
    (
        "messages =",
        "§message =",
        "memory.message",
        &["unknown field", "`messages`"],
    ),
    (
        "quiet =",
        "§wait =",
        "burst.wait",
        &["unknown field", "`quiet`"],
    ),
    (
        "escaping =",
        "§escape =",
        "inbound.escape",
        &["unknown field", "`escaping`"],
    ),
    (
        "in_flight =",
        "§inflight =",
        "turns.inflight",
        &["unknown field", "`in_flight`"],
    ),
    (
        "on_unknown =",
        "§unknown =",
        "reply.unknown",
        &["unknown field", "`on_unknown`"],
    ),
    (
        "rate =",
        "§rates =",
        "workspaces.main.rates",
        &["unknown field", "`rate`"],
    ),
    (
        "answer =",
        "§mode =",
        "models.main.mode",
        &["unknown field", "`answer`"],
    ),
    (
        "idle =",
        "§idel =",
        "desks.main.idel",
        &["unknown field", "`idle`"],
    ),
    (
        "time_zone =",
        "§timezone =",
        "assistants.support.timezone",
        &["unknown field", "`time_zone`"],
    ),
    // Values of another kind.
    (
        "[store]\npath = \"frontdesk.db\"",
        "[store]\n§path = 7",
        "store.path",
        &["expected", "7"],
    ),
    (
        "[memory]\nmessages = 20",
        "[memory]\n§messages = \"20\"",
        "memory.messages",
        &["a whole number"],
    ),
    (
        "messages = 20",
        "§messages = -1",
        "memory.messages",
        &["a whole number", "-1"],
    ),
    (
        "tokens = 3000",
        "§tokens = 1.5",
        "memory.tokens",
        &["a whole number"],
    ),
    (
        "body_bytes = 262144",
        "§body_bytes = true",
        "server.body_bytes",
        &["a whole number", "`true`"],
    ),
    (
        "drain = \"25s\"",
        "§drain = 25",
        "server.drain",
        &["a text in quotes"],
    ),
    (
        "drain = \"25s\"",
        "§drain = \"25\"",
        "server.drain",
        &["a time with its unit", "`25`"],
    ),
    (
        "rate = 20",
        "§rate = 0",
        "workspaces.main.rate",
        &["a whole number from 1"],
    ),
    (
        "rate = 20",
        "§rate = \"fast\"",
        "workspaces.main.rate",
        &["a whole number from 1"],
    ),
    (
        "temperature = 0.5",
        "§temperature = \"hot\"",
        "models.main.temperature",
        &["a number"],
    ),
    (
        "format = \"json\"",
        "§format = \"xml\"",
        "log.format",
        &["unknown variant `xml`", "`pretty`"],
    ),
    (
        "escaping = \"auto\"",
        "§escaping = \"html\"",
        "inbound.escaping",
        &["unknown variant", "`json_escape`"],
    ),
    (
        "on_unknown = \"resend_once\"",
        "§on_unknown = \"retry\"",
        "reply.on_unknown",
        &["unknown variant", "`hold`"],
    ),
    (
        "answer = \"json_schema\"",
        "§answer = \"yaml\"",
        "models.main.answer",
        &["unknown variant", "`json_object`"],
    ),
    // What is missing.
    (
        "[workspaces.main]\nendpoint = \"https://rest.iad-01.braze.com\"",
        "§[workspaces.main]",
        "workspaces.main",
        &["missing field `endpoint`"],
    ),
    (
        "model = \"gpt\"\n",
        "",
        "models.main",
        &["missing field `model`"],
    ),
    (
        "campaign_id = \"c-1\"\n",
        "",
        "assistants.support",
        &["missing field `campaign_id`"],
    ),
    (
        "signing_key = \"env::SIGNING_KEY\"\n",
        "",
        "desks.main",
        &["missing field `signing_key`"],
    ),
    // Values out of range.
    (
        "listen = \"127.0.0.1:0\"",
        "§listen = \"8080\"",
        "server.listen",
        &["an address and a port", "127.0.0.1:8080"],
    ),
    (
        "listen = \"127.0.0.1:0\"",
        "§listen = \"127.0.0.1:99999\"",
        "server.listen",
        &["an address and a port"],
    ),
    (
        "body_bytes = 262144",
        "§body_bytes = 10",
        "server.body_bytes",
        &["1,024 to 4,194,304"],
    ),
    (
        "drain = \"25s\"",
        "§drain = \"1s\"",
        "server.drain",
        &["2 s to 10 min"],
    ),
    (
        "level = \"info\"",
        "§level = \"verbose\"",
        "log.level",
        &["`verbose` is no level", "`debug`"],
    ),
    (
        "level = \"info\"",
        "§level = \"info,frontdesk=loud\"",
        "log.level",
        &["level filter", "`debug`"],
    ),
    (
        "level = \"info\"",
        "§level = \"\"",
        "log.level",
        &["no level", "`debug`"],
    ),
    (
        "messages = 20",
        "§messages = 201",
        "memory.messages",
        &["0 to 200"],
    ),
    (
        "[memory]\nmessages = 20\nttl = \"24h\"",
        "[memory]\n§ttl = \"10s\"",
        "memory.ttl",
        &["1 min to 30 days", "`24h`"],
    ),
    (
        "quiet = \"1s\"",
        "§quiet = \"9s\"",
        "burst.quiet",
        &["longer than `burst.cap`"],
    ),
    (
        "cap = \"8s\"",
        "§cap = \"6m\"",
        "burst.cap",
        &["0 s to 5 min"],
    ),
    (
        "text_bytes = 16384",
        "§text_bytes = 0",
        "inbound.text_bytes",
        &["1 to 4,194,304"],
    ),
    (
        "in_flight = 2000",
        "§in_flight = 0",
        "turns.in_flight",
        &["50,000"],
    ),
    (
        "[reply]\nttl = \"15m\"",
        "[reply]\n§ttl = \"0s\"",
        "reply.ttl",
        &["no reply would ever leave", "`15m`"],
    ),
    (
        "[reply]\nttl = \"15m\"",
        "[reply]\n§ttl = \"24h\"",
        "reply.ttl",
        &["longer than 23 h", "`15m`"],
    ),
    (
        "rate = 20",
        "§rate = 20000",
        "workspaces.main.rate",
        &["1 to 10000", "20000"],
    ),
    (
        "concurrency = 8",
        "§concurrency = 500",
        "workspaces.main.concurrency",
        &["1 to 256"],
    ),
    (
        "timeout = \"20s\"",
        "§timeout = \"2m\"",
        "workspaces.main.timeout",
        &["5 s to 90 s"],
    ),
    (
        "model = \"gpt\"",
        "§model = \" \"",
        "models.main.model",
        &["empty"],
    ),
    (
        "deadline = \"30s\"",
        "§deadline = \"10m\"",
        "models.main.deadline",
        &["1 s to 5 min"],
    ),
    (
        "max_tokens = 800",
        "§max_tokens = 3",
        "models.main.max_tokens",
        &["16 to 100,000", "0 leaves"],
    ),
    (
        "temperature = 0.5",
        "§temperature = 3.0",
        "models.main.temperature",
        &["0 to 2"],
    ),
    (
        "idle = \"12h\"",
        "§idle = \"1s\"",
        "desks.main.idle",
        &["1 min to 30 days", "`12h`"],
    ),
    (
        "timeout = \"14s\"",
        "§timeout = \"5m\"",
        "desks.main.timeout",
        &["1 s to 60 s"],
    ),
    (
        "summary_within = \"9s\"",
        "§summary_within = \"2m\"",
        "desks.main.summary_within",
        &["0 s to 60 s"],
    ),
    (
        "language = \"fr\"",
        "§language = \"klingon\"",
        "desks.main.language",
        &["klingon"],
    ),
    (
        "language = \"en\"",
        "§language = \"e\"",
        "assistants.support.language",
        &["a language code such as"],
    ),
    (
        "time_zone = \"UTC\"",
        "§time_zone = \"Mars/Base\"",
        "assistants.support.time_zone",
        &["no time zone", "Europe/Madrid"],
    ),
    (
        "campaign_id = \"c-1\"",
        "§campaign_id = \"\"",
        "assistants.support.campaign_id",
        &["is empty", "its page in Braze"],
    ),
    (
        "message_property = \"body\"",
        "§message_property = \" \"",
        "assistants.support.message_property",
        &["is empty", "leave it out"],
    ),
    (
        "display_name = \"Ada\"",
        "§display_name = \"\"",
        "assistants.support.display_name",
        &["is empty", "leave it out"],
    ),
    (
        "name = \"Acme\"",
        "§name = \" \"",
        "assistants.support.business.name",
        &["not empty", "customers know it"],
    ),
    (
        "name = \"Acme\"",
        "§name = 7",
        "assistants.support.business.name",
        &["a text", "customers know it"],
    ),
    // Names.
    (
        "default_assistant = \"support\"",
        "§default_assistant = \"sales\"",
        "default_assistant",
        &["`sales` is not configured", "support"],
    ),
    (
        "workspace = \"main\"",
        "§workspace = \"mian\"",
        "assistants.support.workspace",
        &["`mian` is not configured", "main"],
    ),
    (
        "\nmodel = \"main\"",
        "\n§model = \"gpt\"",
        "assistants.support.model",
        &["`gpt` is not configured", "main"],
    ),
    (
        "desk = \"main\"",
        "§desk = \"front\"",
        "assistants.support.desk",
        &["`front` is not configured", "main"],
    ),
    (
        "[models.main]",
        "§[models.\"a b\"]\nbase_url = \"https://api.openai.com\"\nmodel = \"m\"\n[models.main]",
        "models.a b",
        &["1 to 64 letters", "[assistants.support]"],
    ),
    // Places of others.
    (
        "\"https://rest.iad-01.braze.com\"",
        "§\"http://rest.iad-01.braze.com\"",
        "workspaces.main.endpoint",
        &["not encrypted", "use `https`"],
    ),
    (
        "\"https://rest.iad-01.braze.com\"",
        "§\"https://dashboard-01.braze.com\"",
        "workspaces.main.endpoint",
        &["dashboard", "rest.iad-01"],
    ),
    (
        "\"https://rest.iad-01.braze.com\"",
        "§\"https://sdk.iad-01.braze.com\"",
        "workspaces.main.endpoint",
        &["SDK", "rest.iad-01"],
    ),
    (
        "\"https://rest.iad-01.braze.com\"",
        "§\"https://rest.iad-01.braze.com/campaigns/trigger/send\"",
        "workspaces.main.endpoint",
        &["by itself", "rest.iad-01"],
    ),
    (
        "\"https://rest.iad-01.braze.com\"",
        "§\"rest.iad-01.braze.com\"",
        "workspaces.main.endpoint",
        &["not a URL", "https://host"],
    ),
    (
        "\"https://rest.iad-01.braze.com\"",
        "§\"https://rest..braze.com\"",
        "workspaces.main.endpoint",
        &["cannot be a host"],
    ),
    (
        "\"https://api.openai.com/v1\"",
        "§\"http://10.0.0.7:8000/v1\"",
        "models.main.base_url",
        &["not encrypted", "allow_http"],
    ),
    (
        "\"https://api.openai.com/v1\"",
        "§\"https://api.openai.com/v1/chat/completions\"",
        "models.main.base_url",
        &["added by itself", "leave it out"],
    ),
    (
        "\"https://api.openai.com/v1\"",
        "§\"https://api.openai.com:0/v1\"",
        "models.main.base_url",
        &["port 0"],
    ),
    (
        "\"https://api.openai.com/v1\"",
        "§\"https://api.openai.com/v1?key=sesame\"",
        "models.main.base_url",
        &["query", "leave out"],
    ),
    (
        "\"https://desk.acme.dev/handoff\"",
        "§\"https://me:sesame@desk.acme.dev\"",
        "desks.main.url",
        &["user or password", "leave out"],
    ),
    (
        "\"https://desk.acme.dev/handoff\"",
        "§\"https://me:sesame @desk.acme.dev\"",
        "desks.main.url",
        &["white space"],
    ),
    (
        "\"https://desk.acme.dev/handoff\"",
        "§\"https://desk.example.com\"",
        "desks.main.url",
        &["placeholder"],
    ),
    (
        "\"https://desk.acme.dev/handoff\"",
        "§\"ftp://desk.acme.dev\"",
        "desks.main.url",
        &["`https`"],
    ),
    (
        "\"https://frontdesk.acme.dev\"",
        "§\"http://frontdesk:8080\"",
        "server.public_url",
        &["not encrypted", "allow_http"],
    ),
    (
        "\"https://frontdesk.acme.dev\"",
        "§\"https://xn--a\"",
        "server.public_url",
        &["not a URL"],
    ),
    // Secrets.
    (
        "\"env::BRAZE_KEY\"",
        "§\"sesame-0\"",
        "workspaces.main.api_key",
        &["`env::NAME` or `path::file`"],
    ),
    (
        "\"env::BRAZE_KEY\"",
        "§\"env::sesame-live-0\"",
        "workspaces.main.api_key",
        &["`env::NAME` or `path::file`"],
    ),
    (
        "\"env::BRAZE_KEY\"",
        "§{ value = \"sesame-0\" }",
        "workspaces.main.api_key",
        &["`env::NAME` or `path::file`"],
    ),
    (
        "\"env::BRAZE_KEY\"",
        "§\"env::NOT_SET\"",
        "workspaces.main.api_key",
        &["`NOT_SET` is not set"],
    ),
    (
        "\"env::BRAZE_KEY\"",
        "§\"path::no-such-file\"",
        "workspaces.main.api_key",
        &["no-such-file", "No such file"],
    ),
    (
        "\"env::MODEL_KEY\"",
        "§\"path::open-to-all\"",
        "models.main.api_key",
        &["read by everyone", "chmod 600"],
    ),
    (
        "\"env::MODEL_KEY\"",
        "§\"env::EMPTY\"",
        "models.main.api_key",
        &["the secret is empty"],
    ),
    (
        "\"env::MODEL_KEY\"",
        "§\"env::TWO_LINES\"",
        "models.main.api_key",
        &["white space, control"],
    ),
    (
        "\"env::BRAZE_KEY\"",
        "§\"env::TWO_LINES\"",
        "workspaces.main.api_key",
        &["white space, control"],
    ),
    (
        "\nmodel = \"gpt\"\napi_key = \"env::MODEL_KEY\"",
        "\nmodel = \"gpt\"\n§apikey = \"sesame-1\"",
        "models.main.apikey",
        &["unknown field `apikey`", "`api_key`"],
    ),
    (
        "\"env::SIGNING_KEY\"",
        "§\"env::INBOUND\"",
        "desks.main.signing_key",
        &["whsec_"],
    ),
    (
        "[\"env::DESK_SECRET\"]",
        "[§]",
        "desks.main.secrets",
        &["one secret, or two"],
    ),
    (
        "[\"env::DESK_SECRET\"]",
        "[§\"env::SHORT\"]",
        "desks.main.secrets[0]",
        &["shorter than 24", "openssl rand"],
    ),
    (
        "[\"env::INBOUND\"]",
        "[§\"env::INBOUND\", \"env::INBOUND\", \"env::INBOUND\"]",
        "assistants.support.secrets",
        &["one secret, or two"],
    ),
    (
        "[\"env::INBOUND\"]",
        "[§\"env::WEAK\"]",
        "assistants.support.secrets[0]",
        &["can be guessed", "openssl rand"],
    ),
    (
        "[\"env::INBOUND\"]",
        "§[\n\"env::INBOUND\",\n\"sesame-2\"\n]",
        "assistants.support.secrets",
        &["`env::NAME` or `path::file`"],
    ),
    // A secret beside a mistake.
    (
        "[workspaces.main]",
        "§workspaces.x = { api_key = \"sesame-3\", endpoint = }\n[workspaces.main]",
        "",
        &[],
    ),
    (
        "secrets = [\"env::INBOUND\"]",
        "secrets = [\n§\"sesame-4\n]",
        "",
        &[],
    ),
];

/// Mistakes in the environment: the variable, its value, the key, words.
const IN_THE_ENVIRONMENT: &[Case] = &[
    (
        "FRONTDESK__WORKSPACES__MAIN__RATE",
        "fast",
        "workspaces.main.rate",
        &["a whole number from 1"],
    ),
    (
        "FRONTDESK__SERVER__COLOUR",
        "red",
        "server.colour",
        &["unknown field", "`drain`"],
    ),
    ("FRONTDESK__SERVER", "5", "server", &["a table"]),
    (
        "FRONTDESK__MEMORY__MESSAGES",
        "500",
        "memory.messages",
        &["0 to 200"],
    ),
    (
        "FRONTDESK__MODELS__MAIN__BASE_URL",
        "https://me:sesame@h",
        "models.main.base_url",
        &["user or password", "leave out"],
    ),
    (
        "FRONTDESK__MODELS__MAIN__API_KEY",
        "sesame-5",
        "models.main.api_key",
        &["`env::NAME`"],
    ),
    (
        "FRONTDESK__ASSISTANTS__SUPPORT__SECRETS",
        "['env::INBOUND', 'sesame-6']",
        "assistants.support.secrets",
        &["`env::NAME`"],
    ),
    (
        "FRONTDESK__ASSISTANTS__SUPPORT__BUSINESS__NAME",
        "' '",
        "assistants.support.business.name",
        &["not empty"],
    ),
];

/// Runs the program on a configuration. Gives the exit code, what it said, and how long it took.
fn run(
    command: &str,
    folder: &Path,
    text: &str,
    more: &[(&str, &str)],
) -> (Option<i32>, String, Duration) {
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
    let mut variables = BTreeMap::from([
        ("BRAZE_KEY", "k"),
        ("MODEL_KEY", "k"),
        (
            "SIGNING_KEY",
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        ),
        ("DESK_SECRET", "Qk3xV9zLr2mW8tYbN4pHs7Dj"),
        ("INBOUND", "hB7cR1wEf6vT0yUgJ5nMa9Kd"),
        ("EMPTY", " "),
        ("TWO_LINES", "sesame-7\nsesame-8"),
        ("SHORT", "sesame-9"),
        ("WEAK", "sesame-sesame-sesame-sesame-sesame"),
    ]);
    variables.extend(more.iter().copied());
    let clock = Clock::system();
    let ended = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
        .args([command, "--config", "gateway.toml"])
        .current_dir(folder)
        .env_clear()
        .env("NO_COLOR", "1")
        .envs(variables)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = clock.elapsed();
    assert!(ended.stdout.is_empty() || ended.status.success());
    (
        ended.status.code(),
        String::from_utf8(ended.stderr).unwrap(),
        took,
    )
}

/// Makes a folder with everything that [`GOOD`] names.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    crate::prompts::marked(&folder.path().join("prompts"), "small");
    let open = folder.path().join("open-to-all");
    std::fs::write(&open, "sesame-10").unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).unwrap();
    folder
}

/// Finds what is missing in what was said about a mistake: the code, the key, the words, the time; never a secret.
fn complaints(key: &str, words: &[&str], result: &(Option<i32>, String, Duration)) -> Vec<String> {
    let (code, said, took) = result;
    let mut complaints = Vec::new();
    if *code != Some(3) {
        complaints.push(format!("ended with {code:?}"));
    }
    if !key.is_empty() && !said.contains(&format!("`{key}`")) {
        complaints.push(format!("does not name `{key}`"));
    }
    let unsaid = words.iter().filter(|word| !said.contains(**word));
    complaints.extend(unsaid.map(|word| format!("does not say {word}")));
    if said.contains(NEVER_SHOWN) {
        complaints.push("shows a secret".to_owned());
    }
    if *took >= AT_ONCE {
        complaints.push(format!("took {took:?}"));
    }
    complaints
}

/// Fails where there is any complaint about a case.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn what_is_changed_below_has_nothing_wrong_with_it() {
    let folder = folder();
    let (code, said, _) = run("check", folder.path(), GOOD, &[]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let plain = GOOD
        .replace("https://api.openai.com/v1", "http://10.0.0.7:8000/v1")
        .replace("https://desk.acme.dev", "http://desk:80")
        .replace("https://frontdesk.acme.dev", "http://frontdesk:8080")
        .replace("model = \"gpt\"", "model = \"gpt\"\nallow_http = true")
        .replace("idle = ", "allow_http = true\nidle = ");
    let (code, said, _) = run("check", folder.path(), &plain, &[]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn every_mistake_in_the_file_is_told_with_its_line_and_its_cure() {
    let folder = folder();
    let mut all = Vec::new();
    for (index, (from, to, key, words)) in IN_THE_FILE.iter().enumerate() {
        assert!(GOOD.contains(from), "{from}");
        let marked = GOOD.replacen(from, to, 1);
        let text = marked.replace('§', "");
        // Every eighth also by the way on which it matters.
        let commands = if index % 8 == 0 { 0..2 } else { 0..1 };
        for command in commands.map(|command| ["check", "serve"][command]) {
            let result = run(command, folder.path(), &text, &[]);
            let mut found = complaints(key, words, &result);
            let place = marked.find('§').map(|before| {
                let line = marked[..before].matches('\n').count() + 1;
                format!("gateway.toml:{line}:")
            });
            let place = place.unwrap_or_else(|| "gateway.toml".to_owned());
            for part in [place.as_str(), "\n1 problem\n"] {
                if !result.1.contains(part) {
                    found.push(format!("does not say {part}"));
                }
            }
            if !found.is_empty() {
                all.push(format!("{to}: {found:?}\n{}", result.1));
            }
        }
    }
    none(&all);
    assert!(IN_THE_FILE.len() + IN_THE_ENVIRONMENT.len() >= 60);
}

#[test]
fn every_mistake_in_the_environment_is_told_with_its_variable() {
    let folder = folder();
    for (name, value, key, words) in IN_THE_ENVIRONMENT {
        let result = run("check", folder.path(), GOOD, &[(name, value)]);
        none(&complaints(key, words, &result));
        assert!(
            result.1.contains(&format!("`{name}` sets it")),
            "{}",
            result.1
        );
    }
}

#[test]
fn what_is_wrong_with_the_configuration_and_the_prompts_is_counted_together() {
    let folder = folder();
    std::fs::write(folder.path().join("prompts/system.md"), "{{ nobody }}").unwrap();
    let text = GOOD.replace("rate = 20", "rate = 20000");
    let (code, said, _) = run("check", folder.path(), &text, &[]);
    assert_eq!(code, Some(3));
    assert_eq!(said.matches("problem").count(), 1, "{said}");
    assert!(
        said.contains("\n2 problems\n") && said.contains("prompts/system.md:1:4"),
        "{said}"
    );
}

#[test]
fn a_file_of_a_newer_version_or_of_another_program_stops_the_start_with_its_key() {
    let folder = folder();
    let file = folder.path().join("frontdesk.db");
    for (make, says) in [
        (
            "PRAGMA application_id = 1178882891; PRAGMA user_version = 999",
            "schema version 999",
        ),
        (
            "PRAGMA application_id = 7; CREATE TABLE x (y)",
            "another program",
        ),
    ] {
        drop(std::fs::remove_file(&file));
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch(make)
            .unwrap();
        let result = run("serve", folder.path(), GOOD, &[]);
        let words = [says, "frontdesk.db", "gateway.toml:9:8"];
        none(&complaints("store.path", &words, &result));
    }
}
