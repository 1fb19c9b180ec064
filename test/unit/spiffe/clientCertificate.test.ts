import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { readClientCertificate } from '../../../src/spiffe/clientCertificate.ts';
import { DAY, freshMesh, NOW, WEB } from '../ca/support.ts';

describe('the reader of client certificates', () => {
  const der = (pem: string): Buffer => new X509Certificate(pem).raw;

  it('reads an X.509-SVID within its time, to the millisecond', async () => {
    const { mesh } = await freshMesh();
    const { chainPem, serial, notBefore, notAfter } = mesh.issue(WEB, DAY, NOW);
    const raw = der(chainPem);
    const read = { ok: true, value: { spiffeId: WEB, serial, notAfter } };
    for (const now of [notBefore, NOW, notAfter - 1]) assert.deepEqual(readClientCertificate(raw, now), read);
    const early = readClientCertificate(raw, notBefore - 1);
    const late = readClientCertificate(raw, notAfter);
    assert.deepEqual(
      [early, late].map((answer) => (answer.ok ? 'good' : answer.error)),
      ['the client certificate is not valid yet', 'the client certificate has expired'],
    );
  });

  it('takes none of a server or of a CA', async () => {
    const { mesh, channel } = await freshMesh();
    const errors = [
      channel.serverCredentials(NOW).chainPem,
      channel.anchor(),
      ...mesh.trustBundle().authorities,
      mesh.issue(WEB, DAY, NOW).chainPem.replace(/^[\s\S]*?-----END CERTIFICATE-----\n/, ''),
    ].map((pem) => readClientCertificate(der(pem), NOW));
    assert.deepEqual(
      errors.map((answer) => (answer.ok ? 'good' : answer.error)),
      ['the client certificate is not for clients', ...Array(3).fill('the client certificate is a CA certificate')],
    );
  });

  it('answers any bytes with a certificate or a sentence, never with a throw', async () => {
    const { mesh } = await freshMesh();
    const raw = der(mesh.issue(WEB, DAY, NOW).chainPem);
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const changed = cut ? raw.subarray(0, at) : Buffer.from(raw).fill(byte, at, at + 1);
        const answer = readClientCertificate(changed, NOW);
        assert.ok(answer.ok || /^the client certificate [^\n]+$/.test(answer.error));
      }),
      { numRuns: 2000 },
    );
  });
});
