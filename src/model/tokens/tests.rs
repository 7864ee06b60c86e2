//! What a server's reports do to the estimate, and what none of them can do.

use proptest::prelude::*;

use super::*;
use crate::fuzz;

/// A piece of text in each script.
const PIECES: [&str; WEIGHTS.len()] = [
    "Where is my order? I paid on Monday, no. 4711. ",
    "Где мой заказ, пожалуйста? ",
    "أين طلبي من فضلك؟ ",
    "मेरा ऑर्डर कहाँ है? ",
    "注文した商品がまだ届きません。",
    "👍🏽🎉❤️",
];

/// Counts as a server would whose characters take so many tokens, in thousandths.
fn server(ratios: [u64; WEIGHTS.len()], scripts: &Scripts) -> u64 {
    let counts = scripts.counts.iter().zip(ratios);
    let letters: u64 = counts.map(|(count, ratio)| u64::from(*count) * ratio).sum();
    letters.div_ceil(1_000) + u64::from(scripts.texts) * 3
}

/// Gives questions as they come: an English prompt, and customers who write one script each, some at length.
fn questions(count: usize) -> impl Iterator<Item = Scripts> {
    let prompt = Scripts::of(&PIECES[0].repeat(40));
    (0..count).map(move |number| {
        let said = PIECES[number % PIECES.len()].repeat(1 + (number * 7) % 40);
        [prompt, Scripts::of(&said), Scripts::of(PIECES[0])]
            .into_iter()
            .sum()
    })
}

#[test]
fn each_script_has_its_own_count() {
    for (place, piece) in PIECES.iter().enumerate() {
        let scripts = Scripts::of(piece);
        let most = scripts.counts.iter().max().unwrap();
        assert_eq!(scripts.counts[place], *most, "{piece}");
        let all: u32 = scripts.counts.iter().sum();
        assert_eq!(usize::try_from(all).unwrap(), piece.chars().count());
    }
}

#[test]
fn before_anything_is_learned_the_estimate_is_safe() {
    let ruler = Ruler::default();
    assert_eq!(ruler.measure(""), 4);
    assert_eq!(ruler.measure("ninechars"), 3 + 4 + 1);
    assert_eq!(ruler.measure("世界"), 2 + 4);
    assert_eq!(ruler.measure("👍"), 2 + 4);
    assert!(ruler.measure("привет мир") > ruler.measure("hello world"));
}

#[test]
fn the_first_texts_are_kept_as_far_as_they_fit() {
    let ruler = Ruler::default();
    assert_eq!(ruler.fitting(["世界", "世", "世界世界"], 11), 2);
    assert_eq!(ruler.fitting(["世界", "世", "世界世界"], 10), 1);
    assert_eq!(ruler.fitting(["世界世界", ""], 7), 0);
    assert_eq!(ruler.fitting(["世界"], usize::MAX), 1);
}

#[test]
fn what_a_server_counts_is_learned_for_each_script() {
    let new = [220, 280, 330, 300, 700, 1_400];
    let old = [260, 520, 900, 1_500, 1_300, 2_600];
    let bytes = [1_000, 1_900, 1_800, 2_900, 3_000, 3_500];
    for ratios in [new, old, bytes] {
        let ruler = Ruler::default();
        for scripts in questions(3_000) {
            ruler.learn(&scripts, server(ratios, &scripts));
        }
        for piece in PIECES {
            let scripts = Scripts::of(&piece.repeat(20));
            let (ours, theirs) = (
                ruler.tokens(&scripts),
                usize::try_from(server(ratios, &scripts)).unwrap(),
            );
            let off = ours.abs_diff(theirs);
            assert!(off * 8 < theirs, "{ours} for {theirs}: {piece}");
        }
    }
}

#[test]
fn a_few_reports_are_enough_for_one_script() {
    let (ruler, scripts) = (Ruler::default(), Scripts::of(&PIECES[0].repeat(40)));
    let theirs = server([220; 6], &scripts);
    for _ in 0..40 {
        ruler.learn(&scripts, theirs);
    }
    let (ours, theirs) = (ruler.tokens(&scripts), usize::try_from(theirs).unwrap());
    assert!(ours.abs_diff(theirs) * 50 < theirs, "{ours} for {theirs}");
}

#[test]
fn what_one_handle_learns_the_others_know() {
    let (ruler, text) = (Ruler::default(), PIECES[0].repeat(40));
    let other = ruler.clone();
    ruler.learn(&Scripts::of(&text), 100_000);
    assert!(other.measure(&text) > Ruler::default().measure(&text));
}

#[test]
fn a_report_that_cannot_be_teaches_nothing() {
    let (ruler, text) = (Ruler::default(), PIECES[0].repeat(40));
    let before = ruler.measure(&text);
    ruler.learn(&Scripts::of(&text), 0);
    ruler.learn(&Scripts::of(&text), LONGEST + 1);
    ruler.learn(&Scripts::of(&text), u64::MAX);
    assert_eq!(ruler.measure(&text), before);
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn no_reports_take_the_estimate_out_of_its_bounds(
        texts in prop::collection::vec((fuzz::text(), 1_usize..400, any::<u64>()), 0..40),
        text in fuzz::text(),
    ) {
        let ruler = Ruler::default();
        for (said, times, reported) in texts {
            let scripts = Scripts::of(&said.repeat(times));
            ruler.learn(&scripts, reported);
            ruler.learn(&scripts, reported % LONGEST);
        }
        let chars = text.chars().count();
        let tokens = ruler.measure(&text);
        prop_assert!(tokens >= 4 + chars / 8, "{tokens} tokens");
        prop_assert!(tokens <= 4 + chars * 4, "{tokens} tokens");
    }

    #[test]
    fn one_report_moves_the_estimate_by_an_eighth_at_most(
        text in fuzz::text(),
        times in 1_usize..400,
        reported in 1..LONGEST,
    ) {
        let (ruler, scripts) = (Ruler::default(), Scripts::of(&text.repeat(times)));
        let before = ruler.tokens(&scripts);
        ruler.learn(&scripts, reported);
        ruler.learn(&Scripts::default(), reported);
        let after = ruler.tokens(&scripts);
        prop_assert!(after.abs_diff(before) <= before / 8 + 1, "{before} became {after}");
    }

    #[test]
    fn counts_that_overflow_do_not_break_it(counts in any::<[u32; 6]>(), texts in any::<u32>(), reported in any::<u64>()) {
        let (ruler, mut scripts) = (Ruler::default(), Scripts { counts, texts });
        ruler.learn(&scripts, reported);
        scripts += scripts;
        ruler.learn(&scripts, reported % LONGEST);
        let _ = ruler.tokens(&scripts);
    }
}
