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

/// A content with its map, its balance or its population replaced by those of a part of the document.
///
/// # Errors
/// When the part does not parse or holds something else.
pub fn revised(content: &[u8], part: &[u8]) -> Result<Vec<u8>, ContentError> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|error| ContentError(format!("no UTF-8: {error}")));
    let (content, part) = (text(content)?, text(part)?);
    let keys: toml::Table =
        toml::from_str(part).map_err(|error| ContentError(format!("the content does not parse: {error}")))?;
    if let Some(key) = keys.keys().find(|key| !["population", "map", "balance"].contains(&key.as_str())) {
        return Err(ContentError(format!("{key} is no part of a content; it has population, map and balance")));
    }
    let (head, map, balance) = sections(content);
    let (new_head, new_map, new_balance) = sections(part);
    let pick = |name, new: &str, old: &str| if keys.contains_key(name) { new } else { old }.to_owned();
    let sections =
        [pick("population", new_head, head), pick("map", new_map, map), pick("balance", new_balance, balance)];
    Ok(sections.join("\n").into_bytes())
}

/// What stands before the first table, the tables of the map, and those of the balance.
fn sections(text: &str) -> (&str, &str, &str) {
    let begin_of = |table: &str| {
        let mut lines = text.split_inclusive('\n').scan(0, |end, line| {
            *end += line.len();
            Some((*end - line.len(), line.trim_start().trim_start_matches('[')))
        });
        let found = lines.find(|(_, line)| line.strip_prefix(table).is_some_and(|rest| rest.starts_with([']', '.'])));
        found.map_or(text.len(), |(begin, _)| begin)
    };
    let (map, balance) = (begin_of("map"), begin_of("balance"));
    if map <= balance {
        (&text[..map], &text[map..balance], &text[balance..])
    } else {
        (&text[..balance], &text[map..], &text[balance..map])
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_content_replaces_that_part_and_no_other() {
        let whole = content_with_population(7);
        let revise = |part: &str| revised(&whole, part.as_bytes());
        let population = |bytes: &[u8]| Content::decode(bytes).unwrap().population;
        assert_eq!(population(&revise("").unwrap()), 7, "nothing is replaced by nothing");
        assert_eq!(population(&revise(BALANCE).unwrap()), 7);
        assert_eq!(population(&revise(MAP).unwrap()), 7);
        assert_eq!(population(&revise("population = 9\n").unwrap()), 9);
        assert_eq!(population(&revise(&format!("population = 1\n{MAP}\n{BALANCE}")).unwrap()), 1);
        let slower = BALANCE.replacen("speed", "# speed", 1);
        assert_ne!(revise(&slower), revise(BALANCE));
        assert!(revise("[balnce]\nx = 1").is_err() && revise("= 1").is_err());
    }
}
