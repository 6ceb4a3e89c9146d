//! What players may ask for, and the names of the ways to be refused.

use std::sync::LazyLock;

use ecs_state::{InvalidCommand, OutcomeCode};
use flatbuffers::{FlatBufferBuilder, VerifierOptions};
use protocol::limits::{COMMAND_BYTES_MAX, COMMAND_DEPTH_MAX, COMMAND_TABLES_MAX};
use serde::{Deserialize, Serialize};

use crate::generated::arena_generated::worldlog::arena as fb;

/// One command: an intent. Whether it can be had is for the rules to say.
///
/// People write it as JSON: `{"move":{"x":127,"y":0}}`, `{"aim":{"angle":16384}}`, `{"fire":{"held":true}}`,
/// `"reload"`, `"use"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Where to go, each part from -127 to 127; holds until the next one.
    Move {
        /// To the right.
        x: i8,
        /// Up.
        y: i8,
    },
    /// Where to look and shoot: 65,536 to a full turn, counter-clockwise from the x axis.
    Aim {
        /// The angle.
        angle: u16,
    },
    /// Presses or releases the trigger.
    Fire {
        /// Whether it is pressed.
        held: bool,
    },
    /// Fills the magazine from the reserve.
    Reload,
    /// Takes the weapon within reach.
    Use,
}

static OPTIONS: LazyLock<VerifierOptions> = LazyLock::new(|| VerifierOptions {
    max_depth: COMMAND_DEPTH_MAX,
    max_tables: COMMAND_TABLES_MAX,
    // Tables of equal shape share a vtable, which counts for each of them.
    max_apparent_size: 4 * COMMAND_BYTES_MAX,
    ignore_missing_null_terminator: false,
});

impl Command {
    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::with_capacity(64);
        let command = match *self {
            Self::Move { x, y } => fb::CommandT::Move(Box::new(fb::MoveT { x, y })),
            Self::Aim { angle } => fb::CommandT::Aim(Box::new(fb::AimT { angle })),
            Self::Fire { held } => fb::CommandT::Fire(Box::new(fb::FireT { held })),
            Self::Reload => fb::CommandT::Reload(Box::default()),
            Self::Use => fb::CommandT::Use(Box::default()),
        };
        let root = fb::ArenaCommandT { command }.pack(&mut builder);
        builder.finish_minimal(root);
        builder.finished_data().to_vec()
    }

    /// The command as people write it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a command is plain data")
    }

    /// Reads what people wrote.
    ///
    /// # Errors
    /// When it is no command; the error shows the form of one.
    pub fn from_text(text: &str) -> Result<Self, InvalidCommand> {
        serde_json::from_str(text).map_err(|error| {
            InvalidCommand(format!(
                "{error}; write {{\"move\":{{\"x\":127,\"y\":0}}}}, {{\"aim\":{{\"angle\":16384}}}}, \
                 {{\"fire\":{{\"held\":true}}}}, \"reload\" or \"use\""
            ))
        })
    }

    /// Reads bytes that a player sent.
    ///
    /// # Errors
    /// When they are no command, or one that a newer schema added.
    pub fn decode(payload: &[u8]) -> Result<Self, InvalidCommand> {
        if payload.len() > COMMAND_BYTES_MAX {
            return Err(InvalidCommand(format!("{} bytes, more than {COMMAND_BYTES_MAX}", payload.len())));
        }
        let root = fb::root_as_arena_command_with_opts(&OPTIONS, payload)
            .map_err(|error| InvalidCommand(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
        Self::read(&root).ok_or_else(|| InvalidCommand(format!("type {} is unknown", root.command_type().0)))
    }

    fn read(root: &fb::ArenaCommand<'_>) -> Option<Self> {
        Some(match root.command_type() {
            fb::Command::Move => root.command_as_move().map(|wish| Self::Move { x: wish.x(), y: wish.y() })?,
            fb::Command::Aim => root.command_as_aim().map(|aim| Self::Aim { angle: aim.angle() })?,
            fb::Command::Fire => root.command_as_fire().map(|fire| Self::Fire { held: fire.held() })?,
            fb::Command::Reload => Self::Reload,
            fb::Command::Use => Self::Use,
            _ => return None,
        })
    }
}

/// Why the rules refuse a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Rejection {
    /// The player has no seat: it left in this tick.
    NotSeated = 0,
    /// The player is dead and waits to come back.
    Dead = 1,
    /// The weapon is not ready yet, or is being reloaded.
    CoolingDown = 2,
    /// Magazine and reserve are empty; for a reload, the reserve is.
    NoAmmo = 3,
    /// A direction with a part of -128.
    BadDirection = 4,
    /// The magazine is full.
    MagazineFull = 5,
    /// No weapon lies within reach.
    NothingInReach = 6,
    /// The round is over; weapons rest until the next one.
    RoundOver = 7,
}

impl Rejection {
    /// Numbers and names, as they stand in the manifest.
    pub const NAMES: [(u8, &'static str); 8] = [
        (Self::NotSeated as u8, "not-seated"),
        (Self::Dead as u8, "dead"),
        (Self::CoolingDown as u8, "cooling-down"),
        (Self::NoAmmo as u8, "no-ammo"),
        (Self::BadDirection as u8, "bad-direction"),
        (Self::MagazineFull as u8, "magazine-full"),
        (Self::NothingInReach as u8, "nothing-in-reach"),
        (Self::RoundOver as u8, "round-over"),
    ];

    /// The code that the player gets.
    #[must_use]
    pub const fn code(self) -> OutcomeCode {
        OutcomeCode::game(self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Command; 6] = [
        Command::Move { x: -127, y: 0 },
        Command::Aim { angle: 65_535 },
        Command::Fire { held: true },
        Command::Fire { held: false },
        Command::Reload,
        Command::Use,
    ];

    #[test]
    fn commands_come_back_from_their_bytes() {
        for command in ALL {
            assert_eq!(Command::decode(&command.encode()), Ok(command));
        }
    }

    #[test]
    fn commands_come_back_from_their_text() {
        for command in ALL {
            assert_eq!(Command::from_text(&command.to_text()), Ok(command));
        }
        assert_eq!(Command::Move { x: -127, y: 0 }.to_text(), r#"{"move":{"x":-127,"y":0}}"#);
        assert_eq!(Command::Reload.to_text(), r#""reload""#);
    }

    #[test]
    fn text_that_is_no_command_is_refused_with_the_form_of_one() {
        for text in [
            "",
            "reload",
            "\"jump\"",
            r#"{"move":{"x":128,"y":0}}"#,
            r#"{"move":{"x":1}}"#,
            r#"{"aim":{"angle":1,"z":2}}"#,
        ] {
            let error = Command::from_text(text).unwrap_err();
            assert!(error.to_string().contains(r#"{"fire":{"held":true}}"#), "{text}: {error}");
        }
    }

    #[test]
    fn a_truncated_command_is_refused_or_lacks_nothing_but_padding() {
        for command in ALL {
            let bytes = command.encode();
            for length in 0..bytes.len() {
                let read = Command::decode(&bytes[..length]);
                assert!(read.is_err() || length + 4 > bytes.len(), "{command:?} from {length} bytes: {read:?}");
                assert!(read.is_err() || read == Ok(command), "{command:?} became {read:?}");
            }
        }
        assert!(Command::decode(&[0; COMMAND_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_command_of_a_newer_schema_is_refused() {
        let mut bytes = Command::Use.encode();
        let number = fb::Command::Use.0;
        let place = (0..bytes.len())
            .find(|place| {
                let mut changed = bytes.clone();
                changed[*place] = changed[*place].wrapping_add(1);
                bytes[*place] == number
                    && fb::root_as_arena_command(&changed).is_ok_and(|root| root.command_type().0 == number + 1)
            })
            .expect("the type stands somewhere");
        bytes[place] = number + 1;
        assert_eq!(Command::decode(&bytes), Err(InvalidCommand("type 6 is unknown".into())));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
            let _ = Command::decode(&bytes);
        }
    }
}
