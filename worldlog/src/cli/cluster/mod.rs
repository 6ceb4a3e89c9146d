//! `worldlog cluster`: a whole cluster on one machine.

mod edges;
mod layout;
mod show;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aeron_cluster::member::{Durability, IdleProfile, Java, MemberConfig, MemberEvent, Supervisor, TimeoutPreset};
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Answer, Done, Failure, node, runtime};
use crate::config::is_override;
use edges::{Edge, EdgeEvent};
use layout::Wanted;
use show::Show;
use watch::{Leadership, Status};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Members: 1 (survives a crash), 3 (survives the loss of one) or 5 (of two)
    #[arg(long, default_value_t = 3, value_parser = nodes)]
    nodes: usize,
    /// Edges, where players connect
    #[arg(long, default_value_t = 1)]
    edges: usize,
    /// Folder of everything; made when it is not there
    #[arg(long, default_value = "worldlog-cluster")]
    data: PathBuf,
    /// Where players connect to the first edge, UDP; the next edges follow; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// Where operators connect to the first edge, TCP; the next edges follow; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:7777")]
    http: SocketAddr,
    /// Where the search for free ports of the members begins; they are kept in the folder
    #[arg(long)]
    port: Option<u16>,
    /// When a command is acknowledged: quorum-disk or quorum-memory
    #[arg(long, default_value = "quorum-disk")]
    durability: Durability,
    /// How soon the silent are given up: fast or aeron
    #[arg(long, default_value = "fast")]
    timeouts: TimeoutPreset,
    /// How threads wait: laptop or server
    #[arg(long, default_value = "laptop")]
    idle: IdleProfile,
    /// Entities that belong to nobody, in the match that is opened when none is open
    #[arg(long, default_value_t = 0)]
    population: u32,
    /// Seed of that match
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn nodes(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| matches!(count, 1 | 3 | 5));
    count.ok_or_else(|| "1, 3 or 5: an even number survives no more failures than one less".to_owned())
}

pub(super) fn run(arguments: Arguments, answer: Answer) -> Done {
    let wanted = Wanted {
        nodes: arguments.nodes,
        edges: arguments.edges,
        listen: arguments.listen,
        http: arguments.http,
        port: arguments.port,
        durability: arguments.durability,
        timeouts: arguments.timeouts,
        idle: arguments.idle,
        population: arguments.population,
        seed: arguments.seed,
    };
    let java = Java::find().map_err(|error| Failure::Failed(error.to_string()))?;
    java.prepare();
    let files = layout::prepare(&arguments.data, &wanted)?;
    // Each process has its own file; a variable would make them all alike.
    let without: Vec<_> =
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_override(name)).collect();
    let mut members = Vec::new();
    for (path, config) in &files.members {
        let config_of = config.member().map_err(|error| Failure::Failed(error.to_string()))?;
        if members.is_empty() {
            node::warn_of_few_cores(&config_of);
        }
        let status_file = config.require_node().map_err(|error| Failure::Failed(error.to_string()))?.status_file();
        let (supervisor, events) = node::start(&config_of, path, &java, &without)?;
        members.push(Member { config: config_of, status_file, supervisor, events, pids: None });
    }
    let edges = files.edges.iter().filter_map(|(path, config)| {
        let section = config.edge.clone()?;
        Some(Edge::new(section, path, &without))
    });
    let show = Show::new(answer.json);
    let mut cluster = Cluster {
        members,
        edges: edges.collect(),
        leadership: Leadership::default(),
        is_ready: false,
        given_up: Vec::new(),
        answer,
        show,
    };
    let ended = runtime()?.block_on(cluster.serve());
    cluster.stop();
    ended
}

struct Member {
    config: MemberConfig,
    status_file: PathBuf,
    supervisor: Supervisor,
    events: UnboundedReceiver<MemberEvent>,
    pids: node::Pids,
}

impl Member {
    fn status(&self) -> Option<Status> {
        Status::read(&self.status_file, self.pids.map(|(_, service)| service))
    }
}

struct Cluster {
    members: Vec<Member>,
    edges: Vec<Edge>,
    leadership: Leadership,
    is_ready: bool,
    /// Members that their supervisors do not start again, and why.
    given_up: Vec<String>,
    answer: Answer,
    show: Show,
}

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often people are shown the state.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// A cluster that has no leader and edges after so long does not get them: longer than Aeron's own waits at a start.
const READY_MAX: Duration = Duration::from_secs(150);

impl Cluster {
    async fn serve(&mut self) -> Done {
        let hear = |kind| signal(kind).map_err(|error| Failure::Failed(format!("listening to signals: {error}")));
        let (mut term, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
        let (mut look, begun) = (tokio::time::interval(LOOK_EVERY), Instant::now());
        let mut shown = begun;
        loop {
            tokio::select! {
                _ = term.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = look.tick() => {}
            }
            let statuses = self.look()?;
            let now = Instant::now();
            if !self.is_ready && now - begun > READY_MAX {
                return Err(Failure::Failed(self.why_not_ready(&statuses)));
            }
            if self.is_ready && now - shown >= SHOW_EVERY {
                shown = now;
                self.show.draw(&statuses, &self.edges);
            }
        }
    }

    /// Takes what has happened, and tells it.
    fn look(&mut self) -> Result<Vec<Option<Status>>, Failure> {
        self.look_at_members()?;
        self.look_at_edges()?;
        let statuses: Vec<_> = self.members.iter().map(Member::status).collect();
        let news = self.leadership.see(&statuses);
        let (are_members_up, are_edges_up) = (
            self.members.iter().all(|member| member.pids.is_some()),
            self.edges.iter().all(|edge| edge.addresses().is_some()),
        );
        if !self.is_ready && self.leadership.current().is_some() && are_members_up && are_edges_up {
            self.is_ready = true;
            self.tell_ready();
            if let Some(leader) = self.leadership.current() {
                self.tell_leader(leader);
            }
        } else if let Some(leader) = news.filter(|_| self.is_ready) {
            self.tell_leader(leader);
        }
        Ok(statuses)
    }

    /// # Errors
    /// When most members are given up for good: what is left of them agrees on nothing any more.
    fn look_at_members(&mut self) -> Result<(), Failure> {
        let mut given_up = Vec::new();
        for member in &mut self.members {
            while let Ok(event) = member.events.try_recv() {
                if let MemberEvent::GaveUp { reason } = &event {
                    given_up.push(format!("member {}: {reason}", member.config.member_id));
                }
                // Before it is ready, going down is part of finding its way; then `ready` names who is up.
                let is_for_people = matches!(event, MemberEvent::Waiting { .. });
                if self.is_ready && !(is_for_people && self.answer.json) {
                    self.show.clear();
                    node::tell(&member.config, &mut member.pids, &event, self.answer);
                } else {
                    member.pids = node::pids_after(member.pids, &event);
                }
            }
        }
        self.given_up.append(&mut given_up);
        let are_most_left = 2 * (self.members.len() - self.given_up.len()) > self.members.len();
        if self.given_up.is_empty() || (self.is_ready && are_most_left) {
            return Ok(());
        }
        Err(Failure::Failed(self.given_up.join("; ")))
    }

    fn look_at_edges(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        for (index, edge) in self.edges.iter_mut().enumerate() {
            let Some(event) = edge.poll(now)? else { continue };
            if !self.is_ready {
                if let EdgeEvent::Down(reason) = &event {
                    tracing::warn!(index, reason, "an edge ended");
                }
                continue;
            }
            self.show.clear();
            let (object, text) = match &event {
                EdgeEvent::Up(found) => (
                    json!({ "event": "edge_up", "id": index, "quic": found.quic, "http": found.http, "pid": found.pid }),
                    format!("edge {index} is up: process {}", found.pid),
                ),
                EdgeEvent::Down(reason) => (
                    json!({ "event": "edge_down", "id": index, "reason": reason }),
                    format!("edge {index} is down: {reason}"),
                ),
            };
            self.answer.give(&object, || text);
        }
        Ok(())
    }

    fn tell_ready(&self) {
        let of_member = |member: &Member| {
            let (jvm_pid, service_pid) = member.pids.unwrap_or_default();
            node::described(&member.config, jvm_pid, service_pid)
        };
        let members: Vec<Value> = self.members.iter().map(of_member).collect();
        let edges: Vec<_> = self.edges.iter().filter_map(Edge::addresses).collect();
        self.answer.give(&json!({ "event": "ready", "members": members, "edges": edges }), || {
            let mut text = String::new();
            for member in &self.members {
                let (jvm, service) = member.pids.unwrap_or_default();
                let (id, dir) = (member.config.member_id, member.config.directories.data.display());
                text += &format!("member {id}  Java process {jvm}, service {service}, {dir}\n");
            }
            for (index, edge) in edges.iter().enumerate() {
                text += &format!("edge {index}    quic://{}  http://{}  process {}\n", edge.quic, edge.http, edge.pid);
            }
            if let Some(member) = self.members.first() {
                text += &format!("{}\n", node::durability(&member.config));
            }
            if let Some(edge) = edges.first() {
                text += &format!("bots      worldlog swarm --connect {} --bots 32 --duration 20s\n", edge.quic);
            }
            text + "crash     kill -9 the processes of a member: it comes back by itself\n"
        });
    }

    fn tell_leader(&mut self, (id, term): (usize, i64)) {
        self.show.clear();
        let member = self.members[id].config.member_id;
        let object = json!({ "event": "leader", "member": member, "term": term });
        self.answer.give(&object, || format!("member {member} leads, in term {term}"));
    }

    fn why_not_ready(&self, statuses: &[Option<Status>]) -> String {
        let mut missing = Vec::new();
        if self.leadership.current().is_none() {
            missing.push("no member leads".to_owned());
        }
        for (member, status) in self.members.iter().zip(statuses) {
            if status.is_none() {
                let (id, logs) = (member.config.member_id, member.config.directories.data.join("logs"));
                missing.push(format!("member {id} says nothing (see {})", logs.display()));
            }
        }
        let silent = self.edges.iter().filter(|edge| edge.addresses().is_none()).count();
        if silent > 0 {
            missing.push(format!("{silent} edges are not up (see edge-*/logs/edge.log)"));
        }
        format!("not ready after {READY_MAX:?}: {}", missing.join(", "))
    }

    /// Edges first, so that they can say farewell; then all members at once, as each may take a while.
    fn stop(self) {
        eprintln!("\nworldlog: stopping (what was acknowledged is safe)");
        let Self { members, mut edges, .. } = self;
        edges.iter_mut().for_each(Edge::stop);
        std::thread::scope(|scope| {
            for member in members {
                scope.spawn(move || {
                    let id = member.config.member_id;
                    if let Err(error) = member.supervisor.stop() {
                        tracing::debug!(id, %error, "a member had ended");
                    }
                });
            }
        });
    }
}
