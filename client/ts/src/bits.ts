// Strings of bits, lowest bit of the lowest byte first.

import { ReadError } from "./bytes.js";

/** Reads bits from front to back and never past the end. */
export class BitReader {
  #at: number;

  /** Starts at a byte. */
  constructor(
    private readonly bytes: Uint8Array,
    from: number,
  ) {
    this.#at = 8 * from;
  }

  get remaining(): number {
    return this.bytes.length * 8 - this.#at;
  }

  error(reason: string): ReadError {
    return new ReadError(this.#at >> 3, reason);
  }

  /** Takes up to 32 bits. */
  take(count: number): number {
    if (this.remaining < count) throw this.error("the bits end too early");
    let value = 0;
    let got = 0;
    while (got < count) {
      const within = this.#at & 7;
      const part = Math.min(8 - within, count - got);
      const bits = (this.bytes[this.#at >> 3]! >> within) & ((1 << part) - 1);
      value += bits * 2 ** got;
      got += part;
      this.#at += part;
    }
    return value;
  }

  /** Takes up to 64 bits. */
  takeBig(count: number): bigint {
    const low = BigInt(this.take(Math.min(count, 32)));
    return count > 32 ? low | (BigInt(this.take(count - 32)) << 32n) : low;
  }

  bit(): boolean {
    return this.take(1) === 1;
  }

  /** Takes a number in `code(k)`, at most 2^53 - 1. */
  code(k: number): number {
    const value = this.bigCode(k);
    if (typeof value === "number") return value;
    throw this.error("a number is out of its field's range");
  }

  /** Takes a number in `code(k)`: a bigint from 2^53 on. */
  bigCode(k: number): number | bigint {
    let excess = 0;
    while (this.bit()) excess += 1;
    if (excess > 0 && excess + k > 64) throw this.error("a number has more than 64 bits");
    const count = excess === 0 ? k : k + excess - 1;
    const top = excess === 0 ? 0 : 1;
    if (count <= 32) return this.take(count) + top * 2 ** count;
    if (count <= 52) return this.take(32) + this.take(count - 32) * 2 ** 32 + top * 2 ** count;
    return this.takeBig(count) | (BigInt(top) << BigInt(count));
  }

  /** Checks that nothing but the zeros that fill the last byte is left. */
  finish(): void {
    const left = this.remaining;
    if (left >= 8 || this.take(left) !== 0) throw this.error("bits are left over");
  }
}
