/** What a client says first. https://www.rfc-editor.org/rfc/rfc9113#section-3.4 */
export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** An HTTP/2 frame. https://www.rfc-editor.org/rfc/rfc9113#section-4.1 */
export const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

/** HPACK, a literal that is not indexed. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ]);

/** HPACK of a gRPC call with these `authorization`. */
export const callOf = (path: string, authorizations: readonly string[]): Buffer =>
  Buffer.concat([
    Buffer.from([0x83, 0x87]),
    literal(':path', path),
    literal(':authority', 'x'),
    literal('content-type', 'application/grpc'),
    ...authorizations.map((value) => literal('authorization', value)),
  ]);
