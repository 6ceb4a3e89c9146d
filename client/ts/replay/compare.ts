// Two matches, or two ticks of one, side by side: what stands beside what, and the fields that differ.

import type { Difference } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, listFiles, say } from "./dom.js";
import { Film } from "./film.js";
import { written } from "./inspector.js";

const ROWS_MAX = 500;
/** More is not counted beside the name of the panel. */
const COUNT_MAX = 99;
/** The list is made anew several times a second. */
const ROWS_WHILE_PLAYING = 60;

export class Comparison {
  readonly #file = byId<HTMLSelectElement>("other-file");
  readonly #tick = byId<HTMLInputElement>("other-tick");
  readonly #pane = byId("pane-b");
  readonly #list = byId("differences");
  readonly #count = byId("difference-count");
  readonly #tool = byId<HTMLButtonElement>("tool-compare");
  /** What was asked for last: opening a match takes a while, and another tick or match may be asked for meanwhile. */
  #wanted = { tick: 0 };

  constructor(private readonly desk: Desk) {
    this.#tool.addEventListener("click", () => this.toggle());
    byId("other-close").addEventListener("click", () => this.#close());
    this.#file.addEventListener("change", () => void this.open(this.#file.value, Number(this.#tick.value)));
    this.#tick.addEventListener("change", () => {
      this.#wanted.tick = Number(this.#tick.value);
      if (desk.other !== undefined) desk.compare(desk.other, this.#wanted.tick, desk.firstDifference);
    });
    desk.on(["library", "other", "file"], () => this.#sayFiles());
    desk.on(["tick", "other"], () => this.#sayTick());
    desk.on(["state", "other"], () => this.#listDifferences());
    desk.on(["select"], () => this.#markSelected());
    this.#sayFiles();
    this.#listDifferences();
  }

  /** Beside what is shown: the same match a second before, until another is chosen. */
  toggle(): void {
    const { desk } = this;
    if (desk.other !== undefined) return this.#close();
    const { playhead, film } = desk;
    if (film !== undefined)
      void this.open(film.name, Math.max(playhead.first, playhead.tick - Math.round(playhead.rate)));
  }

  async open(name: string, tick: number): Promise<void> {
    const { desk } = this;
    const info = desk.file(name);
    if (info === undefined) return desk.fail(new Error(`${name} is not in the library`));
    const wanted = (this.#wanted = { tick });
    try {
      const known = desk.other?.name === name ? desk.other : undefined;
      const film = known ?? (await Film.open(desk.server, info));
      if (this.#wanted === wanted) desk.compare(film, wanted.tick);
    } catch (error) {
      desk.fail(error);
    }
  }

  #close(): void {
    this.#wanted = { tick: 0 };
    this.desk.closeOther();
  }

  #sayFiles(): void {
    const { other, library } = this.desk;
    this.#pane.hidden = other === undefined;
    this.#tool.setAttribute("aria-pressed", String(other !== undefined));
    listFiles(this.#file, library.files);
    if (other !== undefined) this.#file.value = other.name;
  }

  #sayTick(): void {
    const { other, playhead, offset } = this.desk;
    if (other === undefined || document.activeElement === this.#tick) return;
    this.#tick.value = String(playhead.tick + offset);
    this.#tick.min = String(other.timeline.first_tick);
    this.#tick.max = String(other.timeline.last_tick);
  }

  #listDifferences(): void {
    const { other, differences, playhead } = this.desk;
    const isWaiting = other !== undefined && differences === undefined;
    const count = differences?.length ?? 0;
    say(this.#count, count === 0 ? "" : count > COUNT_MAX ? `${COUNT_MAX}+` : String(count));
    if (differences === undefined || differences.length === 0) {
      const isOutside = isWaiting && this.desk.otherState === undefined && this.desk.state?.tick === playhead.tick;
      const text = isOutside
        ? "The other match has no such tick."
        : isWaiting
          ? "Comparing…"
          : other === undefined
            ? "Press Compare (C) to put another tick, another match or a fork beside this one."
            : "Both are the same, field for field.";
      return this.#list.replaceChildren(h("p", { class: "empty" }, text));
    }
    const head = ["entity", "field", "A", "B"].map((name, index) =>
      h("th", { scope: "col", class: index > 1 ? "number" : undefined }, name),
    );
    const rows = differences
      .slice(0, playhead.isPlaying ? ROWS_WHILE_PLAYING : ROWS_MAX)
      .map((difference) => this.#row(difference));
    const more = differences.length - rows.length;
    this.#list.replaceChildren(
      h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)),
      ...(more > 0 ? [h("p", { class: "empty" }, `and ${more} more`)] : []),
    );
    this.#markSelected();
  }

  #row({ entity, component, field, a, b }: Difference): HTMLElement {
    const choose = h("button", { class: "jump", click: () => this.desk.select(entity) }, `#${entity}`);
    const name = h("td", {}, h("span", { class: "dim" }, `${component}.`), field);
    const cell = (value: Difference["a"]): HTMLElement => h("td", { class: "number" }, written(value));
    return h("tr", { "data-entity": entity }, h("td", {}, choose), name, cell(a), cell(b));
  }

  #markSelected(): void {
    for (const row of this.#list.querySelectorAll<HTMLElement>("[data-entity]")) {
      row.classList.toggle("selected", row.dataset["entity"] === String(this.desk.selected));
    }
  }
}
