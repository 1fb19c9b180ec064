import assert from 'node:assert/strict';
import { TestControl } from '../../support/controlPlane.ts';

/** Signet asks Envoys what they hold. Nobody may send it anywhere else. */
describe('the admin port that a sidecar names', () => {
  let test: TestControl;
  beforeEach(async () => {
    test = await TestControl.start('mesh: { trustDomain: shop.example }\nservices: { web: {} }\n');
  });
  afterEach(() => test.close());

  const asked = async (from: string, admin: unknown): Promise<string | undefined> => {
    const node = `default/web/${Math.random().toString(36).slice(2)}`;
    const stream = await test.connect(await test.token('default/web'), node, from, { 'signet.envoy-admin': admin });
    assert.ok(typeof stream === 'string');
    const found = test.control.rotation.holders().find((one) => one.stream === stream)?.envoyAdmin;
    return found && `${found.host} ${found.port}`;
  };

  it('is asked on loopback, if the sidecar is on this host', async () => {
    assert.equal(await asked('127.0.0.1', '127.0.0.1:9901'), '127.0.0.1 9901');
    assert.equal(await asked('::1', '127.0.0.1:9901'), '127.0.0.1 9901');
  });

  it('is asked at the address that its stream comes from', async () => {
    assert.equal(await asked('10.0.0.7', '10.0.0.7:9901'), '10.0.0.7 9901');
    assert.equal(await asked('::ffff:10.0.0.7', '10.0.0.7:9901'), '10.0.0.7 9901');
  });

  it('is asked nowhere else: not on loopback of this host for another one, nor at a third one’s', async () => {
    for (const [from, admin] of [
      ['10.0.0.7', '127.0.0.1:9901'],
      ['10.0.0.7', '[::1]:9901'],
      ['10.0.0.7', '10.0.0.8:9901'],
      ['10.0.0.7', '169.254.169.254:80'],
      ['127.0.0.1', '10.0.0.7:9901'],
      ['127.0.0.1', 'localhost:9901'],
      ['127.0.0.1', 'metadata.internal:80'],
      ['127.0.0.1', '127.0.0.1:0'],
      ['127.0.0.1', '127.0.0.1'],
      ['127.0.0.1', 'http://127.0.0.1:9901/x'],
      ['127.0.0.1', { host: '127.0.0.1' }],
    ] as const)
      assert.equal(await asked(from, admin), undefined, `${from} ${String(admin)}`);
  });
});
