// Keys and mouse become wishes.

/** What the player holds down and points at. */
export class Input {
  readonly #keys = new Set<string>();
  /** The pointer, in pixels from the upper left corner. */
  pointer = { x: 0, y: 0 };
  isFiring = false;
  isScoreShown = false;
  /** Called once for each press. */
  onReload: () => void = () => undefined;
  onUse: () => void = () => undefined;

  constructor(target: Window) {
    target.addEventListener("keydown", (event) => this.#down(event));
    target.addEventListener("keyup", (event) => this.#up(event));
    target.addEventListener("blur", () => this.#release());
    target.addEventListener("pointermove", (event) => (this.pointer = { x: event.clientX, y: event.clientY }));
    target.addEventListener("pointerdown", (event) => {
      this.pointer = { x: event.clientX, y: event.clientY };
      if (event.button === 0) this.isFiring = true;
    });
    target.addEventListener("pointerup", (event) => {
      if (event.button === 0) this.isFiring = false;
    });
    target.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** The direction that is held, each part from -127 to 127; up is positive. */
  get direction(): { x: number; y: number } {
    const has = (...codes: string[]): number => (codes.some((code) => this.#keys.has(code)) ? 1 : 0);
    const x = has("KeyD", "ArrowRight") - has("KeyA", "ArrowLeft");
    const y = has("KeyW", "ArrowUp") - has("KeyS", "ArrowDown");
    const length = x !== 0 && y !== 0 ? 90 : 127;
    return { x: x * length, y: y * length };
  }

  #down(event: KeyboardEvent): void {
    if (event.code === "Tab" || event.code.startsWith("Arrow") || event.code === "Space") event.preventDefault();
    if (event.repeat) return;
    this.#keys.add(event.code);
    if (event.code === "Tab") this.isScoreShown = true;
    if (event.code === "Space") this.isFiring = true;
    if (event.code === "KeyR") this.onReload();
    if (event.code === "KeyE") this.onUse();
  }

  #up(event: KeyboardEvent): void {
    this.#keys.delete(event.code);
    if (event.code === "Tab") this.isScoreShown = false;
    if (event.code === "Space") this.isFiring = false;
  }

  #release(): void {
    this.#keys.clear();
    this.isFiring = false;
    this.isScoreShown = false;
  }
}
