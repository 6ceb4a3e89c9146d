// Made by worldlog-codegen from the manifest of arena; do not edit.

export interface Entity {
  readonly owner: number;
}

export interface Kind {
  readonly kind: number;
}

export interface Position {
  readonly x: number;
  readonly y: number;
}

export interface Velocity {
  readonly x: number;
  readonly y: number;
}

export interface Facing {
  readonly angle: number;
}

export interface Team {
  readonly team: number;
}

export interface Health {
  readonly points: number;
  readonly max: number;
  readonly shield: number;
}

export interface Seat {
  readonly player: number;
  readonly team: number;
  readonly avatar: number;
  readonly kills: number;
  readonly deaths: number;
  readonly score: number;
  readonly respawn_at: bigint;
}

/** Its owner alone knows. */
export interface Tally {
  readonly applied: number;
}

/** Its owner alone knows. */
export interface Loadout {
  readonly weapon: number;
  readonly ammo: number;
  readonly reserve: number;
  readonly reloading: boolean;
  readonly ready_at: bigint;
}

export interface Shot {
  readonly by: number;
  readonly weapon: number;
  readonly ends_at: bigint;
}

export interface Pickup {
  readonly item: number;
  readonly weapon: number;
  readonly back_at: bigint;
}

export interface Score {
  readonly "teams.0": number;
  readonly "teams.1": number;
  readonly "teams.2": number;
  readonly "teams.3": number;
  readonly round: number;
  readonly over: boolean;
  readonly ends_at: bigint;
  readonly "wins.0": number;
  readonly "wins.1": number;
  readonly "wins.2": number;
  readonly "wins.3": number;
}

/** Components that players may know, by name. */
export interface ArenaComponents {
  readonly Entity: Entity;
  readonly Kind: Kind;
  readonly Position: Position;
  readonly Velocity: Velocity;
  readonly Facing: Facing;
  readonly Team: Team;
  readonly Health: Health;
  readonly Seat: Seat;
  readonly Tally: Tally;
  readonly Loadout: Loadout;
  readonly Shot: Shot;
  readonly Pickup: Pickup;
  readonly Score: Score;
}

/** Names of outcome codes of the game. */
export const rejections: Readonly<Record<number, string>> = {
  256: "not-seated",
  257: "dead",
  258: "cooling-down",
  259: "no-ammo",
  260: "bad-direction",
  261: "magazine-full",
  262: "nothing-in-reach",
  263: "round-over",
};

export const ticksPerSecond = 30;
