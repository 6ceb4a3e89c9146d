// What a session needs of a connection. A browser's WebTransport has it; tests bring their own.

/** One connection to an edge. */
export interface Transport {
  /** Settles when the handshake is done, or with the error. */
  readonly ready: Promise<unknown>;
  /** Settles with the code that the edge closed with; fails when the connection was lost. */
  readonly closed: Promise<{ closeCode?: number; reason?: string }>;
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array>;
  };
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>;
  createBidirectionalStream(): Promise<{
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array>;
  }>;
  close(info?: { closeCode?: number; reason?: string }): void;
}

/** Where an edge is. */
export interface Place {
  /** `https://host:port/worldlog/1` */
  readonly url: string;
  /** SHA-256 of the certificates to trust, 32 bytes each; none: those that the browser trusts. */
  readonly certificateHashes?: readonly Uint8Array[];
}

/** Opens a connection. */
export type Dial = (place: Place) => Transport;

/** Dials with the browser's WebTransport. */
export const dialWebTransport: Dial = (place) => {
  if (typeof WebTransport === "undefined") {
    throw new Error("this browser has no WebTransport; use a newer one, on https or on this machine");
  }
  const hashes = place.certificateHashes ?? [];
  const options: WebTransportOptions = {
    allowPooling: false,
    requireUnreliable: true,
    congestionControl: "low-latency",
  };
  if (hashes.length > 0) {
    options.serverCertificateHashes = hashes.map((value) => ({ algorithm: "sha-256", value: Uint8Array.from(value) }));
  }
  return new WebTransport(place.url, options) as unknown as Transport;
};
