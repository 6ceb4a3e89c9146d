//! How a chore fails: 2 when it was asked wrongly, 1 otherwise.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a chore did not succeed, in words that name the cure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The chore ran and the answer is no, or something it needs is missing.
    Failed(String),
}

impl Failure {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// Returns a function for `map_err` on a file operation.
    pub(crate) fn io(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::Failed(format!("cannot {verb} {path}: {error}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

/// Refuses every argument but the options that are named.
pub(crate) fn only_options(arguments: &[String], options: &[&str]) -> Outcome {
    match arguments.iter().find(|argument| !options.contains(&argument.as_str())) {
        None => Ok(()),
        Some(argument) if options.is_empty() => {
            Err(Failure::Usage(format!("unexpected argument `{argument}`; this chore takes none")))
        }
        Some(argument) => {
            Err(Failure::Usage(format!("unexpected argument `{argument}`; known: {}", options.join(" "))))
        }
    }
}
