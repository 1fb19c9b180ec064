/**
 * Puts a value under its key and forgets the oldest one beyond `most`: a cache whose keys others choose must end somewhere.
 */
export const keepNewest = <Key, Value>(cache: Map<Key, Value>, key: Key, value: Value, most: number): void => {
  cache.delete(key);
  cache.set(key, value);
  const oldest = cache.keys().next();
  if (cache.size > most && oldest.done !== true) cache.delete(oldest.value);
};
