import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KeepOptions, type KeptCertificate, keepCertificate } from '../../../src/app/keepCertificate.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { settle } from '../../support/fakeClock.ts';
import { until } from '../../support/until.ts';
import { startWired, type WiredControl } from '../../support/wiredControl.ts';

const MESH = `mesh: { trustDomain: shop.example, certificates: { ttl: 20s } }
namespaces:
  prod:
    services:
      web: { ports: [8080:3000/http] }
`;
// Certificates are backdated by 60 s and OpenSSL's clock stands still here, so no test moves on by more than that.
const NODE = 'prod/web/a';

describe('the client certificate that a sidecar keeps', function () {
  this.timeout(15_000);
  let wired: WiredControl;
  let parent: string;
  let folder: string;
  let kept: KeptCertificate | undefined;
  let said: string[];

  beforeEach(async () => {
    wired = await startWired(MESH);
    parent = await mkdtemp(join(tmpdir(), 'signet-kept-'));
    folder = join(parent, 'certificate');
    said = [];
  });
  afterEach(async () => {
    await kept?.close();
    kept = undefined;
    await wired.close();
    await rm(parent, { recursive: true });
  });

  const keep = async (token: string, node = NODE, more: Partial<KeepOptions> = {}): Promise<void> => {
    const { clock } = wired;
    kept = await keepCertificate({ folder, node, join: wired.join(token), say: (s) => said.push(s), clock, ...more });
  };
  /** What the link leads to; the key beside it must be the certificate's. */
  const serial = async (): Promise<string> => {
    const own = join(folder, await readlink(join(folder, 'current')));
    const x509 = new X509Certificate(await readFile(join(own, 'chain.pem')));
    assert.ok(x509.checkPrivateKey(createPrivateKey(await readFile(join(own, 'key.pem')))));
    return x509.serialNumber.toLowerCase();
  };
  /** Lets time pass in steps that real answers can keep up with. */
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      await wired.clock.advance(1_000);
      await settle();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  /** Lets time pass, but no more than that, and tells the serial that took the place of this one. */
  const successor = async (before: string, within: number): Promise<string> => {
    for (let second = 0; second < within && (await serial()) === before; second++) await pass(1);
    await until(async () => (await serial()) !== before);
    return serial();
  };
  const refusedBy = async (attempt: Promise<void>): Promise<AppError> => {
    const error = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof AppError);
    assert.match(error.message, /^[^\n]+$/);
    return error;
  };

  it('is had for the token, without an endpoint or a second instance', async () => {
    await keep(await wired.token('prod/web'));
    assert.equal(await serial(), wired.certificateOf(NODE).serial);
    const { sidecars } = wired.control.status();
    assert.deepEqual(sidecars, []);
    const [token] = wired.control.listTokens();
    assert.deepEqual([token?.joined, token?.instances.map(({ node }) => node)], [1, [NODE]]);
  });

  it('lies in a folder of its user alone, with a key in one file only, and not in the one that Envoy would log', async () => {
    await keep(await wired.token('prod/web'));
    const modes = new Map<string, number>();
    for (const name of ['.', 'secret.json', 'current', 'current/key.pem', 'current/chain.pem']) {
      modes.set(name, (await stat(join(folder, name))).mode & 0o777);
    }
    assert.deepEqual([...modes.values()], [0o700, 0o600, 0o700, 0o600, 0o600]);
    assert.doesNotMatch(await readFile(join(folder, 'secret.json'), 'utf8'), /PRIVATE|BEGIN/);
  });

  it('is renewed from half of its life on, by itself, and the one before is not taken from under a reader', async () => {
    await keep(await wired.token('prod/web'));
    const first = await serial();
    await pass(9);
    assert.equal(await serial(), first);
    const second = await successor(first, 4);
    await eventually(async () => assert.equal((await readdir(folder)).length, 4));
    assert.ok((await readdir(folder)).includes(first));
    const third = await successor(second, 13);
    const fourth = await successor(third, 13);
    assert.equal(new Set([first, second, third, fourth]).size, 4);
    await eventually(async () => assert.equal((await readdir(folder)).length, 4));
    assert.equal(await readlink(join(folder, 'current')), await serial());
    assert.deepEqual([said, wired.refused], [[], []]);
  });

  it('is renewed before it is due when there is a reason, and of a reason that leads nowhere nothing is made', async () => {
    let outdated = true;
    let asked = 0;
    const isOutdated = async (): Promise<boolean> => {
      asked += 1;
      return outdated;
    };
    await wired.save(MESH.replace('20s', '200s'));
    await keep(await wired.token('prod/web'), NODE, { isOutdated });
    const first = await serial();
    await pass(11);
    assert.deepEqual([await serial(), asked], [first, 1], 'Signet has no other one');
    outdated = false;
    await wired.reissue(NODE, 'spiffe://shop.example/ns/prod/sa/web' as never);
    await pass(10);
    assert.deepEqual([await serial(), asked], [first, 2]);
    outdated = true;
    assert.equal(await successor(first, 10), wired.certificateOf(NODE).serial);
    assert.deepEqual(said, []);
  });

  it('is renewed with itself, when the token may bring nobody new any more', async () => {
    await keep(await wired.token('prod/web', 1, 1_000));
    await successor(await serial(), 13);
    assert.deepEqual([said, wired.refused, wired.shown], [[], [], ['token', 'certificate']]);
  });

  it('comes back with its token after an outage that outlasted it, and says both', async () => {
    await keep(await wired.token('prod/web'));
    const first = await serial();
    const { store, clock } = wired;
    const { port } = wired.join('').xds;
    await wired.close();
    await pass(30);
    assert.equal(await serial(), first);
    wired = await startWired(MESH, { store, clock, port });
    await successor(first, 15);
    await until(() => said.length === 2);
    assert.match(said[0] ?? '', /is not renewed.*no client certificate can be had from the control plane at 127/);
    assert.match(said[1] ?? '', /renewed again/);
    assert.deepEqual([wired.shown, wired.refused], [['token'], []]);
  });

  it('is had anew with the token where Signet does not know it any more', async () => {
    await keep(await wired.token('prod/web'));
    const { store, clock } = wired;
    const { port } = wired.join('').xds;
    await wired.close();
    await store.commit([{ key: `svid/${NODE}`, value: undefined }]);
    wired = await startWired(MESH, { store, clock, port });
    await successor(await serial(), 14);
    assert.deepEqual([said, wired.shown, wired.refused], [[], ['certificate', 'token'], ['unauthenticated']]);
  });

  it('is renewed no more once its token is revoked', async () => {
    const token = await wired.token('prod/web');
    await keep(token);
    const first = await serial();
    await wired.control.revokeToken(token.split('_')[1] ?? '');
    await pass(15);
    assert.equal(await serial(), first);
    assert.match(said.join(), /refuses this sidecar/);
  });

  it('is not had with a bad token, for another node, or where nobody answers: each with a sentence', async () => {
    const token = await wired.token('prod/web');
    assert.equal((await refusedBy(keep('nonsense'))).code, 'unauthenticated');
    assert.equal((await refusedBy(keep(token, 'prod/other/a'))).code, 'refused');
    const nobody = { ...wired.join(token), xds: { host: '127.0.0.1', port: 1 } };
    const { clock } = wired;
    const options = { folder, node: NODE, join: nobody, say: () => {}, clock };
    const { code, message } = await refusedBy(keepCertificate(options).then(() => {}));
    assert.equal(code, 'unreachable');
    assert.match(message, /127\.0\.0\.1:1 .*ECONNREFUSED/);
    const impostor = { ...wired.join(token), serverId: 'spiffe://shop.example/ns/prod/sa/web' };
    assert.match((await refusedBy(keepCertificate({ ...options, join: impostor }).then(() => {}))).message, /not the/);
    await assert.rejects(readdir(folder));
  });
});
