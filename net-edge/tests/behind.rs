//! What players are told by an edge that is behind.
#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;
mod service;

use net_edge::edge::ConnectionId;
use protocol::session::ServerMessage;
use protocol::view::View;
use scene::Scene;
use service::Service;

fn ticking() -> Scene {
    let mut scene = Scene::of(Service::at(20_000));
    scene.link();
    scene
}

/// Player 1 takes datagrams, and this is its mirror.
fn with_viewer() -> (Scene, View) {
    let mut scene = ticking();
    scene.join_for_datagrams(1);
    let view = scene.view(1);
    (scene, view)
}

#[test]
fn ticks_that_wait_together_are_told_as_one() {
    let (mut scene, mut view) = with_viewer();
    scene.command(1, 1, 2);
    for _ in 0..3 {
        scene.hear_tick();
    }
    scene.settle();
    assert_eq!(scene.deliver(1, &mut view), 1);
    scene.assert_newest(&view);
    assert_eq!(scene.outcomes(1, 1), [1, 2], "and the outcomes of all of them");
    let stats = scene.stats();
    assert_eq!((stats.ticks_total, stats.ticks_joined_total), (3, 2));
}

#[test]
fn views_are_told_nothing_while_packets_are_moved() {
    let (mut scene, mut view) = with_viewer();
    scene.edge.handle_draining(true);
    scene.command(1, 1, 1);
    scene.step();
    scene.step();
    scene.join_for_datagrams(2);
    assert_eq!((scene.deliver(1, &mut view), scene.clients[&2].streams), (0, 0));
    scene.edge.handle_draining(false);
    scene.settle();
    assert_eq!(scene.deliver(1, &mut view), 1);
    scene.assert_newest(&view);
    scene.assert_newest(&scene.view(2));
    // Then it goes on tick by tick.
    let mut other = scene.view(2);
    scene.command(2, 1, 1);
    scene.step();
    assert_eq!((scene.deliver(1, &mut view), scene.deliver(2, &mut other)), (1, 1));
    scene.assert_newest(&view);
    scene.assert_newest(&other);
    assert_eq!((scene.closed(1), scene.closed(2)), (None, None));
}

#[test]
fn who_is_told_tick_by_tick_and_falls_behind_with_the_edge_misses_no_tick() {
    let mut scene = ticking();
    scene.join(1);
    scene.join_for_datagrams(2);
    scene.edge.handle_draining(true);
    scene.is_flowing = false;
    scene.step();
    let falls = (0..10_000).any(|_| {
        scene.step();
        scene.stats().fallen_behind_total > 0
    });
    assert!(falls, "what waits is bounded");
    // The player's own connection is quick again, and the edge is still behind.
    let told = scene.clients[&1].state.len();
    let waits = scene.clients[&1].backlog.bytes();
    scene.clients[&1].backlog.written(waits);
    scene.step();
    assert_eq!((scene.clients[&1].state.len(), scene.clients[&1].streams), (told, 1), "a tick was left out");
    scene.edge.handle_draining(false);
    scene.settle();
    assert_eq!((scene.state_kinds(1), scene.clients[&1].streams), (vec![ServerMessage::Baseline], 2));
    scene.wait(60_000);
    assert_eq!((scene.closed(1), scene.closed(2)), (None, None), "it waits for nothing any more");
}

#[test]
fn outcomes_of_ticks_that_were_told_as_one_can_be_shown_soon() {
    let (mut scene, mut view) = with_viewer();
    // An update is on its way while the next is written.
    scene.command(1, 1, 1);
    scene.step();
    scene.command(1, 2, 2);
    let outcome_tick = scene.service.tick + 1;
    scene.hear_tick();
    scene.hear_tick();
    scene.settle();
    assert_eq!(scene.deliver(1, &mut view), 2);
    scene.step();
    scene.deliver(1, &mut view);
    assert!(view.settled() < outcome_tick, "the edge does not know that the first came");
    let ack = view.ack().unwrap().encode();
    scene.edge.handle_datagram(scene.now(), ConnectionId(1), &ack);
    // Nothing happens any more, and the player is told once more all the same.
    scene.step();
    assert_eq!(scene.deliver(1, &mut view), 1);
    assert!(view.settled() >= outcome_tick);
}
