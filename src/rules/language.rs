//! In which language a message is written, where that is plain.

use whichlang::{Lang, detect_language};

use super::fold::{is_kana, is_spaceless};
use crate::domain::Language;

/// The fewest letters and spaces from which a language is told: below, one guess in four is wrong.
const LETTERS_MIN: usize = 15;

/// The same for Japanese, whose characters each say more.
const CHARACTERS_MIN: usize = 5;

/// Tells the language of a message; `None` where it is too short or is none of the languages that are told apart well.
/// Kana are Japanese however short the message.
pub fn detect(text: &str) -> Option<Language> {
    let text: String = text.chars().take(super::TEXT_CAP).collect();
    let letters = text
        .chars()
        .filter(|c| c.is_alphabetic() || *c == ' ')
        .count();
    let characters = text.chars().filter(|c| is_spaceless(*c)).count();
    let kana = text.chars().filter(|c| is_kana(*c)).count();
    // A lone kana is as likely a face: "¯\_(ツ)_/¯".
    if kana > 0 && characters > 1 && characters * 2 >= letters {
        return "ja".parse().ok();
    }
    if letters < LETTERS_MIN && characters < CHARACTERS_MIN {
        return None;
    }
    let code = match detect_language(&text) {
        Lang::Eng => "en",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Jpn => "ja",
        _ => return None,
    };
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_sentences_are_told_apart() {
        for (text, language) in [
            ("Where is the parcel that I ordered last week?", "en"),
            ("¿Dónde está el paquete que pedí la semana pasada?", "es"),
            ("Onde está a encomenda que eu fiz na semana passada?", "pt"),
            (
                "Où est le colis que j'ai commandé la semaine dernière ?",
                "fr",
            ),
            (
                "Wo ist das Paket, das ich letzte Woche bestellt habe?",
                "de",
            ),
            ("先週注文した荷物はどこですか", "ja"),
            ("はい", "ja"),
        ] {
            let detected = detect(text).map(|language| language.to_string());
            assert_eq!(detected.as_deref(), Some(language), "{text}");
        }
    }

    #[test]
    fn what_is_short_or_no_words_tells_nothing() {
        for text in [
            "",
            "ok",
            "sí",
            "12345678901234567890",
            "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍",
            "¯\\_(ツ)_/¯",
            "Danke!",
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
        assert_eq!(detect("Где посылка, которую я заказал?"), None);
    }
}
