// The row of buttons above the timeline, and what is said in words: time, speed, what just happened, what is wrong.

import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { LANES, isOften, momentColour } from "./moments.js";
import { SPEEDS } from "./playhead.js";

/** What just happened is told for this long. */
const TOLD_SECONDS = 2;
const TOLD_MAX = 4;
/** What the button shows, as paths of 12 by 12. */
const SIGNS = {
  play: "M2 1v10l9-5z",
  pause: "M2 1h3v10H2zM7 1h3v10H7z",
  waits: "M1 5h2v2H1zM5 5h2v2H5zM9 5h2v2H9z",
};

export class Transport {
  readonly #play = byId<HTMLButtonElement>("play");
  readonly #sign = byId("play-sign");
  readonly #speed = byId<HTMLSelectElement>("speed");
  readonly #tick = byId<HTMLInputElement>("tick");
  readonly #followed = byId<HTMLSelectElement>("follow-player");
  readonly #trouble = byId("trouble");

  constructor(private readonly desk: Desk) {
    const { playhead } = desk;
    const click = (id: string, run: () => void): void => byId(id).addEventListener("click", run);
    click("play", () => desk.togglePlaying());
    click("tick-back", () => desk.step(-1));
    click("tick-on", () => desk.step(1));
    click("moment-back", () => desk.stepMoment(-1));
    click("moment-on", () => desk.stepMoment(1));
    click("to-start", () => desk.go(playhead.first));
    click("to-end", () => desk.go(playhead.last));
    this.#speed.append(...SPEEDS.map((speed) => h("option", { value: speed }, `${speed}×`)));
    this.#speed.addEventListener("change", () => {
      playhead.speed = Number(this.#speed.value);
      desk.tell("tick");
    });
    this.#tick.addEventListener("change", () => desk.go(Number(this.#tick.value)));
    this.#followed.addEventListener("change", () => {
      desk.follow(this.#followed.value === "" ? undefined : Number(this.#followed.value));
    });
    byId("lanes").append(...LANES.map((_, lane) => this.#lane(lane)), h("span", {}, "Hashes"));
    desk.on(["file", "timeline"], () => this.#sayFile());
    desk.on(["edits"], () => {
      const count = document.querySelectorAll("#edits .verb").length;
      say(byId("edit-count"), count === 0 ? "" : String(count));
    });
  }

  changeSpeed(by: number): void {
    this.desk.playhead.changeSpeed(by);
    this.desk.tell("tick");
  }

  draw(): void {
    const { desk } = this;
    const { playhead, film } = desk;
    const { tick, isPlaying } = playhead;
    const sign = isPlaying ? (desk.isWaiting ? SIGNS.waits : SIGNS.pause) : SIGNS.play;
    if (this.#sign.getAttribute("d") !== sign) this.#sign.setAttribute("d", sign);
    this.#play.setAttribute("aria-label", isPlaying ? "pause" : "play");
    if (this.#speed.value !== String(playhead.speed)) this.#speed.value = String(playhead.speed);
    if (document.activeElement !== this.#tick) this.#tick.value = String(tick);
    say(byId("clock"), playhead.clock(tick));
    const followed = String(desk.followed ?? "");
    if (this.#followed.value !== followed) this.#sayPlayers();
    byId("tool-live").setAttribute("aria-pressed", String(desk.isAtLive));
    const recent = film?.moments.between(tick - Math.round(TOLD_SECONDS * playhead.rate), tick) ?? [];
    const told = recent.filter(({ kind }) => !isOften(kind)).slice(-TOLD_MAX);
    say(
      byId("now"),
      told
        .reverse()
        .map((moment) => film?.describe(moment))
        .join(" · "),
    );
    const { state } = desk;
    const isShown = state !== undefined && state.tick === tick;
    say(byId("hash"), isShown ? `hash ${state.hash} · ${state.seek_ms.toFixed(state.seek_ms < 10 ? 1 : 0)} ms` : "");
    say(byId("caption-a"), film === undefined ? "" : `${film.name} · tick ${tick}`);
    const gone = "No answer from the server; asking again…";
    say(this.#trouble, desk.server.isHere ? (desk.trouble ?? film?.timeline.failure ?? "") : gone);
    this.#trouble.title = this.#trouble.textContent ?? "";
  }

  #lane(lane: number): HTMLElement {
    const { label, kinds } = LANES[lane]!;
    const button = h(
      "button",
      {
        style: `--chip: ${momentColour(kinds[0]!)}`,
        "aria-pressed": String(this.desk.lanesOn[lane]),
        title: `step through these with [ and ]`,
        click: () => {
          this.desk.lanesOn[lane] = !this.desk.lanesOn[lane];
          button.setAttribute("aria-pressed", String(this.desk.lanesOn[lane]));
          this.desk.tell("tick");
        },
      },
      label,
    );
    return button;
  }

  #sayFile(): void {
    const { film, playhead } = this.desk;
    if (film === undefined) return;
    const { game, rules_version, label, players } = film.info;
    const facts = [
      ...(label === "" || label === film.name ? [] : [label]),
      game,
      `rules ${rules_version}`,
      `${players} player${players === 1 ? "" : "s"}`,
    ];
    say(byId("facts"), [...facts, playhead.clock(playhead.last).slice(0, -3)].join(" · "));
    this.#tick.min = String(playhead.first);
    this.#tick.max = String(playhead.last);
    document.title = `${film.name} · Worldlog`;
    this.#sayPlayers();
  }

  #sayPlayers(): void {
    const { film, followed } = this.desk;
    const value = String(followed ?? "");
    // A list that somebody has open stays as it is.
    if (this.#followed.options.length === (film?.players.length ?? 0) + 1) {
      this.#followed.value = value;
      return;
    }
    const options = (film?.players ?? []).map((player) => h("option", { value: player }, `P${player}`));
    this.#followed.replaceChildren(h("option", { value: "" }, "nobody"), ...options);
    this.#followed.value = value;
  }
}
