// Why a field is what it is: its writers, newest first, back to the command.

import type { Why as Answer, Writer } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { written } from "./inspector.js";

export class Why {
  /** The field that was asked for, as `12.Health.points`. */
  path: string | undefined;
  /** Shows the panel. */
  onAsk: () => void = () => undefined;
  readonly #line = byId("why-line");
  readonly #title = byId("why-title");
  readonly #body = byId("why");
  readonly #again = byId<HTMLButtonElement>("why-again");
  #tick = 0;
  #asked = 0;

  constructor(private readonly desk: Desk) {
    desk.on(["file"], () => this.#forget());
    desk.on(["tick"], () => this.#offerAgain());
    this.#again.addEventListener("click", () => this.path !== undefined && void this.ask(this.path));
    this.#forget();
  }

  async ask(path: string): Promise<void> {
    const { film, playhead, server } = this.desk;
    if (film === undefined) return;
    // An answer for a moving tick is old before it is read.
    playhead.isPlaying = false;
    this.desk.go(playhead.tick);
    const number = ++this.#asked;
    const tick = playhead.tick;
    [this.path, this.#tick] = [path, tick];
    say(this.#title, `Why ${path} at ${tick}`);
    this.#title.title = `${path} at tick ${tick}`;
    this.#show(h("p", { class: "empty" }, "Tracing back…"));
    this.onAsk();
    try {
      const { writers, looked_back_to } = await server.get<Answer>("/replay/why", {
        file: film.name,
        tick,
        field: path,
      });
      if (number !== this.#asked) return;
      const rows = writers.map((writer) => this.#row(writer));
      const none = h("p", { class: "empty" }, `Nothing wrote it after tick ${looked_back_to}.`);
      this.#show(rows.length === 0 ? none : h("ol", { class: "writers" }, ...rows));
    } catch (error) {
      if (number !== this.#asked) return;
      this.#show(h("p", { class: "bad", role: "alert" }, error instanceof Error ? error.message : String(error)));
    }
  }

  #show(said: HTMLElement): void {
    this.#line.hidden = this.path === undefined;
    this.#body.replaceChildren(said);
    this.#body.scrollTop = 0;
    this.#offerAgain();
    this.desk.tell("why");
  }

  #row(writer: Writer): HTMLElement {
    const change = h("span", { class: "change" }, written(writer.old), h("i", {}, " → "), written(writer.new));
    const system = h("code", { class: "dim" }, writer.system);
    return h("li", {}, h("div", {}, this.#jump(writer.tick), system, change), this.#cause(writer));
  }

  #cause({ command, kind, player, follows, tick }: Writer): HTMLElement {
    if (command !== null) {
      const number = command.seq === null ? " " : ` command ${command.seq} `;
      const at = command.tick === tick ? [] : [" ", h("span", {}, "at ", this.#jump(command.tick))];
      const others = command.alone ? "" : " and others with it";
      return h(
        "span",
        { class: "cause" },
        h("b", {}, `P${command.player}`),
        number,
        h("code", {}, command.text),
        others,
        ...at,
      );
    }
    if (follows !== null) {
      const ask = (): void => {
        this.desk.go(follows);
        if (this.path !== undefined) void this.ask(this.path);
      };
      const why = h("button", { class: "jump", title: "go there and ask again", click: ask }, `tick ${follows}`);
      return h("span", { class: "cause" }, "follows by the rules from ", why);
    }
    const said = { join: `P${player} joined`, leave: `P${player} left`, edit: "set by this fork" };
    const text = kind === "join" || kind === "leave" || kind === "edit" ? said[kind] : "no command: the rules alone";
    return h("span", { class: "cause none" }, text);
  }

  #jump(tick: number): HTMLElement {
    const go = (): void => this.desk.go(tick);
    return h("button", { class: "jump", title: "go to this tick", "data-tick": tick, click: go }, `tick ${tick}`);
  }

  #offerAgain(): void {
    this.#again.hidden = this.path === undefined || this.#tick === this.desk.playhead.tick;
  }

  #forget(): void {
    this.path = undefined;
    this.#asked++;
    const hint = "Click a value of what is selected to see what wrote it, when, and on whose command.";
    this.#show(h("p", { class: "empty" }, hint));
  }
}
