import { type Instant, iso } from '../../lib/time.ts';
import type { HealthFacts } from './facts.ts';
import { type Check, failure, fine, type Line, warning } from './finding.ts';
import { span } from './words.ts';

/** Until when the mesh goes on without the signer, and what ends then. */
const lasts = ({
  signer,
  authorities,
  sidecars,
}: HealthFacts): { readonly until: Instant | undefined; readonly what: string } => {
  if (signer?.sign === 'intermediate') {
    const until = authorities.find(({ role }) => role === 'intermediate')?.notAfter;
    return { until, what: 'the intermediate in force, which signs all leaves,' };
  }
  const first = sidecars.reduce<{ readonly node: string; readonly notAfter: Instant } | undefined>(
    (a, { node, certificate }) =>
      certificate === undefined || (a !== undefined && a.notAfter <= certificate.notAfter)
        ? a
        : { node, notAfter: certificate.notAfter },
    undefined,
  );
  return {
    until: first?.notAfter,
    what: `nobody new can join, and the first certificate (${first?.node ?? 'none is held'})`,
  };
};

const awayLine = (facts: HealthFacts, name: string, away: { readonly since: Instant; readonly why: string }): Line => {
  const { until, what } = lasts(facts);
  const begin = `${name} is away since ${iso(away.since)}: ${away.why}`;
  const action = 'it is asked again by itself, once a minute at least; mend it before that moment';
  if (until === undefined) return warning(`${begin}; ${what}`, action);
  if (until <= facts.now) return failure(`${begin}; ${what} ended at ${iso(until)}`, action);
  return warning(`${begin}; ${what} ends in ${span(until - facts.now)}, at ${iso(until)}`, action);
};

/** That it will answer is not known then, and nothing is wrong either. */
const notAskedLine = ({ name, sign }: NonNullable<HealthFacts['signer']>): string => {
  const first =
    sign === 'leaves'
      ? 'the next certificate that is due is the first; `signet ca renew NS/NAME` asks now'
      : 'it is when the next intermediate is due';
  return `${name} was not asked yet since Signet started or mesh.yaml names it: ${first}`;
};

export const signer: Check = {
  code: 'CHK0510',
  group: 'certificates',
  about: 'the signer of mesh.yaml answers',
  look: (facts) => {
    if (facts.signer === undefined) return [fine('mesh.yaml names no signer')];
    const { name, away, asked } = facts.signer;
    if (away !== undefined) return [awayLine(facts, name, away)];
    return [fine(asked > 0 ? `${name} signs` : notAskedLine(facts.signer))];
  },
};
