// Prints the types of a manifest, as `worldlog-codegen` of the built package does.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = mkdtempSync(join(tmpdir(), "worldlog-codegen-"));
try {
  const outfile = join(folder, "main.mjs");
  await build({ entryPoints: ["src/codegen/main.ts"], outfile, bundle: true, platform: "node", format: "esm" });
  await import(pathToFileURL(outfile).href);
} finally {
  rmSync(folder, { recursive: true });
}
