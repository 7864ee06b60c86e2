//! Requests made of anything that their types let through.

use proptest::prelude::*;
use reqwest::{Method, Request};

use super::*;
use crate::fuzz;

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn a_request_is_read_as_the_one_that_was_written(
        path in fuzz::text(),
        query in prop::option::of(fuzz::text()),
        user in fuzz::text(),
        method in prop::collection::vec(any::<u8>(), 1..9),
        headers in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..6),
        known in prop::sample::select(vec!["host", "content-length", "transfer-encoding", "user-agent", "a"]),
        body in any::<Vec<u8>>(),
    ) {
        let mut url = Url::parse("https://model.dev:8443").unwrap();
        url.set_path(&path);
        url.set_query(query.as_deref());
        url.set_username(&user).unwrap();
        url.set_fragment(Some(&user));
        let mut sent = HeaderMap::new();
        for (name, value) in &headers {
            let Ok(value) = HeaderValue::from_bytes(value) else { continue };
            sent.append(known, value.clone());
            if let Ok(name) = HeaderName::from_bytes(name) {
                sent.append(name, value);
            }
        }
        let method = Method::from_bytes(&method).unwrap_or(Method::POST);
        let mut asked = Request::new(method.clone(), url.clone());
        *asked.headers_mut() = sent.clone();
        *asked.body_mut() = Some(body.clone().into());

        let bytes = request(&asked);
        let mut space = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Request::new(&mut space);
        let read = parsed.parse(&bytes).unwrap();
        let Status::Complete(length) = read else { panic!("no end") };
        prop_assert!(bytes[length..] == body);
        prop_assert_eq!(parsed.method, Some(method.as_str()));
        let (_, target) = url.as_str().split_once("model.dev:8443").unwrap();
        prop_assert_eq!(parsed.path, target.split('#').next());
        let all = |name: &str| {
            let same = parsed.headers.iter().filter(|header| header.name == name);
            same.map(|header| header.value.to_vec()).collect::<Vec<_>>()
        };
        prop_assert_eq!(all("host"), [b"model.dev:8443".to_vec()]);
        prop_assert_eq!(all("content-length"), [body.len().to_string().into_bytes()]);
        prop_assert_eq!(all("transfer-encoding"), Vec::<Vec<u8>>::new());
        let defaults = ["user-agent", "accept"].iter().filter(|name| !sent.contains_key(**name));
        let passed = sent.iter().filter(|(name, _)| !["host", "content-length", "transfer-encoding"].contains(&name.as_str()));
        prop_assert_eq!(parsed.headers.len(), 2 + defaults.count() + passed.count());
    }
}
