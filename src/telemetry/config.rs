//! Where traces go: `[traces]`, and the environment variables that all programs share.

use std::collections::BTreeMap;

use opentelemetry_http::Request;
use serde::Deserialize;

use super::gen_ai::{self, Generation};
use crate::http_client::{Plain, check_url};
use crate::problem::Problem;
use crate::redact::Secret;

/// The variable that names the collector where the file does not.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The variable that names the service.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// The variable that says more of the service: `key=value`, with commas.
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// The attribute that a service is known by, and what it is where nobody says otherwise.
const SERVICE: (&str, &str) = ("service.name", env!("CARGO_PKG_NAME"));

/// The attribute of its version.
const VERSION: (&str, &str) = ("service.version", env!("CARGO_PKG_VERSION"));

/// Whether traces are made, of what, and where they go: `[traces]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// The address of an OpenTelemetry collector that takes OTLP over HTTP, without `/v1/traces`. Default: the environment
    /// variable `OTEL_EXPORTER_OTLP_ENDPOINT`; without either no traces are made.
    pub endpoint: Option<String>,
    /// Whether `endpoint` may be `http` though it leads to another machine. Default no.
    pub allow_http: bool,
    /// Headers that the collector asks for, by name, as references.
    pub headers: BTreeMap<String, Secret>,
    /// The share of turns and of deliveries that are traced, 0 to 1. Default 1, all.
    pub sample: f64,
    /// Whether spans hold what customers and the assistant said, and the prompts. Default no: it is personal data, and
    /// whoever can read traces could read it.
    pub content: bool,
    #[serde(skip)]
    standard: Standard,
}

/// What the environment says in the way that all programs share.
#[derive(Clone, Debug, Default)]
struct Standard {
    endpoint: Option<String>,
    /// Of the service, in the order in which later ones win.
    attributes: Vec<(String, String)>,
    names: Generation,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            allow_http: false,
            headers: BTreeMap::new(),
            sample: 1.0,
            content: false,
            standard: Standard::default(),
        }
    }
}

impl TracesConfig {
    /// Takes over what the environment says, where the file says nothing.
    pub fn adopt<'a>(&mut self, variable: impl Fn(&str) -> Option<&'a str>) {
        let told = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let attributes = told(RESOURCE_ATTRIBUTES).into_iter();
        let attributes = attributes.flat_map(|list| list.split(',').filter_map(attribute));
        let service = told(SERVICE_NAME).map(|name| (SERVICE.0.to_owned(), name.to_owned()));
        self.standard = Standard {
            endpoint: told(ENDPOINT).map(str::to_owned),
            attributes: attributes.chain(service).collect(),
            names: Generation::asked_for(variable(gen_ai::OPT_IN)),
        };
    }

    /// Tells which names of the conventions for generative AI are used.
    pub fn names(&self) -> Generation {
        self.standard.names
    }

    /// Gives the secrets, to be filled in.
    pub fn secrets(&mut self) -> Vec<(String, &mut Secret)> {
        let headers = self.headers.iter_mut();
        headers
            .map(|(name, secret)| (format!("headers.{name}"), secret))
            .collect()
    }

    /// Finds what cannot work. Secrets are filled in before.
    pub fn check(&self) -> Vec<Problem> {
        let plain = Plain::IfAllowed(self.allow_http);
        let endpoint = self
            .endpoint()
            .and_then(|url| check_url("endpoint", url, plain));
        let mut problems = Vec::from_iter(endpoint.map(|problem| match self.endpoint {
            Some(_) => problem,
            None => Problem {
                message: format!("the environment variable `{ENDPOINT}`: {}", problem.message),
                ..problem
            },
        }));
        if !(0.0..=1.0).contains(&self.sample) {
            problems.push(
                Problem::new("sample", "expected 0 to 1").help("1 is all, 0.01 one in a hundred"),
            );
        }
        for (name, secret) in &self.headers {
            let key = format!("headers.{name}");
            // The type that the exporter makes requests of knows what a header is.
            if Request::builder().header(name, "").body(()).is_err() {
                problems.push(Problem::new(&key, "is no name of a header"));
            }
            problems.extend(secret.check_sent(&key));
        }
        problems
    }

    /// Gives the collector's address, where there is one.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint
            .as_deref()
            .or(self.standard.endpoint.as_deref())
    }

    /// Gives what is said of the service, in the order in which later ones win.
    pub(super) fn service(&self) -> impl Iterator<Item = (String, String)> {
        let own = [SERVICE, VERSION].map(|(key, value)| (key.to_owned(), value.to_owned()));
        own.into_iter()
            .chain(self.standard.attributes.iter().cloned())
    }
}

/// Reads one `key=value`, whose value may have bytes as `%20`.
fn attribute(pair: &str) -> Option<(String, String)> {
    let (key, value) = pair.split_once('=')?;
    let mut bytes = Vec::new();
    let mut rest = value.trim().as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let coded = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(coded.unwrap_or(byte));
        rest = coded.map_or(after, |_| &after[2..]);
    }
    Some((
        key.trim().to_owned(),
        String::from_utf8_lossy(&bytes).into_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopted(variables: &[(&str, &'static str)]) -> TracesConfig {
        let mut config = TracesConfig::default();
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        config.adopt(|name| find(name).map(|(_, value)| *value));
        config
    }

    #[test]
    fn the_file_wins_over_the_environment() {
        let mut config = adopted(&[(ENDPOINT, "http://127.0.0.1:4318")]);
        assert_eq!(config.endpoint(), Some("http://127.0.0.1:4318"));
        config.endpoint = Some("http://127.0.0.1:4319".to_owned());
        assert_eq!(config.endpoint(), Some("http://127.0.0.1:4319"));
        assert_eq!(adopted(&[(ENDPOINT, " ")]).endpoint(), None);
    }

    #[test]
    fn a_wrong_address_in_the_environment_is_told_by_its_variable() {
        let config = adopted(&[(ENDPOINT, "http://collector:4318")]);
        let problem = config.check().pop().unwrap();
        assert!(problem.message.contains(ENDPOINT), "{problem:?}");
        assert!(problem.help.unwrap().contains("allow_http"));
    }

    #[test]
    fn a_service_is_what_the_environment_says_it_is() {
        let name = |config: &TracesConfig| {
            let of = |key| move |(known, value): (String, String)| (known == key).then_some(value);
            let last = config.service().filter_map(of(SERVICE.0)).last();
            (
                last.unwrap(),
                config.service().filter_map(of("team")).last(),
            )
        };
        assert_eq!(name(&adopted(&[])), ("frontdesk".to_owned(), None));
        let attributes = (RESOURCE_ATTRIBUTES, "service.name=one, team = a%20b%2 ,odd");
        let (service, team) = name(&adopted(&[attributes]));
        assert_eq!((service.as_str(), team.as_deref()), ("one", Some("a b%2")));
        let (service, _) = name(&adopted(&[attributes, (SERVICE_NAME, "two")]));
        assert_eq!(service, "two");
    }
}
