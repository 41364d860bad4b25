//! Where the window's connection to a server stands.

use std::time::SystemTime;

use crate::text::UserMessage;

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one of this process.
    Embedded,
    /// That of another window on the same data folder.
    OtherWindow,
}

/// Where the connection stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Session {
    /// Switched off.
    #[default]
    Off,
    /// Coming up.
    Starting,
    /// Everything works.
    Running(Place),
    /// Another process has the data folder and cannot be reached; looked at again now and then.
    InUse,
    /// The connection broke; what is shown is as old as this.
    Lost {
        /// Since when.
        since: SystemTime,
        /// Why, technically.
        reason: String,
    },
    /// Could not start.
    Failed(UserMessage),
}

impl Session {
    /// Whether calls can be made.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// One or two words behind "server".
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Running(Place::Embedded) => "embedded",
            Self::Running(Place::OtherWindow) => "other window",
            Self::InUse => "in use elsewhere",
            Self::Lost { .. } => "not connected",
            Self::Failed(_) => "failed",
        }
    }

    /// What that means and what to do, in sentences.
    pub fn sentence(&self) -> String {
        match self {
            Self::Off => {
                "The embedded server is off. Switch it on to run pipelines on your series.".to_owned()
            }
            Self::Starting => "The embedded server is starting.".to_owned(),
            Self::Running(Place::Embedded) => {
                "The embedded server runs in this window. It opens no network port.".to_owned()
            }
            Self::Running(Place::OtherWindow) => {
                "This window uses the embedded server of another window of yours.".to_owned()
            }
            Self::InUse => {
                "Another Lantern uses the server's data folder and does not answer. Close it, or wait."
                    .to_owned()
            }
            Self::Lost { .. } => {
                "The connection to the server broke. Lantern tries again by itself.".to_owned()
            }
            Self::Failed(message) => format!("{} {}", message.what, message.advice),
        }
    }

    /// Since when what is shown may be out of date.
    pub fn stale_since(&self) -> Option<SystemTime> {
        if let Self::Lost { since, .. } = self { Some(*since) } else { None }
    }
}
