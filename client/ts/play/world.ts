// What of the mirror is shown, at one moment.

import { Interpolator, TickClock, type Mirror, type Session } from "../src/index.js";
import type { ArenaComponents, Seat } from "./components.js";
import type { Content } from "./content.js";
import { Prediction } from "./predict.js";

/** Kinds of entities. */
export const AVATAR = 1;
export const PROJECTILE = 2;
export const PICKUP = 3;
export const DRONE = 4;

/** Ticks behind the server at which others are shown: one lost or late update does not show. */
const DELAY_TICKS = 2.5;
const TURN = 65_536;

export interface Thing {
  readonly entity: number;
  readonly kind: number;
  readonly x: number;
  readonly y: number;
  /** Radians, counter-clockwise. */
  readonly facing: number;
  /** -1 for nobody's. */
  readonly team: number;
  readonly owner: number;
  readonly isOwn: boolean;
  /** Metres a second. */
  readonly speed: { readonly x: number; readonly y: number };
}

/** A flash, a burst, a death: seen for a moment. */
export interface Effect {
  readonly kind: "hit" | "burst" | "spark" | "muzzle";
  readonly x: number;
  readonly y: number;
  readonly team: number;
  readonly begun: number;
}

export interface Death {
  readonly victim: number;
  readonly killer: number | undefined;
  readonly at: number;
}

export class World {
  readonly clock: TickClock;
  /** Undefined until it is told, and for matches that draw no map. */
  content: Content | undefined;
  readonly prediction = new Prediction();
  readonly mirror: Mirror<ArenaComponents>;
  readonly effects: Effect[] = [];
  readonly deaths: Death[] = [];
  readonly #past: Interpolator<ArenaComponents>;
  #kills: { player: number; tick: number }[] = [];
  #toldAt = 0;

  constructor(private readonly session: Session<ArenaComponents>) {
    const mirror = session.mirror;
    this.mirror = mirror;
    this.clock = new TickClock(mirror.manifest.ticksPerSecond || 30);
    this.#past = new Interpolator(mirror, ["Position", "Facing"], { Facing: { angle: TURN } });
    this.#watch();
  }

  #watch(): void {
    const place = (entity: number): { x: number; y: number } | undefined => this.mirror.get(entity, "Position");
    const effect = (kind: Effect["kind"], entity: number, at = place(entity)): void => {
      if (at === undefined) return;
      const team = this.mirror.get(entity, "Team")?.team ?? -1;
      this.effects.push({ kind, x: at.x, y: at.y, team, begun: performance.now() });
    };
    this.mirror.on("change", "Health", (entity, now, before) => {
      if (before !== undefined && now.points + now.shield < before.points + before.shield) effect("hit", entity);
    });
    this.mirror.on("remove", "Position", (entity, at) => {
      if (this.mirror.get(entity, "Entity") === undefined && this.#kinds.get(entity) !== undefined) {
        effect(this.#kinds.get(entity) === PROJECTILE ? "spark" : "burst", entity, at);
      }
      this.#kinds.delete(entity);
    });
    this.mirror.on("add", "Kind", (entity, { kind }) => {
      this.#kinds.set(entity, kind);
      if (kind === PROJECTILE) effect("muzzle", entity);
    });
    for (const [entity, { kind }] of this.mirror.all("Kind")) this.#kinds.set(entity, kind);
    this.mirror.on("change", "Seat", (_, seat, before, tick) => this.#noteSeat(seat, before, tick));
  }

  readonly #kinds = new Map<number, number>();

  #noteSeat(seat: Seat, before: Seat | undefined, tick: number): void {
    if (before === undefined) return;
    if (seat.kills > before.kills) this.#kills.push({ player: seat.player, tick });
    if (seat.deaths > before.deaths) {
      const at = performance.now();
      // The killer's row may come after the victim's.
      setTimeout(() => {
        const index = this.#kills.findIndex((kill) => Math.abs(kill.tick - tick) <= 2 && kill.player !== seat.player);
        const killer = index < 0 ? undefined : this.#kills.splice(index, 1)[0]!.player;
        this.deaths.push({ victim: seat.player, killer, at });
        this.#kills = this.#kills.filter((kill) => tick - kill.tick < 60);
      }, 60);
    }
  }

  /** Notes that something came. */
  heard(now: number): void {
    if (this.mirror.tick === this.#toldAt) return;
    this.#toldAt = this.mirror.tick;
    this.clock.note(this.mirror.tick, now);
  }

  /** The player's seat. */
  get seat(): Seat | undefined {
    for (const [, seat] of this.mirror.all("Seat")) if (seat.player === this.session.player) return seat;
    return undefined;
  }

  /** The tick that runs a command sent now. */
  commandTick(now: number): number {
    return Math.ceil(this.clock.tickAt(now) + (this.session.stats.pingMs * this.clock.rate) / 1000) + 1;
  }

  /** All that is seen, at a moment of the local clock. */
  *things(now: number, seconds: number): IterableIterator<Thing> {
    const shown = this.clock.tickAt(now) - DELAY_TICKS;
    const own = this.seat?.avatar ?? 0;
    for (const [entity, { kind }] of this.mirror.all("Kind")) {
      const isOwn = entity === own;
      const at = isOwn ? this.#predicted(entity, now, seconds) : this.#past.at(entity, "Position", shown);
      if (at === undefined) continue;
      const angle = this.#past.at(entity, "Facing", shown)?.[0] ?? 0;
      const velocity = this.mirror.get(entity, "Velocity");
      yield {
        entity,
        kind,
        x: at[0]!,
        y: at[1]!,
        facing: (angle / TURN) * 2 * Math.PI,
        team: this.mirror.get(entity, "Team")?.team ?? -1,
        owner: this.mirror.get(entity, "Entity")?.owner ?? 0,
        isOwn,
        speed: { x: velocity?.x ?? 0, y: velocity?.y ?? 0 },
      };
    }
  }

  #predicted(entity: number, now: number, seconds: number): readonly [number, number] | undefined {
    const [place, speed] = [this.mirror.get(entity, "Position"), this.mirror.get(entity, "Velocity")];
    if (place === undefined) return undefined;
    const body = { x: place.x, y: place.y, vx: speed?.x ?? 0, vy: speed?.y ?? 0 };
    const tick = this.clock.tickAt(now) + (this.session.stats.pingMs * this.clock.rate) / 1000;
    const at = this.prediction.at(this.content, body, this.mirror.tick, tick, seconds);
    return [at.x, at.y];
  }
}
