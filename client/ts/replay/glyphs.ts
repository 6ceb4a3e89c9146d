// How things look from above. Sizes are pixels: on a whole arena a body would be smaller than can be seen.

import { TEAM_COLOURS } from "../play/colours.js";
import { type Content, isWall } from "../play/content.js";
import type { Pose } from "./frame.js";

const NEUTRAL = "#a9b4c4";
const ITEM_COLOURS = [NEUTRAL, "#5fd67a", "#f2c14b", "#58b7ff", "#d58bff"];
const LOW = 0.35;
/** A shot is drawn with the way of so long. */
const TRAIL_SECONDS = 1 / 30;

export const teamColour = (team: number): string => TEAM_COLOURS[team] ?? NEUTRAL;

/** A body with where it looks and what health it has. */
export function drawAvatar(context: CanvasRenderingContext2D, pose: Pose, radius: number): void {
  const colour = teamColour(pose.team);
  if (pose.max > 0) drawHealth(context, pose, radius + 2.5);
  context.rotate(-pose.angle);
  context.fillStyle = colour;
  context.beginPath();
  // The nose is where it looks.
  context.moveTo(radius * 1.75, 0);
  context.arc(0, 0, radius, 0.75, 2 * Math.PI - 0.75);
  context.fill();
  context.fillStyle = "rgb(4 8 15 / 55%)";
  disc(context, radius * 0.42);
}

function drawHealth(context: CanvasRenderingContext2D, { points, max, shield }: Pose, radius: number): void {
  const part = Math.min(1, points / max);
  const arc = (from: number, to: number, colour: string, around: number): void => {
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(0, 0, around, from, to);
    context.stroke();
  };
  const top = -Math.PI / 2;
  context.lineWidth = 2;
  arc(0, 2 * Math.PI, "rgb(4 8 15 / 75%)", radius);
  arc(top, top + part * 2 * Math.PI, part < LOW ? "#ff5d5d" : "#6be585", radius);
  if (shield > 0) arc(top, top + Math.min(1, shield / max) * 2 * Math.PI, "#58b7ff", radius + 2.5);
}

export function drawDrone(context: CanvasRenderingContext2D, pose: Pose, radius: number): void {
  context.rotate(-pose.angle);
  context.fillStyle = pose.max > 0 && pose.points < pose.max ? "#d08a4a" : "#7d889b";
  context.beginPath();
  for (let side = 0; side < 6; side++) {
    const angle = (side * Math.PI) / 3;
    context.lineTo(Math.cos(angle) * radius, Math.sin(angle) * radius);
  }
  context.fill();
  context.fillStyle = "#2a3140";
  disc(context, radius * 0.5);
  context.fillStyle = "#c8d2e0";
  context.fillRect(radius * 0.45, -0.75, radius * 0.75, 1.5);
}

/** A shot with the way that it came. */
export function drawProjectile(context: CanvasRenderingContext2D, pose: Pose, scale: number): void {
  const [x, y] = [pose.speedX * scale * TRAIL_SECONDS, -pose.speedY * scale * TRAIL_SECONDS];
  const length = Math.hypot(x, y);
  const part = length === 0 ? 0 : Math.max(1, 7 / length);
  context.strokeStyle = teamColour(pose.team);
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(-x * part, -y * part);
  context.lineTo(0, 0);
  context.stroke();
  context.fillStyle = "#fff";
  disc(context, 1.6);
}

export function drawPickup(context: CanvasRenderingContext2D, pose: Pose, size: number): void {
  const colour = ITEM_COLOURS[pose.item] ?? NEUTRAL;
  context.globalAlpha *= pose.isThere ? 1 : 0.3;
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = 1;
  context.strokeRect(-size, -size, 2 * size, 2 * size);
  if (!pose.isThere) return;
  context.fillRect(-size * 0.55, -size * 0.18, size * 1.1, size * 0.36);
  if (pose.item === 1) context.fillRect(-size * 0.18, -size * 0.55, size * 0.36, size * 1.1);
  if (pose.item === 4) context.fillRect(-size * 0.55, -size * 0.18, size * 0.36, size * 0.7);
  if (pose.item === 3) context.fillRect(-size * 0.4, -size * 0.45, size * 0.8, size * 0.9);
}

export function disc(context: CanvasRenderingContext2D, radius: number): void {
  context.beginPath();
  context.arc(0, 0, radius, 0, 2 * Math.PI);
  context.fill();
}

/** The ground as a picture, 24 pixels to a tile. */
export function paintGround(content: Content): HTMLCanvasElement {
  const side = 24;
  const canvas = document.createElement("canvas");
  canvas.width = content.width * side;
  canvas.height = content.height * side;
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser has no canvas");
  context.fillStyle = "#141b27";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "rgb(255 255 255 / 2.2%)";
  for (let x = 0; x <= content.width; x += 5) context.fillRect(x * side - 1, 0, 2, canvas.height);
  for (let y = 0; y <= content.height; y += 5) context.fillRect(0, canvas.height - y * side - 1, canvas.width, 2);
  for (let y = 0; y < content.height; y++) {
    for (let x = 0; x < content.width; x++) {
      if (!isWall(content, x, y)) continue;
      const [left, top] = [x * side, (content.height - 1 - y) * side];
      context.fillStyle = "#38445a";
      context.fillRect(left, top, side, side);
      context.fillStyle = "#566681";
      if (!isWall(content, x, y + 1)) context.fillRect(left, top, side, 3);
      if (!isWall(content, x, y - 1)) context.fillRect(left, top + side - 3, side, 3);
      if (!isWall(content, x - 1, y)) context.fillRect(left, top, 3, side);
      if (!isWall(content, x + 1, y)) context.fillRect(left + side - 3, top, 3, side);
    }
  }
  return canvas;
}
