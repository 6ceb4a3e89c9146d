// What is typed to find entities: words, all of which must fit.
//
// `drone` a kind or a component, `p3` what a player owns, `#12` an entity, `team:2` a team counted from 1, and
// `Health.points<50` or `points<50` a field; `=`, `!=`, `<`, `<=`, `>`, `>=`.

import type { EntityState, Value } from "./api.js";
import { KIND_NAMES } from "./frame.js";

export type Filter = (entity: EntityState) => boolean;

export function readFilter(text: string): Filter {
  const words = text
    .trim()
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const fits = words.map(readWord);
  return (entity) => fits.every((fit) => fit(entity));
}

function readWord(word: string): Filter {
  const compared = /^(?:(\w+)\.)?([\w.]+?)(!=|<=|>=|=|<|>)(.+)$/.exec(word);
  if (compared !== null) return readComparison(compared);
  const player = /^p(\d+)$/.exec(word);
  if (player !== null) return ({ owner }) => owner === Number(player[1]);
  const entity = /^#?(\d+)$/.exec(word);
  if (entity !== null) return ({ id }) => id === Number(entity[1]);
  const team = /^team:(\d+)$/.exec(word);
  if (team !== null) return ({ components }) => components["Team"]?.["team"] === Number(team[1]) - 1;
  const names = (state: EntityState): string[] => [kindName(state), ...Object.keys(state.components)];
  return (state) => names(state).some((name) => name.toLowerCase().includes(word));
}

function readComparison([, component, field, sign, text]: RegExpExecArray): Filter {
  const wanted = { true: 1, false: 0 }[text!] ?? Number(text);
  const holds = (value: Value): boolean => {
    const number = Number(value);
    switch (sign) {
      case "=":
        return number === wanted;
      case "!=":
        return number !== wanted;
      case "<":
        return number < wanted;
      case "<=":
        return number <= wanted;
      case ">":
        return number > wanted;
      default:
        return number >= wanted;
    }
  };
  return ({ components }) =>
    Object.entries(components).some(
      ([name, fields]) =>
        (component === undefined || name.toLowerCase() === component) &&
        Object.entries(fields).some(([known, value]) => known.toLowerCase() === field && holds(value)),
    );
}

/** What an entity is, in a word. */
export function kindName({ components }: EntityState): string {
  const kind = components["Kind"]?.["kind"];
  if (kind !== undefined) return KIND_NAMES[Number(kind)] ?? `kind ${kind}`;
  if (components["Seat"] !== undefined) return "seat";
  if (components["Score"] !== undefined) return "score";
  return Object.keys(components)[0]?.toLowerCase() ?? "empty";
}
