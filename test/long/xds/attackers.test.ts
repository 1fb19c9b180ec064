import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { status } from '@grpc/grpc-js';
import { DeltaDiscoveryRequest } from '../../../src/gen/envoy/service/discovery/v3/discovery.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { newAdmissions } from '../../../src/xds/admissions.ts';
import { LIMITS } from '../../../src/xds/limits.ts';
import { readRequest } from '../../../src/xds/request.ts';
import type { StreamEvent, XdsServer, XdsServerOptions } from '../../../src/xds/server.ts';
import { ADS } from '../../support/adsClient.ts';
import { tls } from '../../support/controlPlaneTls.ts';
import { cpuOf } from '../../support/cpu.ts';
import { callOf, frame, PREFACE } from '../../support/http2Frames.ts';
import { until } from '../../support/until.ts';
import { openXdsServer } from '../../support/xdsServer.ts';

const HEALTH = '/grpc.health.v1.Health';
const FETCH = '/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets';
const pause = (span: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, span));

/** A gRPC message whose one field has this number and holds these bytes. */
const message = (...fields: readonly (readonly [number, Buffer])[]): Buffer => {
  const body = Buffer.concat(
    fields.map(([field, value]) => {
      const length: number[] = [];
      for (let rest = value.length; ; rest >>>= 7) {
        length.push(rest > 127 ? (rest & 127) | 128 : rest);
        if (rest <= 127) break;
      }
      return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), value]);
    }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
};

/** A DiscoveryRequest of this node. */
const asking = (node: string): Buffer => message([2, message([1, Buffer.from(node)]).subarray(5)]);

/** The client's preface and its SETTINGS. */
const BEGIN = Buffer.concat([Buffer.from(PREFACE), frame(4, 0, 0, Buffer.alloc(0))]);

const callHeaders = (...tokens: readonly string[]): Buffer => callOf(`/${ADS}/DeltaAggregatedResources`, tokens);

describe('an attacker of the xDS server', function () {
  this.timeout(15_000);
  let server: XdsServer;
  let events: StreamEvent[];
  let closers: (() => void)[];

  const start = async (changes: Partial<XdsServerOptions<string>> = {}): Promise<void> => {
    server = await openXdsServer({ onEvent: (event) => events.push(event), ...changes });
  };
  const socketTo = () => {
    const { host, port } = server.address();
    const anyName = { ca: tls.chainPem, checkServerIdentity: () => undefined };
    const socket = connectTls({ host, port, ALPNProtocols: ['h2'], ...anyName });
    socket.on('error', () => {});
    closers.push(() => socket.destroy());
    return socket;
  };
  const http2 = async (): Promise<ClientHttp2Session> => {
    const session = connectHttp2('https://127.0.0.1', { createConnection: socketTo });
    session.on('error', () => {});
    closers.push(() => session.destroy());
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    return session;
  };
  /** One call with one message: its status, and how to reset it. */
  const call = (session: ClientHttp2Session, path: string, body: Buffer, more: Record<string, string> = {}) => {
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...more };
    const stream = session.request(headers);
    stream.on('error', () => {});
    const ended = new Promise<number>((resolve) => {
      for (const event of ['response', 'trailers']) {
        stream.on(event, (got: Record<string, unknown>) => {
          if (got['grpc-status'] !== undefined) resolve(Number(got['grpc-status']));
        });
      }
    });
    stream.end(body);
    stream.resume();
    const heard = new Promise<void>((resolve) => stream.once('data', () => resolve()));
    return { ended, heard, reset: () => stream.close(8) };
  };

  beforeEach(() => {
    [events, closers] = [[], []];
  });
  afterEach(async () => {
    for (const close of closers) close();
    await server?.close(200);
  });

  it('leaves nothing behind of the names whose health it watches', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await start({ limits: { unprovenBytes: 2 ** 30, otherBytes: 2 ** 30, unprovenCalls: 1_000, callBurst: 1_000 } });
    const session = await http2();
    const watch = async (name: string): Promise<void> => {
      const { heard, reset } = call(session, `${HEALTH}/Watch`, message([1, Buffer.from(name)]));
      await heard;
      reset();
    };
    await watch('first');
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 200; i += 1) await watch(`${i} ${'x'.repeat(50_000)}`);
    await pause(50);
    collect();
    const kept = process.memoryUsage().heapUsed - before;
    assert.ok(kept < 4 * 1024 * 1024, `${kept} bytes are kept of 10 MB of names`);
    const unknown = await call(session, `${HEALTH}/Check`, message([1, Buffer.alloc(100_000, 'x')])).ended;
    assert.equal(unknown, status.NOT_FOUND);
    assert.equal(await call(session, `${HEALTH}/Check`, message()).ended, status.OK);
    assert.equal(await call(session, `${HEALTH}/List`, message()).ended, status.OK);
  });

  it('is heard no further than its calls go when it resets thousands in one breath', async () => {
    let heard = 0;
    const authenticate = async () => {
      heard += 1;
      return err({ code: 'unauthenticated', message: 'no such token' } as const);
    };
    await start({ authenticate, limits: { unprovenCalls: 8 } });
    const socket = socketTo();
    const calls = Array.from({ length: 2_000 }, (_, i) => [
      frame(1, 4, 2 * i + 1, callHeaders('Bearer bad')),
      frame(3, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8])),
    ]);
    socket.write(Buffer.concat([BEGIN, ...calls.flat()]));
    socket.resume();
    await until(() => socket.destroyed);
    await pause(50);
    // None at all if they are reset before it is their turn.
    assert.ok(heard <= 8, `${heard} calls were heard`);
  });

  it('cannot take every place before the door: who comes from elsewhere gets in', async () => {
    await start({ limits: { unprovenAtMost: 20 } });
    const { host, port } = server.address();
    const from = (localAddress: string) => {
      const socket = connectTcp({ host, port, localAddress });
      let over = false;
      socket.on('error', () => {});
      socket.on('close', () => (over = true));
      closers.push(() => socket.destroy());
      return { over: () => over };
    };
    const crowd = Array.from({ length: 20 }, () => from('127.0.0.1'));
    await until(() => server.unproven() === 20);
    const others = Array.from({ length: 12 }, () => from('127.0.0.2'));
    await until(() => others.some(({ over }) => over()));
    await pause(100);
    const there = (those: readonly { over: () => boolean }[]): number => those.filter(({ over }) => !over()).length;
    assert.equal(there(others), 10);
    assert.ok(there(crowd) >= 8, `${there(crowd)} of the crowd are left`);
    assert.ok(server.unproven() <= 20);
  });

  it('is refused with two authorizations, even if the first is good', async () => {
    await start();
    const socket = socketTo();
    const node = message([1, message([1, Buffer.from('prod/web/1')]).subarray(5)], [2, Buffer.from('type')]);
    const open = (stream: number, ...tokens: readonly string[]): Buffer =>
      Buffer.concat([frame(1, 4, stream, callHeaders(...tokens)), frame(0, 0, stream, node)]);
    socket.write(Buffer.concat([BEGIN, open(1, 'Bearer good'), open(3, 'Bearer good', 'Bearer bad')]));
    socket.resume();
    await until(() => events.length >= 2);
    assert.deepEqual(events.map(({ kind }) => kind).sort(), ['asked', 'opened', 'refused']);
  });

  it('fetches secrets in its turn, and in small requests', async () => {
    let [inside, most] = [0, 0];
    const fetchSecrets = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await pause(5);
      inside -= 1;
      return ok([]);
    };
    await start({ fetchSecrets, limits: { admissionsAtOnce: 2 } });
    const session = await http2();
    const good = { authorization: 'Bearer good' };
    // Beyond the calls that an unproven connection may make: who is served is proven meanwhile.
    const calls = Array.from({ length: 40 }, (_, i) => call(session, FETCH, asking(`prod/web/${i}`), good));
    const answers = await Promise.all(calls.map(({ ended }) => ended));
    assert.deepEqual(answers, Array(40).fill(status.OK));
    assert.equal(most, 2);
    const large = message([2, message([1, Buffer.from('prod/web/1')]).subarray(5)], [3, Buffer.alloc(70_000, 'x')]);
    assert.equal(await call(session, FETCH, large, good).ended, status.RESOURCE_EXHAUSTED);
  });
});

describe('an attacker with one good token', () => {
  const served = async () => ok(undefined);
  const isOver = (): boolean => false;

  it('keeps no other waiting by claims of its node id', async () => {
    const admissions = newAdmissions({ ...LIMITS, openBurst: 2, opensPerSecond: 0.001 }, () => performance.now());
    const claim = { credential: 'hostile', node: 'prod/payments/1', isOver };
    for (let i = 0; i < 50; i += 1) void admissions.enter(claim, served);
    const own = await Promise.race([admissions.enter({ ...claim, credential: 'own' }, served), pause(200)]);
    assert.ok(own?.ok);
  });

  it('has so many calls waiting and no more; the newest go on, and no debt is left', async () => {
    const limits = { ...LIMITS, openBurst: 1, opensPerSecond: 40, streamsPerNode: 3 };
    const admissions = newAdmissions(limits, () => performance.now());
    const who = { credential: 'one', node: 'prod/web/1', isOver };
    const results = await Promise.all(Array.from({ length: 200 }, () => admissions.enter(who, served)));
    const through = results.flatMap(({ ok: good }, i) => (good ? [i] : []));
    assert.deepEqual(through, [0, 197, 198, 199]);
    // Of the 196 that went no debt is left: it would be five seconds.
    const next = await Promise.race([admissions.enter(who, served), pause(3_000)]);
    assert.ok(next?.ok);
  });

  for (const [what, field] of Object.entries({
    'an empty name': [0x1a, 0],
    'an empty version': [0x2a, 0],
    'an empty error': [0x3a, 0],
    'an unknown number': [0x78, 0],
    'an empty group': [0x7b, 0x7c],
  })) {
    it(`does not stop the loop with two million times ${what}`, () => {
      const type = Buffer.from([0x12, 1, 0x61]);
      const one = Buffer.concat([type, Buffer.alloc(4 * 1024 * 1024 - 3, Buffer.from(field))]);
      // The same, one level further down.
      const inner = Buffer.concat([
        type,
        Buffer.from([0x2a, 0x80, 0x80, 0xc0, 0x01]),
        one.subarray(3, 3 + 3 * 2 ** 20),
      ]);
      const refuse = (bytes: Buffer) => assert.ok(!readRequest(bytes, { variant: 'delta', only: undefined }).ok);
      const decode = (bytes: Buffer) => {
        try {
          DeltaDiscoveryRequest.decode(bytes);
        } catch {
          // What it is worth is not asked here.
        }
      };
      // Once before, so that neither is compiled while it is measured.
      for (const bytes of [one, inner]) [refuse, decode].map((read) => read(bytes));
      for (const bytes of [one, inner]) {
        const [refused, decoded] = [cpuOf(() => refuse(bytes)), cpuOf(() => decode(bytes))];
        assert.ok(refused < decoded, `refusing took ${refused} ms, decoding ${decoded} ms`);
      }
    });
  }
});
