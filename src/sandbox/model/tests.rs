//! The model's checks, its script, and its wits.

use rstest::rstest;
use serde_json::Map;

use super::super::call::client;
use super::*;

async fn model() -> (Model, reqwest::Client) {
    let bind = ([127, 0, 0, 1], 0).into();
    let model = Model::start(bind, &Shutdown::new()).await.unwrap();
    (model, client().unwrap())
}

async fn post(model: &Model, client: &reqwest::Client, body: impl Into<String>) -> (u16, Value) {
    let request = client
        .post(format!("{}/chat/completions", model.url()))
        .header("content-type", "application/json; charset=utf-8")
        .bearer_auth("key")
        .body(body.into());
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

fn request(extra: &Value) -> Value {
    let mut request = json!({
        "model": "m",
        "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "Hello" },
        ],
    });
    let extra: &Map<String, Value> = extra.as_object().unwrap();
    request.as_object_mut().unwrap().extend(extra.clone());
    request
}

fn conversation(turns: &[&str]) -> Value {
    let roles = ["user", "assistant"].iter().cycle();
    let messages: Vec<Value> = turns
        .iter()
        .zip(roles)
        .map(|(text, role)| json!({ "role": role, "content": text }))
        .collect();
    json!({ "model": "m", "messages": messages })
}

fn reply_to(turns: &[&str]) -> clerk::Answered {
    clerk::answer(&conversation(turns), false)
}

#[tokio::test]
async fn a_completion_has_openai_s_shape() {
    let (model, client) = model().await;
    let (status, body) = post(&model, &client, request(&json!({})).to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["object"], &body["model"]),
        (&json!("chat.completion"), &json!("m"))
    );
    assert!(body["id"].is_string() && body["created"].is_i64());
    let choice = &body["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["role"]),
        (&json!("stop"), &json!("assistant"))
    );
    assert_eq!(
        choice["message"]["content"],
        "Hello! How can I help you today?"
    );
    let usage = |name: &str| body["usage"][name].as_u64().unwrap();
    assert!(usage("prompt_tokens") > 0 && usage("completion_tokens") > 0);
    assert_eq!(
        usage("total_tokens"),
        usage("prompt_tokens") + usage("completion_tokens")
    );
}

#[rstest]
#[case::no_model(json!({ "model": null }), "model")]
#[case::blank_model(json!({ "model": " " }), "model")]
#[case::no_messages(json!({ "messages": null }), "messages")]
#[case::empty_messages(json!({ "messages": [] }), "messages")]
#[case::unknown_role(json!({ "messages": [{ "role": "bot", "content": "x" }] }), "messages[0].role")]
#[case::no_role(json!({ "messages": [{ "content": "x" }] }), "messages[0].role")]
#[case::no_content(json!({ "messages": [{ "role": "user" }] }), "messages[0].content")]
#[case::null_content(json!({ "messages": [{ "role": "user", "content": null }] }), "messages[0].content")]
#[case::no_call_id(json!({ "messages": [{ "role": "tool", "content": "x" }] }), "messages[0].tool_call_id")]
#[case::bad_part(json!({ "messages": [{ "role": "user", "content": [{ "type": "text" }] }] }), "messages[0].content")]
#[case::hot(json!({ "temperature": 2.1 }), "temperature")]
#[case::text_number(json!({ "max_tokens": "5" }), "max_tokens")]
#[case::no_tokens(json!({ "max_completion_tokens": 0 }), "max_completion_tokens")]
#[case::unknown(json!({ "max_token": 5 }), "max_token")]
#[case::stream(json!({ "stream": true }), "stream")]
#[case::format(json!({ "response_format": { "type": "xml" } }), "response_format.type")]
#[case::no_word_json(json!({ "response_format": { "type": "json_object" } }), "messages")]
#[case::no_name(json!({ "response_format": { "type": "json_schema", "json_schema": { "schema": {} } } }), "response_format.json_schema.name")]
#[case::bad_name(json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a b", "schema": {} } } }), "response_format.json_schema.name")]
#[case::no_schema(json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a" } } }), "response_format.json_schema.schema")]
#[case::open_schema(json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a", "strict": true, "schema": { "type": "object" } } } }), "response_format")]
#[case::optional_in_strict(json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a", "strict": true, "schema": {
    "type": "object", "additionalProperties": false, "properties": { "reply": { "type": "string" } } } } } }), "response_format")]
#[case::both_caps(json!({ "max_tokens": 5, "max_completion_tokens": 5 }), "max_tokens")]
#[case::effort(json!({ "reasoning_effort": "heroic" }), "reasoning_effort")]
#[case::five_stops(json!({ "stop": ["a", "b", "c", "d", "e"] }), "stop")]
#[case::metadata(json!({ "metadata": { "a": 1 } }), "metadata")]
#[case::message_field(json!({ "messages": [{ "role": "user", "content": "x", "mood": "low" }] }), "messages[0].mood")]
#[case::call_without_id(json!({ "messages": [{ "role": "assistant", "content": null, "tool_calls": [
    { "type": "function", "function": { "name": "a", "arguments": "{}" } }] }] }), "messages[0].tool_calls")]
#[case::no_tools(json!({ "tools": [] }), "tools")]
#[case::choice_of_nothing(json!({ "tool_choice": "required" }), "tool_choice")]
#[case::tool_type(json!({ "tools": [{ "type": "hammer" }] }), "tools[0].type")]
#[case::tool_name(json!({ "tools": [{ "type": "function", "function": { "name": "a b" } }] }), "tools[0].function.name")]
#[case::tool_parameters(json!({ "tools": [{ "type": "function", "function": { "name": "a", "parameters": { "type": "array" } } }] }), "tools[0].function.parameters")]
#[case::open_tool(json!({ "tools": [{ "type": "function", "function": { "name": "a", "strict": true, "parameters": { "type": "object" } } }] }), "response_format")]
#[case::other_tool(json!({ "tools": [{ "type": "function", "function": { "name": "a" } }],
    "tool_choice": { "type": "function", "function": { "name": "b" } } }), "tool_choice")]
#[tokio::test]
async fn what_openai_refuses_is_refused(#[case] extra: Value, #[case] param: &str) {
    let (model, client) = model().await;
    let (status, body) = post(&model, &client, request(&extra).to_string()).await;
    assert_eq!(status, 400);
    let error = &body["error"];
    assert_eq!(error["param"], param);
    assert_eq!(error["type"], "invalid_request_error");
    assert!(error["message"].is_string());
}

#[rstest]
#[case::parts(json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hi" }] }] }))]
#[case::call(json!({ "messages": [{ "role": "assistant", "content": null, "tool_calls": [] }] }))]
#[case::developer(json!({ "messages": [{ "role": "developer", "content": "x" }] }))]
#[case::nothing_set(json!({ "temperature": null, "response_format": null, "stream": false }))]
#[case::usual(json!({ "temperature": 0, "max_tokens": 400, "top_p": 1.0, "stop": ["x"], "user": "u", "seed": -1 }))]
#[case::tools(json!({ "tools": [{ "type": "function", "function": { "name": "a" } }], "tool_choice": "auto", "parallel_tool_calls": false }))]
#[case::calls(json!({ "messages": [
    { "role": "assistant", "content": null, "tool_calls": [
        { "id": "1", "type": "function", "function": { "name": "a", "arguments": "{}" } }] },
    { "role": "tool", "tool_call_id": "1", "content": "x" } ] }))]
#[tokio::test]
async fn what_openai_takes_is_taken(#[case] extra: Value) {
    let (model, client) = model().await;
    let (status, body) = post(&model, &client, request(&extra).to_string()).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn what_is_no_json_or_no_known_url_is_refused() {
    let (model, client) = model().await;
    for body in ["{", "[]", ""] {
        assert_eq!(post(&model, &client, body).await.0, 400, "{body}");
    }
    let plain = client
        .post(format!("{}/chat/completions", model.url()))
        .body("{}");
    assert_eq!(plain.send().await.unwrap().status(), 400);
    let get = |path: &str| {
        client
            .get(format!("http://{}{path}", model.address()))
            .send()
    };
    assert_eq!(get("/v1/chat/completions").await.unwrap().status(), 405);
    assert_eq!(get("/v1/nothing").await.unwrap().status(), 404);
    let models: Value = get("/v1/models").await.unwrap().json().await.unwrap();
    assert_eq!(models["data"][0]["object"], "model");
    assert_eq!(get("/models").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_wrong_key_is_refused_where_one_is_asked_for() {
    let (model, client) = model().await;
    model.require_key("another");
    let (status, body) = post(&model, &client, request(&json!({})).to_string()).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (401, &json!("invalid_api_key"))
    );
    model.require_key("key");
    assert_eq!(
        post(&model, &client, request(&json!({})).to_string())
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn the_script_comes_first_then_the_responder() {
    let (model, client) = model().await;
    model.respond_with(|request| Reply::Text(request["model"].as_str().unwrap().repeat(3)));
    model.script([
        Reply::Text("one".to_owned()),
        Reply::says("two"),
        Reply::Raw(418, r#"{"teapot":true}"#.to_owned()),
        Reply::Fault(Plan::status(500)),
        Reply::Fault(Plan::default().header("x-slow", "no")),
    ]);
    let body = request(&json!({})).to_string();
    let content = |body: &Value| {
        body["choices"][0]["message"]["content"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(
        content(&post(&model, &client, &body).await.1).unwrap(),
        "one"
    );
    let object: Value =
        serde_json::from_str(&content(&post(&model, &client, &body).await.1).unwrap()).unwrap();
    assert_eq!(
        (&object["reply"], &object["action"]),
        (&json!("two"), &json!("answer"))
    );
    assert_eq!(
        post(&model, &client, &body).await,
        (418, json!({ "teapot": true }))
    );
    assert_eq!(post(&model, &client, &body).await.0, 500);
    assert_eq!(model.script_left(), 1);
    assert!(
        content(&post(&model, &client, &body).await.1)
            .unwrap()
            .starts_with("Hello")
    );
    assert_eq!(
        content(&post(&model, &client, &body).await.1).unwrap(),
        "mmm"
    );
}

#[rstest]
#[case::schema(json!({ "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": {
    "type": "object", "additionalProperties": false, "required": ["reply", "rule"],
    "properties": { "reply": { "type": "string" }, "rule": { "anyOf": [{ "type": "string" }, { "type": "null" }] } } } } }), true)]
#[case::object(json!({ "type": "json_object" }), true)]
#[case::text(json!({ "type": "text" }), false)]
#[tokio::test]
async fn the_object_comes_when_it_is_asked_for(#[case] format: Value, #[case] is_object: bool) {
    let (model, client) = model().await;
    let asked = request(&json!({ "response_format": format, "user": "JSON" }));
    let mut asked = asked;
    asked["messages"][0]["content"] = "Answer in JSON.".into();
    let (_, body) = post(&model, &client, asked.to_string()).await;
    let content = body["choices"][0]["message"]["content"].as_str().unwrap();
    let Ok(object) = serde_json::from_str::<Value>(content) else {
        assert!(!is_object, "{content}");
        return;
    };
    let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["action", "language", "reason", "reply", "rule"]);
    assert_eq!(
        (&object["action"], &object["language"]),
        (&json!("answer"), &json!("en"))
    );
}

#[rstest]
#[case("en", "Hi, when do you open?", "9:00")]
#[case("es", "Hola, ¿a qué hora abren?", "Abrimos")]
#[case("pt", "Olá, que horas vocês abrem?", "Abrimos de segunda")]
#[case("fr", "Bonjour, quels sont vos horaires ?", "ouverts")]
#[case("de", "Guten Tag, wann haben Sie geöffnet?", "Uhr")]
#[case("ja", "こんにちは、営業時間を教えてください", "営業時間は")]
fn the_clerk_answers_in_the_customer_s_language(
    #[case] code: &str,
    #[case] text: &str,
    #[case] has: &str,
) {
    let answered = reply_to(&[text]);
    assert_eq!(answered.object()["language"], code);
    assert!(answered.reply.contains(has), "{}", answered.reply);
}

#[rstest]
#[case(
    "Where is my order?",
    "A number: 48213",
    "the order you asked for: number 48213"
)]
#[case(
    "¿Dónde está mi pedido?",
    "48213",
    "el pedido por el que preguntaba: el número 48213"
)]
#[case(
    "Onde está minha encomenda?",
    "é o 48213",
    "o pedido de que falou: o número 48213"
)]
#[case(
    "Où est mon colis ?",
    "48213",
    "la commande dont vous parliez : la numéro 48213"
)]
#[case(
    "Wo ist mein Paket?",
    "ab-48213",
    "nach der Sie fragten: Nummer AB-48213"
)]
#[case(
    "荷物はどこですか",
    "注文番号は４８２１３です",
    "お尋ねのご注文、番号48213"
)]
#[case(
    "I want to return my order",
    "#48213",
    "About your return: order 48213"
)]
fn the_clerk_remembers_what_a_number_is_for(
    #[case] asked: &str,
    #[case] number: &str,
    #[case] has: &str,
) {
    let question = reply_to(&[asked]);
    assert!(!question.reply.contains("48213"));
    let answered = reply_to(&[asked, &question.reply, number]);
    assert!(answered.reply.contains(has), "{}", answered.reply);
}

#[test]
fn the_clerk_remembers_the_number_later() {
    let thanks = reply_to(&["Where is order 48213?", "On its way.", "thank you"]);
    assert!(thanks.reply.contains("48213"), "{}", thanks.reply);
    let alone = reply_to(&["48213"]);
    assert!(
        alone.reply.contains("What would you like to know"),
        "{}",
        alone.reply
    );
}

#[test]
fn a_burst_is_answered_topic_by_topic() {
    for turns in [
        &["hello\nwhen do you open\nand where is my parcel"][..],
        &["hello, when do you open? where is my parcel? refund of 5512 please"],
    ] {
        let reply = reply_to(turns).reply;
        assert!(reply.starts_with("Hello! We are open"), "{reply}");
        assert!(reply.contains("order"), "{reply}");
    }
    let apart = json!({ "messages": [
        { "role": "user", "content": "Hallo" }, { "role": "user", "content": "wann habt ihr geöffnet" },
    ] });
    assert!(
        clerk::answer(&apart, false)
            .reply
            .starts_with("Guten Tag! Wir haben")
    );
}

#[test]
fn the_clerk_knows_when_a_person_is_needed() {
    let person = reply_to(&["Puedo hablar con una persona?"]);
    assert_eq!(
        (&person.object()["action"], &person.object()["language"]),
        (&json!("escalate"), &json!("es"))
    );
    assert_eq!(
        reply_to(&["This is unacceptable"]).object()["action"],
        "offer_human"
    );
    assert_eq!(reply_to(&["xyzzy"]).object()["action"], "answer");
}

#[test]
fn a_summary_is_built_from_what_the_customer_wrote() {
    let mut request = conversation(&["Where is my parcel?", "Which number?", "48213"]);
    let system = json!({ "role": "system", "content": "Write a Summary for a colleague." });
    request["messages"]
        .as_array_mut()
        .unwrap()
        .insert(0, system);
    assert_eq!(
        clerk::answer(&request, false).reply,
        "The customer wrote: \"Where is my parcel?\"; \"48213\"."
    );
    assert!(clerk::answer(&request, true).reply.contains("number 48213"));
    request["messages"][0]["content"] = "Answer in JSON, with a summary.".into();
    assert!(
        clerk::answer(&request, false)
            .reply
            .contains("number 48213")
    );
}

#[test]
fn the_clerk_survives_any_shape() {
    for request in [
        json!({}),
        json!({ "messages": 5 }),
        json!({ "messages": [{ "role": "user" }, 7, null] }),
    ] {
        assert!(!clerk::answer(&request, false).reply.is_empty());
    }
}
