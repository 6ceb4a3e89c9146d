// What to show between ticks: the server's time, and rows blended at a moment a little before it.

import { Sync } from "./manifest.js";
import type { Components, Mirror } from "./mirror.js";

/** Tells the server's tick at a moment of the local clock, from when ticks came. */
export class TickClock {
  /** Ticks at local time 0, as the earliest arrivals say. */
  #offset: number | undefined;

  constructor(private readonly ticksPerSecond: number) {}

  /** Ticks a second. */
  get rate(): number {
    return this.ticksPerSecond;
  }

  /** Notes that a tick came. `now` is in ms. */
  note(tick: number, now: number): void {
    const offset = tick - (now * this.ticksPerSecond) / 1000;
    if (this.#offset === undefined || offset > this.#offset) this.#offset = offset;
    // What came later than the earliest pulls slowly, so that clocks that drift, and paths that grow longer, are followed.
    else this.#offset += (offset - this.#offset) * (offset < this.#offset - 15 ? 0.2 : 0.005);
  }

  /** The tick, with its fraction, that is on its way here now; 0 before the first came. */
  tickAt(now: number): number {
    return this.#offset === undefined ? 0 : this.#offset + (now * this.ticksPerSecond) / 1000;
  }
}

interface Sample {
  readonly tick: number;
  readonly values: readonly number[];
}

const SAMPLES_MAX = 24;
/** Ticks between two values of something that moves; a longer rest was a rest. */
const REST_TICKS = 3;

/** Keeps the recent past of components, and blends it. Fields that turn are blended the short way round. */
export class Interpolator<C extends Components> {
  readonly #past = new Map<string, Map<number, Sample[]>>();

  /** `turns` names what a full turn is, by component and field, for angles. */
  constructor(
    private readonly mirror: Mirror<C>,
    components: readonly (keyof C & string)[],
    private readonly turns: Readonly<Record<string, Readonly<Record<string, number>>>> = {},
  ) {
    for (const component of components) this.#follow(component);
  }

  #follow(component: keyof C & string): void {
    const past = new Map<number, Sample[]>();
    this.#past.set(component, past);
    const fields = this.#fields(component);
    const read = (row: object): number[] => fields.map((name) => Number((row as Record<string, number>)[name]));
    const note = (entity: number, row: object, before: object | undefined, tick: number): void => {
      let samples = past.get(entity);
      if (samples === undefined) past.set(entity, (samples = []));
      // A recording was moved back: what was shown of later ticks is no past.
      if ((samples.at(-1)?.tick ?? 0) > tick) samples.length = 0;
      const last = samples[samples.length - 1];
      if (last !== undefined && before !== undefined && tick - last.tick > REST_TICKS) {
        samples.push({ tick: tick - 1, values: last.values });
      }
      if (last?.tick === tick) samples.pop();
      samples.push({ tick, values: read(row) });
      if (samples.length > SAMPLES_MAX) samples.shift();
    };
    for (const [entity, row] of this.mirror.all(component)) note(entity, row as object, undefined, this.mirror.tick);
    this.mirror.on("add", component, (entity, row, before, tick) => {
      past.delete(entity);
      note(entity, row as object, before as object | undefined, tick);
    });
    this.mirror.on("change", component, (entity, row, before, tick) => {
      note(entity, row as object, before as object | undefined, tick);
    });
    this.mirror.on("remove", component, (entity) => void past.delete(entity));
  }

  #fields(component: string): string[] {
    const layout = this.mirror.manifest.layouts[this.mirror.manifest.placeOf(component)];
    return layout === undefined ? [] : layout.fields.map((field) => field.name);
  }

  /** Fields of a row at a tick with a fraction, in the manifest's order; undefined when nothing is known of it. */
  at(entity: number, component: keyof C & string, tick: number): readonly number[] | undefined {
    const samples = this.#past.get(component)?.get(entity);
    if (samples === undefined || samples.length === 0) return undefined;
    let index = samples.length - 1;
    while (index > 0 && samples[index]!.tick > tick) index -= 1;
    const from = samples[index]!;
    const to = samples[index + 1];
    const layout = this.mirror.manifest.layouts[this.mirror.manifest.placeOf(component)];
    if (to === undefined || tick <= from.tick || layout === undefined || layout.sync === Sync.Plain) return from.values;
    const part = (tick - from.tick) / (to.tick - from.tick);
    const turns = this.turns[component] ?? {};
    return from.values.map((value, place) => blend(value, to.values[place]!, part, turns[layout.fields[place]!.name]));
  }
}

/** A number between two; with `turn`, the short way round. */
export function blend(from: number, to: number, part: number, turn?: number): number {
  if (turn === undefined) return from + (to - from) * part;
  const way = ((to - from) % turn + turn * 1.5) % turn - turn / 2;
  return (from + way * part + turn) % turn;
}
