/*
 * A gRPC message on the wire: not compressed, its length, and the message.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

/** Compressed or not, and the length of the message that follows. */
export const HEAD = 5;

/** Into the first bytes of `framed`, which the message follows to its end. */
export const writeMessageHead = (framed: Buffer): void => {
  framed[0] = 0;
  framed.writeUInt32BE(framed.length - HEAD, 1);
};

export const frame = (message: Buffer): Buffer => {
  const framed = Buffer.allocUnsafe(HEAD + message.length);
  writeMessageHead(framed);
  message.copy(framed, HEAD);
  return framed;
};
