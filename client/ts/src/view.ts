// A player's side of a view: rows kept up to date by updates that come in any order or not at all.
//
// A row is what the newest telling that came says of it, and what the baseline says if none came. What the edge may name
// as a base is in `tellings`, or, if nothing was told of the row since the baseline, in the columns.

import type { Columns, Row } from "./columns.js";
import { type Base, type Form, type Receiver, AGE_OLDEST, decodeHeader, encodeAck, readUpdate } from "./update.js";

/** The edge and this client differ on what is held; a new baseline is needed. */
export class ViewFault extends Error {
  override readonly name = "ViewFault";

  constructor(
    readonly tick: number,
    reason: string,
    /** Both hashes, when hashes were compared. */
    readonly hashes?: { readonly expected: bigint; readonly found: bigint },
  ) {
    super(`tick ${tick}: ${reason}`);
  }
}

/** What came of an update. */
export type Applied =
  | { readonly kind: "new"; readonly tick: number; readonly isComplete: boolean; readonly isChecked: boolean }
  | { readonly kind: "duplicate" | "late" | "other-era" };

const LATE_TICKS = AGE_OLDEST + 1;
const KEPT_TICKS = 2 * AGE_OLDEST;

interface Telling {
  readonly tick: number;
  readonly row: Row;
}

/** What was told of one row since the baseline. */
interface Told {
  newest: number;
  isAbsent: boolean;
  /** Ascending by tick; none while the row is absent. */
  history: Telling[];
}

interface Arrival {
  tick: number;
  parts: number;
  came: number;
  hash: bigint | undefined;
}

export class View implements Receiver {
  readonly #told: Map<number, Told>[];
  readonly #gone = new Map<number, number>();
  readonly #arrivals: (Arrival | undefined)[] = new Array<undefined>(LATE_TICKS).fill(undefined);
  #newest: number;
  #reading: number;
  #swept: number;
  #seq = 0;
  #missing = 0n;
  #unacknowledged = 0;
  #settled: number;
  #fault: ViewFault | undefined;

  /** Begins with the rows of a baseline, whose hash was compared. */
  constructor(
    readonly columns: Columns,
    private readonly era: number,
    private readonly start: number,
  ) {
    this.#told = columns.manifest.layouts.map(() => new Map());
    this.#newest = this.#reading = this.#swept = this.#settled = start;
  }

  /** Takes an update. Throws ViewFault or ReadError: the view must be replaced then. */
  apply(bytes: Uint8Array): Applied {
    const header = decodeHeader(bytes);
    if (header.era !== (this.era & 0xff)) return { kind: "other-era" };
    const ahead = ((header.tick - this.#newest) << 16) >> 16;
    const tick = this.#newest + ahead;
    // What the baseline tells is told by nothing else.
    if (tick + LATE_TICKS <= this.#newest || tick <= this.start) return { kind: "late" };
    const refused = this.#noteSeq(header.seq);
    if (refused !== undefined) return { kind: refused };
    this.#unacknowledged += 1;
    this.#newest = Math.max(this.#newest, tick);
    this.#reading = tick;
    this.#fault = undefined;
    const hash = readUpdate(this.columns.manifest, bytes, header, this);
    if (this.#fault !== undefined) throw this.#fault as ViewFault;
    if (header.settledAge !== undefined) this.#settled = Math.max(this.#settled, tick - header.settledAge);
    const applied = this.#notePart(tick, header.part, header.parts, hash);
    this.#sweep();
    return applied;
  }

  #noteSeq(seq: number): "duplicate" | "late" | undefined {
    const ahead = ((seq - this.#seq) << 16) >> 16;
    if (ahead > 0) {
      const fresh = (1n << BigInt(Math.min(ahead - 1, 64))) - 1n;
      const isFull = ahead > 64;
      this.#missing = isFull ? (1n << 64n) - 1n : BigInt.asUintN(64, (this.#missing << BigInt(ahead)) | fresh);
      this.#seq += ahead;
      // What would be before the first is not missing.
      if (this.#seq <= 64) this.#missing &= (1n << BigInt(this.#seq - 1)) - 1n;
      return undefined;
    }
    if (ahead === 0) return "duplicate";
    const before = -ahead - 1;
    if (before >= 64) return "late";
    const bit = 1n << BigInt(before);
    if ((this.#missing & bit) === 0n) return "duplicate";
    this.#missing &= ~bit;
    return undefined;
  }

  #notePart(tick: number, part: number, parts: number, hash: bigint | undefined): Applied {
    const place = tick % LATE_TICKS;
    let arrival = this.#arrivals[place];
    if (arrival === undefined || arrival.tick !== tick || arrival.parts !== parts) {
      arrival = this.#arrivals[place] = { tick, parts, came: 0, hash: undefined };
    }
    arrival.came |= 1 << part;
    arrival.hash ??= hash;
    const isComplete = arrival.came === 2 ** parts - 1;
    const expected = isComplete && tick === this.#newest ? arrival.hash : undefined;
    if (expected !== undefined) {
      const found = this.columns.totalHash();
      if (found !== expected) throw new ViewFault(tick, "the view has another hash", { expected, found });
    }
    return { kind: "new", tick, isComplete, isChecked: expected !== undefined };
  }

  /** Whether the edge is to hear at once which updates came: of the second, and while one of the last eight is missing. */
  get isAckUrgent(): boolean {
    return this.#unacknowledged >= 2 || (this.#unacknowledged > 0 && (this.#missing & 0xffn) !== 0n);
  }

  /** What to tell the edge; undefined before the first update. */
  ack(): Uint8Array | undefined {
    this.#unacknowledged = 0;
    return this.#seq > 0 ? encodeAck(this.era, this.#seq & 0xffff, this.#missing) : undefined;
  }

  /** The newest tick of which anything came. */
  get tick(): number {
    return this.#newest;
  }

  /** Whether what a tick did is here, as far as the edge told it: then its outcomes may be told. */
  shows(tick: number): boolean {
    if (tick <= this.#settled) return true;
    const arrival = this.#arrivals[tick % LATE_TICKS];
    return arrival !== undefined && arrival.tick === tick && arrival.came === 2 ** arrival.parts - 1;
  }

  /** Updates that came and updates that did not, of the last 64. */
  get missing(): number {
    let count = 0;
    for (let rest = this.#missing; rest > 0n; rest >>= 1n) count += Number(rest & 1n);
    return count;
  }

  // ---- what an update tells ---------------------------------------------------------------------

  gone(entity: number): void {
    const now = this.#reading;
    if ((this.#gone.get(entity) ?? this.start) >= now) return;
    this.#gone.set(entity, now);
    for (let place = this.#told.length - 1; place >= 0; place--) {
      const told = this.#told[place]!;
      if ((told.get(entity)?.newest ?? this.start) > now) continue;
      told.delete(entity);
      this.columns.remove(place, entity);
    }
  }

  lost(entity: number, place: number): void {
    const told = this.#toldOf(place, entity);
    if (this.#reading <= told.newest) return;
    told.newest = this.#reading;
    told.isAbsent = true;
    told.history = [];
    this.columns.remove(place, entity);
  }

  base(entity: number, place: number, form: Form): Base | undefined {
    const found = this.#find(entity, place, form);
    if (found !== undefined) return found;
    // What is passed over anyway needs no base.
    const newest = this.#told[place]!.get(entity)?.newest;
    const isOld = (newest !== undefined && newest >= this.#reading) || this.#isGone(entity);
    if (!isOld) {
      const component = this.columns.manifest.layouts[place]!.name;
      this.#fault ??= new ViewFault(
        this.#reading,
        `entity ${entity} has no row of ${component} that was told ${form.age} ticks before`,
      );
    }
    return undefined;
  }

  row(entity: number, place: number, row: Row): void {
    if (this.#isGone(entity)) return;
    const told = this.#toldOf(place, entity);
    if (this.#reading <= told.newest) {
      noteLate(told, this.#reading, row);
      return;
    }
    told.newest = this.#reading;
    told.isAbsent = false;
    dropBefore(told, this.#newest - KEPT_TICKS);
    told.history.push({ tick: this.#reading, row });
    if (place !== 0 && this.columns.row(0, entity) === undefined) {
      const component = this.columns.manifest.layouts[place]!.name;
      this.#fault ??= new ViewFault(this.#reading, `a row of ${component} belongs to entity ${entity}, not there`);
      return;
    }
    if (!isSame(this.columns.row(place, entity), row)) this.columns.set(place, entity, row);
  }

  #isGone(entity: number): boolean {
    return (this.#gone.get(entity) ?? -1) >= this.#reading;
  }

  #toldOf(place: number, entity: number): Told {
    const column = this.#told[place]!;
    let told = column.get(entity);
    if (told === undefined) {
      const held = this.columns.row(place, entity);
      const history = held === undefined ? [] : [{ tick: this.start, row: held }];
      told = { newest: this.start, isAbsent: held === undefined, history };
      column.set(entity, told);
    }
    return told;
  }

  #find(entity: number, place: number, form: Form): Base | undefined {
    const told = this.#told[place]!.get(entity);
    const at = this.#reading - form.age;
    if (told === undefined) {
      // Nothing was told of it since the baseline.
      const isBaseline = form.span === 0 && (form.age === AGE_OLDEST ? at >= this.start : at === this.start);
      const row = this.columns.row(place, entity);
      return isBaseline && row !== undefined ? { row, course: undefined } : undefined;
    }
    const last = atOrBefore(told, at);
    if (last === undefined || (form.age !== AGE_OLDEST && last.tick !== at)) return undefined;
    if (form.span === 0) return { row: last.row, course: undefined };
    const course = atOrBefore(told, at - form.span);
    return course?.tick === at - form.span ? { row: last.row, course: course.row } : undefined;
  }

  /** Forgets what no update can name any more. */
  #sweep(): void {
    const oldest = this.#newest - KEPT_TICKS;
    if (oldest < this.#swept + KEPT_TICKS / 2) return;
    this.#swept = oldest;
    for (const [entity, tick] of this.#gone) if (tick < oldest) this.#gone.delete(entity);
    for (const column of this.#told) {
      for (const [entity, told] of column) if (told.isAbsent && told.newest < oldest) column.delete(entity);
    }
  }
}

function atOrBefore(told: Told, tick: number): Telling | undefined {
  for (let index = told.history.length - 1; index >= 0; index--) {
    if (told.history[index]!.tick <= tick) return told.history[index];
  }
  return undefined;
}

/** Keeps a value as a base that came after a newer one. */
function noteLate(told: Told, tick: number, row: Row): void {
  if (told.isAbsent) return;
  let index = told.history.length;
  while (index > 0 && told.history[index - 1]!.tick > tick) index -= 1;
  if (index > 0 && told.history[index - 1]!.tick === tick) return;
  told.history.splice(index, 0, { tick, row });
}

/** Throws away what is older than the newest telling not after `oldest`. */
function dropBefore(told: Told, oldest: number): void {
  const spare = 32;
  if (told.history.length > spare && told.history[spare]!.tick <= oldest) told.history.splice(0, spare);
}

function isSame(a: Row | undefined, b: Row): boolean {
  return a !== undefined && a.every((value, index) => value === b[index]);
}
