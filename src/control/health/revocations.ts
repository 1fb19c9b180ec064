import { leavesAt } from '../../features/revocation/plan.ts';
import { type Duration, iso } from '../../lib/time.ts';
import type { RevocationFacts } from '../revocation/revocation.ts';
import { type Check, failure, fine, type Line, pending, warning } from './finding.ts';
import { count, named } from './words.ts';

/** An Envoy takes a change in well under a second. */
const PATIENCE: Duration = 10_000;

export const revocations: Check = {
  code: 'CHK0516',
  group: 'certificates',
  about: 'what is revoked is refused everywhere',
  look: ({ revocations: all, mesh, now }) => {
    const lines = all.flatMap((one) => unfinished(one, now - one.act.at));
    const certificates = all.flatMap(({ act }) => act.certificates);
    if (lines.length > 0) return lines;
    if (certificates.length === 0) return [fine('no certificate is revoked')];
    const last = Math.max(...certificates.map((one) => leavesAt(one, mesh.certificates.ttl)));
    const revoked = count(certificates.length, 'revoked certificate is', 'revoked certificates are');
    return [
      fine(`${revoked} refused everywhere, at least until ${iso(last)}: ${named(all.map(({ act }) => act.what))}`),
    ];
  },
};

const unfinished = ({ act, refusing }: RevocationFacts, age: Duration): readonly Line[] => {
  const { of, by, waiting, away } = refusing;
  const what = `${act.what}, revoked at ${iso(act.at)}, is refused by ${by} of ${count(of, 'sidecar')}`;
  const nodes = named(waiting.map(({ node }) => node));
  const slow = age > PATIENCE || waiting.some(({ why }) => why === 'refused');
  const late = slow
    ? failure(
        `${what}: not by ${nodes}`,
        'look at that Envoy and at `signet status`: it goes on admitting what was revoked',
      )
    : pending(`${what}: not yet by ${nodes}`, 'it was sent a moment ago: wait a second, or use `signet check --wait`');
  const gone = warning(
    `${what}; not connected: ${named(away.map(({ node }) => node))}`,
    'if it runs, it goes on admitting what was revoked until it reaches Signet: bring it back, or stop it; for what is gone for good, `signet token revoke ID` (`signet token list` shows which)',
  );
  return [...(waiting.length > 0 ? [late] : []), ...(away.length > 0 ? [gone] : [])];
};
