// Reads updates: what is new for one player, in a packet that may be lost, doubled or late. The format is that of
// `protocol/src/update.rs`.

import { BitReader } from "./bits.js";
import { ReadError, putVarint, unzigzag, unzigzagSmall } from "./bytes.js";
import type { Row } from "./columns.js";
import { type Field, type Layout, type Manifest, type Value } from "./manifest.js";
import { admits, isSigned, isWide, Kind, Visibility, widthOf } from "./manifest.js";

export const UPDATE_TYPE = 1;
const ACK_TYPE = 2;
const HEADER_BYTES = 8;
/** An age that means: the newest telling at or before so many ticks ago. */
export const AGE_OLDEST = 63;
const ENTITIES_MAX = 1_000_000;

export interface Header {
  /** Low byte of the baseline's era. */
  readonly era: number;
  /** Number in its era, modulo 2^16. */
  readonly seq: number;
  /** Low 16 bits of the tick that is told. */
  readonly tick: number;
  readonly part: number;
  readonly parts: number;
  /** Ticks before `tick` up to which all is known to be held, if that is known. */
  readonly settledAge: number | undefined;
  readonly hasHash: boolean;
  readonly hasAbsences: boolean;
}

/** How a row is told. */
export interface Form {
  readonly age: number;
  readonly span: number;
  readonly mask: readonly boolean[];
}

/** What a row is told as a difference to; `course` is what was told `span` ticks before. */
export interface Base {
  readonly row: Row;
  readonly course: Row | undefined;
}

/** Takes what an update tells. */
export interface Receiver {
  gone(entity: number): void;
  lost(entity: number, place: number): void;
  /** Undefined when there is none; the row is passed over then. */
  base(entity: number, place: number, form: Form): Base | undefined;
  row(entity: number, place: number, row: Row): void;
}

export function decodeHeader(bytes: Uint8Array): Header {
  if (bytes.length < HEADER_BYTES) throw new ReadError(0, "the buffer ends too early");
  if (bytes[0] !== UPDATE_TYPE) throw new ReadError(0, "the type is not that of an update");
  const [part, parts] = [bytes[6]! & 15, (bytes[6]! >> 4) + 1];
  if (part >= parts) throw new ReadError(6, "the part is none of the parts");
  const settled = bytes[7]! & 63;
  return {
    era: bytes[1]!,
    seq: bytes[2]! | (bytes[3]! << 8),
    tick: bytes[4]! | (bytes[5]! << 8),
    part,
    parts,
    settledAge: settled < AGE_OLDEST ? settled : undefined,
    hasHash: (bytes[7]! & 64) !== 0,
    hasAbsences: (bytes[7]! & 128) !== 0,
  };
}

/** What is said of the updates that came: `seq` is the newest, bit i of `missing` says that `seq - 1 - i` has not. */
export function encodeAck(era: number, seq: number, missing: bigint): Uint8Array {
  const out = [ACK_TYPE, era & 0xff, seq & 0xff, (seq >> 8) & 0xff];
  putVarint(out, missing);
  return Uint8Array.from(out);
}

interface Changes {
  readonly predicts: boolean;
  readonly uses: readonly boolean[];
  readonly k: readonly number[];
}

interface Listed {
  readonly place: number;
  readonly layout: Layout;
  readonly changes: Changes | undefined;
  form: Form;
}

/** Reads all but the header. Returns the hash, if the update has one. Throws ReadError. */
export function readUpdate(manifest: Manifest, bytes: Uint8Array, header: Header, to: Receiver): bigint | undefined {
  const bits = new BitReader(bytes, HEADER_BYTES);
  const hash = header.hasHash ? bits.takeBig(64) : undefined;
  if (header.hasAbsences) readAbsences(bits, manifest, to);
  const listed = readComponents(bits, manifest);
  if (listed.length > 0) readEntities(bits, listed, to);
  bits.finish();
  return hash;
}

function readAbsences(bits: BitReader, manifest: Manifest, to: Receiver): void {
  const k = bits.take(5);
  let entity = 0;
  for (let left = readCount(bits, 2); left > 0; left--) {
    entity = readEntity(bits, k, entity);
    to.gone(entity);
  }
  entity = 0;
  for (let left = readCount(bits, 2); left > 0; left--) {
    entity = readEntity(bits, k, entity);
    let place = -1;
    const components = bits.code(0) + 1;
    if (components > manifest.layouts.length) throw bits.error("more components than the manifest has");
    for (let index = 0; index < components; index++) {
      place = readPlace(bits, place, manifest);
      if (place === 0) throw bits.error("an entity that stays lost itself");
      to.lost(entity, place);
    }
  }
}

function readComponents(bits: BitReader, manifest: Manifest): Listed[] {
  const listed: Listed[] = [];
  let place = -1;
  for (let left = readCount(bits, 2); left > 0; left--) {
    place = readPlace(bits, place, manifest);
    const layout = manifest.layouts[place]!;
    const none = layout.fields.map(() => false);
    const changes = bits.bit() ? readChanges(bits, layout) : undefined;
    listed.push({ place, layout, changes, form: { age: 0, span: 0, mask: none } });
  }
  return listed;
}

function readChanges(bits: BitReader, layout: Layout): Changes {
  const predicts = bits.bit();
  const uses = layout.fields.map(() => bits.bit());
  const k = layout.fields.map((field, index) => (uses[index] && isNumber(field.kind) ? bits.take(5) : 0));
  return { predicts, uses, k };
}

function readEntities(bits: BitReader, listed: readonly Listed[], to: Receiver): void {
  const k = bits.take(5);
  let set = listed.map(() => true);
  let entity = 0;
  for (let left = readCount(bits, 4); left > 0; left--) {
    entity = readEntity(bits, k, entity);
    if (!bits.bit()) {
      set = listed.map(() => bits.bit());
      if (!set.includes(true)) throw bits.error("an entity is named without a row");
    }
    for (let index = 0; index < listed.length; index++) {
      if (set[index]) readRow(bits, listed[index]!, entity, to);
    }
  }
}

function readRow(bits: BitReader, listed: Listed, entity: number, to: Receiver): void {
  const { layout, place, changes } = listed;
  if (!bits.bit()) listed.form = readForm(bits, listed.form, layout, changes);
  const form = listed.form;
  if (form.age === 0 || changes === undefined) {
    to.row(
      entity,
      place,
      layout.fields.map((field) => readWhole(bits, field)),
    );
    return;
  }
  const base = to.base(entity, place, form);
  const row = layout.fields.map((field, index) =>
    form.mask[index] ? readDifference(bits, field, index, changes.k[index]!, form, base) : (base?.row[index] ?? 0),
  );
  if (base !== undefined) to.row(entity, place, row);
}

function readForm(bits: BitReader, before: Form, layout: Layout, changes: Changes | undefined): Form {
  let { age, span } = before;
  if (!bits.bit()) {
    age = bits.take(6);
    span = changes?.predicts && age !== 0 ? bits.take(6) : 0;
  }
  if (age === 0) return { age, span: 0, mask: layout.fields.map(() => false) };
  if (changes === undefined) throw bits.error("a row differs where the update lists no changes");
  if (span !== 0 && age + span > AGE_OLDEST) throw bits.error("a row's course begins too long ago");
  return { age, span, mask: changes.uses.map((isUsed) => isUsed && bits.bit()) };
}

function readWhole(bits: BitReader, field: Field): Value {
  if (field.kind === Kind.Bool) return bits.take(1);
  if (field.kind === Kind.F32) return checked(bits, field, bits.bit() ? bits.take(32) : 0);
  const width = widthOf(field.kind);
  const length = bits.take(width === 1 ? 4 : width === 2 ? 5 : width === 4 ? 6 : 7);
  if (length > 8 * width) throw bits.error("a number has more bits than its kind");
  if (isWide(field.kind)) {
    const read = length === 0 ? 0n : bits.takeBig(length - 1) | (1n << BigInt(length - 1));
    return inSteps(bits, field, isSigned(field.kind) ? unzigzag(read) : read);
  }
  const read = length === 0 ? 0 : bits.take(length - 1) + 2 ** (length - 1);
  return inSteps(bits, field, isSigned(field.kind) ? unzigzagSmall(read) : read);
}

/** Without a base the bits are passed over. */
function readDifference(
  bits: BitReader,
  field: Field,
  index: number,
  k: number,
  form: Form,
  base: Base | undefined,
): Value {
  const before = base?.row[index];
  if (field.kind === Kind.Bool) return 1 - Number(before ?? 0);
  if (field.kind === Kind.F32) {
    const read = bits.take(32);
    return before === undefined ? 0 : checked(bits, field, read);
  }
  const read = bits.bigCode(k);
  if (before === undefined) return 0;
  if (typeof before === "bigint") {
    const sum = before / BigInt(field.step) + unzigzag(BigInt(read));
    return inSteps(bits, field, field.kind === Kind.U64 ? BigInt.asUintN(64, sum) : BigInt.asIntN(64, sum));
  }
  const last = Math.trunc(before / field.step);
  const difference = typeof read === "number" ? unzigzagSmall(read) : Number(unzigzag(read));
  return inSteps(bits, field, expected(field, index, last, form, base) + difference);
}

function expected(field: Field, index: number, last: number, form: Form, base: Base | undefined): number {
  if (base?.course === undefined || !hasCourse(field.kind)) return last;
  const gone = last - Math.trunc(Number(base.course[index]) / field.step);
  return last + Math.trunc((gone * form.age) / form.span);
}

function inSteps(bits: BitReader, field: Field, quotient: Value): Value {
  const value = typeof quotient === "bigint" ? quotient * BigInt(field.step) : quotient * field.step;
  return checked(bits, field, value);
}

function checked<V extends Value>(bits: BitReader, field: Field, value: V): V {
  if (!admits(field.kind, value)) throw bits.error("a number is out of its field's range");
  return value;
}

const isNumber = (kind: Kind): boolean => kind !== Kind.Bool && kind !== Kind.F32;
const hasCourse = (kind: Kind): boolean => isNumber(kind) && kind < Kind.Entity && widthOf(kind) <= 4;

function readPlace(bits: BitReader, before: number, manifest: Manifest): number {
  const place = before + 1 + bits.code(1);
  const layout = manifest.layouts[place];
  if (layout === undefined) throw bits.error("the manifest has no such component");
  if (layout.visibility === Visibility.Server) throw bits.error("the component is the server's alone");
  return place;
}

function readCount(bits: BitReader, k: number): number {
  const count = bits.code(k);
  if (count > bits.remaining || count > ENTITIES_MAX) throw bits.error("a count exceeds the bits that are left");
  return count;
}

function readEntity(bits: BitReader, k: number, before: number): number {
  const entity = before + bits.code(k) + 1;
  if (entity > 0xffff_ffff) throw bits.error("an entity id exceeds 32 bits");
  return entity;
}
