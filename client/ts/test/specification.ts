// The worked examples of the protocol's specification.

import { readFileSync } from "node:fs";
import { Manifest } from "../src/manifest.js";

const specification = readFileSync("../../protocol/README.md", "utf8");

/** Bytes of an example. `block` counts blocks below the heading. */
export function example(heading: string, block = 0): Uint8Array {
  const text = [...from(heading).matchAll(/```(?:hex|bytes)\n([\s\S]*?)```/g)][block]![1]!;
  const hex = text
    .split("\n")
    .map((line) => /^[0-9a-f ]*?(?=\s{2,}|$)/.exec(line.trim() === "" ? "" : line.trimEnd())?.[0] ?? "")
    .join("")
    .replaceAll(" ", "");
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** The hash that an example names. */
export function hashOf(heading: string): bigint {
  return BigInt(/`hash` = `(0x[0-9a-f]{16})`/.exec(from(heading))![1]!);
}

const from = (heading: string): string => specification.slice(specification.indexOf(`### ${heading}`));

export const manifest = Manifest.decode(example("A manifest"));
export const BASELINE = "A baseline, tick 41";
export const DELTA = "A delta, tick 42";
