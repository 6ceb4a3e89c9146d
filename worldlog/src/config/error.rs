//! What is wrong with a file of settings.

use std::path::PathBuf;

use thiserror::Error;

/// Why a file of settings was not taken. The text names the key and the cure.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It is not there, or may not be read.
    #[error("{}: {source}; name the file with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// From the system.
        #[source]
        source: std::io::Error,
    },
    /// What follows is about this file.
    #[error("{}: {source}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<Self>,
    },
    /// The secret of members and edges cannot be read or made.
    #[error("cluster.secret_file {}: {source}; copy the secret of the other members there, readable by its owner alone", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// From the system.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML.
    #[error("{0}")]
    Syntax(#[source] toml::de::Error),
    /// A key or section that means nothing here, which is a slip of the pen more often than not.
    #[error("{name} is not known; known are {known}")]
    Unknown {
        /// Key, section or variable.
        name: String,
        /// What could stand there.
        known: String,
    },
    /// A key that must be given.
    #[error("{name} is missing; write it into the file{variable}")]
    Missing {
        /// Section and key.
        name: String,
        /// The variable that could give it, with the words before it.
        variable: String,
    },
    /// A value that cannot be.
    #[error("{name} is {found}, but must be {wanted}")]
    Invalid {
        /// Section and key, or variable.
        name: String,
        /// As it was given.
        found: String,
        /// What it must be.
        wanted: String,
    },
    /// Values that cannot be together.
    #[error("{0}")]
    Conflict(String),
    /// What this process is to be is not in the file.
    #[error("there is no [{section}] in this file; add one (assets/worldlog.toml shows each key)")]
    NoSection {
        /// The section.
        section: &'static str,
    },
}
