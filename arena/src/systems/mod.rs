//! The rules, each file one question. `Arena::systems` lists them in the order in which they run.

pub(crate) mod combat;
pub(crate) mod drones;
pub(crate) mod movement;
pub(crate) mod orders;
pub(crate) mod pickups;
pub(crate) mod projectiles;
pub(crate) mod rounds;
pub(crate) mod seats;
