import { inspect } from 'node:util';

const values = new WeakMap<object, string>();

/** A text that must not be seen: prints `[redacted]` everywhere and refuses `JSON.stringify`. */
export type Secret = {
  readonly toString: () => string;
  readonly toJSON: () => never;
};

// One for all: three functions for each secret cost more than the key of a certificate.
const SHAPE: Secret = Object.freeze({
  toString: () => '[redacted]',
  toJSON: (): never => {
    throw new TypeError('a secret refuses to be serialized: reveal() it where it is meant to leave');
  },
  [inspect.custom]: () => '[redacted]',
});

let made = 0;

/** Wraps a private key or a token so that only `reveal` gives it back. No two are deeply equal: what holds another secret is another thing. */
export const secret = (value: string): Secret => {
  made += 1;
  const box: Secret = Object.freeze(Object.assign(Object.create(SHAPE), { nth: made }));
  values.set(box, value);
  return box;
};

/** The text inside. Every call site is a place where a secret leaves, so keep them few. */
export const reveal = (box: Secret): string => {
  const value = values.get(box);
  if (value === undefined) throw new TypeError('not a secret made by secret()');
  return value;
};
