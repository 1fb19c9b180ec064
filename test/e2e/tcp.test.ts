import assert from 'node:assert/strict';
import { type TcpApp, tcpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { converse, openLine } from '../support/tcp.ts';
import { useWorld } from '../support/world.ts';

const BANNER = '220 ledger ready\r\n';

const meshYaml = (ledger: number, greeter: number, allowed = 'ledger, greeter'): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: { "payments:ledger": 9001, "payments:greeter": 9002 } }
      debug: { uses: { "payments:ledger": 9001, "payments:greeter": 9002 } }
      payments:
        ports:
          ledger: 9090:${ledger}/tcp
          greeter: 9091:${greeter}/tcp
        allow:
          - { from: web, to: { ports: [${allowed}] } }
`;

describe('TCP is allowed and denied by identity', function () {
  this.timeout(60_000);
  const world = useWorld();
  let [ledger, greeter]: TcpApp[] = [];
  let mesh: TestMesh;
  let [web, debug, payments]: Sidecar[] = [];
  const port = (sidecar: Sidecar | undefined, local: number) => ({ host: sidecar?.address ?? '', port: local });

  before(async () => {
    [ledger, greeter] = [world.own(await tcpApp()), world.own(await tcpApp(BANNER))];
    mesh = await world.mesh(meshYaml(ledger.port, greeter.port));
    [web, debug, payments] = await world.sidecars(mesh, 'prod/web', 'prod/debug', 'prod/payments');
    await eventually(async () => {
      for (const local of [9001, 9002]) {
        const { received } = await converse(port(web, local), 'hello', { enough: 5, timeout: 1_000 });
        assert.ok(received.length >= 5);
      }
    });
    // The denied caller's way is open too, up to the refusal: its handshakes arrive.
    await eventually(async () => {
      const before = (await payments?.envoy.stat(/^tcp\..*rbac\..*denied$/)) ?? 0;
      await converse(port(debug, 9001), 'hello', { timeout: 500 });
      await eventually(async () => assert.ok(((await payments?.envoy.stat(/rbac\..*denied$/)) ?? 0) > before), 1_000);
    });
  });

  it('carries every byte of an allowed caller both ways', async () => {
    const bytes = Buffer.alloc(1_000_000, 'ledger entry ');
    const { received, end } = await converse(port(web, 9001), bytes, { enough: bytes.length, timeout: 10_000 });
    assert.equal(end, 'enough');
    assert.ok(received.equals(bytes));
  });

  it('lets an allowed caller hear a server that speaks first, once it said a byte itself', async () => {
    const { received } = await converse(port(web, 9002), 'EHLO', { enough: BANNER.length + 4 });
    assert.equal(received.toString(), `${BANNER}EHLO`);
  });

  it('gives a denied caller no byte, and the app no connection', async () => {
    const [connections, bytes] = [ledger?.connections(), ledger?.received().length];
    const { received, end } = await converse(port(debug, 9001), 'let me in');
    assert.equal(received.length, 0);
    assert.ok(end === 'closed' || end === 'reset', end);
    assert.equal(ledger?.connections(), connections);
    assert.equal(ledger?.received().length, bytes);
  });

  it('gives a denied caller no byte of a server that speaks first, whether it speaks or waits', async () => {
    const connections = greeter?.connections();
    const spoke = await converse(port(debug, 9002), 'EHLO');
    const waited = await converse(port(debug, 9002), '', { timeout: 1_000 });
    assert.equal(spoke.received.length, 0);
    assert.equal(waited.received.length, 0);
    assert.equal(greeter?.connections(), connections);
  });

  it('refuses plaintext on a strict TCP port', async () => {
    const connections = ledger?.connections();
    const { received } = await converse({ host: payments?.address ?? '', port: 9090 }, 'plain words\r\n');
    // At most an alert of TLS (type 21), never an echo.
    assert.ok(received.length === 0 || received[0] === 21, received.toString('hex'));
    assert.equal(ledger?.connections(), connections);
  });

  it('a save that takes the allow away cuts live connections of that port within the drain time, and of no other', async () => {
    const [cut, kept] = [world.own(openLine(port(web, 9001))), world.own(openLine(port(web, 9002)))];
    assert.equal(await cut.say('one'), 'one');
    assert.match(await kept.say('one'), /^220/);
    await mesh.save(meshYaml(ledger?.port ?? 0, greeter?.port ?? 0, 'greeter'));
    await eventually(async () => assert.equal((await converse(port(web, 9001), 'new')).received.length, 0));
    await eventually(() => assert.rejects(cut.say('two')), 8_000);
    assert.match(await kept.say('two'), /two|one/);
    assert.equal(await kept.say('three'), 'three');
  });
});
