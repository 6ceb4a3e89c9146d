// What a player of the arena may ask for, as bytes.

import * as flatbuffers from "flatbuffers";
import { Aim } from "./generated/worldlog/arena/aim.js";
import { ArenaCommand } from "./generated/worldlog/arena/arena-command.js";
import { Command } from "./generated/worldlog/arena/command.js";
import { Fire } from "./generated/worldlog/arena/fire.js";
import { Move } from "./generated/worldlog/arena/move.js";
import { Reload } from "./generated/worldlog/arena/reload.js";
import { Use } from "./generated/worldlog/arena/use.js";

function command(type: Command, build: (builder: flatbuffers.Builder) => flatbuffers.Offset): Uint8Array {
  const builder = new flatbuffers.Builder(64);
  builder.finish(ArenaCommand.createArenaCommand(builder, type, build(builder)));
  return builder.asUint8Array();
}

/** Where to go, each part from -127 to 127; holds until the next one. */
export const move = (x: number, y: number): Uint8Array =>
  command(Command.Move, (builder) => Move.createMove(builder, x, y));

/** Where to look and shoot: 65,536 to a full turn, counter-clockwise from the x axis. */
export const aim = (angle: number): Uint8Array => command(Command.Aim, (builder) => Aim.createAim(builder, angle));

/** Presses or releases the trigger. */
export const fire = (held: boolean): Uint8Array => command(Command.Fire, (builder) => Fire.createFire(builder, held));

/** Fills the magazine from the reserve. */
export const reload = (): Uint8Array =>
  command(Command.Reload, (builder) => {
    Reload.startReload(builder);
    return Reload.endReload(builder);
  });

/** Takes the weapon within reach. */
export const use = (): Uint8Array =>
  command(Command.Use, (builder) => {
    Use.startUse(builder);
    return Use.endUse(builder);
  });
