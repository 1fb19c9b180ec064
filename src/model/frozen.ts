/** Freezes a value and all that it holds. What is frozen already is not looked into. */
export const deepFreeze = <T>(value: T): T => {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of value instanceof Map ? value.values() : Object.values(value)) deepFreeze(inner);
  return value;
};

/** A map that can only be read: `Object.freeze` does not reach into a Map. */
export const readOnlyMap = <K, V>(entries: Iterable<readonly [K, V]>): ReadonlyMap<K, V> => {
  const map = new Map(entries);
  const refuse = (): never => {
    throw new TypeError('the mesh is frozen');
  };
  return Object.defineProperties(map, {
    set: { value: refuse },
    delete: { value: refuse },
    clear: { value: refuse },
  });
};
