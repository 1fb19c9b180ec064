import { readFileSync } from 'node:fs';
import { openAuthority } from '../src/ca/openAuthority.ts';
import { reveal } from '../src/lib/secret.ts';
import { parseTrustDomain, type TrustDomain } from '../src/spiffe/spiffeId.ts';
import { memoryStore } from '../test/fakes/memoryStore.ts';
import { type Cost, cost, type Times, times, withCpu } from './measure.ts';
import { TRUST_DOMAIN } from './meshFile.ts';
import type { FleetOptions, LimitOrder, LimitReport, Recorded } from './messages.ts';
import { type Peer, startCompiled } from './processes.ts';
import { type Simulated, startSimulated } from './simulated.ts';

/** A server that is measured as the limit, or against it, with sidecars of its own. */
export type Limit = Peer<LimitOrder, LimitReport> & {
  readonly fleet: Simulated;
  readonly streams: number;
  /** How its sidecars came, all at once. */
  readonly coldStart: Cost & { readonly seconds: Times };
};

/** The channel's kind of certificate, as `signet serve` shows it. */
const channelTls = async () => {
  const trustDomain = parseTrustDomain(TRUST_DOMAIN) as TrustDomain;
  const now = Date.now();
  const { channel } = await openAuthority({ store: memoryStore(), trustDomain, now });
  const { chainPem, keyPem } = channel.serverCredentials(now);
  return { chainPem, keyPem: reveal(keyPem), anchorPem: channel.anchor() };
};

/** A server of `name`, and so many sidecars that connect at once and ask as those that were recorded. */
export const withLimit = async <T>(
  name: 'bareServer' | 'xdsServer',
  streams: number,
  recorded: Recorded,
  work: (limit: Limit) => Promise<T>,
): Promise<T> => {
  const { anchorPem, ...tls } = await channelTls();
  const peer = startCompiled<LimitOrder, LimitReport>(name);
  const fleet = startSimulated();
  try {
    const { port } = await peer.ask({ kind: 'listen', ...tls, recorded });
    const sidecars = Array.from({ length: streams }, (_, index) => ({
      nodeId: `bench/s0/i${index}`,
      token: '',
      localAddress: undefined,
    }));
    const serverId = `spiffe://${TRUST_DOMAIN}/signet/control-plane`;
    const options: FleetOptions = {
      ...{ address: { host: '127.0.0.1', port }, anchorPem, serverId, trustDomain: TRUST_DOMAIN, sidecars },
    };
    const { cpu, value } = await withCpu(peer.pid, () => fleet.open(options, 0, streams));
    const coldStart = { ...cost(cpu, streams, value), seconds: times(value.startedAt, value.readyAt) };
    return await work({ ...peer, fleet, streams, coldStart });
  } finally {
    await Promise.all([fleet.stop(), peer.stop()]);
  }
};

export const linesOfBareServer = (): number =>
  readFileSync(new URL('bareServer.ts', import.meta.url), 'utf8').split('\n').length - 1;
