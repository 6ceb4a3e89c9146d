// Where in a file the page is, and how it goes on from there.

/** What the keys and the list choose among. */
export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32];
/** Steps in a second of a match that is stepped on command: it has no pace of its own. */
const ON_COMMAND_RATE = 10;
/** Frames in a second that are asked for at most. */
const FRAMES_MAX = 64;

export class Playhead {
  first = 0;
  last = 0;
  /** Ticks in a second. */
  rate = 30;
  isPlaying = false;
  speed = 1;
  /** Between ticks while it plays. */
  #at = 0;

  /** Bounds and pace of the file. */
  load(first: number, last: number, millihertz: number): void {
    this.first = first;
    this.last = last;
    this.rate = millihertz === 0 ? ON_COMMAND_RATE : millihertz / 1000;
    this.#at = Math.min(Math.max(this.#at, first), last);
  }

  get at(): number {
    return this.#at;
  }

  /** The tick whose state is shown. */
  get tick(): number {
    return Math.floor(this.#at);
  }

  /** Ticks from one frame to the next: a power of two. */
  get every(): number {
    let every = 1;
    while ((this.speed * this.rate) / every > FRAMES_MAX) every *= 2;
    return every;
  }

  /** Goes to a tick, or as near as the file has one. */
  go(tick: number): void {
    this.#at = Math.min(Math.max(Math.round(tick), this.first), this.last);
  }

  /** Goes on by a time; stops at the end. */
  advance(seconds: number): void {
    this.#at = Math.min(this.#at + seconds * this.speed * this.rate, this.last);
    if (this.#at >= this.last) this.isPlaying = false;
  }

  toggle(): void {
    this.isPlaying = !this.isPlaying;
    if (this.isPlaying && this.#at >= this.last) this.#at = this.first;
    if (!this.isPlaying) this.go(this.tick);
  }

  /** One speed up or down. */
  changeSpeed(by: number): void {
    const index = SPEEDS.indexOf(this.speed) + by;
    this.speed = SPEEDS[Math.min(Math.max(index, 0), SPEEDS.length - 1)]!;
  }

  /** Minutes, seconds and hundredths since the beginning of the match. */
  clock(tick: number): string {
    const hundredths = Math.round((tick * 100) / this.rate);
    const two = (number: number): string => String(number).padStart(2, "0");
    const seconds = Math.floor(hundredths / 100);
    return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}.${two(hundredths % 100)}`;
  }
}
