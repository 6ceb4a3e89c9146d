// Why a field is what it is: its writers, newest first, back to the command.

import type { PlayerCommand, Writer } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { written } from "./inspector.js";

export class Why {
  /** The field that was asked for, as `12.Health.points`. */
  path: string | undefined;
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
    say(this.#title, `Why ${path} at tick ${tick}`);
    this.#body.replaceChildren(h("p", { class: "empty" }, "Tracing back…"));
    this.desk.tell("why");
    this.#offerAgain();
    try {
      const { writers } = await server.get<{ writers: Writer[] }>("/replay/why", {
        file: film.name,
        tick,
        field: path,
      });
      if (number !== this.#asked) return;
      const rows = writers.map((writer) => this.#row(writer));
      const none = h("p", { class: "empty" }, "Nothing wrote it: it is as it was when the file begins.");
      this.#body.replaceChildren(...(rows.length === 0 ? [none] : [h("ol", { class: "writers" }, ...rows)]));
    } catch (error) {
      if (number !== this.#asked) return;
      this.#body.replaceChildren(
        h("p", { class: "bad", role: "alert" }, error instanceof Error ? error.message : String(error)),
      );
    }
  }

  #row(writer: Writer): HTMLElement {
    const jump = h(
      "button",
      { class: "jump", title: "go to this tick", "data-tick": writer.tick, click: () => this.desk.go(writer.tick) },
      `tick ${writer.tick}`,
    );
    const change = h("span", { class: "change" }, written(writer.old), h("i", {}, " → "), written(writer.new));
    const { command } = writer;
    const cause =
      command === null
        ? h("span", { class: "cause none" }, "no command: the rules alone")
        : h("span", { class: "cause" }, h("b", {}, `P${command.player}`), ` command ${command.seq}`);
    if (command !== null) void this.#tellCommand(cause, writer.tick, command.player, command.seq);
    return h("li", {}, h("div", {}, jump, change), h("div", {}, h("code", {}, writer.system), cause));
  }

  /** What the command said. */
  async #tellCommand(cause: HTMLElement, tick: number, player: number, seq: number): Promise<void> {
    const file = this.desk.film?.name;
    // It came in the tick of the write or, where it was heeded later, somewhat before.
    const asked = { file, from: Math.max(0, tick - 300), to: tick, player };
    const found = await this.desk.server
      .get<{ commands: PlayerCommand[] }>("/replay/commands", asked)
      .catch(() => undefined);
    const command = found?.commands.find((known) => known.seq === seq);
    if (command === undefined) return;
    const jump = h("button", {
      class: "jump",
      title: "go to the tick of the command",
      click: () => this.desk.go(command.tick),
    });
    say(jump, `tick ${command.tick}`);
    cause.append(" ", h("code", {}, command.text), ...(command.tick === tick ? [] : [" at ", jump]));
  }

  #offerAgain(): void {
    this.#again.hidden = this.path === undefined || this.#tick === this.desk.playhead.tick;
  }

  #forget(): void {
    this.path = undefined;
    this.#asked++;
    say(this.#title, "Why");
    this.#body.replaceChildren(
      h("p", { class: "empty" }, "Click a value above to see what wrote it, when, and on whose command."),
    );
    this.#offerAgain();
    this.desk.tell("why");
  }
}
