//! Where an assistant's folder comes from, and reading its files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rust_embed::Embed;
use sha2::{Digest, Sha256};

use super::template::Template;
use crate::problem::Problem;

/// The rules of a folder.
pub(super) const RULES: &str = "rules.toml";

/// What answers of a folder are searched for; where it is missing, the built-in one serves.
pub(super) const GUARDS: &str = "guards.toml";

/// A template that is longer would leave a model with a window of 32,000 tokens little room for the conversation.
const TEMPLATE_BYTES_MAX: u64 = 64 * 1024;

/// Ten times the largest rules file or text file that a person would still want to maintain.
const DATA_BYTES_MAX: u64 = 256 * 1024;

/// Looks at a folder that does not rest. Each takes a millisecond, and who writes for longer is not done yet.
const LOOKS_MAX: usize = 5;

/// Where an assistant's folder is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The folder that is compiled into the binary.
    BuiltIn,
    /// A directory on disk.
    Directory(PathBuf),
}

/// Where the conversation tests of a folder stand in it. They are no part of its version.
const TESTS: &str = "tests/";

/// The longest file of tests: as long as the longest of texts.
const TESTS_BYTES_MAX: u64 = DATA_BYTES_MAX;

/// The folder that is compiled in.
#[derive(Embed)]
#[folder = "prompts/support/"]
struct BuiltIn;

/// One file of a folder.
#[derive(PartialEq, Eq)]
pub(super) struct File {
    /// The path as the operator knows it.
    pub(super) name: String,
    /// What stands in it.
    pub(super) text: String,
}

/// The files of a folder that mean something, by their path in it.
pub(super) type Files = BTreeMap<String, File>;

impl Source {
    /// Gives the name under which the operator knows a file of the folder, or the folder itself for an empty path.
    pub(super) fn name_of(&self, path: &str) -> String {
        match self {
            Self::BuiltIn => format!("built-in prompts/support/{path}"),
            Self::Directory(directory) if path.is_empty() => directory.display().to_string(),
            Self::Directory(directory) => directory.join(path).display().to_string(),
        }
    }

    /// Reads what is readable, and says what is not, what is missing and what does not belong here.
    ///
    /// A folder is not read in one moment, and half of it can be exchanged meanwhile. So it is read until two looks find
    /// the same.
    pub(super) fn read(&self) -> (Files, Vec<Problem>) {
        let mut last = self.look();
        for _ in 1..LOOKS_MAX {
            let again = self.look();
            if again == last {
                return again;
            }
            last = again;
        }
        let unrest = Problem::new("", "changes while it is read")
            .in_file(self.name_of(""))
            .help("write it elsewhere, then rename it");
        (Files::new(), vec![unrest])
    }

    /// Reads the conversation tests of the folder: names and texts, sorted by name. None where there are none.
    pub fn tests(&self) -> io::Result<Vec<(String, String)>> {
        let mut paths: Vec<String> = match self {
            Self::BuiltIn => BuiltIn::iter().map(Cow::into_owned).collect(),
            Self::Directory(directory) => match names(&directory.join(TESTS)) {
                Ok(names) => names.iter().map(|name| format!("{TESTS}{name}")).collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            },
        };
        paths.retain(|path| is_test(path));
        paths.sort_unstable();
        let read = |path: &String| {
            let bytes = self.bytes(path, TESTS_BYTES_MAX)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok((self.name_of(path), text))
        };
        paths.iter().map(read).collect()
    }

    fn look(&self) -> (Files, Vec<Problem>) {
        // A link to the folder is followed once, so that all files are of the same one.
        let here = match self {
            Self::BuiltIn => Self::BuiltIn,
            Self::Directory(directory) => {
                Self::Directory(fs::canonicalize(directory).unwrap_or_else(|_| directory.clone()))
            }
        };
        let paths = match here.paths() {
            Ok(paths) => paths,
            Err(problem) => return (Files::new(), vec![problem]),
        };
        let mut files = Files::new();
        let mut problems = Vec::new();
        for path in &paths {
            match here.file(path) {
                Ok(Some(file)) => {
                    let name = self.name_of(path);
                    files.insert(path.clone(), File { name, ..file });
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem.in_file(self.name_of(path))),
            }
        }
        for path in required().filter(|path| !paths.iter().any(|there| there == path)) {
            problems.push(
                Problem::new("", "is missing")
                    .in_file(self.name_of(path))
                    .help("every assistant's folder has one"),
            );
        }
        (files, problems)
    }

    /// Lists the folder and its `texts` by paths with a slash, sorted.
    fn paths(&self) -> Result<Vec<String>, Problem> {
        let mut paths = match self {
            Self::BuiltIn => BuiltIn::iter().map(Cow::into_owned).collect(),
            Self::Directory(directory) => {
                let mut paths = names(directory).map_err(|error| unlisted(directory, &error))?;
                // Without `texts` every language is missing, which says more than that a directory is.
                let texts = names(&directory.join("texts")).unwrap_or_default();
                paths.extend(texts.iter().map(|name| format!("texts/{name}")));
                paths
            }
        };
        paths.sort_unstable();
        Ok(paths)
    }

    /// Reads one file, where it means something.
    fn file(&self, path: &str) -> Result<Option<File>, Problem> {
        let limit = match kind(path) {
            Kind::Template => TEMPLATE_BYTES_MAX,
            Kind::Data => DATA_BYTES_MAX,
            Kind::Other => return Ok(None),
            Kind::Stray => {
                return Err(Problem::new("", "does not belong here").help(
                    "a folder has system.md, customer.md, summary.md, rules.toml, texts/<language>.toml, and may have \
                     guards.toml and memory_summary.md; \
                     a README and a folder `tests` are left alone",
                ));
            }
        };
        let bytes = self
            .bytes(path, limit)
            .map_err(|error| Problem::new("", format!("cannot be read: {error}")))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
            let message = format!("is longer than {} KiB", limit / 1024);
            return Err(Problem::new("", message));
        }
        let name = self.name_of(path);
        text(bytes).map(|text| Some(File { name, text }))
    }

    /// Reads a file, and stops one byte after the limit.
    fn bytes(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::BuiltIn => BuiltIn::get(path)
                .map(|file| file.data.into_owned())
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
            Self::Directory(directory) => {
                let path = directory.join(path);
                // A named pipe would block for as long as nobody writes to it.
                if !fs::metadata(&path)?.is_file() {
                    return Err(io::Error::other("it is not a file"));
                }
                let mut bytes = Vec::new();
                fs::File::open(path)?
                    .take(limit + 1)
                    .read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// Gives a file of the folder that is compiled in.
pub(super) fn shipped(path: &str) -> Option<File> {
    Source::BuiltIn.file(path).ok().flatten()
}

/// Gives the first twelve hexadecimal digits of a SHA-256 over all paths and contents.
///
/// Among 10,000 versions of a folder the chance that two look alike is one in five million.
pub(super) fn version(files: &Files) -> String {
    let mut digest = Sha256::new();
    for (path, file) in files {
        // The lengths keep the end of one part from being read as the beginning of the next.
        for part in [path, &file.text] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
    }
    let mut number = [0; 8];
    number[2..].copy_from_slice(&digest.finalize()[..6]);
    format!("{:012x}", u64::from_be_bytes(number))
}

/// Gives the language tag in the path of a text file.
pub(super) fn language_tag(path: &str) -> Option<&str> {
    path.strip_prefix("texts/")?.strip_suffix(".toml")
}

/// Tells whether a path is that of a file of tests.
fn is_test(path: &str) -> bool {
    let extension = Path::new(path).extension();
    let is_yaml = extension.is_some_and(|extension| extension == "yaml" || extension == "yml");
    path.starts_with(TESTS) && is_yaml
}

/// What a path means to a folder.
enum Kind {
    Template,
    Data,
    Stray,
    Other,
}

/// Tells what a path means. What looks like a misspelt file of ours is refused: it would be ignored in silence.
fn kind(path: &str) -> Kind {
    let name = path.strip_prefix("texts/").unwrap_or(path);
    let is_ours = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "md" || extension == "toml");
    if Template::ALL.iter().any(|template| template.file() == path) {
        Kind::Template
    } else if name.contains('/') || name.starts_with('.') || name.starts_with("README") || !is_ours
    {
        Kind::Other
    } else if path == RULES || path == GUARDS || language_tag(path).is_some() {
        Kind::Data
    } else {
        Kind::Stray
    }
}

/// Gives the files that no folder can do without; its texts are counted by language.
fn required() -> impl Iterator<Item = &'static str> {
    let templates = Template::ALL.iter();
    let templates = templates.filter(|template| template.is_required());
    templates.map(|template| template.file()).chain([RULES])
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect()
}

fn unlisted(directory: &Path, error: &io::Error) -> Problem {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    Problem::new("", format!("the prompt folder cannot be read: {error}"))
        .in_file(directory.display().to_string())
        .help(format!("looked for it at {}", absolute.display()))
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new("", "is not UTF-8")
            .at(Some(at..at))
            .help("save it as UTF-8")
    })?;
    if text.starts_with('\u{feff}') {
        return Err(Problem::new("", "begins with a byte order mark")
            .at(Some(0..0))
            .help("save it as UTF-8 without one"));
    }
    Ok(text)
}
