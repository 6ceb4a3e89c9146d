// A player in a match: joins once, resumes as often as needed, gives each command its outcome.

import { CloseCode } from "./codes.js";
import { Connection, type Receiver } from "./connection.js";
import * as frames from "./frames.js";
import { Manifest } from "./manifest.js";
import { type Components, type Fault, Mirror } from "./mirror.js";
import { COMMAND_BYTES_MAX, Outstanding } from "./outstanding.js";
import { type Dial, type Place, dialWebTransport } from "./transport.js";

/** How to come into a match. */
export interface ConnectOptions {
  /** The edge, or what finds one; it is asked anew before every attempt. */
  readonly place: Place | (() => Promise<Place>);
  /** A join token: good once, for a minute. */
  readonly token: string;
  /** Name and version of the program, at most 64 bytes. */
  readonly name?: string;
  /** Whether updates may come in datagrams; true unless told otherwise. */
  readonly datagrams?: boolean;
  /** How long to try to come back before the session ends, in ms. */
  readonly giveUpMs?: number;
  /** How to open connections; a browser's WebTransport unless told otherwise. */
  readonly dial?: Dial;
}

/** The session is over, and why. */
export class SessionEnded extends Error {
  override readonly name = "SessionEnded";

  constructor(
    /** A close code of the protocol; -1 when the client gave up. */
    readonly code: number,
    reason: string,
  ) {
    super(reason);
  }
}

/** What a session counts. */
export interface SessionStats {
  /** Connections that were lost since the player joined. */
  losses: number;
  resyncs: number;
  commandsSent: number;
  outcomes: number;
  /** Datagrams that came, and their bytes. */
  datagrams: number;
  datagramBytes: number;
  /** Of the last command with an outcome, from call to outcome; 0 before. */
  ackMs: number;
  /** Of the last ping; 0 before. */
  pingMs: number;
}

export type SessionState = "joining" | "playing" | "resuming" | "over";

const JOIN_WAIT_MS = 10_000;
const ACK_WAIT_MS = 40;
const PING_EVERY_MS = 1_000;
const GIVE_UP_MS = 60_000;
const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 1_000;

interface Seat {
  readonly session: number;
  readonly player: number;
  readonly matchId: bigint;
  secret: Uint8Array;
}

export class Session<C extends Components = Components> {
  readonly stats: SessionStats = {
    losses: 0,
    resyncs: 0,
    commandsSent: 0,
    outcomes: 0,
    datagrams: 0,
    datagramBytes: 0,
    ackMs: 0,
    pingMs: 0,
  };
  /** Settles when the player has a verified mirror for the first time; fails when the session ends before. */
  readonly joined: Promise<void>;
  /** Settles when the session is over. */
  readonly over: Promise<SessionEnded>;
  #mirror: Mirror<C> | undefined;
  #seat: Seat | undefined;
  #state: SessionState = "joining";
  #connection: Connection | undefined;
  #isWelcome = false;
  #awaitsBaseline = true;
  readonly #outstanding = new Outstanding();
  readonly #room: (() => void)[] = [];
  readonly #listeners = new Set<(state: SessionState) => void>();
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #flushing = false;
  #pings = new Map<bigint, number>();
  #nextNonce = 1n;
  #aloneSince = 0;
  #backoff = BACKOFF_MS;
  #settleJoined!: () => void;
  #failJoined!: (error: Error) => void;

  constructor(private readonly options: ConnectOptions) {
    this.joined = new Promise((resolve, reject) => {
      this.#settleJoined = resolve;
      this.#failJoined = reject;
    });
    // Who does not wait for it hears of the end by `over`.
    this.joined.catch(() => undefined);
    this.over = this.#run();
  }

  get state(): SessionState {
    return this.#state;
  }

  /** What is seen. Not before `joined`. */
  get mirror(): Mirror<C> {
    if (this.#mirror === undefined) throw new Error("the match has not told anything yet; wait for `joined`");
    return this.#mirror;
  }

  /** The player's number; 0 before `joined`. */
  get player(): number {
    return this.#seat?.player ?? 0;
  }

  get matchId(): bigint {
    return this.#seat?.matchId ?? 0n;
  }

  /** Commands without an outcome. */
  get commandsWaiting(): number {
    return this.#outstanding.count;
  }

  onState(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Sends a command; it settles with the outcome once its effect can be seen in the mirror. While 32 have no outcome it waits
   * for room. Fails with SessionEnded when nobody will know the outcome any more.
   */
  async command(payload: Uint8Array): Promise<frames.Outcome> {
    if (payload.length > COMMAND_BYTES_MAX) throw new RangeError(`a command of ${payload.length} bytes; 512 is the most`);
    while (this.#outstanding.isFull && this.#state !== "over") {
      await new Promise<void>((resolve) => this.#room.push(resolve));
    }
    if (this.#state === "over") throw new SessionEnded(CloseCode.Done, "the session is over");
    const begun = performance.now();
    const outcome = await new Promise<frames.Outcome>((resolve, reject) => {
      this.#outstanding.push(payload, resolve, reject);
      this.#flushSoon();
    });
    this.stats.outcomes += 1;
    this.stats.ackMs = performance.now() - begun;
    return outcome;
  }

  /** Leaves the match for good. Wait for outcomes first. */
  leave(): void {
    this.#connection?.send(frames.leave());
  }

  /** Goes; the seat stays for a minute. */
  close(): void {
    this.#finish(new SessionEnded(CloseCode.Done, "closed by this program"));
  }

  /** Drops the connection, as a bad network would. For tests. */
  cut(): void {
    this.#connection?.lose("cut on request");
  }

  // ---- connections ------------------------------------------------------------------------------------

  async #run(): Promise<SessionEnded> {
    this.#aloneSince = performance.now();
    for (;;) {
      const ended = await this.#attempt();
      if (ended !== undefined) return this.#finish(ended);
      if (this.#ended !== undefined) return this.#ended;
      const delay = this.#backoff * (1 - Math.random() / 2);
      this.#backoff = Math.min(2 * this.#backoff, BACKOFF_MS_MAX);
      if (performance.now() + delay - this.#aloneSince > (this.options.giveUpMs ?? GIVE_UP_MS)) {
        return this.#finish(new SessionEnded(-1, `no connection for a minute: ${this.#lastLoss}`));
      }
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (this.#ended !== undefined) return this.#ended;
    }
  }

  #ended: SessionEnded | undefined;
  #lastLoss = "";

  async #attempt(): Promise<SessionEnded | undefined> {
    let connection: Connection;
    try {
      const place = typeof this.options.place === "function" ? await this.options.place() : this.options.place;
      connection = new Connection((this.options.dial ?? dialWebTransport)(place), this.#receiver());
    } catch (error) {
      this.#lastLoss = String(error);
      return undefined;
    }
    this.#connection = connection;
    this.#isWelcome = false;
    this.#awaitsBaseline = true;
    this.#expectWithin(JOIN_WAIT_MS);
    const pinging = setInterval(() => this.#ping(), PING_EVERY_MS);
    void connection.open(this.#greeting());
    const parting = await connection.parting;
    clearInterval(pinging);
    clearTimeout(this.#deadline);
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#connection = undefined;
    this.#pings.clear();
    this.#outstanding.handleLost();
    if (this.#ended !== undefined) return this.#ended;
    if (parting.kind === "ended") return new SessionEnded(parting.code, parting.reason);
    this.#lastLoss = parting.reason;
    if (this.#state === "playing") {
      this.stats.losses += 1;
      this.#aloneSince = performance.now();
      this.#become("resuming");
    }
    return undefined;
  }

  /** Hello, and at once the word by which the player comes (back): half a round trip saved. */
  #greeting(): Uint8Array {
    const mirror = this.#mirror;
    const name = this.options.name ?? "worldlog-ts/0.1";
    const hello = frames.hello(name, mirror?.manifest.hash ?? 0n, this.options.datagrams ?? true);
    const seat = this.#seat;
    const word =
      seat === undefined
        ? frames.join(this.options.token)
        : frames.resume(
            seat.session,
            seat.secret,
            mirror?.tick ?? 0,
            mirror?.position ?? 0n,
            mirror?.summarise(),
          );
    const both = new Uint8Array(hello.length + word.length);
    both.set(hello);
    both.set(word, hello.length);
    return both;
  }

  #finish(ended: SessionEnded): SessionEnded {
    if (this.#ended !== undefined) return this.#ended;
    this.#ended = ended;
    this.#connection?.end(ended.code, ended.message);
    this.#outstanding.failAll(ended);
    this.#failJoined(ended);
    this.#become("over");
    for (const wake of this.#room.splice(0)) wake();
    return ended;
  }

  #become(state: SessionState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  #expectWithin(ms: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#connection?.lose("a baseline did not come in time"), ms);
  }

  #receiver(): Receiver {
    return {
      control: (frame) => this.#control(frame),
      stateBegins: () => this.#stateBegins(),
      state: (frame) => this.#takeState(frame),
      stateUnreadable: () => this.#stateUnreadable(),
      datagram: (bytes) => this.#datagram(bytes),
    };
  }

  // ---- what comes ---------------------------------------------------------------------------------------

  #control(frame: frames.ServerMessageFrame): void {
    if (frame.kind === "welcome") this.#welcome(frame.manifest, frame.manifestHash);
    else if (frame.kind === "joined") this.#handleJoined(frame);
    else if (frame.kind === "pong") this.#handlePong(frame.nonce);
  }

  #welcome(bytes: Uint8Array | undefined, hash: bigint): void {
    try {
      if (bytes !== undefined) {
        const manifest = Manifest.decode(bytes);
        if (this.#mirror === undefined) this.#mirror = new Mirror<C>(manifest);
        else this.#mirror.setManifest(manifest);
      }
    } catch (error) {
      this.#connection?.end(CloseCode.Malformed, String(error));
      return;
    }
    this.#isWelcome = this.#mirror?.manifest.hash === hash;
    if (!this.#isWelcome) this.#connection?.end(CloseCode.Malformed, "the edge named a manifest and did not send it");
  }

  #handleJoined(frame: frames.JoinedFrame): void {
    const isAsked = frame.resumed === (this.#seat !== undefined);
    if (!this.#isWelcome || !isAsked || !this.#outstanding.handleJoined(frame.lastSeq, frame.resumed)) {
      this.#connection?.end(CloseCode.Malformed, "the edge contradicts what it told before");
      return;
    }
    this.#seat = {
      session: frame.session,
      player: frame.player,
      matchId: frame.matchId,
      secret: frame.secret,
    };
    this.#connection?.setJoined();
  }

  #stateBegins(): void {
    this.#mirror?.beginStream();
    this.#awaitsBaseline = true;
    this.#expectWithin(JOIN_WAIT_MS);
  }

  #takeState(frame: frames.ServerMessageFrame): void {
    const mirror = this.mirror;
    switch (frame.kind) {
      case "baseline":
        this.#handleBaseline(frame);
        break;
      case "delta":
        this.#check(mirror.handleDelta(frame));
        break;
      case "own-delta":
        this.#check(mirror.handleOwnDelta(frame.tick, frame.columns));
        break;
      case "outcomes":
        for (const outcome of frame.outcomes) this.#outstanding.handleOutcome(outcome);
        break;
      case "update":
        this.#handleUpdate(frame.bytes);
        break;
      default:
        return;
    }
    this.#settle();
  }

  #stateUnreadable(): void {
    this.#check(this.#mirror?.handleUnreadable());
  }

  #datagram(bytes: Uint8Array): void {
    this.stats.datagrams += 1;
    this.stats.datagramBytes += bytes.length;
    // Before the first baseline there is nothing to bring up to date.
    if (this.#awaitsBaseline || this.#mirror === undefined) return;
    this.#handleUpdate(bytes);
    this.#settle();
  }

  #handleBaseline(frame: frames.BaselineFrame): void {
    const fault = this.mirror.handleBaseline(frame);
    if (fault !== undefined) {
      this.#awaitsBaseline = true;
      this.#check(fault);
      return;
    }
    this.#awaitsBaseline = false;
    clearTimeout(this.#deadline);
    for (const outcome of frame.outcomes) this.#outstanding.handleOutcome(outcome);
    this.#outstanding.handleBaseline();
    this.#backoff = BACKOFF_MS;
    this.#become("playing");
    this.#settleJoined();
    this.#flushSoon();
  }

  #handleUpdate(bytes: Uint8Array): void {
    const applied = this.mirror.handleUpdate(bytes);
    if (applied === undefined) return;
    if (!("kind" in applied)) {
      this.#check(applied);
      return;
    }
    const view = this.mirror.view;
    if (view === undefined || applied.kind !== "new") return;
    if (view.isAckUrgent) this.#acknowledge();
    else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), ACK_WAIT_MS);
  }

  #acknowledge(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    const ack = this.#mirror?.view?.ack();
    if (ack !== undefined) this.#connection?.sendDatagram(ack);
  }

  /** The mirror no longer follows: another baseline, or another edge. */
  #check(fault: Fault | undefined): void {
    if (fault === undefined) return;
    if (fault.isBackwards) {
      this.#connection?.lose(fault.reason);
      return;
    }
    this.stats.resyncs += 1;
    this.#awaitsBaseline = true;
    this.#connection?.send(frames.resync(fault.tick, fault.expected, fault.found));
    this.#expectWithin(JOIN_WAIT_MS);
  }

  #settle(): void {
    if (!this.mirror.isInSync) return;
    this.#outstanding.settle((tick) => this.mirror.shows(tick));
    if (!this.#outstanding.isFull) for (const wake of this.#room.splice(0)) wake();
  }

  // ---- what goes ----------------------------------------------------------------------------------------

  /** Commands of one turn of the event loop share a frame. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      for (let batch = this.#outstanding.nextBatch(); batch !== undefined; batch = this.#outstanding.nextBatch()) {
        this.stats.commandsSent += batch.payloads.length;
        this.#connection?.send(frames.commands(batch.firstSeq, batch.payloads));
      }
    });
  }

  #ping(): void {
    if (this.#state !== "playing" || this.#awaitsBaseline) return;
    const nonce = this.#nextNonce++;
    this.#pings.set(nonce, performance.now());
    this.#connection?.send(frames.ping(nonce));
  }

  #handlePong(nonce: bigint): void {
    const sent = this.#pings.get(nonce);
    if (sent !== undefined) this.stats.pingMs = performance.now() - sent;
    this.#pings.delete(nonce);
  }
}

/** Comes into a match; settles with the first verified mirror. Fails with SessionEnded. */
export async function connect<C extends Components = Components>(options: ConnectOptions): Promise<Session<C>> {
  const session = new Session<C>(options);
  await session.joined;
  return session;
}
