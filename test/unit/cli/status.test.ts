import assert from 'node:assert/strict';
import { type AdminOf, startAdminOf } from '../../support/adminOf.ts';
import { TestControl } from '../../support/controlPlane.ts';

const MESH = `mesh: { trustDomain: shop.example }
services: { web: {}, orders: { ports: [8080/http], allow: [web] } }
`;

describe('what signet status and check say of a revocation', () => {
  let test: TestControl;
  let server: AdminOf;
  let token: string;

  beforeEach(async () => {
    test = await TestControl.start(MESH);
    server = await startAdminOf(test);
    token = await test.token('default/orders');
    await test.connect(await test.token('default/web'), 'default/web/a');
    await test.connect(token, 'default/orders/here');
    const gone = await test.connect(token, 'default/orders/gone');
    await test.clock.advance(1_000);
    assert.ok(typeof gone === 'string');
    test.event({ kind: 'closed', stream: gone, at: test.clock.now() });
    const done = await test.control.revocation.revoke({ what: 'default/web' });
    assert.ok(done.ok);
    await test.clock.advance(1);
  });
  afterEach(async () => {
    await server.close();
    await test.close();
  });

  const line = async (): Promise<string> =>
    (await server.run('status')).stdout.split('\n').find((text) => text.includes('was revoked at')) ?? '';

  it('keeps apart who has not said so yet, and who is not connected', async () => {
    assert.match(
      await line(),
      /: refused by 0\/1, not yet by default\/orders\/here; not connected: default\/orders\/gone$/,
    );
    const check = (await server.run('check')).stdout;
    assert.match(check, /CHK0516 .* not connected: default\/orders\/gone\n.*`signet token revoke ID`/);
  });

  it('names nobody who cannot come back, because its token was revoked', async () => {
    await test.control.revokeToken(token.split('_')[1] ?? '');
    await test.clock.advance(1_000);
    assert.match(await line(), /: refused by 0\/0$/);
    assert.match((await server.run('check')).stdout, /√ CHK0516 /);
  });
});
