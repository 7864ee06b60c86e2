use proptest::prelude::*;

use super::*;
use crate::fuzz;

fn allowed(domains: &[&str]) -> Allowed {
    let mut allowed = Allowed::default();
    for domain in domains {
        allowed.domain(domain).unwrap();
    }
    allowed
}

fn own(text: &str) -> Allowed {
    let mut own = Allowed::default();
    own.learn(text);
    own
}

fn with<T>(listed: &Allowed, own: &Allowed, then: impl FnOnce(Links<'_>) -> T) -> T {
    let is_known = |mail: &str| mail == "ana@post.com";
    then(Links {
        listed,
        own,
        is_known: &is_known,
    })
}

#[track_caller]
fn kept(text: &str) -> String {
    with(
        &allowed(&["acme.com", "müller.de"]),
        &Allowed::default(),
        |links| links.keep(text).0,
    )
}

#[track_caller]
fn stays(text: &str) {
    let changed = with(
        &allowed(&["acme.com", "müller.de"]),
        &Allowed::default(),
        |links| links.keep(text),
    );
    assert_eq!(changed, (text.to_owned(), false));
}

#[test]
fn addresses_of_the_business_stay() {
    for text in [
        "See https://acme.com/returns?x=1#top, or www.acme.com.",
        "See acme.com/a and help.acme.com (acme.com).",
        "詳しくはhttps://acme.com/xをご覧ください。acme.comです。",
        "HTTPS://ACME.COM/X http://acme.com:8080/a_(b)",
        "https://müller.de/x https://xn--mller-kva.de",
        "Write to hello@acme.com or ana@post.com.",
        "https://acme.com/a//b and https://acme.com/?next=https%3A%2F%2Fhelp.acme.com",
    ] {
        stays(text);
    }
}

#[test]
fn what_is_no_address_stays() {
    for text in [
        "We open at 9.30, close at 17:00. It costs 12.50/month, e.g. in the U.S. or z.B. dort.",
        "Dr. Smith, Node.js, invoice.pdf, and/or, 1.2.3, 192.168.0.1, vol. 2, p.ej. esto",
        "Note: this. 10:30:00, a:b, @acme, #tag, 100%, C:\\x, ...",
        "ありがとうございます。またのご利用をお待ちしております。3.5点です。",
        "👩‍👩‍👧 family, می‌خواهم",
    ] {
        stays(text);
    }
}

#[test]
fn other_addresses_go_and_the_words_stay() {
    for (text, left) in [
        ("See https://evil.com/x now.", "See now."),
        ("See (https://evil.com/x).", "See."),
        ("Go to evil.com/login, please.", "Go to, please."),
        ("evil.com", ""),
        ("Log in at acme-login.example/x", "Log in at"),
        ("acme.com.evil.com and evilacme.com", "and"),
        ("https://acme.com@evil.com/x y", "y"),
        ("https://user:pw@acme.com/ y", "y"),
        ("acme.com@evil.com/x y", "y"),
        (
            "https://acme.com\\@evil.com y",
            "https://acme.com\\@evil.com y",
        ),
        ("https:\\\\evil.com\\x y", "y"),
        ("http:evil.com y", "y"),
        ("https:/evil.com y", "y"),
        ("ftp://acme.com/x y", "y"),
        ("javascript:alert(1) y", "y"),
        ("data:text/html;base64,xxxx y", "y"),
        (
            "http://192.168.0.1/x http://3232235777/ http://[::1]/ 10.0.0.1/x y",
            "y",
        ),
        ("https://acm\u{200b}e.com.e\u{200b}vil.com y", "y"),
        ("e\u{ad}vil.c\u{2060}om y", "y"),
        ("\u{202e}moc.eliv\u{202c} evil.com", "moc.eliv"),
        ("https://аcme.com y", "y"),
        ("аcme.com/x y", "y"),
        ("https://xn--cme-5cd.com y", "y"),
        (
            "https://mu\u{308}ller.de https://muller.de y",
            "https://mu\u{308}ller.de y",
        ),
        ("ｅｖｉｌ．ｃｏｍ y", "y"),
        ("evil.comをご覧ください", "をご覧ください"),
        ("こちらevil.comです", "こちらです"),
        ("mail evil@evil.com now", "mail now"),
        ("https://acme.com/?u=https://evil.com y", "y"),
        ("https://acme.com/?u=https%3A%2F%2Fevil.com y", "y"),
        ("https://acme.com//evil.com y", "y"),
        ("xhttps://evil.com y", "y"),
        ("EVIL.COM Evil.Com", ""),
        ("done.It is, acme.com", "done. It is, acme.com"),
        ("\"evil.com\" <evil.com> y", "y"),
    ] {
        let left_over = kept(text);
        assert_eq!(left_over.trim(), left, "of {text:?}");
    }
    let long = format!("https://acme.com/{} y", "x".repeat(ADDRESS_BYTES));
    assert_eq!(kept(&long).trim(), "y");
}

#[test]
fn the_businesss_own_texts_say_what_is_its_own() {
    let own = own(
        "Shop: https://www.shop.acme.com/start. Chat: https://wa.me/34600 Map: https://maps.google.com/?q=acme \
         Mail: help@gmail.com",
    );
    let none = Allowed::default();
    with(&none, &own, |links| {
        for (address, may) in [
            ("https://shop.acme.com", true),
            ("https://www.shop.acme.com/other", true),
            ("https://a.shop.acme.com", true),
            ("https://acme.com", false),
            ("https://wa.me/34600", true),
            ("https://wa.me/34600?text=hi", true),
            ("https://wa.me/346009", false),
            ("https://wa.me", false),
            ("https://maps.google.com/?q=acme", true),
            ("https://maps.google.com/?q=evil", false),
            ("mailto:help@gmail.com", true),
            ("mailto:evil@gmail.com", false),
            ("mailto:ana@post.com", true),
            ("tel:+34 600", true),
            ("tel:x", false),
        ] {
            assert_eq!(links.permit(address), may, "{address}");
        }
    });
    with(&none, &none, |links| {
        assert_eq!(links.keep("See acme.com.").0, "See.");
    });
}

#[test]
fn a_list_holds_domains_alone() {
    for wrong in [
        "",
        "com",
        "https://acme.com",
        "acme.com/x",
        "a b.com",
        "*.acme.com",
        "x@acme.com",
        "acme.com:80",
        "10.0.0.1",
    ] {
        assert_eq!(Allowed::default().domain(wrong), Err(NoDomain), "{wrong}");
    }
}

/// Pieces that make addresses, whole and in parts.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "https://",
        "http:",
        "//",
        "\\",
        "acme.com",
        "evil.com",
        "evil",
        ".",
        "com",
        "/",
        "/x",
        "@",
        ":",
        "?u=",
        "#",
        "www.",
        " ",
        "\n",
        "(",
        ")",
        "\"",
        "。",
        "です",
        "é",
        "\u{200b}",
        "\u{202e}",
        "\u{200d}",
        "：",
        "．",
        "а",
        "xn--",
        "%2F%2F",
        "javascript:",
        "It",
        "1.2.3.4",
        "mailto:",
        "[",
        "](",
        "<",
        ">",
        "-",
        "_",
        "*",
        "co",
        "me",
        "example",
    ]);
    let piece = prop_oneof![9 => piece.prop_map(str::to_owned), 1 => fuzz::text()];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn nothing_that_is_kept_leads_elsewhere(text in pieces()) {
        let listed = allowed(&["acme.com"]);
        with(&listed, &Allowed::default(), |links| {
            let (kept, _) = links.keep(&text);
            for found in find(&kept) {
                prop_assert!(links.permits(&kept[found.at.clone()], found.is_mail), "{} in {:?}", &kept[found.at], kept);
            }
            // Whatever a browser would make of a word is the business's, too.
            for word in kept.split_whitespace() {
                let url = Url::parse(word).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
                let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("acme.com");
                prop_assert!(!host.ends_with("evil.com"), "{word} in {kept:?}");
            }
            prop_assert_eq!(links.keep(&kept).0, kept);
            Ok(())
        })?;
    }
}
