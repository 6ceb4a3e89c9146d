/**
 * Plays in a Worldlog match from a browser: connects to an edge over WebTransport, keeps a verified mirror of what the player
 * may see, sends commands and gives each its outcome, and comes back after losses.
 *
 * Start from `connect`.
 */

export { CloseCode, outcomeName } from "./codes.js";
export { Columns, rowHash, type Row, type RowEvent } from "./columns.js";
export { type Outcome } from "./frames.js";
export { xxh3 } from "./hash.js";
export { Interpolator, TickClock, blend } from "./interpolation.js";
export { Kind, Manifest, ManifestError, Sync, Visibility, type Field, type Layout } from "./manifest.js";
export { Mirror, type Components, type Handler, type MirrorCounts } from "./mirror.js";
export {
  Session,
  SessionEnded,
  connect,
  type ConnectOptions,
  type SessionState,
  type SessionStats,
} from "./session.js";
export { dialWebTransport, type Dial, type Place, type Transport } from "./transport.js";
