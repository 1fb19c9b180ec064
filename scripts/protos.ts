// The pinned wheel -> a descriptor image -> TypeScript in src/gen/.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type FileDescriptorProto,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import { parse } from 'yaml';
import { downloadWheel } from '../src/app/pinnedWheel.ts';
import { root, runTool } from './tools.ts';

const cache = join(root, '.cache/proto');
const image = join(cache, 'envoy.binpb');
const gen = join(root, 'src/gen');
const stampFile = join(gen, '.stamp');

const recipe = ['proto/requirements.txt', 'proto/image.py', 'buf.gen.yaml', 'scripts/protos.ts'];

const hashOf = (hash: ReturnType<typeof createHash>): string => hash.digest('hex');

/** What the output is made from: when this changes, it is made again. */
const recipeHash = (): string => {
  const hash = createHash('sha256');
  for (const file of recipe) hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  for (const tool of ['ts-proto', '@bufbuild/buf', '@bufbuild/protobuf']) {
    hash.update(readFileSync(join(root, 'node_modules', tool, 'package.json')));
  }
  return hashOf(hash);
};

/** What stands in src/gen/, so that an edit there is seen. */
const outputHash = (): string => {
  const hash = createHash('sha256');
  const files = readdirSync(gen, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => file !== stampFile)
    .sort();
  for (const file of files) hash.update(`${file.slice(gen.length)}\0`).update(readFileSync(file));
  return hashOf(hash);
};

/** Whether src/gen/ is what its recipe gives, byte for byte. */
export const isFresh = (): boolean =>
  existsSync(stampFile) && readFileSync(stampFile, 'utf8') === `${recipeHash()}\n${outputHash()}\n`;

/** The wheel relies on Python's own google/protobuf/*.proto, so they come from @bufbuild/protobuf. */
const wellKnown: readonly FileDescriptorProto[] = [
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
].map((file) => file.proto);

const types: readonly string[] = parse(readFileSync(join(root, 'buf.gen.yaml'), 'utf8')).inputs.flatMap(
  (input: { types: string[] }) => input.types,
);

/** The files of the packages that the types are in and all that they import, each after what it imports. */
const needed = (files: readonly FileDescriptorProto[]): FileDescriptorProto[] => {
  const byName = new Map(files.map((file) => [file.name, file]));
  const done = new Set<FileDescriptorProto>();
  const visit = (file: FileDescriptorProto): void => {
    if (done.has(file)) return;
    for (const name of file.dependency) {
      const imported = byName.get(name);
      if (imported === undefined) throw new Error(`${file.name} imports ${name}, which the wheel does not hold`);
      visit(imported);
    }
    done.add(file);
  };
  for (const file of files) {
    if (types.some((type) => type.slice(0, type.lastIndexOf('.')) === file.package)) visit(file);
  }
  return [...done];
};

const makeImage = (): void => {
  const wheel = downloadWheel(join(root, 'proto/requirements.txt'), join(cache, 'wheel'));
  const raw = join(cache, 'wheel.binpb');
  execFileSync('python3', [join(root, 'proto/image.py'), wheel, raw], { stdio: 'inherit' });
  const set: FileDescriptorSet = fromBinary(FileDescriptorSetSchema, readFileSync(raw));
  set.file = needed([...set.file, ...wellKnown]);
  writeFileSync(image, toBinary(FileDescriptorSetSchema, set));
};

/** Makes src/gen/ unless it is what the pin and the list of types give. A failure leaves it as it was. */
export const generate = (): void => {
  if (isFresh()) return;
  console.error('Generating src/gen/ from the Envoy API');
  mkdirSync(cache, { recursive: true });
  makeImage();
  const work = join(cache, 'out');
  rmSync(work, { recursive: true, force: true });
  runTool('buf', ['generate', '--output', work]);
  // The same types as descriptors: canonical JSON of an Any needs them, in the product too.
  const filtered = join(cache, 'filtered.binpb');
  const only = types.flatMap((type) => ['--type', type]);
  runTool('buf', ['build', image, '--as-file-descriptor-set', '-o', filtered, ...only]);
  cpSync(filtered, join(work, 'src/gen/image.binpb'));
  rmSync(gen, { recursive: true, force: true });
  renameSync(join(work, 'src/gen'), gen);
  writeFileSync(stampFile, `${recipeHash()}\n${outputHash()}\n`);
};
