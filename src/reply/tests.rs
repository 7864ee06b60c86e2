use proptest::prelude::*;

use super::*;
use crate::fuzz;

fn all(_: &str) -> bool {
    true
}

fn none(_: &str) -> bool {
    false
}

#[track_caller]
fn becomes(text: &str, markup: &str) {
    assert_eq!(shown(text, &all), markup, "of {text:?}");
}

#[track_caller]
fn stays(text: &str) {
    becomes(text, text);
}

fn messages(text: &str) -> Vec<String> {
    Form::default().messages(text)
}

#[test]
fn liquid_is_broken_up_and_all_else_kept() {
    for (text, leaves) in [
        ("{{user}} {% if %} }}}}", "{ {user} } { % if % } } } } }"),
        ("{a} 100% } fine", "{a} 100% } fine"),
        ("{{{{", "{ { { {"),
    ] {
        assert_eq!(messages(text), [leaves]);
    }
    let template = Form {
        template: Some(0),
        ..Form::default()
    };
    assert_eq!(template.messages("{\n{user}\n}"), ["{ {user} }"]);
    let entities = shown("&#123;&#123;user&#125;&#125; **x**", &all);
    assert_eq!(messages(&entities), ["{ {user} } *x*"]);
}

#[test]
fn bold_italic_and_strike_become_whatsapps() {
    becomes("**Hours**: 9 to 5", "*Hours*: 9 to 5");
    becomes("__Hours__: 9 to 5", "*Hours*: 9 to 5");
    becomes(
        "**bold** and *leaning* and _so_",
        "*bold* and _leaning_ and _so_",
    );
    becomes("***both*** now", "_*both*_ now");
    becomes("~~10 €~~ 8 €", "~10 €~ 8 €");
    becomes("**a *b* c**", "*a _b_ c*");
    // WhatsApp shows marks at the edges of words only, and on one line.
    becomes("un**believ**able", "unbelievable");
    becomes("**one\ntwo**", "one\ntwo");
    becomes("****twice****", "*twice*");
    becomes("**重要**なお知らせ", "重要なお知らせ");
    becomes("**重要**：お知らせ", "*重要*：お知らせ");
}

#[test]
fn what_is_whatsapps_markup_already_or_none_stays() {
    stays("*bold* and _leaning_ and ~struck~ and `code` and ```mono```");
    stays("- one\n- two\n* three\n1. four\n2. five\n> quoted");
    stays("```\nlet x = **y**;\n```");
    stays("#1 in town, array[0](x), 5 * 3 * 2 = 30, snake_case_name, 2**3");
    stays("Regards\n--\nAcme");
    stays("Write <name> and <3 to us; a < b > c & d");
    stays("2026. A year. ¯\\_(ツ)_/¯ C:\\_new\\*");
    stays("https://a.example/__x__/*y*?a=1&b=2");
    stays("One line\nand the next\n\nand a paragraph");
    stays("[note]: this is not a link\n[1] nor this");
}

#[test]
fn headings_rules_and_quotes_become_lines() {
    becomes("# Today\nWe are open.", "*Today*\nWe are open.");
    becomes("### **Today** ###\nopen", "*Today*\nopen");
    becomes("Today\n=====\nopen", "*Today*\nopen");
    becomes("We are open.\n---\nUntil 5.", "We are open.\n\nUntil 5.");
    becomes("One\n\n---\n\nTwo\n\n***\n\nThree", "One\n\nTwo\n\nThree");
    becomes("## See https://a.example", "See https://a.example");
    becomes("> **Note**\n> open", "> *Note*\n> open");
    becomes("+ one\n+ two", "- one\n- two");
}

#[test]
fn links_and_images_become_words_and_addresses() {
    becomes(
        "See [our page](https://a.example/x).",
        "See our page: https://a.example/x.",
    );
    becomes(
        "[https://a.example](https://a.example)",
        "https://a.example",
    );
    becomes(
        "[a.example](https://www.a.example/)",
        "https://www.a.example/",
    );
    becomes("<https://a.example/x>", "https://a.example/x");
    becomes(
        "![The shop](https://a.example/x.png \"Shop\")",
        "The shop: https://a.example/x.png",
    );
    becomes("[write us](mailto:hi@a.example)", "write us: hi@a.example");
    becomes(
        "[**bold** words](https://a.example/a_(b))",
        "*bold* words: https://a.example/a_(b)",
    );
    becomes(
        "[words][1]\n\n[1]: https://a.example/1",
        "words: https://a.example/1\n\n[1]: https://a.example/1",
    );
    assert_eq!(
        shown("See [our page](https://evil.example) now", &none),
        "See our page now"
    );
    assert_eq!(
        shown(
            "See [x](https://evil.example), [https://evil.example](https://evil.example)",
            &none
        ),
        "See x,"
    );
}

#[test]
fn tables_become_lines() {
    becomes(
        "Our hours:\n\n| Day | Hours |\n|---|---|\n| **Mon** | 9-5 |\n| Sun | closed |\n\nCome by.",
        "Our hours:\n\n- *Mon*: 9-5\n- Sun: closed\n\nCome by.",
    );
    becomes(
        "| Size | Price | In stock |\n|:--|--:|---|\n| S | 10 € | yes |\n| M \\| L | 12 € | |",
        "- S – Price: 10 €; In stock: yes\n- M | L – Price: 12 €",
    );
    becomes("| a | b |\n|---|---|", "a – b");
}

#[test]
fn code_entities_escapes_and_html_are_understood() {
    becomes("```python\nx = 1\n```", "```\nx = 1\n```");
    becomes("~~~\nx = 1\n~~~\n**y**", "```\nx = 1\n```\n*y*");
    becomes("```\nnever closed", "```\nnever closed\n```");
    becomes(
        "**AT&amp;T** &lt;3 &nbsp;x `&amp;`",
        "*AT&T* <3 \u{a0}x `&amp;`",
    );
    becomes("**5 \\* 3** \\_x\\_", "*5 * 3* _x_");
    becomes("one<br>two<br/>three<BR />four", "one\ntwo\nthree\nfour");
    becomes(
        "<b>Hours</b> <em>now</em> <a href=\"https://a.example\">here</a>",
        "*Hours* _now_ here: https://a.example",
    );
    assert_eq!(
        shown("<a href='https://evil.example'>here</a>", &none),
        "here"
    );
    becomes("<ul><li>one</li>\n<li>two</li></ul>", "- one\n- two");
    becomes("a <!-- hidden --> b", "a  b");
}

#[test]
fn a_long_text_is_split_between_paragraphs() {
    let paragraph = |letter: &str, length: usize| letter.repeat(length);
    let text = format!(
        "{}\n\n{}\n\n{}",
        paragraph("a", 3_000),
        paragraph("b", 1_000),
        paragraph("c", 2_000)
    );
    let parts = messages(&text);
    assert_eq!(parts.len(), 2);
    assert_eq!(
        parts[0],
        format!("{}\n\n{}", paragraph("a", 3_000), paragraph("b", 1_000))
    );
    assert_eq!(parts[1], paragraph("c", 2_000));
    assert_eq!(messages("short"), ["short"]);
    assert!(messages(" \n\t ").is_empty());
}

#[test]
fn nothing_that_belongs_together_is_cut_apart() {
    let fill = "word ".repeat(800);
    for whole in [
        "https://a.example/a-long-path/that-goes/on-and-on/for-a-while/until/it/ends/some/where"
            .to_owned(),
        format!("\n- an item {}", "of a list ".repeat(20).trim()),
        format!("`code {}`", "that is long ".repeat(10).trim()),
        format!("*bold {}*", "that is long ".repeat(10).trim()),
        format!("\n```\n{}\n```", "line\n".repeat(30).trim()),
        "👩‍👩‍👧‍👦".to_owned(),
        "🇪🇸".to_owned(),
        "é".to_owned(),
    ] {
        for shift in 0..150 {
            let text = format!("{}{whole} and then {}", &fill[shift..], "more ".repeat(60));
            let parts = messages(&text);
            assert_eq!(parts.len(), 2, "{whole}");
            assert!(
                parts.iter().any(|part| part.contains(whole.trim())),
                "{whole} at {shift}"
            );
        }
    }
}

#[test]
fn what_is_longer_than_all_messages_ends_with_a_sign_of_it() {
    let long = "A sentence that ends. ".repeat(600);
    let parts = messages(&long);
    assert_eq!(parts.len(), 2);
    assert!(
        parts[1].ends_with("ends.…"),
        "{}",
        &parts[1][parts[1].len() - 20..]
    );
    let unbroken = messages(&"字".repeat(9_000));
    assert_eq!(
        unbroken
            .iter()
            .map(|part| parts::units(part))
            .collect::<Vec<_>>(),
        [4_096, 4_096]
    );
    assert!(unbroken[1].ends_with('…'));
    let one = Form {
        parts: 1,
        template: None,
    };
    assert_eq!(one.messages(&long).len(), 1);
}

#[test]
fn a_template_gets_one_line_that_fits() {
    let template = Form {
        parts: 5,
        template: Some(24),
    };
    assert_eq!(
        template.messages("Hello!\n\nWe have:\n- one\n* two\n> quoted\n\tand      more\u{2028}x"),
        ["Hello! We have: • one • two quoted and more x"]
    );
    let long = template.messages(&"A sentence that ends. ".repeat(100));
    assert_eq!(long.len(), 1);
    assert!(
        parts::units(&long[0]) <= 1_000 && long[0].ends_with("ends.…"),
        "{}",
        long[0]
    );
    assert!(template.messages("\n\n").is_empty());
}

/// What a model writes that knows Markdown, HTML and Liquid, long and short.
fn written() -> impl Strategy<Value = String> {
    let mark = prop::sample::select(vec![
        "{",
        "}",
        "%",
        "{{",
        "}}",
        "{%",
        "%}",
        "{%-",
        "-}}",
        "**",
        "__",
        "*",
        "_",
        "~~",
        "~",
        "`",
        "```",
        "```\n",
        "[",
        "](http://a)",
        "](",
        ")",
        "# ",
        "###### ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "> ",
        "| a | b |\n|---|---|\n| c | d |\n",
        "---\n",
        "===\n",
        "<br>",
        "<b>",
        "</b>",
        "<a href=\"https://x.example\">",
        "</a>",
        "<!--",
        "-->",
        "&#123;",
        "&amp;",
        "\\",
        ". ",
        " ",
        "\u{200b}",
        "字",
        "😀",
        "👩‍👧",
        "https://a.example/x_y__z*",
        "\r\n",
        "\t",
        "word",
    ]);
    let piece = prop_oneof![6 => mark.prop_map(str::to_owned), 1 => fuzz::text()];
    let some = prop::collection::vec(
        (piece, prop_oneof![12 => Just(1_usize), 1 => 1..3_000_usize]),
        0..16,
    );
    some.prop_map(|pieces| {
        pieces
            .into_iter()
            .map(|(piece, times)| piece.repeat(times))
            .collect()
    })
}

/// What is WhatsApp's markup already.
fn marked() -> impl Strategy<Value = String> {
    let inline = prop::sample::select(vec![
        "*bold*",
        "_leaning_",
        "~struck~",
        "`code`",
        "```mono```",
        "plain words",
        "Hola, ¿qué tal?",
        "https://a.example/x",
        "営業時間は9時から",
        "😀",
        "*two words*",
        "_*both*_",
        "3 * 4",
        "(*x*)",
    ]);
    let line = prop::collection::vec(inline, 1..4).prop_map(|words| words.join(" "));
    let start = prop::sample::select(vec!["", "- ", "1. ", "2. ", "> "]);
    let line = (start, line).prop_map(|(start, line)| format!("{start}{line}"));
    let gap = prop::sample::select(vec!["\n", "\n\n"]);
    prop::collection::vec((line, gap), 1..8).prop_map(|lines| {
        let text: String = lines.into_iter().map(|(line, gap)| line + gap).collect();
        text.trim().to_owned()
    })
}

fn form() -> impl Strategy<Value = Form> {
    let template = prop::option::of(0..1_000_usize);
    (1..=PARTS_MAX, template).prop_map(|(parts, template)| Form { parts, template })
}

fn letters(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace())
        .collect()
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn nothing_that_leaves_is_liquid_or_too_long_or_empty(text in written(), form in form()) {
        let shown = shown(&text, &all);
        for words in [&text, &shown] {
            let leaves = form.messages(words);
            prop_assert!(leaves.len() <= form.parts.max(1));
            for message in &leaves {
                for tag in ["{{", "}}", "{%", "%}"] {
                    prop_assert!(!message.contains(tag), "{}", message);
                }
                let limit = form.template.map_or(WHATSAPP_TEXT, |fixed| TEMPLATE_TEXT - fixed);
                prop_assert!(parts::units(message) <= limit);
                prop_assert!(!message.trim().is_empty());
                prop_assert!(form.template.is_none() || !message.contains(['\n', '\t', '\r']) && !message.contains("     "));
            }
            // What is split is not changed.
            let whole = form.template.is_none() && !leaves.last().is_some_and(|last| last.ends_with('…'));
            if whole && words.chars().count() <= LOOKED_AT {
                prop_assert_eq!(letters(&leaves.concat()), letters(words));
            }
        }
    }

    #[test]
    fn what_is_shown_once_is_shown_so_again(text in written()) {
        let once = shown(&text, &all);
        if once.chars().count() < 3_000 {
            prop_assert_eq!(shown(&once, &all), once);
        }
    }

    #[test]
    fn whatsapps_own_markup_stays(text in marked()) {
        prop_assert_eq!(shown(&text, &all), text);
    }

    #[test]
    fn a_short_text_without_marks_leaves_as_it_is(text in "[^\\s{}%*_\\[\\]#\\p{C}&<>`~|\\\\+=-][^{}%*_\\[\\]#\\p{C}&<>`~|\\\\\r+=-]{0,40}") {
        prop_assert_eq!(messages(&shown(&text, &all)), [text.trim().to_owned()]);
    }
}
