//! The servers that are known by name: `models.NAME.preset`.

use serde::Deserialize;

use super::{AnswerMode, TokenLimitField};
use crate::telemetry::gen_ai;

/// A server whose ways are known, so that they need not be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// OpenAI's own API.
    OpenAi,
    /// Azure OpenAI, both its classic paths and `/openai/v1`.
    Azure,
    /// Mistral's API.
    Mistral,
    /// Groq's API.
    Groq,
    /// `OpenRouter`.
    OpenRouter,
    /// `DeepSeek`'s API.
    DeepSeek,
    /// A vLLM server.
    Vllm,
    /// An Ollama server.
    Ollama,
    /// llama.cpp's own server.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// LM Studio.
    LmStudio,
}

/// What a preset stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    /// Where the API begins, where that is the same for all.
    pub(super) base_url: Option<&'static str>,
    /// Whether nobody gets in without a key.
    pub(super) needs_key: bool,
    /// The header that carries the key by itself; `None` for a bearer token.
    pub(super) key_header: Option<&'static str>,
    pub(super) token_limit_field: TokenLimitField,
    pub(super) answer: AnswerMode,
    /// Calls at once; more would only wait inside the server, unseen.
    pub(super) concurrency: Option<usize>,
    /// The name that telemetry has for it.
    pub(super) provider: &'static str,
}

/// A server that nothing is known of.
const UNKNOWN: Ways = Ways {
    base_url: None,
    needs_key: false,
    key_header: None,
    token_limit_field: TokenLimitField::MaxTokens,
    answer: AnswerMode::JsonSchema,
    concurrency: None,
    provider: gen_ai::UNKNOWN_PROVIDER,
};

/// A server on one's own machine: it has a processor or two, and takes a few calls at a time.
const LOCAL: Ways = Ways {
    concurrency: Some(4),
    ..UNKNOWN
};

/// A service that is paid for.
const HOSTED: Ways = Ways {
    needs_key: true,
    ..UNKNOWN
};

impl Preset {
    /// Gives what is known of the server of a preset, or of one without.
    pub(super) fn ways(preset: Option<Self>) -> Ways {
        match preset {
            None => UNKNOWN,
            Some(Self::OpenAi) => Ways {
                base_url: Some("https://api.openai.com/v1"),
                token_limit_field: TokenLimitField::MaxCompletionTokens,
                provider: "openai",
                ..HOSTED
            },
            Some(Self::Azure) => Ways {
                key_header: Some("api-key"),
                token_limit_field: TokenLimitField::MaxCompletionTokens,
                provider: "azure.ai.openai",
                ..HOSTED
            },
            Some(Self::Mistral) => Ways {
                base_url: Some("https://api.mistral.ai/v1"),
                provider: "mistral_ai",
                ..HOSTED
            },
            Some(Self::Groq) => Ways {
                base_url: Some("https://api.groq.com/openai/v1"),
                provider: "groq",
                ..HOSTED
            },
            Some(Self::OpenRouter) => Ways {
                base_url: Some("https://openrouter.ai/api/v1"),
                provider: "openrouter",
                ..HOSTED
            },
            Some(Self::DeepSeek) => Ways {
                base_url: Some("https://api.deepseek.com/v1"),
                answer: AnswerMode::JsonObject,
                provider: "deepseek",
                ..HOSTED
            },
            Some(Self::Vllm) => Ways {
                base_url: Some("http://127.0.0.1:8000/v1"),
                provider: "vllm",
                ..UNKNOWN
            },
            Some(Self::Ollama) => Ways {
                base_url: Some("http://127.0.0.1:11434/v1"),
                provider: "ollama",
                ..LOCAL
            },
            Some(Self::LlamaCpp) => Ways {
                base_url: Some("http://127.0.0.1:8080/v1"),
                provider: "llama.cpp",
                ..LOCAL
            },
            Some(Self::LmStudio) => Ways {
                base_url: Some("http://127.0.0.1:1234/v1"),
                provider: "lmstudio",
                ..LOCAL
            },
        }
    }
}
