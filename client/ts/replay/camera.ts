// From metres to pixels: one camera for all maps, so that they move together.

const SCALE_MAX = 90;
const MARGIN = 12;

export class Camera {
  x = 0;
  y = 0;
  /** Pixels in a metre. */
  scale = 8;
  /** Whether the whole ground is shown, whatever size the map has. */
  isFitted = true;
  /** Whether a hand took it off whom it follows. */
  isFree = false;

  /** Shows the whole of a ground that begins at 0. */
  fit(width: number, height: number, metresX: number, metresY: number): void {
    this.x = metresX / 2;
    this.y = metresY / 2;
    this.scale = this.#fitting(width, height, metresX, metresY);
  }

  /** Zooms by a factor; what is under the pixel, counted from the middle, stays there. */
  zoom(factor: number, fromX: number, fromY: number): void {
    const scale = Math.min(Math.max(this.scale * factor, 2), SCALE_MAX);
    this.x += fromX / this.scale - fromX / scale;
    this.y -= fromY / this.scale - fromY / scale;
    this.scale = scale;
    this.isFitted = false;
  }

  /** Moves by pixels. */
  pan(x: number, y: number): void {
    this.x -= x / this.scale;
    this.y += y / this.scale;
    this.isFitted = false;
    this.isFree = true;
  }

  #fitting(width: number, height: number, metresX: number, metresY: number): number {
    return Math.max(1, Math.min((width - 2 * MARGIN) / metresX, (height - 2 * MARGIN) / metresY));
  }
}
