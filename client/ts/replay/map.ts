// The arena from above, on a canvas: what is where, what was just done, what a player could see.

import type { Heat, Moment } from "./api.js";
import type { Camera } from "./camera.js";
import { sharp } from "./dom.js";
import { type Pose, AVATAR, DRONE, PICKUP, PROJECTILE, poses } from "./frame.js";
import type { Between } from "./frames.js";
import { drawAvatar, drawDrone, drawPickup, drawProjectile, disc, paintGround, teamColour } from "./glyphs.js";
import { paintHeat } from "./heatmap.js";
import { momentColour } from "./moments.js";
import { SIGHT_METRES } from "./sight.js";
import type { Content } from "../play/content.js";

/** Pixels around an entity that count as it. */
const REACH = 14;
/** Pixels that a press may move and still be a click. */
const SLACK = 4;
const WHEEL = 0.0015;
/** From here on names are written beside bodies; a few of them sooner. */
const NAMES_FROM_SCALE = 5;
const FEW_NAMES_FROM_SCALE = 2.5;
const FEW_BODIES = 12;
const UNPLACED = "No entity of this tick has a place, so nothing can be drawn from above.";

/** What is drawn. */
export interface Scene {
  readonly content: Content | undefined;
  readonly between: Between | undefined;
  readonly selected: number | undefined;
  /** The player whose sight is shown. */
  readonly followed: number | undefined;
  /** Entities that are not as in the other match. */
  readonly marks: ReadonlySet<number>;
  readonly heat: Heat | undefined;
  /** What just happened, with how long ago in parts of the time that it is shown. */
  readonly echoes: readonly { readonly moment: Moment; readonly age: number }[];
}

/** What the map asks for. */
export interface MapHost {
  /** An entity was clicked; undefined for the ground. */
  pick: (id: number | undefined) => void;
  /** The camera was moved by hand. */
  moved: () => void;
}

export class MapView {
  #poses: readonly Pose[] = [];
  #namesFrom = NAMES_FROM_SCALE;
  #ground: HTMLCanvasElement | undefined;
  #groundOf: Content | undefined;
  #heat: HTMLCanvasElement | undefined;
  #heatOf: Heat | undefined;
  #seen: { readonly x: number; readonly y: number } | undefined;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly camera: Camera,
    private readonly host: MapHost,
  ) {
    this.#listen();
  }

  draw(scene: Scene): void {
    const context = sharp(this.canvas);
    if (context === undefined) return;
    const { between } = scene;
    this.#poses = between === undefined ? [] : poses(between.first, between.second, between.part);
    const bodies = this.#poses.filter(({ kind }) => kind === AVATAR).length;
    this.#namesFrom = bodies > FEW_BODIES ? NAMES_FROM_SCALE : FEW_NAMES_FROM_SCALE;
    const own = scene.followed === undefined ? undefined : this.#avatarOf(scene.followed);
    this.#aim(scene, own);
    this.#clear(context);
    context.save();
    this.#drawGround(context, scene);
    if (own !== undefined) this.#shadeUnseen(context, own);
    for (const kind of [PICKUP, DRONE, PROJECTILE, AVATAR]) {
      for (const pose of this.#poses) if (pose.kind === kind) this.#drawPose(context, pose, own);
    }
    for (const pose of this.#poses) if (pose.kind < 1 || pose.kind > 4) this.#drawPose(context, pose, own);
    this.#drawEchoes(context, scene);
    for (const pose of this.#poses) this.#drawSigns(context, pose, scene);
    context.restore();
    if (between !== undefined && this.#poses.length === 0) this.#write(context, UNPLACED);
  }

  /** Where on the canvas a place is. */
  toPixel(x: number, y: number): readonly [number, number] {
    const { canvas, camera } = this;
    return [
      canvas.clientWidth / 2 + (x - camera.x) * camera.scale,
      canvas.clientHeight / 2 - (y - camera.y) * camera.scale,
    ];
  }

  // ---- where the camera is ----------------------------------------------------------------------------

  #avatarOf(player: number): Pose | undefined {
    return this.#poses.find((pose) => pose.kind === AVATAR && pose.owner === player);
  }

  #aim({ content, followed }: Scene, own: Pose | undefined): void {
    const { camera, canvas } = this;
    if (camera.isFitted && followed === undefined) {
      const [width, height] = content === undefined ? this.#extent() : [content.width, content.height];
      const tile = content?.tile ?? 1;
      camera.fit(canvas.clientWidth, canvas.clientHeight, width * tile, height * tile);
    }
    if (own !== undefined) this.#seen = { x: own.x, y: own.y };
    // Who is dead is looked for where they fell.
    if (followed === undefined) this.#seen = undefined;
    if (this.#seen === undefined || camera.isFree) return;
    if (camera.isFitted) {
      const [x, y] = SIGHT_METRES;
      camera.scale = Math.min(canvas.clientWidth / (2 * x + 6), canvas.clientHeight / (2 * y + 6));
    }
    [camera.x, camera.y] = [this.#seen.x, this.#seen.y];
  }

  /** As far as entities go, where there is no map. */
  #extent(): [number, number] {
    let [x, y] = [10, 10];
    for (const pose of this.#poses) [x, y] = [Math.max(x, pose.x), Math.max(y, pose.y)];
    return [x, y];
  }

  // ---- the ground ---------------------------------------------------------------------------------------

  #clear(context: CanvasRenderingContext2D): void {
    context.fillStyle = "#0a0e15";
    context.fillRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
  }

  #drawGround(context: CanvasRenderingContext2D, { content, heat }: Scene): void {
    if (content !== undefined) {
      if (this.#groundOf !== content) [this.#ground, this.#groundOf] = [paintGround(content), content];
      this.#picture(context, this.#ground!, 0, 0, content.width * content.tile, content.height * content.tile, false);
    }
    if (heat !== undefined) {
      if (this.#heatOf !== heat) [this.#heat, this.#heatOf] = [paintHeat(heat), heat];
      const [x, y] = heat.min;
      const { cell, columns, rows } = heat;
      this.#picture(context, this.#heat!, x - cell, y - cell, (columns + 2) * cell, (rows + 2) * cell, true);
    }
  }

  /** A picture whose lower left corner is at a place. Walls from near have sharp edges, heat has none. */
  #picture(
    context: CanvasRenderingContext2D,
    picture: HTMLCanvasElement,
    x: number,
    y: number,
    width: number,
    height: number,
    isSmooth: boolean,
  ): void {
    const [left, top] = this.toPixel(x, y + height);
    context.imageSmoothingEnabled = isSmooth || width * this.camera.scale < picture.width;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, left, top, width * this.camera.scale, height * this.camera.scale);
  }

  #shadeUnseen(context: CanvasRenderingContext2D, own: Pose): void {
    const [x, y] = SIGHT_METRES;
    const [left, top] = this.toPixel(own.x - x, own.y + y);
    const [width, height] = [2 * x * this.camera.scale, 2 * y * this.camera.scale];
    context.fillStyle = "rgb(6 9 15 / 62%)";
    context.beginPath();
    context.rect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    context.rect(left, top, width, height);
    context.fill("evenodd");
    context.strokeStyle = "rgb(157 183 255 / 55%)";
    context.lineWidth = 1;
    context.setLineDash([5, 4]);
    context.strokeRect(left + 0.5, top + 0.5, width, height);
    context.setLineDash([]);
  }

  // ---- things -------------------------------------------------------------------------------------------

  #drawPose(context: CanvasRenderingContext2D, pose: Pose, own: Pose | undefined): void {
    const { scale } = this.camera;
    const [x, y] = this.toPixel(pose.x, pose.y);
    if (x < -40 || y < -40 || x > this.canvas.clientWidth + 40 || y > this.canvas.clientHeight + 40) return;
    context.save();
    context.translate(x, y);
    if (own !== undefined && !isSeen(own, pose)) context.globalAlpha = 0.22;
    if (pose.kind === AVATAR) drawAvatar(context, pose, Math.max(5, 0.4 * scale));
    else if (pose.kind === DRONE) drawDrone(context, pose, Math.max(3, 0.35 * scale));
    else if (pose.kind === PROJECTILE) drawProjectile(context, pose, scale);
    else if (pose.kind === PICKUP) drawPickup(context, pose, Math.max(3.5, 0.3 * scale));
    else {
      context.fillStyle = teamColour(pose.team);
      disc(context, 3);
    }
    context.restore();
  }

  /** Rings and names, over everything else. */
  #drawSigns(context: CanvasRenderingContext2D, pose: Pose, { selected, followed, marks }: Scene): void {
    const isSelected = pose.id === selected;
    const isMarked = marks.has(pose.id);
    const isNamed = pose.kind === AVATAR && (this.camera.scale >= this.#namesFrom || isSelected);
    if (!isSelected && !isMarked && !isNamed) return;
    const [x, y] = this.toPixel(pose.x, pose.y);
    const isSmall = pose.kind === PROJECTILE || pose.kind === PICKUP;
    const radius = isSmall ? 0 : Math.max(5, 0.4 * this.camera.scale);
    const ring = (by: number, colour: string): void => {
      context.strokeStyle = colour;
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(x, y, radius + by, 0, 2 * Math.PI);
      context.stroke();
    };
    if (isMarked) ring(8, "#ff5fd2");
    if (isSelected) ring(5, "#ffffff");
    if (!isNamed) return;
    context.font = "600 10.5px system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 3;
    context.strokeStyle = "rgb(6 9 15 / 85%)";
    context.fillStyle = pose.owner === followed || isSelected ? "#ffffff" : "#c5cfdd";
    context.strokeText(`P${pose.owner}`, x, y - radius - 7);
    context.fillText(`P${pose.owner}`, x, y - radius - 7);
  }

  #drawEchoes(context: CanvasRenderingContext2D, { echoes }: Scene): void {
    for (const { moment, age } of echoes) {
      if (moment.at === null) continue;
      const [x, y] = this.toPixel(...moment.at);
      const isDeath = moment.kind === "death";
      context.globalAlpha = 1 - age;
      context.strokeStyle = momentColour(moment.kind);
      context.lineWidth = isDeath ? 2 : 1.25;
      context.beginPath();
      context.arc(x, y, (isDeath ? 8 : 5) + age * (isDeath ? 18 : 7), 0, 2 * Math.PI);
      context.stroke();
      if (isDeath) {
        context.beginPath();
        for (const side of [-1, 1]) {
          context.moveTo(x - 4, y - 4 * side);
          context.lineTo(x + 4, y + 4 * side);
        }
        context.stroke();
      }
      context.globalAlpha = 1;
    }
  }

  #write(context: CanvasRenderingContext2D, text: string): void {
    context.fillStyle = "#93a0b5";
    context.font = "13px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(text, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
  }

  // ---- the pointer --------------------------------------------------------------------------------------

  #listen(): void {
    const { canvas, camera, host } = this;
    let held: { x: number; y: number; moved: number } | undefined;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 1) return;
      held = { x: event.offsetX, y: event.offsetY, moved: 0 };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held === undefined) {
        canvas.style.cursor = this.#under(event.offsetX, event.offsetY) === undefined ? "grab" : "pointer";
        return;
      }
      const [x, y] = [event.offsetX - held.x, event.offsetY - held.y];
      held.moved += Math.hypot(x, y);
      [held.x, held.y] = [event.offsetX, event.offsetY];
      if (held.moved <= SLACK) return;
      canvas.style.cursor = "grabbing";
      camera.pan(x, y);
      host.moved();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (held !== undefined && held.moved <= SLACK) host.pick(this.#under(event.offsetX, event.offsetY)?.id);
      held = undefined;
    });
    canvas.addEventListener("pointercancel", () => (held = undefined));
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const [x, y] = [event.offsetX - canvas.clientWidth / 2, event.offsetY - canvas.clientHeight / 2];
        camera.zoom(Math.exp(-event.deltaY * WHEEL), x, y);
        host.moved();
      },
      { passive: false },
    );
  }

  #under(x: number, y: number): Pose | undefined {
    let [best, nearest] = [undefined as Pose | undefined, REACH];
    for (const pose of this.#poses) {
      const [px, py] = this.toPixel(pose.x, pose.y);
      // A body is rather meant than what flies past it.
      const distance = Math.hypot(px - x, py - y) + (pose.kind === AVATAR ? 0 : 3);
      if (distance < nearest) [best, nearest] = [pose, distance];
    }
    return best;
  }
}

function isSeen(own: Pose, pose: Pose): boolean {
  return Math.abs(pose.x - own.x) <= SIGHT_METRES[0] && Math.abs(pose.y - own.y) <= SIGHT_METRES[1];
}
