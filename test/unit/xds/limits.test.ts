import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ok } from '../../../src/lib/result.ts';
import { newAdmissions } from '../../../src/xds/admissions.ts';
import { newAllowance } from '../../../src/xds/allowance.ts';
import { leastWelcome, sourceOf } from '../../../src/xds/crowd.ts';
import { newFairQueue } from '../../../src/xds/fairQueue.ts';
import { newFirsts } from '../../../src/xds/firsts.ts';
import { LIMITS } from '../../../src/xds/limits.ts';
import { newNodes } from '../../../src/xds/nodes.ts';
import { redact } from '../../../src/xds/redact.ts';
import { readRequest } from '../../../src/xds/request.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { encodeRequest } from '../../support/adsClient.ts';
import { cpuOf } from '../../support/cpu.ts';

describe('the fair queue', () => {
  it('gives every key its turn, and keeps the order within a key', () => {
    const queue = newFairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) queue.push(item.slice(0, 1), item);
    const taken = Array.from({ length: 7 }, () => queue.take());
    assert.deepEqual(taken, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', undefined]);
  });
});

describe('an allowance', () => {
  it('gives a burst at once and then so much a second', () => {
    const allowance = newAllowance({ burst: 3, perSecond: 2 });
    assert.deepEqual(
      [1, 1, 1, 1, 1].map((cost) => allowance.spend(cost, 1_000)),
      [0, 0, 0, 500, 1_000],
    );
    assert.equal(allowance.spend(1, 2_500), 0);
    // An hour of silence saves no more than one burst, and a clock that is set back takes nothing.
    assert.equal(allowance.spend(3, 3_602_500), 0);
    assert.equal(allowance.spend(1, 0), 500);
  });
});

describe('a crowd of strangers', () => {
  const crowd = (sources: string): { source: string; since: number }[] =>
    [...sources].map((source, at) => ({ source, since: at }));

  it('loses the oldest of those sources that have more than their share', () => {
    const gone = leastWelcome(crowd('abaaaacaa'), 5, 0, 100);
    assert.deepEqual(
      gone.map(({ source, since }) => `${source}${since}`),
      ['a0', 'a2', 'a3', 'a4'],
    );
  });

  it('loses nobody within the bound, and nobody who just came', () => {
    assert.deepEqual(leastWelcome(crowd('aaaa'), 4, 0, 100), []);
    const gone = leastWelcome(crowd('aaaa'), 1, 10, 11);
    assert.deepEqual(
      gone.map(({ since }) => since),
      [0, 1],
    );
  });

  it('takes an IPv6 network of one host for one source', () => {
    assert.equal(sourceOf('::ffff:10.0.0.7'), '10.0.0.7');
    assert.equal(sourceOf('10.0.0.7'), '10.0.0.7');
    const one = ['2001:db8:1:2::1', '2001:db8:1:2:ffff:1:2:3', '2001:db8:1:2:0:0:0:9'].map(sourceOf);
    assert.deepEqual(new Set(one), new Set(['2001:db8:1:2::/64']));
    assert.notEqual(sourceOf('2001:db8::1'), sourceOf('2001:db8:0:1::1'));
    assert.equal(sourceOf('a::b:c:d:e:f:1'), 'a:0:b:c::/64');
  });
});

describe('admissions', () => {
  const nobody = (): boolean => false;

  it('run a few at once, and every credential has its turn', async () => {
    const admissions = newAdmissions({ ...LIMITS, admissionsAtOnce: 1 }, () => 0);
    const order: string[] = [];
    const enter = (credential: string, node: string) =>
      admissions.enter({ credential, node, isOver: nobody }, async () => {
        order.push(node);
        return ok(undefined);
      });
    await Promise.all([enter('crowd', 'x1'), enter('crowd', 'x2'), enter('crowd', 'x3'), enter('one', 'y1')]);
    assert.deepEqual(order, ['x1', 'x2', 'y1', 'x3']);
  });

  it('let a node that opens too often wait, and no other; none is refused', async () => {
    const limits = { ...LIMITS, openBurst: 2, opensPerSecond: 20 };
    const admissions = newAdmissions(limits, () => performance.now());
    const began = performance.now();
    const order: string[] = [];
    const enter = async (node: string): Promise<void> => {
      const admitted = await admissions.enter({ credential: '', node, isOver: nobody }, async () => ok(undefined));
      assert.ok(admitted.ok);
      order.push(node);
    };
    await Promise.all([enter('busy'), enter('busy'), enter('busy'), enter('busy'), enter('other')]);
    assert.deepEqual(order, ['busy', 'busy', 'other', 'busy', 'busy']);
    assert.ok(performance.now() - began > 80);
  });

  it('spend nothing on who hung up, and go on after one that throws', async () => {
    const admissions = newAdmissions({ ...LIMITS, admissionsAtOnce: 1 }, () => 0);
    const who = { credential: '', node: 'a', isOver: nobody };
    await assert.rejects(admissions.enter(who, () => Promise.reject(new Error('no disk'))));
    const gone = await admissions.enter({ ...who, isOver: () => true }, () => assert.fail('was admitted'));
    assert.ok(!gone.ok);
    assert.ok((await admissions.enter(who, async () => ok(undefined))).ok);
  });
});

describe('first requests', () => {
  const newCall = () => {
    const closers: (() => void)[] = [];
    const call = {
      closed: false,
      onClose: (then: () => void): void => void closers.push(then),
      close: (): void => {
        call.closed = true;
        for (const then of closers) then();
      },
    };
    return call;
  };

  it('are read while their credential has the time for it, and wait then, and no other does', async () => {
    const firsts = newFirsts({ ...LIMITS, firstBurst: 10, firstMillisPerSecond: 100 }, () => performance.now());
    const read = async (credential: string, cost: number): Promise<number> => {
      const began = performance.now();
      let start = 0;
      const done = await firsts.read(credential, newCall(), () => {
        start = performance.now();
        while (performance.now() < start + cost);
        return credential;
      });
      assert.equal(done?.value, credential);
      const cpu = done?.cpu ?? 0;
      assert.ok(cpu >= cost && cpu < cost + 50, `${cpu}`);
      return start - began;
    };
    assert.ok((await read('greedy', 30)) < 20);
    const [again, other] = await Promise.all([read('greedy', 1), read('other', 1)]);
    assert.ok(again > 150, `${again} ms`);
    assert.ok(other < 50, `${other} ms`);
  });

  it('of those who hang up while they wait are not read, not kept, and not paid by others of the credential', async () => {
    const firsts = newFirsts({ ...LIMITS, firstBurst: 1, firstMillisPerSecond: 10 }, () => performance.now());
    await firsts.read('shared', newCall(), () => {
      const start = performance.now();
      while (performance.now() < start + 2);
    });
    const began = performance.now();
    const calls = Array.from({ length: 400 }, newCall);
    const gone = calls.map((call) => firsts.read('shared', call, () => assert.fail('was read')));
    for (const call of calls) call.close();
    assert.ok((await Promise.all(gone)).every((read) => read === undefined));
    assert.equal((await firsts.read('shared', newCall(), () => 'read'))?.value, 'read');
    // 400 of them would be 10 s of debt.
    assert.ok(performance.now() - began < 2_000);
  });
});

describe('the streams of a node', () => {
  it('share what its requests may cost, and another node has its own', () => {
    let now = 0;
    const nodes = newNodes({ ...LIMITS, requestBurst: 20, requestMillisPerSecond: 50 }, () => now);
    const [one, two, other] = [nodes.join('a', () => {}), nodes.join('a', () => {}), nodes.join('b', () => {})];
    assert.equal(one.spend(20), 0);
    assert.equal(two.spend(5), 100);
    assert.equal(other.spend(5), 0);
    now = 100;
    assert.equal(one.spend(0), 0);
  });

  it('leave no debt behind them: a node that comes again owes what it owed', () => {
    const nodes = newNodes({ ...LIMITS, requestBurst: 20, requestMillisPerSecond: 50 }, () => 0);
    const share = nodes.join('a', () => {});
    share.spend(25);
    share.leave();
    assert.equal(nodes.join('a', () => {}).spend(0), 100);
  });

  it('end with the oldest when there are too many, and not when one left', () => {
    const nodes = newNodes({ ...LIMITS, streamsPerNode: 2 }, () => 0);
    const ended: number[] = [];
    const shares = [1, 2].map((n) => nodes.join('a', () => ended.push(n)));
    shares[0]?.leave();
    nodes.join('a', () => ended.push(3));
    assert.equal(ended.length, 0);
    nodes.join('a', () => ended.push(4));
    assert.deepEqual(ended, [2]);
  });
});

describe('what Envoy quotes', () => {
  it('loses join tokens, bearers and keys, plain, escaped or in base64', () => {
    const token = `signet_0123456789abcdef_${randomBytes(32).toString('base64url')}`;
    const pem = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----';
    const base64 = Buffer.from(pem).toString('base64');
    const shown = redact(`a "Bearer ${token}", Bearer eyJh.x.y; ${pem} {"inlineBytes": "${base64}"} z`, 4096);
    assert.equal(
      shown,
      'a "Bearer signet_0123456789abcdef_[redacted]", Bearer [redacted]; [redacted] {"inlineBytes": "[redacted]"} z',
    );
    assert.equal(redact('cannot bind 0.0.0.0:8080', 11), 'cannot bind');
  });

  it('is cut short in linear time', () => {
    for (const part of [
      '-----BEGIN',
      'Bearer ',
      'LS0tLS1CRUdJTi',
      'signet_0123456789abcdef_',
      '-----BEGIN PRIVATE KEY-----',
    ]) {
      const cost = (times: number): number => cpuOf(() => redact(part.repeat(times), 4096));
      cost(20_000);
      // Ten times the length; what is quadratic would take a hundred times as long.
      assert.ok(cost(200_000) < 40 * Math.max(cost(20_000), 1));
    }
  });
});

describe('a malformed request', () => {
  const cases: Record<string, Buffer> = {
    'an endless group': Buffer.concat([Buffer.from([0x12, 1, 0x61]), Buffer.alloc(100_000, 0x0b)]),
    'a varint without end': Buffer.alloc(64, 0xff),
    'a tag of field 0': Buffer.from([0x02, 0x00]),
    'a length beyond the message': Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    'text that is no UTF-8': Buffer.from([0x12, 2, 0xc3, 0x28]),
    'a node that is a varint': Buffer.from([0x08, 0x01]),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    it(`of ${what} is a sentence`, () => {
      for (const variant of ['delta', 'sotw'] as const) {
        const read = readRequest(bytes, { variant, only: undefined });
        assert.ok(!read.ok && read.error.length < 300, what);
      }
    });
  }

  it('of a giant map is read in the time of its bytes', () => {
    const cost = (entries: number): number => {
      const initialResourceVersions = Object.fromEntries(Array.from({ length: entries }, (_, i) => [`n${i}`, 'v']));
      const bytes = encodeRequest(TYPE.eds, { initialResourceVersions }, undefined);
      return cpuOf(() => assert.ok(readRequest(bytes, { variant: 'delta', only: undefined }).ok));
    };
    cost(5_000);
    // Twenty times the entries; what is quadratic would take four hundred times as long.
    assert.ok(cost(100_000) < 100 * Math.max(cost(5_000), 1));
  });
});
