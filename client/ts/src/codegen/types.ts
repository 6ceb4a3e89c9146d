// Writes TypeScript interfaces for the components of a manifest.

import { type Field, type Layout, type Manifest, Kind, Visibility } from "../manifest.js";

/** The text of a module: an interface for each component that players may know, and one that names them all. */
export function typesOf(manifest: Manifest): string {
  const seen = manifest.layouts.filter((layout) => layout.visibility !== Visibility.Server);
  const title = `${manifest.game.charAt(0).toUpperCase()}${manifest.game.slice(1).replace(/[^A-Za-z0-9]/g, "")}`;
  const rejections = [...manifest.rejections].map(([code, name]) => `  ${code}: ${JSON.stringify(name)},`);
  return [
    `// Made by worldlog-codegen from the manifest of ${manifest.game}; do not edit.`,
    "",
    ...seen.map(interfaceOf),
    "/** Components that players may know, by name. */",
    `export interface ${title}Components {`,
    ...seen.map((layout) => `  readonly ${layout.name}: ${layout.name};`),
    "}",
    "",
    "/** Names of outcome codes of the game. */",
    "export const rejections: Readonly<Record<number, string>> = {",
    ...rejections,
    "};",
    "",
    `export const ticksPerSecond = ${manifest.ticksPerSecond};`,
    "",
  ].join("\n");
}

function interfaceOf(layout: Layout): string {
  const note = layout.visibility === Visibility.Owner ? ["/** Its owner alone knows. */"] : [];
  const fields = layout.fields.map((field) => `  readonly ${key(field.name)}: ${typeOf(field)};`);
  return [...note, `export interface ${layout.name} {`, ...fields, "}", ""].join("\n");
}

const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

function typeOf(field: Field): string {
  if (field.kind === Kind.Bool) return "boolean";
  return field.kind === Kind.U64 || field.kind === Kind.I64 ? "bigint" : "number";
}
