import assert from 'node:assert/strict';
import { checkHealth } from '../../../src/control/health/checks.ts';
import { TYPE, type TypeName } from '../../../src/xds/resource.ts';
import type { StreamId } from '../../../src/xds/server.ts';
import { TestControl } from '../../support/controlPlane.ts';
import { NO_ROTATION } from '../../support/idleRotation.ts';

const meshOf = (path: string, more = ''): string => `mesh:
  trustDomain: shop.example
namespaces:
  prod:
    services:
      web: {}
      orders:
        ports: [8080:3001/http]
        allow: [{ from: web, to: GET /${path}/* }]${more}
`;

const TYPES: readonly TypeName[] = ['cds', 'eds', 'sds', 'lds', 'rds'];

describe('quarantine', () => {
  let test: TestControl;
  let token: string;

  beforeEach(async () => {
    test = await TestControl.start(meshOf('good'));
    token = await test.token('prod/orders');
  });
  afterEach(() => test.close());

  const connect = async (instance: string): Promise<StreamId> => {
    const stream = await test.connect(token, `prod/orders/${instance}`, '10.0.0.7');
    if (typeof stream !== 'string') throw new Error(stream.message);
    return stream;
  };
  const published = (stream: StreamId, type: TypeName): ReadonlyMap<string, string> => {
    const last = test.published.filter((p) => p.stream === stream).at(-1);
    return new Map([...(last?.snapshot.get(TYPE[type])?.values() ?? [])].map((r) => [r.name, r.version]));
  };
  const versionOf = (stream: StreamId, name = 'inbound/8080'): string => published(stream, 'rds').get(name) ?? 'none';
  const takes = async (stream: StreamId, ...types: readonly TypeName[]): Promise<void> => {
    const at = test.clock.now();
    for (const type of types) {
      const taken = published(stream, type);
      test.event({ kind: 'acked', stream, at, type: TYPE[type], version: 'v', taken, stillRefused: false });
    }
    await test.clock.advance(10);
  };
  const settles = async (stream: StreamId): Promise<void> => {
    await takes(stream, ...TYPES);
    const held = new Map(TYPES.map((type) => [TYPE[type], published(stream, type)]));
    test.event({ kind: 'progress', stream, at: test.clock.now(), progress: 'settled', held });
    await test.clock.advance(10);
  };
  const refuses = async (stream: StreamId, error = 'too large', name = 'inbound/8080', type: TypeName = 'rds') => {
    const version = published(stream, type).get(name) ?? 'none';
    const resources = [{ name, version }];
    const at = test.clock.now();
    test.event({ kind: 'nacked', stream, at, type: TYPE[type], version: 'n', resources, removed: [], error });
    test.event({ kind: 'progress', stream, at, progress: 'refused', held: new Map() });
    await test.clock.advance(10);
  };
  /** Two replicas that have the good state, and of which the first refused what was saved then. */
  const twoAndARefusal = async (): Promise<{ a: StreamId; b: StreamId; good: string; bad: string }> => {
    const [a, b] = [await connect('a'), await connect('b')];
    for (const stream of [a, b]) await settles(stream);
    const good = versionOf(a);
    await test.save(meshOf('bad'));
    const bad = versionOf(a);
    assert.notEqual(bad, good);
    await refuses(a);
    return { a, b, good, bad };
  };

  it('keeps what one sidecar refused from the others, from joiners and from who comes back', async () => {
    const { a, b, good } = await twoAndARefusal();
    assert.deepEqual([versionOf(a), versionOf(b)], [good, good]);
    assert.equal(versionOf(await connect('c')), good);
    test.event({ kind: 'closed', stream: a, at: test.clock.now() });
    assert.equal(versionOf(await connect('a')), good);
  });

  it('is over with other content, for everybody', async () => {
    const { a, b, good, bad } = await twoAndARefusal();
    await test.save(meshOf('better'));
    const better = versionOf(b);
    assert.ok(better !== good && better !== bad);
    assert.equal(versionOf(a), better);
    assert.deepEqual(test.control.quarantined(), []);
  });

  it('is loud: status names the resource, its line, who refused it and why, and how many are kept from it', async () => {
    const { a, b, bad } = await twoAndARefusal();
    const { quarantined, sidecars } = test.control.status();
    assert.equal(quarantined.length, 1);
    const [shown] = quarantined;
    assert.match(shown?.source ?? '', /mesh\.yaml:\d+$/);
    assert.deepEqual(
      { ...shown, source: '', since: '' },
      {
        service: 'prod/orders',
        type: 'rds',
        resource: 'inbound/8080',
        version: bad,
        source: '',
        since: '',
        refusedBy: ['prod/orders/a'],
        error: 'too large',
        takenByOthers: false,
        keeping: 2,
        without: 0,
      },
    );
    assert.ok(test.log.some((sentence) => /^quarantined until its content changes/.test(sentence)));
    for (const stream of [a, b]) await settles(stream);
    // Whoever took all that it was sent still lacks what the mesh says.
    assert.deepEqual(
      test.control.status().sidecars.map(({ progress }) => progress),
      ['refused', 'refused'],
    );
    assert.equal(sidecars.length, 2);
    assert.equal(test.converged.length, 0);
  });

  it('shows the NACK beside the earlier version that was taken again in its place', async () => {
    const { a } = await twoAndARefusal();
    await takes(a, 'rds');
    const shown = test.control.status().sidecars[0]?.types.rds;
    assert.deepEqual([shown?.acked, shown?.nacked], ['v', 'n']);
    assert.match(shown?.error ?? '', /^too large \(from .*mesh\.yaml:\d+\)$/);
    assert.ok(shown?.ackedAt && shown.nackedAt && shown.nackedAt <= shown.ackedAt);
    await test.save(meshOf('better'));
    await takes(a, 'rds');
    assert.equal(test.control.status().sidecars[0]?.types.rds?.nacked, null);
  });

  it('does not concern what another sidecar took: that is the matter of the one that refused it', async () => {
    const [a, b] = [await connect('a'), await connect('b')];
    for (const stream of [a, b]) await settles(stream);
    const good = versionOf(a);
    await test.save(meshOf('bad'));
    const next = versionOf(b);
    await takes(b, 'rds');
    await refuses(a);
    assert.deepEqual([versionOf(a), versionOf(b), versionOf(await connect('c'))], [good, next, next]);
    test.event({ kind: 'closed', stream: a, at: test.clock.now() });
    assert.equal(versionOf(await connect('a')), good);
    assert.equal(test.control.status().quarantined[0]?.takenByOthers, true);
  });

  it('ends where a sidecar takes after all what another refused', async () => {
    const [a, b] = [await connect('a'), await connect('b')];
    for (const stream of [a, b]) await settles(stream);
    await test.save(meshOf('bad'));
    const taken = published(b, 'rds');
    await refuses(a);
    // Its answer to what it was sent before the quarantine.
    test.event({
      kind: 'acked',
      stream: b,
      at: test.clock.now(),
      type: TYPE.rds,
      version: 'v',
      taken,
      stillRefused: false,
    });
    await test.clock.advance(10);
    assert.equal(versionOf(b), taken.get('inbound/8080'));
  });

  it('does not come of what is local to a host: a taken port is no fault of the listener', async () => {
    const [a, b] = [await connect('a'), await connect('b')];
    for (const stream of [a, b]) await settles(stream);
    await test.save(meshOf('good').replace('8080', '8081'));
    const listener = published(b, 'lds').get('inbound/8081');
    const words = "Error adding/updating listener(s) inbound/8081: cannot bind '10.0.0.7:8081': Address already in use";
    await refuses(a, words, 'inbound/8081', 'lds');
    assert.deepEqual(test.control.quarantined(), []);
    assert.equal(published(await connect('c'), 'lds').get('inbound/8081'), listener);
    assert.equal(published(b, 'lds').get('inbound/8081'), listener);
  });

  it('does not come of secrets, nor cross from one service to another', async () => {
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    assert.ok(typeof web === 'string');
    const a = await connect('a');
    for (const stream of [web, a]) await settles(stream);
    await test.control.renew('prod/orders');
    await test.clock.advance(10);
    const id = 'spiffe://shop.example/ns/prod/sa/orders';
    const renewed = published(a, 'sds').get(id);
    await refuses(a, 'bad key', id, 'sds');
    assert.equal(published(a, 'sds').get(id), renewed);
    assert.deepEqual(test.control.quarantined(), []);
    await test.save(meshOf('bad', '\n      third: { ports: [8080:3001/http], allow: [web, orders] }'));
    const shared = published(web, 'eds').get('prod/third/8080');
    await settles(web);
    await refuses(a, 'no', 'prod/third/8080', 'eds');
    assert.equal(published(web, 'eds').get('prod/third/8080'), shared);
    assert.equal(test.control.quarantined()[0]?.service, 'prod/orders');
  });

  it('is sent as it is where no version is known to be good: left out, it would be taken from who has an older one', async () => {
    const a = await connect('a');
    const first = versionOf(a);
    await refuses(a);
    assert.deepEqual([versionOf(a), versionOf(await connect('b'))], [first, first]);
    const [shown] = test.control.quarantined();
    assert.deepEqual([shown?.keeping, shown?.without], [0, 2]);
  });

  it('blames of a refusal without names only what nobody took', async () => {
    const { a, b } = { a: await connect('a'), b: await connect('b') };
    for (const stream of [a, b]) await settles(stream);
    await test.save(meshOf('bad'));
    const resources = [...published(a, 'rds')].map(([name, version]) => ({ name, version }));
    assert.ok(resources.length > 1);
    const at = test.clock.now();
    test.event({ kind: 'nacked', stream: a, at, type: TYPE.rds, version: 'n', resources, removed: [], error: 'no' });
    await test.clock.advance(10);
    assert.deepEqual(
      test.control.quarantined().map(({ resource }) => resource),
      ['inbound/8080'],
    );
  });

  it('keeps the clusters that an old route still refers to until the new one is taken', async () => {
    const uses = (name: string): string =>
      meshOf('good', `\n      ${name}: { ports: [8080:3001/http], allow: [orders] }`);
    await test.save(uses('old'));
    const [a, b] = [await connect('a'), await connect('b')];
    for (const stream of [a, b]) await settles(stream);
    await test.save(uses('new'));
    await refuses(a, 'no', 'outbound');
    const clusters = (stream: StreamId): readonly string[] =>
      [...published(stream, 'cds').keys()].filter((name) => /old|new/.test(name)).sort();
    assert.deepEqual(clusters(b), ['prod/new/8080', 'prod/old/8080']);
    await test.save(uses('newer'));
    assert.deepEqual(
      [...published(b, 'cds').keys()].filter((name) => /old|new/.test(name)),
      ['prod/newer/8080'],
    );
  });

  it('does not take for good what a starting sidecar did not ask for yet: it settles on its clusters before that', async () => {
    const [a, b] = [await connect('a'), await connect('b')];
    await settles(b);
    const good = versionOf(b);
    await test.save(meshOf('bad'));
    await takes(a, 'cds');
    const held = new Map([[TYPE.cds, published(a, 'cds')]]);
    test.event({ kind: 'progress', stream: a, at: test.clock.now(), progress: 'settled', held });
    await refuses(a);
    assert.deepEqual([versionOf(a), versionOf(b), versionOf(await connect('c'))], [good, good, good]);
  });

  it('is not forgotten for a sidecar that was in hand with the mesh from before', async () => {
    const [a, b] = [await connect('a'), await connect('b')];
    for (const stream of [a, b]) await settles(stream);
    const good = versionOf(a);
    let release = (): void => {};
    test.svids.slow.set('prod/orders/a', new Promise((resolve) => (release = resolve)));
    await test.control.renew('prod/orders');
    await test.save(meshOf('bad'));
    assert.notEqual(versionOf(b), good);
    await refuses(b);
    test.svids.slow.clear();
    release();
    await test.clock.advance(10);
    assert.deepEqual([versionOf(a), versionOf(b)], [good, good]);
  });

  it('is a failure of signet check for as long as it stands, also when who refused is gone', async () => {
    const { a, b } = await twoAndARefusal();
    await settles(b);
    test.event({ kind: 'closed', stream: a, at: test.clock.now() });
    const report = checkHealth({ ...(await test.control.health()), version: '1', ...NO_ROTATION });
    assert.equal(report.healthy, false);
    const [line] = report.findings.filter(({ level }) => level === 'failure');
    assert.match(
      `${line?.code} ${line?.message}`,
      /^CHK0302 rds inbound\/8080 \(.*mesh\.yaml:\d+\) of prod\/orders is in quarantine: 1 sidecar has the version from before; refused by prod\/orders\/a: too large$/,
    );
  });

  it('is forgotten with its service', async () => {
    await twoAndARefusal();
    await test.save(meshOf('bad').replace('orders:', 'invoices:'));
    assert.deepEqual(test.control.quarantined(), []);
  });
});
