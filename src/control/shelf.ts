import type { Instant } from '../lib/time.ts';
import type { Resource, TypeUrl } from '../xds/resource.ts';

/** What sidecars said no to: one version of one resource. */
export type Refusal = {
  readonly type: TypeUrl;
  readonly name: string;
  readonly version: string;
  /** The first one's words. */
  readonly error: string;
  readonly since: Instant;
  /** Nodes, the first one first. */
  readonly by: ReadonlySet<string>;
  /** Another sidecar took it: then what stands in the way is local to those who refused. */
  readonly proven: boolean;
};

/** What is known of the resources that alike sidecars share: which forms of each were good, and what was refused. */
export type Shelf = {
  /** Newest first, two at most: whoever alone refuses the newest goes on with the one before. */
  readonly good: Map<TypeUrl, Map<string, readonly Resource[]>>;
  /** By type: what was published last of which all stands there as the newest form. Alike sidecars are published the same object. */
  readonly complete: Map<TypeUrl, ReadonlyMap<string, Resource>>;
  /** By type and name: the newest content alone is of interest. */
  readonly refusals: Map<string, Refusal>;
};

export const newShelf = (): Shelf => ({ good: new Map(), complete: new Map(), refusals: new Map() });

const keyOf = (type: TypeUrl, name: string): string => `${type} ${name}`;

/** This sidecar is not sent it: nobody took it yet, or this one refused it. */
export const isWithheld = (refusal: Refusal, node: string): boolean => !refusal.proven || refusal.by.has(node);

/** What this sidecar is sent in place of a version that it is kept from: the newest form that some sidecar took. */
export const lastGood = (
  shelf: Shelf,
  { type, name, version }: { readonly type: TypeUrl; readonly name: string; readonly version: string },
  node: string,
): Resource | undefined => {
  const refusal = shelf.refusals.get(keyOf(type, name));
  if (refusal?.version !== version || !isWithheld(refusal, node)) return undefined;
  return shelf.good
    .get(type)
    ?.get(name)
    ?.find((resource) => resource.version !== version);
};

/**
 * A sidecar holds these versions of what it was `published`. By `forEach`: each sidecar of a storm comes here some five times, and its
 * iterators were a good part of what that allocates.
 */
export const putGood = (
  shelf: Shelf,
  type: TypeUrl,
  held: ReadonlyMap<string, string>,
  published: ReadonlyMap<string, Resource>,
): void => {
  if (shelf.complete.get(type) === published) return;
  const names = shelf.good.get(type) ?? new Map<string, readonly Resource[]>();
  shelf.good.set(type, names);
  let there = 0;
  held.forEach((version, name) => {
    const resource = published.get(name);
    if (resource?.version !== version) return;
    there += 1;
    const newest = names.get(name)?.[0];
    if (newest?.version === version) return;
    names.set(name, newest === undefined ? [resource] : [resource, newest]);
    shelf.complete.delete(type);
  });
  if (there === published.size) shelf.complete.set(type, published);
};

/** Some sidecar took this version: `true` if that ends a quarantine. */
export const prove = (shelf: Shelf, type: TypeUrl, name: string, version: string, node: string): boolean => {
  const refusal = shelf.refusals.get(keyOf(type, name));
  if (refusal?.version !== version || (refusal.proven && !refusal.by.has(node))) return false;
  const by = new Set(refusal.by);
  by.delete(node);
  if (by.size === 0) shelf.refusals.delete(keyOf(type, name));
  else shelf.refusals.set(keyOf(type, name), { ...refusal, by, proven: true });
  return true;
};

/** A sidecar refused this version; `undefined` if that was known already. */
export const putRefusal = (
  shelf: Shelf,
  said: Pick<Refusal, 'type' | 'name' | 'version' | 'error' | 'since'>,
  node: string,
): Refusal | undefined => {
  const before = shelf.refusals.get(keyOf(said.type, said.name));
  const known = before?.version === said.version ? before : undefined;
  if (known?.by.has(node)) return undefined;
  const refusal: Refusal =
    known === undefined
      ? { ...said, by: new Set([node]), proven: isProven(shelf, said.type, said.name, said.version) }
      : { ...known, by: new Set([...known.by, node]) };
  shelf.refusals.set(keyOf(said.type, said.name), refusal);
  return refusal;
};

export const isProven = (shelf: Shelf, type: TypeUrl, name: string, version: string): boolean =>
  shelf.good
    .get(type)
    ?.get(name)
    ?.some((resource) => resource.version === version) ?? false;

/** Other content, or none: what was said of the old counts no more. */
export const forgetOtherContent = (shelf: Shelf, isCurrent: (refusal: Refusal) => boolean): void => {
  for (const [key, refusal] of shelf.refusals) if (!isCurrent(refusal)) shelf.refusals.delete(key);
};

/** Forgets resources of this type that are no more. */
export const keepGood = (shelf: Shelf, type: TypeUrl, names: ReadonlyMap<string, unknown>): void => {
  const good = shelf.good.get(type);
  if (good === undefined || good.size <= names.size) return;
  shelf.complete.delete(type);
  for (const name of [...good.keys()]) if (!names.has(name)) good.delete(name);
};
