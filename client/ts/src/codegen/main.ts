#!/usr/bin/env node
// worldlog-codegen MANIFEST: prints the types of a game. The manifest is what Welcome carries; commands are made by
// `flatc --ts` from the game's schema.

import { readFileSync } from "node:fs";
import { Manifest } from "../manifest.js";
import { typesOf } from "./types.js";

const [path] = process.argv.slice(2);
if (path === undefined) {
  console.error("usage: worldlog-codegen MANIFEST > components.ts");
  process.exit(2);
}
process.stdout.write(typesOf(Manifest.decode(readFileSync(path))));
