//! The least that could stand in the gateway's place: parse, call, send, forget. It keeps nothing, limits nothing, checks
//! nothing, and loses whatever it holds when it ends.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::{Value, json};

struct Relay {
    http: reqwest::Client,
    model: String,
    braze: String,
}

/// Serves until the process is ended.
pub(crate) async fn serve(listen: &str, model: &str, braze: &str) -> Result<()> {
    let relay = Relay {
        http: reqwest::Client::builder().no_proxy().build()?,
        model: format!("{model}/chat/completions"),
        braze: format!("{braze}/campaigns/trigger/send"),
    };
    let router = Router::new()
        .route("/turns", post(turn))
        .route("/door", post(door))
        .route("/healthz", get(async || StatusCode::OK))
        .with_state(Arc::new(relay));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, router).await?)
}

async fn turn(State(relay): State<Arc<Relay>>, body: Bytes) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    tokio::spawn(async move { relay.pass_on(&message).await });
    StatusCode::ACCEPTED
}

async fn door(body: Bytes) -> StatusCode {
    match serde_json::from_slice::<Value>(&body) {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

impl Relay {
    async fn pass_on(&self, message: &Value) -> Result<(), reqwest::Error> {
        let question = json!({
            "model": "stand-in",
            "messages": [
                { "role": "system", "content": "You answer the customers of Acme." },
                { "role": "user", "content": message["message"] },
            ],
        });
        let asked = self.http.post(&self.model).json(&question);
        let answer: Value = asked.send().await?.json().await?;
        let reply = json!({
            "campaign_id": "campaign-1",
            "recipients": [{
                "external_user_id": message["user_id"],
                "trigger_properties": {
                    "external_system_msg_body": answer["choices"][0]["message"]["content"],
                },
            }],
        });
        let sent = self.http.post(&self.braze).bearer_auth("key").json(&reply);
        sent.send().await?.bytes().await?;
        Ok(())
    }
}
