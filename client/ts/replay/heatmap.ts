// Counts by place, as a picture.

import type { Heat } from "./api.js";

/** From few to many: red, green, blue and how much covers what is below. */
const RAMP: readonly (readonly [number, number, number, number])[] = [
  [38, 60, 140, 0],
  [64, 84, 200, 0.2],
  [168, 60, 170, 0.45],
  [240, 96, 70, 0.7],
  [255, 226, 120, 0.9],
];

/** One pixel for each cell, the highest row first, with an empty cell around them so that heat fades out. */
export function paintHeat({ columns, rows, counts }: Heat): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns + 2, rows + 2];
  const context = canvas.getContext("2d");
  if (context === null || columns === 0 || rows === 0) return canvas;
  const picture = context.createImageData(columns, rows);
  const most = hottest(counts);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const count = counts[row * columns + column] ?? 0;
      const pixel = ((rows - 1 - row) * columns + column) * 4;
      picture.data.set(heatColour(most === 0 ? 0 : count / most), pixel);
    }
  }
  context.putImageData(picture, 1, 1);
  return canvas;
}

export function hottest(counts: readonly number[]): number {
  return counts.reduce((most, count) => Math.max(most, count), 0);
}

/** The colour of a part of the most, each member up to 255. Roots, because a few cells have most of everything. */
export function heatColour(part: number): [number, number, number, number] {
  const place = Math.sqrt(part) * (RAMP.length - 1);
  const below = Math.min(Math.floor(place), RAMP.length - 2);
  const [from, to, between] = [RAMP[below]!, RAMP[below + 1]!, place - below];
  const mixed = from.map((value, index) => value + (to[index]! - value) * between);
  return [mixed[0]!, mixed[1]!, mixed[2]!, mixed[3]! * 255];
}
