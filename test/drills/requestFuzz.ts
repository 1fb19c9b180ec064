import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { status } from '@grpc/grpc-js';
import { Any } from '../../src/gen/google/protobuf/any.ts';
import { err, ok } from '../../src/lib/result.ts';
import { type Resource, type Snapshot, TYPE, type TypeName } from '../../src/xds/resource.ts';
import { type StreamId, startXdsServer, type XdsServer } from '../../src/xds/server.ts';
import { type AdsClient, type AdsResponse, openAds } from '../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../support/controlPlaneTls.ts';
import { openSotw } from '../support/sotwClient.ts';
import { hostileRequest } from './hostileRequests.ts';
import { type Dice, newDice } from './randomness.ts';

/*
 * Hostile clients with good credentials and without, against one server. Everything that a client is sent says whose it is, so a
 * foreign resource is seen wherever it turns up; good clients of both variants must go on converging all the while.
 */

/** In bytes: what the process has of the machine, and what of it is in use. */
export type Memory = { readonly rss: number; readonly used: number };

export type FuzzReport = {
  readonly streams: number;
  readonly requests: number;
  readonly responses: number;
  readonly pushes: number;
  /** The longest that a push took until all good clients had it, in ms. */
  readonly slowest: number;
  /** How streams ended, by status. */
  readonly ends: Readonly<Record<string, number>>;
  /** After garbage collection. */
  readonly before: Memory;
  readonly after: Memory;
  readonly findings: readonly string[];
};

const NODES = ['prod/web/1', 'prod/orders/1', 'prod/payments/1'] as const;
const GOOD = NODES.map((node) => `${node}-good`);
const ENTITLED = [...NODES, ...GOOD];

const own = (owner: string, type: TypeName, name: string, version: string): Resource => ({
  name,
  version,
  any: Any.encode({ typeUrl: TYPE[type], value: Buffer.from(`${owner}|${type}|${name}|${version}`) }).finish(),
});

/** Everybody's names are alike, what is behind them is not; and each has a secret that only it has. */
const snapshotFor = (owner: string, version: string): Snapshot => {
  const types = ['cds', 'eds', 'lds', 'rds', 'sds'] as const;
  return new Map(
    types.map((type) => {
      const names = type === 'sds' ? ['a', 'b', `secret of ${owner}`] : ['a', 'b', 'c'];
      return [TYPE[type], new Map(names.map((name) => [name, own(owner, type, name, version)] as const))] as const;
    }),
  );
};

/** Statuses that a client may be turned away with. Any other is a fault of ours. */
const FAIR_ENDS: readonly status[] = [
  status.OK,
  status.CANCELLED,
  status.INVALID_ARGUMENT,
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.UNAVAILABLE,
];

const collectGarbage: () => void = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

const memoryAfterGc = async (): Promise<Memory> => {
  for (let i = 0; i < 3; i += 1) {
    collectGarbage();
    await sleep(20);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, used: heapUsed + external };
};

type Arena = {
  readonly dice: Dice;
  readonly server: XdsServer;
  readonly anchorPem: string;
  readonly live: ReadonlyMap<StreamId, string>;
  readonly findings: string[];
  readonly counts: { streams: number; requests: number; responses: number; pushes: number; slowest: number };
  readonly ends: Record<string, number>;
  version: number;
};

const startArena = async (dice: Dice): Promise<Arena> => {
  const live = new Map<StreamId, string>();
  const arena = { version: 1 };
  const server: XdsServer = await startXdsServer<string>({
    listen: { host: '127.0.0.1', port: 0 },
    tls: serverTls,
    authenticate: async ({ authorization = '' }) => {
      const node = authorization.replace('Bearer ', '');
      return ENTITLED.includes(node) ? ok(node) : err({ code: 'unauthenticated', message: 'no such token' });
    },
    admit: async (may, node, id) => {
      if (node.id !== may) return err({ code: 'permission_denied', message: 'another identity' });
      live.set(id, may);
      server.publish(id, snapshotFor(may, `${arena.version}`));
      return ok(undefined);
    },
    onEvent: (event) => {
      if (event.kind === 'closed') live.delete(event.stream);
    },
    holdFor: 200,
    // Nobody is made to wait: as much as can be is to get through to the protocol.
    limits: { streamWithin: 500, openBurst: 1e6, callBurst: 1e6, requestBurst: 1e6 },
  });
  return Object.assign(arena, {
    dice,
    server,
    anchorPem: tls.chainPem,
    live,
    findings: [],
    counts: { streams: 0, requests: 0, responses: 0, pushes: 0, slowest: 0 },
    ends: {},
  });
};

const optionsFor = (arena: Arena, nodeId: string, token = nodeId) => ({
  address: arena.server.address(),
  anchorPem: arena.anchorPem,
  serverId: SERVER_ID,
  nodeId,
  token,
});

/** Whose is it? The content says; what a client did not ask for by name may not be mentioned either. */
const inspect = (arena: Arena, nodeId: string, response: AdsResponse): void => {
  arena.counts.responses += 1;
  for (const { value } of response.resources) {
    if (value.toString().split('|')[0] !== nodeId) arena.findings.push(`${nodeId} was sent ${value.toString()}`);
  }
};

/** One hostile stream from its start to its end. */
const attack = async (arena: Arena): Promise<void> => {
  const { dice, counts } = arena;
  const nodeId = dice.pick(NODES);
  const variant = dice.pick(['delta', 'sotw'] as const);
  const token = dice.chance(0.1) ? dice.pick(['', 'bad', 'x'.repeat(3000)]) : nodeId;
  const client = (variant === 'delta' ? openAds : openSotw)(optionsFor(arena, nodeId, token));
  const others = NODES.filter((node) => node !== nodeId) as [string, ...string[]];
  const heard: AdsResponse[] = [];
  counts.streams += 1;
  client.onResponse((response) => {
    heard.push(response);
    inspect(arena, nodeId, response);
  });
  const messages = dice.chance(0.05) ? 200 : dice.roll(20);
  const isOver = client.ended.then(() => true);
  const answered = new Promise<boolean>((resolve) => client.onResponse(() => resolve(false)));
  for (let i = 0; i < messages; i += 1) {
    client.askRaw(hostileRequest(dice, { variant, nodeId, others, heard }, i === 0));
    counts.requests += 1;
    if (dice.chance(0.02)) client.pause();
    // Mostly it gets to know what it was answered; sometimes it hangs up in the middle of it.
    if (i === 0 && dice.chance(0.9) && (await Promise.race([isOver, answered, sleep(1000, false)]))) break;
    if (dice.chance(0.5) && (await Promise.race([isOver, sleep(dice.roll(4), false)]))) break;
    if (dice.chance(0.03)) break;
  }
  if (dice.chance(0.7)) await Promise.race([isOver, sleep(dice.roll(30))]);
  client.close();
  const { code, details } = await client.ended;
  arena.ends[status[code]] = (arena.ends[status[code]] ?? 0) + 1;
  if (!FAIR_ENDS.includes(code)) arena.findings.push(`a stream ended with ${status[code]}: ${details.slice(0, 200)}`);
  if (others.some((other) => details.includes(other))) arena.findings.push(`a status names another node: ${details}`);
};

type Good = { readonly nodeId: string; readonly client: AdsClient; readonly held: Map<string, string> };

/** A client that follows the rules: a wildcard where there is one, names where not, and an ACK for everything. */
const openGood = (arena: Arena, nodeId: string, variant: 'delta' | 'sotw'): Good => {
  const client = (variant === 'delta' ? openAds : openSotw)({ ...optionsFor(arena, nodeId), autoAck: true });
  const held = new Map<string, string>();
  client.onResponse((response) => {
    inspect(arena, nodeId, response);
    for (const { value } of response.resources) {
      const [, type, name, version] = value.toString().split('|');
      held.set(`${type} ${name}`, version ?? '');
    }
  });
  for (const type of ['cds', 'lds'] as const) client.ask(TYPE[type]);
  for (const type of ['eds', 'rds'] as const)
    client.ask(TYPE[type], { subscribe: ['a', 'b', 'c'], names: ['a', 'b', 'c'] });
  const secrets = ['a', 'b', `secret of ${nodeId}`];
  client.ask(TYPE.sds, { subscribe: secrets, names: secrets });
  void client.ended.then(({ code, details }) => {
    if (code !== status.CANCELLED) arena.findings.push(`a good stream ended with ${status[code]} ${details}`);
  });
  return { nodeId, client, held };
};

/** New content for everybody, until every good client has it. */
const push = async (arena: Arena, good: readonly Good[]): Promise<void> => {
  arena.version += 1;
  const version = `${arena.version}`;
  for (const [id, owner] of arena.live) arena.server.publish(id, snapshotFor(owner, version));
  arena.counts.pushes += 1;
  const start = performance.now();
  const isThere = ({ held }: Good): boolean => held.size === 15 && [...held.values()].every((v) => v === version);
  while (!good.every(isThere)) {
    if (performance.now() - start > 10_000) {
      const late = good.filter((g) => !isThere(g)).map(({ nodeId }) => nodeId);
      arena.findings.push(`good clients do not converge on version ${version}: ${late.join(', ')}`);
      return;
    }
    await sleep(5);
  }
  arena.counts.slowest = Math.max(arena.counts.slowest, performance.now() - start);
};

/**
 * Attacks for so many seconds. Findings are foreign resources, streams that end with a status that is no answer, good clients that
 * do not converge, errors that nobody catches, streams that are not closed, and memory that grows by more than `growth`.
 */
export const fuzzRequests = async (seed: number, seconds: number, growth: Memory): Promise<FuzzReport> => {
  const arena = await startArena(newDice(seed));
  const uncaught = (reason: unknown): void => void arena.findings.push(`nobody caught ${String(reason)}`);
  process.on('unhandledRejection', uncaught).on('uncaughtExceptionMonitor', uncaught);
  const good = GOOD.flatMap((node) => [openGood(arena, node, 'delta'), openGood(arena, node, 'sotw')]);
  await push(arena, good);
  const before = await memoryAfterGc();
  const until = Date.now() + seconds * 1000;
  const attacker = async (): Promise<void> => {
    while (Date.now() < until) await attack(arena);
  };
  const pusher = async (): Promise<void> => {
    while (Date.now() < until) {
      await push(arena, good);
      await sleep(50);
    }
  };
  const flood = async (): Promise<void> => {
    while (Date.now() < until) {
      await sleep(arena.dice.roll(1500));
      await Promise.all(Array.from({ length: 40 }, () => attack(arena)));
    }
  };
  await Promise.all([pusher(), flood(), ...Array.from({ length: 8 }, attacker)]);
  await push(arena, good);
  for (const { client } of good) client.close();
  await sleep(200);
  if (arena.live.size > 0) arena.findings.push(`${arena.live.size} streams were opened and never closed`);
  await arena.server.close(1000);
  const after = await memoryAfterGc();
  process.off('unhandledRejection', uncaught).off('uncaughtExceptionMonitor', uncaught);
  for (const kind of ['rss', 'used'] as const) {
    if (after[kind] > before[kind] + growth[kind])
      arena.findings.push(`memory (${kind}) grew from ${before[kind]} to ${after[kind]}`);
  }
  return { ...arena.counts, ends: arena.ends, before, after, findings: arena.findings };
};
