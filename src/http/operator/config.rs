//! Who may look and act, and where: `[operator]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::http::{Entrance, Limits, Tls, TlsConfig};
use crate::problem::Problem;
use crate::redact::Secret;

/// Letters of a person's name, since it stands in every line of the audit log.
const NAME_CHARS: usize = 64;

/// The operator's listener: `[operator]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorConfig {
    /// The address to listen on. Default `127.0.0.1:8081`. What it serves is personal data, so only this machine may
    /// reach it in plain text.
    pub listen: SocketAddr,
    /// The certificate. Default none; an address that others can reach needs one.
    pub tls: Option<TlsConfig>,
    /// Who may use it, by name; the name stands in the audit log. Default: nobody.
    pub people: BTreeMap<String, PersonConfig>,
}

/// One person, or one program, that uses the operator's API: `[operator.people.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonConfig {
    /// What may be done: `viewer`, `operator` or `admin`.
    pub role: Role,
    /// What is shown as bearer token: one or two references, two while one is replaced.
    pub secrets: Vec<Secret>,
}

/// What somebody may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at conversations, deliveries and bodies.
    Viewer,
    /// Takes over, releases, decides about deliveries and bodies.
    Operator,
    /// Erases customers and reads the audit log.
    Admin,
}

impl Role {
    /// Gives the name that is configured, stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8_081)),
            tls: None,
            people: BTreeMap::new(),
        }
    }
}

impl OperatorConfig {
    /// Finds what cannot work. Secrets are filled in before.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.listen.ip().is_loopback() && self.tls.is_none() {
            problems.push(
                Problem::new(
                    "listen",
                    "would show customers' words to the network in plain text",
                )
                .help("add `[operator.tls]`, or listen on 127.0.0.1 and let a proxy with TLS stand before it"),
            );
        }
        if let Some(tls) = &self.tls {
            let found = tls.check().into_iter();
            problems.extend(found.map(|problem| problem.under("tls")));
        }
        let mut known: Vec<&Secret> = Vec::new();
        for (name, person) in &self.people {
            let place = format!("people.{name}");
            if !(1..=NAME_CHARS).contains(&name.chars().count()) {
                problems.push(Problem::new(
                    &place,
                    "expected a name of 1 to 64 characters",
                ));
            }
            let found = person.check(&known).into_iter();
            problems.extend(found.map(|problem| problem.under(&place)));
            known.extend(&person.secrets);
        }
        problems
    }

    /// Gives the way in that it describes, but for the certificate. Nobody stands between it and its few users.
    pub fn entrance(&self, tls: Option<Tls>) -> Entrance {
        Entrance {
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            tls,
        }
    }

    /// Gives the secrets, to be filled in.
    pub fn all_secrets(&mut self) -> Vec<(String, &mut Secret)> {
        let people = self.people.iter_mut();
        let secrets = people.flat_map(|(name, person)| {
            let listed = person.secrets.iter_mut().enumerate();
            listed.map(move |(i, secret)| (format!("people.{name}.secrets[{i}]"), secret))
        });
        secrets.collect()
    }
}

impl PersonConfig {
    fn check(&self, others: &[&Secret]) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(1..=2).contains(&self.secrets.len()) {
            problems.push(Problem::new(
                "secrets",
                "expected one secret, or two while one is replaced",
            ));
        }
        for (index, secret) in self.secrets.iter().enumerate() {
            let key = format!("secrets[{index}]");
            problems.extend(secret.check(&key));
            let is_shared = others
                .iter()
                .any(|other| secret.matches(other.expose().as_bytes()));
            if is_shared {
                problems.push(
                    Problem::new(
                        key,
                        "is another person's too, so nobody could tell who acted",
                    )
                    .help("make one with `openssl rand -base64 32`"),
                );
            }
        }
        problems
    }
}
