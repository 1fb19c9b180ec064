/** A copy with one entry more, or another. By `forEach`: the copying constructor makes two objects for each entry. */
export const withEntry = <Key, Value>(before: ReadonlyMap<Key, Value>, key: Key, value: Value): Map<Key, Value> => {
  const after = new Map<Key, Value>();
  before.forEach((one, at) => void after.set(at, one));
  return after.set(key, value);
};
