import type { Store } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { IssuingAuthority } from './authority.ts';
import { type Earlier, readSvid, type SvidRecord } from './svidRecord.ts';

export type HeldSvid = {
  /** `NAMESPACE/NAME/INSTANCE`, the node id. */
  readonly instance: string;
  readonly svid: X509Svid;
  /** Those before it that have not ended, as far as they are remembered. */
  readonly earlier: readonly Earlier[];
};

export const SVID_PREFIX = 'svid/';

const load = (store: Store, authority: IssuingAuthority, now: Instant): Map<string, SvidRecord> => {
  const held = new Map<string, SvidRecord>();
  for (const { key, value } of store.list(SVID_PREFIX)) {
    const record = readSvid(value);
    // Checked once, here: what is issued from now on chains to the root by construction.
    if (record !== undefined && authority.vouchesFor(record.svid, now)) held.set(key.slice(SVID_PREFIX.length), record);
  }
  return held;
};

/** As many renewals within one life are remembered; who renews by hand in a loop makes the oldest useless. */
const EARLIER = 16;

/** What is left to remember of a record once its certificate is renewed. */
const earlierThan = (record: SvidRecord | undefined, authority: IssuingAuthority, now: Instant): readonly Earlier[] => {
  if (record === undefined) return [];
  const { serial, notAfter } = record.svid;
  const issuers = authority.issuersOf(record.svid);
  const last: Earlier = { serial, notAfter, ...(issuers === undefined ? {} : { issuers }) };
  return [...record.earlier, last].filter((one) => one.notAfter > now).slice(-EARLIER);
};

const serialsOf = (record: SvidRecord | undefined): readonly string[] =>
  record === undefined ? [] : [record.svid.serial, ...record.earlier.map(({ serial }) => serial)];

/** The newest record of each instance, and whose each serial is. */
export type HeldSvids = {
  readonly svid: (instance: string) => X509Svid | undefined;
  /** What its next record is to remember: certificates that have not ended by `now`. */
  readonly earlier: (instance: string, now: Instant) => readonly Earlier[];
  readonly holderOf: (serial: string, now: Instant) => string | undefined;
  readonly list: () => readonly HeldSvid[];
  readonly put: (instance: string, record: SvidRecord) => void;
  readonly drop: (instance: string) => void;
};

/** Starts with what the store holds and the authority vouches for. */
export const holdSvids = (store: Store, authority: IssuingAuthority, now: Instant): HeldSvids => {
  const held = load(store, authority, now);
  const holders = new Map([...held].flatMap(([instance, one]) => serialsOf(one).map((s) => [s, instance] as const)));
  const drop = (instance: string): void => {
    for (const serial of serialsOf(held.get(instance))) holders.delete(serial);
    held.delete(instance);
  };
  return {
    svid: (instance) => held.get(instance)?.svid,
    earlier: (instance, now) => earlierThan(held.get(instance), authority, now),
    holderOf: (serial, now) => {
      const instance = holders.get(serial);
      const record = instance === undefined ? undefined : held.get(instance);
      const issued = record === undefined ? [] : [...record.earlier, record.svid];
      return issued.some((one) => one.serial === serial && one.notAfter > now) ? instance : undefined;
    },
    list: () => [...held].map(([instance, { svid, earlier }]) => ({ instance, svid, earlier })),
    put: (instance, record) => {
      drop(instance);
      held.set(instance, record);
      for (const serial of serialsOf(record)) holders.set(serial, instance);
    },
    drop,
  };
};
