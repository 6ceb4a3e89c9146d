// One connection of a session: from the first frame to the end.

import { CloseCode, isResumed } from "./codes.js";
import { FrameError, Framer, type ServerMessageFrame, decodeServer } from "./frames.js";
import { type Transport } from "./transport.js";

/** How a connection ended. */
export type Parting =
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "ended"; readonly code: number; readonly reason: string };

/** Hears what comes, in order. */
export interface Receiver {
  control(frame: ServerMessageFrame): void;
  /** A state stream begins; older ones are of no use any more. */
  stateBegins(): void;
  state(frame: ServerMessageFrame): void;
  /** The state stream has bytes that are no frame. */
  stateUnreadable(): void;
  datagram(bytes: Uint8Array): void;
}

export class Connection {
  /** Settles when the connection is over. */
  readonly parting: Promise<Parting>;
  #end!: (parting: Parting) => void;
  #control: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #datagrams: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #isOver = false;
  #isJoined = false;
  /** State streams that were opened; the last is the one that counts. */
  #streams = 0;
  #waiting: (() => void)[] = [];
  #closing: { code: number; reason: string } | undefined;

  constructor(
    private readonly transport: Transport,
    private readonly receiver: Receiver,
  ) {
    this.parting = new Promise((resolve) => {
      this.#end = (parting) => {
        if (this.#isOver) return;
        this.#isOver = true;
        resolve(parting);
        try {
          this.transport.close({ closeCode: 0, reason: "" });
        } catch {
          // It is closed already.
        }
      };
    });
  }

  /** Does the handshake and says the first words. */
  async open(greeting: Uint8Array): Promise<void> {
    this.transport.closed.then(
      (info) => this.#closed(info.closeCode ?? 0, info.reason ?? ""),
      (error: unknown) => this.lose(String(error)),
    );
    try {
      await this.transport.ready;
      const control = await this.transport.createBidirectionalStream();
      this.#control = control.writable.getWriter();
      this.#datagrams = this.transport.datagrams.writable.getWriter();
      this.send(greeting);
      void this.#readControl(control.readable);
      void this.#acceptState();
      void this.#readDatagrams();
    } catch (error) {
      this.lose(String(error));
    }
  }

  /** Sends a frame on control. */
  send(frame: Uint8Array): void {
    this.#control?.write(frame).catch((error: unknown) => this.lose(String(error)));
  }

  /** Sends a datagram; it may get lost. */
  sendDatagram(bytes: Uint8Array): void {
    this.#datagrams?.write(bytes).catch(() => undefined);
  }

  /** State frames that wait for Welcome and Joined may be read now. */
  setJoined(): void {
    this.#isJoined = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Gives the connection up; the session resumes. */
  lose(reason: string): void {
    const said = this.#closing;
    if (said !== undefined) this.#closed(said.code, said.reason);
    else this.#end({ kind: "lost", reason });
  }

  /** Ends the session. */
  end(code: number, reason: string): void {
    this.#end({ kind: "ended", code, reason });
  }

  #closed(code: number, reason: string): void {
    const said = this.#closing ?? { code, reason };
    if (isResumed(said.code, said.reason)) {
      this.#end({ kind: "lost", reason: said.reason || "the connection was lost" });
    } else {
      this.#end({ kind: "ended", ...said });
    }
  }

  async #readControl(stream: ReadableStream<Uint8Array>): Promise<void> {
    const framer = new Framer();
    try {
      for await (const chunk of chunks(stream)) {
        framer.push(chunk);
        for (let frame = framer.next(); frame !== undefined; frame = framer.next()) this.#takeControl(frame);
        if (this.#isOver) return;
      }
    } catch (error) {
      if (error instanceof FrameError) this.end(CloseCode.Malformed, `the edge is broken: ${error.message}`);
      else this.lose(String(error));
    }
  }

  #takeControl(bytes: Uint8Array): void {
    const frame = decodeServer(bytes);
    if (frame.kind === "closing") this.#closing = { code: frame.code, reason: frame.reason };
    if (!this.#isOver) this.receiver.control(frame);
  }

  async #acceptState(): Promise<void> {
    try {
      for await (const stream of chunks(this.transport.incomingUnidirectionalStreams)) {
        this.#streams += 1;
        void this.#readState(stream, this.#streams);
      }
    } catch {
      // The connection is over, which `closed` tells.
    }
  }

  async #readState(stream: ReadableStream<Uint8Array>, number: number): Promise<void> {
    const isNewest = (): boolean => number === this.#streams && !this.#isOver;
    if (!this.#isJoined) await new Promise<void>((wake) => this.#waiting.push(wake));
    if (!isNewest()) return;
    this.receiver.stateBegins();
    const framer = new Framer();
    try {
      for await (const chunk of chunks(stream)) {
        if (!isNewest()) return;
        framer.push(chunk);
        for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
          this.receiver.state(decodeServer(frame));
          if (!isNewest()) return;
        }
      }
    } catch (error) {
      // Reset streams end so as well: the next one is on its way.
      if (error instanceof FrameError && isNewest()) this.receiver.stateUnreadable();
    }
  }

  async #readDatagrams(): Promise<void> {
    try {
      for await (const bytes of chunks(this.transport.datagrams.readable)) {
        if (this.#isOver) return;
        this.receiver.datagram(bytes);
      }
    } catch {
      // The connection is over, which `closed` tells.
    }
  }
}

/** Browsers do not all iterate streams. */
async function* chunks<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
