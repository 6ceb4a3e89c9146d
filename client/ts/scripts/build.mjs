// Builds the pages of `worldlog dev` and `worldlog replay serve` into a folder each: those of the repository, unless told
// another folder for all of them.

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** By folder: what is built from what. */
const PAGES = {
  play: { bundle: "main.ts" },
  replay: { bundle: "main.ts", worker: "worker.ts" },
};

const assets = process.argv[2] ?? join("..", "..", "assets");
for (const [page, bundles] of Object.entries(PAGES)) {
  const folder = join(assets, page);
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: Object.fromEntries(Object.entries(bundles).map(([out, source]) => [out, join(page, source)])),
    outdir: folder,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
  });
  for (const name of ["index.html", "style.css"]) copyFileSync(join(page, name), join(folder, name));
}
