import type { Duration, Instant } from '../../lib/time.ts';
import type { QuarantineStatus } from '../quarantineStatus.ts';
import type { SidecarFacts } from './facts.ts';
import { type Check, failure, type Line, orFine, pending, warning } from './finding.ts';
import { count, grouped, named, span } from './words.ts';

/** An Envoy takes a change in well under a second; one that takes so long does not follow. */
const PATIENCE: Duration = 10_000;

export const allSettled: Check = {
  code: 'CHK0301',
  group: 'sidecars',
  about: 'every sidecar has taken the newest configuration',
  look: ({ now, sidecars, planning }) => {
    const waiting = sidecars.filter(({ progress }) => progress === 'pending');
    const isSlow = ({ progressSince }: SidecarFacts): boolean => now - progressSince > PATIENCE;
    const quick = waiting.filter((sidecar) => !isSlow(sidecar)).map(({ node }) => node);
    const settled = sidecars.filter(({ progress }) => progress === 'settled').length;
    const most = `${settled} of ${count(sidecars.length, 'sidecar')} took the newest configuration`;
    const lines = grouped(waiting.filter(isSlow), ({ open }) => open.join(', ')).map((group) => tooSlow(...group, now));
    if (quick.length > 0) lines.push(pending(`${most}; sent a moment ago: ${named(quick)}`, WAIT));
    else if (planning) lines.push(pending(`${most}, and a newer one is being made`, WAIT));
    return orFine(lines, sidecars.length === 0 ? 'no sidecar is connected' : most);
  },
};

const WAIT = 'wait a second, or use --wait';

const tooSlow = (types: string, alike: readonly SidecarFacts[], now: Instant): Line => {
  const since = Math.max(...alike.map(({ progressSince }) => progressSince));
  const who = named(alike.map(({ node }) => node));
  const line = failure(
    `for more than ${span(now - since)} not taken${types === '' ? '' : ` (${types})`}: ${who}`,
    'look whether that Envoy is overloaded or stopped, and at its log; starting it again is safe',
  );
  return { ...line, pending: true };
};

export const nothingRefused: Check = {
  code: 'CHK0302',
  group: 'sidecars',
  about: 'no sidecar refused (NACKed) anything',
  look: ({ sidecars, quarantined }) => {
    const refusals = sidecars.flatMap(({ node, refused }) => refused.map((refusal) => ({ node, ...refusal })));
    const lines = grouped(refusals, ({ type, words }) => `${type} ${words}`).map(([, alike]) => {
      const [{ type, words } = { type: '', words: '' }] = alike;
      return failure(
        `${named(alike.map(({ node }) => node))} refused ${type}: ${words}`,
        'change the lines that are named; it keeps what it took before, and is not sent the same again',
      );
    });
    return orFine([...lines, ...quarantined.map(inQuarantine)], 'nothing was refused');
  },
};

/** Also without a refusal that stands: who said no may be gone, and the others were never sent it. */
const inQuarantine = (entry: QuarantineStatus): Line => {
  const { service, type, resource, source, refusedBy, error, keeping, without } = entry;
  const where = source === null ? '' : ` (${source})`;
  const older = keeping === 0 ? [] : [`${count(keeping, 'sidecar has', 'sidecars have')} the version from before`];
  const none = without === 0 ? [] : [`${count(without, 'sidecar has', 'sidecars have')} none that is known to be good`];
  return failure(
    `${type} ${resource}${where} of ${service} is in quarantine: ${[...older, ...none].join(', ')}; refused by ${named(refusedBy)}: ${error}`,
    'change the lines that are named: what they say is not in force there',
  );
};

export const configurationMade: Check = {
  code: 'CHK0303',
  group: 'sidecars',
  about: 'the newest configuration can be made for every sidecar',
  look: ({ sidecars }) => {
    const failing = sidecars.filter(({ trouble }) => trouble !== undefined);
    const lines = grouped(failing, ({ trouble }) => trouble ?? '').map(([trouble, alike]) =>
      failure(
        `the newest configuration could not be made for ${named(alike.map(({ node }) => node))}: ${trouble}`,
        'it keeps what it has, and Signet tries again at least every 30s; the log of `signet serve` says more',
      ),
    );
    return orFine(lines, 'the newest configuration could be made for every one');
  },
};

/** Two sidecars that share a bootstrap, or a stolen one. */
export const oneStreamEach: Check = {
  code: 'CHK0304',
  group: 'sidecars',
  about: 'no node id has live streams from two addresses',
  look: ({ sidecars }) => {
    const lines = grouped(sidecars, ({ node }) => node).flatMap(([node, streams]) => {
      const peers = [...new Set(streams.map(({ peer }) => peer))].sort();
      if (peers.length < 2) return [];
      const tokens = [...new Set(streams.map(({ token }) => token))];
      return [
        warning(
          `${node} has ${streams.length} live streams at once, from ${named(peers)}`,
          `start replicas of one bootstrap with --service-node NS/NAME/$HOSTNAME; if one of them is not yours, ${tokens.map((id) => `\`signet token revoke ${id}\``).join(' and ')}`,
        ),
      ];
    });
    return orFine(lines, 'every node id is in one place');
  },
};
