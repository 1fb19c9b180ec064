import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import type { AdsClient } from '../support/adsClient.ts';
import { httpApp } from '../support/apps.ts';
import { eventually, untilMoment } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import { webAndOrders } from '../support/webAndOrders.ts';
import { createToken, stranger, TYPE_URL, type Workload } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const WEB = 'spiffe://shop.example/ns/prod/sa/web';

type Listed = {
  readonly id: string;
  readonly service: string;
  readonly joined: number;
  readonly instances: readonly { readonly node: string }[];
};

describe('join tokens', function () {
  this.timeout(60_000);
  const world = useWorld();
  let mesh: TestMesh;
  let somebody: Workload;
  const clients: AdsClient[] = [];

  before(async () => {
    mesh = await world.mesh(webAndOrders(world.own(await httpApp('orders')).port));
    somebody = await stranger(mesh, 'prod/web');
  });
  after(() => {
    for (const client of clients) client.close();
  });

  /** How a stream with this token fares: served its certificate, or the status that it ended with. */
  const join = async (
    nodeId: string,
    token: string,
  ): Promise<{ readonly outcome: 'served' | status; readonly client: AdsClient }> => {
    const client = somebody.connect(nodeId, token);
    clients.push(client);
    client.ask(TYPE_URL.sds, { subscribe: [WEB] });
    const outcome = await Promise.race([
      client.next().then(
        () => 'served' as const,
        () => client.ended.then(({ code }) => code),
      ),
      client.ended.then(({ code }) => code),
    ]);
    return { outcome, client };
  };
  const outcomeOf = async (nodeId: string, token: string) => (await join(nodeId, token)).outcome;
  const listed = async (node: string): Promise<Listed | undefined> => {
    const { tokens } = (await mesh.json('token', 'list')) as { readonly tokens: readonly Listed[] };
    return tokens.find(({ instances }) => instances.some((instance) => instance.node === node));
  };

  it('join one instance, unless they say more; coming back is not a use', async () => {
    const token = await createToken(mesh, 'prod/web');
    const first = await join('prod/web/one', token);
    assert.equal(first.outcome, 'served');
    first.client.close();
    for (let i = 0; i < 3; i++) assert.equal(await outcomeOf('prod/web/one', token), 'served');
    assert.equal(await outcomeOf('prod/web/two', token), status.UNAUTHENTICATED);
    assert.equal((await listed('prod/web/one'))?.joined, 1);
  });

  it('join as many instances as --uses says', async () => {
    const token = await createToken(mesh, 'prod/web', '--uses', '2');
    assert.equal(await outcomeOf('prod/web/three', token), 'served');
    assert.equal(await outcomeOf('prod/web/four', token), 'served');
    assert.equal(await outcomeOf('prod/web/five', token), status.UNAUTHENTICATED);
  });

  it('do not take over the node id of an instance that another token joined', async () => {
    const [first, second] = [await createToken(mesh, 'prod/web'), await createToken(mesh, 'prod/web')];
    assert.equal(await outcomeOf('prod/web/six', first), 'served');
    assert.equal(await outcomeOf('prod/web/six', second), status.PERMISSION_DENIED);
  });

  it('are too late after --ttl for a new instance, but not for one that joined', async () => {
    const token = await createToken(mesh, 'prod/web', '--ttl', '2s', '--uses', '5');
    const end = Date.now() + 2_000;
    assert.equal(await outcomeOf('prod/web/seven', token), 'served');
    await untilMoment(end + 50);
    assert.equal(await outcomeOf('prod/web/eight', token), status.UNAUTHENTICATED);
    assert.equal(await outcomeOf('prod/web/seven', token), 'served');
  });

  it('are printed alone, or with what they are by -o json', async () => {
    const { stdout } = await mesh.signet('token', 'create', 'prod/web');
    assert.match(stdout, /^signet_\S+\n$/);
    const made = (await mesh.json('token', 'create', 'prod/web', '--uses', '3')) as Record<string, unknown>;
    assert.deepEqual(Object.keys(made).sort(), ['expires', 'id', 'service', 'token', 'uses']);
    assert.deepEqual([made.service, made.uses], ['prod/web', 3]);
    const { code, stderr } = await mesh.signet('token', 'create', 'prod/wed');
    assert.equal(code, 1);
    assert.match(stderr, /prod\/web/);
  });

  it('when revoked end the streams of all that joined with them, for good; calls go on', async () => {
    const [web] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
    const { id } = (await listed(web.node)) ?? assert.fail('the sidecar’s token is not listed');
    const { code, stderr } = await mesh.signet('token', 'revoke', id);
    assert.equal(code, 0, stderr);
    await eventually(async () => {
      assert.equal(
        (await mesh.status()).sidecars.some(({ node }) => node === web.node),
        false,
      );
      assert.equal(await web.envoy.stat(/^control_plane\.connected_state$/), 0);
    });
    for (let i = 0; i < 20; i++) {
      assert.equal((await web.call({ host: 'orders' })).status, 200);
      assert.equal(
        (await mesh.status()).sidecars.some(({ node }) => node === web.node),
        false,
      );
    }
  });
});
