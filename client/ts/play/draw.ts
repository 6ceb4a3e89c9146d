// Draws the arena on a canvas.

import { TEAM_COLOURS } from "./colours.js";
import type { ArenaComponents } from "./components.js";
import type { Mirror } from "../src/index.js";
import { type Content, isWall } from "./content.js";
import { type Effect, type Thing, type World, AVATAR, DRONE, PICKUP, PROJECTILE } from "./world.js";

const NEUTRAL = "#a9b4c4";
/** Metres from the left to the right edge of a screen of 16 to 9. */
const SPAN = 38;
/** Metres that a view without a body moves in a second. */
const PAN_A_SECOND = 30;
/** The longer side of the small map. */
const MAP_PIXELS = 176;
const EFFECT_MS: Readonly<Record<Effect["kind"], number>> = { hit: 180, burst: 520, spark: 160, muzzle: 70 };

export const colourOf = (team: number): string => TEAM_COLOURS[team] ?? NEUTRAL;

/** From metres to pixels. */
export interface Camera {
  x: number;
  y: number;
  /** Pixels in a metre. */
  scale: number;
  width: number;
  height: number;
}

export class Painter {
  readonly camera: Camera = { x: 24, y: 24, scale: 32, width: 0, height: 0 };
  readonly #context: CanvasRenderingContext2D;
  #ground: HTMLCanvasElement | undefined;
  #groundOf: Content | undefined;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d", { alpha: false });
    if (context === null) throw new Error("this browser has no canvas");
    this.#context = context;
  }

  /** The place under a pixel of the page, in metres. */
  toWorld(x: number, y: number): { x: number; y: number } {
    const { camera } = this;
    return {
      x: camera.x + (x - innerWidth / 2) / camera.scale,
      y: camera.y - (y - innerHeight / 2) / camera.scale,
    };
  }

  draw(world: World, now: number, seconds: number): void {
    this.#resize();
    const things = [...world.things(now, seconds)];
    const own = things.find((thing) => thing.isOwn);
    if (own !== undefined) this.#follow(own, seconds);
    const { content } = world;
    if (content !== undefined) this.#stayInside(content.width * content.tile, content.height * content.tile);
    const context = this.#context;
    context.fillStyle = "#0b0f17";
    context.fillRect(0, 0, this.camera.width, this.camera.height);
    context.save();
    const { camera } = this;
    const ratio = devicePixelRatio;
    context.scale(ratio, ratio);
    context.translate(innerWidth / 2, innerHeight / 2);
    context.scale(camera.scale, -camera.scale);
    context.translate(-camera.x, -camera.y);
    if (world.content !== undefined) this.#drawGround(world.content);
    for (const kind of [PICKUP, PROJECTILE, DRONE, AVATAR]) {
      for (const thing of things) if (thing.kind === kind) this.#drawThing(thing, world, now);
    }
    this.#drawEffects(world.effects, now);
    context.restore();
    for (const thing of things) if (thing.kind === AVATAR || thing.kind === DRONE) this.#drawBars(thing, world.mirror);
  }

  #resize(): void {
    const [width, height] = [Math.round(innerWidth * devicePixelRatio), Math.round(innerHeight * devicePixelRatio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.camera.width = width;
    this.camera.height = height;
    this.camera.scale = Math.max(innerWidth / SPAN, innerHeight / ((SPAN * 9) / 16));
  }

  #follow(own: Thing, seconds: number): void {
    const { camera } = this;
    const isFar = Math.hypot(own.x - camera.x, own.y - camera.y) > 12;
    const part = isFar ? 1 : 1 - Math.exp(-seconds / 0.06);
    camera.x += (own.x - camera.x) * part;
    camera.y += (own.y - camera.y) * part;
  }

  /** Who has no body moves the view by itself; `x` and `y` are -127 to 127. */
  pan(x: number, y: number, seconds: number): void {
    this.camera.x += (x / 127) * PAN_A_SECOND * seconds;
    this.camera.y += (y / 127) * PAN_A_SECOND * seconds;
  }

  /** Nothing is to be seen beyond the outer walls. */
  #stayInside(width: number, height: number): void {
    const { camera } = this;
    const within = (at: number, half: number, size: number): number =>
      size < 2 * half ? size / 2 : Math.max(half, Math.min(size - half, at));
    camera.x = within(camera.x, innerWidth / 2 / camera.scale, width);
    camera.y = within(camera.y, innerHeight / 2 / camera.scale, height);
  }

  // ---- the ground -------------------------------------------------------------------------------------

  #drawGround(content: Content): void {
    if (this.#groundOf !== content) {
      this.#ground = paintGround(content);
      this.#groundOf = content;
    }
    const context = this.#context;
    context.save();
    context.translate(0, content.height * content.tile);
    context.scale(1, -1);
    context.drawImage(this.#ground!, 0, 0, content.width * content.tile, content.height * content.tile);
    context.restore();
  }

  // ---- things -------------------------------------------------------------------------------------------

  #drawThing(thing: Thing, world: World, now: number): void {
    const context = this.#context;
    context.save();
    context.translate(thing.x, thing.y);
    if (thing.kind === AVATAR) this.#drawAvatar(thing, world);
    else if (thing.kind === PROJECTILE) this.#drawProjectile(thing);
    else if (thing.kind === DRONE) this.#drawDrone(thing, world, now);
    else if (thing.kind === PICKUP) this.#drawPickup(thing, world.mirror, now);
    context.restore();
  }

  #drawAvatar(thing: Thing, world: World): void {
    const context = this.#context;
    const radius = world.content?.avatar.radius ?? 0.4;
    const colour = colourOf(thing.team);
    shadow(context, radius * 1.15);
    if (thing.isOwn) {
      context.strokeStyle = "rgb(255 255 255 / 85%)";
      context.lineWidth = 0.06;
      context.beginPath();
      context.arc(0, 0, radius * 1.45, 0, 2 * Math.PI);
      context.stroke();
    }
    const shield = world.mirror.get(thing.entity, "Health")?.shield ?? 0;
    if (shield > 0) {
      context.fillStyle = "rgb(88 183 255 / 22%)";
      disc(context, radius * 1.3);
    }
    context.rotate(thing.facing);
    context.fillStyle = "#1a2130";
    context.fillRect(radius * 0.3, -0.09, radius * 1.35, 0.18);
    context.fillStyle = "#c6d0de";
    context.fillRect(radius * 1.3, -0.06, radius * 0.35, 0.12);
    context.fillStyle = colour;
    disc(context, radius);
    context.lineWidth = 0.05;
    context.strokeStyle = "rgb(0 0 0 / 45%)";
    context.stroke();
    context.fillStyle = "rgb(255 255 255 / 30%)";
    context.beginPath();
    context.moveTo(radius * 0.75, 0);
    context.lineTo(-radius * 0.35, radius * 0.5);
    context.lineTo(-radius * 0.1, 0);
    context.lineTo(-radius * 0.35, -radius * 0.5);
    context.fill();
  }

  #drawProjectile(thing: Thing): void {
    const context = this.#context;
    const speed = Math.hypot(thing.speed.x, thing.speed.y) || 1;
    const length = Math.min(1.8, speed / 30);
    const [dx, dy] = [(thing.speed.x / speed) * length, (thing.speed.y / speed) * length];
    const line = context.createLinearGradient(-dx, -dy, 0, 0);
    line.addColorStop(0, "transparent");
    line.addColorStop(1, colourOf(thing.team));
    context.strokeStyle = line;
    context.lineWidth = 0.11;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(-dx, -dy);
    context.lineTo(0, 0);
    context.stroke();
    context.fillStyle = "#fff";
    disc(context, 0.08);
  }

  #drawDrone(thing: Thing, world: World, now: number): void {
    const context = this.#context;
    const radius = world.content?.drone.radius ?? 0.35;
    shadow(context, radius);
    context.rotate(thing.facing);
    context.fillStyle = "#6d7787";
    context.beginPath();
    for (let side = 0; side < 6; side++) {
      const angle = (side * Math.PI) / 3;
      context.lineTo(Math.cos(angle) * radius, Math.sin(angle) * radius);
    }
    context.fill();
    context.fillStyle = "#39414f";
    disc(context, radius * 0.55);
    context.fillStyle = `rgb(255 170 80 / ${60 + 30 * Math.sin(now / 300 + thing.entity)}%)`;
    context.translate(radius * 0.35, 0);
    disc(context, radius * 0.18);
  }

  #drawPickup(thing: Thing, mirror: Mirror<ArenaComponents>, now: number): void {
    const pickup = mirror.get(thing.entity, "Pickup");
    if (pickup === undefined) return;
    const context = this.#context;
    const isThere = pickup.back_at === 0n;
    const colour = ["", "#5fd67a", "#f2c14b", "#58b7ff", "#d58bff"][pickup.item] ?? NEUTRAL;
    context.globalAlpha = isThere ? 1 : 0.16;
    const size = 0.38 + (isThere ? 0.03 * Math.sin(now / 260 + thing.entity) : 0);
    context.fillStyle = `${colour}33`;
    disc(context, size * 1.55);
    context.strokeStyle = colour;
    context.lineWidth = 0.07;
    context.stroke();
    context.fillStyle = colour;
    drawSign(context, pickup.item, size);
  }

  #drawEffects(effects: Effect[], now: number): void {
    const context = this.#context;
    const live = effects.filter((effect) => now - effect.begun < EFFECT_MS[effect.kind]);
    effects.splice(0, effects.length, ...live);
    for (const effect of live) {
      // Of a frame that began before it.
      const part = Math.max(0, now - effect.begun) / EFFECT_MS[effect.kind];
      context.save();
      context.translate(effect.x, effect.y);
      context.globalAlpha = 1 - part;
      context.fillStyle = effect.kind === "hit" ? "#fff" : colourOf(effect.team);
      if (effect.kind === "burst") {
        context.strokeStyle = context.fillStyle;
        context.lineWidth = 0.16 * (1 - part);
        for (const radius of [0.5 + 1.6 * part, 0.2 + 0.9 * part]) {
          context.beginPath();
          context.arc(0, 0, radius, 0, 2 * Math.PI);
          context.stroke();
        }
      } else {
        disc(context, { hit: 0.5, spark: 0.22, muzzle: 0.28, burst: 0 }[effect.kind] * (0.6 + part * 0.6));
      }
      context.restore();
    }
  }

  /** Bars are drawn in pixels, so that they are sharp at every size. */
  #drawBars(thing: Thing, mirror: Mirror<ArenaComponents>): void {
    const health = mirror.get(thing.entity, "Health");
    if (health === undefined || (thing.kind === DRONE && health.points === health.max)) return;
    const { camera } = this;
    const context = this.#context;
    context.save();
    context.scale(devicePixelRatio, devicePixelRatio);
    const x = innerWidth / 2 + (thing.x - camera.x) * camera.scale;
    const y = innerHeight / 2 - (thing.y - camera.y) * camera.scale - camera.scale * 0.85;
    const width = thing.kind === DRONE ? 26 : 42;
    context.fillStyle = "rgb(0 0 0 / 60%)";
    context.fillRect(x - width / 2 - 1, y - 1, width + 2, 6);
    const part = health.max === 0 ? 0 : health.points / health.max;
    context.fillStyle = part < 0.35 ? "#ff5d5d" : thing.kind === DRONE ? "#ffaa50" : "#6be585";
    context.fillRect(x - width / 2, y, width * part, 4);
    if (health.shield > 0) {
      context.fillStyle = "#58b7ff";
      context.fillRect(x - width / 2, y - 4, width * Math.min(1, health.shield / 100), 2);
    }
    if (thing.kind === AVATAR && !thing.isOwn) {
      context.fillStyle = "rgb(232 237 245 / 80%)";
      context.font = "600 11px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillText(`P${thing.owner}`, x, y - 7);
    }
    context.restore();
  }
}

/** A map of the whole ground, for a corner of the screen. */
export function drawMap(canvas: HTMLCanvasElement, world: World, things: Iterable<Thing>): void {
  const { content } = world;
  const context = canvas.getContext("2d");
  if (context === null || content === undefined) return;
  const size = Math.min(MAP_PIXELS / content.width, MAP_PIXELS / content.height);
  canvas.width = Math.round(content.width * size);
  canvas.height = Math.round(content.height * size);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "rgb(140 158 186 / 45%)";
  for (let y = 0; y < content.height; y++) {
    for (let x = 0; x < content.width; x++) {
      if (isWall(content, x, y)) context.fillRect(x * size, (content.height - 1 - y) * size, size + 0.3, size + 0.3);
    }
  }
  for (const thing of things) {
    if (thing.kind !== AVATAR) continue;
    const [x, y] = [(thing.x / content.tile) * size, (content.height - thing.y / content.tile) * size];
    context.fillStyle = thing.isOwn ? "#fff" : colourOf(thing.team);
    context.beginPath();
    context.arc(x, y, thing.isOwn ? 3.5 : 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

function paintGround(content: Content): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const side = 48;
  canvas.width = content.width * side;
  canvas.height = content.height * side;
  const context = canvas.getContext("2d")!;
  const top = (y: number): number => (content.height - 1 - y) * side;
  for (let y = 0; y < content.height; y++) {
    for (let x = 0; x < content.width; x++) {
      context.fillStyle = (x + y) % 2 === 0 ? "#1c2534" : "#202a3b";
      context.fillRect(x * side, top(y), side, side);
    }
  }
  context.fillStyle = "rgb(255 255 255 / 3%)";
  for (let x = 0; x <= content.width; x++) context.fillRect(x * side - 1, 0, 2, canvas.height);
  for (let y = 0; y <= content.height; y++) context.fillRect(0, y * side - 1, canvas.width, 2);
  context.fillStyle = "rgb(0 0 0 / 38%)";
  eachWall(content, (x, y) => context.fillRect(x * side + 9, top(y) + 11, side, side));
  eachWall(content, (x, y) => {
    context.fillStyle = "#3b485e";
    context.fillRect(x * side, top(y), side, side);
    context.fillStyle = "#4a5973";
    context.fillRect(x * side, top(y), side, isWall(content, x, y - 1) ? side : side - 7);
    context.fillStyle = "#8494b0";
    if (!isWall(content, x, y + 1)) context.fillRect(x * side, top(y), side, 3);
    if (!isWall(content, x - 1, y)) context.fillRect(x * side, top(y), 2, side);
    context.fillStyle = "#222b3a";
    if (!isWall(content, x, y - 1)) context.fillRect(x * side, top(y) + side - 8, side, 8);
  });
  return canvas;
}

function eachWall(content: Content, take: (x: number, y: number) => void): void {
  for (let y = 0; y < content.height; y++) {
    for (let x = 0; x < content.width; x++) if (isWall(content, x, y)) take(x, y);
  }
}

function disc(context: CanvasRenderingContext2D, radius: number): void {
  context.beginPath();
  context.arc(0, 0, radius, 0, 2 * Math.PI);
  context.fill();
}

function shadow(context: CanvasRenderingContext2D, radius: number): void {
  context.fillStyle = "rgb(0 0 0 / 30%)";
  context.beginPath();
  context.arc(0.1, -0.12, radius, 0, 2 * Math.PI);
  context.fill();
}

function drawSign(context: CanvasRenderingContext2D, item: number, size: number): void {
  const half = size * 0.55;
  switch (item) {
    case 1:
      context.fillRect(-half, -half / 3, 2 * half, (2 * half) / 3);
      context.fillRect(-half / 3, -half, (2 * half) / 3, 2 * half);
      break;
    case 2:
      for (const x of [-half * 0.8, -half * 0.2, half * 0.4]) context.fillRect(x, -half * 0.8, half * 0.4, half * 1.6);
      break;
    case 3:
      context.beginPath();
      context.moveTo(-half, half * 0.7);
      context.lineTo(half, half * 0.7);
      context.lineTo(half * 0.8, -half * 0.3);
      context.lineTo(0, -half);
      context.lineTo(-half * 0.8, -half * 0.3);
      context.fill();
      break;
    default:
      context.fillRect(-half, -half * 0.1, half * 2, half * 0.45);
      context.fillRect(-half, -half * 0.7, half * 0.5, half * 0.7);
  }
}
