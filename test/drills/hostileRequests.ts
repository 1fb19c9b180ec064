import { TYPE } from '../../src/xds/resource.ts';
import { type AdsResponse, type Asking, codecOf, encodeRequest } from '../support/adsClient.ts';
import { encodeSotwRequest } from '../support/sotwClient.ts';
import type { Dice } from './randomness.ts';

/** What a hostile client knows: its own id, those of others, and what it was sent. */
export type Known = {
  readonly variant: 'delta' | 'sotw';
  readonly nodeId: string;
  readonly others: readonly [string, ...string[]];
  readonly heard: readonly AdsResponse[];
};

const TYPES = Object.values(TYPE) as readonly string[] as readonly [string, ...string[]];
const ODD_TYPES = [
  '',
  'type.googleapis.com/envoy.service.runtime.v3.Runtime',
  'type.googleapis.com/envoy.config.cluster.v3.Cluster ',
  'envoy.config.cluster.v3.Cluster',
  '__proto__',
  '\u0000',
  'x'.repeat(100_000),
] as const;
const ODD_NAMES = ['*', '', '**', '__proto__', 'constructor', '\u0000', '\ud83d\ude80', 'é'.repeat(3000)] as const;

const name = (dice: Dice, { others, nodeId }: Known): string => {
  switch (dice.roll(8)) {
    case 0:
      return dice.pick(ODD_NAMES);
    case 1:
      return `secret of ${dice.pick(others)}`;
    case 2:
      return `secret of ${nodeId}`;
    case 3:
      return dice.chance(0.02) ? 'n'.repeat(1 + dice.roll(300_000)) : `n${dice.roll(10_000)}`;
    default:
      return dice.pick(['a', 'b', 'c', 'd']);
  }
};

const names = (dice: Dice, known: Known): readonly string[] => {
  const count = dice.chance(0.001) ? dice.roll(60_000) : dice.roll(5);
  return Array.from({ length: count }, () => (count > 5 ? `many ${dice.roll(1_000_000)}` : name(dice, known)));
};

const nonce = (dice: Dice, { heard }: Known): string => {
  const [any, last] = [heard[dice.roll(heard.length)]?.nonce, heard.at(-1)?.nonce];
  return dice.pick([last, last, any, '', 'x', last?.replace(/\d+$/, '9999')]) ?? '';
};

/** A message as a client could write it, and any part of it wrong. */
const asking = (dice: Dice, known: Known): Asking => ({
  subscribe: dice.chance(0.5) ? names(dice, known) : [],
  unsubscribe: dice.chance(0.3) ? names(dice, known) : [],
  names: names(dice, known),
  version: dice.pick(['', '0', known.heard.at(-1)?.version ?? '', 'x'.repeat(1000)]),
  nonce: nonce(dice, known),
  ...(dice.chance(0.3)
    ? { error: dice.pick(['', 'no', '\u0000', '-----BEGIN PRIVATE KEY-----', 'e'.repeat(50_000)]) }
    : {}),
  ...(dice.chance(0.2)
    ? { initialResourceVersions: Object.fromEntries(names(dice, known).map((n) => [n, `${dice.roll(3)}`])) }
    : {}),
});

/** Nested so deep that a reader that calls itself runs out of stack. */
const deepStruct = (depth: number): Buffer => {
  let value: Buffer = Buffer.from([0x20, 1]);
  for (let i = 0; i < depth; i += 1) {
    // Struct.fields { key, value { struct_value } }, by hand: encoders run out of stack themselves.
    const entry = field(1, Buffer.concat([field(1, Buffer.from('k')), field(2, value)]));
    value = field(5, entry);
  }
  return field(1, Buffer.concat([field(1, Buffer.from('k')), field(2, value)]));
};

const field = (number: number, bytes: Buffer): Buffer => {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
};

const nodeWith = (variant: Known['variant'], id: string, metadata: Buffer): Buffer =>
  field(variant === 'delta' ? 1 : 2, Buffer.concat([field(1, Buffer.from(id)), field(3, metadata)]));

/** A valid message with a few bytes other, missing, twice or too many. */
const mutate = (dice: Dice, bytes: Buffer): Buffer => {
  const at = dice.roll(bytes.length + 1);
  switch (dice.roll(5)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), dice.bytes(1 + dice.roll(8)), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes, bytes]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + dice.roll(8))]);
    default: {
      const other = Buffer.from(bytes);
      for (let i = 0; i <= dice.roll(4) && other.length > 0; i += 1) other[dice.roll(other.length)] = dice.roll(256);
      return other;
    }
  }
};

const REQUEST = { delta: 'DeltaDiscoveryRequest', sotw: 'DiscoveryRequest' } as const;

/** The next message of a hostile client: mostly well formed, so that it gets past the first look. */
export const hostileRequest = (dice: Dice, known: Known, isFirst: boolean): Buffer => {
  const { variant, nodeId, others } = known;
  const claims = isFirst ? !dice.chance(0.03) : dice.chance(0.05);
  const id = dice.chance(0.03) ? dice.pick([...others, '', 'x'.repeat(5000)]) : nodeId;
  const type = dice.chance(0.1) ? dice.pick(ODD_TYPES) : dice.pick(TYPES);
  const encode = variant === 'delta' ? encodeRequest : encodeSotwRequest;
  const message = (): Buffer =>
    encode(type, asking(dice, known), claims ? { id, metadata: { a: dice.roll(9) } } : undefined);
  switch (dice.roll(40)) {
    case 0:
      return dice.bytes(dice.roll(300));
    case 1:
      // Groups within groups, which no message of ours has and every reader must skip.
      return Buffer.alloc(dice.pick([10, 1000, 100_000]), 0x0b);
    case 2:
      return Buffer.concat([
        nodeWith(variant, nodeId, deepStruct(dice.pick([10, 100, 1000, dice.roll(4000)]))),
        message(),
      ]);
    case 3:
      return codecOf(`envoy.service.discovery.v3.${REQUEST[variant === 'delta' ? 'sotw' : 'delta']}`).encode({
        type_url: type,
      });
    case 4:
    case 5:
    case 6:
      return mutate(dice, message());
    case 7:
      return dice.chance(0.05) ? Buffer.alloc(5 * 1024 * 1024, 0x1a) : message();
    default:
      return message();
  }
};
