import type { Duration, Instant } from '../../lib/time.ts';
import type { AuthorityFacts, SidecarFacts } from './facts.ts';
import { type Check, failure, fine, type Line, orFine, warning } from './finding.ts';
import { count, grouped, moment, named, span } from './words.ts';

/** Renewal is due at 60 % of a life at the latest (docs/certificates.md): by then it has failed for a while. */
const OVERDUE = 0.8;
/** Replacing an authority takes planning. */
const AHEAD: Duration = 30 * 86_400_000;

type State = 'early' | 'expired' | 'overdue' | 'good';

const stateOf = ({ notBefore, notAfter }: { notBefore: Instant; notAfter: Instant }, now: Instant): State => {
  if (now >= notAfter) return 'expired';
  if (now < notBefore) return 'early';
  return now - notBefore > (notAfter - notBefore) * OVERDUE ? 'overdue' : 'good';
};

export const workloadCertificates: Check = {
  code: 'CHK0501',
  group: 'certificates',
  about: 'the certificate of every sidecar is good and renewed in time',
  look: ({ sidecars, now }) => {
    const held = sidecars.flatMap(({ node, certificate }) =>
      certificate === undefined ? [] : [{ node, ...certificate, state: stateOf(certificate, now) }],
    );
    const lines = grouped(held, ({ state }) => state).flatMap(([state, alike]) => bad(state as State, alike, now));
    if (lines.length > 0) return lines;
    const first = held.reduce<Held | undefined>(
      (a, b) => (a === undefined || b.notAfter < a.notAfter ? b : a),
      undefined,
    );
    if (first === undefined) return [fine('no sidecar holds a certificate')];
    return [fine(`${count(held.length, 'certificate')} in force, the first ends in ${span(first.notAfter - now)}`)];
  },
};

type Held = Pick<SidecarFacts, 'node'> & NonNullable<SidecarFacts['certificate']>;

const bad = (state: State, held: readonly Held[], now: Instant): readonly Line[] => {
  const list = (say: (held: Held) => string): string => named(held.map((one) => `${one.node} (${say(one)})`));
  const renew = `\`signet ca renew ${held[0]?.node.split('/').slice(0, 2).join('/') ?? 'NS/NAME'}\` says why not, and so does the log of \`signet serve\``;
  switch (state) {
    case 'expired':
      return [failure(`certificates have expired: ${list(({ notAfter }) => `at ${moment(notAfter)}`)}`, renew)];
    case 'overdue': {
      const left = list(({ notAfter }) => `${span(notAfter - now)} left`);
      return [warning(`certificates should have been renewed by now: ${left}`, renew)];
    }
    case 'early': {
      const from = list(({ notBefore }) => `from ${moment(notBefore)}`);
      return [failure(`certificates are not valid yet: ${from}`, "set this host's clock right")];
    }
    case 'good':
      return [];
  }
};

export const authorities: Check = {
  code: 'CHK0502',
  group: 'certificates',
  about: 'no authority ends soon',
  look: ({ authorities: all, now }) => {
    const lines = all.flatMap((authority): readonly Line[] => {
      const { role, notBefore, notAfter } = authority;
      const name = NAMES[role];
      if (now >= notAfter) return [failure(`the ${name} expired at ${moment(notAfter)}`, remedy(authority))];
      if (now < notBefore)
        return [failure(`the ${name} is not valid before ${moment(notBefore)}`, "set this host's clock right")];
      if (notAfter - now > AHEAD) return [];
      return [warning(`the ${name} ends in ${span(notAfter - now)}, at ${moment(notAfter)}`, remedy(authority))];
    });
    const left = all.map(({ role, notAfter }) => `${role} ${span(notAfter - now)}`).join(', ');
    return orFine(lines, `no authority ends soon: ${left}`);
  },
};

const NAMES: Readonly<Record<AuthorityFacts['role'], string>> = {
  root: 'root of the mesh',
  intermediate: 'issuing intermediate',
  channel: 'channel CA',
};

const REMEDIES: Readonly<Record<AuthorityFacts['role'], string>> = {
  intermediate:
    'it is replaced when a certificate is issued: `signet ca renew NS/NAME` for a connected service; else the log of `signet serve` says why not',
  root: '`signet ca rotate` shows the rotation that replaces it; `signet ca rotate --yes` begins one',
  channel: '`signet ca rotate --channel` shows how to replace it: every bootstrap is to be made anew by then',
};

const remedy = ({ role }: AuthorityFacts): string => REMEDIES[role];
