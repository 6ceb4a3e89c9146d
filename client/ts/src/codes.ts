// Codes with which an edge closes, and what a client does then.

/** Close codes by number; the sentence for people comes with them. */
export enum CloseCode {
  Done,
  Malformed,
  Oversized,
  Version,
  OutOfOrder,
  TooSlow,
  TooFast,
  TokenInvalid,
  TokenExpired,
  TokenUsed,
  NoMatch,
  Full,
  NoSession,
  WrongSecret,
  Superseded,
  SequenceGap,
  Stopping,
  Behind,
  Internal,
  Left,
  WindowExceeded,
  BadContent,
}

const RESUMED = new Set([
  CloseCode.TooSlow,
  CloseCode.SequenceGap,
  CloseCode.Stopping,
  CloseCode.Behind,
  CloseCode.Internal,
]);

/** Whether the session goes on with a new connection. Code 0 without a reason is what libraries send. */
export const isResumed = (code: number, reason: string): boolean => RESUMED.has(code) || (code === 0 && reason === "");

const OUTCOMES = new Map([
  [0, "applied"],
  [1, "malformed"],
  [2, "gap"],
  [3, "stale-epoch"],
  [4, "no-session"],
  [5, "match-closed"],
  [6, "too-many"],
  [7, "forgotten"],
  [8, "recorded"],
]);

/** The protocol's word for an outcome code below 256. */
export const outcomeName = (code: number): string | undefined => OUTCOMES.get(code);
