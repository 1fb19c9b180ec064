import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Result } from '../../lib/result.ts';
import type { Connection } from '../connections.ts';
import type { Limits } from '../limits.ts';
import { frame } from './framing.ts';
import { type Inbox, newInbox } from './inbox.ts';
import type { Fault, StatusCode } from './status.ts';

/** A message; `undefined` when the client says no more, or is gone. After a fault nothing more can be read. */
export type Received = Result<Buffer | undefined, Fault>;

type Take = (received: Received) => void;

/** A call as it begins: its connection, and what HTTP/2 says of it. */
export type Beginning = {
  readonly connection: Connection;
  readonly socket: TLSSocket;
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly raw: readonly string[];
};

/** The longest message of the client, and how long it may take to close a call that we ended. */
export type CallLimits = Pick<Limits, 'requestBytes' | 'closeWithin'>;

/**
 * Node's TLS keeps for as long as a connection lives a buffer as large as the largest single write on it (`NodeBIO`'s allocation hint):
 * after one push of 1 MB to a thousand streams that would be a gigabyte. So long messages are written in pieces, one after the other.
 */
const PIECE = 64 * 1024;

/**
 * Characters of a status message: a client takes 8 KiB of headers (grpc-java), each of these can become nine bytes, and words of the client
 * may stand among them. Beyond 64 KiB Node would end the connection instead.
 */
const MOST_WORDS = 500;

const ACCEPTED = { ':status': 200, 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity' } as const;
const WITH_TRAILERS = { waitForTrailers: true } as const;
const END: Received = { ok: true, value: undefined };

/**
 * One gRPC call: messages as bytes in both directions, then a status. A class, for there are thousands, and each would keep a closure for
 * each method.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class Call {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Every `authorization` of the call: of two Node's headers drop the second without a word. */
  readonly authorization: readonly string[];
  readonly connection: Connection;
  readonly socket: TLSSocket;
  readonly #stream: ServerHttp2Stream;
  readonly #limits: CallLimits;
  readonly #inbox: Inbox;
  #closers: (() => void)[] | undefined = [];
  #taker: Take | undefined;
  #phase: 'unread' | 'read' | 'said all' = 'unread';
  #delivering = false;
  #ended = false;
  #inPieces = false;
  #afterPieces: (() => void) | undefined;

  constructor({ connection, socket, stream, headers, raw }: Beginning, limits: CallLimits) {
    this.path = headers[':path'] ?? '';
    this.authorization = raw.filter((_value, at) => at % 2 === 1 && raw[at - 1] === 'authorization');
    this.connection = connection;
    this.socket = socket;
    this.#stream = stream;
    this.#limits = limits;
    this.#inbox = newInbox(limits.requestBytes);
    // One that its client resets without an error would close when all is read that came, and taken that was written: perhaps never. Not at
    // once, for HTTP/2 is in the midst of closing it: Node would write to what is free already.
    stream.once('aborted', () => setImmediate(() => stream.destroy()));
    stream.once('close', () => {
      this.#phase = 'said all';
      this.#deliver();
      this.#close();
    });
  }

  /** Is it over, whoever ended it? Then nothing is sent any more. */
  get closed(): boolean {
    return this.#ended || this.#stream.destroyed || this.#stream.closed;
  }

  /** Calls `then` when it is over; at once if it is. */
  onClose(then: () => void): void {
    if (this.#closers === undefined) then();
    else this.#closers.push(then);
  }

  /**
   * Calls `take` with the next message, perhaps at once; one at a time. What nobody asks for stays with the client: it is held back by
   * HTTP/2's flow control. Before the first time not a byte is read.
   */
  next(take: Take): void {
    this.#taker = take;
    if (this.#phase === 'unread') this.#read();
    this.#deliver();
    if (this.#taker !== undefined) this.#stream.resume();
  }

  /** The same as a promise. */
  received(): Promise<Received> {
    return new Promise((resolve) => this.next(resolve));
  }

  /** Sends a message, the one before it being written. `written` is called when the transport took it; never if the stream ends before. */
  write(message: Buffer, written?: () => void): void {
    this.writeFramed(frame(message), written);
  }

  /** The same of a message with its head. */
  writeFramed(framed: Buffer, written?: () => void): void {
    if (this.closed) return;
    if (!this.#stream.headersSent) this.#stream.respond(ACCEPTED, WITH_TRAILERS);
    this.#send(framed, written);
  }

  /** Sends the status after all that was written, in the headers if that was nothing. Only the first one counts. */
  end(code: StatusCode, message = ''): void {
    if (this.closed) return;
    this.#ended = true;
    const words = message === '' ? {} : { 'grpc-message': encodeURI(wellFormed(message.slice(0, MOST_WORDS))) };
    const status = { 'grpc-status': code, ...words };
    if (!this.#stream.headersSent) this.#stream.respond({ ...ACCEPTED, ...status }, { endStream: true });
    else if (this.#inPieces) this.#afterPieces = () => this.#endWith(status);
    else this.#endWith(status);
    // What still comes is thrown away, so that the client can end its side, too.
    this.#taker = undefined;
    this.#stream.resume();
    // The status stands behind all that was written before it: a client that does not read would keep its stream for ever.
    const timer = setTimeout(() => this.#closeNow(), this.#limits.closeWithin).unref();
    this.#stream.once('close', () => clearTimeout(timer));
    this.#close();
  }

  /**
   * Has the client come back over a new connection, with the certificate that it has then; calls under way end in their own time. A
   * certificate is proven by a connection: on the old one a new stream would show the old one again.
   */
  retireConnection(): void {
    this.#stream.session?.close();
  }

  #close(): void {
    const closers = this.#closers ?? [];
    this.#closers = undefined;
    for (const then of closers) then();
  }

  /** Who took all of it, and only leaves its own side open, loses nothing but the call. */
  #closeNow(): void {
    if (this.#stream.state.localClose === 1) this.#stream.close();
    else this.connection.cut('unread');
  }

  #endWith(status: OutgoingHttpHeaders): void {
    this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(status));
    this.#stream.end();
  }

  #send(bytes: Buffer, written: (() => void) | undefined): void {
    this.#inPieces = bytes.length > PIECE;
    if (!this.#inPieces) {
      this.#stream.write(bytes, (error) => error || written?.());
      this.#afterPieces?.();
      return;
    }
    this.#stream.write(bytes.subarray(0, PIECE), (error) => error || this.#send(bytes.subarray(PIECE), written));
  }

  #read(): void {
    this.#phase = 'read';
    this.#stream.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      this.#inbox.push(chunk);
      this.#deliver();
      if (this.#taker === undefined && !this.#ended) this.#stream.pause();
    });
    this.#stream.once('end', () => {
      this.#phase = 'said all';
      this.#deliver();
    });
  }

  /** Whoever takes a message may ask for the next one at once: the loop does that, and no deep recursion. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    while (this.#taker !== undefined) {
      const read = this.#take();
      if (read === undefined) break;
      const take = this.#taker;
      this.#taker = undefined;
      take(read);
    }
    this.#delivering = false;
  }

  /** `undefined` if more has to come. */
  #take(): Received | undefined {
    if (this.closed) return END;
    const read = this.#inbox.take();
    if (!read.ok || read.value !== undefined) return read;
    return this.#phase === 'said all' ? this.#inbox.end() : undefined;
  }
}

/** `encodeURI` throws on half a surrogate pair. */
const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8');
