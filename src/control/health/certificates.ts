import { type ExpiryWindow, expiryWindow } from '../../ca/renewal.ts';
import { type Duration, type Instant, iso } from '../../lib/time.ts';
import type { SidecarFacts } from './facts.ts';
import { type Check, failure, fine, type Line, orFine, warning } from './finding.ts';
import { count, grouped, named, span } from './words.ts';

export const workloadCertificates: Check = {
  code: 'CHK0501',
  group: 'certificates',
  about: 'the certificate of every sidecar is good and renewed in time',
  look: ({ sidecars, now }) => {
    const held = sidecars.flatMap(({ node, certificate }) =>
      certificate === undefined ? [] : [{ node, ...certificate, window: expiryWindow(certificate, now) }],
    );
    const lines = grouped(held, ({ window }) => window).flatMap(([window, alike]) =>
      bad(window as ExpiryWindow, alike, now),
    );
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

const bad = (window: ExpiryWindow, held: readonly Held[], now: Instant): readonly Line[] => {
  const list = (say: (held: Held) => string): string => named(held.map((one) => `${one.node} (${say(one)})`));
  const left = list(({ notAfter }) => `${span(notAfter - now)} left`);
  const renew = `\`signet ca renew ${held[0]?.node.split('/').slice(0, 2).join('/') ?? 'NS/NAME'}\` says why not, and so does the log of \`signet serve\``;
  switch (window) {
    case 'expired':
      return [failure(`certificates have expired: ${list(({ notAfter }) => `at ${iso(notAfter)}`)}`, renew)];
    case 'ending':
      return [failure(`certificates end soon and are not renewed: ${left}`, renew)];
    case 'overdue':
      return [warning(`certificates should have been renewed by now: ${left}`, renew)];
    case 'early': {
      const from = list(({ notBefore }) => `from ${iso(notBefore)}`);
      return [failure(`certificates are not valid yet: ${from}`, "set this host's clock right")];
    }
    case 'good':
      return [];
  }
};

/** An Envoy takes a secret in well under a second. */
const PATIENCE: Duration = 10_000;

export const certificatesHeld: Check = {
  code: 'CHK0511',
  group: 'certificates',
  about: 'every sidecar holds the certificate that it was sent last',
  look: ({ sidecars, now }) => {
    const refused = sidecars.filter(({ holding }) => holding?.state === 'refused');
    // Who settled without it has no use for it and did not ask; what was sent a moment ago is told by CHK0301.
    const late = sidecars.filter(
      ({ holding, progress, progressSince }) =>
        holding?.state === 'sent' && progress === 'pending' && now - progressSince > PATIENCE,
    );
    const names = (some: readonly SidecarFacts[]): string => named(some.map(({ node }) => node));
    const lines: Line[] = grouped(refused, ({ holding }) => holding?.error ?? '').map(([words, alike]) =>
      failure(
        `${names(alike)} refused the new certificate: ${words}`,
        'it uses the one from before until that ends, and is sent another one ever more rarely: look at the log of that Envoy',
      ),
    );
    if (late.length > 0) {
      const action = 'look whether that Envoy is overloaded or stopped, and at its log';
      lines.push(warning(`sent and not taken: the certificate of ${names(late)}`, action));
    }
    return orFine(lines, 'every sidecar took the certificate that it was sent last');
  },
};

export const renewalsSucceed: Check = {
  code: 'CHK0512',
  group: 'certificates',
  about: 'every certificate that is due can be renewed',
  look: ({ failing, now }) => {
    const issuing = failing.filter(({ kind }) => kind === 'issue');
    const lines = grouped(issuing, ({ why }) => why).map(([why, alike]) => {
      const since = Math.min(...alike.map(({ since }) => since));
      const who = named(alike.map(({ node }) => node));
      return failure(
        `for ${span(now - since)} no new certificate can be had for ${who}: ${why}`,
        'what they hold goes on until it ends (CHK0501); Signet tries again at least every 5 minutes, `signet ca renew NS/NAME` does at once',
      );
    });
    return orFine(lines, 'no renewal fails');
  },
};
