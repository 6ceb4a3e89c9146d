// What a mirror holds, in few bytes: so that who resumes is sent only what is missing.

import { putVarint } from "./bytes.js";
import type { Columns } from "./columns.js";

const HELD_BYTES_MAX = 3 * 1024;
const COUNT_BYTES_MAX = 2;

/** A summary, and the mirror it speaks of. */
export interface Held {
  readonly columns: Columns;
  /** Entities of the summary, ascending. */
  readonly entities: readonly number[];
  readonly bytes: Uint8Array;
}

/** Summarises as many entities as fit. */
export function summarise(columns: Columns): Held {
  const all = [...columns.column(0).keys()].sort((a, b) => a - b);
  const body: number[] = [];
  const entities: number[] = [];
  let last = 0;
  for (const entity of all) {
    const start = body.length;
    const sum = Number(columns.entityHash(entity) & 0xffffn);
    putVarint(body, entity - last);
    body.push(sum & 0xff, sum >> 8);
    if (body.length > HELD_BYTES_MAX - COUNT_BYTES_MAX) {
      body.length = start;
      break;
    }
    entities.push(entity);
    last = entity;
  }
  const head: number[] = [];
  putVarint(head, entities.length);
  return { columns, entities, bytes: Uint8Array.from([...head, ...body]) };
}

/** The rows that an answer keeps; none without a summary. */
export function kept(held: Held | undefined, answer: Uint8Array): Columns | undefined {
  if (held === undefined || answer.length === 0) return undefined;
  const stays = (place: number): boolean => ((answer[place >> 3] ?? 0) >> (place & 7)) % 2 === 1;
  return held.columns.part(held.entities.filter((_, place) => stays(place)));
}
