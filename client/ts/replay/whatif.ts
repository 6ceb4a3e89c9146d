// What if: changes to a match, run from the tick that is shown, as a file of their own to compare with.

import { type Fork, type ForkWish, type Outcome, type PlayerCommand } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { Film } from "./film.js";
import { written } from "./inspector.js";

const OUTCOMES_MAX = 40;

export class WhatIf {
  /** Shows the panel. */
  onWish: () => void = () => undefined;
  readonly #list = byId("edits");
  readonly #form = byId<HTMLFormElement>("fork-form");
  readonly #result = byId("fork-result");
  readonly #run = byId<HTMLButtonElement>("fork-run");
  /** Where the fork begins; undefined until something is changed. */
  #tick: number | undefined;
  readonly #sets = new Map<string, string>();
  readonly #drops = new Map<string, PlayerCommand>();
  readonly #commands: { tick: number; player: number; text: string }[] = [];

  constructor(private readonly desk: Desk) {
    desk.on(["file"], () => this.#clear());
    desk.on(["tick"], () => this.#sayWhere());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#fork();
    });
    byId<HTMLFormElement>("command-form").addEventListener("submit", (event) => this.#addCommand(event));
    byId("edits-clear").addEventListener("click", () => this.#clear());
    this.#show();
  }

  /** Sets a field at the tick that is shown. */
  set(path: string, value: string): void {
    this.#begin(this.desk.playhead.tick);
    this.#sets.set(path, value);
    this.#show();
    this.onWish();
    const input = this.#list.querySelector<HTMLInputElement>(`[data-set="${CSS.escape(path)}"]`);
    input?.focus();
    input?.select();
  }

  /** Leaves a command out, or takes it in again. */
  drop(command: PlayerCommand): void {
    const key = `${command.player}:${command.seq}`;
    if (!this.#drops.delete(key)) {
      this.#drops.set(key, command);
      // A fork begins before what it leaves out.
      this.#begin(Math.max(this.desk.playhead.first, command.tick - 1));
    }
    this.#show();
    this.onWish();
  }

  drops(key: string): boolean {
    return this.#drops.has(key);
  }

  #begin(tick: number): void {
    const isFirst = this.#sets.size === 0 && this.#drops.size === 0 && this.#commands.length === 0;
    this.#tick = isFirst || this.#tick === undefined ? tick : Math.min(this.#tick, tick);
  }

  #addCommand(event: Event): void {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const said = new FormData(form);
    const [tick, player] = [this.desk.playhead.tick + 1, Number(said.get("player"))];
    const text = String(said.get("text")).trim();
    if (text === "") return;
    this.#begin(tick - 1);
    this.#commands.push({ tick, player, text });
    form.reset();
    this.#show();
  }

  // ---- what is changed ----------------------------------------------------------------------------------

  #show(): void {
    const rows: HTMLElement[] = [];
    const row = (what: string, remove: () => void, ...children: (HTMLElement | string)[]): void => {
      const forget = (): void => {
        remove();
        this.#show();
      };
      const button = h(
        "button",
        { type: "button", class: "edit", "aria-label": `forget: ${what}`, click: forget },
        "×",
      );
      rows.push(h("li", {}, h("span", { class: "verb" }, what.split(" ")[0]!), ...children, button));
    };
    for (const [path, value] of this.#sets) {
      const change = (event: Event): void => void this.#sets.set(path, (event.target as HTMLInputElement).value);
      const input = h("input", { value, "data-set": path, "aria-label": `value of ${path}`, input: change });
      row(
        `set ${path}`,
        () => this.#sets.delete(path),
        h("code", {}, path),
        h("span", { class: "dim" }, `tick ${this.#tick}`),
        input,
      );
    }
    for (const [key, { tick, player, seq, text }] of this.#drops) {
      const said = h("code", { title: text }, `P${player} #${seq} ${text}`);
      row(`drop ${key}`, () => this.#drops.delete(key), said, h("span", { class: "dim" }, `tick ${tick}`));
    }
    this.#commands.forEach(({ tick, player, text }, index) => {
      const said = h("code", { title: text }, `P${player} ${text}`);
      row(`add ${text}`, () => this.#commands.splice(index, 1), said, h("span", { class: "dim" }, `tick ${tick}`));
    });
    const hint =
      "Press “set” beside a value or “drop” beside a command, or add a command below; then run on from there.";
    this.#list.replaceChildren(...(rows.length === 0 ? [h("li", { class: "empty" }, hint)] : rows));
    if (rows.length === 0) this.#tick = undefined;
    this.#sayWhere();
    this.desk.tell("edits");
  }

  #sayWhere(): void {
    const players = this.desk.film?.players ?? [];
    const select = byId<HTMLSelectElement>("command-player");
    if (select.options.length !== players.length) {
      select.replaceChildren(...players.map((player) => h("option", { value: player }, `P${player}`)));
    }
    say(this.#run, `Run from tick ${this.#tick ?? this.desk.playhead.tick}`);
  }

  #clear(): void {
    this.#sets.clear();
    this.#drops.clear();
    this.#commands.length = 0;
    this.#result.replaceChildren();
    this.#show();
  }

  // ---- what comes of it ---------------------------------------------------------------------------------

  async #fork(): Promise<void> {
    const { film, server, playhead } = this.desk;
    if (film === undefined) return;
    const to = String(new FormData(this.#form).get("to")).trim();
    const wish: ForkWish = {
      file: film.name,
      tick: this.#tick ?? playhead.tick,
      set: [...this.#sets].map(([path, value]) => `${path}=${value}`),
      drop: [...this.#drops.keys()],
      commands: this.#commands,
      to: to === "" ? null : Number(to),
    };
    this.#run.disabled = true;
    this.#result.replaceChildren(h("p", { class: "empty", role: "status" }, "Running the match on…"));
    try {
      const fork = await server.post<Fork>("/replay/fork", wish);
      await this.desk.loadLibrary();
      this.#tell(fork);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#result.replaceChildren(h("p", { class: "bad", role: "alert" }, text));
    }
    this.#run.disabled = false;
  }

  #tell(fork: Fork): void {
    const first = fork.first_difference_tick;
    const summary =
      first === null
        ? "The fork is the same match, tick for tick."
        : `Differs from tick ${first} on; fields that differ at the end: ${fork.differences_in_all}.`;
    const open = h(
      "button",
      { type: "button", id: "fork-compare", class: "main", click: () => void this.#compare(fork) },
      "Compare side by side",
    );
    this.#result.replaceChildren(h("p", { role: "status" }, summary), open, outcomes(fork));
  }

  async #compare(fork: Fork): Promise<void> {
    const { desk } = this;
    try {
      const info = desk.file(fork.file);
      if (info === undefined) throw new Error(`${fork.file} is not in the library any more; run the fork again`);
      const other = await Film.open(desk.server, info);
      const tick = fork.first_difference_tick ?? desk.playhead.tick;
      desk.playhead.isPlaying = false;
      desk.go(tick);
      desk.compare(other, desk.playhead.tick, fork.first_difference_tick ?? undefined);
    } catch (error) {
      desk.fail(error);
    }
  }
}

/** What both matches came to, where it differs. */
function outcomes({ outcome_a, outcome_b }: Fork): HTMLElement {
  const [a, b] = [new Map(leaves(outcome_a)), new Map(leaves(outcome_b))];
  const names = [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));
  if (names.length === 0) return h("p", { class: "dim" }, "Both came to the same.");
  const rows = names.slice(0, OUTCOMES_MAX).map((name) => {
    const cells = [a, b].map((of) => h("td", { class: "number" }, of.get(name) ?? "—"));
    return h("tr", {}, h("th", { scope: "row" }, name), ...cells);
  });
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "came to"),
    h("th", { scope: "col", class: "number" }, "match"),
    h("th", { scope: "col", class: "number" }, "fork"),
  );
  return h("table", { class: "outcomes" }, h("thead", {}, head), h("tbody", {}, ...rows));
}

function* leaves({ entities, components, of_match, moments }: Outcome): IterableIterator<[string, string]> {
  for (const [component, fields] of Object.entries(of_match)) {
    for (const [field, value] of Object.entries(fields)) yield [`${component}.${field}`, written(value)];
  }
  for (const [kind, count] of Object.entries(moments)) yield [`${kind}s from there on`, String(count)];
  yield ["entities", String(entities)];
  for (const [component, { rows }] of Object.entries(components)) yield [`with ${component}`, String(rows)];
}
