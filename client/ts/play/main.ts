// The page of `worldlog dev` and of the edges of a cluster: joins the arena and plays it.

import { type Place, type Session, CloseCode, SessionEnded, connect, outcomeName } from "../src/index.js";
import * as commands from "./commands.js";
import type { ArenaComponents } from "./components.js";
import { readContent } from "./content.js";
import { Painter, drawMap } from "./draw.js";
import { hideVeil, showVeil, updateHud } from "./hud.js";
import { Input } from "./input.js";
import { World } from "./world.js";

/** What tests and the curious may read. */
interface Probe {
  connected: boolean;
  tick: number;
  entities: number;
  ackMs: number;
  hashMismatches: number;
  hashChecks: number;
  losses: number;
  resyncs: number;
  player: number;
  /** Whether the match is told by updates in datagrams. */
  datagrams: boolean;
  /** Walls of the map, in tiles; 0 while it is not known. */
  walls: number;
  /** The player's own body as the server told it; undefined while dead. */
  own: { x: number; y: number } | undefined;
  /** The others' bodies, by entity. */
  others: Record<number, { x: number; y: number }>;
  cut: () => void;
}

declare global {
  interface Window {
    worldlog: Probe;
  }
}

interface EdgeAnswer {
  readonly webtransport: string;
  readonly certificate_sha256: readonly string[];
  readonly certificate_pinned: boolean;
  readonly match: number | null;
}

const COMMAND_EVERY_MS = 50;
const MAP_EVERY_MS = 120;
const CONTENT_AGAIN_MS = 1_000;
/** Below this, in 65,536ths of a turn, an aim is the same. */
const AIM_STEP = 128;

const probe: Probe = {
  connected: false,
  tick: 0,
  entities: 0,
  ackMs: 0,
  hashMismatches: 0,
  hashChecks: 0,
  losses: 0,
  resyncs: 0,
  player: 0,
  datagrams: false,
  walls: 0,
  own: undefined,
  others: {},
  cut: () => undefined,
};
window.worldlog = probe;

const painter = new Painter(document.getElementById("field") as HTMLCanvasElement);
const input = new Input(window);
const wanted = new URLSearchParams(location.search);

async function ask<T>(path: string, method = "GET"): Promise<T> {
  const answer = await fetch(path, { method });
  const body = (await answer.json()) as T & { error?: string };
  if (!answer.ok) throw new Error(body.error ?? `${path}: ${answer.status}`);
  return body;
}

/** Certificates are renewed and ports change: asked anew before every attempt. */
async function findEdge(): Promise<Place> {
  const edge = await ask<EdgeAnswer>("/edge.json");
  const hashes = edge.certificate_pinned ? edge.certificate_sha256.map(fromHex) : [];
  return { url: edge.webtransport, certificateHashes: hashes };
}

const fromHex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/** Asks for the map until it is told: who would know may be gone for a moment. Played on without it meanwhile. */
async function loadContent(match: number, signal: AbortSignal): Promise<string> {
  while (!signal.aborted) {
    try {
      const answer = await fetch(`/content?match=${match}`, { signal });
      if (answer.ok) return await answer.text();
      if (answer.status === 404) break;
    } catch {
      // The edge is gone for a moment.
    }
    await new Promise((resolve) => setTimeout(resolve, CONTENT_AGAIN_MS));
  }
  return "";
}

async function play(): Promise<void> {
  showVeil("Joining the arena", "");
  const asked = new URLSearchParams();
  // In matches that are shown or were taken over from a recording: as whom.
  for (const [from, to] of [["match", "match"], ["as", "player"]] as const) {
    const value = wanted.get(from);
    if (value !== null) asked.set(to, value);
  }
  const { token, match } = await ask<{ token: string; match: number }>(`/token?${asked}`, "POST");
  const session = await connect<ArenaComponents>({ place: findEdge, token, name: "worldlog-play/0.1" });
  const world = new World(session);
  const isOver = new AbortController();
  void loadContent(match, isOver.signal).then((text) => (world.content = readContent(text)));
  probe.cut = () => session.cut();
  hideVeil();
  session.onState((state) => {
    if (state === "playing") hideVeil();
    if (state === "resuming") showVeil("Connection lost", "Coming back to your seat…");
  });
  const stop = run(session, world);
  const ended = await session.over;
  stop();
  isOver.abort();
  probe.connected = false;
  throw ended;
}

/** Draws each frame and sends wishes until it is told to stop. */
function run(session: Session<ArenaComponents>, world: World): () => void {
  let isOver = false;
  let [lastFrame, lastMap] = [performance.now(), 0];
  const draw = (now: number): void => {
    if (isOver) return;
    requestAnimationFrame(draw);
    const seconds = Math.min(0.1, (now - lastFrame) / 1000);
    lastFrame = now;
    world.heard(now);
    if (world.seat === undefined) painter.pan(input.direction.x, input.direction.y, seconds);
    painter.draw(world, now, seconds);
    updateHud(session, world, input.isScoreShown, now);
    if (now - lastMap > MAP_EVERY_MS) {
      lastMap = now;
      drawMap(document.getElementById("map") as HTMLCanvasElement, world, world.things(now, 0));
    }
    note(session, world);
  };
  requestAnimationFrame(draw);
  const sending = setInterval(sender(session, world), COMMAND_EVERY_MS);
  return () => {
    isOver = true;
    clearInterval(sending);
  };
}

function note(session: Session<ArenaComponents>, world: World): void {
  const { mirror } = world;
  const own = world.seat?.avatar ?? 0;
  const at = mirror.get(own, "Position");
  probe.connected = session.state === "playing";
  probe.tick = mirror.tick;
  probe.entities = mirror.entityCount;
  probe.ackMs = session.stats.ackMs;
  probe.hashMismatches = mirror.counts.hashMismatches;
  probe.hashChecks = mirror.counts.hashChecks;
  probe.losses = session.stats.losses;
  probe.resyncs = session.stats.resyncs;
  probe.player = session.player;
  probe.datagrams = mirror.view !== undefined && session.stats.datagrams > 0;
  probe.walls = world.content?.walls.filter(Boolean).length ?? 0;
  probe.own = at === undefined ? undefined : { x: at.x, y: at.y };
  probe.others = {};
  for (const [entity, { kind }] of mirror.all("Kind")) {
    const place = mirror.get(entity, "Position");
    if (kind === 1 && entity !== own && place !== undefined) probe.others[entity] = { x: place.x, y: place.y };
  }
}

/** Sends what changed since the last call; a body that is new is told everything. */
function sender(session: Session<ArenaComponents>, world: World): () => void {
  let said = { avatar: 0, x: 0, y: 0, angle: 0, isFiring: false };
  // A recording takes no wishes, and says so to the first.
  let isRecording = false;
  // Rejections are the rules' answer, and the end of the session is told elsewhere.
  const send = (payload: Uint8Array): Promise<number | undefined> =>
    session.command(payload).then(
      (outcome) => {
        if (outcomeName(outcome.code) === "recorded" && !isRecording) {
          isRecording = true;
          world.prediction.reset();
        }
        return outcome.code === 0 ? outcome.tick : undefined;
      },
      () => undefined,
    );
  const ifAlive = (payload: Uint8Array) => (): void => {
    if (world.seat?.avatar && session.commandsWaiting < 16 && !isRecording) void send(payload);
  };
  input.onReload = ifAlive(commands.reload());
  input.onUse = ifAlive(commands.use());
  return () => {
    const avatar = world.seat?.avatar ?? 0;
    // While a connection is down wishes would pile up, and all be obeyed at once.
    if (session.state !== "playing" || avatar === 0 || session.commandsWaiting > 16 || isRecording) return;
    if (avatar !== said.avatar) {
      said = { avatar, x: 0, y: 0, angle: -1, isFiring: false };
      world.prediction.reset();
      world.prediction.wish(0, 0, world.mirror.tick);
    }
    const { x, y } = input.direction;
    if (x !== said.x || y !== said.y) {
      const ran = world.prediction.wish(x, y, world.commandTick(performance.now()));
      void send(commands.move(x, y)).then((tick) => tick !== undefined && ran(tick));
      said = { ...said, x, y };
    }
    const at = world.mirror.get(avatar, "Position");
    const to = painter.toWorld(input.pointer.x, input.pointer.y);
    if (at !== undefined) {
      const turn = Math.atan2(to.y - at.y, to.x - at.x) / (2 * Math.PI);
      const angle = Math.round((turn + 1) * 65_536) % 65_536;
      const off = Math.abs(((angle - said.angle + 98_304) % 65_536) - 32_768);
      if (said.angle < 0 || off >= AIM_STEP) {
        void send(commands.aim(angle));
        said = { ...said, angle };
      }
    }
    if (input.isFiring !== said.isFiring) {
      said = { ...said, isFiring: input.isFiring };
      void send(commands.fire(input.isFiring)).then((tick) => {
        // Refused, for the magazine was empty or the round over: a held trigger asks again.
        if (tick === undefined && said.isFiring) said = { ...said, isFiring: false };
      });
    }
  };
}

const ENDS = new Map<number, string>([
  [CloseCode.Superseded, "This seat is played from elsewhere."],
  [CloseCode.NoMatch, "The match is closed."],
  [CloseCode.Full, "The match is full."],
]);

async function main(): Promise<void> {
  try {
    await play();
  } catch (error) {
    probe.connected = false;
    const text = error instanceof SessionEnded ? (ENDS.get(error.code) ?? error.message) : String(error);
    showVeil("Not in the arena", text, () => void main());
  }
}

void main();
