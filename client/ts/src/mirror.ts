// What this player may see, tick by tick, verified by hash; typed by the game's components.

import { ReadError } from "./bytes.js";
import { type Row, type RowEvent, Columns } from "./columns.js";
import { applyDelta } from "./delta.js";
import type { BaselineFrame, DeltaFrame } from "./frames.js";
import { type Held, kept, summarise } from "./held.js";
import { type Layout, type Manifest, type Value, Kind, Visibility } from "./manifest.js";
import { type Applied, View, ViewFault } from "./view.js";

/** Components of a game by name; `worldlog-codegen` writes such an interface from a manifest. */
export type Components = object;

/** What handlers of rows are told. `before` is the row until now, for changes and removals. */
export type Handler<T> = (entity: number, row: T, before: T | undefined, tick: number) => void;

/** What the mirror has done since the player joined. */
export interface MirrorCounts {
  deltas: number;
  updates: number;
  baselines: number;
  hashChecks: number;
  hashMismatches: number;
}

/** The mirror no longer follows the server; the session asks for a new baseline. */
export interface Fault {
  readonly tick: number;
  readonly reason: string;
  readonly expected: bigint;
  readonly found: bigint;
  /** This edge knows less than was told already: another one is needed, not a baseline. */
  readonly isBackwards: boolean;
}

type AnyHandler = (entity: number, row: object, before: object | undefined, tick: number) => void;
type Change = { event: RowEvent; place: number; entity: number; row: object; before: object | undefined };

/** A row as an object with a getter for each field. */
type Shape = new (row: Row) => object;

export class Mirror<C extends Components = Components> {
  /** Counts since the player joined. */
  readonly counts: MirrorCounts = { deltas: 0, updates: 0, baselines: 0, hashChecks: 0, hashMismatches: 0 };
  #manifest: Manifest;
  #columns: Columns;
  #shapes: Shape[];
  readonly #objects = new WeakMap<Row, object>();
  readonly #handlers = new Map<string, Set<AnyHandler>>();
  #changes: Change[] = [];
  #view: View | undefined;
  #tick = 0;
  #position = 0n;
  #standing: "awaits" | "in-sync" | "lost" = "awaits";
  #held: Held | undefined;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.#columns = new Columns(manifest);
    this.#shapes = manifest.layouts.map(shapeOf);
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** The newest tick of which anything came. */
  get tick(): number {
    return this.#view?.tick ?? this.#tick;
  }

  /** Whether what a tick did can be seen. */
  shows(tick: number): boolean {
    return this.#view?.shows(tick) ?? tick <= this.#tick;
  }

  get position(): bigint {
    return this.#position;
  }

  /** Whether rows are verified and follow the server; stays true while a connection is lost. */
  get isInSync(): boolean {
    return this.#standing === "in-sync";
  }

  /** Entities that are seen. */
  get entityCount(): number {
    return this.#columns.entityCount;
  }

  /** The view, in matches that are told by updates. */
  get view(): View | undefined {
    return this.#view;
  }

  get columns(): Columns {
    return this.#columns;
  }

  /** An entity's row, with the fields scaled; undefined when it has none, or the player may not know. */
  get<K extends keyof C & string>(entity: number, component: K): C[K] | undefined {
    const place = this.#manifest.placeOf(component);
    const row = place < 0 ? undefined : this.#columns.row(place, entity);
    return row === undefined ? undefined : (this.#object(place, row) as C[K]);
  }

  /** All rows of a component. */
  *all<K extends keyof C & string>(component: K): IterableIterator<[number, C[K]]> {
    const place = this.#manifest.placeOf(component);
    if (place < 0) return;
    for (const [entity, row] of this.#columns.column(place)) yield [entity, this.#object(place, row) as C[K]];
  }

  /** Calls `handler` for rows that appear, change or go. Returns what ends that. */
  on<K extends keyof C & string>(event: RowEvent, component: K, handler: Handler<C[K]>): () => void {
    const key = `${event} ${component}`;
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers);
    const taken = handler as unknown as AnyHandler;
    handlers.add(taken);
    return () => void handlers.delete(taken);
  }

  #object(place: number, row: Row): object {
    const known = this.#objects.get(row);
    if (known !== undefined) return known;
    const made = new this.#shapes[place]!(row);
    this.#objects.set(row, made);
    return made;
  }

  // ---- what the session gives it ------------------------------------------------------------------

  /** Another manifest takes effect with the next baseline. */
  setManifest(manifest: Manifest): void {
    if (manifest.hash === this.#manifest.hash) return;
    this.#manifest = manifest;
    this.#shapes = manifest.layouts.map(shapeOf);
    this.#columns = new Columns(manifest);
    this.#held = undefined;
  }

  /** What a Resume says that is held; undefined when nothing verified is. */
  summarise(): Uint8Array | undefined {
    this.#held = this.isInSync && this.entityCount > 0 ? summarise(this.#columns) : undefined;
    return this.#held?.bytes;
  }

  /** A new state stream replaces the old one. */
  beginStream(): void {
    this.#standing = "awaits";
  }

  /** Takes a baseline, which replaces all rows. */
  handleBaseline(frame: BaselineFrame): Fault | undefined {
    const held = this.#held;
    this.#held = undefined;
    if (!frame.rewound && (frame.tick < this.tick || frame.position < this.#position)) {
      return this.#lose({ ...fault(frame.tick, "this edge knows less than was seen"), isBackwards: true });
    }
    const columns = kept(held, frame.kept) ?? new Columns(this.#manifest);
    try {
      applyDelta(columns, Visibility.Everyone, frame.columns);
      applyDelta(columns, Visibility.Owner, frame.own);
    } catch (error) {
      return this.#lose(unreadable(frame.tick, error));
    }
    const keeps = frame.kept.some((bits) => bits !== 0);
    const mismatch = this.#compare(columns, frame.era === 0, frame.tick, frame.hash, keeps);
    if (mismatch !== undefined) return this.#lose(mismatch);
    const before = this.#columns;
    this.#columns = columns;
    this.#view = frame.era === 0 ? undefined : new View(columns, frame.era, frame.tick);
    this.#tick = frame.tick;
    this.#position = frame.position;
    this.#standing = "in-sync";
    this.counts.baselines += 1;
    this.#noteReplaced(before);
    columns.listener = (place, entity, now, old) => this.#note(place, entity, now, old);
    this.#tell();
    return undefined;
  }

  handleDelta(frame: DeltaFrame): Fault | undefined {
    if (this.#standing === "lost") return undefined;
    if (this.#standing === "awaits" || this.#view !== undefined || frame.tick !== this.#tick + 1) {
      return this.#lose(fault(frame.tick, `a delta came where tick ${this.#tick + 1} belongs`));
    }
    const applied = this.#applyClass(frame.tick, Visibility.Everyone, frame.columns);
    if (applied !== undefined) return applied;
    const mismatch = this.#compare(this.#columns, true, frame.tick, frame.hash);
    if (mismatch !== undefined) return this.#lose(mismatch);
    this.#tick = frame.tick;
    this.#position = frame.position;
    this.counts.deltas += 1;
    this.#tell();
    return undefined;
  }

  handleOwnDelta(tick: number, delta: Uint8Array): Fault | undefined {
    if (this.#standing === "lost") return undefined;
    if (this.#standing === "awaits" || this.#view !== undefined || tick !== this.#tick) {
      return this.#lose(fault(tick, `an own delta came where tick ${this.#tick} belongs`));
    }
    const applied = this.#applyClass(tick, Visibility.Owner, delta);
    if (applied === undefined) this.#tell();
    return applied;
  }

  /** Takes an update, from a datagram or a stream. Without a view it is early or late, and does nothing. */
  handleUpdate(bytes: Uint8Array): Fault | Applied | undefined {
    if (this.#view === undefined || this.#standing === "lost") return undefined;
    try {
      const applied = this.#view.apply(bytes);
      if (applied.kind === "new") {
        this.counts.updates += 1;
        if (applied.isChecked) this.counts.hashChecks += 1;
      }
      this.#tick = this.#view.tick;
      this.#tell();
      return applied;
    } catch (error) {
      if (error instanceof ViewFault && error.hashes !== undefined) {
        this.counts.hashChecks += 1;
        this.counts.hashMismatches += 1;
        return this.#lose({ ...fault(error.tick, error.message), ...error.hashes });
      }
      return this.#lose(unreadable(this.tick, error));
    }
  }

  /** Bytes of the state stream are no frame. */
  handleUnreadable(): Fault {
    return this.#lose(fault(this.tick, "the state stream cannot be read"));
  }

  #applyClass(tick: number, visibility: Visibility, delta: Uint8Array): Fault | undefined {
    try {
      applyDelta(this.#columns, visibility, delta);
      return undefined;
    } catch (error) {
      return this.#lose(unreadable(tick, error));
    }
  }

  /**
   * Two states of an entity may have the same short sum: of what was kept another hash says no more than that, and all is
   * asked for.
   */
  #compare(columns: Columns, isOrdered: boolean, tick: number, expected: bigint, keeps = false): Fault | undefined {
    this.counts.hashChecks += 1;
    const found = isOrdered ? columns.hash(Visibility.Everyone) : columns.totalHash();
    if (found === expected) return undefined;
    if (!keeps) this.counts.hashMismatches += 1;
    return { ...fault(tick, "the rows have another hash"), expected, found };
  }

  #lose(lost: Fault): Fault {
    this.#standing = "lost";
    this.#changes = [];
    return lost;
  }

  // ---- handlers -------------------------------------------------------------------------------------

  #note(place: number, entity: number, now: Row | undefined, before: Row | undefined): void {
    const event: RowEvent = now === undefined ? "remove" : before === undefined ? "add" : "change";
    if (!this.#handlers.has(`${event} ${this.#manifest.layouts[place]!.name}`)) return;
    const old = before === undefined ? undefined : this.#object(place, before);
    this.#changes.push({ event, place, entity, row: this.#object(place, (now ?? before)!), before: old });
  }

  #noteReplaced(before: Columns): void {
    const isSameGame = before.manifest.hash === this.#manifest.hash;
    this.#manifest.layouts.forEach((_, place) => {
      const [old, now] = [isSameGame ? before.column(place) : new Map<number, Row>(), this.#columns.column(place)];
      for (const [entity, row] of old) if (!now.has(entity)) this.#note(place, entity, undefined, row);
      for (const [entity, row] of now) {
        const was = old.get(entity);
        const isSame = was !== undefined && was.every((value, index) => value === row[index]);
        if (!isSame) this.#note(place, entity, row, was);
      }
    });
  }

  /** Tells handlers once the frame is applied whole, so that they may read the mirror. */
  #tell(): void {
    const changes = this.#changes;
    this.#changes = [];
    for (const { event, place, entity, row, before } of changes) {
      const handlers = this.#handlers.get(`${event} ${this.#manifest.layouts[place]!.name}`);
      for (const handler of handlers ?? []) handler(entity, row, before, this.tick);
    }
  }
}

function fault(tick: number, reason: string): Fault {
  return { tick, reason, expected: 0n, found: 0n, isBackwards: false };
}

function unreadable(tick: number, error: unknown): Fault {
  if (error instanceof ReadError || error instanceof ViewFault) return fault(tick, error.message);
  throw error;
}

const float = new DataView(new ArrayBuffer(4));

function meaning(kind: Kind, scale: number, value: Value): number | bigint | boolean {
  if (typeof value === "bigint") return value;
  if (kind === Kind.Bool) return value === 1;
  if (kind !== Kind.F32) return value / scale;
  float.setUint32(0, value);
  return float.getFloat32(0);
}

/** A class whose objects read one row by the names of its fields. */
function shapeOf(layout: Layout): Shape {
  class Shaped {
    constructor(readonly row: Row) {}
  }
  layout.fields.forEach(({ name, kind, scale }, index) => {
    Object.defineProperty(Shaped.prototype, name, {
      get(this: Shaped) {
        return meaning(kind, scale, this.row[index]!);
      },
    });
  });
  return Shaped;
}
