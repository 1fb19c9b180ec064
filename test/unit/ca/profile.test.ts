import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { describe, it } from 'mocha';
import { reveal } from '../../../src/lib/secret.ts';
import { controlPlaneId, type SpiffeId, trustDomainId, workloadId } from '../../../src/spiffe/spiffeId.ts';
import { opensslTakes, SAMPLE_GROUPS, writeSamples } from '../../support/leafSamples.ts';
import { DAY, freshMesh, HOUR, NOW, openssl, opensslVerify, split, TD, trustDomain, WEB } from './support.ts';

const sections = (pem: string): string => openssl(['x509', '-noout', '-text'], pem);

describe('a leaf', () => {
  it('keeps every promise of the profile, 400 times', async () => {
    const { mesh } = await freshMesh();
    const intermediate = new X509Certificate(
      mesh.issue(WEB, HOUR, NOW).chainPem.split(/(?<=END CERTIFICATE-----\n)/)[1] ?? '',
    );
    const serials = new Set<string>();
    const keys = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const id = workloadId(TD, `ns-${i}`, 'x'.repeat(1 + (i % 200)));
      const ttl = 10_000 + i * 977_131;
      const svid = mesh.issue(id, ttl, NOW + i);
      const leaf = new X509Certificate(svid.chainPem);
      assert.equal(leaf.subjectAltName, `URI:${id}`);
      assert.ok(!leaf.subject);
      assert.equal(leaf.ca, false);
      assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
      assert.ok(leaf.checkIssued(intermediate) && leaf.verify(intermediate.publicKey));
      assert.ok(leaf.checkPrivateKey(createPrivateKey(reveal(svid.keyPem))));
      assert.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
      assert.equal(svid.serial, leaf.serialNumber.toLowerCase());
      assert.equal(Date.parse(leaf.validFrom), svid.notBefore);
      assert.equal(Date.parse(leaf.validTo), svid.notAfter);
      assert.equal(svid.notBefore, Math.floor((NOW + i - 60_000) / 1000) * 1000);
      assert.ok(svid.notAfter <= NOW + i + ttl && svid.notAfter > NOW + i + ttl - 1000);
      serials.add(svid.serial);
      keys.add(leaf.publicKey.export({ type: 'spki', format: 'der' }).toString('hex'));
    }
    assert.equal(serials.size, 400);
    assert.equal(keys.size, 400);
  }).timeout(20_000);

  it('reads, in OpenSSL, as written in the profile', async () => {
    const { mesh } = await freshMesh();
    const text = sections(mesh.issue(WEB, DAY, NOW).chainPem);
    const lines = [
      'Version: 3 (0x2)',
      'Signature Algorithm: ecdsa-with-SHA256',
      'Subject: \n',
      'ASN1 OID: prime256v1',
      'X509v3 Key Usage: critical\n                Digital Signature\n',
      'X509v3 Extended Key Usage: \n                TLS Web Server Authentication, TLS Web Client Authentication\n',
      'X509v3 Basic Constraints: critical\n                CA:FALSE\n',
      `X509v3 Subject Alternative Name: critical\n                URI:${WEB}\n`,
    ];
    for (const line of lines) assert.ok(text.includes(line), `${line} in ${text}`);
    assert.equal(text.match(/X509v3 (?!extensions)/g)?.length, 6);
  });

  it('verifies strictly for both purposes, with the intermediate that it carries and not without it', async () => {
    const { mesh } = await freshMesh();
    const root = mesh.trustBundle().authorities.join('');
    for (let i = 0; i < 3; i++) {
      const { chainPem } = mesh.issue(workloadId(TD, 'prod', `app-${i}`), DAY, NOW);
      assert.equal(split(chainPem).length, 2);
      for (const purpose of ['sslclient', 'sslserver']) assert.equal(opensslVerify(chainPem, root, purpose, NOW), 'OK');
      assert.match(opensslVerify(split(chainPem)[0] ?? '', root, 'sslclient', NOW), /unable to get local issuer/);
      assert.match(opensslVerify(chainPem, root, 'sslclient', NOW + 2 * DAY), /expired/);
    }
  });

  it('of every curve, life and length of name verifies strictly for both purposes', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'signet-leaves-'));
    for (const group of SAMPLE_GROUPS) {
      await writeSamples(join(dir, group.name), group, 60);
      for (const purpose of ['sslclient', 'sslserver'])
        assert.equal(opensslTakes(join(dir, group.name), group, 60, purpose), 60, `${group.name} ${purpose}`);
    }
    rmSync(dir, { recursive: true });
  }).timeout(20_000);

  it('is no CA: nothing verifies below it', async () => {
    const { mesh } = await freshMesh();
    const other = await freshMesh();
    const { chainPem } = mesh.issue(WEB, DAY, NOW);
    assert.notEqual(opensslVerify(chainPem, other.mesh.trustBundle().authorities.join(''), 'sslclient', NOW), 'OK');
    assert.notEqual(
      opensslVerify(other.mesh.issue(WEB, DAY, NOW).chainPem, split(chainPem)[0] ?? '', 'sslclient', NOW),
      'OK',
    );
  });

  it('never begins before its issuer and never outlives it', async () => {
    const { mesh } = await freshMesh();
    const { notBefore, notAfter } = mesh.describe().intermediate;
    assert.equal(mesh.issue(WEB, 50 * 365 * DAY, NOW).notAfter, notAfter);
    assert.equal(mesh.issue(WEB, DAY, notBefore + 5000).notBefore, notBefore);
    assert.throws(() => mesh.issue(WEB, DAY, notAfter), {
      code: 'issuer_expired',
      message: /mesh intermediate .* expired at 2028-/,
    });
    assert.throws(() => mesh.issue(WEB, DAY, notBefore - 1), { code: 'clock', message: /set the clock right/ });
  });

  it('writes years up to 2049 as UTCTime and from 2050 on as GeneralizedTime', async () => {
    const start = Date.UTC(2049, 11, 31, 22, 0, 0);
    const { mesh } = await freshMesh(start);
    const times = (ttl: number, now: number): readonly string[] =>
      openssl(['asn1parse'], split(mesh.issue(WEB, ttl, now).chainPem)[0]).match(/(UTC|GENERALIZED)TIME *:\w+/g) ?? [];
    const boundary = Date.UTC(2050, 0, 1);
    assert.deepEqual(times(boundary - 1 - start, start), [
      'UTCTIME           :491231215900Z',
      'UTCTIME           :491231235959Z',
    ]);
    assert.deepEqual(times(boundary - start, start), [
      'UTCTIME           :491231215900Z',
      'GENERALIZEDTIME   :20500101000000Z',
    ]);
    const late = boundary + 2 * HOUR;
    assert.deepEqual(times(HOUR, late), ['GENERALIZEDTIME   :20500101015900Z', 'GENERALIZEDTIME   :20500101030000Z']);
    const { chainPem } = mesh.issue(WEB, HOUR, late);
    assert.equal(opensslVerify(chainPem, mesh.trustBundle().authorities.join(''), 'sslserver', late), 'OK');
  });

  it('is issued to workloads of this trust domain only', async () => {
    const { mesh } = await freshMesh();
    const refused = [
      controlPlaneId(TD),
      trustDomainId(TD),
      workloadId(trustDomain('other.example'), 'prod', 'web'),
      workloadId(trustDomain('shop.example.evil'), 'prod', 'web'),
      `${WEB}/more`,
      `spiffe://${TD}/ns/prod/sa/`,
      `spiffe://${TD}/ns/../sa/web`,
      `spiffe://${TD}/ns/prod/sa/web\u0000`,
      `spiffe://${TD}/ns/prod/sa/wéb`,
      `${WEB},URI:spiffe://${TD}/ns/prod/sa/admin`,
      `spiffe://${TD}/ns/prod/sa/${'x'.repeat(2048)}`,
      '',
    ] as SpiffeId[];
    for (const id of refused)
      assert.throws(() => mesh.issue(id, DAY, NOW), { name: 'AppError', code: 'identity_refused' }, id);
  });
});

describe('the CAs', () => {
  it('are a root with one level below, an intermediate with none, and a channel CA apart', async () => {
    const { mesh, channel } = await freshMesh();
    const root = mesh.trustBundle().authorities[0] ?? '';
    const intermediate = split(mesh.issue(WEB, DAY, NOW).chainPem)[1] ?? '';
    for (const [pem, length] of [
      [root, 1],
      [intermediate, 0],
      [channel.anchor(), 0],
    ] as const) {
      const text = sections(pem);
      assert.ok(
        text.includes(`X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:${length}\n`),
        text,
      );
      assert.ok(text.includes('X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n'), text);
      assert.ok(text.includes(`URI:spiffe://${TD}\n`), text);
      assert.match(text, /Subject: O = Signet, CN = Signet (mesh root|mesh intermediate|channel CA) [0-9a-f]{8}\n/);
    }
    const { root: r, intermediate: i } = mesh.describe();
    assert.equal(new Set([r.fingerprint, i.fingerprint, channel.describe().fingerprint]).size, 3);
    assert.equal(r.notAfter - Math.floor(NOW / 1000) * 1000, 3650 * DAY);
    assert.equal(channel.describe().notAfter, r.notAfter);
    assert.equal(i.notAfter - Math.floor(NOW / 1000) * 1000, 365 * DAY);
    assert.equal(
      openssl(['x509', '-noout', '-fingerprint', '-sha256'], root)
        .split('=')[1]
        ?.trim()
        .replaceAll(':', '')
        .toLowerCase(),
      r.fingerprint,
    );
    assert.equal(opensslVerify(intermediate, root, 'any', NOW), 'OK');
  });

  it('give the control plane a server certificate that no workload CA vouches for', async () => {
    const { mesh, channel } = await freshMesh();
    const { chainPem, notAfter } = channel.serverCredentials(NOW);
    assert.equal(opensslVerify(chainPem, channel.anchor(), 'sslserver', NOW), 'OK');
    assert.notEqual(opensslVerify(chainPem, channel.anchor(), 'sslclient', NOW), 'OK');
    assert.notEqual(opensslVerify(chainPem, mesh.trustBundle().authorities.join(''), 'sslserver', NOW), 'OK');
    assert.notEqual(opensslVerify(mesh.issue(WEB, DAY, NOW).chainPem, channel.anchor(), 'sslserver', NOW), 'OK');
    assert.equal(new X509Certificate(chainPem).subjectAltName, `URI:spiffe://${TD}/signet/control-plane`);
    assert.equal(notAfter, Math.floor(NOW / 1000) * 1000 + 90 * DAY);
  });

  it('keep the control plane’s certificate to half of its life, and then make another', async () => {
    const { channel } = await freshMesh();
    const first = channel.serverCredentials(NOW);
    assert.equal(channel.serverCredentials(NOW + 44 * DAY).chainPem, first.chainPem);
    const second = channel.serverCredentials(NOW + 46 * DAY);
    assert.notEqual(second.chainPem, first.chainPem);
    assert.equal(opensslVerify(second.chainPem, channel.anchor(), 'sslserver', NOW + 100 * DAY), 'OK');
  });
});

describe('two leaves', () => {
  it('shake hands over TLS 1.3, each proven to the other', async () => {
    const now = Date.now();
    const { mesh } = await freshMesh(now);
    const ca = [...mesh.trustBundle().authorities];
    const identity = (name: string) => {
      const svid = mesh.issue(workloadId(TD, 'prod', name), HOUR, now);
      return { cert: svid.chainPem, key: reveal(svid.keyPem), ca, minVersion: 'TLSv1.3' as const };
    };
    const server = tls.createServer({ ...identity('server'), requestCert: true, rejectUnauthorized: true }, (socket) =>
      socket.end(`${socket.getPeerCertificate().subjectaltname}`),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = tls.connect({
      ...identity('client'),
      port,
      host: '127.0.0.1',
      checkServerIdentity: () => undefined,
    });
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    await once(socket, 'close');
    assert.ok(socket.authorized);
    assert.equal(heard, `URI:${workloadId(TD, 'prod', 'client')}`);
    server.close();
  });
});
