import type { DescFile } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { messageOf } from '../lib/errors.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Descriptors, encodeFile, loadDescriptors, withImports } from './descriptors.ts';
import { STATUS, type StatusCode } from './grpc/status.ts';
import { grpcFiles } from './grpcProtos.ts';

/*
 * gRPC server reflection. https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 * Its requests are read and its responses written by hand, like those of xDS: to list services should not load descriptors.
 */

type Question =
  | { readonly kind: 'none' | 'services' }
  | { readonly kind: 'file' | 'symbol' | 'extensions'; readonly name: string }
  | { readonly kind: 'extension'; readonly name: string; readonly number: number };

/** Field numbers of a ServerReflectionRequest. */
const REQUEST = { host: 1, file: 3, symbol: 4, extension: 5, extensions: 6, services: 7 } as const;
/** And of a ServerReflectionResponse. */
const RESPONSE = { host: 1, request: 2, files: 4, extensions: 5, services: 6, error: 7 } as const;

const VARINT = 0;
const LENGTH_DELIMITED = 2;

const tag = (field: number): number => (field << 3) | LENGTH_DELIMITED;

type Request = { readonly host: string; readonly question: Question };

const readRequest = (bytes: Uint8Array): Result<Request, string> => {
  try {
    return ok(readFields(bytes));
  } catch (thrown) {
    return err(`this ServerReflectionRequest cannot be read: ${messageOf(thrown)}`);
  }
};

/** The last question of several counts, as in any oneof. */
const readFields = (bytes: Uint8Array): Request => {
  const reader = new BinaryReader(bytes);
  let host = '';
  let question: Question = { kind: 'none' };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const text = (): string => reader.string(true);
    if (wireType !== LENGTH_DELIMITED) reader.skip(wireType, field);
    else if (field === REQUEST.host) host = text();
    else if (field === REQUEST.file) question = { kind: 'file', name: text() };
    else if (field === REQUEST.symbol) question = { kind: 'symbol', name: text() };
    else if (field === REQUEST.extension) question = readExtension(reader.bytes());
    else if (field === REQUEST.extensions) question = { kind: 'extensions', name: text() };
    else {
      reader.skip(wireType, field);
      if (field === REQUEST.services) question = { kind: 'services' };
    }
  }
  return { host, question };
};

/** An ExtensionRequest. */
const readExtension = (bytes: Uint8Array): Question => {
  const reader = new BinaryReader(bytes);
  let [name, number] = ['', 0];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === LENGTH_DELIMITED) name = reader.string(true);
    else if (field === 2 && wireType === VARINT) number = reader.int32();
    else reader.skip(wireType, field);
  }
  return { kind: 'extension', name, number };
};

/** Answers the requests of one reflection stream; the error says in a sentence why it is no request. */
export type Reflect = (request: Uint8Array) => Result<Buffer, string>;

/** Reflection over these services and all types that the Envoy API was generated for; `descriptors` are asked for when first needed. */
export const newReflection = (services: readonly string[], descriptors: () => Descriptors): Reflect => {
  /** What this stream was sent: a client that has a file has all that it imports. */
  const sent = new Set<DescFile>();

  const answer = (question: Question, writer: BinaryWriter): BinaryWriter => {
    switch (question.kind) {
      case 'none':
        return fault(writer, STATUS.INVALID_ARGUMENT, 'this request asks for nothing that is known here');
      case 'services': {
        const list = writer.uint32(tag(RESPONSE.services)).fork();
        for (const name of services) list.uint32(tag(1)).fork().uint32(tag(1)).string(name).join();
        return list.join();
      }
      case 'extensions': {
        const numbers = descriptors().extensionsOf(question.name);
        if (numbers === undefined) return missing(writer, question);
        const list = writer.uint32(tag(RESPONSE.extensions)).fork().uint32(tag(1)).string(question.name);
        const packed = list.uint32(tag(2)).fork();
        for (const number of numbers) packed.int32(number);
        return packed.join().join();
      }
      default: {
        const file = fileFor(question, descriptors());
        if (file === undefined) return missing(writer, question);
        // The file that was asked for is said again, its imports are not.
        sent.delete(file);
        const list = writer.uint32(tag(RESPONSE.files)).fork();
        for (const each of withImports(file, sent)) list.uint32(tag(1)).bytes(encodeFile(each));
        return list.join();
      }
    }
  };
  return (request) => {
    const read = readRequest(request);
    if (!read.ok) return read;
    const { host, question } = read.value;
    const writer = new BinaryWriter();
    if (host !== '') writer.uint32(tag(RESPONSE.host)).string(host);
    writer.uint32(tag(RESPONSE.request)).bytes(request);
    return ok(Buffer.from(answer(question, writer).finish()));
  };
};

type FileQuestion = Exclude<Question, { readonly kind: 'none' | 'services' | 'extensions' }>;

const fileFor = (question: FileQuestion, { fileNamed, fileWithSymbol, fileWithExtension }: Descriptors) => {
  if (question.kind === 'extension') return fileWithExtension(question.name, question.number);
  return question.kind === 'file' ? fileNamed(question.name) : fileWithSymbol(question.name);
};

const missing = (writer: BinaryWriter, { name }: { readonly name: string }): BinaryWriter =>
  fault(writer, STATUS.NOT_FOUND, `there is no ${name} here`);

const fault = (writer: BinaryWriter, code: StatusCode, message: string): BinaryWriter =>
  writer
    .uint32(tag(RESPONSE.error))
    .fork()
    .uint32((1 << 3) | VARINT)
    .int32(code)
    .uint32(tag(2))
    .string(message)
    .join();

/** The descriptors of everything that this server speaks, loaded when first asked for. */
export const lazyDescriptors = (): (() => Descriptors) => {
  let loaded: Descriptors | undefined;
  return () => {
    loaded ??= loadDescriptors(grpcFiles());
    return loaded;
  };
};
