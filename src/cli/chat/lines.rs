//! Lines from a terminal, with the usual keys, or from whatever is piped in.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::anyhow;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

/// What stands before a line that is typed.
const PROMPT: &str = "     you › ";

/// The longest line, in bytes: longer than any message that the gateway takes.
const LINE_BYTES: u64 = 1_024 * 1_024;

/// Where lines come from. The history of a terminal is gone with the conversation: it holds what customers might say.
pub(super) enum Lines {
    /// A terminal.
    Typed(Option<Box<DefaultEditor>>),
    /// A pipe or a file.
    Piped,
}

impl Lines {
    /// Looks where lines come from.
    pub(super) fn open() -> anyhow::Result<Self> {
        match io::stdin().is_terminal() {
            true => Ok(Self::Typed(Some(Box::new(DefaultEditor::new()?)))),
            false => Ok(Self::Piped),
        }
    }

    /// Waits for the next line; nothing at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Piped => tokio::task::spawn_blocking(piped).await?,
            Self::Typed(place) => {
                let Some(mut editor) = place.take() else {
                    return Err(anyhow!("the terminal is gone"));
                };
                let typed = tokio::task::spawn_blocking(move || {
                    let line = editor.readline(PROMPT);
                    if let Ok(line) = &line {
                        // What cannot be kept cannot be called up again; that is all.
                        drop(editor.add_history_entry(line));
                    }
                    (editor, line)
                });
                let (editor, line) = typed.await?;
                *place = Some(editor);
                match line {
                    Ok(line) => Ok(Some(line)),
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

fn piped() -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    let read = io::stdin()
        .lock()
        .take(LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}
