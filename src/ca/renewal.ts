import { createHash } from 'node:crypto';
import type { Duration, Instant } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { BACKDATE } from './sign.ts';

/** Renewals are spread over this share of a life, so that sidecars that started together do not renew together. */
const SPREAD = 0.1;

/** A number in [0, 1) that is the same for the same seed, on every replica and after every restart. */
const fraction = (seed: string): number => createHash('sha256').update(seed).digest().readUIntBE(0, 6) / 2 ** 48;

/**
 * When a certificate is to be renewed: between 50 % and 60 % of its life, at a point that the seed (the instance) fixes.
 * The life counts from the moment of issue: the 60 s by which it is backdated are none that anybody could use, and a
 * short life would be over half before it began.
 */
export const renewalTime = (svid: Pick<X509Svid, 'notBefore' | 'notAfter'>, jitterSeed: string): Instant => {
  const issued = Math.min(svid.notBefore + BACKDATE, svid.notAfter);
  return issued + Math.floor((svid.notAfter - issued) * (0.5 + SPREAD * fraction(jitterSeed)));
};

/**
 * Whether a held certificate still serves: valid now, not due, and not of a life more than twice what is wanted now (the
 * operator has cut `ttl` down and means it).
 */
export const stillServes = (svid: X509Svid, instance: string, ttl: Duration, now: Instant): boolean =>
  svid.notBefore <= now && now < renewalTime(svid, instance) && svid.notAfter - svid.notBefore - BACKDATE <= 2 * ttl;
