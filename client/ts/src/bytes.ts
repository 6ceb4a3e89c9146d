// Variable-length integers, and a reader that never reads past its end.

/** Why bytes could not be read: they are damaged, or of another build. */
export class ReadError extends Error {
  constructor(
    readonly offset: number,
    readonly reason: string,
  ) {
    super(`byte ${offset}: ${reason}`);
    this.name = "ReadError";
  }
}

/** Signed to unsigned: 0, -1, 1, -2 become 0, 1, 2, 3. */
export const zigzag = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) ^ (BigInt.asIntN(64, value) >> 63n));

/** The way back. */
export const unzigzag = (value: bigint): bigint => (value >> 1n) ^ -(value & 1n);

/** The way back, for numbers below 2^53. */
export const unzigzagSmall = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

/** Appends unsigned LEB128. `value` is not negative. */
export function putVarint(out: number[], value: number | bigint): void {
  let rest = BigInt(value);
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
}

/** Reads a buffer from front to back. */
export class Reader {
  #at = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.bytes.length - this.#at;
  }

  /** An error at this place. */
  error(reason: string): ReadError {
    return new ReadError(this.#at, reason);
  }

  byte(): number {
    if (this.remaining < 1) throw this.error("the buffer ends too early");
    return this.bytes[this.#at++]!;
  }

  u16(): number {
    if (this.remaining < 2) throw this.error("the buffer ends too early");
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  u32(): number {
    if (this.remaining < 4) throw this.error("the buffer ends too early");
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  /** One varint. Numbers from 2^53 on are refused: use `bigVarint` where they may come. */
  varint(): number {
    const first = this.bytes[this.#at];
    if (first !== undefined && first < 0x80) {
      this.#at += 1;
      return first;
    }
    const value = this.bigVarint();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.error("a number is out of its field's range");
    return Number(value);
  }

  /** One varint that must not exceed `max`. */
  varintMax(max: number, reason: string): number {
    const value = this.varint();
    if (value > max) throw this.error(reason);
    return value;
  }

  bigVarint(): bigint {
    let value = 0n;
    for (let place = 0; place < 10; place++) {
      const byte = this.bytes[this.#at];
      if (byte === undefined) throw this.error("the buffer ends inside a varint");
      if (place === 9 && byte > 1) throw this.error("a varint exceeds 64 bits");
      if (byte === 0 && place > 0) throw this.error("a varint is longer than it need be");
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * place);
      if (byte < 0x80) return value;
    }
    throw this.error("a varint exceeds 64 bits");
  }

  /** Checks that nothing is left. */
  finish(): void {
    if (this.remaining > 0) throw this.error("bytes are left over");
  }
}
