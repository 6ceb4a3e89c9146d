// What a link to a tick says, after the `#`: `t=840&file=…&select=12`.

export interface Link {
  readonly tick: number | undefined;
  readonly file: string | undefined;
  /** An entity. */
  readonly selected: number | undefined;
  /** A player. */
  readonly followed: number | undefined;
  /** What it is compared with: a file at a tick. */
  readonly other: { readonly file: string; readonly tick: number } | undefined;
}

export function readLink(hash: string): Link {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name: string): number | undefined => {
    const text = said.get(name);
    return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const other = /^(.*)@(\d+)$/.exec(said.get("with") ?? "");
  return {
    tick: number("t"),
    file: said.get("file") ?? undefined,
    selected: number("select"),
    followed: number("follow"),
    other: other === null ? undefined : { file: other[1]!, tick: Number(other[2]) },
  };
}

export function writeLink({ tick, file, selected, followed, other }: Link): string {
  const said = new URLSearchParams();
  if (tick !== undefined) said.set("t", String(tick));
  if (file !== undefined) said.set("file", file);
  if (selected !== undefined) said.set("select", String(selected));
  if (followed !== undefined) said.set("follow", String(followed));
  if (other !== undefined) said.set("with", `${other.file}@${other.tick}`);
  return `#${said}`;
}
