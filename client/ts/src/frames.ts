// Frames of the protocol: length, then a FlatBuffer.

import * as flatbuffers from "flatbuffers";
import { Baseline } from "./generated/worldlog/session/baseline.js";
import { ClientFrame } from "./generated/worldlog/session/client-frame.js";
import { ClientMessage } from "./generated/worldlog/session/client-message.js";
import { Closing } from "./generated/worldlog/session/closing.js";
import { CommandBytes } from "./generated/worldlog/session/command-bytes.js";
import { Commands } from "./generated/worldlog/session/commands.js";
import { Delta } from "./generated/worldlog/session/delta.js";
import { Hello } from "./generated/worldlog/session/hello.js";
import { Join } from "./generated/worldlog/session/join.js";
import { Joined } from "./generated/worldlog/session/joined.js";
import { Leave } from "./generated/worldlog/session/leave.js";
import { Outcome as OutcomeStruct } from "./generated/worldlog/session/outcome.js";
import { Outcomes } from "./generated/worldlog/session/outcomes.js";
import { OwnDelta } from "./generated/worldlog/session/own-delta.js";
import { Ping } from "./generated/worldlog/session/ping.js";
import { Pong } from "./generated/worldlog/session/pong.js";
import { Resume } from "./generated/worldlog/session/resume.js";
import { Resync } from "./generated/worldlog/session/resync.js";
import { ServerFrame } from "./generated/worldlog/session/server-frame.js";
import { ServerMessage } from "./generated/worldlog/session/server-message.js";
import { Update } from "./generated/worldlog/session/update.js";
import { Welcome } from "./generated/worldlog/session/welcome.js";

/** Longest frame that an edge sends, in bytes. */
export const SERVER_FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Longest frame that an edge takes, in bytes. */
export const CLIENT_FRAME_BYTES_MAX = 4096;

/** Bytes that are no frame. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** What became of one command. */
export interface Outcome {
  readonly seq: number;
  /** 0: it ran. Below 256 the protocol's, from 256 the game's rejections. */
  readonly code: number;
  /** The tick that ran it. */
  readonly tick: number;
  readonly position: bigint;
}

export interface BaselineFrame {
  readonly tick: number;
  readonly position: bigint;
  readonly hash: bigint;
  readonly columns: Uint8Array;
  readonly own: Uint8Array;
  readonly outcomes: readonly Outcome[];
  readonly era: number;
  readonly kept: Uint8Array;
  /** A recording was moved back: an earlier tick is meant. */
  readonly rewound: boolean;
}

export interface DeltaFrame {
  readonly tick: number;
  readonly position: bigint;
  readonly hash: bigint;
  readonly columns: Uint8Array;
}

export interface JoinedFrame {
  readonly matchId: bigint;
  readonly session: number;
  readonly player: number;
  readonly secret: Uint8Array;
  readonly lastSeq: number;
  readonly resumed: boolean;
}

/** A frame of an edge. */
export type ServerMessageFrame =
  | { readonly kind: "welcome"; readonly manifestHash: bigint; readonly manifest: Uint8Array | undefined }
  | ({ readonly kind: "joined" } & JoinedFrame)
  | { readonly kind: "pong"; readonly nonce: bigint; readonly tick: number }
  | { readonly kind: "closing"; readonly code: number; readonly reason: string }
  | ({ readonly kind: "baseline" } & BaselineFrame)
  | ({ readonly kind: "delta" } & DeltaFrame)
  | { readonly kind: "own-delta"; readonly tick: number; readonly columns: Uint8Array }
  | { readonly kind: "outcomes"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "update"; readonly bytes: Uint8Array }
  | { readonly kind: "unknown" };

/** Cuts a stream into frames. */
export class Framer {
  #chunks: Uint8Array[] = [];
  #length = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole frame, without its length. Throws FrameError when one is longer than an edge may send. */
  next(): Uint8Array | undefined {
    if (this.#length < 4) return undefined;
    const first = this.#joined(4);
    const length = new DataView(first.buffer, first.byteOffset).getUint32(0, true);
    if (length > SERVER_FRAME_BYTES_MAX) throw new FrameError(`a frame of ${length} bytes`);
    if (this.#length < 4 + length) return undefined;
    const all = this.#joined(4 + length);
    // A copy of its own, so that a frame keeps nothing else alive and is aligned.
    const frame = all.slice(4, 4 + length);
    this.#length -= 4 + length;
    const rest = all.subarray(4 + length);
    this.#chunks[0] = rest;
    if (rest.length === 0) this.#chunks.shift();
    return frame;
  }

  /** Makes the first chunk hold `count` bytes. */
  #joined(count: number): Uint8Array {
    const first = this.#chunks[0]!;
    if (first.length >= count) return first;
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [whole];
    return whole;
  }
}

/** Reads a frame of an edge. Throws FrameError. */
export function decodeServer(bytes: Uint8Array): ServerMessageFrame {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof FrameError) throw error;
    throw new FrameError(`a frame cannot be read: ${String(error)}`);
  }
}

function read(bytes: Uint8Array): ServerMessageFrame {
  const buffer = new flatbuffers.ByteBuffer(bytes);
  if (bytes.length < 8 || !buffer.__has_identifier("WLSF")) throw new FrameError("not a frame of an edge");
  const frame = ServerFrame.getRootAsServerFrame(buffer);
  switch (frame.messageType()) {
    case ServerMessage.Welcome: {
      const welcome = frame.message(new Welcome()) as Welcome;
      const manifest = welcome.manifestArray()?.slice();
      return { kind: "welcome", manifestHash: welcome.manifestHash(), manifest };
    }
    case ServerMessage.Joined: {
      const joined = frame.message(new Joined()) as Joined;
      return {
        kind: "joined",
        matchId: joined.matchId(),
        session: joined.session(),
        player: joined.player(),
        secret: present(joined.secretArray()).slice(),
        lastSeq: joined.lastSeq(),
        resumed: joined.resumed(),
      };
    }
    case ServerMessage.Pong: {
      const pong = frame.message(new Pong()) as Pong;
      return { kind: "pong", nonce: pong.nonce(), tick: Number(pong.tick()) };
    }
    case ServerMessage.Closing: {
      const closing = frame.message(new Closing()) as Closing;
      return { kind: "closing", code: closing.code(), reason: closing.reason() ?? "" };
    }
    case ServerMessage.Baseline:
      return readBaseline(frame.message(new Baseline()) as Baseline);
    case ServerMessage.Delta: {
      const delta = frame.message(new Delta()) as Delta;
      const columns = present(delta.columnsArray());
      return { kind: "delta", tick: Number(delta.tick()), position: delta.position(), hash: delta.hash(), columns };
    }
    case ServerMessage.OwnDelta: {
      const delta = frame.message(new OwnDelta()) as OwnDelta;
      return { kind: "own-delta", tick: Number(delta.tick()), columns: present(delta.columnsArray()) };
    }
    case ServerMessage.Outcomes:
      return { kind: "outcomes", outcomes: readOutcomes(frame.message(new Outcomes()) as Outcomes) };
    case ServerMessage.Update:
      return { kind: "update", bytes: present((frame.message(new Update()) as Update).bytesArray()) };
    default:
      return { kind: "unknown" };
  }
}

function readBaseline(baseline: Baseline): ServerMessageFrame {
  return {
    kind: "baseline",
    tick: Number(baseline.tick()),
    position: baseline.position(),
    hash: baseline.hash(),
    columns: present(baseline.columnsArray()),
    own: present(baseline.ownArray()),
    outcomes: readOutcomes(baseline),
    era: baseline.era(),
    kept: baseline.keptArray() ?? new Uint8Array(),
    rewound: baseline.rewound(),
  };
}

function readOutcomes(table: Baseline | Outcomes): Outcome[] {
  return Array.from({ length: table.outcomesLength() }, (_, index) => {
    const outcome = table.outcomes(index, new OutcomeStruct())!;
    const [seq, code] = [outcome.seq(), outcome.code()];
    return { seq, code, tick: Number(outcome.tick()), position: outcome.position() };
  });
}

/** What the schema requires. */
function present(bytes: Uint8Array | null): Uint8Array {
  if (bytes === null) throw new FrameError("a required field is missing");
  return bytes;
}

// ---- what a client says -------------------------------------------------------------------------

/** One frame with its length. */
function encode(type: ClientMessage, build: (builder: flatbuffers.Builder) => flatbuffers.Offset): Uint8Array {
  const builder = new flatbuffers.Builder(256);
  const message = build(builder);
  builder.finish(ClientFrame.createClientFrame(builder, type, message), "WLCF");
  const body = builder.asUint8Array();
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length, true);
  frame.set(body, 4);
  return frame;
}

const MAJOR = 1;
const MINOR = 0;

export const hello = (client: string, manifestHash: bigint, datagrams: boolean): Uint8Array =>
  encode(ClientMessage.Hello, (builder) =>
    Hello.createHello(builder, MAJOR, MINOR, builder.createString(client), manifestHash, datagrams),
  );

export const join = (token: string): Uint8Array =>
  encode(ClientMessage.Join, (builder) => Join.createJoin(builder, builder.createString(token)));

export function resume(
  session: number,
  secret: Uint8Array,
  lastTick: number,
  lastPosition: bigint,
  held: Uint8Array | undefined,
): Uint8Array {
  return encode(ClientMessage.Resume, (builder) => {
    const secretAt = Resume.createSecretVector(builder, secret);
    const heldAt = held === undefined ? undefined : Resume.createHeldVector(builder, held);
    Resume.startResume(builder);
    Resume.addSession(builder, session);
    Resume.addSecret(builder, secretAt);
    Resume.addLastTick(builder, BigInt(lastTick));
    Resume.addLastPosition(builder, lastPosition);
    if (heldAt !== undefined) Resume.addHeld(builder, heldAt);
    return Resume.endResume(builder);
  });
}

export const commands = (firstSeq: number, payloads: readonly Uint8Array[]): Uint8Array =>
  encode(ClientMessage.Commands, (builder) => {
    const items = payloads.map((payload) => {
      // A payload's own alignment counts from its first byte; the edge looks at it by itself.
      const bytes = CommandBytes.createPayloadVector(builder, payload);
      return CommandBytes.createCommandBytes(builder, bytes);
    });
    return Commands.createCommands(builder, firstSeq, Commands.createItemsVector(builder, items));
  });

export const resync = (tick: number, expected: bigint, found: bigint): Uint8Array =>
  encode(ClientMessage.Resync, (builder) => Resync.createResync(builder, BigInt(tick), expected, found));

export const ping = (nonce: bigint): Uint8Array =>
  encode(ClientMessage.Ping, (builder) => Ping.createPing(builder, nonce));

export const leave = (): Uint8Array =>
  encode(ClientMessage.Leave, (builder) => {
    Leave.startLeave(builder);
    return Leave.endLeave(builder);
  });
