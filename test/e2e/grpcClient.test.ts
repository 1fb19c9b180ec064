import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { grpcApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type GrpcClient, startGrpcClient } from '../support/grpcClient.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { createToken, takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (port: number, allowed: string): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: [payments, closed] }
      other: {}
      payments: { ports: [8080:${port}/grpc], allow: [${allowed}] }
      closed: { ports: [8081:${port}/grpc], allow: [other] }
      open: { ports: [8082:${port}/grpc], mtls: disable, allow: [{ from: anyone }] }
      secret: { ports: [8083:${port}/grpc], allow: [other] }
`;

const TARGETS = ['payments', 'payments.prod', 'payments.prod:8080', 'closed.prod', 'secret.prod', 'ghost.prod'];
const WEB = 'spiffe://shop.example/ns/prod/sa/web';

describe('a gRPC client that speaks xDS itself (grpc-js-xds)', function () {
  this.timeout(120_000);
  const world = useWorld();
  let [mesh, port, client]: [TestMesh?, number?, GrpcClient?] = [];
  let payments: Sidecar | undefined;

  const running = (): { mesh: TestMesh; port: number; client: GrpcClient } => {
    assert.ok(mesh !== undefined && port !== undefined && client !== undefined);
    return { mesh, port, client };
  };

  /** Ten calls in a row end so. */
  const steadily = (target: string, code: status): Promise<void> =>
    eventually(async () => {
      const last = running().client.said(`xds:///${target}`).slice(-10);
      assert.equal(last.length, 10);
      for (const said of last) assert.equal(said.code, code, `${target}: ${said.details}`);
    }, 40_000);

  before(async () => {
    port = world.own(await grpcApp()).port;
    mesh = await world.mesh(meshYaml(port, 'web'));
    [payments] = await world.sidecars(mesh, 'prod/payments', 'prod/closed', 'prod/open', 'prod/secret');
    const member = await takeCertificate(mesh, 'prod/web', WEB);
    const token = await createToken(mesh, 'prod/web');
    const targets = [...TARGETS, 'open.prod'].map((name) => `xds:///${name}`);
    client = world.own(await startGrpcClient(mesh, { nodeId: 'prod/web/grpc', token, member }, targets));
  });

  it('resolves xds:///payments.prod and its other names, and calls it with mTLS', async () => {
    for (const name of ['payments', 'payments.prod', 'payments.prod:8080']) await steadily(name, status.OK);
  });

  it('calls a port without mTLS in plaintext', () => steadily('open.prod', status.OK));

  it('is refused by the server where its identity may not call', () =>
    steadily('closed.prod', status.PERMISSION_DENIED));

  it('acked everything, and nobody is told to call it', async () => {
    const node = (await running().mesh.status()).sidecars.find((sidecar) => sidecar.node === 'prod/web/grpc');
    const types = Object.entries(node?.types ?? {}).filter(([, { sent }]) => sent !== null);
    assert.deepEqual(types.map(([type]) => type).sort(), ['cds', 'eds', 'lds']);
    for (const [type, { sent, acked, nacked, error }] of types)
      assert.deepEqual([acked, nacked], [sent, null], `${type} ${error}`);
  });

  it('follows a policy, a second endpoint and the end of the first without a failed call', async () => {
    const { mesh: served, port: target } = running();
    await served.save(meshYaml(target, 'other'));
    await steadily('payments.prod', status.PERMISSION_DENIED);
    await served.save(meshYaml(target, 'web, other'));
    await steadily('payments.prod', status.OK);
    const before = running().client.said('xds:///payments.prod').length;
    const another = await world.sidecar(served, 'prod/payments');
    await eventually(async () =>
      assert.ok((await another.envoy.stat(/^http\.inbound\/8080\.downstream_rq_2xx$/)) > 0, 'it is not called yet'),
    );
    await payments?.stop();
    await steadily('payments.prod', status.OK);
    const failed = running()
      .client.said('xds:///payments.prod')
      .slice(before)
      .filter(({ code }) => code !== status.OK);
    assert.deepEqual(failed, []);
  });

  it('resolves no name that is none of its business, existing or not', () =>
    eventually(() => {
      // grpc-js-xds waits 15 s of its own for a name that it was told does not exist.
      for (const name of ['ghost.prod', 'secret.prod']) {
        const codes = running()
          .client.said(`xds:///${name}`)
          .map(({ code }) => code);
        assert.ok(codes.length >= 2, `${name}: ${codes}`);
        const unresolved: readonly number[] = [status.DEADLINE_EXCEEDED, status.UNAVAILABLE];
        for (const code of codes) assert.ok(unresolved.includes(code), `${name}: ${code}`);
      }
    }, 20_000));
});
