//! Secrets are references in the file; here their values are fetched.

use std::path::Path;

use super::{Config, Environment};
use crate::problem::Problem;
use crate::redact::{self, Secret, SecretRef};

/// Bytes of a secret's file; a longer one is another kind of file.
const SECRET_FILE_BYTES: u64 = 16 * 1_024;

/// Fills in every secret. Gives those that could not be found.
pub(super) fn fill(config: &mut Config, folder: &Path, environment: &Environment) -> Vec<Problem> {
    let all = all(config);
    let filled = all.into_iter().filter_map(|(key, secret)| {
        match value(secret.reference(), folder, environment) {
            Ok(value) => {
                secret.fill(value.trim());
                None
            }
            Err(problem) => Some(problem.under(&key)),
        }
    });
    filled.collect()
}

fn all(config: &mut Config) -> Vec<(String, &mut Secret)> {
    let mut all: Vec<(String, &mut Secret)> = Vec::new();
    let people = config.operator.all_secrets().into_iter();
    all.extend(people.map(|(key, secret)| (format!("operator.{key}"), secret)));
    let headers = config.traces.secrets().into_iter();
    all.extend(headers.map(|(key, secret)| (format!("traces.{key}"), secret)));
    for (name, workspace) in &mut config.workspaces {
        let found = workspace.secrets().into_iter();
        all.extend(found.map(|(key, secret)| (format!("workspaces.{name}.{key}"), secret)));
    }
    for (name, model) in &mut config.models {
        let found = model.secrets().into_iter();
        all.extend(found.map(|(key, secret)| (format!("models.{name}.{key}"), secret)));
    }
    for (name, desk) in &mut config.desks {
        let found = desk.all_secrets().into_iter();
        all.extend(found.map(|(key, secret)| (format!("desks.{name}.{key}"), secret)));
    }
    for (name, assistant) in &mut config.assistants {
        let found = assistant.secrets.iter_mut().enumerate();
        all.extend(found.map(|(i, secret)| (format!("assistants.{name}.secrets[{i}]"), secret)));
    }
    all
}

fn value(
    reference: &SecretRef,
    folder: &Path,
    environment: &Environment,
) -> Result<String, Problem> {
    let found = match reference {
        SecretRef::Env(name) => environment
            .get(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("the environment variable `{name}` is not set"))?,
        SecretRef::Path(path) => read_file(&folder.join(path))?,
    };
    match found.trim().is_empty() {
        true => Err("the secret is empty".into()),
        false => Ok(found),
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > SECRET_FILE_BYTES {
        return Err(format!("{} is too long to be a secret", path.display()));
    }
    redact::check_is_private(path)?;
    std::fs::read_to_string(path).map_err(unreadable)
}
