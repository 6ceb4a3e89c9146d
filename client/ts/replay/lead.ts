// Who looks on with a game client sees what the page shows, where the server plays files to viewers.

import type { Desk } from "./desk.js";
import { byId, say } from "./dom.js";

/** Where the server's playhead of a file is. */
interface Standing {
  readonly match: number;
  readonly viewers: number;
}

/** Seconds that viewers may be off while it plays. */
const OFF_SECONDS = 1.5;
const COUNT_EVERY_MS = 5000;

export class Lead {
  readonly #tool = byId<HTMLButtonElement>("tool-lead");
  readonly #link = byId<HTMLAnchorElement>("play-link");
  #isLeading = false;
  #standing: Standing | undefined;
  /** What viewers were told last, and when. */
  #told = { key: "", tick: 0, at: 0 };
  #isTelling = false;

  constructor(private readonly desk: Desk) {
    this.#tool.addEventListener("click", () => this.#toggle());
    desk.on(["file"], () => void this.#look());
    desk.on(["tick"], () => void this.#tell());
    desk.on(["select", "library"], () => this.#show());
    setInterval(() => void this.#look(), COUNT_EVERY_MS);
  }

  #toggle(): void {
    this.#isLeading = !this.#isLeading;
    this.#told = { key: "", tick: 0, at: 0 };
    this.#show();
    void this.#tell();
  }

  /** A live match has players instead. */
  get #hasViewers(): boolean {
    return this.desk.film !== undefined && !this.desk.library.live && this.desk.server.isHere;
  }

  async #look(): Promise<void> {
    const file = this.desk.film?.name;
    const ask = (): Promise<Standing> => this.desk.server.get<Standing>("/replay/control", { file });
    this.#standing = this.#hasViewers ? await ask().catch(() => undefined) : undefined;
    this.#show();
  }

  #show(): void {
    const { library, followed } = this.desk;
    const viewers = this.#standing?.viewers ?? 0;
    this.#tool.hidden = this.#standing === undefined;
    this.#tool.setAttribute("aria-pressed", String(this.#isLeading));
    say(this.#tool, viewers === 0 ? "Lead viewers" : `Lead ${viewers} viewer${viewers === 1 ? "" : "s"}`);
    this.#link.hidden = !library.live && this.#standing === undefined;
    if (this.#standing !== undefined) {
      const player = followed === undefined ? "" : `&player=${followed}`;
      this.#link.href = `/play?match=${this.#standing.match}${player}`;
      say(this.#link, followed === undefined ? "Look on" : `Look on as P${followed}`);
    } else {
      this.#link.href = "/play";
      say(this.#link, "Play");
    }
  }

  /** Moves the viewers' playhead when it is not where this one is. */
  async #tell(): Promise<void> {
    const { film, playhead, server } = this.desk;
    if (!this.#isLeading || this.#isTelling || film === undefined || !this.#hasViewers) return;
    const { tick, speed, isPlaying } = playhead;
    const key = isPlaying ? `${film.name} ${speed}` : `${film.name} at ${tick}`;
    const passed = ((performance.now() - this.#told.at) / 1000) * speed * playhead.rate;
    const off = isPlaying ? Math.abs(tick - this.#told.tick - passed) : 0;
    if (key === this.#told.key && off < OFF_SECONDS * speed * playhead.rate) return;
    this.#told = { key, tick, at: performance.now() };
    this.#isTelling = true;
    try {
      this.#standing = await server.post<Standing>("/replay/control", {
        file: film.name,
        tick,
        speed,
        playing: isPlaying,
      });
    } catch (error) {
      this.desk.fail(error);
    }
    this.#isTelling = false;
    // It may have gone on meanwhile.
    void this.#tell();
  }
}
