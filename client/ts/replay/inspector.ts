// The components of the entity that is selected. A value is a button that asks why it is what it is.

import type { EntityState, Value } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { kindName } from "./filter.js";
import type { WhatIf } from "./whatif.js";
import type { Why } from "./why.js";

/** A value as people read it. */
export function written(value: Value | null | undefined): string {
  if (value === null || value === undefined) return "—";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Math.round(value * 10_000) / 10_000);
}

interface Row {
  readonly value: HTMLButtonElement;
  readonly other: HTMLElement;
  shown: string;
}

export class Inspector {
  readonly #line = byId("inspected-line");
  readonly #title = byId("inspected");
  readonly #body = byId("components");
  readonly #follow = byId<HTMLButtonElement>("follow");
  /** By the path of the field. They live as long as the entity has the same components. */
  readonly #rows = new Map<string, Row>();
  #shape = "";
  /** Of what was selected, while it was there; 0 is nobody. */
  #owner = 0;

  constructor(
    private readonly desk: Desk,
    private readonly why: Why,
    private readonly whatIf: WhatIf,
  ) {
    desk.on(["state", "select", "file"], () => this.#fill());
    desk.on(["why"], () => this.#markAsked());
    byId("inspected-close").addEventListener("click", () => desk.select(undefined));
    this.#follow.addEventListener("click", () => {
      const player = this.#entity?.owner;
      desk.follow(player === desk.followed ? undefined : player);
    });
  }

  get #entity(): EntityState | undefined {
    return find(this.desk.state?.entities, this.desk.selected);
  }

  #fill(): void {
    const { desk } = this;
    const entity = this.#entity;
    const other = find(desk.otherState?.entities, desk.selected);
    this.#follow.hidden = entity === undefined || entity.owner === 0;
    this.#follow.setAttribute("aria-pressed", String(entity?.owner === desk.followed));
    say(this.#follow, entity?.owner === desk.followed ? "Following" : `Follow P${entity?.owner ?? ""}`);
    const present = entity ?? other;
    if (present !== undefined || desk.selected === undefined) this.#owner = present?.owner ?? 0;
    this.#line.hidden = desk.selected === undefined;
    if (present === undefined) return this.#sayNothing();
    const owner = present.owner === 0 ? "" : ` · P${present.owner}`;
    say(this.#title, `#${present.id} ${kindName(present)}${owner}`);
    const fields = Object.entries(present.components);
    const shape = JSON.stringify([desk.film?.name, present.id, fields.map(([name, of]) => [name, Object.keys(of)])]);
    if (shape !== this.#shape) this.#build(present, shape);
    for (const [component, values] of fields) {
      for (const field of Object.keys(values)) {
        const path = `${present.id}.${component}.${field}`;
        this.#write(path, entity?.components[component]?.[field], other?.components[component]?.[field]);
      }
    }
    this.#markAsked();
  }

  #sayNothing(): void {
    const { selected, state } = this.desk;
    this.#shape = "";
    this.#rows.clear();
    say(this.#title, selected === undefined ? "" : `#${selected}`);
    const hint =
      selected === undefined
        ? "Click something in the arena or in the table to see its values; click a value to see what wrote it."
        : `Not there at tick ${state?.tick ?? this.desk.playhead.tick}.`;
    this.#body.replaceChildren(h("p", { class: "empty" }, hint, ...this.#newBody()));
  }

  /** A way to the body that the same player has now. */
  #newBody(): HTMLElement[] {
    const { selected, state } = this.desk;
    const body = state?.entities.find(
      ({ owner, components }) => owner !== 0 && owner === this.#owner && components["Position"] !== undefined,
    );
    if (body === undefined || selected === undefined) return [];
    const select = (): void => this.desk.select(body.id);
    return [h("button", { class: "jump", click: select }, `P${body.owner} is #${body.id} now`)];
  }

  #build(entity: EntityState, shape: string): void {
    this.#shape = shape;
    this.#rows.clear();
    const sections = Object.entries(entity.components).map(([component, fields]) => {
      const rows = Object.keys(fields).map((field) => this.#buildRow(entity, component, field));
      return h("section", { class: rows.length === 1 ? "single" : undefined }, h("h3", {}, component), ...rows);
    });
    this.#body.replaceChildren(h("div", { class: "columns" }, ...sections));
  }

  #buildRow(entity: EntityState, component: string, field: string): HTMLElement {
    const path = `${entity.id}.${component}.${field}`;
    const value = h("button", {
      class: "value",
      title: `why is ${path} this?`,
      "data-path": path,
      click: () => void this.why.ask(path),
    });
    const other = h("span", { class: "other" });
    const edit = h(
      "button",
      {
        class: "edit",
        title: `set ${path} in a fork`,
        "aria-label": `set ${path} in a fork`,
        click: () => this.whatIf.set(path, this.#rows.get(path)?.shown ?? ""),
      },
      "set",
    );
    this.#rows.set(path, { value, other, shown: "" });
    return h("div", { class: "field" }, h("span", { class: "name" }, field), value, other, edit);
  }

  #write(path: string, value: Value | undefined, other: Value | undefined): void {
    const row = this.#rows.get(path);
    if (row === undefined) return;
    const text = written(value);
    row.shown = text;
    say(row.value, text);
    row.value.setAttribute("aria-label", `${path} is ${text}, why?`);
    const isCompared = this.desk.otherState !== undefined;
    const differs = isCompared && value !== other;
    row.value.parentElement?.classList.toggle("differs", differs);
    say(row.other, differs ? written(other) : "");
  }

  #markAsked(): void {
    for (const [path, { value }] of this.#rows) value.setAttribute("aria-pressed", String(path === this.why.path));
  }
}

function find(entities: readonly EntityState[] | undefined, id: number | undefined): EntityState | undefined {
  return id === undefined ? undefined : entities?.find((entity) => entity.id === id);
}
