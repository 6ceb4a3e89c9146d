// What is drawn of a tick, as numbers in one array: 60 a second are taken apart elsewhere and handed over whole.

import type { EntityState, Fields } from "./api.js";

/** Kinds of entities of the arena. */
export const AVATAR = 1;
export const PROJECTILE = 2;
export const PICKUP = 3;
export const DRONE = 4;
export const KIND_NAMES: Readonly<Record<number, string>> = {
  [AVATAR]: "avatar",
  [PROJECTILE]: "projectile",
  [PICKUP]: "pick-up",
  [DRONE]: "drone",
};

/** Components that drawing needs. */
export const DRAWN = ["Kind", "Position", "Velocity", "Facing", "Team", "Health", "Shot", "Pickup"];

/** Numbers of an entity. */
export const STRIDE = 13;
const [X, Y, ANGLE, KIND, TEAM, POINTS, MAX] = [0, 1, 2, 3, 4, 5, 6];
const [SHIELD, OWNER, ITEM, IS_THERE, SPEED_X, SPEED_Y] = [7, 8, 9, 10, 11, 12];
/** Of an angle, to a full turn. */
const TURN = 65_536;

/** The entities of one tick that have a place. */
export interface Frame {
  readonly tick: number;
  readonly ids: Int32Array<ArrayBuffer>;
  /** [`STRIDE`] for each. */
  readonly numbers: Float32Array<ArrayBuffer>;
}

/** An entity as it is drawn. */
export interface Pose {
  id: number;
  x: number;
  y: number;
  /** Radians, counter-clockwise. */
  angle: number;
  kind: number;
  /** -1 for nobody's. */
  team: number;
  points: number;
  /** 0 for what has no health. */
  max: number;
  shield: number;
  owner: number;
  item: number;
  /** Whether a pick-up can be taken. */
  isThere: boolean;
  /** Metres a second. */
  speedX: number;
  speedY: number;
}

export function pack(tick: number, entities: readonly EntityState[]): Frame {
  const placed = entities.filter(({ components }) => components["Position"] !== undefined);
  const ids = new Int32Array(placed.length);
  const numbers = new Float32Array(placed.length * STRIDE);
  placed.forEach(({ id, owner, components }, index) => {
    const at = index * STRIDE;
    const of = (fields: Fields | undefined, name: string, otherwise = 0): number => Number(fields?.[name] ?? otherwise);
    const { Position, Velocity, Facing, Kind, Team, Health, Pickup, Shot } = components;
    ids[index] = id;
    numbers[at + X!] = of(Position, "x");
    numbers[at + Y!] = of(Position, "y");
    numbers[at + ANGLE!] = (of(Facing, "angle") / TURN) * 2 * Math.PI;
    numbers[at + KIND!] = of(Kind, "kind");
    numbers[at + TEAM!] = of(Team, "team", -1);
    numbers[at + POINTS!] = of(Health, "points");
    numbers[at + MAX!] = of(Health, "max");
    numbers[at + SHIELD!] = of(Health, "shield");
    numbers[at + OWNER!] = owner === 0 ? of(Shot, "by") : owner;
    numbers[at + ITEM!] = of(Pickup, "item");
    numbers[at + IS_THERE!] = of(Pickup, "back_at") === 0 ? 1 : 0;
    numbers[at + SPEED_X!] = of(Velocity, "x");
    numbers[at + SPEED_Y!] = of(Velocity, "y");
  });
  return { tick, ids, numbers };
}

const places = new WeakMap<Frame, Map<number, number>>();

/** Where an entity stands in the arrays; undefined when it is not there. */
function indexOf(frame: Frame, id: number): number | undefined {
  let found = places.get(frame);
  if (found === undefined) {
    found = new Map();
    for (let index = 0; index < frame.ids.length; index++) found.set(frame.ids[index]!, index);
    places.set(frame, found);
  }
  return found.get(id);
}

/** The entities between two frames: `part` is 0 at the first. What the second lacks stands still. */
export function poses(first: Frame, second: Frame | undefined, part: number): Pose[] {
  const found: Pose[] = [];
  for (let index = 0; index < first.ids.length; index++) found.push(poseAt(first, index, second, part));
  return found;
}

/** One of them; undefined when it is not in the first. */
export function poseOf(first: Frame, id: number, second?: Frame, part = 0): Pose | undefined {
  const index = indexOf(first, id);
  return index === undefined ? undefined : poseAt(first, index, second, part);
}

function poseAt(first: Frame, index: number, second: Frame | undefined, part: number): Pose {
  const id = first.ids[index]!;
  const at = index * STRIDE;
  const { numbers } = first;
  let [x, y, angle] = [numbers[at + X!]!, numbers[at + Y!]!, numbers[at + ANGLE!]!];
  const other = second === undefined ? undefined : indexOf(second, id);
  if (second !== undefined && other !== undefined) {
    const to = other * STRIDE;
    x += (second.numbers[to + X!]! - x) * part;
    y += (second.numbers[to + Y!]! - y) * part;
    angle += shortest(second.numbers[to + ANGLE!]! - angle) * part;
  }
  return {
    id,
    x,
    y,
    angle,
    kind: numbers[at + KIND!]!,
    team: numbers[at + TEAM!]!,
    points: numbers[at + POINTS!]!,
    max: numbers[at + MAX!]!,
    shield: numbers[at + SHIELD!]!,
    owner: numbers[at + OWNER!]!,
    item: numbers[at + ITEM!]!,
    isThere: numbers[at + IS_THERE!] === 1,
    speedX: numbers[at + SPEED_X!]!,
    speedY: numbers[at + SPEED_Y!]!,
  };
}

/** An angle as the shorter way round. */
function shortest(angle: number): number {
  const turn = 2 * Math.PI;
  return angle - turn * Math.round(angle / turn);
}
