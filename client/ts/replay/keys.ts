// The keyboard: what each key does, in the one list that the help shows too.

import { byId, h } from "./dom.js";

export interface Key {
  /** As `KeyboardEvent.key` has them; the help shows the first. */
  readonly keys: readonly string[];
  readonly shown: string;
  readonly does: string;
  readonly run: (event: KeyboardEvent) => void;
}

export class Keys {
  readonly #help = byId<HTMLDialogElement>("help");

  constructor(keys: readonly Key[]) {
    const help: Key = { keys: ["?"], shown: "?", does: "show this list", run: () => this.#help.showModal() };
    const all = [...keys, help];
    const rows = all.map(({ shown, does }) => h("tr", {}, h("td", {}, h("kbd", {}, shown)), h("td", {}, does)));
    byId("help-keys").append(...rows);
    byId("help-open").addEventListener("click", () => this.#help.showModal());
    addEventListener("keydown", (event) => {
      if (this.#help.open || event.ctrlKey || event.metaKey || event.altKey || isTakenBy(event)) return;
      const key = all.find(({ keys }) => keys.includes(event.key));
      if (key === undefined) return;
      event.preventDefault();
      key.run(event);
    });
  }
}

/** Whether the element that has the focus does something with the key itself. */
function isTakenBy({ key, target }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const isWrittenIn = target.matches("textarea, select, input:not([type=checkbox])");
  if (isWrittenIn) {
    if (key === "Escape") target.blur();
    return true;
  }
  if (target.matches("[role=tab]")) return key === "ArrowLeft" || key === "ArrowRight";
  return (key === " " || key === "Enter") && target.matches("button, a, input");
}

/** Who clicks a button goes on with the keys of the page; who came to it by keys stays on it. */
export function leaveClickedButtons(): void {
  document.addEventListener("click", ({ detail, target }) => {
    const button = target instanceof Element ? target.closest<HTMLElement>("button, a") : null;
    if (detail > 0 && button === document.activeElement) button?.blur();
  });
}
