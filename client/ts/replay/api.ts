// What the server is asked, and what it answers.

export type Value = number | boolean | string;
export type Fields = Readonly<Record<string, Value>>;
/** The fields of an entity, by component. */
export type Components = Readonly<Record<string, Fields>>;

export interface EntityState {
  readonly id: number;
  /** 0 is nobody. */
  readonly owner: number;
  readonly components: Components;
}

export interface FileInfo {
  readonly name: string;
  readonly label: string;
  readonly ticks: number;
  readonly players: number;
  readonly game: string;
  readonly rules_version: number;
  readonly seconds: number;
  /** Whether it may still go on. */
  readonly live?: boolean;
}

export interface Library {
  /** Whether the server runs matches of its own. */
  readonly live: boolean;
  readonly files: readonly FileInfo[];
}

export interface Presence {
  readonly player: number;
  readonly joined: number;
  readonly left: number | null;
}

export interface Moment {
  readonly tick: number;
  readonly kind: string;
  readonly entity: number;
  /** 0 is nobody, as in `by`. */
  readonly player: number;
  readonly by: number;
  readonly at: readonly [number, number] | null;
  readonly value: number;
}

export interface Timeline {
  readonly first_tick: number;
  readonly last_tick: number;
  /** 0 where a match is stepped on command. */
  readonly tick_millihertz: number;
  readonly keyframes: readonly number[];
  readonly players: readonly Presence[];
  readonly moments: readonly Moment[];
  readonly verified_to: number;
  readonly mismatches: readonly number[];
  /** Why it is verified no further. */
  readonly failure?: string | null;
}

export interface State {
  readonly tick: number;
  readonly hash: string | number;
  readonly seek_ms: number;
  readonly entities: readonly EntityState[];
}

export interface FrameState {
  readonly tick: number;
  readonly entities: readonly EntityState[];
}

export interface PlayerCommand {
  readonly tick: number;
  readonly player: number;
  readonly session: number | string;
  readonly seq: number;
  readonly position: number | string;
  readonly text: string;
  readonly outcome: string | number | null;
}

/** A command that caused a write. Files of the first version do not number commands. */
export interface Cause {
  readonly player: number;
  readonly seq: number | null;
  readonly position: number | null;
  /** That took it in. */
  readonly tick: number;
  readonly text: string;
  /** Whether the write is gone when this command alone is left out. */
  readonly alone: boolean;
}

export interface Writer {
  readonly tick: number;
  readonly system: string;
  readonly command: Cause | null;
  readonly old: Value | null;
  readonly new: Value | null;
  readonly kind: "command" | "join" | "leave" | "edit" | "rule";
  /** 0 is nobody. */
  readonly player: number;
  /** The tick of an earlier write that this one follows from by the rules alone. */
  readonly follows: number | null;
}

export interface Why {
  readonly writers: readonly Writer[];
  /** Ticks after this one were searched. */
  readonly looked_back_to: number;
}

export interface Difference {
  readonly entity: number;
  readonly component: string;
  readonly field: string;
  readonly a: Value | null;
  readonly b: Value | null;
}

/** What a match came to. */
export interface Outcome {
  readonly entities: number;
  /** Entities that have a component. */
  readonly components: Readonly<Record<string, { readonly rows: number }>>;
  /** Components of the match itself, such as a score. */
  readonly of_match: Components;
  /** How many of each kind there were from the first difference on. */
  readonly moments: Readonly<Record<string, number>>;
}

export interface Fork {
  readonly file: string;
  readonly first_difference_tick: number | null;
  /** At the end, as many as are told. */
  readonly differences: readonly Difference[];
  readonly differences_in_all: number;
  readonly outcome_a: Outcome;
  readonly outcome_b: Outcome;
}

export interface ForkWish {
  readonly file: string;
  readonly tick: number;
  readonly set: readonly string[];
  readonly drop: readonly string[];
  readonly commands: readonly { readonly tick: number; readonly player: number; readonly text: string }[];
  readonly to: number | null;
}

export interface Heat {
  /** Side of a cell in metres. */
  readonly cell: number;
  readonly min: readonly [number, number];
  readonly columns: number;
  readonly rows: number;
  /** Row by row, from the lowest. */
  readonly counts: readonly number[];
  /** Whether every match was counted to its end. */
  readonly complete?: boolean;
}

export interface ManifestText {
  readonly components: readonly {
    readonly name: string;
    readonly fields: readonly { readonly name: string; readonly kind: string }[];
  }[];
}

/** The server said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The server was not reached. */
export class Gone extends Error {
  constructor() {
    super("the server does not answer; it is asked again every second");
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>;

const AGAIN_MS = 1000;

/** The path with its query. */
export function address(path: string, query: Query = {}): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) said.set(name, String(value));
  return said.size === 0 ? path : `${path}?${said}`;
}

/** The server that gave the page. Notices when it goes, and when it is there again. */
export class Server {
  /** Called with what is the case from now on. */
  onPresence: (isHere: boolean) => void = () => undefined;
  #isHere = true;

  get isHere(): boolean {
    return this.#isHere;
  }

  get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return this.#ask<T>(address(path, query), signal === undefined ? {} : { signal });
  }

  post<T>(path: string, body: object): Promise<T> {
    const headers = { "content-type": "application/json" };
    return this.#ask<T>(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  async text(path: string, query: Query): Promise<string> {
    return (await this.#fetch(address(path, query), {})).text();
  }

  /** Somebody else found it gone. */
  isGone(): void {
    if (!this.#isHere) return;
    this.#isHere = false;
    this.onPresence(false);
    const again = (): void => {
      fetch("/replay/files", { cache: "no-store" }).then(
        (answer) => (answer.ok ? this.#isBack() : void setTimeout(again, AGAIN_MS)),
        () => void setTimeout(again, AGAIN_MS),
      );
    };
    setTimeout(again, AGAIN_MS);
  }

  #isBack(): void {
    this.#isHere = true;
    this.onPresence(true);
  }

  async #ask<T>(path: string, init: RequestInit): Promise<T> {
    return (await (await this.#fetch(path, init)).json()) as T;
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(path, init);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      this.isGone();
      throw new Gone();
    }
    if (!answer.ok) throw new Refused(answer.status, await reason(answer, path));
    return answer;
  }
}

/** What an answer says is wrong. */
export async function reason(answer: Response, path: string): Promise<string> {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text) as { error?: string };
    if (error !== undefined) return error;
  } catch {
    // Not of ours.
  }
  return `${path.split("?")[0]}: ${answer.status} ${answer.statusText}`;
}
