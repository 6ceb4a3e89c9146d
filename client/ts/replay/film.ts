// One file of the library: what is known of it as a whole, and its state at the ticks that were looked at.

import type { FileInfo, ManifestText, Moment, Presence, Server, State, Timeline } from "./api.js";
import { type Content, readContent } from "../play/content.js";
import { type Frame, pack } from "./frame.js";
import { Moments, describe, presences } from "./moments.js";

const STATES_MAX = 48;

/** What is needed of a server. */
type Asked = Pick<Server, "get" | "text">;

export class Film {
  timeline: Timeline;
  moments: Moments;
  #isDoubted = false;
  readonly #states = new Map<number, State>();
  readonly #frames = new Map<number, Frame>();

  private constructor(
    private readonly server: Asked,
    readonly info: FileInfo,
    timeline: Timeline,
    /** Undefined when the content draws no map. */
    readonly content: Content | undefined,
    readonly manifest: ManifestText,
  ) {
    this.timeline = timeline;
    this.moments = new Moments([...timeline.moments, ...presences(timeline)]);
  }

  static async open(server: Asked, info: FileInfo): Promise<Film> {
    const file = info.name;
    const [timeline, content, manifest] = await Promise.all([
      server.get<Timeline>("/replay/timeline", { file }),
      server.text("/replay/content", { file }),
      server.get<ManifestText>("/replay/manifest", { file }),
    ]);
    return new Film(server, info, timeline, readContent(content), manifest);
  }

  get name(): string {
    return this.info.name;
  }

  /** Everybody who ever came, by number. */
  get players(): readonly number[] {
    return [...new Set(this.timeline.players.map(({ player }) => player))].sort((a, b) => a - b);
  }

  /** What happened, in a few words. */
  describe(moment: Moment): string {
    return describe(
      moment,
      this.content?.weapons.map(({ name }) => name),
    );
  }

  /** What is known may not be what the server knows: it is asked for all of it next time. */
  doubt(): void {
    this.#isDoubted = true;
  }

  /** Asks again how far the file goes and what happened since; says whether that changed. */
  async refresh(): Promise<boolean> {
    const before = this.timeline;
    const { verified_to } = before;
    const since = this.#isDoubted ? undefined : verified_to;
    const rest = await this.server.get<Timeline>("/replay/timeline", { file: this.name, since });
    // A server that was started again may know less.
    this.#isDoubted = since !== undefined && (rest.verified_to < since || rest.last_tick < before.last_tick);
    if (this.#isDoubted) return this.refresh();
    this.timeline = since === undefined ? rest : continued(before, rest, since);
    const { timeline } = this;
    if (since === undefined || rest.moments.length + rest.players.length > 0) {
      this.moments = new Moments([...timeline.moments, ...presences(timeline)]);
    }
    return timeline.last_tick !== before.last_tick || timeline.verified_to !== verified_to;
  }

  /** The state that was asked for before. */
  known(tick: number): State | undefined {
    return this.#states.get(tick);
  }

  async state(tick: number): Promise<State> {
    const known = this.#states.get(tick);
    if (known !== undefined) return known;
    const state = await this.server.get<State>("/replay/state", { file: this.name, tick });
    this.#states.set(tick, state);
    for (const [oldest] of this.#states) {
      if (this.#states.size <= STATES_MAX) break;
      this.#states.delete(oldest);
      this.#frames.delete(oldest);
    }
    return state;
  }

  /** What is drawn of a state that is known. */
  frame(tick: number): Frame | undefined {
    const known = this.#frames.get(tick);
    const state = this.#states.get(tick);
    if (known !== undefined || state === undefined) return known;
    const frame = pack(tick, state.entities);
    this.#frames.set(tick, frame);
    return frame;
  }
}

/** A timeline and what came after a tick of it. */
function continued(known: Timeline, rest: Timeline, since: number): Timeline {
  const isOf = (stay: Presence) => (other: Presence) => stay.player === other.player && stay.joined === other.joined;
  return {
    ...rest,
    keyframes: [...known.keyframes.filter((tick) => tick < since), ...rest.keyframes],
    players: [
      // Who was there may have left.
      ...known.players.map((stay) => rest.players.find(isOf(stay)) ?? stay),
      ...rest.players.filter((stay) => !known.players.some(isOf(stay))),
    ],
    moments: [...known.moments, ...rest.moments],
    mismatches: [...known.mismatches, ...rest.mismatches],
  };
}
