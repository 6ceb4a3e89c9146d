// What a session says and does, against an edge in memory.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionEnded, Session } from "../src/session.js";
import type { Place } from "../src/transport.js";
import { FakeEdge } from "./edge.js";
import { BASELINE, DELTA, example, hashOf, manifest } from "./specification.js";

const place: Place = { url: "https://edge.test/worldlog/1" };

interface Example {
  readonly Place: { readonly x: number; readonly facing: number };
  readonly Health: { readonly points: number; readonly shielded: boolean };
}

/** A session, and the edges that it dials, in order. */
function begin(): { session: Session<Example>; edges: FakeEdge[]; dialled: () => Promise<FakeEdge> } {
  const edges: FakeEdge[] = [];
  let wake: () => void = () => undefined;
  const dial = (): FakeEdge["transport"] => {
    const edge = new FakeEdge();
    edges.push(edge);
    wake();
    return edge.transport;
  };
  let taken = 0;
  const dialled = async (): Promise<FakeEdge> => {
    while (edges.length <= taken) await new Promise<void>((resolve) => (wake = resolve));
    return edges[taken++]!;
  };
  return { session: new Session<Example>({ place, token: "token", dial }), edges, dialled };
}

/** Takes the first words of a connection and lets the player in. */
async function admit(edge: FakeEdge, resumed: boolean, secret: number, lastSeq = 0): Promise<void> {
  await edge.next();
  await edge.next();
  edge.welcome(manifest.hash, resumed ? undefined : manifest.bytes);
  edge.joined(resumed, secret, lastSeq);
}

const baseline = (edge: FakeEdge, outcomes: [number, number, number][] = []): Promise<void> =>
  edge.baseline(41, hashOf(BASELINE), example(BASELINE), outcomes);

test("a player who joins has a verified mirror, and hears of what changes", async () => {
  const { session, dialled } = begin();
  const edge = await dialled();
  assert.deepEqual(await edge.next(), { kind: "hello", manifestHash: 0n, datagrams: true });
  await edge.next();
  edge.welcome(manifest.hash, manifest.bytes);
  edge.joined(false, 1);
  await baseline(edge);
  await session.joined;
  assert.equal(session.mirror.tick, 41);
  assert.equal(session.mirror.get(1, "Place")?.x, 100 / 256);
  assert.equal(session.mirror.get(1, "Place")?.facing, 1.5);
  assert.equal(session.mirror.get(1, "Health")?.shielded, true);
  const heard: string[] = [];
  session.mirror.on("add", "Place", (entity) => heard.push(`add ${entity}`));
  session.mirror.on("remove", "Place", (entity) => heard.push(`remove ${entity}`));
  const changed = new Promise<number>((resolve) => session.mirror.on("change", "Place", (entity) => resolve(entity)));
  edge.delta(42, hashOf(DELTA), example(DELTA));
  assert.equal(await changed, 1);
  assert.deepEqual(heard.sort(), ["add 7", "remove 2"]);
  assert.equal(session.mirror.counts.hashMismatches, 0);
  session.close();
});

test("an outcome is told once the mirror holds its tick", async () => {
  const { session, dialled } = begin();
  const edge = await dialled();
  await admit(edge, false, 1);
  await baseline(edge);
  await session.joined;
  let isTold = false;
  const outcome = session.command(Uint8Array.of(1, 2)).finally(() => (isTold = true));
  assert.deepEqual(await edge.next(), { kind: "commands", firstSeq: 1, payloads: [[1, 2]] });
  edge.outcomes([[1, 256, 42]]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isTold, false, "tick 42 is not here yet");
  edge.delta(42, hashOf(DELTA), example(DELTA));
  assert.equal((await outcome).code, 256);
  session.close();
});

test("who is cut resumes with the newest secret, and sends again what has no outcome", async () => {
  const { session, dialled } = begin();
  const first = await dialled();
  await admit(first, false, 1);
  await baseline(first);
  await session.joined;
  const outcomes = [1, 2, 3].map((byte) => session.command(Uint8Array.of(byte)));
  await first.next();
  first.lose();
  const second = await dialled();
  assert.deepEqual(await second.next(), { kind: "hello", manifestHash: manifest.hash, datagrams: true });
  assert.deepEqual(await second.next(), { kind: "resume", session: 7, secret: 1, held: true });
  second.welcome(manifest.hash, undefined);
  second.joined(true, 2, 3);
  await baseline(second, [[1, 0, 41]]);
  assert.deepEqual(await second.next(), { kind: "commands", firstSeq: 2, payloads: [[2], [3]] });
  second.outcomes([
    [2, 0, 41],
    [3, 7, 41],
  ]);
  assert.deepEqual(
    (await Promise.all(outcomes)).map(({ seq, code }) => [seq, code]),
    [
      [1, 0],
      [2, 0],
      [3, 7],
    ],
  );
  second.close(16, "the server is stopping");
  const third = await dialled();
  await third.next();
  assert.deepEqual(await third.next(), { kind: "resume", session: 7, secret: 2, held: true });
  session.close();
});

test("a mirror that disagrees is replaced by a baseline that was asked for once", async () => {
  const { session, dialled } = begin();
  const edge = await dialled();
  await admit(edge, false, 1);
  await baseline(edge);
  await session.joined;
  edge.delta(42, hashOf(DELTA) + 1n, example(DELTA));
  edge.delta(43, 0n, Uint8Array.of(0));
  assert.deepEqual(await edge.next(), { kind: "other", type: 5 });
  assert.equal(session.mirror.isInSync, false);
  const isBack = new Promise((resolve) => session.mirror.on("change", "Place", resolve));
  await edge.baseline(44, hashOf(BASELINE), example(BASELINE));
  await isBack;
  assert.equal(session.mirror.isInSync, true);
  assert.equal(session.stats.resyncs, 1);
  assert.equal(session.mirror.counts.hashMismatches, 1);
  session.close();
});

test("no more than 32 commands are without an outcome", async () => {
  const { session, dialled } = begin();
  const edge = await dialled();
  await admit(edge, false, 1);
  await baseline(edge);
  await session.joined;
  const all = Array.from({ length: 40 }, (_, index) => session.command(Uint8Array.of(index)));
  const first = await edge.next();
  assert.ok(first.kind === "commands" && first.payloads.length === 32);
  edge.outcomes(Array.from({ length: 8 }, (_, index) => [index + 1, 0, 41]));
  let sent = 0;
  while (sent < 8) {
    const next = await edge.next();
    assert.ok(next.kind === "commands" && next.firstSeq === 33 + sent);
    sent += next.payloads.length;
  }
  edge.outcomes(Array.from({ length: 32 }, (_, index) => [index + 9, 0, 41]));
  assert.equal((await Promise.all(all)).length, 40);
  session.close();
});

test("a code that ends the session ends it, and what is awaited fails", async () => {
  const { session, dialled, edges } = begin();
  const edge = await dialled();
  await admit(edge, false, 1);
  await baseline(edge);
  await session.joined;
  const outcome = session.command(Uint8Array.of(1));
  outcome.catch(() => undefined);
  edge.close(10, "there is no such match, or it is closed");
  const ended = await session.over;
  assert.equal(ended.code, 10);
  await assert.rejects(outcome, SessionEnded);
  assert.equal(edges.length, 1);
});
