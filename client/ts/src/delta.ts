// Applies deltas: what changed between two states, in the format of section 11 of the protocol.

import { Reader, unzigzag, unzigzagSmall } from "./bytes.js";
import type { Columns, Row } from "./columns.js";
import { type Field, type Layout, type Value, admits, isSigned, isWide, Kind, Visibility } from "./manifest.js";

const ENTITIES_MAX = 1_000_000;
const U32_MAX = 0xffff_ffff;

/**
 * Brings rows of one class up to date. Throws ReadError when the bytes are no delta that fits; the rows are half changed
 * then and must be replaced by a baseline.
 */
export function applyDelta(columns: Columns, visibility: Visibility, delta: Uint8Array): void {
  const reader = new Reader(delta);
  const layouts = columns.manifest.layouts;
  const count = reader.varintMax(layouts.length, "more components than the manifest has");
  let previous = -1;
  for (let index = 0; index < count; index++) {
    const number = reader.varintMax(0xffff, "a component number exceeds 16 bits");
    const place = columns.manifest.placeOfNumber(number);
    if (place < 0) throw reader.error("the manifest has no such component");
    if (place <= previous) throw reader.error("components are not in ascending order");
    previous = place;
    const layout = layouts[place]!;
    if (layout.visibility !== visibility) throw reader.error("the component is of another class");
    applyRemoved(reader, columns, place);
    const inserted = readInserted(reader, columns, place, layout);
    applyChanged(reader, columns, place, layout);
    for (const [entity, row] of inserted) columns.set(place, entity, row);
  }
  reader.finish();
  if (columns.entityCount > ENTITIES_MAX) throw reader.error("more entities than allowed");
}

function applyRemoved(reader: Reader, columns: Columns, place: number): void {
  const entities: number[] = [];
  eachEntity(reader, (entity) => {
    if (columns.row(place, entity) === undefined) throw reader.error("a removed row does not exist");
    entities.push(entity);
  });
  for (const entity of entities) {
    if (place === 0) columns.removeEntity(entity);
    else columns.remove(place, entity);
  }
}

function readInserted(reader: Reader, columns: Columns, place: number, layout: Layout): [number, Row][] {
  const inserted: [number, Row][] = [];
  eachEntity(reader, (entity) => {
    if (columns.row(place, entity) !== undefined) throw reader.error("an inserted row exists already");
    if (place !== 0 && columns.row(0, entity) === undefined) throw reader.error("a row belongs to no entity");
    inserted.push([entity, layout.fields.map((field) => readWhole(reader, field))]);
  });
  return inserted;
}

function applyChanged(reader: Reader, columns: Columns, place: number, layout: Layout): void {
  eachEntity(reader, (entity) => {
    const before = columns.row(place, entity);
    if (before === undefined) throw reader.error("a changed row does not exist");
    const mask = reader.bigVarint();
    if (mask === 0n || mask >> BigInt(layout.fields.length) !== 0n) {
      throw reader.error("a mask names no field, or one that does not exist");
    }
    const row = before.map((value, index) =>
      (mask >> BigInt(index)) & 1n ? readDifference(reader, layout.fields[index]!, value) : value,
    );
    columns.set(place, entity, row);
  });
}

function eachEntity(reader: Reader, take: (entity: number) => void): void {
  const count = reader.varintMax(ENTITIES_MAX, "more rows than entities are allowed");
  if (count > reader.remaining) throw reader.error("a count exceeds the bytes that are left");
  let entity = 0;
  for (let index = 0; index < count; index++) {
    const gap = reader.varintMax(U32_MAX, "a gap exceeds 32 bits");
    if (gap === 0) throw reader.error("an entity is named twice, or is 0");
    entity += gap;
    if (entity > U32_MAX) throw reader.error("an entity id exceeds 32 bits");
    take(entity);
  }
}

function readWhole(reader: Reader, field: Field): Value {
  if (field.kind === Kind.F32) return checked(reader, field, reader.u32());
  if (isWide(field.kind)) {
    const read = reader.bigVarint();
    return isSigned(field.kind) ? unzigzag(read) : read;
  }
  const read = reader.varint();
  return checked(reader, field, isSigned(field.kind) ? unzigzagSmall(read) : read);
}

function readDifference(reader: Reader, field: Field, before: Value): Value {
  if (field.kind === Kind.F32) return checked(reader, field, reader.u32());
  const difference = unzigzag(reader.bigVarint());
  if (typeof before === "bigint") {
    const sum = before + difference;
    return field.kind === Kind.U64 ? BigInt.asUintN(64, sum) : BigInt.asIntN(64, sum);
  }
  return checked(reader, field, before + Number(difference));
}

function checked(reader: Reader, field: Field, value: number): number {
  if (!admits(field.kind, value)) throw reader.error("a number is out of its field's range");
  return value;
}
