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

let last: { readonly of: readonly Resource[]; readonly versions: ReadonlyMap<string, string> } | undefined;

/** The versions of these resources by name: one map for all streams that are sent the same, one after the other. */
export const versionsOf = (type: TypeUrl, resources: readonly Resource[]): ReadonlyMap<string, string> => {
  if (last?.of.length === resources.length && last.of.every((one, at) => one === resources[at])) return last.versions;
  const versions = new Map<string, string>();
  for (const { name, version } of resources) versions.set(name, version);
  // Secrets are one sidecar's own, and a key is kept nowhere that it need not be.
  if (type !== TYPE.sds) last = { of: resources, versions };
  return versions;
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

/** The same as `withChanges` after a response; where it held all that there is of a type no map is made. */
export const afterTaking = (
  held: Holdings,
  taken: ReadonlyMap<string, string>,
  removals: readonly string[],
): Holdings => {
  if (removals.length > 0 || !hasAll(taken, held.versions)) return withChanges(held, taken, removals);
  let digest = 0n;
  taken.forEach((version, name) => {
    digest ^= fingerprint(name, version);
  });
  return { versions: taken, digest };
};

const hasAll = (taken: ReadonlyMap<string, string>, held: ReadonlyMap<string, string>): boolean => {
  if (held.size > taken.size) return false;
  for (const name of held.keys()) if (!taken.has(name)) return false;
  return true;
};

/** The version of a whole type as `signet status` shows it: 16 hex digits, equal for equal holdings. */
export const typeVersion = (held: Holdings): string => digestText(held.digest);

const digestText = (digest: bigint): string => digest.toString(16).padStart(16, '0');
