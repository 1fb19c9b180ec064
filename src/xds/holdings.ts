import { hash as digestOf } from 'node:crypto';
import { type Resource, TYPE, type TypeUrl } from './resource.ts';

/** What a client holds of one type: versions by name, and one digest over all of them. */
export type Holdings = { readonly versions: ReadonlyMap<string, string>; readonly digest: bigint };

export const NOTHING_HELD: Holdings = Object.freeze({ versions: new Map<string, string>(), digest: 0n });

const NOTHING: ReadonlySet<string> = new Set();

/** The same few resources are sent to many streams: each is hashed once. Dropped as a whole when it has grown large. */
const fingerprints = new Map<string, Map<string, bigint>>();
const MAX_FINGERPRINTS = 100_000;
let kept = 0;

const fingerprint = (name: string, version: string): bigint =>
  fingerprints.get(name)?.get(version) ?? newFingerprint(name, version);

const newFingerprint = (name: string, version: string): bigint => {
  const hash = digestOf('sha256', `${name}\0${version}`, 'buffer').readBigUInt64BE(0);
  // A client declares names of its own choosing: long ones are not worth keeping.
  if (name.length + version.length >= 1024) return hash;
  if (kept >= MAX_FINGERPRINTS) {
    fingerprints.clear();
    kept = 0;
  }
  kept += 1;
  const ofName = fingerprints.get(name);
  if (ofName === undefined) fingerprints.set(name, new Map([[version, hash]]));
  else ofName.set(version, hash);
  return hash;
};

/** Holdings of exactly these versions. */
export const holdingsOf = (versions: Iterable<readonly [string, string]>): Holdings =>
  withChanges(NOTHING_HELD, versions, []);

/** All of one response, for whoever holds nothing else: found by its first resource. */
const shared = new WeakMap<Resource, { readonly of: readonly Resource[]; readonly holdings: Holdings }>();

/** Holdings of exactly these resources: one value for all streams that are sent the same. */
export const holdingsOfAll = (type: TypeUrl, resources: readonly Resource[]): Holdings => {
  const [first] = resources;
  if (first === undefined) return NOTHING_HELD;
  const known = shared.get(first);
  if (known !== undefined && areSame(known.of, resources)) return known.holdings;
  const versions = new Map<string, string>();
  for (const { name, version } of resources) versions.set(name, version);
  const holdings = { versions, digest: digestOfAll(versions) };
  // Secrets are one sidecar's own: nobody else is sent them.
  if (type !== TYPE.sds) shared.set(first, { of: resources, holdings });
  return holdings;
};

/** The same resources in the same order. */
export const areSame = (a: readonly Resource[], b: readonly Resource[]): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
};

const digestOfAll = (versions: ReadonlyMap<string, string>): bigint => {
  let digest = 0n;
  versions.forEach((version, name) => {
    digest ^= fingerprint(name, version);
  });
  return digest;
};

/** The version of a type after a response was applied, without applying it. */
export const versionAfter = (
  { versions, digest: before }: Holdings,
  upserts: ReadonlyMap<string, string>,
  removals: readonly string[],
): string => {
  let digest = before;
  const drop = (name: string): void => {
    const version = versions.get(name);
    if (version !== undefined) digest ^= fingerprint(name, version);
  };
  const removed = removals.length === 0 ? NOTHING : new Set(removals);
  for (const name of removed) drop(name);
  upserts.forEach((version, name) => {
    if (!removed.has(name)) drop(name);
    digest ^= fingerprint(name, version);
  });
  return digestText(digest);
};

/**
 * These holdings after a response was applied. The digest is the XOR of one hash for each (name, version): the same on
 * every replica whatever the order, and its cost follows the change, not the size of the set.
 */
export const withChanges = (
  held: Holdings,
  upserts: Iterable<readonly [string, string]>,
  removals: Iterable<string>,
): Holdings => {
  const versions = new Map(held.versions);
  let digest = held.digest;
  const drop = (name: string): void => {
    const version = versions.get(name);
    if (version === undefined) return;
    versions.delete(name);
    digest ^= fingerprint(name, version);
  };
  for (const name of removals) drop(name);
  for (const [name, version] of upserts) {
    drop(name);
    versions.set(name, version);
    digest ^= fingerprint(name, version);
  }
  return { versions, digest };
};

/** What became of holdings last. */
const steps = new WeakMap<Holdings, { readonly taken: Holdings; readonly after: Holdings }>();

/** `held` after a response that removes nothing: one value for all streams that held the same value and are sent the same. */
export const afterTaking = (type: TypeUrl, held: Holdings, taken: Holdings): Holdings => {
  if (hasAll(taken.versions, held.versions)) return taken;
  const known = steps.get(held);
  if (known?.taken === taken) return known.after;
  const after = withChanges(held, taken.versions, []);
  if (type !== TYPE.sds) steps.set(held, { taken, after });
  return after;
};

const hasAll = (taken: ReadonlyMap<string, string>, held: ReadonlyMap<string, string>): boolean => {
  if (held === taken || held.size === 0) return true;
  if (held.size > taken.size) return false;
  for (const name of held.keys()) if (!taken.has(name)) return false;
  return true;
};

/** The version of a whole type as `signet status` shows it: 16 hex digits, equal for equal holdings. */
export const typeVersion = (held: Holdings): string => digestText(held.digest);

/** The last ones: streams that are sent the same come one after the other. */
let last = { digest: 0n, text: ''.padStart(16, '0') };

const digestText = (digest: bigint): string => {
  if (digest !== last.digest) last = { digest, text: digest.toString(16).padStart(16, '0') };
  return last.text;
};
