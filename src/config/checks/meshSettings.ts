import { type Duration, parseDuration, showDuration } from '../../lib/time.ts';
import { parseTrustDomain } from '../../spiffe/spiffeId.ts';
import { descend } from '../places.ts';
import type { Check } from './check.ts';

/** Life of a certificate: long enough to be renewed in time, short enough to mean something. */
export const TTL = { least: 10_000, comfortable: 300_000, most: 90 * 86_400_000, usual: 86_400_000 } as const;

const DAY = 86_400_000;

/** Life of a root. */
export const ROOT_LIFE = { least: 100_000, most: 36_500 * DAY, usual: 3650 * DAY } as const;

/** The last fifth of a root's life is left for its replacement, which may wait twice for certificates to end. */
const LEAVES_IN_A_ROOT = 10;

/** For how long an instance may be away. */
export const REJOIN = { least: 10_000, most: 365 * 86_400_000, usual: 7 * 86_400_000 } as const;

/** `trustDomain`, `certificates` and `rejoin` are well-formed and within their bounds. */
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
  const life = duration(mesh.certificates?.rootLife, ROOT_LIFE, 'certificates', 'rootLife');
  const leaf = ttl ?? TTL.usual;
  if (life !== undefined && life < LEAVES_IN_A_ROOT * leaf)
    report({
      code: 'SIG0308',
      place: descend(at, 'certificates', 'rootLife'),
      message: `a root that lives for ${showDuration(life)} cannot be replaced in time under certificates that live for ${showDuration(leaf)}`,
      hint: `${showDuration(LEAVES_IN_A_ROOT * leaf)} or more: ten times certificates.ttl`,
    });
  duration(mesh.rejoin, REJOIN, 'rejoin');
};
