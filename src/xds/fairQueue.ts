/** A queue in which every key has its turn: a crowd under one key does not keep the others waiting. */
export type FairQueue<T> = {
  readonly push: (key: string, item: T) => void;
  /** The next item, of another key than the last one if others wait; `undefined` if nobody does. */
  readonly take: () => T | undefined;
};

export const newFairQueue = <T>(): FairQueue<T> => {
  const lines = new Map<string, T[]>();
  return {
    push: (key, item) => {
      const line = lines.get(key);
      if (line === undefined) lines.set(key, [item]);
      else line.push(item);
    },
    take: () => {
      const [next] = lines;
      if (next === undefined) return undefined;
      const [key, line] = next;
      const item = line.shift();
      // To the end of the keys: they are in the order of their next turn.
      lines.delete(key);
      if (line.length > 0) lines.set(key, line);
      return item;
    },
  };
};
