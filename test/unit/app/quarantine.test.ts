import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { compose, type Running } from '../../../src/app/compose.ts';
import { type AdsClient, type AdsResource, openAds } from '../../support/adsClient.ts';
import { runCli } from '../../support/cli.ts';
import { until } from '../../support/until.ts';
import { anchorOf, TYPE_URL } from '../../support/workload.ts';

const meshOf = (path: string): string => `mesh: { trustDomain: shop.example }
services:
  web: {}
  orders:
    ports: [8080:3001/http]
    allow: [{ from: web, to: GET /${path}/* }]
`;

/** Over real streams, with clients that refuse by content as Envoy does. */
describe('what one sidecar of a running Signet refuses', function () {
  this.timeout(20_000);
  let folder: string;
  let running: Running;
  let clients: AdsClient[];
  let token: string;
  let anchorPem: string;

  const signet = async (...words: readonly string[]): Promise<string> => {
    const place = ['--server', `http://127.0.0.1:${running.admin.port}`];
    const { code, stdout, stderr } = await runCli([
      ...words,
      ...place,
      '--admin-token-file',
      join(folder, 'data/admin.token'),
    ]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const save = (path: string): Promise<void> => writeFile(join(folder, 'mesh.yaml'), meshOf(path));

  beforeEach(async () => {
    clients = [];
    folder = await mkdtemp(join(tmpdir(), 'signet-quarantine-'));
    await save('first');
    running = await compose({
      config: join(folder, 'mesh.yaml'),
      data: join(folder, 'data'),
      xds: { host: '127.0.0.1', port: 0 },
      admin: { host: '127.0.0.1', port: 0 },
      env: {},
      log: pino({ enabled: false }),
    });
    anchorPem = anchorOf(JSON.parse(await signet('bootstrap', 'default/orders')));
    token = (await signet('token', 'create', 'default/orders', '--uses', '9')).trim();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await running.close();
    await rm(folder, { recursive: true });
  });

  type Replica = { readonly client: AdsClient; readonly sent: AdsResource[]; readonly policy: () => string };

  /** A replica that refuses what speaks of `refuses`, without a name, and takes everything else. */
  const replica = (instance: string, refuses: string, held: readonly AdsResource[] = []): Replica => {
    const client = openAds({
      address: running.xds,
      anchorPem,
      serverId: 'spiffe://shop.example/signet/control-plane',
      token,
      nodeId: `default/orders/${instance}`,
    });
    clients.push(client);
    const sent: AdsResource[] = [];
    let policy = held.at(-1)?.value.toString('latin1') ?? '';
    client.onResponse((response) => {
      if (response.type !== TYPE_URL.rds) return client.ack(response);
      sent.push(...response.resources);
      const bad = response.resources.some(({ value }) => value.toString('latin1').includes(refuses));
      if (bad) return client.nack(response, 'missing ): (');
      policy = response.resources.at(-1)?.value.toString('latin1') ?? policy;
      client.ack(response);
    });
    for (const type of [TYPE_URL.cds, TYPE_URL.lds]) client.ask(type);
    client.ask(TYPE_URL.sds, { subscribe: ['spiffe://shop.example/ns/default/sa/orders', 'spiffe://shop.example'] });
    client.ask(TYPE_URL.rds, {
      subscribe: ['inbound/8080'],
      initialResourceVersions: Object.fromEntries(held.map(({ name, version }) => [name, version])),
    });
    return { client, sent, policy: () => policy };
  };

  const says = (one: Replica, path: string): Promise<void> => until(() => one.policy().includes(`/${path}`));
  const quarantined = async (): Promise<readonly { refusedBy: string[]; keeping: number }[]> =>
    JSON.parse(await signet('status', '-o', 'json')).quarantined;

  it('is not sent to those who join or come back: they get the last good version, and all get the mended one', async () => {
    const a = replica('a', 'second');
    const b = replica('b', 'second');
    for (const one of [a, b]) await says(one, 'first');
    await save('second');
    await until(async () => (await quarantined()).some(({ keeping }) => keeping === 2));
    const c = replica('c', 'second');
    await says(c, 'first');
    assert.ok(!c.sent.some(({ value }) => value.includes('second')));
    a.client.close();
    const again = replica('a', 'second', a.sent.slice(0, 1));
    await until(async () => (await quarantined()).some(({ keeping }) => keeping === 3));
    assert.equal(again.sent.length, 0);
    const shown = await signet('status');
    assert.match(
      shown,
      /! quarantined: route inbound\/8080 \(.*mesh\.yaml:\d+\) of default\/orders refused by default\/orders\/[ab].*: missing \): \(; 3 sidecars keep the version from before/,
    );
    const metrics = await (await fetch(`http://127.0.0.1:${running.admin.port}/metrics`)).text();
    assert.match(metrics, /^signet_xds_quarantined_resources\{type="rds"\} 1$/m);
    assert.match(metrics, /^signet_xds_quarantined_resources\{type="lds"\} 0$/m);
    await save('third');
    for (const one of [b, c, again]) await says(one, 'third');
    assert.deepEqual(await quarantined(), []);
  });

  it('stays with it alone where another takes it', async () => {
    const [a, b] = [replica('a', 'second'), replica('b', 'nothing')];
    for (const one of [a, b]) await says(one, 'first');
    await save('second');
    await says(b, 'second');
    await until(async () => (await quarantined()).some(({ keeping }) => keeping === 1));
    await says(replica('c', 'nothing'), 'second');
    await says(b, 'second');
    assert.ok(a.policy().includes('/first'));
    assert.match(await signet('status'), /refused by default\/orders\/a: .*; 1 sidecar keeps .*, others took it/);
  });
});
