// What the page of replays works out by itself: places between ticks, filters, links, steps from moment to moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { EntityState, Moment, Query, Timeline } from "../replay/api.js";
import { Camera } from "../replay/camera.js";
import { Film } from "../replay/film.js";
import { readFilter } from "../replay/filter.js";
import { runsOf } from "../replay/find.js";
import { pack, poseOf, poses } from "../replay/frame.js";
import { heatColour } from "../replay/heatmap.js";
import { readLink, writeLink } from "../replay/link.js";
import { Moments } from "../replay/moments.js";
import { SPEEDS, Playhead } from "../replay/playhead.js";

const body = (id: number, x: number, angle = 0, more: EntityState["components"] = {}): EntityState => ({
  id,
  owner: 3,
  components: { Kind: { kind: 1 }, Position: { x, y: 5 }, Facing: { angle }, ...more },
});

test("bodies between two ticks are between their places, and turn the shorter way", () => {
  const first = pack(10, [body(7, 1, 65_000), body(8, 4)]);
  const second = pack(12, [body(7, 3, 1_000), body(9, 0)]);
  const pose = poseOf(first, 7, second, 0.5)!;
  assert.equal(pose.x, 2);
  const turned = ((pose.angle / (2 * Math.PI)) * 65_536 + 65_536) % 65_536;
  assert.ok(Math.abs(turned - 232) < 1, `${turned}`);
  assert.deepEqual(
    poses(first, second, 0.5).map(({ id, x }) => [id, x]),
    [
      [7, 2],
      [8, 4],
    ],
    "who is gone stands still",
  );
  assert.equal(poseOf(first, 9), undefined);
});

test("what has no place is not drawn", () => {
  assert.equal(pack(1, [{ id: 1, owner: 0, components: { Score: { round: 1 } } }]).ids.length, 0);
});

test("a filter wants all of its words", () => {
  const drone: EntityState = { id: 12, owner: 0, components: { Kind: { kind: 4 }, Health: { points: 18, max: 30 } } };
  const player = body(4, 1, 0, { Team: { team: 1 }, Health: { points: 80, max: 100 }, Loadout: { reloading: true } });
  const found = (text: string): number[] => [drone, player].filter(readFilter(text)).map(({ id }) => id);
  assert.deepEqual(found(""), [12, 4]);
  assert.deepEqual(found("drone"), [12]);
  assert.deepEqual(found("p3"), [4]);
  assert.deepEqual(found("#12"), [12]);
  assert.deepEqual(found("team:2"), [4]);
  assert.deepEqual(found("health points<50"), [12]);
  assert.deepEqual(found("Health.points>=80 avatar"), [4]);
  assert.deepEqual(found("loadout.reloading=true"), [4]);
  assert.deepEqual(found("drone p3"), []);
});

test("a link leads back to what it was made of", () => {
  const link = {
    tick: 840,
    file: "a match & more+fork",
    selected: 12,
    followed: undefined,
    other: { file: "b@2", tick: 850 },
  };
  assert.deepEqual(readLink(writeLink(link)), link);
  const nothing = { tick: undefined, file: undefined, selected: undefined, followed: undefined, other: undefined };
  assert.deepEqual(readLink("#t=-1&select=x&with=b"), nothing);
});

test("moments are stepped through by the kinds that are shown", () => {
  const moment = (tick: number, kind: string): Moment => ({
    tick,
    kind,
    entity: 1,
    player: 1,
    by: 0,
    at: null,
    value: 0,
  });
  const moments = new Moments([moment(30, "hit"), moment(10, "death"), moment(20, "hit"), moment(30, "death")]);
  const deaths = (kind: string): boolean => kind === "death";
  assert.equal(moments.next(10, 1, deaths), 30);
  assert.equal(moments.next(30, -1, deaths), 10);
  assert.equal(
    moments.next(30, -1, () => true),
    20,
  );
  assert.equal(
    moments.next(30, 1, () => true),
    undefined,
  );
  assert.deepEqual(
    moments.between(20, 30).map(({ kind }) => kind),
    ["hit", "hit", "death"],
  );
});

test("who asks for what is new of a match that goes on knows what one knows who asks for all of it", async () => {
  const moment = (tick: number): Moment => ({ tick, kind: "hit", entity: 1, player: 1, by: 2, at: null, value: 3 });
  /** As it is known when so much was played, and so much compared. */
  const whole = (last: number, verified: number): Timeline => ({
    first_tick: 0,
    last_tick: last,
    tick_millihertz: 30_000,
    // The keyframe of the last tick comes with the tick that follows.
    keyframes: [0, 30, 60, 90].filter((tick) => tick < Math.max(last, 1)),
    players: [
      { player: 1, joined: 2, left: 40 },
      { player: 2, joined: 5, left: null },
      { player: 1, joined: 50, left: 88 },
    ]
      .filter(({ joined }) => joined <= verified)
      .map((stay) => ({ ...stay, left: stay.left !== null && stay.left <= verified ? stay.left : null })),
    moments: [3, 30, 30, 31, 59, 60, 61, 90].filter((tick) => tick <= verified).map(moment),
    verified_to: verified,
    mismatches: [31, 60].filter((tick) => tick <= verified),
    failure: null,
  });
  let now = whole(0, 0);
  const asked: (Query[string] | undefined)[] = [];
  const answer = ({ since }: Query): Timeline => {
    asked.push(since);
    if (since === undefined) return now;
    const isNew = (tick: number | null): boolean => tick !== null && tick > Number(since);
    return {
      ...now,
      keyframes: now.keyframes.filter((tick) => tick >= Number(since)),
      players: now.players.filter(({ joined, left }) => isNew(joined) || isNew(left)),
      moments: now.moments.filter(({ tick }) => isNew(tick)),
      mismatches: now.mismatches.filter(isNew),
    };
  };
  const server = {
    get: async <T>(path: string, query: Query = {}): Promise<T> =>
      (path === "/replay/timeline" ? answer(query) : { components: [] }) as T,
    text: async (): Promise<string> => "",
  };
  const info = { name: "a", label: "", ticks: 0, players: 0, game: "arena", rules_version: 1, seconds: 0, live: true };
  const film = await Film.open(server, info);
  const steps: [number, number][] = [
    [30, 30],
    [30, 30],
    [45, 31],
    [60, 60],
    [61, 60],
    [95, 90],
  ];
  for (const [last, verified] of steps) {
    now = whole(last, verified);
    await film.refresh();
    assert.deepEqual(film.timeline, now, `at ${last}`);
    const told = now.players.filter(({ left }) => left !== null).length + now.players.length + now.moments.length;
    assert.equal(film.moments.all.length, told, `at ${last}`);
  }
  assert.deepEqual(asked, [undefined, 0, 30, 30, 31, 60, 60]);
  // Another server, that has not come as far.
  now = whole(61, 31);
  await film.refresh();
  assert.deepEqual(film.timeline, now);
  film.doubt();
  now = { ...whole(95, 90), moments: [] };
  await film.refresh();
  assert.deepEqual(film.timeline, now, "it was asked for all of it");
});

test("a playhead stays in its file, stops at its end, and asks for few frames at every speed", () => {
  const playhead = new Playhead();
  playhead.load(300, 900, 30_000);
  playhead.go(5);
  assert.equal(playhead.tick, 300);
  playhead.toggle();
  playhead.speed = 32;
  playhead.advance(0.5);
  assert.deepEqual([playhead.tick, playhead.isPlaying], [780, true]);
  playhead.advance(0.5);
  assert.deepEqual([playhead.tick, playhead.isPlaying], [900, false]);
  playhead.toggle();
  assert.equal(playhead.tick, 300, "from the end it begins anew");
  for (const speed of SPEEDS) {
    playhead.speed = speed;
    assert.ok((speed * playhead.rate) / playhead.every <= 64, `${speed}`);
    assert.equal(Math.log2(playhead.every) % 1, 0);
  }
  assert.equal(playhead.clock(1_845), "01:01.50");
});

test("a place under the pointer stays there while the camera comes closer", () => {
  const camera = new Camera();
  const under = (): number => camera.x + 100 / camera.scale;
  const before = under();
  camera.zoom(2, 100, 0);
  assert.ok(Math.abs(under() - before) < 1e-9);
  assert.equal(camera.isFitted, false);
});

test("no heat covers nothing, and more heat covers more", () => {
  const alphas = [0, 0.1, 0.5, 1].map((part) => heatColour(part)[3]);
  assert.equal(alphas[0], 0);
  assert.deepEqual(
    [...alphas].sort((a, b) => a - b),
    alphas,
  );
});

test("ticks without a gap are one run", () => {
  assert.deepEqual(runsOf([3, 4, 5, 9, 11, 12]), [
    { from: 3, to: 5 },
    { from: 9, to: 9 },
    { from: 11, to: 12 },
  ]);
  assert.deepEqual(runsOf([]), []);
});
