// The worked examples of the protocol's specification, and the hash against another implementation of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createXXHash3 } from "hash-wasm";
import { Columns, rowHash } from "../src/columns.js";
import { applyDelta } from "../src/delta.js";
import { xxh3 } from "../src/hash.js";
import { Visibility } from "../src/manifest.js";
import { ReadError } from "../src/bytes.js";
import { BASELINE, DELTA, example, hashOf, manifest } from "./specification.js";

function baseline(): Columns {
  const columns = new Columns(manifest);
  applyDelta(columns, Visibility.Everyone, example(BASELINE, 0));
  applyDelta(columns, Visibility.Owner, example(BASELINE, 1));
  return columns;
}

test("a hash is that of another implementation, at every length", async () => {
  const other = await createXXHash3(0, 0);
  for (let length = 0; length < 2_200; length += length < 300 ? 1 : 61) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 131 + length * 7) & 255);
    other.init();
    other.update(bytes);
    assert.equal(xxh3(bytes).toString(16).padStart(16, "0"), other.digest(), `${length} bytes`);
  }
});

test("the manifest of the specification is read and has its hash", () => {
  assert.equal(manifest.hash, 0xa1b4822051d1a2a8n);
  assert.equal(manifest.ticksPerSecond, 30);
  assert.deepEqual(
    manifest.layouts.map((layout) => [layout.number, layout.name, layout.width]),
    [
      [0, "Entity", 4],
      [3, "Place", 12],
      [5, "Health", 3],
      [9, "Purse", 4],
    ],
  );
  assert.equal(manifest.rejections.get(256), "too-far");
});

test("the baseline of the specification gives its rows and its hash", () => {
  const columns = baseline();
  assert.deepEqual(columns.row(1, 1), [100, -200, 0x3fc00000]);
  assert.equal(rowHash(1, manifest.layouts[1]!, columns.row(1, 1)!), 0x123777e2d6af3c46n);
  assert.equal(columns.hash(Visibility.Everyone), hashOf(BASELINE));
  assert.deepEqual(columns.row(3, 1), [50]);
});

test("the delta of the specification gives its hash", () => {
  const columns = baseline();
  applyDelta(columns, Visibility.Everyone, example(DELTA));
  assert.equal(columns.hash(Visibility.Everyone), hashOf(DELTA));
  assert.equal(columns.row(0, 2), undefined);
  assert.deepEqual(columns.row(0, 7), [2]);
});

test("a cut or damaged delta is refused or applied, and never read past its end", () => {
  const delta = example(DELTA);
  for (let length = 0; length < delta.length; length++) {
    assert.throws(() => applyDelta(baseline(), Visibility.Everyone, delta.subarray(0, length)), ReadError);
  }
  for (let place = 0; place < delta.length; place++) {
    for (const flip of [1, 2, 16, 128]) {
      const damaged = Uint8Array.from(delta);
      damaged[place]! ^= flip;
      try {
        applyDelta(baseline(), Visibility.Everyone, damaged);
      } catch (error) {
        assert.ok(error instanceof ReadError, String(error));
      }
    }
  }
});
