//! A game of one number for each player, and a server for it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use cluster_service::{EgressSink, LocalConfig, LocalConnector, LocalHost, LocalIngress, SinkFull};
use ecs_state::{
    ContentError, Game, Identity, Inbox, InvalidCommand, PlayerId, Registry, Replicated, Ticking, despawn, spawn,
};
use net_edge::{Certificate, Claims, Cluster, ClusterLink, EdgeConfig, EdgeServer, Ingress, OfferError, TokenSigner};
use protocol::cluster::{EdgeHelloT, IngressMessageT, OpenMatchT, decode_egress, encode_ingress};
use protocol::{Columns, MatchId};
use tokio::sync::mpsc;

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

/// A host and an edge of this process, with one match.
pub(crate) struct Server {
    pub address: SocketAddr,
    pub certificate: [u8; 32],
    signer: TokenSigner,
    edge: EdgeServer,
    host: LocalHost,
}

impl Server {
    pub(crate) async fn start<G: Game>(folder: &Path) -> Self {
        let host = LocalHost::start::<G>(LocalConfig::new(folder)).expect("a fresh folder");
        open_match(&host.connector()).await;
        let certificate = Certificate::self_signed(folder).expect("a fresh folder");
        let signer = TokenSigner::generate();
        let sha256 = certificate.sha256();
        let config = EdgeConfig::new(([127, 0, 0, 1], 0).into(), vec![signer.public_key()], certificate);
        let edge = EdgeServer::start(config, Arc::new(Local(host.connector()))).expect("a free port");
        Self { address: edge.local_addr(), certificate: sha256, signer, edge, host }
    }

    pub(crate) fn token(&self, account: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        self.signer.sign(&Claims::new(MatchId(1), account, now))
    }

    pub(crate) async fn stop(self) {
        self.edge.stop(Duration::from_millis(500)).await;
        self.host.stop().expect("it ran until now");
    }
}

/// The host of this process as the edge's cluster.
struct Local(LocalConnector);

struct Sink(mpsc::Sender<Arc<[u8]>>);

struct Way(LocalIngress);

impl EgressSink for Sink {
    fn send(&mut self, message: &Arc<[u8]>) -> Result<(), SinkFull> {
        self.0.try_send(Arc::clone(message)).map_err(|_| SinkFull)
    }
}

impl Ingress for Way {
    fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError> {
        self.0.offer(message).map_err(|error| match error {
            cluster_service::OfferError::Backlogged => OfferError::Backlogged,
            cluster_service::OfferError::Closed => OfferError::Closed,
        })
    }
}

impl Cluster for Local {
    fn connect(&self) -> ClusterLink {
        let (sink, egress) = mpsc::channel(4_096);
        ClusterLink { ingress: Box::new(Way(self.0.connect(Box::new(Sink(sink))))), egress }
    }
}

async fn open_match(connector: &LocalConnector) {
    let mut link = Local(connector.clone()).connect();
    let mut hello = EdgeHelloT::default();
    hello.name = Some("bench".to_owned());
    let open = OpenMatchT::default();
    for message in [IngressMessageT::EdgeHello(Box::new(hello)), IngressMessageT::OpenMatch(Box::new(open))] {
        link.ingress.offer(encode_ingress(message)).expect("the host runs");
    }
    while let Some(message) = link.egress.recv().await {
        if decode_egress(&message).expect("the service's own").message_as_match_opened().is_some() {
            return;
        }
    }
    panic!("the host stopped");
}
