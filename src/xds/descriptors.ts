import { readFileSync } from 'node:fs';
import { create, createFileRegistry, type DescFile, type FileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';

/** What reflection is asked about. */
export type Descriptors = {
  readonly fileNamed: (name: string) => DescFile | undefined;
  /** The file that defines a message, enum, enum value, field, oneof, extension, service or method, by its full name. */
  readonly fileWithSymbol: (symbol: string) => DescFile | undefined;
  readonly fileWithExtension: (type: string, number: number) => DescFile | undefined;
  /** `undefined` if there is no such message. */
  readonly extensionsOf: (type: string) => readonly number[] | undefined;
};

/** The descriptors that `src/gen/` was made of, and these files beside them. Costs time and memory: not before they are asked for. */
export const loadDescriptors = (others: readonly FileDescriptorProto[]): Descriptors => {
  const image = fromBinary(FileDescriptorSetSchema, readFileSync(new URL('../gen/image.binpb', import.meta.url)));
  for (const { messageType } of image.file) nameForJson(messageType);
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...image.file, ...others] }));
  return {
    fileNamed: (name) => registry.getFile(name),
    fileWithSymbol: (symbol) => registry.get(symbol)?.file ?? fileWithMember(registry, symbol),
    fileWithExtension: (type, number) => {
      const message = registry.getMessage(type);
      return message && registry.getExtensionFor(message, number)?.file;
    },
    extensionsOf: (type) => {
      if (registry.getMessage(type) === undefined) return undefined;
      const found = [...registry].flatMap((d) =>
        d.kind === 'extension' && d.extendee.typeName === type ? [d.number] : [],
      );
      return found.sort((a, b) => a - b);
    },
  };
};

/** The image has no JSON names. Tools would take the fields' own names, and print JSON that is not the usual one. */
const nameForJson = (messages: readonly DescriptorProto[]): void => {
  for (const { field: fields, nestedType } of messages) {
    for (const field of fields) field.jsonName = protoCamelCase(field.name);
    nameForJson(nestedType);
  }
};

const scopeOf = (name: string): string => name.slice(0, Math.max(name.lastIndexOf('.'), 0));

/** A registry has no names for the parts of its types: `TYPE.part`, and for the value of an enum its neighbour's name. */
const fileWithMember = (registry: FileRegistry, symbol: string): DescFile | undefined => {
  const scope = scopeOf(symbol);
  const isIt = ({ name }: { readonly name: string }): boolean => symbol === `${scope}.${name}`;
  const parent = registry.get(scope);
  if (parent?.kind === 'service' && parent.methods.some(isIt)) return parent.file;
  if (parent?.kind === 'message' && [...parent.fields, ...parent.oneofs].some(isIt)) return parent.file;
  for (const desc of registry) {
    if (desc.kind === 'enum' && scopeOf(desc.typeName) === scope && desc.values.some(isIt)) return desc.file;
  }
  return undefined;
};

/** A file and all that it imports, each after what it imports, but for those in `known`, which has them from then on. */
export const withImports = (file: DescFile, known: Set<DescFile>): readonly DescFile[] => {
  if (known.has(file)) return [];
  known.add(file);
  return [...file.dependencies.flatMap((imported) => withImports(imported, known)), file];
};

/** A `google.protobuf.FileDescriptorProto` on the wire. */
export const encodeFile = (file: DescFile): Uint8Array => toBinary(FileDescriptorProtoSchema, file.proto);
