// Commands on their way, and what became of them: numbered from 1, at most 32 without outcome, each settled once.

import type { Outcome } from "./frames.js";

/** Commands without an outcome. */
export const COMMANDS_UNACKED_MAX = 32;
/** Longest command, in bytes. */
export const COMMAND_BYTES_MAX = 512;
/** Bytes that a frame has for commands. */
const FRAME_ROOM = 4096 - 128;
const COMMAND_OVERHEAD = 32;

/** Outcome codes that speak of the session, not of a command. */
const SESSION_CODES = new Set([2, 3, 4]);

interface Entry {
  readonly payload: Uint8Array;
  readonly settle: (outcome: Outcome) => void;
  readonly fail: (error: Error) => void;
  outcome: Outcome | undefined;
  isTold: boolean;
}

export class Outstanding {
  #entries: Entry[] = [];
  #first = 1;
  #cursor = 1;
  #isOpen = false;
  #answered = 0;

  /** Commands without an outcome that was told. */
  get count(): number {
    return this.#entries.length;
  }

  get isFull(): boolean {
    return this.#entries.length >= COMMANDS_UNACKED_MAX;
  }

  push(payload: Uint8Array, settle: (outcome: Outcome) => void, fail: (error: Error) => void): void {
    this.#entries.push({ payload, settle, fail, outcome: undefined, isTold: false });
  }

  /** The connection is gone: what was sent may or may not have arrived. */
  handleLost(): void {
    this.#isOpen = false;
  }

  /** The server took the player (back). False when it contradicts what it told before. */
  handleJoined(lastSeq: number, resumed: boolean): boolean {
    const highest = this.#first + this.#entries.length - 1;
    return resumed ? lastSeq >= this.#answered && lastSeq <= highest : lastSeq === 0;
  }

  /** A baseline came, and its outcomes were taken: what has none goes out again on a new connection. */
  handleBaseline(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#cursor = this.#first;
  }

  handleOutcome(outcome: Outcome): void {
    if (SESSION_CODES.has(outcome.code)) return;
    const entry = this.#entries[outcome.seq - this.#first];
    if (entry === undefined || entry.outcome !== undefined) return;
    entry.outcome = outcome;
    this.#answered = Math.max(this.#answered, outcome.seq);
  }

  /** Tells outcomes whose effects are here. */
  settle(shows: (tick: number) => boolean): void {
    for (const entry of this.#entries) {
      if (entry.outcome !== undefined && !entry.isTold && shows(entry.outcome.tick)) {
        entry.isTold = true;
        entry.settle(entry.outcome);
      }
    }
    while (this.#entries[0]?.isTold) {
      this.#entries.shift();
      this.#first += 1;
    }
    this.#cursor = Math.max(this.#cursor, this.#first);
  }

  /** Commands to send in one frame, if any wait. */
  nextBatch(): { firstSeq: number; payloads: Uint8Array[] } | undefined {
    if (!this.#isOpen) return undefined;
    const firstSeq = this.#cursor;
    const payloads: Uint8Array[] = [];
    let room = FRAME_ROOM;
    while (this.#cursor < this.#first + this.#entries.length) {
      const payload = this.#entries[this.#cursor - this.#first]!.payload;
      room -= payload.length + COMMAND_OVERHEAD;
      if (room < 0) break;
      payloads.push(payload);
      this.#cursor += 1;
    }
    return payloads.length > 0 ? { firstSeq, payloads } : undefined;
  }

  /** The session is over: nobody will know. */
  failAll(error: Error): void {
    const entries = this.#entries;
    this.#entries = [];
    for (const entry of entries) if (!entry.isTold) entry.fail(error);
  }
}
