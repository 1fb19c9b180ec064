import assert from 'node:assert/strict';
import { TYPE, type TypeName } from '../../../src/xds/resource.ts';
import { type Names, newConversation, publish, type Row, type Step, say, whole } from './conversation.ts';

type Saying = { readonly nonce?: string; readonly error?: string; readonly version?: string };

/** A request as clients write it: all names, and the nonce of the last response. So it also ACKs, unless `error` says no. */
export const want =
  (type: TypeName, names: readonly string[] = [], saying: Saying = {}): Step =>
  (c) => {
    const url = TYPE[type];
    c.names.set(url, names);
    const { nonce = c.nonces.get(url) ?? '', error, version = '' } = saying;
    return { kind: 'request', variant: 'sotw', type: url, nonce, error, names, version };
  };

export const ack =
  (type: TypeName): Step =>
  (c) =>
    want(type, c.names.get(TYPE[type]))(c);

export const nack =
  (type: TypeName, error = 'no'): Step =>
  (c) =>
    want(type, c.names.get(TYPE[type]), { error })(c);

/** An Envoy that has everything of `whole('1')`. */
export const settledSotw: Row['talk'] = [
  [publish(whole('1'))],
  [want('cds'), 'cds +a@1'],
  [want('eds', ['a']), 'eds +a@1'],
  [ack('cds')],
  [ack('eds')],
  [want('lds'), 'lds +l@1'],
  [want('sds', ['s']), 'sds +s@1'],
  [want('rds', ['r']), 'rds +r@1'],
  [ack('lds')],
  [ack('sds')],
  [ack('rds')],
];

/** The version of a whole type, as a client of an earlier stream got it. */
export const versionOf = (names: Names, type: TypeName): string => {
  const c = newConversation('sotw');
  for (const step of [publish(names), want(type), ack(type)]) say(c, step);
  const acked = c.notices.find((n) => n.kind === 'acked');
  return acked?.kind === 'acked' ? acked.version : assert.fail('nothing was acked');
};
