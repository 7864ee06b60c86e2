//! What the stand-in is and how it behaves, in one value: set in code, by flags, or over HTTP.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Model;
use super::habits::{Failing, Latency, Window};
use super::profile::Profile;

/// What the stand-in is, and how it behaves.
#[derive(Clone, Debug, Default)]
pub struct Character {
    /// Which server it is.
    pub profile: &'static Profile,
    /// Tokens that a prompt may have; `None` for any number.
    pub context: Option<u64>,
    /// Fields that it refuses by name, beyond those that its profile does.
    pub refuses: Vec<String>,
    /// How late its answers are.
    pub latency: Option<Latency>,
    /// How often it fails.
    pub failing: Option<Failing>,
    /// When it is shut.
    pub windows: Vec<Window>,
    /// What decides the single latency and the single failure; the same seed decides alike.
    pub seed: u64,
}

impl From<&'static Profile> for Character {
    fn from(profile: &'static Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }
}

/// A character as it is put to `/_sandbox/model`; what is left out is as usual.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CharacterJson {
    profile: Option<String>,
    context: Option<u64>,
    refuses: Vec<String>,
    latency: Option<String>,
    failing: Option<String>,
    windows: Vec<String>,
    seed: u64,
}

impl CharacterJson {
    fn character(self) -> Result<Character, &'static str> {
        let profile = match self.profile {
            Some(name) => Profile::named(&name).ok_or("there is no such profile")?,
            None => Default::default(),
        };
        let windows = self.windows.iter().map(|window| window.parse());
        Ok(Character {
            profile,
            context: self.context,
            refuses: self.refuses,
            latency: self.latency.map(|text| text.parse()).transpose()?,
            failing: self.failing.map(|text| text.parse()).transpose()?,
            windows: windows.collect::<Result<_, _>>()?,
            seed: self.seed,
        })
    }
}

/// Gives the doors that the model alone has.
pub(super) fn doors() -> Router<Model> {
    Router::new().route("/_sandbox/model", get(show).put(set))
}

async fn show(State(model): State<Model>) -> Json<Value> {
    let profiles: Vec<_> = Profile::all().map(|profile| profile.name).collect();
    let character = model.character();
    Json(json!({
        "profile": character.profile.name,
        "about": character.profile.about,
        "url": model.url(),
        "findings": model.findings(),
        "profiles": profiles,
    }))
}

async fn set(State(model): State<Model>, body: Bytes) -> (StatusCode, Json<Value>) {
    let character = serde_json::from_slice::<CharacterJson>(&body)
        .map_err(|error| error.to_string())
        .and_then(|character| character.character().map_err(str::to_owned));
    match character {
        Ok(character) => {
            model.use_character(character);
            (StatusCode::OK, show(State(model)).await)
        }
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))),
    }
}
