// XXH3 with 64 bits and seed 0: the hash of rows and manifests.
//
// Written out here because the libraries that have it are WebAssembly, which the content policy of a page may forbid.

const MASK = 0xffff_ffff_ffff_ffffn;
const PRIME32_1 = 0x9e3779b1n;
const PRIME32_2 = 0x85ebca77n;
const PRIME32_3 = 0xc2b2ae3dn;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MX1 = 0x165667919e3779f9n;
const PRIME_MX2 = 0x9fb21c651e98df25n;

const SECRET = Uint8Array.from(
  (
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221" +
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" +
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb" +
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
  )
    .match(/../g)!
    .map((byte) => parseInt(byte, 16)),
);
const secretView = new DataView(SECRET.buffer);
const secret64 = (at: number): bigint => secretView.getBigUint64(at, true);

/** The 64 bits of XXH3 with seed 0. */
export function xxh3(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length;
  if (length > 240) return long(view, length);
  if (length > 128) return upTo240(view, length);
  if (length > 16) return upTo128(view, length);
  if (length > 8) return upTo16(view, length);
  if (length >= 4) return upTo8(view, length);
  if (length > 0) return upTo3(bytes, length);
  return avalanche64(secret64(56) ^ secret64(64));
}

function upTo3(bytes: Uint8Array, length: number): bigint {
  const [first, middle, last] = [bytes[0]!, bytes[length >> 1]!, bytes[length - 1]!];
  const combined = ((first << 16) | (middle << 24) | last | (length << 8)) >>> 0;
  const flip = BigInt((secretView.getUint32(0, true) ^ secretView.getUint32(4, true)) >>> 0);
  return avalanche64(BigInt(combined) ^ flip);
}

function upTo8(view: DataView, length: number): bigint {
  const first = BigInt(view.getUint32(0, true));
  const last = BigInt(view.getUint32(length - 4, true));
  let hash = (last + (first << 32n)) ^ (secret64(8) ^ secret64(16));
  hash ^= rotate(hash, 49n) ^ rotate(hash, 24n);
  hash = (hash * PRIME_MX2) & MASK;
  hash ^= (hash >> 35n) + BigInt(length);
  hash = (hash * PRIME_MX2) & MASK;
  return hash ^ (hash >> 28n);
}

function upTo16(view: DataView, length: number): bigint {
  const low = view.getBigUint64(0, true) ^ (secret64(24) ^ secret64(32));
  const high = view.getBigUint64(length - 8, true) ^ (secret64(40) ^ secret64(48));
  return avalanche(BigInt(length) + swap(low) + high + folded(low, high));
}

function upTo128(view: DataView, length: number): bigint {
  let sum = BigInt(length) * PRIME64_1;
  if (length > 32) {
    if (length > 64) {
      if (length > 96) sum += mix16(view, 48, 96) + mix16(view, length - 64, 112);
      sum += mix16(view, 32, 64) + mix16(view, length - 48, 80);
    }
    sum += mix16(view, 16, 32) + mix16(view, length - 32, 48);
  }
  return avalanche(sum + mix16(view, 0, 0) + mix16(view, length - 16, 16));
}

function upTo240(view: DataView, length: number): bigint {
  let sum = BigInt(length) * PRIME64_1;
  for (let round = 0; round < 8; round++) sum += mix16(view, 16 * round, 16 * round);
  sum = avalanche(sum);
  const rounds = length >> 4;
  for (let round = 8; round < rounds; round++) sum += mix16(view, 16 * round, 16 * (round - 8) + 3);
  return avalanche(sum + mix16(view, length - 16, 136 - 17));
}

const STRIPE = 64;
const STRIPES_PER_BLOCK = (SECRET.length - STRIPE) / 8;

function long(view: DataView, length: number): bigint {
  const lanes = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];
  const stripes = Math.floor((length - 1) / STRIPE);
  for (let stripe = 0; stripe < stripes; stripe++) {
    accumulate(lanes, view, stripe * STRIPE, (stripe % STRIPES_PER_BLOCK) * 8);
    if (stripe % STRIPES_PER_BLOCK === STRIPES_PER_BLOCK - 1) scramble(lanes);
  }
  accumulate(lanes, view, length - STRIPE, SECRET.length - STRIPE - 7);
  let sum = BigInt(length) * PRIME64_1;
  for (let pair = 0; pair < 4; pair++) {
    sum += folded(lanes[2 * pair]! ^ secret64(11 + 16 * pair), lanes[2 * pair + 1]! ^ secret64(19 + 16 * pair));
  }
  return avalanche(sum);
}

function accumulate(lanes: bigint[], view: DataView, at: number, secretAt: number): void {
  for (let lane = 0; lane < 8; lane++) {
    const data = view.getBigUint64(at + 8 * lane, true);
    const keyed = data ^ secret64(secretAt + 8 * lane);
    lanes[lane ^ 1] = (lanes[lane ^ 1]! + data) & MASK;
    lanes[lane] = (lanes[lane]! + (keyed & 0xffff_ffffn) * (keyed >> 32n)) & MASK;
  }
}

function scramble(lanes: bigint[]): void {
  for (let lane = 0; lane < 8; lane++) {
    const value = lanes[lane]!;
    lanes[lane] = ((value ^ (value >> 47n) ^ secret64(SECRET.length - STRIPE + 8 * lane)) * PRIME32_1) & MASK;
  }
}

function mix16(view: DataView, at: number, secretAt: number): bigint {
  return folded(
    view.getBigUint64(at, true) ^ secret64(secretAt),
    view.getBigUint64(at + 8, true) ^ secret64(secretAt + 8),
  );
}

function folded(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product & MASK) ^ (product >> 64n);
}

function avalanche(sum: bigint): bigint {
  let hash = sum & MASK;
  hash ^= hash >> 37n;
  hash = (hash * PRIME_MX1) & MASK;
  return hash ^ (hash >> 32n);
}

function avalanche64(value: bigint): bigint {
  let hash = value ^ (value >> 33n);
  hash = (hash * PRIME64_2) & MASK;
  hash ^= hash >> 29n;
  hash = (hash * PRIME64_3) & MASK;
  return hash ^ (hash >> 32n);
}

function rotate(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK;
}

function swap(value: bigint): bigint {
  let out = 0n;
  for (let byte = 0n; byte < 8n; byte++) out = (out << 8n) | ((value >> (8n * byte)) & 0xffn);
  return out;
}
