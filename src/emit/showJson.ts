import { readFileSync } from 'node:fs';
import {
  createFileRegistry,
  fromBinary,
  type JsonObject,
  type JsonValue,
  type Registry,
  toJson,
} from '@bufbuild/protobuf';
import { AnySchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Emitted } from './emitted.ts';

let registry: Registry | undefined;

// The descriptors of what was generated, made beside it.
const descriptors = (): Registry => {
  registry ??= createFileRegistry(
    fromBinary(FileDescriptorSetSchema, readFileSync(new URL('../gen/image.binpb', import.meta.url))),
  );
  return registry;
};

const SECTIONS = ['clusters', 'endpoints', 'listeners', 'routes', 'secrets'] as const;

const sectionOf = (type: string): (typeof SECTIONS)[number] => {
  const name = type.slice(type.lastIndexOf('.') + 1);
  if (name === 'Cluster') return 'clusters';
  if (name === 'ClusterLoadAssignment') return 'endpoints';
  if (name === 'Listener') return 'listeners';
  return name === 'RouteConfiguration' ? 'routes' : 'secrets';
};

/**
 * Resources as Envoy's own JSON (proto3 mapping, field names of the protos), every `Any` expanded, by section and in
 * the order of their names. Private keys never appear: `[redacted]` stands in their place.
 */
export const showJson = (emitted: readonly Emitted[]): Readonly<Record<string, readonly JsonValue[]>> =>
  Object.fromEntries(
    SECTIONS.map((section) => [
      section,
      emitted
        .filter(({ type }) => sectionOf(type) === section)
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
        .map(({ any }) => redacted(resourceJson(any))),
    ]),
  );

const resourceJson = (any: Uint8Array): JsonObject => {
  const json = toJson(AnySchema, fromBinary(AnySchema, any), { registry: descriptors(), useProtoFieldName: true });
  const { '@type': _type, ...fields } = json as JsonObject;
  return fields;
};

const redacted = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(redacted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, key === 'private_key' ? '[redacted]' : redacted(inner)]),
  );
};
