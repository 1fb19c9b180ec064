/** What may stand around a name in a sentence: quotes, brackets, and the punctuation that ends it. */
const AROUND = /^[('"`[{<]+|[)'"`\]}>.,:;]+$/g;

/**
 * Which of these names a client's refusal speaks of. Only a whole word counts, so that `inbound/80` is not blamed for what is said of
 * `inbound/8080`. Envoy names what it refuses of clusters and listeners (`Error adding/updating listener(s) NAME: …`) and takes the
 * rest; of other types it says only why. Linear in the text and the names, both of which may be the client's own.
 */
export const namedIn = (error: string, names: Iterable<string>): ReadonlySet<string> => {
  const words = new Set<string>();
  for (const word of error.split(/\s+/)) words.add(word).add(word.replace(AROUND, ''));
  return new Set([...names].filter((name) => name !== '' && words.has(name)));
};
