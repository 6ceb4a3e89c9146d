// When something was so: the ticks at which an expression over components holds.

import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";

const RUNS_MAX = 300;

/** Ticks without a gap between them, both included. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

export function runsOf(ticks: readonly number[]): Run[] {
  const runs: { from: number; to: number }[] = [];
  for (const tick of ticks) {
    const last = runs.at(-1);
    if (last !== undefined && tick === last.to + 1) last.to = tick;
    else runs.push({ from: tick, to: tick });
  }
  return runs;
}

export class FindPanel {
  /** What the timeline marks. */
  runs: readonly Run[] = [];
  readonly #expression = byId<HTMLInputElement>("expression");
  readonly #said = byId("find-said");
  readonly #clear = byId<HTMLButtonElement>("find-clear");
  readonly #list = byId("find-runs");
  #asked = 0;

  constructor(private readonly desk: Desk) {
    byId("panel-find").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask();
    });
    this.#clear.addEventListener("click", () => this.#forget());
    desk.on(["file"], () => this.#forget());
    desk.on(["tick", "found"], () => this.#mark());
    this.#forget();
  }

  /** Where what has to hold is written. */
  focus(): void {
    this.#expression.focus();
  }

  #forget(): void {
    this.#asked++;
    this.#show([]);
    say(this.#said, "What holds of a tick, or of any entity in it. The timeline marks when.");
  }

  async #ask(): Promise<void> {
    const { film, server } = this.desk;
    const expr = this.#expression.value.trim();
    if (film === undefined || expr === "") return;
    const number = ++this.#asked;
    this.#show([]);
    say(this.#said, "Looking through the match…");
    try {
      const { ticks } = await server.get<{ ticks: number[] }>("/replay/find", { file: film.name, expr });
      if (number !== this.#asked) return;
      this.#show(ticks);
      say(
        this.#said,
        ticks.length === 0 ? "It is never so." : `It is so at ${ticks.length} tick${ticks.length === 1 ? "" : "s"}.`,
      );
    } catch (error) {
      if (number !== this.#asked) return;
      say(this.#said, error instanceof Error ? error.message : String(error));
      this.#said.classList.add("wrong");
    }
  }

  #show(ticks: readonly number[]): void {
    this.runs = runsOf(ticks);
    this.#clear.hidden = ticks.length === 0;
    say(this.#said, "");
    this.#said.classList.remove("wrong");
    const { playhead } = this.desk;
    const rows = this.runs.slice(0, RUNS_MAX).map(({ from, to }) => {
      const jump = h("button", { type: "button", class: "jump", click: () => this.desk.go(from) }, `tick ${from}`);
      const until = to === from ? "" : ` to ${to}`;
      return h("li", {}, jump, until, h("span", { class: "dim" }, playhead.clock(from)));
    });
    const more = this.runs.length - rows.length;
    this.#list.replaceChildren(...rows, ...(more > 0 ? [h("li", { class: "dim" }, `and ${more} more`)] : []));
    this.desk.tell("found");
  }
  /** Marks those that the tick is one of. */
  #mark(): void {
    const { tick } = this.desk.playhead;
    this.runs.slice(0, RUNS_MAX).forEach(({ from, to }, index) => {
      this.#list.children[index]?.classList.toggle("now", from <= tick && tick <= to);
    });
  }
}
