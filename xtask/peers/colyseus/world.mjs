// The world that both peers play: points in a square that bounce off its walls, every fifth of them on the move.
// It is the one of worldlog/benches/edge/world.rs; whoever changes one changes the other.
// What differs, because it is how Colyseus games are written: places are float32, and there is one schema for all.
import { schema, t } from '@colyseus/schema';

export const TICKS_PER_SECOND = 20;
export const COMMANDS_PER_SECOND = 10;
export const WIDTH = 1000;
export const SPEED_MAX = 10;
export const MOVING_ONE_OF = 5;

export const ROOM = 'points';
export const STEER = 'steer';
export const YOURS = 'yours';

export const Point = schema(
  {
    x: t.float32(),
    y: t.float32(),
    vx: t.float32(),
    vy: t.float32(),
    health: t.uint16(),
    newest: t.uint32(), // number of the newest command that was applied to it
  },
  'Point',
);

/** With views a client is sent what its StateView holds, else everything. */
export const stateOf = (hasViews) =>
  schema({ points: hasViews ? t.map(Point).view() : t.map(Point) }, 'World');

export function setting(name, otherwise) {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isFinite(value)) throw new Error(`${name} must be a number`);
  return value;
}
