import { hash } from 'node:crypto';
import type { Duration, Instant } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { BACKDATE } from './sign.ts';

/** Renewals are spread over this share of a life, so that sidecars that started together do not renew together. */
const SPREAD = 0.1;

type Validity = Pick<X509Svid, 'notBefore' | 'notAfter'>;

let last = { seed: '', fraction: 0 };

/** A number in [0, 1) that is the same for the same seed, on every replica and after every restart. Asked for several times in a row. */
const fraction = (seed: string): number => {
  if (last.seed !== seed)
    last = { seed, fraction: Number.parseInt(hash('sha256', seed, 'hex').slice(0, 12), 16) / 2 ** 48 };
  return last.fraction;
};

/**
 * When a certificate was issued. The 60 s by which it is backdated are no part of its life that anybody could use, and a
 * short life would be over half before it began.
 */
export const issuedAt = ({ notBefore, notAfter }: Validity): Instant => Math.min(notBefore + BACKDATE, notAfter);

/** When a certificate is to be renewed: between 50 % and 60 % of its life, at a point that the seed (the instance) fixes. */
export const renewalTime = (svid: Validity, jitterSeed: string): Instant => {
  const issued = issuedAt(svid);
  return issued + Math.floor((svid.notAfter - issued) * (0.5 + SPREAD * fraction(jitterSeed)));
};

/** Its life is more than twice what is wanted now: the operator has cut `ttl` down and means it. */
export const livesTooLong = ({ notBefore, notAfter }: Validity, ttl: Duration): boolean =>
  notAfter - notBefore - BACKDATE > 2 * ttl;

/** Whether a held certificate still serves: valid now, not due, and not of too long a life. */
export const stillServes = (svid: Validity, instance: string, ttl: Duration, now: Instant): boolean =>
  svid.notBefore <= now && now < renewalTime(svid, instance) && !livesTooLong(svid, ttl);

/** While the clock may be behind, no more than ten times as often as a life is long. */
const SOONEST = 0.1;

/**
 * How long until a certificate is due that is in force at `now`. Where the clock was set back by `behind`, others may count what is left by the
 * clock from before: half of that, if it is sooner.
 */
export const renewalIn = (svid: Validity, jitterSeed: string, now: Instant, behind: Duration): Duration => {
  const byLife = renewalTime(svid, jitterSeed) - now;
  const left = svid.notAfter - now - behind;
  if (behind <= 0 || left <= 0) return byLife;
  return Math.min(byLife, Math.max(left / 2, (svid.notAfter - issuedAt(svid)) * SOONEST));
};

/**
 * The life to ask for in place of a certificate that ends at `end`. Where the clock was set back it may be later for others than here, so the
 * next one does not end before the one that it replaces: what its holder was given already is not taken from it, and nothing is given beyond
 * twice the `ttl`.
 */
export const lifeInPlaceOf = (end: Instant, ttl: Duration, now: Instant, behind: Duration): Duration =>
  behind > 0 ? Math.max(ttl, Math.min(end - now, 2 * ttl)) : ttl;

/** Where in its life a certificate is: `overdue` when it should have been renewed, `ending` when less than a fifth is left. */
export type ExpiryWindow = 'early' | 'good' | 'overdue' | 'ending' | 'expired';

/** Renewal is due at 60 % of a life at the latest, and takes a moment. */
const OVERDUE = 0.62;
const ENDING = 0.8;

/** The window of a leaf, or of an intermediate, which is renewed like one. */
export const expiryWindow = (svid: Validity, now: Instant): ExpiryWindow => {
  if (now >= svid.notAfter) return 'expired';
  if (now < svid.notBefore) return 'early';
  const issued = issuedAt(svid);
  const share = (now - issued) / (svid.notAfter - issued);
  if (share > ENDING) return 'ending';
  return share > OVERDUE ? 'overdue' : 'good';
};
