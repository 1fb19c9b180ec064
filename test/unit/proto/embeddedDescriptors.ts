import { fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

// FileDescriptorProto's fields and whether they have a length before them; a serializer writes them in this order.
// https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto
const FIELDS = new Map([1, 2, 3, 4, 5, 6, 7, 8, 9, 12].map((field) => [field, true]));
for (const field of [10, 11, 14]) FIELDS.set(field, false);
const ONCE = new Set([1, 2, 8, 9, 12, 14]);

type Varint = { readonly value: number; readonly end: number };

const varint = (bytes: Uint8Array, start: number): Varint | undefined => {
  let value = 0;
  for (let at = start; at < start + 5; at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 127) * 2 ** (7 * (at - start));
    if (byte < 128) return { value, end: at + 1 };
  }
  return undefined;
};

/** Where each field that may belong to the descriptor at `start` ends: nothing in the binary says where the last one does. */
const fieldEnds = (bytes: Uint8Array, start: number): readonly number[] => {
  const ends: number[] = [];
  let at = start;
  let last = 0;
  for (;;) {
    const tag = varint(bytes, at);
    if (tag === undefined) return ends;
    const field = tag.value >>> 3;
    const sized = FIELDS.get(field);
    const wireType = sized === true ? 2 : 0;
    if (sized === undefined || (tag.value & 7) !== wireType) return ends;
    if (field < last || (field === last && ONCE.has(field))) return ends;
    const number = varint(bytes, tag.end);
    if (number === undefined) return ends;
    at = sized ? number.end + number.value : number.end;
    if (at > bytes.length) return ends;
    last = field;
    ends.push(at);
  }
};

const parseAt = (bytes: Uint8Array, start: number): FileDescriptorProto | undefined => {
  // What follows the descriptor may look like one more field of it: then the bytes without that field are the descriptor.
  for (const end of fieldEnds(bytes, start).toReversed()) {
    try {
      return fromBinary(FileDescriptorProtoSchema, bytes.subarray(start, end));
    } catch {}
  }
  return undefined;
};

const SUFFIX = Buffer.from('.proto');

/**
 * The file descriptors that a program compiled with protobuf for C++ holds, by file name: each starts with its name
 * (`0x0a`, length, `path.proto`).
 */
export const embeddedDescriptors = (program: Buffer): ReadonlyMap<string, FileDescriptorProto> => {
  const found = new Map<string, FileDescriptorProto>();
  for (let at = program.indexOf(SUFFIX); at !== -1; at = program.indexOf(SUFFIX, at + 1)) {
    const end = at + SUFFIX.length;
    for (let length = SUFFIX.length + 1; length < 128; length += 1) {
      const start = end - length - 2;
      if (program[start] !== 0x0a || program[start + 1] !== length) continue;
      const file = parseAt(program, start);
      // An import of this name inside another descriptor looks alike, but has nothing behind it.
      if (file !== undefined && file.package !== '') found.set(file.name, file);
    }
  }
  return found;
};
