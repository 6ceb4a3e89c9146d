// A view reads the same updates as the other clients: `updates.txt`, which `protocol/tests/golden_updates.rs` describes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ReadError } from "../src/bytes.js";
import { Columns } from "../src/columns.js";
import { applyDelta } from "../src/delta.js";
import { Manifest, Visibility } from "../src/manifest.js";
import { View, ViewFault } from "../src/view.js";

const lines = readFileSync("test/updates.txt", "utf8").trim().split("\n");
const hex = (text = ""): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const manifest = Manifest.decode(hex(lines[0]!.split(" ")[1]));
const [, era, tick, hash, everyone, own] = lines[1]!.split(" ");
const packets = lines.slice(2).map((line) => line.split(" "));

function begin(): View {
  const columns = new Columns(manifest);
  applyDelta(columns, Visibility.Everyone, hex(everyone));
  applyDelta(columns, Visibility.Owner, hex(own));
  assert.equal(columns.totalHash(), BigInt(`0x${hash}`));
  return new View(columns, Number(era), Number(tick));
}

test("a lossy link's updates give the rows, the hashes and the acknowledgements that they say", () => {
  const view = begin();
  packets.forEach(([, bytes, result, hashAfter, ack], index) => {
    const applied = view.apply(hex(bytes));
    const found = applied.kind === "new" && applied.isChecked ? "checked" : applied.kind;
    assert.equal(found, result, `packet ${index}`);
    assert.equal(view.columns.totalHash(), BigInt(`0x${hashAfter}`), `packet ${index}`);
    assert.deepEqual(view.ack(), hex(ack), `packet ${index}`);
  });
  assert.ok(packets.some(([, , result]) => result === "checked"));
});

test("a damaged update is refused, or read as another, and never past its end", () => {
  for (let index = 0; index < 12; index++) {
    const bytes = hex(packets[index]![1]);
    for (let place = 0; place < bytes.length; place++) {
      const view = begin();
      for (const [, before] of packets.slice(0, index)) view.apply(hex(before));
      const damaged = Uint8Array.from(bytes);
      damaged[place]! ^= 1 << (place + index) % 8;
      try {
        view.apply(damaged);
        view.apply(damaged.subarray(0, place));
      } catch (error) {
        assert.ok(error instanceof ReadError || error instanceof ViewFault, String(error));
      }
    }
  }
});

test("what a view missed is a fault where something differs from it", () => {
  const view = begin();
  const isLost = packets.some(([, bytes], index) => {
    if (index % 2 === 0) return false;
    try {
      view.apply(hex(bytes));
      return false;
    } catch (error) {
      assert.ok(error instanceof ViewFault);
      return true;
    }
  });
  assert.ok(isLost);
});
