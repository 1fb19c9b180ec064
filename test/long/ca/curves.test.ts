import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, it } from 'mocha';
import { makeCa } from '../../../src/ca/caCertificate.ts';
import { newKey } from '../../../src/ca/keys.ts';
import { leafIssuer } from '../../../src/ca/leaf.ts';
import { localSigner } from '../../../src/ca/signer.ts';
import { reveal } from '../../../src/lib/secret.ts';
import { DAY, freshMesh, HOUR, NOW, openssl, opensslVerify, split, TD, WEB } from '../../unit/ca/support.ts';

const CURVES = ['P-256', 'P-384'] as const;
const NODE_NAMES = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' } as const;

describe('keys', () => {
  for (const curve of CURVES) {
    it(`on ${curve} are fresh, and OpenSSL finds both parts to agree, short scalars too`, () => {
      const seen = new Set<string>();
      for (let i = 0; i < 600; i++) {
        const key = newKey(curve);
        const read = createPrivateKey(key.privatePem);
        assert.equal(read.asymmetricKeyDetails?.namedCurve, NODE_NAMES[curve]);
        assert.deepEqual(createPublicKey(read).export({ type: 'spki', format: 'der' }), key.spki);
        seen.add(key.privatePem);
      }
      assert.equal(seen.size, 600);
    });
  }

  it('that Signet does not sign with are refused', () => {
    for (const { privateKey } of [
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ed25519'),
    ]) {
      assert.throws(() => localSigner(privateKey), { code: 'ca_key', message: /P-256, P-384 or P-521/ });
    }
  });
});

describe('a mesh whose keys are on P-384', () => {
  it('signs with SHA-384 and verifies strictly', async () => {
    const { mesh, channel } = await freshMesh(NOW, undefined, 'P-384');
    const { chainPem, keyPem } = mesh.issue(WEB, DAY, NOW);
    const root = mesh.trustBundle().authorities.join('');
    for (const purpose of ['sslclient', 'sslserver']) assert.equal(opensslVerify(chainPem, root, purpose, NOW), 'OK');
    for (const pem of [...split(chainPem), root, channel.anchor(), channel.serverCredentials(NOW).chainPem]) {
      const text = openssl(['x509', '-noout', '-text'], pem);
      assert.ok(text.includes('ASN1 OID: secp384r1') && text.includes('ecdsa-with-SHA384'), text);
    }
    assert.ok(new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(reveal(keyPem))));
  });

  it('keeps the CAs that it has: leaves change from the next one on, with their signer’s digest', async () => {
    const { store } = await freshMesh();
    const { mesh } = await freshMesh(NOW, store, 'P-384');
    const { chainPem } = mesh.issue(WEB, HOUR, NOW);
    const text = openssl(['x509', '-noout', '-text'], chainPem);
    assert.ok(text.includes('ASN1 OID: secp384r1') && text.includes('ecdsa-with-SHA256'), text);
    const later = NOW + 200 * DAY;
    await mesh.prepare(DAY, later);
    const renewed = mesh.issue(WEB, HOUR, later).chainPem;
    assert.ok(openssl(['x509', '-noout', '-text'], split(renewed)[1]).includes('ASN1 OID: secp384r1'));
    assert.ok(openssl(['x509', '-noout', '-text'], renewed).includes('ecdsa-with-SHA384'));
    assert.equal(opensslVerify(renewed, mesh.trustBundle().authorities.join(''), 'sslclient', later), 'OK');
  });
});

describe('a signer with a wrong key', () => {
  const ca = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW, curve: 'P-256' });
  const other = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW, curve: 'P-256' });
  const request = { id: WEB, use: 'workload', ttl: HOUR, now: NOW } as const;

  it('issues nothing from the first leaf on', () => {
    const leaves = leafIssuer({ ...ca, signer: other.signer });
    for (let i = 0; i < 40; i++) {
      assert.throws(() => leaves.issue(request, 'P-256'), { code: 'profile_violation', message: /does not verify/ });
    }
  });

  it('that became wrong is found within 16 leaves, and nothing leaves until it is right', () => {
    let wrong = false;
    const sign = (tbs: Uint8Array): Buffer => (wrong ? other : ca).signer.sign(tbs);
    const leaves = leafIssuer({ ...ca, signer: { ...ca.signer, sign } });
    for (let i = 0; i < 20; i++) leaves.issue(request, 'P-256');
    wrong = true;
    let issued = 0;
    try {
      for (; issued < 40; issued++) leaves.issue(request, 'P-256');
    } catch {
      assert.throws(() => leaves.issue(request, 'P-256'), { code: 'profile_violation' });
    }
    assert.ok(issued < 16, `${issued}`);
    wrong = false;
    leaves.issue(request, 'P-256');
  });
});
