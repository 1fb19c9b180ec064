import { createHash, timingSafeEqual } from 'node:crypto';
import { reveal, type Secret } from './secret.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Tells whether the value of an `authorization` header is `Bearer` and exactly this token. Digests of one length are compared,
 * in constant time: neither the token's bytes nor its length show in how long that takes.
 */
export const bearerCheck = (token: Secret): ((authorization: string | undefined) => boolean) => {
  const expected = digest(`Bearer ${reveal(token)}`);
  return (authorization) => timingSafeEqual(digest(authorization ?? ''), expected);
};
