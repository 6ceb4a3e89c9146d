// The page of `worldlog replay serve` and of `worldlog dev`: any match, any tick, any question.

import { Server } from "./api.js";
import { Camera } from "./camera.js";
import { Comparison } from "./compare.js";
import { Desk } from "./desk.js";
import { byId, h, listFiles, say } from "./dom.js";
import { EntityTable } from "./entities.js";
import { Film } from "./film.js";
import { FindPanel } from "./find.js";
import { Frames } from "./frames.js";
import { HeatPanel } from "./heat.js";
import { Inspector } from "./inspector.js";
import { Keys, leaveClickedButtons } from "./keys.js";
import { Lead } from "./lead.js";
import { readLink, writeLink } from "./link.js";
import { type Scene, MapView } from "./map.js";
import { Orders } from "./orders.js";
import { Players } from "./players.js";
import { Tabs } from "./tabs.js";
import { TimelineView } from "./timeline.js";
import { Transport } from "./transport.js";
import { WhatIf } from "./whatif.js";
import { Why } from "./why.js";

/** What tests and the curious may read. */
interface Probe {
  readonly tick: number;
  readonly playing: boolean;
  /** An entity; null while none is. */
  readonly selected: number | null;
  readonly hashMismatches: number;
}

/** A live match, and one whose hashes are still compared, is asked about this often. */
const REFRESH_MS = 1000;
const LIBRARY_MS = 3000;
const LINK_MS = 250;
const STEP_MAX_SECONDS = 0.1;
/** What just happened is shown for this long. */
const ECHO_SECONDS = 0.7;

const server = new Server();
const frames = new Frames(server);
const desk = new Desk(server, frames);
const camera = new Camera();
const whatIf = new WhatIf(desk);
const why = new Why(desk);
const heat = new HeatPanel(desk);
const find = new FindPanel(desk);
const comparison = new Comparison(desk);
const orders = new Orders(desk, whatIf);
const players = new Players(desk);
new EntityTable(desk);
new Inspector(desk, why, whatIf);
new Lead(desk);

const tabs = new Tabs(byId("tabs"), {
  "panel-orders": (isShown) => (orders.isShown = isShown),
  "panel-players": (isShown) => (players.isShown = isShown),
});
whatIf.onWish = () => tabs.show("panel-whatif");
why.onAsk = () => tabs.show("panel-why");

let isStale = true;
const redraw = (): void => void (isStale = true);
const mapHost = { pick: (id: number | undefined) => desk.select(id), moved: redraw };
const maps = [
  new MapView(byId<HTMLCanvasElement>("map-a"), camera, mapHost),
  new MapView(byId<HTMLCanvasElement>("map-b"), camera, mapHost),
] as const;
const timeline = new TimelineView(byId<HTMLCanvasElement>("timeline"), {
  playhead: desk.playhead,
  film: () => desk.film,
  firstDifference: () => desk.firstDifference,
  found: () => find.runs,
  scrub: (tick) => {
    desk.playhead.isPlaying = false;
    desk.go(tick);
  },
  isOn: (lane) => desk.lanesOn[lane] ?? false,
});
const transport = new Transport(desk);

// ---- drawing ------------------------------------------------------------------------------------------------

function zoom(factor: number): void {
  camera.zoom(factor, 0, 0);
  redraw();
}

function fit(): void {
  camera.isFitted = true;
  camera.isFree = false;
  redraw();
}

function sceneOf(film: Film): Scene {
  const { playhead } = desk;
  const shift = film === desk.other ? desk.offset : 0;
  const span = ECHO_SECONDS * playhead.rate * Math.max(1, playhead.speed);
  const at = playhead.at + shift;
  const recent = film.moments.between(Math.ceil(at - span), Math.floor(at));
  return {
    content: film.content,
    between: desk.between(film),
    selected: desk.selected,
    followed: desk.followed,
    marks: desk.differing,
    heat: heat.heat,
    echoes: recent.map((moment) => ({ moment, age: (at - moment.tick) / span })),
  };
}

let lastFrame = performance.now();
function frame(now: number): void {
  requestAnimationFrame(frame);
  const seconds = Math.min(STEP_MAX_SECONDS, (now - lastFrame) / 1000);
  lastFrame = now;
  desk.advance(seconds);
  if (!isStale && !desk.playhead.isPlaying) return;
  isStale = false;
  const { film, other } = desk;
  if (film !== undefined) maps[0].draw(sceneOf(film));
  if (other !== undefined) maps[1].draw(sceneOf(other));
  timeline.draw();
  transport.draw();
}

desk.on(["file", "tick", "state", "select", "other", "edits", "found", "trouble"], redraw);
let followed: number | undefined;
desk.on(["select"], () => {
  if (desk.followed !== followed) camera.isFree = false;
  followed = desk.followed;
});
frames.onFrames = redraw;
heat.onHeat = redraw;
new ResizeObserver(redraw).observe(byId("stage"));
new ResizeObserver(redraw).observe(byId("timeline"));

// ---- files and links ----------------------------------------------------------------------------------------

const files = byId<HTMLSelectElement>("file");
files.addEventListener("change", () => {
  const info = desk.file(files.value);
  if (info !== undefined) desk.open(info).catch((error: unknown) => desk.fail(error));
});
desk.on(["library", "file"], () => {
  listFiles(files, desk.library.files);
  if (desk.film !== undefined) files.value = desk.film.name;
  byId("tool-live").hidden = desk.film?.info.live !== true;
});

let linkTimer = 0;
desk.on(["file", "tick", "select", "other"], () => {
  clearTimeout(linkTimer);
  linkTimer = window.setTimeout(writeHash, LINK_MS);
});

function link(): string {
  const { film, playhead, selected, followed, other, offset } = desk;
  const beside = other && { file: other.name, tick: playhead.tick + offset };
  return writeLink({ tick: playhead.tick, file: film?.name, selected, followed, other: beside });
}

function writeHash(): void {
  if (desk.film !== undefined && !desk.playhead.isPlaying) history.replaceState(null, "", link());
}

/** Goes where the address says. */
async function readHash(): Promise<void> {
  const { tick, file, selected, followed, other } = readLink(location.hash);
  const info = file === undefined ? (desk.film?.info ?? desk.library.files[0]) : desk.file(file);
  if (info === undefined && desk.film !== undefined) {
    desk.fail(new Error(`${file} is not among the matches here`));
    writeHash();
    return;
  }
  if (info === undefined) {
    notice(
      file === undefined ? "No match here yet" : `${file} is not here`,
      "It is looked for again every few seconds.",
    );
    return;
  }
  notice(desk.film === undefined ? "Opening…" : undefined, info.name);
  await desk.open(info, tick ?? desk.playhead.tick);
  if (tick === undefined && info.live === true) desk.followLive();
  notice(undefined);
  if (selected !== undefined) desk.select(selected);
  if (followed !== undefined) desk.follow(followed);
  if (other !== undefined) await comparison.open(other.file, other.tick);
}

function copyLink(): void {
  const text = `${location.origin}${location.pathname}${link()}`;
  history.replaceState(null, "", link());
  const button = byId("copy-link");
  const tell = (word: string): void => {
    say(button, word);
    setTimeout(() => say(button, "Copy link"), 1500);
  };
  // Without leave to write there the address bar has it.
  const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"));
  done.then(
    () => tell("Copied"),
    () => tell("In the address"),
  );
}

function notice(title: string | undefined, text = ""): void {
  const element = byId("notice");
  element.hidden = title === undefined;
  if (title !== undefined) element.replaceChildren(h("b", {}, title), h("span", {}, text));
}

byId("copy-link").addEventListener("click", copyLink);
byId("tool-live").addEventListener("click", () => desk.followLive());
byId("zoom-in").addEventListener("click", () => zoom(1.4));
byId("zoom-out").addEventListener("click", () => zoom(1 / 1.4));
byId("zoom-fit").addEventListener("click", fit);
addEventListener("hashchange", () => void readHash().catch((error: unknown) => desk.fail(error)));

// ---- the server comes and goes --------------------------------------------------------------------------------

server.onPresence = (isHere) => {
  desk.tell("trouble");
  if (!isHere) return;
  desk.film?.doubt();
  void start();
};

async function start(): Promise<void> {
  try {
    await desk.loadLibrary();
    if (desk.film === undefined) await readHash();
    else desk.again();
  } catch (error) {
    desk.fail(error);
    if (server.isHere && desk.film === undefined) notice("This match cannot be shown", String(error));
  }
}

setInterval(() => {
  if (desk.library.live || !desk.isVerified) desk.refresh().catch((error: unknown) => desk.fail(error));
}, REFRESH_MS);
setInterval(() => {
  if (server.isHere && (desk.library.live || desk.film === undefined)) void start();
}, LIBRARY_MS);

// ---- keys -----------------------------------------------------------------------------------------------------

leaveClickedButtons();
const second = (event: KeyboardEvent): number => (event.shiftKey ? Math.round(desk.playhead.rate) : 1);
new Keys([
  { keys: [" "], shown: "Space", does: "play and pause", run: () => desk.togglePlaying() },
  {
    keys: ["ArrowLeft"],
    shown: "← · Shift ←",
    does: "a tick back · a second back",
    run: (event) => desk.step(-second(event)),
  },
  {
    keys: ["ArrowRight"],
    shown: "→ · Shift →",
    does: "a tick on · a second on",
    run: (event) => desk.step(second(event)),
  },
  { keys: ["Home"], shown: "Home", does: "to the beginning", run: () => desk.go(desk.playhead.first) },
  { keys: ["End"], shown: "End", does: "to the end", run: () => desk.go(desk.playhead.last) },
  { keys: ["["], shown: "[", does: "to the moment before, of the kinds switched on", run: () => desk.stepMoment(-1) },
  { keys: ["]"], shown: "]", does: "to the next moment", run: () => desk.stepMoment(1) },
  { keys: [","], shown: ",", does: "slower", run: () => transport.changeSpeed(-1) },
  { keys: ["."], shown: ".", does: "faster", run: () => transport.changeSpeed(1) },
  { keys: ["+", "="], shown: "+", does: "map closer", run: () => zoom(1.25) },
  { keys: ["-", "_"], shown: "−", does: "map farther", run: () => zoom(0.8) },
  { keys: ["0"], shown: "0", does: "whole arena", run: fit },
  { keys: ["w", "a", "s", "d"], shown: "W A S D", does: "move the camera", run: moveCamera },
  { keys: ["f"], shown: "F", does: "follow whom is selected, or nobody", run: followSelected },
  { keys: ["z"], shown: "Z", does: "timeline closer", run: () => zoomTimeline(0.6) },
  { keys: ["Z"], shown: "Shift Z", does: "timeline farther", run: () => zoomTimeline(1 / 0.6) },
  { keys: ["/"], shown: "/", does: "filter entities", run: filterEntities },
  { keys: ["e"], shown: "E", does: "find when something is so", run: findWhen },
  { keys: ["i"], shown: "I", does: "to the values of what is selected; Enter asks why", run: inspect },
  { keys: ["1", "2", "3", "4", "5", "6", "7"], shown: "1 … 7", does: "the panels of the side", run: showPanel },
  { keys: ["c"], shown: "C", does: "compare side by side", run: () => comparison.toggle() },
  { keys: ["h"], shown: "H", does: "heat map", run: () => heat.toggle() },
  { keys: ["l"], shown: "L", does: "copy a link to this tick", run: copyLink },
  { keys: ["Escape"], shown: "Esc", does: "select nothing", run: () => desk.select(undefined) },
]);

function inspect(): void {
  byId("components").querySelector<HTMLElement>(".value")?.focus();
}

function showPanel({ key }: KeyboardEvent): void {
  tabs.showPlace(Number(key) - 1);
}

function moveCamera({ key }: KeyboardEvent): void {
  const [x, y] = { w: [0, 60], a: [60, 0], s: [0, -60], d: [-60, 0] }[key] ?? [0, 0];
  camera.pan(x!, y!);
  redraw();
}

function followSelected(): void {
  const owner = desk.state?.entities.find(({ id }) => id === desk.selected)?.owner;
  desk.follow(owner === undefined || owner === 0 || owner === desk.followed ? undefined : owner);
}

function zoomTimeline(factor: number): void {
  timeline.zoom(factor);
  redraw();
}

function findWhen(): void {
  tabs.show("panel-find");
  find.focus();
}

function filterEntities(): void {
  tabs.show("panel-entities");
  byId("filter").focus();
}

// ---------------------------------------------------------------------------------------------------------------

const probe: Probe = {
  get tick() {
    return desk.playhead.tick;
  },
  get playing() {
    return desk.playhead.isPlaying;
  },
  get selected() {
    return desk.selected ?? null;
  },
  get hashMismatches() {
    return desk.film?.timeline.mismatches.length ?? 0;
  },
};
Object.defineProperty(window, "worldlog", { value: probe });
requestAnimationFrame(frame);
void start();
