//! The operator's API, through its own listener.

mod conversations;
mod decisions;
mod document;
mod erasure;
mod quarantine;
mod races;
mod schemathesis;
mod spending;
mod summaries;

use reqwest::{Client, Method};
use serde_json::Value;

use crate::world::{ADMIN_SECRET, OPERATOR_SECRET, World, soon};

/// What the operator's listener answered.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    kind: String,
    body: Value,
}

/// Gives a client that goes straight to this machine.
fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Asks as whoever has `secret`; as nobody where it is empty.
async fn ask(
    world: &World,
    secret: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let url = format!("http://{}{path}", world.app.operator_address());
    let mut request = client().request(method, url);
    if !secret.is_empty() {
        request = request.bearer_auth(secret);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = soon(request.send()).await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    let bytes = soon(response.bytes()).await.unwrap();
    Answer {
        status,
        kind: kind.map_or_else(String::new, |kind| kind.to_str().unwrap().to_owned()),
        body: serde_json::from_slice(&bytes)
            .unwrap_or(Value::String(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// Reads as an admin, who may read everything; it has to succeed.
pub(crate) async fn read(world: &World, path: &str) -> Value {
    let answer = ask(world, ADMIN_SECRET, Method::GET, path, None).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

/// Acts as an operator.
async fn act(world: &World, path: &str) -> Answer {
    ask(world, OPERATOR_SECRET, Method::POST, path, None).await
}

/// Gives the id of a customer's conversation with an assistant.
pub(crate) async fn conversation_of(world: &World, customer: &str) -> String {
    let path = format!("/operator/v1/conversations?external_id={customer}");
    let list = read(world, &path).await;
    list["items"][0]["id"].as_str().expect(customer).to_owned()
}

/// Gives one field of every item of a list.
fn each(list: &Value, field: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    items.map(|item| text(&item[field])).collect()
}
