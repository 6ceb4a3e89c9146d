// The table of entities. Only the rows that are seen are made: a match has hundreds, and they change as it plays.

import type { EntityState } from "./api.js";
import type { Desk } from "./desk.js";
import { byId, h, say } from "./dom.js";
import { kindName, readFilter } from "./filter.js";
import { teamColour } from "./glyphs.js";

/** As the style sheet has it. */
const ROW = 22;

interface Column {
  readonly name: string;
  readonly cell: (entity: EntityState) => string;
  readonly isNumber: boolean;
}

/** What a table begins with: bodies first. */
const KINDS_FIRST = ["avatar", "drone", "pick-up", "projectile", "seat"];
const COLUMNS: readonly Column[] = [
  { name: "id", cell: ({ id }) => String(id), isNumber: true },
  { name: "kind", cell: kindName, isNumber: false },
  { name: "player", cell: ({ owner }) => (owner === 0 ? "" : `P${owner}`), isNumber: false },
  { name: "x", cell: ({ components }) => metres(components["Position"]?.["x"]), isNumber: true },
  { name: "y", cell: ({ components }) => metres(components["Position"]?.["y"]), isNumber: true },
  { name: "health", cell: (entity) => health(entity), isNumber: true },
];

const metres = (value: unknown): string => (value === undefined ? "" : Number(value).toFixed(2));

function health({ components }: EntityState): string {
  const points = components["Health"]?.["points"];
  const shield = Number(components["Health"]?.["shield"] ?? 0);
  return points === undefined ? "" : shield > 0 ? `${points}+${shield}` : String(points);
}

export class EntityTable {
  readonly #filter = byId<HTMLInputElement>("filter");
  readonly #grid = byId("entities");
  readonly #head = h("div", { class: "row head", role: "row" });
  readonly #body = h("div", { class: "rows", role: "rowgroup" });
  readonly #count = byId("entity-count");
  #shown: readonly EntityState[] = [];
  #height = 0;
  /** By which column, and which way; undefined is by kind. */
  #order: { readonly column: number; readonly direction: 1 | -1 } | undefined;

  constructor(private readonly desk: Desk) {
    const heads = COLUMNS.map(({ name, isNumber }, column) =>
      h(
        "span",
        { role: "columnheader", class: isNumber ? "number" : undefined },
        h("button", { click: () => this.#sortBy(column) }, name),
      ),
    );
    this.#head.append(...heads);
    this.#grid.append(this.#head, this.#body);
    this.#filter.addEventListener("input", () => this.#fill());
    this.#filter.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") this.#move(this.#place < 0 ? 0 : this.#place);
    });
    this.#grid.addEventListener("scroll", () => this.#paint());
    this.#grid.addEventListener("keydown", (event) => this.#onKey(event));
    this.#grid.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>("[data-entity]");
      if (row !== null) desk.select(Number(row.dataset["entity"]));
    });
    new ResizeObserver(() => this.#resized()).observe(this.#grid);
    desk.on(["state", "file"], () => this.#fill());
    desk.on(["select"], () => {
      this.#reveal();
      this.#paint();
    });
  }

  #fill(): void {
    const { state } = this.desk;
    const all = state?.entities ?? [];
    const filter = readFilter(this.#filter.value);
    this.#shown = this.#sorted(all.filter(filter));
    const some = this.#shown.length === all.length ? `${all.length}` : `${this.#shown.length} of ${all.length}`;
    say(this.#count, state === undefined ? "" : some);
    this.#grid.setAttribute("aria-rowcount", String(this.#shown.length));
    this.#paint();
  }

  #sortBy(column: number): void {
    const isSame = this.#order?.column === column;
    // The third time it is as it was.
    this.#order = isSame && this.#order?.direction === -1 ? undefined : { column, direction: isSame ? -1 : 1 };
    [...this.#head.children].forEach((head, index) => {
      const direction = this.#order?.column === index ? this.#order.direction : 0;
      head.setAttribute("aria-sort", direction === 0 ? "none" : direction === 1 ? "ascending" : "descending");
    });
    this.#fill();
  }

  #sorted(entities: EntityState[]): EntityState[] {
    const { column, direction } = this.#order ?? { column: 1, direction: 1 };
    const { cell, isNumber } = COLUMNS[column]!;
    const rank = (entity: EntityState): number | string => {
      if (isNumber || column === 2) return Number.parseFloat(cell(entity).replace("P", "")) || -Infinity;
      const kind = KINDS_FIRST.indexOf(cell(entity));
      return kind < 0 ? KINDS_FIRST.length : kind;
    };
    const ranked = entities.map((entity) => ({ entity, rank: rank(entity) }));
    ranked.sort((a, b) => (a.rank < b.rank ? -direction : a.rank > b.rank ? direction : a.entity.id - b.entity.id));
    return ranked.map(({ entity }) => entity);
  }

  #paint(): void {
    const top = this.#grid.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW) - 2);
    const count = Math.ceil(this.#grid.clientHeight / ROW) + 4;
    const rows = this.#shown.slice(first, first + count);
    this.#body.style.height = `${Math.max(this.#shown.length, 1) * ROW}px`;
    while (this.#body.children.length > rows.length) this.#body.lastElementChild!.remove();
    while (this.#body.children.length < rows.length) this.#body.append(makeRow());
    rows.forEach((entity, index) => this.#paintRow(this.#body.children[index] as HTMLElement, entity, first + index));
    if (this.#shown.length > 0 || this.desk.state === undefined) return;
    this.#body.replaceChildren(h("p", { class: "empty" }, "No entity fits this filter."));
  }

  #paintRow(row: HTMLElement, entity: EntityState, place: number): void {
    const { selected, differing } = this.desk;
    if (row.children.length !== COLUMNS.length) row.replaceWith((row = makeRow()));
    row.style.transform = `translateY(${place * ROW}px)`;
    row.dataset["entity"] = String(entity.id);
    row.id = `row-${entity.id}`;
    row.setAttribute("aria-rowindex", String(place + 1));
    row.setAttribute("aria-selected", String(entity.id === selected));
    row.classList.toggle("differs", differing.has(entity.id));
    const team = entity.components["Team"]?.["team"] ?? entity.components["Seat"]?.["team"];
    row.style.setProperty("--team", team === undefined ? "transparent" : teamColour(Number(team)));
    COLUMNS.forEach(({ cell }, index) => say(row.children[index]!, cell(entity)));
  }

  /** What is selected takes room of the table: its row, where it was seen, still is. */
  #resized(): void {
    const { clientHeight, scrollTop } = this.#grid;
    const bottom = (this.#place + 1) * ROW;
    const wasSeen = bottom > scrollTop + ROW && bottom <= scrollTop + this.#height - ROW;
    this.#height = clientHeight;
    if (wasSeen) this.#reveal();
    this.#paint();
  }

  get #place(): number {
    return this.#shown.findIndex(({ id }) => id === this.desk.selected);
  }

  #move(place: number): void {
    const entity = this.#shown[Math.min(Math.max(place, 0), this.#shown.length - 1)];
    if (entity === undefined) return;
    this.#grid.focus();
    this.desk.select(entity.id);
  }

  #onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#grid.clientHeight / ROW) - 2);
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move(this.#place < 0 ? 0 : this.#place + by);
  }

  #reveal(): void {
    const place = this.#place;
    this.#grid.setAttribute("aria-activedescendant", place < 0 ? "" : `row-${this.desk.selected}`);
    if (place < 0) return;
    const [top, height] = [place * ROW, this.#grid.clientHeight - ROW];
    if (top < this.#grid.scrollTop) this.#grid.scrollTop = top;
    if (top + ROW > this.#grid.scrollTop + height) this.#grid.scrollTop = top + ROW - height;
  }
}

function makeRow(): HTMLElement {
  const cells = COLUMNS.map(({ isNumber }) => h("span", { role: "gridcell", class: isNumber ? "number" : undefined }));
  return h("div", { class: "row", role: "row" }, ...cells);
}
