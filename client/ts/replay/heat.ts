// Where bodies were, fell and were hit, over a whole match or several.

import type { Heat } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { heatColour, hottest } from "./heatmap.js";

const LEGEND_STEPS = 48;
/** What is not counted to its end is asked for again. */
const AGAIN_MS = 1000;

export class HeatPanel {
  /** What the map shows; undefined while it is switched off. */
  heat: Heat | undefined;
  /** Called when it changed. */
  onHeat: () => void = () => undefined;
  readonly #tool = byId<HTMLButtonElement>("tool-heat");
  readonly #panel = byId<HTMLFormElement>("heat");
  readonly #files = byId("heat-files");
  readonly #said = byId("heat-said");
  #asked = 0;
  /** The names that the list was made of. */
  #listed = "";

  constructor(private readonly desk: Desk) {
    this.#tool.addEventListener("click", () => this.toggle());
    byId("heat-close").addEventListener("click", () => this.toggle());
    this.#panel.addEventListener("change", () => void this.#ask());
    this.#panel.addEventListener("submit", (event) => event.preventDefault());
    desk.on(["library"], () => this.#listFiles());
    desk.on(["file"], () => {
      this.#listFiles();
      this.#choose(desk.film?.name);
      if (!this.#panel.hidden) void this.#ask();
    });
    this.#drawLegend();
  }

  toggle(): void {
    this.#panel.hidden = !this.#panel.hidden;
    this.#tool.setAttribute("aria-pressed", String(!this.#panel.hidden));
    if (this.#panel.hidden) this.#show(undefined);
    else void this.#ask();
  }

  #listFiles(): void {
    const { library } = this.desk;
    const names = library.files.map(({ name }) => name).join("/");
    if (names === this.#listed) return;
    this.#listed = names;
    const chosen = new Set(new FormData(this.#panel).getAll("file").map(String));
    const rows = library.files.map(({ name }) =>
      h("label", {}, h("input", { type: "checkbox", name: "file", value: name, checked: chosen.has(name) }), name),
    );
    this.#files.replaceChildren(...rows);
  }

  #choose(name: string | undefined): void {
    for (const box of this.#files.querySelectorAll("input")) box.checked = box.value === name;
  }

  async #ask(): Promise<void> {
    const form = new FormData(this.#panel);
    const files = form.getAll("file").map(String);
    const number = ++this.#asked;
    if (files.length === 0) {
      say(this.#said, "Choose a match.");
      return this.#show(undefined);
    }
    const [kind, cell] = [String(form.get("kind")), String(form.get("cell"))];
    if (this.heat === undefined) say(this.#said, "Counting…");
    try {
      const heat = await this.desk.server.get<Heat>("/replay/heat", { files: files.join(","), kind, cell });
      if (number !== this.#asked || this.#panel.hidden) return;
      const total = heat.counts.reduce((sum, count) => sum + count, 0);
      say(
        this.#said,
        total === 0
          ? "None in what is chosen."
          : `${total.toLocaleString("en")} in all, at most ${hottest(heat.counts).toLocaleString("en")} in a cell`,
      );
      this.#show(heat);
      if (heat.complete === false)
        setTimeout(() => number === this.#asked && !this.#panel.hidden && void this.#ask(), AGAIN_MS);
    } catch (error) {
      if (number !== this.#asked) return;
      say(this.#said, error instanceof Error ? error.message : String(error));
      this.#show(undefined);
    }
  }

  #show(heat: Heat | undefined): void {
    this.heat = heat;
    this.onHeat();
  }

  #drawLegend(): void {
    const stops = Array.from({ length: LEGEND_STEPS }, (_, index) => {
      const [red, green, blue, alpha] = heatColour(index / (LEGEND_STEPS - 1));
      return `rgb(${red} ${green} ${blue} / ${alpha / 2.55}%)`;
    });
    byId("heat-legend").style.background = `linear-gradient(90deg, ${stops.join()}), #141b27`;
  }
}
