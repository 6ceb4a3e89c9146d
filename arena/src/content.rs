//! What a match is played with: one TOML document of map and balance.
//!
//! ```toml
//! population = 200     # drones; none when left out
//! [map]                # a file of assets/arena/maps
//! [balance.round]      # assets/arena/balance.toml
//! ```
//!
//! The files write everything below `[map]` and `[balance]`, so that one after the other they are one document.
//! Every number is checked against bounds when it is read, and an error names the key.

use bevy_ecs::prelude::Resource;
use ecs_state::ContentError;
use protocol::limits::CONTENT_BYTES_MAX;
use serde::Deserialize;

use crate::balance::{Balance, BalanceFile};
use crate::map::{Map, MapFile};

/// Most drones of a match.
pub const POPULATION_MAX: i64 = 200_000;

const MAP: &str = include_str!("../../assets/arena/maps/foundry.toml");
const BALANCE: &str = include_str!("../../assets/arena/balance.toml");

/// Map, balance and population. Systems read it and never write it.
#[derive(Resource, Debug, Clone)]
pub struct Content {
    /// Where.
    pub map: Map,
    /// By which numbers.
    pub balance: Balance,
    /// How many drones there are.
    pub population: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentFile {
    #[serde(default)]
    population: i64,
    map: MapFile,
    balance: BalanceFile,
}

/// Joins a map and a balance, as they stand in their files, to the content of a match.
#[must_use]
pub fn content(map: &str, balance: &str) -> Vec<u8> {
    format!("{map}\n{balance}").into_bytes()
}

/// The map and balance that come with the game.
#[must_use]
pub fn default_content() -> Vec<u8> {
    content(MAP, BALANCE)
}

/// The same with `drones` neutral drones, for matches of a given size.
#[must_use]
pub fn content_with_population(drones: u32) -> Vec<u8> {
    content(&format!("population = {drones}\n{MAP}"), BALANCE)
}

impl Content {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is no such document, or a number is out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(ContentError(format!("the content is {} bytes, more than {CONTENT_BYTES_MAX}", bytes.len())));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| ContentError(format!("the content is not UTF-8 after byte {}", error.valid_up_to())))?;
        let file: ContentFile =
            toml::from_str(text).map_err(|error| ContentError(format!("the content does not parse: {error}")))?;
        let population = within("population", file.population, 0, POPULATION_MAX)? as u32;
        let balance = Balance::check(&file.balance)?;
        let map = Map::check(&file.map, &balance)?;
        Ok(Self { map, balance, population })
    }
}

/// A number within bounds, both included.
pub(crate) fn within(key: &str, value: i64, low: i64, high: i64) -> Result<i64, ContentError> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(ContentError(format!("{key} is {value}; it must be from {low} to {high}")))
}
