//! What a URL in the configuration may be: one that a request can be made to, and that gives nothing away.
//!
//! Nobody is contacted here: a neighbour that is down must not keep the gateway from starting.

use reqwest::Url;
use rustls::pki_types::DnsName;

use super::is_loopback;
use crate::problem::Problem;

/// Names that are set aside for examples and tests, so that nobody ever answers there.
const NOBODYS: [&str; 6] = [
    "example.com",
    "example.org",
    "example.net",
    "example",
    "invalid",
    "test",
];

/// Whether a URL may be `http`, where what is sent can be read by all who carry it. To this very machine it always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// It may not, and nothing makes it so.
    Never,
    /// It may where the configuration says `allow_http = true` beside it; this tells whether it does.
    IfAllowed(bool),
}

/// Finds what is wrong with a URL that the configuration names under `key`.
pub fn check_url(key: &str, text: &str, plain: Plain) -> Option<Problem> {
    let (message, help) = fault(text, plain)?;
    Some(Problem {
        // It may hold a password, also where it is no URL at all, so it is not shown.
        is_secret: text.contains(['@', '?', '#']),
        ..Problem::new(key, message).help(help)
    })
}

/// Gives the host and the port that a URL leads to; a checked configuration holds a URL with both.
pub fn peer(url: &str) -> (String, u16) {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let port = url.as_ref().and_then(Url::port_or_known_default);
    (host.to_owned(), port.unwrap_or_default())
}

/// Says what is wrong, and what to do about it.
fn fault(text: &str, plain: Plain) -> Option<(String, String)> {
    let wrong = |message: &str, help: &str| Some((message.to_owned(), help.to_owned()));
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong(
            "expected a URL, without white space",
            "write it as `https://host/path`",
        );
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            return wrong(
                &format!("not a URL: {error}"),
                "write it as `https://host/path`",
            );
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong(
            "expected an `http` or `https` URL",
            "write it as `https://host/path`",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "a URL may not hold a user or password",
            "secrets have keys of their own; leave out what stands before the `@`",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong(
            "a URL may not hold a query or fragment",
            "leave out what follows the `?` or `#`",
        );
    }
    if let Some(message) = unreachable(&url) {
        return wrong(&message, "name the host that answers there");
    }
    plain_fault(&url, plain)
}

fn plain_fault(url: &Url, plain: Plain) -> Option<(String, String)> {
    if url.scheme() == "https" || is_loopback(url) || plain == Plain::IfAllowed(true) {
        return None;
    }
    let help = match plain {
        Plain::Never => "use `https`",
        Plain::IfAllowed(_) => {
            "use `https`; in a private network that you trust, the table of this key may say `allow_http = true`"
        }
    };
    let message = "`http` is not encrypted: all on the way could read what is sent";
    Some((message.to_owned(), help.to_owned()))
}

/// Says why nobody can ever be reached at a URL.
fn unreachable(url: &Url) -> Option<String> {
    let host = url.host_str().unwrap_or_default();
    if url.port() == Some(0) {
        return Some("nobody can listen on port 0".to_owned());
    }
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    if let Ok(address) = address {
        let is_nobody = address.is_unspecified() || address.is_multicast();
        return is_nobody.then(|| format!("`{host}` is nobody's address"));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    // What DNS can carry and a certificate can name.
    if DnsName::try_from(name).is_err() {
        return Some(format!("`{host}` cannot be a host"));
    }
    let is_nobodys = NOBODYS.iter().any(|nobodys| {
        name.strip_suffix(nobodys)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    is_nobodys.then(|| format!("`{host}` is a placeholder: nobody answers there"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://api.openai.com/v1")]
    #[case("https://api.openai.com:8443/v1/")]
    #[case("https://münchen.de/v1")]
    #[case("https://xn--mnchen-3ya.de")]
    #[case("https://testing.dev")]
    #[case("https://myexample.com")]
    #[case("https://model_server.local.")]
    #[case("https://10.0.0.1")]
    #[case("https://[fd00::1]:8000/v1")]
    #[case("http://127.0.0.1:8000")]
    #[case("http://localhost:8000/v1")]
    #[case("http://[::1]")]
    fn good(#[case] url: &str) {
        assert_eq!(check_url("url", url, Plain::Never), None, "{url}");
    }

    #[rstest]
    #[case("", "expected a URL")]
    #[case(" https://api.openai.com", "white space")]
    #[case("https://api.open\tai.com", "white space")]
    #[case("https://api.open ai.com", "white space")]
    #[case("api.openai.com/v1", "not a URL")]
    #[case("https://", "not a URL")]
    #[case("https://xn--a/", "not a URL")]
    #[case("https://256.1.1.1", "not a URL")]
    #[case("https://h:99999", "not a URL")]
    #[case("https://h:0/v1", "port 0")]
    #[case("ftp://h", "expected an `http`")]
    #[case("localhost:8000/v1", "expected an `http`")]
    #[case("https://user@h", "user or password")]
    #[case("https://:sesame@h", "user or password")]
    #[case("https://h?key=sesame", "query or fragment")]
    #[case("https://h#sesame", "query or fragment")]
    #[case("https://api..openai.com", "cannot be a host")]
    #[case("https://api-.acme.dev", "cannot be a host")]
    #[case("https://api!.acme.dev", "cannot be a host")]
    #[case("https://0.0.0.0:8000", "nobody's address")]
    #[case("https://[::]", "nobody's address")]
    #[case("https://224.0.0.1", "nobody's address")]
    #[case(
        "https://a123456789b123456789c123456789d123456789e123456789f123456789g123.dev",
        "cannot be a host"
    )]
    #[case("https://example.com", "placeholder")]
    #[case("https://desk.EXAMPLE.org./x", "placeholder")]
    #[case("https://desk.example", "placeholder")]
    #[case("https://model.test/v1", "placeholder")]
    #[case("http://10.0.0.1/v1", "not encrypted")]
    #[case("http://localhost.acme.dev", "not encrypted")]
    fn bad(#[case] url: &str, #[case] why: &str) {
        let problem = check_url("url", url, Plain::IfAllowed(false)).expect(url);
        assert!(problem.message.contains(why), "{url}: {problem}");
        assert!(problem.help.is_some());
        let said = problem.to_string();
        assert!(!said.contains("sesame"), "{said}");
        assert_eq!(problem.is_secret, url.contains(['@', '?', '#']));
    }

    #[test]
    fn a_host_is_no_longer_than_dns_can_carry() {
        for (labels, is_good) in [(63, true), (64, false)] {
            // Each label with its dot is four characters.
            let url = format!("https://{}a", "abc.".repeat(labels));
            let problem = check_url("url", &url, Plain::Never);
            assert_eq!(problem.is_none(), is_good, "{labels}: {problem:?}");
        }
    }

    #[test]
    fn plain_http_goes_where_it_is_allowed_and_nowhere_else() {
        let url = "http://10.0.0.1:8000/v1";
        assert_eq!(check_url("url", url, Plain::IfAllowed(true)), None);
        for (plain, cure) in [(Plain::IfAllowed(false), true), (Plain::Never, false)] {
            let help = check_url("url", url, plain).unwrap().help.unwrap();
            assert_eq!(help.contains("allow_http"), cure, "{help}");
        }
    }
}
