import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newerCertificate } from '../../../src/app/newerCertificate.ts';
import { askEnvoySerials } from '../../../src/control/rotation/envoyCerts.ts';
import { secret } from '../../../src/lib/secret.ts';
import { DAY, freshMesh, NOW, WEB } from '../ca/support.ts';

/** As Envoy 1.40 answers `/certs`, by the serials of the leaves that it holds for each URI. */
const certs = (leaves: readonly (readonly [uri: string, serial: string])[]): string =>
  JSON.stringify({
    certificates: leaves.map(([uri, serial_number]) => ({
      ca_cert: [{ serial_number: 'ca', subject_alt_names: [{ uri: 'spiffe://shop.example' }] }],
      cert_chain: [{ serial_number, subject_alt_names: [{ uri }] }],
    })),
  });

describe('what an Envoy says of its certificates', () => {
  let server: Server;
  let answers: Record<string, string>;
  const admin = () => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });

  beforeEach(async () => {
    answers = {
      '/certs': certs([]),
      '/stats?filter=^control_plane.connected_state$': 'control_plane.connected_state: 1\n',
    };
    server = createServer(({ url = '' }, response) => {
      const found = answers[decodeURIComponent(url)];
      response.writeHead(found === undefined ? 404 : 200).end(found);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it('is its serials for a URI, in Signet’s spelling', async () => {
    answers['/certs'] = certs([
      ['spiffe://a/ns/x/sa/other', '01'],
      [WEB, '4AFF'],
      [WEB, '4aff'],
      [WEB, '5b'],
    ]);
    assert.deepEqual(await askEnvoySerials(admin(), WEB), ['4aff', '5b']);
  });

  it('is nothing where it answers otherwise, too much, nothing, or is not there', async () => {
    assert.equal(await askEnvoySerials(admin(), WEB), undefined);
    for (const text of ['no JSON', '[]', '{"certificates":{}}', `{"x":"${'y'.repeat(5_000_000)}"}`]) {
      answers['/certs'] = text;
      assert.equal(await askEnvoySerials(admin(), WEB), undefined, text.slice(0, 20));
    }
    answers = {};
    assert.equal(await askEnvoySerials(admin(), WEB), undefined);
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as AddressInfo;
    assert.equal(await askEnvoySerials({ host: '127.0.0.1', port }, WEB), undefined);
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
    assert.equal(await askEnvoySerials({ host: '127.0.0.1', port }, WEB), undefined);
  });

  it('is a reason for another client certificate once for each one that Envoy was pushed, and when it is cut off for long', async () => {
    const { mesh } = await freshMesh();
    const { id: _, ...held } = mesh.issue(WEB, DAY, NOW);
    const isOutdated = newerCertificate(admin());
    const asked = () => isOutdated({ ...held, keyPem: secret('') });
    answers['/certs'] = certs([[WEB, held.serial]]);
    assert.equal(await asked(), false);
    answers['/certs'] = certs([
      [WEB, held.serial],
      [WEB, '77'],
    ]);
    assert.deepEqual([await asked(), await asked()], [true, false]);
    answers['/certs'] = certs([
      [WEB, held.serial],
      [WEB, '88'],
    ]);
    assert.deepEqual([await asked(), await asked()], [true, false]);
    answers['/stats?filter=^control_plane.connected_state$'] = 'control_plane.connected_state: 0\n';
    assert.deepEqual([await asked(), await asked(), await asked(), await asked()], [false, true, false, true]);
    answers = {};
    assert.equal(await asked(), false);
  });
});
