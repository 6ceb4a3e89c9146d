// The content of a match: the walls of its map, and the few numbers of the balance that a page needs.

/** Lengths in metres, times in seconds. */
export interface Content {
  readonly width: number;
  readonly height: number;
  /** Side of a tile. */
  readonly tile: number;
  readonly walls: readonly boolean[];
  readonly avatar: { readonly radius: number; readonly speed: number; readonly acceleration: number; friction: number };
  readonly drone: { readonly radius: number };
  readonly weapons: readonly { readonly name: string; readonly magazine: number }[];
}

type Table = Record<string, string | number | string[]>;

/** Reads the text of the content; undefined when it draws no map. */
export function readContent(text: string): Content | undefined {
  const tables = readTables(text);
  const map = tables.find(([name]) => name === "map")?.[1];
  const rows = map?.["rows"];
  const balance = (name: string): Table => tables.find(([found]) => found === `balance.${name}`)?.[1] ?? {};
  if (map === undefined || !Array.isArray(rows) || rows.length === 0) return undefined;
  const width = rows[0]!.length;
  const walls: boolean[] = [];
  // The top row comes first in the text, and last in the world.
  for (const row of [...rows].reverse()) for (let x = 0; x < width; x++) walls.push(row[x] === "#");
  const centi = (table: Table, key: string, otherwise: number): number => Number(table[key] ?? otherwise) / 100;
  const avatar = balance("avatar");
  return {
    width,
    height: rows.length,
    tile: centi(map, "tile_cm", 200),
    walls,
    avatar: {
      radius: centi(avatar, "radius_cm", 40),
      speed: centi(avatar, "speed_cm_s", 700),
      acceleration: centi(avatar, "acceleration_cm_s2", 4500),
      friction: centi(avatar, "friction_cm_s2", 3500),
    },
    drone: { radius: centi(balance("drone"), "radius_cm", 35) },
    weapons: tables
      .filter(([name]) => name === "balance.weapon")
      .map(([, table]) => ({ name: String(table["name"]), magazine: Number(table["magazine"]) })),
  };
}

/** Whether a tile is wall; what lies outside is. */
export function isWall(content: Content, x: number, y: number): boolean {
  if (x < 0 || y < 0 || x >= content.width || y >= content.height) return true;
  return content.walls[y * content.width + x]!;
}

/** As much of TOML as contents are written in: tables, numbers, strings, and lists of strings. */
function readTables(text: string): [string, Table][] {
  const tables: [string, Table][] = [];
  let table: Table = {};
  const pattern = /^\s*(?:\[\[?([\w.]+)\]\]?|([\w]+)\s*=\s*(?:"([^"]*)"|(-?[\d_.]+)|\[([^\]]*)\]))/gm;
  for (const [, name, key, word, number, list] of text.matchAll(pattern)) {
    if (name !== undefined) tables.push([name, (table = {})]);
    else if (key !== undefined) {
      table[key] = word ?? (number !== undefined ? Number(number.replaceAll("_", "")) : strings(list ?? ""));
    }
  }
  return tables;
}

const strings = (list: string): string[] => [...list.matchAll(/"([^"]*)"/g)].map(([, word]) => word!);
