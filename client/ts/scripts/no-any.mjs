// Says where the type `any` is written. Generated code is flatc's affair.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["src", "play", "replay", "test", "browser"];
const found = [];
for (const folder of FOLDERS) {
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!name.endsWith(".ts") || name.startsWith("generated")) continue;
    const lines = readFileSync(join(folder, name), "utf8").split("\n");
    lines.forEach((line, index) => {
      const code = line.replace(/\/\/.*|^\s*\*.*|"[^"]*"/g, "");
      if (/[:<|&,(]\s*any\b|\bas any\b|@ts-(ignore|nocheck)/.test(code)) {
        found.push(`${folder}/${name}:${index + 1}: ${line.trim()}`);
      }
    });
  }
}
if (found.length > 0) {
  console.error(`the type \`any\` is not used here:\n  ${found.join("\n  ")}`);
  process.exit(1);
}
