// Who plays: how they stand, and whom the camera follows.

import type { EntityState } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { teamColour } from "./glyphs.js";

interface Row {
  readonly player: number;
  readonly team: number | undefined;
  /** 0 while dead. */
  readonly avatar: number;
  readonly numbers: readonly string[];
}

export class Players {
  readonly #list = byId("players");
  #isShown = false;
  #key = "";

  constructor(private readonly desk: Desk) {
    desk.on(["state", "select", "file"], () => this.#fill());
  }

  set isShown(isShown: boolean) {
    this.#isShown = isShown;
    this.#fill();
  }

  #fill(): void {
    if (!this.#isShown) return;
    const rows = this.#rows();
    const key = rows.map(({ player, team }) => `${player}/${team}`).join();
    if (key !== this.#key || rows.length === 0) this.#build(rows);
    this.#key = key;
    rows.forEach((row, index) => this.#write(this.#list.querySelectorAll<HTMLElement>("tbody tr")[index]!, row));
  }

  #rows(): Row[] {
    const { state, film, playhead } = this.desk;
    const seats = (state?.entities ?? []).filter(({ components }) => components["Seat"] !== undefined);
    if (seats.length > 0) return seats.map(rowOf).sort((a, b) => (a.team ?? 0) - (b.team ?? 0) || a.player - b.player);
    const here = (film?.timeline.players ?? []).filter(
      ({ joined, left }) => joined <= playhead.tick && (left === null || left > playhead.tick),
    );
    return here.map(({ player }) => ({ player, team: undefined, avatar: 0, numbers: ["", "", ""] }));
  }

  #build(rows: readonly Row[]): void {
    if (rows.length === 0) {
      this.#list.replaceChildren(h("p", { class: "empty" }, "Nobody is in the match at this tick."));
      return;
    }
    const heads = ["player", "kills", "deaths", "score", ""].map((name, index) =>
      h("th", { scope: "col", class: index > 0 && index < 4 ? "number" : undefined }, name),
    );
    const body = rows.map(({ player, team }) => {
      const select = h("button", { class: "jump", click: () => this.#select(player) }, `P${player}`);
      const follow = h("button", {
        class: "edit",
        click: () => this.desk.follow(this.desk.followed === player ? undefined : player),
      });
      const dot = h("i", { class: "chip", style: `--chip: ${teamColour(team ?? -1)}` });
      const cells = [0, 1, 2].map(() => h("td", { class: "number" }));
      return h(
        "tr",
        {},
        h("td", {}, dot, select, h("span", { class: "dim" })),
        ...cells,
        h("td", { class: "end" }, follow),
      );
    });
    this.#list.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...body)));
  }

  #write(row: HTMLElement, { player, avatar, numbers }: Row): void {
    const { followed, selected } = this.desk;
    numbers.forEach((text, index) => say(row.children[index + 1]!, text));
    say(row.querySelector(".dim")!, avatar === 0 ? " dead" : "");
    row.classList.toggle("selected", selected !== undefined && selected === avatar);
    const follow = row.querySelector<HTMLButtonElement>(".edit")!;
    say(follow, followed === player ? "following" : "follow");
    follow.setAttribute("aria-label", `follow P${player}`);
    follow.setAttribute("aria-pressed", String(followed === player));
  }

  #select(player: number): void {
    const row = this.#rows().find((row) => row.player === player);
    const seat = this.desk.state?.entities.find(({ components }) => components["Seat"]?.["player"] === player);
    this.desk.select(row === undefined || row.avatar === 0 ? seat?.id : row.avatar);
  }
}

function rowOf({ components }: EntityState): Row {
  const seat = components["Seat"]!;
  const number = (name: string): number => Number(seat[name] ?? 0);
  const numbers = ["kills", "deaths", "score"].map((name) => String(seat[name] ?? ""));
  return { player: number("player"), team: number("team"), avatar: number("avatar"), numbers };
}
