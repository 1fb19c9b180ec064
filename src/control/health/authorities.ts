import type { AuthorityStatus, CertificateFacts } from '../../ca/authority.ts';
import { type ExpiryWindow, expiryWindow } from '../../ca/renewal.ts';
import { type Duration, type Instant, iso } from '../../lib/time.ts';
import type { AuthorityFacts, HealthFacts } from './facts.ts';
import { type Check, failure, type Line, orFine, warning } from './finding.ts';
import { span } from './words.ts';

/** Those that are in force. */
export const authorityFacts = (mesh: AuthorityStatus, channel: CertificateFacts): readonly AuthorityFacts[] => [
  { role: 'root', ...mesh.root },
  { role: 'intermediate', ...mesh.intermediate },
  { role: 'channel', ...channel },
];

/** Replacing a root takes planning; the last month is none. */
const AHEAD: Duration = 180 * 86_400_000;
const LATE: Duration = 30 * 86_400_000;

/**
 * An intermediate is renewed like a leaf; what bootstraps and other meshes know is replaced by people, who are told half a year ahead. One
 * that lives for a few months in all, as a signer's may, is told of in the last fifth of its life: until then its next one is not due.
 */
export const authorityWindow = (facts: AuthorityFacts, now: Instant): ExpiryWindow => {
  if (facts.role === 'intermediate') return expiryWindow(facts, now);
  if (now >= facts.notAfter) return 'expired';
  if (now < facts.notBefore) return 'early';
  const [life, left] = [facts.notAfter - facts.notBefore, facts.notAfter - now];
  if (left <= Math.min(LATE, life / 12)) return 'ending';
  return left <= Math.min(AHEAD, life / 5) ? 'overdue' : 'good';
};

export const AUTHORITY_NAMES: Readonly<Record<AuthorityFacts['role'], string>> = {
  root: 'root of the mesh',
  intermediate: 'issuing intermediate',
  channel: 'channel CA',
};

export const authorities: Check = {
  code: 'CHK0502',
  group: 'certificates',
  about: 'no authority ends soon',
  look: (facts) => {
    const { authorities: all, now } = facts;
    const lines = all.flatMap((authority) => lineOf(authority, facts));
    const left = all.map(({ role, notAfter }) => `${role} ${span(notAfter - now)}`).join(', ');
    return orFine(lines, `no authority ends soon: ${left}`);
  },
};

const lineOf = (authority: AuthorityFacts, facts: HealthFacts): readonly Line[] => {
  const { role, notBefore, notAfter } = authority;
  const { now } = facts;
  const remedy = remedyFor(role, facts);
  const name = AUTHORITY_NAMES[role];
  const ends = `the ${name} ends in ${span(notAfter - now)}, at ${iso(notAfter)}`;
  switch (authorityWindow(authority, now)) {
    case 'expired':
      return [failure(`the ${name} expired at ${iso(notAfter)}`, remedy)];
    case 'early':
      return [failure(`the ${name} is not valid before ${iso(notBefore)}`, "set this host's clock right")];
    case 'ending':
      return [failure(ends, remedy)];
    case 'overdue':
      return [warning(ends, remedy)];
    case 'good':
      return [];
  }
};

const REMEDIES: Readonly<Record<AuthorityFacts['role'], string>> = {
  intermediate:
    'it is replaced when a certificate is issued: `signet ca renew NS/NAME` for a connected service; else the log of `signet serve` says why not',
  root: '`signet ca rotate` shows the rotation that replaces it; `signet ca rotate --yes` begins one',
  channel: '`signet ca rotate --channel` shows how to replace it: every bootstrap is to be made anew by then',
};

/** Where the key of the root is not in Signet, somebody else signs the next one, and no command here makes it. */
const remedyFor = (role: AuthorityFacts['role'], { rotation, signer }: HealthFacts): string => {
  if (role === 'channel' || rotation.own) return REMEDIES[role];
  if (signer !== undefined)
    return role === 'root'
      ? `${signer.name} is to sign with another root before that: the rotation to it begins by itself`
      : `${signer.name} is to sign the next one, and is asked by itself: see CHK0510`;
  const next = 'have the next one signed: `signet ca csr`, `signet ca import FILE`, `signet ca rotate --yes`';
  return role === 'root' ? `${next}, by another root` : next;
};
