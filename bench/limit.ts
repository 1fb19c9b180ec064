import { readFileSync } from 'node:fs';
import { openAuthority } from '../src/ca/openAuthority.ts';
import { reveal } from '../src/lib/secret.ts';
import { parseTrustDomain, type TrustDomain } from '../src/spiffe/spiffeId.ts';
import { TYPE } from '../src/xds/resource.ts';
import { memoryStore } from '../test/fakes/memoryStore.ts';
import { type Cost, cost, round, type Times, times, withCpu } from './measure.ts';
import { TRUST_DOMAIN } from './meshFile.ts';
import type { FleetOptions, LimitOrder, LimitReport, Recorded } from './messages.ts';
import { forgetPeak, type Peer, peakMiB, rssMiB, startCompiled } from './processes.ts';
import { type Simulated, startSimulated } from './simulated.ts';
import type { Recording } from './storm.ts';

const ROUNDS = 10;
const PUSH = 50_000;
const LARGE_PUSH = 1_000_000;

type Measured = Cost & { readonly seconds: Times };
type Limit = Peer<LimitOrder, LimitReport> & { readonly fleet: Simulated; readonly streams: number };

/** The channel's kind of certificate, as `signet serve` shows it. */
const channelTls = async () => {
  const trustDomain = parseTrustDomain(TRUST_DOMAIN) as TrustDomain;
  const now = Date.now();
  const { channel } = await openAuthority({ store: memoryStore(), trustDomain, now });
  const { chainPem, keyPem } = channel.serverCredentials(now);
  return { chainPem, keyPem: reveal(keyPem), anchorPem: channel.anchor() };
};

/** A server of `name`, and so many sidecars that connect at once and ask as those that were recorded. */
const withLimit = async <T>(
  name: 'bareServer' | 'xdsServer',
  streams: number,
  recorded: Recorded,
  work: (limit: Limit, cold: Measured) => Promise<T>,
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
    const cold = { ...cost(cpu, streams, value), seconds: times(value.startedAt, value.readyAt) };
    return await work({ ...peer, fleet, streams }, cold);
  } finally {
    await Promise.all([fleet.stop(), peer.stop()]);
  }
};

const push = async ({ ask, pid, fleet, streams }: Limit, response: Buffer): Promise<Measured> => {
  await fleet.watch();
  const { cpu, value } = await withCpu(pid, async () => {
    const from = Date.now();
    await ask({ kind: 'push', response });
    return { from, seen: await fleet.collect(streams) };
  });
  return { ...cost(cpu, streams, value.seen), seconds: times(value.from, value.seen.ackedAt) };
};

/** The mean CPU of several fan-outs, microseconds for each stream; two that come before warm up. */
const fanOut = async (limit: Limit, response: Buffer): Promise<number> => {
  for (let warm = 0; warm < 2; warm++) await push(limit, response);
  // As a whole: a tick of the kernel's accounting is ten microseconds for each of a thousand streams.
  const { cpu } = await withCpu(limit.pid, async () => {
    for (let times = 0; times < ROUNDS; times++) {
      await limit.fleet.watch();
      await limit.ask({ kind: 'push', response });
      await limit.fleet.collect(limit.streams, 100);
    }
  });
  return round((cpu * 1e6) / ROUNDS / limit.streams, 0);
};

const routes = (recorded: Recorded): Buffer => recorded.get(TYPE.rds)?.[0] ?? Buffer.alloc(0);

export type XdsFigures = {
  readonly streams: number;
  readonly rssMiB: number;
  readonly fanOutMicroseconds: { readonly large: number; readonly small: number };
  readonly megabyte: {
    readonly seconds: Times;
    readonly rssBeforeMiB: number;
    readonly peakMiB: number;
  };
};

/** `src/xds` alone: fan-outs of 50 KB and of as many bytes as a real policy change, and a push of 1 MB. */
export const measureXds = (
  streams: number,
  small: number,
): Promise<{ readonly figures: XdsFigures; readonly pushed: { readonly large: Buffer; readonly small: Buffer } }> =>
  withLimit('xdsServer', streams, new Map(), async (limit) => {
    const rss = rssMiB(limit.pid);
    const large = await fanOut(limit, Buffer.alloc(PUSH));
    const pushed = { large: routes(await limit.fleet.recorded()), small: Buffer.from('') as Buffer };
    const few = await fanOut(limit, Buffer.alloc(small));
    pushed.small = routes(await limit.fleet.recorded());
    const rssBefore = rssMiB(limit.pid);
    forgetPeak(limit.pid);
    const { seconds } = await push(limit, Buffer.alloc(LARGE_PUSH));
    const megabyte = { seconds, rssBeforeMiB: round(rssBefore, 0), peakMiB: round(peakMiB(limit.pid), 0) };
    const fanOutMicroseconds = { large, small: few };
    return { figures: { streams, rssMiB: round(rss, 0), fanOutMicroseconds, megabyte }, pushed };
  });

export type BareFigures = {
  readonly streams: number;
  readonly linesOfCode: number;
  readonly coldStart: Measured;
  readonly rssMiB: number;
  readonly fanOutMicroseconds: { readonly large: number; readonly small: number; readonly policyChange: number };
};

/** The bare server: the recorded cold start, and the same pushes. */
export const measureBare = (
  streams: number,
  recording: Recording,
  pushed: { readonly large: Buffer; readonly small: Buffer },
): Promise<BareFigures> =>
  withLimit('bareServer', streams, recording.coldStart, async (limit, coldStart) => {
    const rss = round(rssMiB(limit.pid), 0);
    const fanOutMicroseconds = {
      large: await fanOut(limit, pushed.large),
      small: await fanOut(limit, pushed.small),
      policyChange: await fanOut(limit, routes(recording.policyChange)),
    };
    const text = readFileSync(new URL('bareServer.ts', import.meta.url), 'utf8');
    return { streams, linesOfCode: text.split('\n').length - 1, coldStart, rssMiB: rss, fanOutMicroseconds };
  });
