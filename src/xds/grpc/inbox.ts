import { err, ok, type Result } from '../../lib/result.ts';
import { HEAD } from './framing.ts';
import { type Fault, STATUS } from './status.ts';

/** What came of the client's messages and was not taken yet. */
export type Inbox = {
  readonly push: (chunk: Buffer) => void;
  /** The next message, `undefined` if not all of it came; after a fault the rest means nothing. */
  readonly take: () => Result<Buffer | undefined, Fault>;
  /** Nothing more comes: a fault if that cuts a message short. */
  readonly end: () => Result<undefined, Fault>;
};

const NOTHING = Buffer.alloc(0);

/**
 * Cuts what comes into Length-Prefixed-Messages of at most `most` bytes.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export const newInbox = (most: number): Inbox => {
  /** What came and was not taken stands in these bytes, `from` and `to`. */
  let bytes: Buffer = NOTHING;
  let from = 0;
  let to = 0;

  /** Doubles, so that a message that comes byte by byte costs no more than twice its size. */
  const makeRoomFor = (length: number): void => {
    if (to + length <= bytes.length) return;
    const grown = Buffer.allocUnsafe(2 * (to - from + length));
    bytes.copy(grown, 0, from, to);
    [bytes, from, to] = [grown, 0, to - from];
  };
  return {
    push: (chunk) => {
      if (from === to) {
        // As nearly always: nothing is copied.
        bytes = chunk;
        from = 0;
        to = chunk.length;
        return;
      }
      makeRoomFor(chunk.length);
      to += chunk.copy(bytes, to);
    },
    take: () => {
      if (to - from < HEAD) return NONE;
      if (bytes[from] !== 0) return COMPRESSED;
      const length = bytes.readUInt32BE(from + 1);
      if (length > most) return tooLarge(length, most);
      const end = from + HEAD + length;
      if (end > to) return NONE;
      const message = bytes.subarray(from + HEAD, end);
      from = end;
      // Of a client that says no more for weeks nothing is kept.
      if (from === to) bytes = NOTHING;
      return ok(message);
    },
    end: () => (from === to ? NONE : CUT_SHORT),
  };
};

const NONE: Result<undefined, Fault> = ok(undefined);

/** No encoding was agreed on: those calls were refused when they began. */
const COMPRESSED: Result<never, Fault> = err({
  code: STATUS.INTERNAL,
  message: 'a message is marked as compressed, and the call names no encoding',
});

const CUT_SHORT: Result<never, Fault> = err({
  code: STATUS.INTERNAL,
  message: 'the call ends in the middle of a message',
});

const tooLarge = (length: number, most: number): Result<never, Fault> =>
  err({ code: STATUS.RESOURCE_EXHAUSTED, message: `a message has ${length} bytes, and at most ${most} are taken` });
