// Builds the page of `worldlog dev` into a folder: that of the repository, unless told another.

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const folder = process.argv[2] ?? join("..", "..", "assets", "play");
mkdirSync(folder, { recursive: true });
await build({
  entryPoints: [join("play", "main.ts")],
  outfile: join(folder, "bundle.js"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});
for (const name of ["index.html", "style.css"]) copyFileSync(join("play", name), join(folder, name));
