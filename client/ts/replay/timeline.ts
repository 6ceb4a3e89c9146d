// The timeline: keyframes, what happened when, which ticks were verified, and where the page is. Scrubbed by dragging.

import type { Timeline } from "./api.js";
import { h, sharp } from "./dom.js";
import type { Run } from "./find.js";
import type { Film } from "./film.js";
import { LANES, isOften, momentColour } from "./moments.js";
import type { Playhead } from "./playhead.js";

const RULER = 20;
/** As the style sheet has them. */
const LANE = 17;
const HASHES = 17;
const FEWEST_TICKS = 60;
const TIP_LINES = 7;
/** Pixels around the pointer whose moments are told. */
const NEAR = 3;

export interface TimelineHost {
  readonly playhead: Playhead;
  film: () => Film | undefined;
  /** Ticks at which the match that it is compared with differs first; undefined when there is none. */
  firstDifference: () => number | undefined;
  /** Ticks that were looked for. */
  found: () => readonly Run[];
  scrub: (tick: number) => void;
  /** Whether a lane is stepped through. */
  isOn: (lane: number) => boolean;
}

export class TimelineView {
  #from = 0;
  #to = 1;
  #isWhole = true;
  #still: HTMLCanvasElement | undefined;
  #stillOf = "";
  #foundOf: readonly Run[] | undefined;
  #pointer: number | undefined;
  readonly #tip = h("div", { class: "tip", role: "presentation", hidden: true });

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly host: TimelineHost,
  ) {
    canvas.parentElement?.append(this.#tip);
    this.#listen();
  }

  /** Shows the whole file. */
  fit(): void {
    this.#isWhole = true;
  }

  zoom(factor: number, around = this.host.playhead.at): void {
    const { first, last } = this.host.playhead;
    const whole = Math.max(1, last - first);
    const span = Math.min(whole, Math.max(FEWEST_TICKS, (this.#to - this.#from) * factor));
    const part = (around - this.#from) / (this.#to - this.#from);
    this.#show(around - part * span, span);
  }

  draw(): void {
    const context = sharp(this.canvas);
    const film = this.host.film();
    if (context === undefined) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    context.clearRect(0, 0, width, height);
    if (film === undefined) return;
    this.#keepInRange();
    context.drawImage(this.#painted(film, width, height), 0, 0, width, height);
    const { playhead } = this.host;
    if (this.#pointer !== undefined) this.#line(context, this.#pointer, "rgb(255 255 255 / 28%)", height);
    this.#drawHead(context, this.#x(playhead.at), height);
    const { canvas } = this;
    canvas.setAttribute("aria-valuemin", String(playhead.first));
    canvas.setAttribute("aria-valuemax", String(playhead.last));
    canvas.setAttribute("aria-valuenow", String(playhead.tick));
    canvas.setAttribute("aria-valuetext", `tick ${playhead.tick}, ${playhead.clock(playhead.tick)}`);
  }

  // ---- range --------------------------------------------------------------------------------------------

  #keepInRange(): void {
    const { first, last, at, isPlaying } = this.host.playhead;
    if (this.#isWhole) [this.#from, this.#to] = [first, Math.max(last, first + 1)];
    else if (this.#from < first || this.#to > last) this.#show(this.#from, this.#to - this.#from);
    const span = this.#to - this.#from;
    if (at < this.#from || at > this.#to) this.#show(isPlaying ? at - span * 0.1 : at - span / 2, span);
  }

  #show(from: number, span: number): void {
    const { first, last } = this.host.playhead;
    this.#isWhole = span >= last - first;
    this.#from = Math.max(first, Math.min(from, last - span));
    this.#to = this.#from + Math.max(1, span);
  }

  #x(tick: number): number {
    return ((tick - this.#from) / (this.#to - this.#from)) * this.canvas.clientWidth;
  }

  #tick(x: number): number {
    return this.#from + (x / this.canvas.clientWidth) * (this.#to - this.#from);
  }

  // ---- what does not move -------------------------------------------------------------------------------

  #painted(film: Film, width: number, height: number): HTMLCanvasElement {
    const { timeline } = film;
    const lanes = LANES.map((_, lane) => this.host.isOn(lane)).join();
    const said = [film.name, this.#from, this.#to, width, height, devicePixelRatio, timeline.last_tick, lanes];
    const known = [timeline.verified_to, timeline.mismatches.length, film.moments.all.length];
    const key = [...said, ...known, this.host.firstDifference()].join(" ");
    const found = this.host.found();
    if (this.#still === undefined || this.#stillOf !== key || this.#foundOf !== found) {
      [this.#stillOf, this.#foundOf] = [key, found];
      this.#still = document.createElement("canvas");
      [this.#still.width, this.#still.height] = [this.canvas.width, this.canvas.height];
      const context = this.#still.getContext("2d");
      if (context !== null) {
        context.scale(devicePixelRatio, devicePixelRatio);
        this.#paint(context, film, width);
      }
    }
    return this.#still;
  }

  #paint(context: CanvasRenderingContext2D, film: Film, width: number): void {
    this.#paintRuler(context, film.timeline, width);
    context.fillStyle = "rgb(242 193 75 / 30%)";
    for (const { from, to } of this.host.found()) {
      const x = this.#x(from);
      context.fillRect(x, RULER - 6, Math.max(2, this.#x(to + 1) - x), LANES.length * LANE + 6);
    }
    LANES.forEach((lane, index) => {
      const top = RULER + index * LANE;
      if (index % 2 === 0) {
        context.fillStyle = "rgb(255 255 255 / 2.5%)";
        context.fillRect(0, top, width, LANE);
      }
      context.globalAlpha = this.host.isOn(index) ? 1 : 0.7;
      this.#paintLane(context, film, lane.kinds, top);
      context.globalAlpha = 1;
    });
    this.#paintHashes(context, film.timeline, width, RULER + LANES.length * LANE);
  }

  #paintRuler(context: CanvasRenderingContext2D, { keyframes }: Timeline, width: number): void {
    const { playhead } = this.host;
    const seconds = (this.#to - this.#from) / playhead.rate;
    const wanted = (seconds * 90) / Math.max(1, width);
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    const step = (steps.find((step) => step >= wanted) ?? 7200) * playhead.rate;
    context.font = "10.5px system-ui, sans-serif";
    for (let tick = Math.ceil(this.#from / step) * step; tick <= this.#to; tick += step) {
      const x = this.#x(tick);
      context.fillStyle = "#303c52";
      context.fillRect(Math.round(x), 0, 1, RULER - 5);
      context.fillStyle = "#93a0b5";
      const label = playhead.clock(tick);
      context.fillText(step < playhead.rate ? label : label.slice(0, -3), x + 4, 10);
    }
    context.fillStyle = "#58b7ff";
    const apart = keyframes.length < 2 ? width : this.#x(keyframes[1]!) - this.#x(keyframes[0]!);
    const every = Math.max(1, Math.ceil(3 / Math.max(apart, 0.01)));
    keyframes.forEach((tick, index) => {
      if (index % every === 0) context.fillRect(Math.round(this.#x(tick)), RULER - 5, 1, 4);
    });
  }

  #paintLane(context: CanvasRenderingContext2D, film: Film, kinds: readonly string[], top: number): void {
    const moments = film.moments.between(Math.floor(this.#from), Math.ceil(this.#to));
    for (const kind of kinds) {
      const heights = new Map<number, number>();
      for (const moment of moments) {
        if (moment.kind !== kind) continue;
        const x = Math.round(this.#x(moment.tick));
        heights.set(x, (heights.get(x) ?? 0) + 1);
      }
      context.fillStyle = momentColour(kind);
      const most = Math.max(3, ...heights.values());
      const isCounted = isOften(kind);
      for (const [x, count] of heights) {
        const height = isCounted ? 2 + (count / most) * (LANE - 5) : 5 + Math.min(LANE - 9, count * 2.5);
        const width = isCounted ? 1 : 2;
        context.fillRect(x - width / 2, top + LANE - 2 - height, width, height);
      }
    }
  }

  #paintHashes(context: CanvasRenderingContext2D, timeline: Timeline, width: number, top: number): void {
    const [y, height] = [top + HASHES / 2 - 3, 6];
    const end = Math.min(width, this.#x(timeline.last_tick));
    context.fillStyle = "#27303f";
    context.fillRect(0, y, end, height);
    context.fillStyle = "#2f9e63";
    context.fillRect(0, y, Math.max(0, Math.min(end, this.#x(timeline.verified_to))), height);
    context.fillStyle = "#ff4d5e";
    for (const tick of timeline.mismatches) context.fillRect(Math.round(this.#x(tick)) - 1, y - 3, 2, height + 6);
    const first = this.host.firstDifference();
    if (first === undefined) return;
    context.fillStyle = "#ff5fd2";
    context.fillRect(Math.round(this.#x(first)) - 1, RULER - 6, 2, top + HASHES);
  }

  // ---- what moves ---------------------------------------------------------------------------------------

  #line(context: CanvasRenderingContext2D, x: number, colour: string, height: number): void {
    context.fillStyle = colour;
    context.fillRect(Math.round(x) - 0.5, 0, 1, height);
  }

  #drawHead(context: CanvasRenderingContext2D, x: number, height: number): void {
    this.#line(context, x, "#ffffff", height);
    context.fillStyle = "#ffffff";
    context.beginPath();
    context.moveTo(x - 5, 0);
    context.lineTo(x + 5, 0);
    context.lineTo(x, 7);
    context.fill();
  }

  // ---- the pointer --------------------------------------------------------------------------------------

  #listen(): void {
    const { canvas, host } = this;
    let isHeld = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      isHeld = true;
      canvas.setPointerCapture(event.pointerId);
      host.scrub(this.#tick(event.offsetX));
    });
    canvas.addEventListener("pointermove", (event) => {
      this.#pointer = event.offsetX;
      if (isHeld) host.scrub(this.#tick(event.offsetX));
      this.#tell(event.offsetX);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (isHeld = false));
    canvas.addEventListener("pointerleave", () => {
      this.#pointer = undefined;
      this.#tip.hidden = true;
      this.draw();
    });
    canvas.addEventListener("dblclick", () => {
      this.fit();
      this.draw();
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const span = this.#to - this.#from;
        const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
        if (sideways !== 0) this.#show(this.#from + (sideways / canvas.clientWidth) * span, span);
        else this.zoom(Math.exp(event.deltaY * 0.0015), this.#tick(event.offsetX));
        this.draw();
      },
      { passive: false },
    );
  }

  /** Says what is under the pointer. */
  #tell(x: number): void {
    const film = this.host.film();
    if (film === undefined) return;
    const { playhead } = this.host;
    const tick = Math.min(Math.max(Math.round(this.#tick(x)), playhead.first), playhead.last);
    const found = film.moments.between(Math.floor(this.#tick(x - NEAR)), Math.ceil(this.#tick(x + NEAR)));
    const rank = (kind: string): number => LANES.findIndex(({ kinds }) => kinds.includes(kind));
    const sorted = [...found].sort((a, b) => rank(a.kind) - rank(b.kind));
    const lines = sorted.slice(0, TIP_LINES).map((moment) => {
      const chip = h("i", { class: "chip", style: `--chip: ${momentColour(moment.kind)}` });
      return h("li", {}, chip, film.describe(moment), h("span", {}, ` ${moment.tick}`));
    });
    if (sorted.length > TIP_LINES) lines.push(h("li", {}, `and ${sorted.length - TIP_LINES} more`));
    const head = h("b", {}, `${playhead.clock(tick)} · tick ${tick}`);
    this.#tip.replaceChildren(head, h("ul", {}, ...lines), this.#tellHash(film.timeline, x, tick));
    this.#tip.hidden = false;
    const width = this.#tip.offsetWidth;
    const left = this.canvas.offsetLeft + Math.min(Math.max(x - width / 2, 0), this.canvas.clientWidth - width);
    this.#tip.style.left = `${left}px`;
    this.draw();
  }

  /** Whether the hash of a tick is that which was recorded, and whether it begins a keyframe. */
  #tellHash({ mismatches, verified_to, keyframes }: Timeline, x: number, tick: number): HTMLElement {
    const near = (ticks: readonly number[]): number | undefined =>
      ticks.find((at) => Math.abs(this.#x(at) - x) <= NEAR);
    const differs = near(mismatches);
    const keyframe = near(keyframes);
    const hash =
      differs !== undefined
        ? `hash of tick ${differs} differs from the recorded one`
        : tick <= verified_to
          ? "hash as recorded"
          : "hash not compared yet";
    const text = keyframe === undefined ? hash : `${hash} · keyframe ${keyframe}`;
    return h("div", { class: differs === undefined ? "dim" : "differing" }, text);
  }
}
