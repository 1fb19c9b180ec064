import { TYPE } from '../src/xds/resource.ts';
import { type Limit, withLimit } from './limit.ts';
import { ratios, round, type Spread, settledCpu, spread, type Times, times } from './measure.ts';
import { forgetPeak, peakMiB, rssMiB } from './processes.ts';

const ROUNDS = 7;
/** Pushes of a round: a tick of the kernel's accounting is ten microseconds for each of a thousand streams. */
const PUSHES = 5;
const LARGE = 50_000;
const MEGABYTE = 1_000_000;

/** CPU of the servers for each stream and push, microseconds; `ratios` are of the same round. */
type FanOut = { readonly bytes: number; readonly signet: Spread; readonly bare: Spread; readonly ratios: Spread };

export type FanOuts = {
  readonly streams: number;
  readonly rssMiB: number;
  readonly large: FanOut;
  readonly small: FanOut;
  /** To the streams of `src/xds`; what it is compared to is an absolute limit. */
  readonly megabyte: { readonly seconds: Times; readonly rssBeforeMiB: number; readonly peakMiB: number };
};

/** One push to all streams: the moment of its start and of each ACK. */
const push = async ({ ask, fleet, streams }: Limit, response: Buffer, quiet: number) => {
  await fleet.watch();
  const from = Date.now();
  await ask({ kind: 'push', response });
  return { from, ackedAt: (await fleet.collect(streams, quiet)).ackedAt };
};

/** The same bytes to the streams of both, push by push in turns, after two of each that warm up. */
const fanOut = async (xds: Limit, bare: Limit, bytes: number): Promise<FanOut> => {
  let response: Buffer = Buffer.alloc(0);
  const inTurns = async (pushes: number): Promise<void> => {
    for (let times = 0; times < pushes; times++) {
      await push(xds, Buffer.alloc(bytes), 100);
      // What a stream of `src/xds` was sent, whole: the bare server writes it as it is.
      response = (await xds.fleet.recorded()).get(TYPE.rds)?.[0] ?? response;
      await push(bare, response, 100);
    }
  };
  await inTurns(2);
  const [ours, limit]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const before = [await settledCpu(xds.pid), await settledCpu(bare.pid)] as const;
    await inTurns(PUSHES);
    const after = [await settledCpu(xds.pid), await settledCpu(bare.pid)] as const;
    ours.push(((after[0] - before[0]) * 1e6) / PUSHES / xds.streams);
    limit.push(((after[1] - before[1]) * 1e6) / PUSHES / bare.streams);
  }
  return { bytes: response.length, signet: spread(ours, 0), bare: spread(limit, 0), ratios: ratios(ours, limit) };
};

const megabyte = async (limit: Limit): Promise<FanOuts['megabyte']> => {
  const rssBefore = rssMiB(limit.pid);
  forgetPeak(limit.pid);
  const { from, ackedAt } = await push(limit, Buffer.alloc(MEGABYTE), 400);
  await settledCpu(limit.pid);
  const [rssBeforeMiB, peak] = [round(rssBefore, 0), round(peakMiB(limit.pid), 0)];
  return { seconds: times(from, ackedAt), rssBeforeMiB, peakMiB: peak };
};

/** `src/xds` alone beside the bare server, each with its own `streams`: fan-outs of 50 KB and of `small` bytes; and a push of 1 MB. */
export const measureFanOuts = (streams: number, small: number): Promise<FanOuts> =>
  withLimit('xdsServer', streams, new Map(), async (xds) => {
    const rss = round(rssMiB(xds.pid), 0);
    return withLimit('bareServer', streams, await xds.fleet.recorded(), async (bare) => ({
      ...{ streams, rssMiB: rss },
      large: await fanOut(xds, bare, LARGE),
      small: await fanOut(xds, bare, small),
      megabyte: await megabyte(xds),
    }));
  });
