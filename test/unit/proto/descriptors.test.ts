import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { clone, fromBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { findEnvoy, pinnedEnvoyVersion } from '../../../src/app/findEnvoy.ts';
import { embeddedDescriptors } from './embeddedDescriptors.ts';

/** Files in which the generated code may hold what Envoy does not, and why that is harmless. */
const NOT_IN_ENVOY: Readonly<Record<string, string>> = {
  'google/protobuf/descriptor.proto': 'describes .proto files and never travels; comes with the protobuf library',
  'envoy/service/status/v3/csds.proto': 'Envoy 1.40 has no CSDS: operators ask Signet, no sidecar is sent any of it',
};

const image = new URL('../../../src/gen/image.binpb', import.meta.url);

/** One line for each message, field, enum value and method: name, number and type. */
const linesOf = (file: FileDescriptorProto): readonly string[] => {
  const field = (owner: string, { name, number, type, typeName, label }: FieldDescriptorProto): string =>
    `${owner}.${name} = ${number}: ${label === FieldDescriptorProto_Label.REPEATED ? 'repeated ' : ''}${
      typeName === '' ? FieldDescriptorProto_Type[type] : typeName
    }`;
  const enumeration = (owner: string, { name, value }: EnumDescriptorProto): readonly string[] =>
    value.map((each) => `${owner}.${name}.${each.name} = ${each.number}`);
  const message = (
    owner: string,
    { name, field: fields, nestedType, enumType }: DescriptorProto,
  ): readonly string[] => {
    const own = `${owner}.${name}`;
    return [
      `message ${own}`,
      ...fields.map((each) => field(own, each)),
      ...nestedType.flatMap((each) => message(own, each)),
      ...enumType.flatMap((each) => enumeration(own, each)),
    ];
  };
  return [
    ...file.messageType.flatMap((each) => message(file.package, each)),
    ...file.enumType.flatMap((each) => enumeration(file.package, each)),
    ...file.service.flatMap((service) =>
      service.method.map((method) => `${service.name}.${method.name}: ${method.inputType} -> ${method.outputType}`),
    ),
  ];
};

type Files = ReadonlyMap<string, FileDescriptorProto>;

/** What `ours` holds that `theirs` does not. */
const missing = (ours: Files, theirs: Files): readonly string[] =>
  [...ours.values()].flatMap((file) => {
    const other = theirs.get(file.name);
    if (other === undefined) return [`file ${file.name}`];
    const lines = new Set(linesOf(other));
    return linesOf(file).filter((line) => !lines.has(line));
  });

describe('the generated Envoy API', () => {
  const ours: Files = new Map(
    fromBinary(FileDescriptorSetSchema, readFileSync(image)).file.map((file) => [file.name, file]),
  );
  let envoys: Files = new Map();

  before(function () {
    const { path, version } = findEnvoy();
    // Another Envoy may rightly know more or less.
    if (version !== pinnedEnvoyVersion()) return this.skip();
    envoys = embeddedDescriptors(readFileSync(path));
  });

  it('is what the pinned Envoy speaks: each message, field, number, type and enum value', () => {
    const expected = new Map([...ours].filter(([name]) => NOT_IN_ENVOY[name] === undefined));
    assert.deepEqual(missing(expected, envoys), []);
  });

  it('has no exception without a need', () => {
    const needed = [...ours].filter(([name, file]) => missing(new Map([[name, file]]), envoys).length > 0);
    assert.deepEqual(
      needed.map(([name]) => name),
      Object.keys(NOT_IN_ENVOY),
    );
  });

  it('covers what it means to cover', () => {
    const lines = [...ours.values()].flatMap(linesOf);
    assert.ok(lines.length > 2000, `${lines.length} lines`);
    for (const name of ['envoy/config/listener/v3/listener.proto', 'envoy/config/rbac/v3/rbac.proto']) {
      assert.ok((envoys.get(name)?.messageType.length ?? 0) > 0, name);
    }
  });

  it('would show a field with another number, another type or an unknown name', () => {
    const name = 'envoy/config/cluster/v3/cluster.proto';
    const file = ours.get(name);
    assert.ok(file);
    const altered = clone(FileDescriptorProtoSchema, file);
    const [first, second, third] = altered.messageType.find((each) => each.name === 'Cluster')?.field ?? [];
    assert.ok(first && second && third);
    first.number += 1000;
    second.name = 'no_such_field';
    third.typeName = '.envoy.config.core.v3.NoSuchMessage';
    assert.equal(missing(new Map([[name, altered]]), envoys).length, 3);
  });
});
