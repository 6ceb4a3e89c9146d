// The manifest: what a game's components are called, what their fields are, and who may know them.

import * as flatbuffers from "flatbuffers";
import { Manifest as ManifestTable } from "./generated/worldlog/manifest/manifest.js";
import { xxh3 } from "./hash.js";

/** Type of a field, by its number on the wire. */
export enum Kind {
  Bool,
  U8,
  U16,
  U32,
  U64,
  I8,
  I16,
  I32,
  I64,
  F32,
  Entity,
  Player,
}

/** Who may know a component's rows. */
export enum Visibility {
  Everyone,
  Owner,
  Server,
}

/** What to show between two ticks. */
export enum Sync {
  Plain,
  Interpolate,
  Predict,
}

/** A field's number: a bigint for U64 and I64, the bits for F32, 0 or 1 for Bool, else a number. */
export type Value = number | bigint;

export interface Field {
  readonly name: string;
  readonly kind: Kind;
  /** The number divided by this is the number meant. */
  readonly scale: number;
  /** Updates tell multiples of this. */
  readonly step: number;
  /** Place in the row's canonical bytes. */
  readonly offset: number;
}

/** One component. */
export interface Layout {
  readonly number: number;
  readonly name: string;
  readonly visibility: Visibility;
  readonly sync: Sync;
  readonly fields: readonly Field[];
  /** Bytes of the canonical form of a row. */
  readonly width: number;
}

/** The manifest is damaged, or of a newer kind than this build reads. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
}

const WIDTHS = [1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 4, 4];
const COMPONENTS_MAX = 256;
const FIELDS_MAX = 64;
const MANIFEST_BYTES_MAX = 1024 * 1024;

/** Bytes of the canonical form. */
export const widthOf = (kind: Kind): number => WIDTHS[kind]!;
export const isSigned = (kind: Kind): boolean => kind >= Kind.I8 && kind <= Kind.I64;
export const isWide = (kind: Kind): boolean => kind === Kind.U64 || kind === Kind.I64;

/** Whether a number is a value of a kind. */
export function admits(kind: Kind, value: Value): boolean {
  if (typeof value === "bigint") {
    return value === (kind === Kind.U64 ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value));
  }
  if (kind === Kind.Bool) return value === 0 || value === 1;
  const bits = 8 * widthOf(kind);
  if (isSigned(kind)) return value >= -(2 ** (bits - 1)) && value < 2 ** (bits - 1);
  if (value < 0 || value >= 2 ** bits) return false;
  return kind !== Kind.F32 || (value !== 0x8000_0000 && !isNotANumber(value));
}

const isNotANumber = (bits: number): boolean => (bits & 0x7fff_ffff) > 0x7f80_0000;

/** A game as clients see it. */
export class Manifest {
  private constructor(
    readonly game: string,
    readonly rulesVersion: number,
    /** Ticks a second; 0 when matches step on command. */
    readonly ticksPerSecond: number,
    /** Ascending by number; the first is the entity itself. */
    readonly layouts: readonly Layout[],
    /** Names of outcome codes from 256. */
    readonly rejections: ReadonlyMap<number, string>,
    readonly commandSchema: Uint8Array,
    readonly bytes: Uint8Array,
    readonly hash: bigint,
  ) {}

  /** Reads what an edge sent; throws ManifestError. */
  static decode(bytes: Uint8Array): Manifest {
    try {
      return Manifest.#read(bytes);
    } catch (error) {
      if (error instanceof ManifestError) throw error;
      throw new ManifestError(`the manifest cannot be read: ${String(error)}`);
    }
  }

  static #read(bytes: Uint8Array): Manifest {
    if (bytes.length > MANIFEST_BYTES_MAX) throw new ManifestError("the manifest is longer than 1 MiB");
    const buffer = new flatbuffers.ByteBuffer(bytes);
    if (bytes.length < 8 || !buffer.__has_identifier("WLMF")) throw new ManifestError("not a manifest");
    const table = ManifestTable.getRootAsManifest(buffer);
    const count = table.componentsLength();
    if (count === 0 || count > COMPONENTS_MAX) throw new ManifestError(`a game of ${count} components`);
    const layouts = Array.from({ length: count }, (_, place) => readLayout(table, place));
    const isAscending = layouts.every((layout, place) => place === 0 || layouts[place - 1]!.number < layout.number);
    const first = layouts[0]!;
    const isEntity = first.number === 0 && first.fields.length === 1 && first.fields[0]!.kind === Kind.Player;
    if (!isAscending || !isEntity || first.visibility !== Visibility.Everyone) {
      throw new ManifestError("the first component must be the entity, and numbers must ascend");
    }
    const rejections = new Map<number, string>();
    for (let place = 0; place < table.rejectionsLength(); place++) {
      const rejection = table.rejections(place)!;
      rejections.set(rejection.code(), rejection.name() ?? "");
    }
    return new Manifest(
      table.game() ?? "",
      table.rulesVersion(),
      table.tickMillihertz() / 1000,
      layouts,
      rejections,
      table.commandSchemaArray()?.slice() ?? new Uint8Array(),
      bytes,
      xxh3(bytes),
    );
  }

  /** Place of a component in `layouts`, by name; -1 when there is none. */
  placeOf(name: string): number {
    return this.layouts.findIndex((layout) => layout.name === name);
  }

  /** Place of a component in `layouts`, by number; -1 when there is none. */
  placeOfNumber(number: number): number {
    return this.layouts.findIndex((layout) => layout.number === number);
  }
}

function readLayout(table: ManifestTable, place: number): Layout {
  const component = table.components(place)!;
  if (component.fieldsLength() > FIELDS_MAX) throw new ManifestError("a component has more than 64 fields");
  let width = 0;
  const fields = Array.from({ length: component.fieldsLength() }, (_, index): Field => {
    const field = component.fields(index)!;
    const kind = field.kind() as number as Kind;
    if (WIDTHS[kind] === undefined) throw new ManifestError(`a field of kind ${kind}, which this build does not know`);
    const offset = width;
    width += widthOf(kind);
    return {
      name: field.name() ?? "",
      kind,
      scale: Math.max(1, field.scale()),
      step: Math.max(1, field.step()),
      offset,
    };
  });
  const visibility = component.visibility() as number as Visibility;
  if (visibility > Visibility.Server) throw new ManifestError("a component of a class that this build does not know");
  return {
    number: component.number(),
    name: component.name() ?? "",
    visibility,
    sync: Math.min(component.sync(), Sync.Predict) as Sync,
    fields,
    width,
  };
}
