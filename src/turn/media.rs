//! What is sent along with messages: what a model can look at, and how it is told of the rest.

use crate::domain::Message;
use crate::redact::Private;

/// The most pictures that a question carries: each costs as much as a page of text.
const IMAGES_MAX: usize = 4;

/// The endings of links that lead to pictures. WhatsApp lets customers send JPEG and PNG; the others cost nothing.
const PICTURES: [&str; 5] = [".jpg", ".jpeg", ".png", ".webp", ".gif"];

/// Gives the pictures among what was sent along with messages, the newest that a question may carry.
pub(super) fn images(messages: &[Message]) -> Vec<Private<String>> {
    let links = messages
        .iter()
        .rev()
        .flat_map(|message| message.media.iter().rev());
    let mut newest: Vec<_> = links
        .filter(|link| is_image(link))
        .take(IMAGES_MAX)
        .cloned()
        .collect();
    newest.reverse();
    newest
}

/// Tells whether a link surely leads to a picture that a model could fetch: a voice message in its place would make the
/// server refuse the whole question.
pub(super) fn is_image(link: &str) -> bool {
    let link = link.to_ascii_lowercase();
    let rest = link
        .strip_prefix("https://")
        .or_else(|| link.strip_prefix("http://"));
    let path = rest.and_then(|rest| rest.split(['?', '#']).next());
    path.is_some_and(|path| {
        path.contains('/') && PICTURES.iter().any(|ending| path.ends_with(ending))
    })
}

/// Says what was sent along with a message, but for pictures that are shown.
pub(super) fn note(message: &Message, shown: &[Private<String>]) -> Option<String> {
    let unseen = message.media.iter().filter(|link| !shown.contains(link));
    match unseen.count() {
        0 => None,
        1 => {
            Some("[note] The customer sent a file along, which you cannot see or hear.".to_owned())
        }
        count => Some(format!(
            "[note] The customer sent {count} files along, which you cannot see or hear."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_a_picture_is_one() {
        for (link, is_picture) in [
            ("https://cdn.acme.dev/a/b.JPG", true),
            ("https://cdn.acme.dev/a.png?sig=1.ogg", true),
            ("http://cdn.acme.dev/a.webp#x", true),
            ("https://cdn.acme.dev/a.ogg", false),
            ("https://cdn.acme.dev/a.ogg?x=.jpg", false),
            ("https://cdn.acme.dev/a", false),
            ("https://acme.png", false),
            ("file:///etc/a.png", false),
            ("data:image/png;base64,AAAA.png", false),
            ("", false),
        ] {
            assert_eq!(is_image(link), is_picture, "{link}");
        }
    }
}
