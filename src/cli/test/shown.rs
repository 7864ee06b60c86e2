//! Results for people, for continuous integration, and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::run::{Line, Ran};

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Shows one test: a line where it passed, all that there is to know where it did not.
pub(super) fn one(ran: &Ran) {
    let Ran { test, .. } = ran;
    let place = format!("{DIM}{}:{}{PLAIN}", test.file, test.line);
    if ran.is_left_out {
        let why = ran.skipped.join("; ");
        anstream::println!(
            "{YELLOW}skip{PLAIN} {} {DIM}({why}){PLAIN}",
            test.description
        );
    } else if ran.failures.is_empty() {
        anstream::println!("{GREEN}pass{PLAIN} {}", test.description);
    } else {
        anstream::println!("{RED}FAIL{PLAIN} {}\n     {place}", test.description);
        anstream::print!("{}", indented(&told(ran)));
    }
    for skipped in ran.skipped.iter().filter(|_| !ran.is_left_out) {
        anstream::println!("     {YELLOW}skipped{PLAIN} {skipped}");
    }
}

/// Shows how many passed.
pub(super) fn summary(ran: &[Ran]) {
    let counts = Counts::of(ran);
    let seconds = ran
        .iter()
        .map(|one| one.took.as_secs_f64())
        .fold(0.0, f64::max);
    let failed = match counts.failed {
        0 => String::new(),
        failed => format!(", {RED}{failed} failed{PLAIN}"),
    };
    let skipped = match counts.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let judged: usize = ran
        .iter()
        .filter(|one| !one.is_left_out)
        .map(|one| one.skipped.len())
        .sum();
    let judged = match judged {
        0 => String::new(),
        judged => format!(", {judged} assertions not judged"),
    };
    anstream::println!(
        "\n{} passed{failed}{skipped}{judged} {DIM}(the longest took {seconds:.1} s){PLAIN}",
        counts.passed
    );
}

struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn of(ran: &[Ran]) -> Self {
        let failed = ran.iter().filter(|one| !one.failures.is_empty()).count();
        let skipped = ran.iter().filter(|one| one.is_left_out).count();
        Self {
            passed: ran.len() - failed - skipped,
            failed,
            skipped,
        }
    }
}

/// Gives all failures of a test, and the conversation.
fn told(ran: &Ran) -> String {
    let mut text = String::new();
    for failed in &ran.failures {
        let turn = match failed.turn {
            0 => String::new(),
            turn => format!("turn {turn}, "),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "{turn}line {}, {}: {}",
            failed.line, failed.name, failed.message
        );
    }
    if !ran.conversation.is_empty() {
        text.push_str("the conversation:\n");
    }
    for Line { who, what } in &ran.conversation {
        let _ = writeln!(text, "  {who:>9}: {}", what.replace('\n', " ⏎ "));
    }
    text
}

fn indented(text: &str) -> String {
    text.lines()
        .fold(String::new(), |all, line| all + "     " + line + "\n")
}

/// Gives the results as `JUnit` has them: a suite for each file.
pub(super) fn junit(ran: &[Ran]) -> String {
    let total = Counts::of(ran);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        ran.len(),
        total.failed,
        total.skipped
    );
    for suite in ran.chunk_by(|one, other| one.test.file == other.test.file) {
        let (counts, file) = (Counts::of(suite), escaped(&suite[0].test.file));
        let seconds: f64 = suite.iter().map(|one| one.took.as_secs_f64()).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{seconds:.3}\">",
            suite.len(),
            counts.failed,
            counts.skipped
        );
        for one in suite {
            case(one, &mut xml);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml + "</testsuites>\n"
}

fn case(ran: &Ran, xml: &mut String) {
    let test = &ran.test;
    let _ = write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
        escaped(&test.description),
        escaped(&ran.assistant),
        escaped(&test.file),
        test.line,
        ran.took.as_secs_f64()
    );
    if let Some(first) = ran.failures.first() {
        let _ = writeln!(
            xml,
            ">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>",
            escaped(&first.name),
            escaped(&first.message),
            escaped(&told(ran))
        );
    } else if ran.is_left_out {
        let why = escaped(&ran.skipped.join("; "));
        let _ = writeln!(
            xml,
            ">\n      <skipped message=\"{why}\"/>\n    </testcase>"
        );
    } else {
        xml.push_str("/>\n");
    }
}

/// Writes a text so that XML can hold it; what it cannot hold at all becomes a question mark.
fn escaped(text: &str) -> String {
    let letter = |letter: char| match letter {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&apos;".to_owned(),
        '\n' | '\t' => format!("&#{};", u32::from(letter)),
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "?".to_owned(),
        letter => letter.to_string(),
    };
    text.chars().map(letter).collect()
}

/// Gives the results as JSON.
pub(super) fn json(ran: &[Ran]) -> Value {
    let counts = Counts::of(ran);
    json!({
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "tests": ran.iter().map(test).collect::<Vec<_>>(),
    })
}

fn test(ran: &Ran) -> Value {
    let result = match (ran.is_left_out, ran.failures.is_empty()) {
        (true, _) => "skipped",
        (_, true) => "passed",
        (_, false) => "failed",
    };
    let failures = ran.failures.iter().map(|failed| {
        json!({
            "turn": failed.turn, "line": failed.line, "type": failed.name, "message": failed.message,
        })
    });
    let lines = ran.conversation.iter();
    json!({
        "file": ran.test.file,
        "line": ran.test.line,
        "description": ran.test.description,
        "assistant": ran.assistant,
        "result": result,
        "seconds": ran.took.as_secs_f64(),
        "failures": failures.collect::<Vec<_>>(),
        "not_judged": ran.skipped,
        "texts": pairs("key", &ran.texts),
        "rules": pairs("rule", &ran.rules),
        "conversation": lines.map(|line| json!({ "who": line.who, "what": line.what })).collect::<Vec<_>>(),
    })
}

/// Gives what was met, each with its language.
fn pairs(name: &str, met: &[(String, String)]) -> Value {
    let pair = |(what, language): &(String, String)| json!({ name: what, "language": language });
    met.iter().map(pair).collect()
}
