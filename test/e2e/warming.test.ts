import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEnvoy } from '../../src/app/findEnvoy.ts';
import { bootstrap } from '../../src/envoy/bootstrap.ts';
import { fromAds, packAny, socketAddress } from '../../src/envoy/pack.ts';
import { Cluster, Cluster_DiscoveryType } from '../../src/gen/envoy/config/cluster/v3/cluster.ts';
import { ClusterLoadAssignment } from '../../src/gen/envoy/config/endpoint/v3/endpoint.ts';
import { Any } from '../../src/gen/google/protobuf/any.ts';
import { ok } from '../../src/lib/result.ts';
import { secret } from '../../src/lib/secret.ts';
import { controlPlaneId, type TrustDomain } from '../../src/spiffe/spiffeId.ts';
import { type Snapshot, TYPE } from '../../src/xds/resource.ts';
import { type StreamEvent, type StreamId, startXdsServer, type XdsServer } from '../../src/xds/server.ts';
import { serverTls, tls } from '../support/controlPlaneTls.ts';
import { type EnvoyAdmin, envoyAdmin } from '../support/envoyAdmin.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/loopback.ts';
import { type Running, start } from '../support/processes.ts';

const only = (name: string, version: string, any: Any) =>
  new Map([[name, { name, version, any: Any.encode(any).finish() }]]);

/** One cluster whose endpoints come by ADS; the version is its connect timeout. */
const snapshotOf = (version: number): Snapshot => {
  const cluster = Cluster.fromPartial({
    name: 'a',
    clusterDiscoveryType: { $case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: fromAds() },
    connectTimeout: { seconds: BigInt(version), nanos: 0 },
  });
  const host = { $case: 'endpoint', value: { address: socketAddress('127.0.0.1', 9) } } as const;
  const endpoints = ClusterLoadAssignment.fromPartial({
    clusterName: 'a',
    endpoints: [{ lbEndpoints: [{ hostIdentifier: host }] }],
  });
  return new Map([
    [TYPE.cds, only('a', `${version}`, packAny(Cluster, cluster))],
    [TYPE.eds, only('a', '1', packAny(ClusterLoadAssignment, endpoints))],
  ]);
};

describe('a sidecar whose stream breaks', function () {
  this.timeout(60_000);

  let server: XdsServer;
  let envoy: Running;
  let admin: EnvoyAdmin;
  let stream: StreamId;
  let cutAtClusters = false;
  let snapshot = snapshotOf(1);
  const sent: string[] = [];

  const end = (id: StreamId): void => server.end(id, { code: 'unavailable', message: 'cut' });
  const onEvent = (event: StreamEvent): void => {
    if (event.kind !== 'sent') return;
    sent.push(event.type);
    if (!cutAtClusters || event.type !== TYPE.cds) return;
    cutAtClusters = false;
    // The clusters go out, and nothing after them.
    queueMicrotask(() => end(event.stream));
  };
  const clustersTaken = (): Promise<number> => admin.stat(/^cluster_manager\.cds\.update_success$/);
  const isWarm = async (): Promise<void> => assert.equal(await admin.stat(/^cluster_manager\.warming_clusters$/), 0);

  before(async () => {
    server = await startXdsServer<undefined>({
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls,
      authenticate: async () => ok(undefined),
      admit: async (_caller, _node, id) => {
        stream = id;
        server.publish(id, snapshot);
        return ok(undefined);
      },
      onEvent,
    });
    const at = { host: '127.0.0.1', port: await freePort() };
    admin = envoyAdmin(at);
    const config = bootstrap({
      nodeId: 'prod/web/1',
      credential: { token: secret('token') },
      xds: server.address(),
      channelAnchorPem: tls.chainPem,
      serverIds: [controlPlaneId('shop.example' as TrustDomain)],
      outbound: { host: '127.0.0.1', port: 15_001 },
      envoyAdmin: at,
    });
    const file = join(await mkdtemp(join(tmpdir(), 'signet-warming-')), 'envoy.json');
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const flags = ['--disable-hot-restart', '--concurrency', '1', '-l', 'error'];
    envoy = start('envoy', findEnvoy().path, ['-c', file, ...flags]);
    await eventually(async () => assert.equal(await admin.ready(), true));
  });

  after(async () => {
    await envoy?.stop();
    await server?.close(500);
  });

  it('is sent no endpoints again that it holds', async () => {
    sent.length = 0;
    const before = stream;
    end(stream);
    await eventually(() => assert.notEqual(stream, before));
    snapshot = snapshotOf(2);
    server.publish(stream, snapshot);
    await eventually(async () => assert.equal(await clustersTaken(), 2));
    await isWarm();
    // Those that follow their changed cluster, and none for having come back.
    assert.equal(sent.filter((type) => type === TYPE.eds).length, 1);
  });

  it('between a changed cluster and its endpoints gets these when it is back, and goes on', async () => {
    cutAtClusters = true;
    snapshot = snapshotOf(3);
    server.publish(stream, snapshot);
    await eventually(async () => assert.equal(await clustersTaken(), 3));
    await eventually(isWarm);
    snapshot = snapshotOf(4);
    server.publish(stream, snapshot);
    await eventually(async () => assert.equal(await clustersTaken(), 4));
    await eventually(isWarm);
  });
});
