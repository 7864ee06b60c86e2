//! The names of OpenTelemetry's conventions for generative AI, and nothing else that knows them.
//!
//! They are still being worked on, and have moved to a repository of their own where measures have other names. So there
//! are two generations: what was published last (v1.41), which dashboards know, and what comes next.

use crate::metrics::GenAi;

/// The environment variable by which one asks for names that are not settled.
pub const OPT_IN: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

/// The word in its list that asks for the newest names.
const LATEST: &str = "gen_ai_latest_experimental";

/// The provider where nothing tells which one it is: the API is OpenAI's.
pub const UNKNOWN_PROVIDER: &str = "openai";

/// The label of the fault that a call ended with.
const ERROR_TYPE: &str = "error_type";

/// The label that tells input from output, and its values.
const TOKEN_TYPE: &str = "gen_ai_token_type";

/// Which names are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Those of v1.41.
    #[default]
    Published,
    /// Those of the conventions' own repository.
    Latest,
}

impl Generation {
    /// Reads the value of [`OPT_IN`], a list with commas.
    pub fn asked_for(value: Option<&str>) -> Self {
        let mut words = value.into_iter().flat_map(|value| value.split(','));
        match words.any(|word| word.trim() == LATEST) {
            true => Self::Latest,
            false => Self::Published,
        }
    }

    /// Gives the names of the measures, as Prometheus spells them.
    pub const fn measures(self) -> GenAi {
        match self {
            Self::Published => GenAi {
                duration: "gen_ai_client_operation_duration",
                error_type: ERROR_TYPE,
                sizes: [
                    ("gen_ai_client_token_usage", Some((TOKEN_TYPE, "input"))),
                    ("gen_ai_client_token_usage", Some((TOKEN_TYPE, "output"))),
                ],
                counts: None,
            },
            Self::Latest => GenAi {
                duration: "gen_ai_client_inference_duration",
                error_type: ERROR_TYPE,
                sizes: [
                    ("gen_ai_client_inference_operation_input_tokens", None),
                    ("gen_ai_client_inference_operation_output_tokens", None),
                ],
                counts: Some([
                    "gen_ai_client_inference_usage_input_tokens",
                    "gen_ai_client_inference_usage_output_tokens",
                    "gen_ai_client_inference_usage_cache_read_input_tokens",
                    "gen_ai_client_inference_usage_reasoning_output_tokens",
                ]),
            },
        }
    }
}

/// Gives the labels of a model's measures: all calls are chats, so what tells them apart is the provider, the model's
/// name and the server.
pub fn labels(provider: &str, model: &str, server: &(String, u16)) -> Vec<(&'static str, String)> {
    let (host, port) = server;
    [
        ("gen_ai_operation_name", CHAT),
        ("gen_ai_provider_name", provider),
        ("gen_ai_request_model", model),
        ("server_address", host),
        ("server_port", &port.to_string()),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec()
}

/// The one operation that we ask for.
pub const CHAT: &str = "chat";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_names_are_asked_for_by_their_word_in_a_list() {
        for (value, latest) in [
            (None, false),
            (Some(""), false),
            (Some("http"), false),
            (Some("gen_ai_latest_experimental"), true),
            (Some("http/dup, gen_ai_latest_experimental"), true),
            (Some("gen_ai_latest_experimental_too"), false),
        ] {
            let generation = Generation::asked_for(value);
            assert_eq!(generation == Generation::Latest, latest, "{value:?}");
        }
    }
}
