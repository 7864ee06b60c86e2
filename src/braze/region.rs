//! Braze's instances: their names, and the hosts that go with them.

use reqwest::Url;
use serde::{Deserialize, Deserializer};

/// Each instance, as its name in lower case, and its REST host.
const REGIONS: [(&str, &str); 15] = [
    ("us-01", "rest.iad-01.braze.com"),
    ("us-02", "rest.iad-02.braze.com"),
    ("us-03", "rest.iad-03.braze.com"),
    ("us-04", "rest.iad-04.braze.com"),
    ("us-05", "rest.iad-05.braze.com"),
    ("us-06", "rest.iad-06.braze.com"),
    ("us-07", "rest.iad-07.braze.com"),
    ("us-08", "rest.iad-08.braze.com"),
    ("us-10", "rest.us-10.braze.com"),
    ("eu-01", "rest.fra-01.braze.eu"),
    ("eu-02", "rest.fra-02.braze.eu"),
    ("au-01", "rest.au-01.braze.com"),
    ("id-01", "rest.id-01.braze.com"),
    ("jp-01", "rest.jp-01.braze.com"),
    ("kr-01", "rest.kr-01.braze.com"),
];

/// Reads an endpoint: the name of an instance gives its URL, anything else stays as it is.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(host(&text).map_or(text, |host| format!("https://{host}")))
}

/// Gives the names of all instances.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(name, _)| *name)
}

/// Gives the name of the instance that an endpoint leads to.
pub fn region(endpoint: &str) -> Option<&'static str> {
    let url = Url::parse(endpoint).ok()?;
    let host = url.host_str()?;
    let found = REGIONS.iter().find(|(_, known)| *known == host);
    found.map(|(name, _)| *name)
}

/// Says what is wrong with a host of Braze's that takes no requests, and which one is meant where that can be told. Gives
/// nothing for hosts that are not Braze's: a stand-in, a proxy.
pub(super) fn wrong_host(host: &str) -> Option<(String, Option<&'static str>)> {
    let (rest, is_braze) = match (
        host.strip_suffix(".braze.com"),
        host.strip_suffix(".braze.eu"),
    ) {
        (Some(rest), None) | (None, Some(rest)) => (rest, true),
        _ => (host, false),
    };
    if !is_braze || is_rest(rest) {
        return None;
    }
    let (kind, meant) = if rest.starts_with("dashboard") {
        ("is the address of a dashboard", of_dashboard(host))
    } else if let Some(cluster) = rest.strip_prefix("sdk.") {
        let ending = &host[rest.len()..];
        let rest = format!("rest.{cluster}{ending}");
        let meant = REGIONS.iter().find(|(_, known)| *known == rest);
        (
            "is the address for Braze's SDKs",
            meant.map(|(_, host)| *host),
        )
    } else {
        ("is no REST endpoint of Braze's", None)
    };
    Some((format!("`{host}` {kind}"), meant))
}

fn host(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    let found = REGIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, host)| *host)
}

/// Tells whether a host, without its domain, has the form of a REST endpoint; those to come will have it too.
fn is_rest(rest: &str) -> bool {
    let Some((cluster, number)) = rest.strip_prefix("rest.").and_then(|c| c.split_once('-')) else {
        return false;
    };
    let is_cluster = (2..=3).contains(&cluster.len())
        && cluster.bytes().all(|letter| letter.is_ascii_lowercase());
    is_cluster && number.len() == 2 && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// Gives the REST host of a dashboard's: `dashboard-01.braze.com` is US-01, `dashboard-01.braze.eu` EU-01, and
/// `dashboard.us-10.braze.com` says it.
fn of_dashboard(dashboard: &str) -> Option<&'static str> {
    let rest = dashboard.strip_prefix("dashboard")?;
    if let Some(rest) = rest.strip_prefix('-') {
        let (number, domain) = rest.split_once('.')?;
        let country = if domain == "braze.eu" { "eu" } else { "us" };
        return host(&format!("{country}-{number}"));
    }
    host(rest.strip_prefix('.')?.split('.').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_has_a_host_of_its_own() {
        for (name, host) in REGIONS {
            assert_eq!(super::host(&name.to_uppercase()), Some(host));
            assert_eq!(region(&format!("https://{host}")), Some(name));
            assert_eq!(wrong_host(host), None, "{host}");
        }
        assert_eq!(host("us-09"), None);
        assert_eq!(region("https://rest.acme.dev"), None);
    }

    #[test]
    fn of_another_host_of_brazes_the_right_one_is_told() {
        for (host, meant) in [
            ("dashboard-01.braze.com", Some("rest.iad-01.braze.com")),
            ("dashboard-08.braze.com", Some("rest.iad-08.braze.com")),
            ("dashboard-02.braze.eu", Some("rest.fra-02.braze.eu")),
            ("dashboard.us-10.braze.com", Some("rest.us-10.braze.com")),
            ("dashboard.au-01.braze.com", Some("rest.au-01.braze.com")),
            ("dashboard.braze.com", None),
            ("sdk.iad-03.braze.com", Some("rest.iad-03.braze.com")),
            ("sdk.fra-01.braze.eu", Some("rest.fra-01.braze.eu")),
            ("www.braze.com", None),
            ("rest.braze.com", None),
            ("rest.iad-1.braze.com", None),
        ] {
            let (message, found) = wrong_host(host).unwrap();
            assert_eq!(found, meant, "{host}");
            assert!(message.contains(host), "{message}");
        }
        // Braze may open more; others are not ours to judge.
        for host in ["rest.ca-01.braze.com", "braze.acme.dev", "127.0.0.1"] {
            assert_eq!(wrong_host(host), None, "{host}");
        }
    }
}
