// Where the player's own body is going to be told to be: the server's last word, and the player's wishes since.

import { type Content, isWall } from "./content.js";

/** A body: place in metres, speed in metres a second. */
export interface Body {
  x: number;
  y: number;
  vx: number;
  vy: number;
}

/** A direction that was asked for, and the tick that runs it, as far as is known. */
interface Wish {
  tick: number;
  readonly x: number;
  readonly y: number;
}

const TICKS_PER_SECOND = 30;
const WISHES_MAX = 64;
const STEPS_MAX = 15;
/** Metres; farther off than this is a respawn or a push, and is shown at once. */
const SNAP = 2.5;

export class Prediction {
  readonly #wishes: Wish[] = [];
  #shown: { x: number; y: number } | undefined;
  #error = { x: 0, y: 0 };

  /** Notes a wish; the returned function takes the tick that ran it, once that is known. */
  wish(x: number, y: number, tick: number): (tick: number) => void {
    const wish = { tick, x, y };
    this.#wishes.push(wish);
    if (this.#wishes.length > WISHES_MAX) this.#wishes.shift();
    return (ran) => (wish.tick = ran);
  }

  /** A body dies: what comes next begins elsewhere. */
  reset(): void {
    this.#shown = undefined;
    this.#error = { x: 0, y: 0 };
  }

  /** The body at a tick with a fraction, from what the server told of tick `told`. */
  at(content: Content | undefined, body: Body, told: number, tick: number, seconds: number): { x: number; y: number } {
    const now = { ...body };
    const steps = Math.max(0, Math.min(STEPS_MAX, tick - told));
    for (let step = 1; step <= steps; step++) walk(content, now, this.#wishAt(told + step), 1);
    walk(content, now, this.#wishAt(told + Math.floor(steps) + 1), steps % 1);
    return this.#smooth(now, seconds);
  }

  #wishAt(tick: number): { x: number; y: number } {
    let found = { x: 0, y: 0 };
    for (const wish of this.#wishes) if (wish.tick <= tick) found = wish;
    return found;
  }

  /** What was wrong fades in a tenth of a second. */
  #smooth(now: Body, seconds: number): { x: number; y: number } {
    if (this.#shown !== undefined) {
      const expected = { x: this.#shown.x + now.vx * seconds, y: this.#shown.y + now.vy * seconds };
      const off = { x: expected.x - now.x, y: expected.y - now.y };
      const isFar = Math.hypot(off.x, off.y) > SNAP;
      const kept = isFar ? 0 : Math.exp(-seconds / 0.1);
      this.#error = { x: off.x * kept, y: off.y * kept };
    }
    this.#shown = { x: now.x + this.#error.x, y: now.y + this.#error.y };
    return this.#shown;
  }
}

/** Moves a body by a part of a tick, as the rules of the arena do. */
function walk(content: Content | undefined, body: Body, wish: { x: number; y: number }, part: number): void {
  if (part <= 0) return;
  const rules = content?.avatar ?? { radius: 0.4, speed: 7, acceleration: 45, friction: 35 };
  const aim = clamp((wish.x * rules.speed) / 127, (wish.y * rules.speed) / 127, rules.speed);
  const rate = aim.x === 0 && aim.y === 0 ? rules.friction : rules.acceleration;
  const change = clamp(aim.x - body.vx, aim.y - body.vy, (rate * part) / TICKS_PER_SECOND);
  body.vx += change.x;
  body.vy += change.y;
  const [dx, dy] = [(body.vx * part) / TICKS_PER_SECOND, (body.vy * part) / TICKS_PER_SECOND];
  if (content === undefined) {
    body.x += dx;
    body.y += dy;
    return;
  }
  const x = advance(content, body.x, dx, rules.radius, body.y, (tile, across) => isWall(content, tile, across));
  if (x.isBlocked) body.vx = 0;
  body.x = x.to;
  const y = advance(content, body.y, dy, rules.radius, body.x, (tile, across) => isWall(content, across, tile));
  if (y.isBlocked) body.vy = 0;
  body.y = y.to;
}

const HAIR = 1 / 256;

function advance(
  content: Content,
  from: number,
  by: number,
  radius: number,
  middle: number,
  isBlocked: (tile: number, across: number) => boolean,
): { to: number; isBlocked: boolean } {
  const to = from + by;
  if (by === 0) return { to, isBlocked: false };
  const tileOf = (place: number): number => Math.floor(place / content.tile);
  const tile = by > 0 ? tileOf(to + radius - HAIR) : tileOf(to - radius);
  for (let across = tileOf(middle - radius); across <= tileOf(middle + radius - HAIR); across++) {
    if (!isBlocked(tile, across)) continue;
    return { to: by > 0 ? tile * content.tile - radius : (tile + 1) * content.tile + radius, isBlocked: true };
  }
  return { to, isBlocked: false };
}

function clamp(x: number, y: number, most: number): { x: number; y: number } {
  const length = Math.hypot(x, y);
  return length > most ? { x: (x * most) / length, y: (y * most) / length } : { x, y };
}
