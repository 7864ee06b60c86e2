//! What is wrong with something an operator wrote, said so that he can mend it.

/// One thing wrong in a config file, a prompt folder or a rules file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in, where it is another than the one that is being checked.
    pub file: Option<String>,
    /// The key, as a path with dots and indexes: `models.main.base_url`, `rule[2].phrases.en[0]`. Empty for the whole.
    pub key: String,
    /// The place in the file, where it is known already: a byte range.
    pub span: Option<std::ops::Range<usize>>,
    /// What is wrong, as a fragment that starts in lower case.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether what stands at the place is a secret, and must not be shown with the problem.
    pub is_secret: bool,
}

impl Problem {
    /// Says what is wrong with a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: None,
            key: key.into(),
            span: None,
            message: message.into(),
            help: None,
            is_secret: false,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the file it stands in.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Points at the place in the file.
    #[must_use]
    pub fn at(mut self, span: Option<std::ops::Range<usize>>) -> Self {
        self.span = span;
        self
    }

    /// Puts `prefix` and a dot before the key, for the one who knows where the checked part stands.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.key = match self.key.as_str() {
            "" => prefix.to_owned(),
            key => format!("{prefix}.{key}"),
        };
        self
    }
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self::new("", message)
    }
}

impl From<&str> for Problem {
    fn from(message: &str) -> Self {
        Self::new("", message)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}
