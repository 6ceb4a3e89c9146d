// What is open, what is looked at, and what is known of it. The views draw what stands here and call what it can do.

import { type Difference, type FileInfo, type Library, type Server, type State, Gone } from "./api.js";
import { Film } from "./film.js";
import type { Between, Frames } from "./frames.js";
import { LANES } from "./moments.js";
import { Playhead } from "./playhead.js";

/** What may have changed. */
export type Topic =
  | "library"
  | "file"
  | "timeline"
  | "tick"
  | "state"
  | "select"
  | "other"
  | "why"
  | "edits"
  | "found"
  | "trouble";

/** While it plays the tables are filled this often. */
const TABLES_EVERY_MS = 250;
/** A live match is played this far behind its end, so that frames are there in time. */
const BEHIND_SECONDS = 2.5;

export class Desk {
  readonly playhead = new Playhead();
  library: Library = { live: false, files: [] };
  film: Film | undefined;
  /** What it is compared with; its tick is that of the playhead and `offset`. */
  other: Film | undefined;
  offset = 0;
  /** An entity. */
  selected: number | undefined;
  /** A player. */
  followed: number | undefined;
  state: State | undefined;
  otherState: State | undefined;
  /** Undefined until they are known, and while nothing is compared. */
  differences: readonly Difference[] | undefined;
  /** Entities with a difference. */
  differing: ReadonlySet<number> = new Set();
  /** Where a fork that is compared differs first. */
  firstDifference: number | undefined;
  /** Whether frames are waited for. */
  isWaiting = false;
  /** Whether the end of a live match is followed. */
  isAtLive = false;
  /** What went wrong last; undefined once it works. */
  trouble: string | undefined;
  readonly lanesOn = LANES.map(({ isOn }) => isOn);
  readonly #listeners: [readonly Topic[], () => void][] = [];
  #isAsking = false;
  #wishes = 0;
  #askedAt = 0;
  #lastBetween = new WeakMap<Film, Between>();

  constructor(
    readonly server: Server,
    readonly frames: Frames,
  ) {}

  on(topics: readonly Topic[], listener: () => void): void {
    this.#listeners.push([topics, listener]);
  }

  tell(...topics: readonly Topic[]): void {
    for (const [wanted, listener] of this.#listeners) if (topics.some((topic) => wanted.includes(topic))) listener();
  }

  // ---- files --------------------------------------------------------------------------------------------

  async loadLibrary(): Promise<void> {
    this.library = await this.server.get<Library>("/replay/files");
    this.tell("library");
  }

  file(name: string): FileInfo | undefined {
    return this.library.files.find((file) => file.name === name);
  }

  /** Opens a file at a tick. What was selected stays selected if the file stays the same. */
  async open(info: FileInfo, tick = 0): Promise<void> {
    if (this.film?.name !== info.name) {
      const film = await Film.open(this.server, info);
      this.film = film;
      this.state = undefined;
      this.selected = undefined;
      this.followed = undefined;
      this.playhead.isPlaying = false;
      this.isAtLive = false;
      this.closeOther();
      const { first_tick, last_tick, tick_millihertz } = film.timeline;
      this.playhead.load(first_tick, last_tick, tick_millihertz);
      this.tell("file", "select");
    }
    this.go(tick);
  }

  /** A file that is still written, and one whose hashes are still compared, is asked about again. */
  async refresh(): Promise<void> {
    const { film, playhead } = this;
    if (film === undefined || !this.server.isHere) return;
    const before = film.timeline.last_tick;
    if (!(await film.refresh()) || this.film !== film) return;
    const { first_tick, last_tick, tick_millihertz } = film.timeline;
    if (last_tick !== before) this.frames.grew(film.name, before);
    playhead.load(first_tick, last_tick, tick_millihertz);
    if (this.isAtLive) this.#catchUp();
    this.tell("timeline", "tick");
  }

  get isVerified(): boolean {
    return this.film !== undefined && this.film.timeline.verified_to >= this.film.timeline.last_tick;
  }

  /** Goes to where a live match is now, and stays with it. */
  followLive(): void {
    this.isAtLive = true;
    this.playhead.speed = 1;
    this.playhead.go(this.#liveTick);
    this.playhead.isPlaying = true;
    this.#moved();
  }

  get #liveTick(): number {
    return this.playhead.last - Math.round(BEHIND_SECONDS * this.playhead.rate);
  }

  #catchUp(): void {
    const { playhead } = this;
    if (Math.abs(playhead.at - this.#liveTick) > 2 * playhead.rate) playhead.go(this.#liveTick);
    playhead.isPlaying = true;
  }

  // ---- where it is --------------------------------------------------------------------------------------

  /** Goes to a tick; a live match is not followed any more. */
  go(tick: number): void {
    this.isAtLive = false;
    this.playhead.go(tick);
    this.#moved();
  }

  step(ticks: number): void {
    this.playhead.isPlaying = false;
    this.go(this.playhead.tick + ticks);
  }

  togglePlaying(): void {
    this.isAtLive = false;
    this.playhead.toggle();
    this.#moved();
  }

  stepMoment(direction: 1 | -1): void {
    const isShown = (kind: string): boolean =>
      this.lanesOn.some((isOn, lane) => isOn && LANES[lane]!.kinds.includes(kind));
    const tick = this.film?.moments.next(this.playhead.tick, direction, isShown);
    if (tick === undefined) return;
    this.playhead.isPlaying = false;
    this.go(tick);
  }

  /** Plays on by a time. */
  advance(seconds: number): void {
    const { film, other, playhead } = this;
    if (!playhead.isPlaying || film === undefined) return;
    const { every } = playhead;
    this.frames.want(film.name, playhead.tick, every, film.timeline.last_tick);
    if (other !== undefined) this.frames.want(other.name, playhead.tick + this.offset, every, other.timeline.last_tick);
    const isHere = (of: Film, at: number): boolean =>
      at >= of.timeline.last_tick || this.frames.between(of.name, at, every, of.timeline.last_tick) !== undefined;
    const before = playhead.tick;
    this.isWaiting = !isHere(film, playhead.at) || (other !== undefined && !isHere(other, playhead.at + this.offset));
    if (this.isWaiting) this.trouble = this.frames.refusal;
    else playhead.advance(seconds);
    // More comes: the end of a live match is no end.
    if (this.isAtLive && !playhead.isPlaying) [playhead.isPlaying, this.isWaiting] = [true, true];
    if (playhead.tick !== before) this.#moved();
    else if (this.isWaiting) this.tell("trouble");
  }

  /** What is drawn of a file now: the state itself while it stands, frames while it plays. */
  between(film: Film): Between | undefined {
    const { playhead } = this;
    const shift = film === this.other ? this.offset : 0;
    const found = playhead.isPlaying
      ? this.frames.between(film.name, playhead.at + shift, playhead.every, film.timeline.last_tick)
      : this.#standing(film, playhead.tick + shift);
    const shown = found ?? this.#lastBetween.get(film);
    if (found !== undefined) this.#lastBetween.set(film, found);
    return shown;
  }

  #standing(film: Film, tick: number): Between | undefined {
    const first = film.frame(tick) ?? this.frames.at(film.name, tick);
    return first && { first, second: undefined, part: 0 };
  }

  #moved(): void {
    this.tell("tick");
    void this.#feed();
  }

  // ---- states -------------------------------------------------------------------------------------------

  /** Asks for the states of where it is now: one at a time, and what is skipped meanwhile is not asked for. */
  async #feed(): Promise<void> {
    this.#wishes++;
    if (this.#isAsking) return;
    const wait = this.playhead.isPlaying ? this.#askedAt + TABLES_EVERY_MS - performance.now() : 0;
    this.#isAsking = true;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const wishes = this.#wishes;
    try {
      await this.#ask(this.playhead.tick);
      if (this.trouble !== undefined) {
        this.trouble = undefined;
        this.tell("trouble");
      }
    } catch (error) {
      this.fail(error);
    }
    this.#isAsking = false;
    if (this.#wishes !== wishes) void this.#feed();
  }

  async #ask(tick: number): Promise<void> {
    const { film, other } = this;
    if (film === undefined) return;
    this.#askedAt = performance.now();
    const otherTick = tick + this.offset;
    const isThere =
      other !== undefined && otherTick >= other.timeline.first_tick && otherTick <= other.timeline.last_tick;
    const asked = { a: `${film.name}@${tick}`, b: `${other?.name}@${otherTick}` };
    const [state, otherState, diff] = await Promise.all([
      film.state(tick),
      isThere ? other.state(otherTick) : undefined,
      isThere ? this.server.get<{ differences: Difference[] }>("/replay/diff", asked) : undefined,
    ]);
    if (this.film !== film || this.other !== other) return;
    this.state = state;
    this.otherState = otherState;
    this.differences = diff?.differences;
    this.differing = new Set(diff?.differences.map(({ entity }) => entity));
    this.tell("state");
  }

  /** After a change that is not one of the tick. */
  again(): void {
    void this.#feed();
  }

  fail(error: unknown): void {
    this.trouble = error instanceof Gone ? undefined : error instanceof Error ? error.message : String(error);
    this.tell("trouble");
  }

  // ---- what is looked at --------------------------------------------------------------------------------

  select(entity: number | undefined): void {
    this.selected = entity;
    this.tell("select");
  }

  follow(player: number | undefined): void {
    this.followed = player;
    this.tell("select");
  }

  /** Compares with a file; `tick` is its tick that stands beside the one that is shown. */
  compare(other: Film, tick: number, firstDifference?: number): void {
    this.other = other;
    this.offset = tick - this.playhead.tick;
    this.firstDifference = firstDifference;
    this.differences = undefined;
    this.tell("other", "tick");
    this.again();
  }

  closeOther(): void {
    this.other = undefined;
    this.otherState = undefined;
    this.differences = undefined;
    this.differing = new Set();
    this.firstDifference = undefined;
    this.offset = 0;
    this.tell("other", "state");
  }
}
