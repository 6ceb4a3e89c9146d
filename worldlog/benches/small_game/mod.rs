//! A game of one number for each player, and a server for it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, Game, Identity, Inbox, InvalidCommand, PlayerId, Registry, Replicated, Ticking, despawn, spawn,
};
use net_edge::{Claims, TokenSigner};
use protocol::{Columns, MatchId};
use worldlog::dev::{Dev, DevOptions};

/// The newest number that the player sent.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 1)]
pub(crate) struct Number {
    value: u32,
}

#[derive(Resource, Clone)]
pub(crate) struct Nothing;

fn note(mut inbox: ResMut<'_, Inbox<u32>>, mut numbers: Query<'_, '_, (&Identity, &mut Number)>) {
    for order in inbox.iter_mut() {
        for (identity, mut number) in &mut numbers {
            if identity.owner == order.player {
                number.value = order.command;
            }
        }
    }
}

macro_rules! game {
    ($name:ident, $text:literal, $ticking:expr) => {
        /// The game, at its pace.
        pub(crate) struct $name;

        impl Game for $name {
            const NAME: &'static str = $text;
            const RULES_VERSION: u32 = 1;
            const COMMAND_SCHEMA: &'static [u8] = &[];
            const TICKING: Ticking = $ticking;
            const REJECTIONS: &'static [(u8, &'static str)] = &[];
            type Command = u32;
            type Content = Nothing;

            fn register(registry: &mut Registry) {
                registry.component::<Number>();
            }

            fn systems() -> ScheduleConfigs<ScheduleSystem> {
                note.into_configs()
            }

            fn decode_command(payload: &[u8]) -> Result<u32, InvalidCommand> {
                payload.try_into().map(u32::from_le_bytes).map_err(|_| InvalidCommand("four bytes".to_owned()))
            }

            fn load_content(_: &[u8]) -> Result<Nothing, ContentError> {
                Ok(Nothing)
            }

            fn open(_: &mut World) {}

            fn join(world: &mut World, player: PlayerId) {
                spawn(world, player, Number { value: 0 });
            }

            fn leave(world: &mut World, player: PlayerId) {
                let mut owned = world.query::<&Identity>();
                let ids: Vec<_> =
                    owned.iter(world).filter(|identity| identity.owner == player).map(Identity::id).collect();
                for id in ids {
                    despawn(world, id);
                }
            }
        }
    };
}

game!(OnCommand, "numbers-on-command", Ticking::OnCommand);
game!(AtRate, "numbers-at-30-hz", Ticking::Rate { millihertz: 30_000 });

/// Owner and number of each player.
pub(crate) fn numbers(columns: &Columns) -> Vec<(u32, u32)> {
    let (index, layout) = columns.manifest().layout_of("Number").expect("the game has it");
    let rows = columns.column(index).iter();
    rows.map(|(id, row)| (columns.owner(id).unwrap_or_default(), layout.fields[0].read(row) as u32)).collect()
}

/// `dev` in this process, with one match.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: [u8; 32],
    signer: TokenSigner,
    dev: Dev,
}

impl Server {
    pub(crate) async fn start<G: Game>(folder: &Path) -> Self {
        let options = DevOptions {
            data: folder.to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            guests: false,
            http: ([127, 0, 0, 1], 0).into(),
            snapshot_every: Duration::from_secs(3_600),
            content: Vec::new(),
            seed: 1,
            beginning: None,
        };
        let dev = Dev::start::<G>(options).await.expect("a fresh folder and free ports");
        let signer = TokenSigner::load(&dev.running().token_key).expect("it was just made");
        Self { address: dev.running().quic, certificate: dev.certificate_sha256(), signer, dev }
    }

    pub(crate) fn token(&self, account: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        self.signer.sign(&Claims::new(MatchId(self.dev.match_id()), account, now))
    }

    pub(crate) async fn stop(self) {
        self.dev.stop().await.expect("it ran until now");
    }
}
