// The frames of a file, fetched ahead of where it is played and kept for a while.

import { type Server, address } from "./api.js";
import { type Frame, DRAWN } from "./frame.js";

/** What the worker is asked. */
export interface Asked {
  readonly id: number;
  readonly path: string;
}

/** What it tells. */
export type Told =
  | { readonly id: number; readonly frames: readonly Frame[] }
  | { readonly id: number; readonly refusal: string }
  | { readonly id: number; readonly isGone: true };

/** Frames of a piece: what one request asks for. */
const PIECE = 32;
/** Pieces that are kept: about 25 MB with 300 entities. */
const PIECES_MAX = 64;
const ASKED_MAX = 3;
/** After a refusal a piece is asked for again. */
const AGAIN_MS = 2000;

interface Piece {
  readonly file: string;
  readonly from: number;
  readonly every: number;
  frames: readonly Frame[] | undefined;
  usedAt: number;
  isAsked: boolean;
  /** Whether there may be more by now. */
  isStale: boolean;
  /** 0 when it was not. */
  refusedAt: number;
}

/** Two frames around a moment, and where between them it lies. */
export interface Between {
  readonly first: Frame;
  readonly second: Frame | undefined;
  readonly part: number;
}

/** The frames of all files of a server. */
export class Frames {
  /** Called when frames came. */
  onFrames: () => void = () => undefined;
  /** Why frames did not come; undefined once they do. */
  refusal: string | undefined;
  readonly #pieces = new Map<string, Piece>();
  readonly #asked = new Map<number, Piece>();
  readonly #worker: Worker;
  #nextId = 1;

  constructor(private readonly server: Server) {
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Told>) => this.#hear(data));
  }

  /** What is between two frames at a moment, if it is here; `last` is the last tick of the file. */
  between(file: string, tick: number, every: number, last: number): Between | undefined {
    const floor = Math.floor(tick / every) * every;
    const first = this.#frame(file, floor, every);
    if (first === undefined) return undefined;
    const next = floor + every;
    const second = next > last ? undefined : this.#frame(file, next, every);
    if (second === undefined && next <= last) return undefined;
    return { first, second, part: (tick - floor) / every };
  }

  /** The frame of one tick, if it is here in any density. */
  at(file: string, tick: number): Frame | undefined {
    for (const every of [1, 2, 4, 8, 16]) {
      const frame = tick % every === 0 ? this.#frame(file, tick, every) : undefined;
      if (frame !== undefined) return frame;
    }
    return undefined;
  }

  /** Sees to it that what is played next is here. */
  want(file: string, tick: number, every: number, last: number): void {
    const span = PIECE * every;
    const begin = Math.floor(tick / span) * span;
    for (let from = begin; from <= Math.min(begin + 3 * span, last); from += span) this.#want(file, from, every, last);
  }

  /** A file grew beyond a tick: the piece with that one was not whole. */
  grew(file: string, beyond: number): void {
    for (const piece of this.#pieces.values()) {
      if (piece.file === file && piece.from + PIECE * piece.every > beyond) piece.isStale = true;
    }
  }

  #want(file: string, from: number, every: number, last: number): void {
    const key = `${every} ${from} ${file}`;
    const now = performance.now();
    const fresh = { file, from, every, frames: undefined, usedAt: now, isAsked: false, isStale: true, refusedAt: 0 };
    const piece: Piece = this.#pieces.get(key) ?? fresh;
    this.#pieces.set(key, piece);
    piece.usedAt = now;
    const isSoon = piece.refusedAt !== 0 && now - piece.refusedAt < AGAIN_MS;
    if (!piece.isStale || piece.isAsked || isSoon || this.#asked.size >= ASKED_MAX || !this.server.isHere) return;
    const to = Math.min(from + (PIECE - 1) * every, last);
    const path = address("/replay/frames", { file, from, to, every, components: DRAWN.join(",") });
    const id = this.#nextId++;
    [piece.isAsked, piece.isStale] = [true, false];
    this.#asked.set(id, piece);
    this.#worker.postMessage({ id, path: new URL(path, location.href).href } satisfies Asked);
  }

  #hear(told: Told): void {
    const piece = this.#asked.get(told.id);
    this.#asked.delete(told.id);
    if (piece === undefined) return;
    piece.isAsked = false;
    if ("frames" in told) {
      [piece.frames, piece.refusedAt, this.refusal] = [told.frames, 0, undefined];
    } else {
      [piece.isStale, piece.refusedAt] = [true, performance.now()];
      if ("isGone" in told) this.server.isGone();
      else this.refusal = told.refusal;
    }
    this.#shrink();
    this.onFrames();
  }

  #frame(file: string, tick: number, every: number): Frame | undefined {
    const span = PIECE * every;
    const piece = this.#pieces.get(`${every} ${Math.floor(tick / span) * span} ${file}`);
    const frame = piece?.frames?.[(tick - piece.from) / every];
    return frame?.tick === tick ? frame : undefined;
  }

  #shrink(): void {
    if (this.#pieces.size <= PIECES_MAX) return;
    const oldest = [...this.#pieces].filter(([, { isAsked }]) => !isAsked);
    oldest.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [key] of oldest.slice(0, this.#pieces.size - PIECES_MAX)) this.#pieces.delete(key);
  }
}
