import assert from 'node:assert/strict';
import { type AdminOf, startAdminOf } from '../../support/adminOf.ts';
import { TestControl } from '../../support/controlPlane.ts';

describe('signet ca revoke', () => {
  let test: TestControl;
  let server: AdminOf;

  before(async () => {
    test = await TestControl.start('mesh: { trustDomain: shop.example }\nservices: { web: {} }\n');
    const stream = await test.connect(await test.token('default/web'), 'default/web/1');
    assert.equal(typeof stream, 'string');
    await test.clock.advance(1_000);
    server = await startAdminOf(test);
  });
  after(async () => {
    await server.close();
    await test.close();
  });

  it('refuses to wait for what --dry-run does not do, with 2 and one sentence', async () => {
    for (const wait of [['--wait'], ['--timeout', '5s']]) {
      const { code, stdout, stderr } = await server.run('ca', 'revoke', 'default/web', '--dry-run', ...wait);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^signet: --dry-run does nothing, so there is nothing to wait for: [^\n]+\n$/);
    }
    assert.deepEqual(test.control.status().revocations, []);
  });

  it('says of another reason for what was revoked before that the first one stays', async () => {
    const serial = test.control.certificates.inUse()[0]?.serial ?? '';
    const revoke = async (...args: readonly string[]): Promise<string> =>
      (await server.run('ca', 'revoke', serial, ...args)).stdout;
    const kept = /! it was revoked before, and keeps its reason: stolen\n/;
    assert.doesNotMatch(await revoke('--reason', 'stolen'), kept);
    assert.doesNotMatch(await revoke('--reason', 'stolen'), kept);
    assert.doesNotMatch(await revoke(), kept);
    assert.match(await revoke('--reason', 'sold'), kept);
  });
});
