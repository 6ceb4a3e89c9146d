// Rows by component and entity, with their hashes: all that a player may know.

import { xxh3 } from "./hash.js";
import { type Layout, type Manifest, type Value, Kind, Visibility } from "./manifest.js";

/** A row's numbers, in the order of the fields. Never changed; another telling is another row. */
export type Row = readonly Value[];

/** What happened to a row. */
export type RowEvent = "add" | "change" | "remove";

/** Hears of rows: `now` is undefined when the row is gone, `before` when it is new. */
export type Listener = (place: number, entity: number, now: Row | undefined, before: Row | undefined) => void;

const scratch = new Uint8Array(6 + 8 * 64);
const scratchView = new DataView(scratch.buffer);

/** Hash of one row: over entity, component number and canonical bytes. */
export function rowHash(entity: number, layout: Layout, row: Row): bigint {
  scratchView.setUint32(0, entity, true);
  scratchView.setUint16(4, layout.number, true);
  for (let index = 0; index < layout.fields.length; index++) {
    const field = layout.fields[index]!;
    put(scratchView, 6 + field.offset, field.kind, row[index]!);
  }
  return xxh3(scratch.subarray(0, 6 + layout.width));
}

function put(view: DataView, at: number, kind: Kind, value: Value): void {
  switch (kind) {
    case Kind.Bool:
    case Kind.U8:
    case Kind.I8:
      view.setUint8(at, value as number);
      break;
    case Kind.U16:
    case Kind.I16:
      view.setUint16(at, value as number, true);
      break;
    case Kind.U64:
    case Kind.I64:
      view.setBigUint64(at, BigInt.asUintN(64, value as bigint), true);
      break;
    default:
      view.setUint32(at, value as number, true);
  }
}

/** All rows that a client holds. */
export class Columns {
  readonly #rows: Map<number, Row>[];
  readonly #hashes: Map<number, bigint>[];
  readonly #sums: bigint[];
  /** Hears of every row that is set or removed. */
  listener: Listener | undefined;

  constructor(readonly manifest: Manifest) {
    this.#rows = manifest.layouts.map(() => new Map());
    this.#hashes = manifest.layouts.map(() => new Map());
    this.#sums = manifest.layouts.map(() => 0n);
  }

  /** Rows of a component, by entity, in no order. */
  column(place: number): ReadonlyMap<number, Row> {
    return this.#rows[place]!;
  }

  row(place: number, entity: number): Row | undefined {
    return this.#rows[place]!.get(entity);
  }

  get entityCount(): number {
    return this.#rows[0]!.size;
  }

  /** Hash of one class, modulo 2^64. */
  hash(visibility: Visibility): bigint {
    return this.#sum((layout) => layout.visibility === visibility);
  }

  /** Hash of all rows, modulo 2^64. */
  totalHash(): bigint {
    return this.#sum(() => true);
  }

  #sum(isPart: (layout: Layout) => boolean): bigint {
    const parts = this.#sums.filter((_, place) => isPart(this.manifest.layouts[place]!));
    return BigInt.asUintN(
      64,
      parts.reduce((sum, part) => sum + part, 0n),
    );
  }

  /** Sum of the hashes of an entity's rows. */
  entityHash(entity: number): bigint {
    const hashes = this.#hashes.map((column) => column.get(entity) ?? 0n);
    return BigInt.asUintN(
      64,
      hashes.reduce((sum, hash) => sum + hash, 0n),
    );
  }

  set(place: number, entity: number, row: Row): void {
    const rows = this.#rows[place]!;
    const before = rows.get(entity);
    const hash = rowHash(entity, this.manifest.layouts[place]!, row);
    this.#sums[place]! += hash - (this.#hashes[place]!.get(entity) ?? 0n);
    this.#hashes[place]!.set(entity, hash);
    rows.set(entity, row);
    this.listener?.(place, entity, row, before);
  }

  /** Removes a row, if it is there. */
  remove(place: number, entity: number): boolean {
    const before = this.#rows[place]!.get(entity);
    if (before === undefined) return false;
    this.#rows[place]!.delete(entity);
    this.#sums[place]! -= this.#hashes[place]!.get(entity)!;
    this.#hashes[place]!.delete(entity);
    this.listener?.(place, entity, undefined, before);
    return true;
  }

  /** Removes an entity from all components, itself last. */
  removeEntity(entity: number): void {
    for (let place = this.#rows.length - 1; place >= 0; place--) this.remove(place, entity);
  }

  /** The rows of some entities, on their own. */
  part(entities: Iterable<number>): Columns {
    const part = new Columns(this.manifest);
    for (const entity of entities) {
      this.#rows.forEach((rows, place) => {
        const row = rows.get(entity);
        if (row !== undefined) part.set(place, entity, row);
      });
    }
    return part;
  }
}
