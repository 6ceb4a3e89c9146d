// The panels of the side, one of which is shown.

import { byId } from "./dom.js";

export class Tabs {
  readonly #tabs: readonly HTMLElement[];
  readonly #shows: Record<string, (isShown: boolean) => void>;

  /** `shows` is told when a panel, by its id, comes and goes. */
  constructor(list: HTMLElement, shows: Record<string, (isShown: boolean) => void>) {
    this.#tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
    this.#shows = shows;
    list.addEventListener("click", (event) => {
      const tab = (event.target as Element).closest("[role=tab]");
      if (tab !== null) this.show(tab.getAttribute("aria-controls")!);
    });
    list.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const index = this.#tabs.indexOf(event.target as HTMLElement);
      const next = by === undefined ? undefined : this.#tabs[(index + by + this.#tabs.length) % this.#tabs.length];
      if (index < 0 || next === undefined) return;
      event.preventDefault();
      next.focus();
      this.show(next.getAttribute("aria-controls")!);
    });
  }

  /** The panel at a place of the list. */
  showPlace(place: number): void {
    const panel = this.#tabs[place]?.getAttribute("aria-controls");
    if (panel) this.show(panel);
  }

  show(panel: string): void {
    for (const tab of this.#tabs) {
      const id = tab.getAttribute("aria-controls")!;
      const isShown = id === panel;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      byId(id).hidden = !isShown;
      this.#shows[id]?.(isShown);
    }
  }
}
