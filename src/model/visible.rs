//! What a person sees of a text: without the letters that only machines see. A model would read what is hidden in them, and
//! two texts that look alike would be two. What joins letters and pictures where scripts need it stays.

use std::borrow::Cow;

/// Flags that are written with letters nobody sees: England, Scotland, Wales.
const TAGGED_FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// The flag that such letters follow, and the letter that ends them.
const FLAG: char = '\u{1f3f4}';
const END_OF_TAGS: char = '\u{e007f}';

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Gives a text without what nobody sees.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_suspect) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        let before = kept.chars().next_back();
        if letter == FLAG
            && let Some(tags) = flag_tags(rest.as_str())
        {
            kept.push(letter);
            kept.push_str(tags);
            rest = rest.as_str()[tags.len()..].chars();
        } else if !is_suspect(letter) || is_needed(letter, before, rest.clone().next()) {
            kept.push(letter);
        }
    }
    Cow::Owned(kept)
}

/// Tells whether a letter is nothing that a person sees, unless something near it needs it.
fn is_suspect(letter: char) -> bool {
    match letter {
        '\n' | '\r' | '\t' => false,
        // Soft hyphen, joiner of graphemes, mark of Arabic, fillers of Hangul, vowels of Khmer, marks of Mongolian.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
        // Of no width, of direction, of invisible mathematics; marks of byte order and of notes.
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        // Variants of the letter before.
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
        // Shorthand, music, tags.
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' => true,
        letter => letter.is_control(),
    }
}

/// Tells whether a suspect letter is needed by its neighbours.
fn is_needed(letter: char, before: Option<char>, after: Option<char>) -> bool {
    let Some(before) = before else {
        return false;
    };
    match letter {
        ZERO_WIDTH_JOINER => {
            is_joined(before) || (ends_picture(before) && after.is_some_and(is_picture))
        }
        ZERO_WIDTH_NON_JOINER => is_joined(before),
        // How a picture is shown, and the digit on a key.
        '\u{fe0e}' | '\u{fe0f}' => {
            is_picture(before) || (is_key(before) && after == Some('\u{20e3}'))
        }
        // Another form of a Chinese character, as names have it.
        '\u{e0100}'..='\u{e01ef}' | '\u{fe00}'..='\u{fe02}' => is_chinese(before),
        '\u{180b}'..='\u{180f}' => matches!(before, '\u{1820}'..='\u{18aa}'),
        _ => false,
    }
}

/// Gives the tags that follow a flag, where they make one that exists.
fn flag_tags(rest: &str) -> Option<&str> {
    let end = rest.find(END_OF_TAGS)?;
    let named = |code: &&str| {
        let tags = code
            .chars()
            .filter_map(|letter| char::from_u32(0xe0000 + u32::from(letter)));
        tags.eq(rest[..end].chars())
    };
    let is_one = TAGGED_FLAGS.iter().any(named);
    is_one.then(|| &rest[..end + END_OF_TAGS.len_utf8()])
}

/// Tells whether a letter is of a script whose letters are joined or kept apart by letters of no width.
fn is_joined(letter: char) -> bool {
    let is_such = matches!(letter,
        '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1780}'..='\u{18af}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    is_such && !is_suspect(letter)
}

/// Tells whether a picture may be joined to what follows: it ends in itself, in a colour of skin, in how it is shown.
fn ends_picture(letter: char) -> bool {
    is_picture(letter) || letter == '\u{fe0f}'
}

fn is_picture(letter: char) -> bool {
    matches!(letter,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

fn is_key(letter: char) -> bool {
    matches!(letter, '0'..='9' | '#' | '*')
}

fn is_chinese(letter: char) -> bool {
    matches!(letter,
        '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::of_no_width("I\u{200b} want\u{2060} a\u{feff} person", "I want a person")]
    #[case::of_direction("a\u{202e}b\u{2066}c\u{200f}", "abc")]
    #[case::soft_hyphen("per\u{ad}son", "person")]
    #[case::control("a\u{0}b\u{1b}[31mc\u{85}", "ab[31mc")]
    #[case::hangul_filler("\u{3164}hi\u{ffa0}", "hi")]
    #[case::hidden_words("hi\u{e0049}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065}", "hi")]
    #[case::hidden_in_variants("hi 😀\u{fe0f}\u{e0101}\u{e0152}\u{fe03}", "hi 😀\u{fe0f}")]
    #[case::hidden_behind_a_flag("\u{1f3f4}\u{e0068}\u{e0069}\u{e007f}", "\u{1f3f4}")]
    #[case::joiners_in_a_row("می\u{200c}\u{200c}\u{200d}خواهم", "می\u{200c}خواهم")]
    #[case::joiner_in_latin("pay\u{200d}pal", "paypal")]
    #[case::nothing_left("\u{200b}\u{2060}", "")]
    fn what_nobody_sees_is_taken_out(#[case] text: &str, #[case] seen: &str) {
        assert_eq!(visible(text), seen);
    }

    #[rstest]
    #[case::family("👩\u{200d}👩\u{200d}👧\u{200d}👦")]
    #[case::with_skin("👩🏽\u{200d}💻 👍🏿")]
    #[case::heart("❤\u{fe0f} ❤\u{fe0f}\u{200d}🔥")]
    #[case::key("1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3}")]
    #[case::rainbow("🏳\u{fe0f}\u{200d}🌈 🇪🇸")]
    #[case::scotland("\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}!")]
    #[case::persian("می\u{200c}خواهم")]
    #[case::hindi("क्\u{200d}ष")]
    #[case::a_name_in_japanese("葛\u{e0100}城")]
    #[case::lines("a\r\nb\tc")]
    #[case::words("Ünïcode, 日本語, עברית, العربية")]
    fn what_people_write_stays(#[case] text: &str) {
        assert_eq!(visible(text), text);
        assert_eq!(visible(&format!("{text}\u{200b}")), text);
    }
}
