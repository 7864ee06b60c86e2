//! Rules, end to end.

use super::*;
use crate::domain::{Offer, Profile};

const SHIPPED: &str = include_str!("../../prompts/support/rules.toml");

const LANGUAGES: [&str; 6] = ["en", "es", "pt", "fr", "de", "ja"];

/// Makes rules with one rule of the given English phrases and excepts, and a small vocabulary.
fn one_rule(phrases: &[&str], except: &[&str]) -> Rules {
    let list = |phrases: &[&str]| format!("{phrases:?}");
    let source = format!(
        r#"
        [vocabulary.en]
        filler = ["please", "right now"]
        person = ["human", "agent~", "member of staff"]
        [[rule]]
        name = "person"
        action = "escalate"
        [rule.phrases]
        en = {}
        [rule.except]
        en = {}
        "#,
        list(phrases),
        list(except)
    );
    Rules::parse(&source).unwrap()
}

fn problems(source: &str) -> Vec<Problem> {
    Rules::parse(source).unwrap_err()
}

fn name_of<'a>(rules: &'a Rules, text: &str) -> Option<&'a str> {
    rules.screen(text).map(|hit| hit.rule.name.as_str())
}

#[test]
fn the_notation_means_what_the_file_says() {
    for (phrase, fits, not) in [
        (
            "find <person>",
            vec![
                "FIND an… find agents!",
                "find members, find member of staff",
            ],
            vec!["find a human"],
        ),
        (
            "find (a) <person>",
            vec!["find a human", "find human"],
            vec!["find the human", "find. human"],
        ),
        (
            "find [a|one more] <person>",
            vec!["find one more agent"],
            vec!["find agent", "find one agent"],
        ),
        (
            "find ... <person>",
            vec!["find us a very good agent", "find agent"],
            vec!["find us a very very good agent"],
        ),
        (
            "find * $",
            vec!["find Ada", "find Ada."],
            vec!["find", "find Ada today"],
        ),
        ("find , <person>", vec!["find... human"], vec!["find human"]),
        (
            "=<person>",
            vec![
                "Agent",
                "please, agent!!",
                "an agnet".trim_start_matches("an "),
            ],
            vec!["an agent", "agent or shop"],
        ),
        (
            "^<person>",
            vec!["well, human or not", "human or not"],
            vec!["a human or not"],
        ),
        (
            "<person> $",
            vec!["a human, or not", "a human please right now"],
            vec!["a human or not"],
        ),
        (
            "find <person>",
            vec!["find please human", "find right now human"],
            vec!["find me human"],
        ),
        (
            "grüßen",
            vec!["GRÜSSEN", "gruessen", "grussen"],
            vec!["grusen"],
        ),
        (
            "担当者(に|と)話",
            vec!["明日担当者と話すつもり", "担当者話"],
            vec!["担当者の話"],
        ),
    ] {
        let rules = one_rule(&[phrase], &[]);
        for text in fits {
            assert!(rules.screen(text).is_some(), "`{phrase}` should fit {text}");
        }
        for text in not {
            assert_eq!(rules.screen(text), None, "`{phrase}` should not fit {text}");
        }
    }
}

#[test]
fn a_slip_is_forgiven_where_the_phrase_says_so() {
    let rules = one_rule(&["find <person>"], &[]);
    for text in [
        "find agnet",
        "find agen",
        "find aggent",
        "find agemt",
        "find agenttttt",
    ] {
        assert!(rules.screen(text).is_some(), "{text}");
    }
    for text in [
        "find sgent",
        "find age",
        "find agnte",
        "find humane",
        "find agency",
    ] {
        assert_eq!(rules.screen(text), None, "{text}");
    }
}

#[test]
fn except_crosses_out_its_words_and_no_others() {
    let rules = one_rule(
        &["want <person>", "!without a <person> forever"],
        &["not want", "without a"],
    );
    assert_eq!(rules.screen("I do not want human"), None);
    assert_eq!(rules.screen("I do not please want human"), None);
    assert!(
        rules
            .screen("I do not want to wait. I want human")
            .is_some()
    );
    assert!(rules.screen("not this. want human").is_some());
    assert!(rules.screen("without a human forever").is_some());
}

#[test]
fn the_first_rule_of_the_file_wins() {
    let rules = Rules::parse(
        r#"
        [[rule]]
        name = "hours"
        action = "reply"
        text = "opening_hours"
        description = "Asks when the shop is open"
        phrases = { en = ["open"], de = ["offen"] }
        [[rule]]
        name = "stop"
        action = "opt_out"
        phrases = { en = ["open letter"] }
        "#,
    )
    .unwrap();
    let hit = rules.screen("an open letter").unwrap();
    assert_eq!(
        hit.rule.action,
        Action::Reply {
            text: "opening_hours".to_owned()
        }
    );
    assert_eq!(rules.screen("Offen?").unwrap().language.to_string(), "de");
    assert_eq!(
        rules
            .iter()
            .map(|rule| rule.name.as_str())
            .collect::<Vec<_>>(),
        ["hours", "stop"]
    );
    assert_eq!(
        rules.get("stop").map(|rule| &rule.action),
        Some(&Action::OptOut)
    );
    assert_eq!(rules.get("none"), None);
}

#[test]
fn every_problem_is_found_and_pointed_at() {
    let source = r#"
        [vocabulary.en]
        empty = []
        round = ["a <round>"]
        [[rule]]
        name = "one"
        action = "dance"
        phrases = { en = ["(maybe)", "a|b", "[a", "<nobody>", "... a", "* a", "a) b", "= =", "cat~", "<round>", "!!!", "(so) a"] }
        [[rule]]
        name = "one"
        action = "reply"
        phrases = { english = ["a"] }
        [[rule]]
        name = "Not this"
        action = "escalate"
        text = "hello"
        "#;
    let found = problems(source);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    for part in [
        "`vocabulary.en.empty`: the class is empty",
        "`rule[0].action`: there is no action `dance`",
        "`rule[0].phrases.en[0]`: cannot read the phrase `(maybe)`",
        "`rule[0].phrases.en[1]`: cannot read the phrase `a|b`: `|` stands outside of brackets",
        "`rule[0].phrases.en[2]`: cannot read the phrase `[a`: a bracket is open",
        "there is no class `<nobody>` (the vocabulary of this language has: empty, round)",
        "`... a`: it begins or ends with a gap",
        "`* a`: it begins with `*`",
        "`a) b`: `)` closes nothing",
        "`= =`: `=` is out of place",
        "`cat~`: `~` follows `cat`",
        "`<round>` is a class more than 4 classes deep",
        "`!!!`",
        "`(so) a`: it begins or ends with `( )`",
        "`rule[1].name`: a rule named `one` stands above already",
        "`rule[1]`: the action `reply` needs to know what to say",
        "`rule[1].phrases.english`: `english` is no language",
        "`rule[2].name`: `Not this` is no name for a rule",
        "`rule[2]`: it has neither phrases nor a description nor conditions",
        "`rule[2].text`: only the actions `reply` and `offer` say a text",
    ] {
        assert!(
            shown.iter().any(|line| line.contains(part)),
            "{part} is not in {shown:#?}"
        );
    }
    let dance = found
        .iter()
        .find(|problem| problem.key == "rule[0].action")
        .unwrap();
    assert_eq!(&source[dance.span.clone().unwrap()], "\"dance\"");
    assert!(
        found.iter().all(|problem| problem.help.is_some()),
        "{found:#?}"
    );
}

#[test]
fn what_is_no_rules_file_is_refused() {
    for source in [
        "rule = 1",
        "[[rule]]\nname = 'a'",
        "[[rules]]",
        "[[rule]]\nname='a'\naction='escalate'\npriority=1",
        "=",
    ] {
        let found = problems(source);
        assert_eq!(found.len(), 1, "{source}");
        assert!(found[0].span.is_some(), "{source}");
    }
    assert!(Rules::parse("").unwrap().screen("anything").is_none());
}

#[test]
fn limits_hold() {
    let phrase = "a ".repeat(300);
    let many = format!("[[rule]]\nname='a'\naction='escalate'\nphrases.en=['{phrase}']");
    assert!(problems(&many)[0].message.contains("longer than 400"));
    let rule = |n: usize| format!("[[rule]]\nname='a{n}'\naction='escalate'\ndescription='x'\n");
    let rules: String = (0..65).map(rule).collect();
    assert!(problems(&rules)[0].message.contains("65 rules"));
    let class = |from: &str, to: &str| {
        format!(
            "{to} = [{}]\n",
            vec![format!("'x <{from}> <{from}>'"); 40].join(",")
        )
    };
    let deep = format!(
        "[vocabulary.en]\na=['y']\n{}{}{}",
        class("a", "b"),
        class("b", "c"),
        class("c", "d")
    );
    let deep = format!("{deep}[[rule]]\nname='a'\naction='escalate'\nphrases.en=['<d>']");
    assert!(
        problems(&deep)[0].message.contains("unfold"),
        "{:?}",
        problems(&deep)
    );
    // Phrases that are short as they are written, and long as they unfold.
    let class = vec!["'x y z'"; 500].join(",");
    let phrase = |times: usize| {
        let phrase = "<c> ".repeat(times);
        format!(
            "[vocabulary.en]\nc=[{class}]\n[[rule]]\nname='a'\naction='escalate'\nphrases.en=['{phrase}']"
        )
    };
    assert!(Rules::parse(&phrase(1)).is_ok());
    assert!(
        problems(&phrase(2))[0].message.contains("more than 2000"),
        "{:?}",
        problems(&phrase(2))
    );
}

#[test]
fn the_shipped_rules_speak_every_language() {
    let shipped = Rules::parse(SHIPPED).unwrap();
    for (rule, text_rule) in shipped.iter().enumerate() {
        // The way back from people is found by phrases alone: no model is asked while people have the conversation.
        let is_told = text_rule.action != Action::Return && !text_rule.is_by_condition();
        assert_eq!(
            text_rule.description.is_some(),
            is_told,
            "{}",
            text_rule.name
        );
        let phrases: Vec<_> = shipped
            .meanings
            .iter()
            .filter(|m| m.rule == rule && !m.except)
            .collect();
        for language in LANGUAGES {
            let spoken = phrases
                .iter()
                .any(|meaning| meaning.language.code() == language);
            assert_eq!(
                spoken,
                !phrases.is_empty(),
                "{} in {language}",
                text_rule.name
            );
        }
    }
    for name in ["opt_out", "opt_in", "human_requested"] {
        assert!(shipped.get(name).is_some(), "{name}");
    }
}

#[test]
fn the_shipped_rules_hear_what_customers_mean() {
    let shipped = Rules::parse(SHIPPED).unwrap();
    for (text, rule) in [
        (
            "this bot is hopeless, get me one of your colleagues",
            Some("human_requested"),
        ),
        (
            "I don't want another bot, I want a human to answer",
            Some("human_requested"),
        ),
        ("I really don't want a human to answer", None),
        ("My sister wants to chat with an advisor", None),
        (
            "the button says “please talk to an advisor now”, which one?",
            None,
        ),
        (
            "porfa comunícame con alguien q sepa",
            Some("human_requested"),
        ),
        ("no hace falta que un asesor me llame", None),
        (
            "dá pra me passar pra uma pessoa de vdd?",
            Some("human_requested"),
        ),
        ("não precisa chamar o gerente", None),
        ("jveux parler a qqn de competent", Some("human_requested")),
        ("pas besoin de déranger un conseiller", None),
        (
            "koennten sie mich zu einem kollegen durchstellen",
            Some("human_requested"),
        ),
        ("ich brauche keinen Berater, danke", None),
        ("ｵﾍﾟﾚｰﾀｰにつないでくれませんか", Some("human_requested")),
        ("主人に代わって予約しています", None),
        ("STOPPP!!", Some("opt_out")),
        ("stop the delivery on Monday", None),
        ("pls take my number off ur list", Some("opt_out")),
        ("no me manden más propaganda", Some("opt_out")),
        ("tirem meu número dessa lista", Some("opt_out")),
        ("arrêtez de me relancer", Some("opt_out")),
        ("bitte keine Werbung mehr", Some("opt_out")),
        ("もうメルマガは送らないでください", Some("opt_out")),
        ("Representative!", Some("human_hinted")),
        ("human agent", Some("human_requested")),
        ("un operador", Some("human_hinted")),
        ("operador humano", Some("human_requested")),
        ("suporte", Some("human_hinted")),
        ("un vrai conseiller", Some("human_requested")),
        ("service client", Some("human_hinted")),
        ("Kundendienst bitte", Some("human_hinted")),
        ("ein Mensch", Some("human_requested")),
        ("担当者", Some("human_hinted")),
        ("担当者お願い", Some("human_requested")),
        ("this is absolutely unacceptable!!", Some("upset")),
        ("Das ist doch eine Frechheit", Some("upset")),
        ("ふざけるな！", Some("upset")),
        ("This is ridiculous, where is my parcel?", None),
        ("yes please", None),
        ("START", Some("opt_in")),
        ("quiero volver a recibir sus mensajes", Some("opt_in")),
        ("配信再開", Some("opt_in")),
        ("How much is the blue one?", None),
        ("", None),
    ] {
        assert_eq!(name_of(&shipped, text), rule, "{text}");
    }
}

/// Gives the rule that fits after an offer.
fn after_offer<'a>(rules: &'a Rules, text: &str) -> Option<&'a str> {
    let profile = Profile::default();
    let now = Circumstances {
        profile: &profile,
        failed_attempts: 0,
        offer: Offer::Open,
        is_open: true,
    };
    let mut heard = rules.heard(text).into_iter();
    let hit = heard.find(|hit| hit.rule.applies(&now))?;
    Some(hit.rule.name.as_str())
}

#[test]
fn a_yes_is_heard_in_every_language_and_only_where_it_is_the_answer() {
    let shipped = Rules::parse(SHIPPED).unwrap();
    for text in [
        "Yes",
        "yes please!",
        "ok, sure",
        "Yes, I'd like that",
        "please do",
        "Sí, por favor",
        "claro que sí",
        "vale",
        "Sim, pode chamar",
        "com certeza",
        "Oui, volontiers",
        "d’accord",
        "je veux bien",
        "Ja gerne",
        "ja, bitte",
        "das wäre super",
        "はい",
        "はい、お願いします",
        "お願いいたします",
    ] {
        assert_eq!(
            after_offer(&shipped, text),
            Some("offer_accepted"),
            "{text}"
        );
        assert_eq!(name_of(&shipped, text), None, "{text}");
    }
    for text in [
        "no",
        "no thanks",
        "Yes but first tell me your opening hours",
        "not now",
        "non merci",
        "nein danke",
        "いいえ",
        "lieber nicht",
        "não, obrigado",
        "ahora no",
    ] {
        assert_eq!(after_offer(&shipped, text), None, "{text}");
    }
}

#[test]
fn conditions_hold_or_do_not() {
    let with = |conditions: &str| {
        let source =
            format!("[[rule]]\nname = 'a'\naction = 'escalate'\n[rule.when]\n{conditions}");
        Rules::parse(&source).unwrap_or_else(|wrong| panic!("{conditions}: {wrong:?}"))
    };
    let profile = serde_json::json!({
        "vip": "true", "gold": true, "tier": "Plátinum", "orders": "12", "spent": 99.5, "city": "", "tags": ["a"],
    });
    let profile: Profile = crate::redact::Private(profile.as_object().unwrap().clone());
    for (conditions, holds) in [
        ("profile.vip = true", true),
        ("profile.vip = false", false),
        ("profile.gold = true", true),
        ("profile.gold = 'TRUE'", true),
        ("profile.tier = 'platinum'", true),
        ("profile.tier = ['gold', 'PLATINUM']", true),
        ("profile.tier = '!=platinum'", false),
        ("profile.tier = '!=gold'", true),
        ("profile.orders = 12", true),
        ("profile.orders = '>= 12'", true),
        ("profile.orders = '>12'", false),
        ("profile.orders = '<13'", true),
        ("profile.orders = ['11', 12]", true),
        ("profile.orders = '!=12'", false),
        ("profile.spent = '<=99.5'", true),
        ("profile.spent = '=99.5'", true),
        ("profile.tier = '>1'", false),
        ("profile.city = '!=Rome'", false),
        ("profile.nothing = '!=x'", false),
        ("profile.tags = 'a'", false),
        ("profile.vip = true\nprofile.orders = '>50'", false),
        ("failed_attempts = 3", true),
        ("failed_attempts = '>=4'", false),
        ("failed_attempts = [2, 3]", true),
        ("hours = 'closed'", true),
        ("hours = 'open'", false),
        ("after_offer = true", false),
        ("after_offer = false", true),
    ] {
        let rules = with(conditions);
        let rule = rules.get("a").unwrap();
        let now = Circumstances {
            profile: &profile,
            failed_attempts: 3,
            offer: Offer::Made,
            is_open: false,
        };
        assert_eq!(rule.applies(&now), holds, "{conditions}");
        assert!(rule.is_by_condition());
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_told_with_its_cure() {
    let rule = |rest: &str| format!("[[rule]]\nname = 'a'\ndescription = 'x'\n{rest}");
    for (rest, told) in [
        (
            "action = 'handoff'",
            "there is no action `handoff` (use `escalate`)",
        ),
        ("action = 'dance'", "`opt_out` or `opt_in`)"),
        ("action = 'assistant'", "needs to know which one"),
        (
            "action = 'ignore'\nassistant = 'b'",
            "`rule[0].assistant`: only the action `assistant`",
        ),
        (
            "action = 'ignore'\ntext = 'b'",
            "`rule[0].text`: only the actions `reply` and `offer`",
        ),
        (
            "action = 'ignore'\nwhen = { hours = 'late' }",
            "`rule[0].when.hours`: people are not `late`",
        ),
        (
            "action = 'ignore'\nwhen = { profile = { x = [] } }",
            "`rule[0].when.profile.x`: is one of none",
        ),
        (
            "action = 'ignore'\nwhen = { profile = { x = '>=gold' } }",
            "compares with `gold`, which is no number",
        ),
        (
            "action = 'ignore'\nwhen = { profile = { x = '' } }",
            "meets no condition",
        ),
        (
            "action = 'ignore'\nwhen = { profile = { x = { y = 1 } } }",
            "is a table",
        ),
        (
            "action = 'ignore'\nwhen = { failed_attempts = 'many' }",
            "compared with something else",
        ),
        (
            "action = 'ignore'\nwhen = { attempts = 3 }",
            "unknown field `attempts`",
        ),
    ] {
        let found = problems(&rule(rest));
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            shown.iter().any(|line| line.contains(told)),
            "{rest}: {shown:#?}"
        );
        assert!(
            found.iter().all(|problem| problem.span.is_some()),
            "{found:#?}"
        );
    }
}
