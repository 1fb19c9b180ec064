import { type Duration, parseDuration, showDuration } from '../../lib/time.ts';
import { parseTrustDomain } from '../../spiffe/spiffeId.ts';
import { descend } from '../places.ts';
import type { Check } from './check.ts';

/** Life of a certificate: long enough to be renewed in time, short enough to mean something. */
export const TTL = { least: 10_000, comfortable: 300_000, most: 90 * 86_400_000, usual: 86_400_000 } as const;

/** For how long an instance may be away. */
export const REJOIN = { least: 10_000, most: 365 * 86_400_000, usual: 7 * 86_400_000 } as const;

/** `trustDomain`, `certificates.ttl` and `rejoin` are well-formed and within their bounds. */
export const meshSettings: Check = ({ file: { mesh }, place }, report) => {
  const at = descend(place, 'mesh');
  if (parseTrustDomain(mesh.trustDomain) === undefined)
    report({
      code: 'SIG0301',
      place: descend(at, 'trustDomain'),
      message: `${JSON.stringify(mesh.trustDomain.slice(0, 80))} is not a trust domain`,
      hint: 'a-z, 0-9, dots, - and _, for example shop.example',
    });
  const duration = (
    written: string | undefined,
    bounds: { least: Duration; most: Duration },
    ...path: string[]
  ): Duration | undefined => {
    const span = written === undefined ? undefined : parseDuration(written);
    if (written === undefined || (span !== undefined && span >= bounds.least && span <= bounds.most)) return span;
    const hint = `write ${showDuration(bounds.least)} to ${showDuration(bounds.most)}, for example 30m, 24h or 7d`;
    const message = span === undefined ? `${written} is not a duration` : `${written} is out of bounds`;
    report({ code: 'SIG0209', place: descend(at, ...path), message, hint });
    return undefined;
  };
  const ttl = duration(mesh.certificates?.ttl, TTL, 'certificates', 'ttl');
  if (ttl !== undefined && ttl < TTL.comfortable)
    report({
      code: 'SIG0305',
      place: descend(at, 'certificates', 'ttl'),
      severity: 'warning',
      message: `certificates that live for ${showDuration(ttl)} expire whenever Signet is away for half of that`,
      hint: `${showDuration(TTL.comfortable)} or more, unless this is a test`,
    });
  duration(mesh.rejoin, REJOIN, 'rejoin');
};
