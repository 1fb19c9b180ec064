import type { Place } from './places.ts';

/** The keys that declare what other places refer to by name. */
export const NAMING_KEYS = ['ports', 'identity', 'services', 'namespaces', 'trust', 'trustDomainAliases'] as const;
export type NamingKey = (typeof NAMING_KEYS)[number];

/**
 * By map, the naming keys that could not be read there, or that may hide behind a misspelt one. A name that is missing
 * where they would declare it is no finding: it may only follow from the one that was reported.
 */
export type Unread = ReadonlyMap<Place, ReadonlySet<NamingKey>>;
