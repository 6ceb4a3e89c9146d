// What players asked for around the tick that is shown.

import type { PlayerCommand } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import type { WhatIf } from "./whatif.js";

/** Seconds before and after. */
const AROUND_SECONDS = 4;
const ROWS_MAX = 400;

export class Orders {
  readonly #player = byId<HTMLSelectElement>("orders-player");
  readonly #body = byId("orders");
  readonly #range = byId("orders-range");
  #isShown = false;
  #isAsking = false;
  /** What the list was made from. */
  #from = 0;
  #to = -1;
  #key = "";

  constructor(
    private readonly desk: Desk,
    private readonly whatIf: WhatIf,
  ) {
    this.#player.addEventListener("change", () => void this.#fill());
    desk.on(["file", "timeline"], () => this.#listPlayers());
    desk.on(["file"], () => {
      this.#player.value = "";
      this.#key = "";
      void this.#fill();
    });
    desk.on(["state"], () => void this.#fill());
    desk.on(["select"], () => this.#choose());
    desk.on(["edits"], () => this.#mark());
  }

  /** Whether somebody looks at it: it asks for nothing while nobody does. */
  set isShown(isShown: boolean) {
    this.#isShown = isShown;
    if (isShown) void this.#fill();
  }

  #listPlayers(): void {
    const players = this.desk.film?.players ?? [];
    if (this.#player.options.length === players.length + 1) return;
    const chosen = this.#player.value;
    const options = players.map((player) => h("option", { value: player }, `P${player}`));
    this.#player.replaceChildren(h("option", { value: "" }, "all players"), ...options);
    if (players.includes(Number(chosen))) this.#player.value = chosen;
  }

  /** The commands of whom is selected are those that are looked for. */
  #choose(): void {
    const { selected, state } = this.desk;
    const owner = state?.entities.find(({ id }) => id === selected)?.owner ?? 0;
    const isListed = [...this.#player.options].some(({ value }) => value === String(owner));
    if (owner === 0 || !isListed || this.#player.value === String(owner)) return;
    this.#player.value = String(owner);
    void this.#fill();
  }

  async #fill(): Promise<void> {
    const { film, playhead, server } = this.desk;
    if (!this.#isShown || film === undefined || this.#isAsking) return;
    const around = Math.round(AROUND_SECONDS * playhead.rate);
    const { tick } = playhead;
    const player = this.#player.value === "" ? undefined : this.#player.value;
    const key = `${film.name} ${player}`;
    // Asked again when the tick leaves the middle of what is listed.
    const isNear = tick - this.#from >= around / 2 && this.#to - tick >= around / 2;
    const isEdge = this.#from <= playhead.first && tick < this.#to - around / 2;
    if (key === this.#key && (isNear || isEdge)) return this.#mark();
    const [from, to] = [Math.max(playhead.first, tick - around), Math.min(tick + around, playhead.last)];
    this.#isAsking = true;
    try {
      const { commands } = await server.get<{ commands: PlayerCommand[] }>("/replay/commands", {
        file: film.name,
        from,
        to,
        player,
      });
      [this.#from, this.#to, this.#key] = [from, to, key];
      this.#list(commands);
    } catch (error) {
      this.#body.replaceChildren(h("li", { class: "bad" }, error instanceof Error ? error.message : String(error)));
    }
    this.#isAsking = false;
  }

  #list(commands: readonly PlayerCommand[]): void {
    const { clock } = this.desk.playhead;
    const shown = commands.slice(0, ROWS_MAX);
    const time = (tick: number): string => clock.call(this.desk.playhead, tick);
    say(this.#range, `${commands.length} from ${time(this.#from)} to ${time(this.#to)}`);
    const rows = shown.map((command) => this.#row(command));
    const none = h("li", { class: "empty" }, "Nobody asked for anything here.");
    this.#body.replaceChildren(...(rows.length === 0 ? [none] : rows));
    this.#mark(true);
  }

  #row(command: PlayerCommand): HTMLElement {
    const { tick, player, seq, text, outcome } = command;
    const isRejected = outcome !== null && !["applied", "ok", "0", ""].includes(String(outcome));
    const key = `${player}:${seq}`;
    const drop = h(
      "button",
      {
        class: "edit",
        title: `leave out ${key} in a fork`,
        "aria-label": `leave out command ${seq} of P${player} in a fork`,
        click: () => this.whatIf.drop(command),
      },
      "drop",
    );
    const jump = h("button", { class: "jump", click: () => this.desk.go(tick) }, String(tick));
    const said = h("code", { title: text }, text);
    const end = h("span", { class: "outcome" }, isRejected ? String(outcome) : "");
    // Files of the first version do not number commands.
    drop.hidden = seq === 0;
    return h("li", { "data-tick": tick, "data-key": key }, jump, h("b", {}, `P${player}`), said, end, drop);
  }

  /** Marks the commands of this tick, and those that a fork leaves out. */
  #mark(isNew = false): void {
    const { tick, isPlaying } = this.desk.playhead;
    let last: HTMLElement | undefined;
    for (const row of this.#body.querySelectorAll<HTMLElement>("[data-tick]")) {
      const of = Number(row.dataset["tick"]);
      row.classList.toggle("now", of === tick);
      row.classList.toggle("later", of > tick);
      row.classList.toggle("dropped", this.whatIf.drops(row.dataset["key"] ?? ""));
      if (of <= tick) last = row;
    }
    if (last === undefined || !(isNew || isPlaying)) return;
    this.#body.scrollTop = last.offsetTop - this.#body.offsetTop - this.#body.clientHeight / 2;
  }
}
