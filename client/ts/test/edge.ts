// An edge for tests: frames by hand, over streams in memory. No sockets and no clocks.

import * as flatbuffers from "flatbuffers";
import { Baseline } from "../src/generated/worldlog/session/baseline.js";
import { ClientFrame } from "../src/generated/worldlog/session/client-frame.js";
import { ClientMessage } from "../src/generated/worldlog/session/client-message.js";
import { Closing } from "../src/generated/worldlog/session/closing.js";
import { CommandBytes } from "../src/generated/worldlog/session/command-bytes.js";
import { Commands } from "../src/generated/worldlog/session/commands.js";
import { Delta } from "../src/generated/worldlog/session/delta.js";
import { Hello } from "../src/generated/worldlog/session/hello.js";
import { Joined } from "../src/generated/worldlog/session/joined.js";
import { Outcome } from "../src/generated/worldlog/session/outcome.js";
import { Outcomes } from "../src/generated/worldlog/session/outcomes.js";
import { Resume } from "../src/generated/worldlog/session/resume.js";
import { ServerFrame } from "../src/generated/worldlog/session/server-frame.js";
import { ServerMessage } from "../src/generated/worldlog/session/server-message.js";
import { Welcome } from "../src/generated/worldlog/session/welcome.js";
import { Framer } from "../src/frames.js";
import type { Transport } from "../src/transport.js";

/** What a client said, as far as tests look at it. */
export type Said =
  | { kind: "hello"; manifestHash: bigint; datagrams: boolean }
  | { kind: "resume"; session: number; secret: number; held: boolean }
  | { kind: "commands"; firstSeq: number; payloads: number[][] }
  | { kind: "other"; type: ClientMessage };

/** The server's end of one connection. */
export class FakeEdge {
  readonly transport: Transport;
  readonly #said: Said[] = [];
  #wake: (() => void)[] = [];
  readonly #control = new TransformStream<Uint8Array, Uint8Array>();
  readonly #states = new TransformStream<ReadableStream<Uint8Array>, ReadableStream<Uint8Array>>();
  readonly #controlOut = this.#control.writable.getWriter();
  readonly #statesOut = this.#states.writable.getWriter();
  #stateOut: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #close!: (info: { closeCode: number; reason: string }) => void;
  #lose!: (error: Error) => void;

  constructor() {
    const fromClient = new TransformStream<Uint8Array, Uint8Array>();
    const datagrams = new TransformStream<Uint8Array, Uint8Array>();
    const closed = new Promise<{ closeCode: number; reason: string }>((resolve, reject) => {
      this.#close = resolve;
      this.#lose = reject;
    });
    this.transport = {
      ready: Promise.resolve(),
      closed,
      datagrams: { readable: datagrams.readable, writable: new WritableStream() },
      incomingUnidirectionalStreams: this.#states.readable,
      createBidirectionalStream: async () => ({ readable: this.#control.readable, writable: fromClient.writable }),
      close: () => this.#close({ closeCode: 0, reason: "" }),
    };
    void this.#listen(fromClient.readable);
  }

  async #listen(stream: ReadableStream<Uint8Array>): Promise<void> {
    const framer = new Framer();
    for await (const chunk of stream) {
      framer.push(chunk);
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) this.#said.push(decode(frame));
      for (const wake of this.#wake.splice(0)) wake();
    }
  }

  /** The next thing that the client says. */
  async next(): Promise<Said> {
    while (this.#said.length === 0) await new Promise<void>((wake) => this.#wake.push(wake));
    return this.#said.shift()!;
  }

  welcome(hash: bigint, manifest: Uint8Array | undefined): void {
    const frame = encode(ServerMessage.Welcome, (builder) => {
      const bytes = manifest === undefined ? 0 : Welcome.createManifestVector(builder, manifest);
      Welcome.startWelcome(builder);
      Welcome.addMajor(builder, 1);
      Welcome.addManifestHash(builder, hash);
      if (bytes !== 0) Welcome.addManifest(builder, bytes);
      return Welcome.endWelcome(builder);
    });
    void this.#controlOut.write(frame);
  }

  joined(resumed: boolean, secret: number, lastSeq = 0): void {
    const frame = encode(ServerMessage.Joined, (builder) => {
      const bytes = Joined.createSecretVector(builder, new Uint8Array(32).fill(secret));
      return Joined.createJoined(builder, 1n, 7, 1, 1, bytes, lastSeq, resumed);
    });
    void this.#controlOut.write(frame);
  }

  /** Opens a state stream with a baseline. */
  async baseline(tick: number, hash: bigint, columns: Uint8Array, outcomes: [number, number, number][] = []): Promise<void> {
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    this.#stateOut = stream.writable.getWriter();
    await this.#statesOut.write(stream.readable);
    const frame = encode(ServerMessage.Baseline, (builder) => {
      const all = Baseline.createColumnsVector(builder, columns);
      const own = Baseline.createOwnVector(builder, Uint8Array.of(0));
      const told = putOutcomes(builder, outcomes, Baseline.startOutcomesVector);
      return Baseline.createBaseline(builder, BigInt(tick), BigInt(tick), hash, all, own, told, 0, 0, false);
    });
    void this.#stateOut.write(frame);
  }

  delta(tick: number, hash: bigint, columns: Uint8Array): void {
    const frame = encode(ServerMessage.Delta, (builder) => {
      const bytes = Delta.createColumnsVector(builder, columns);
      return Delta.createDelta(builder, BigInt(tick), BigInt(tick), hash, bytes);
    });
    void this.#stateOut?.write(frame);
  }

  /** Outcomes as [seq, code, tick]. */
  outcomes(outcomes: [number, number, number][]): void {
    const frame = encode(ServerMessage.Outcomes, (builder) =>
      Outcomes.createOutcomes(builder, putOutcomes(builder, outcomes, Outcomes.startOutcomesVector)),
    );
    void this.#stateOut?.write(frame);
  }

  /** Says why, and closes. */
  close(code: number, reason: string): void {
    const frame = encode(ServerMessage.Closing, (builder) =>
      Closing.createClosing(builder, code, builder.createString(reason)),
    );
    void this.#controlOut.write(frame).then(() => this.#close({ closeCode: code, reason }));
  }

  /** The network fails. */
  lose(): void {
    this.#lose(new Error("the network failed"));
  }
}

function putOutcomes(
  builder: flatbuffers.Builder,
  outcomes: [number, number, number][],
  start: (builder: flatbuffers.Builder, count: number) => void,
): flatbuffers.Offset {
  start(builder, outcomes.length);
  for (const [seq, code, tick] of [...outcomes].reverse()) {
    Outcome.createOutcome(builder, BigInt(tick), BigInt(tick), seq, code, 0);
  }
  return builder.endVector();
}

function encode(type: ServerMessage, build: (builder: flatbuffers.Builder) => flatbuffers.Offset): Uint8Array {
  const builder = new flatbuffers.Builder(256);
  builder.finish(ServerFrame.createServerFrame(builder, type, build(builder)), "WLSF");
  const body = builder.asUint8Array();
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length, true);
  frame.set(body, 4);
  return frame;
}

function decode(bytes: Uint8Array): Said {
  const frame = ClientFrame.getRootAsClientFrame(new flatbuffers.ByteBuffer(bytes));
  switch (frame.messageType()) {
    case ClientMessage.Hello: {
      const hello = frame.message(new Hello()) as Hello;
      return { kind: "hello", manifestHash: hello.manifestHash(), datagrams: hello.datagrams() };
    }
    case ClientMessage.Resume: {
      const resume = frame.message(new Resume()) as Resume;
      return { kind: "resume", session: resume.session(), secret: resume.secret(0)!, held: resume.heldLength() > 0 };
    }
    case ClientMessage.Commands: {
      const commands = frame.message(new Commands()) as Commands;
      const payloads = Array.from({ length: commands.itemsLength() }, (_, index) => [
        ...commands.items(index, new CommandBytes())!.payloadArray()!,
      ]);
      return { kind: "commands", firstSeq: commands.firstSeq(), payloads };
    }
    default:
      return { kind: "other", type: frame.messageType() };
  }
}
