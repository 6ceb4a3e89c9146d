// What happened when: the moments of a file, in words and in order.

import type { Moment, Timeline } from "./api.js";

/** A row of the timeline: kinds of moments that are shown, and stepped through, together. */
export interface Lane {
  readonly label: string;
  readonly kinds: readonly string[];
  /** Whether it is stepped through until somebody says otherwise: there are too many hits. */
  readonly isOn: boolean;
}

export const LANES: readonly Lane[] = [
  { label: "Kills", kinds: ["death"], isOn: true },
  { label: "Pick-ups", kinds: ["pickup"], isOn: true },
  { label: "Joins, rounds", kinds: ["join", "leave", "round"], isOn: true },
  { label: "Hits, drones", kinds: ["hit", "wreck", "score"], isOn: false },
];

const COLOURS: Readonly<Record<string, string>> = {
  death: "#ff6b57",
  pickup: "#5fd67a",
  join: "#9db7ff",
  leave: "#66738a",
  round: "#f2c14b",
  hit: "#c98a54",
  wreck: "#7d889b",
  score: "#b79bff",
};

/** Whether there are so many that they are counted rather than told. */
export const isOften = (kind: string): boolean => OFTEN.has(kind);
const OFTEN = new Set(["hit", "wreck", "score"]);

export const momentColour = (kind: string): string => COLOURS[kind] ?? "#8794a8";

/** The end of what no player was: kills are those of players. */
export const WRECK = "wreck";

/** Moments by tick. */
export class Moments {
  readonly all: readonly Moment[];

  constructor(moments: readonly Moment[]) {
    const named = moments.map((moment) =>
      moment.kind === "death" && moment.player === 0 ? { ...moment, kind: WRECK } : moment,
    );
    this.all = named.sort((a, b) => a.tick - b.tick);
  }

  /** From one tick to another, both included. */
  between(from: number, to: number): readonly Moment[] {
    return this.all.slice(this.#firstFrom(from), this.#firstFrom(to + 1));
  }

  /** The nearest tick before or after another at which something of these kinds happened. */
  next(tick: number, direction: 1 | -1, isShown: (kind: string) => boolean): number | undefined {
    let index = direction === 1 ? this.#firstFrom(tick + 1) : this.#firstFrom(tick) - 1;
    while (index >= 0 && index < this.all.length) {
      const moment = this.all[index]!;
      if (isShown(moment.kind)) return moment.tick;
      index += direction;
    }
    return undefined;
  }

  #firstFrom(tick: number): number {
    let [low, high] = [0, this.all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.all[middle]!.tick < tick) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Joins and leaves, as moments among the others. */
export function presences({ players, last_tick }: Timeline): Moment[] {
  const moment = (tick: number, kind: string, player: number): Moment => ({
    tick,
    kind,
    entity: 0,
    player,
    by: 0,
    at: null,
    value: 0,
  });
  return players.flatMap(({ player, joined, left }) => [
    moment(joined, "join", player),
    ...(left === null || left > last_tick ? [] : [moment(left, "leave", player)]),
  ]);
}

/** What happened, in a few words; weapons by their number. */
export function describe({ kind, player, by, entity, value }: Moment, weapons: readonly string[] = []): string {
  const whom = player === 0 ? `#${entity}` : `P${player}`;
  switch (kind) {
    case "death":
      return by === 0 ? `${whom} died` : by === player ? `${whom} killed themselves` : `P${by} killed ${whom}`;
    case WRECK:
      return by === 0 ? `drone ${whom} is gone` : `P${by} shot drone ${whom}`;
    case "hit":
      return by === 0 ? `${whom} lost ${value}` : `P${by} hit ${whom} for ${value}`;
    case "pickup":
      return `${whom} took ${item(value, weapons)}`;
    case "join":
      return `${whom} joined`;
    case "leave":
      return `${whom} left`;
    case "score":
      return `${whom} scored ${value}`;
    case "round":
      return value < 0 ? `round ${-value} ended` : `round ${value} began`;
    default:
      return `${kind} ${whom}`;
  }
}

function item(value: number, weapons: readonly string[]): string {
  if (value >= WEAPONS_FROM) return weapons[value - WEAPONS_FROM] ?? `weapon ${value - WEAPONS_FROM}`;
  return { 1: "health", 2: "ammunition", 3: "a shield" }[value] ?? `item ${value}`;
}

const WEAPONS_FROM = 4;
