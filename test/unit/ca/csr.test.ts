import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { makeCa } from '../../../src/ca/caCertificate.ts';
import { EMPTY_NAME, extensionDer, nameDer, SEQUENCE, tlv } from '../../../src/ca/der.ts';
import { makeCsr, readCsr } from '../../../src/ca/external/csr.ts';
import { newKey } from '../../../src/ca/keys.ts';
import { certifyCsr, leafIssuer } from '../../../src/ca/leaf.ts';
import { caExtensions, leafExtensions, uriExtension } from '../../../src/ca/profile.ts';
import { OID } from '../../../src/spiffe/oid.ts';
import { workloadId } from '../../../src/spiffe/spiffeId.ts';
import { HOUR, NOW, openssl, opensslVerify, TD, WEB } from './support.ts';

const root = makeCa('root', { trustDomain: TD, life: 1000 * HOUR, now: NOW, curve: 'P-256' });
const issuer = leafIssuer(root);
const request = { id: WEB, use: 'workload', ttl: HOUR, now: NOW } as const;
const key = newKey('P-256');
const good = makeCsr(key, EMPTY_NAME, [leafExtensions('workload'), uriExtension(WEB, true)]);
const names = (...all: readonly Buffer[]): Buffer => extensionDer(OID.subjectAltName, false, tlv(SEQUENCE, ...all));
const asking = (...extensions: readonly Buffer[]): string => makeCsr(key, EMPTY_NAME, extensions);
const changed = (at: number): string => {
  const der = Buffer.from(good.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  der[at < 0 ? der.length + at : at] = (der.at(at) ?? 0) ^ 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
};

/** As openssl makes requests. */
const byOpenssl = (newkey: readonly string[], ...more: readonly string[]): string => {
  const dir = mkdtempSync(join(tmpdir(), 'signet-csr-'));
  try {
    return openssl([
      'req',
      '-new',
      '-newkey',
      ...newkey,
      '-noenc',
      '-keyout',
      join(dir, 'key'),
      '-subj',
      '/CN=web',
      ...more,
    ]);
  } finally {
    rmSync(dir, { recursive: true });
  }
};
const ec = (curve: string): readonly string[] => ['ec', '-pkeyopt', `ec_paramgen_curve:${curve}`];

const BAD: readonly (readonly [string, () => string, RegExp])[] = [
  ['empty', () => '', /^it is not one PEM block/],
  ['not PEM', () => 'hello', /^it is not one PEM block/],
  ['two requests', () => good + good, /^it is not one PEM block/],
  ['a certificate', () => root.certificate.pem, /^it is not one PEM block/],
  ['oversize', () => good + ' '.repeat(20_000), /^it is larger than 16 KiB/],
  ['cut', () => good.replace(/\n[^\n]+\n-----END/, '\n-----END'), /^it is no PKCS#10 request/],
  ['other DER', () => good.replace(/(-----\n)[\s\S]+(\n-----E)/, '$1MAA=$2'), /^it is no PKCS#10 request/],
  ['a bad signature', () => changed(-1), /^its signature does not verify|no PKCS#10/],
  ['changed after it was signed', () => changed(60), /^its signature does not verify|no PKCS#10|its key is/],
  [
    'a foreign SAN',
    () => asking(uriExtension(workloadId(TD, 'prod', 'orders'), true)),
    /^it asks for another identity/,
  ],
  [
    'a SAN of another trust domain',
    () => asking(names(tlv(0x86, Buffer.from('spiffe://other/ns/prod/sa/web')))),
    /another identity/,
  ],
  ['two SANs', () => asking(names(tlv(0x86, Buffer.from(WEB)), tlv(0x86, Buffer.from(WEB)))), /another identity/],
  [
    'a DNS SAN',
    () => asking(names(tlv(0x86, Buffer.from(WEB)), tlv(0x82, Buffer.from('web')))),
    /a name that is no URI/,
  ],
  ['CA:TRUE', () => asking(caExtensions(0)), /^it asks for a CA certificate/],
  [
    'keyCertSign',
    () => asking(extensionDer(OID.keyUsage, true, Buffer.from('03020204', 'hex'))),
    /^it asks for a CA certificate/,
  ],
  ['an extension twice', () => asking(uriExtension(WEB, true), uriExtension(WEB, true)), /twice/],
  [
    'an extension that nobody is given',
    () => asking(extensionDer('1.2.3.4', false, tlv(SEQUENCE))),
    /the extension 1\.2\.3\.4/,
  ],
  ['RSA', () => byOpenssl(['rsa:2048']), /^its key is of another type/],
  ['weak RSA', () => byOpenssl(['rsa:1024']), /^its key is of another type/],
  ['Ed25519', () => byOpenssl(['ed25519']), /^its key is of another type/],
  ['P-521', () => byOpenssl(ec('P-521')), /^its key is of another type/],
  ['secp256k1', () => byOpenssl(ec('secp256k1')), /^its key is of another type/],
  [
    'explicit curve parameters',
    () => byOpenssl([...ec('P-256'), '-pkeyopt', 'ec_param_enc:explicit']),
    /^its key is of another type/,
  ],
  ['SHA-1', () => byOpenssl(ec('P-256'), '-sha1'), /^it is signed with another algorithm/],
];

describe('a certificate request', () => {
  for (const [name, make, complaint] of BAD)
    it(`${name} is refused in a sentence, and nothing is issued`, () => {
      const answer = certifyCsr(issuer, make(), request);
      assert.equal(answer.ok, false);
      assert.match(answer.ok ? '' : answer.error, complaint);
    });

  it('for the identity gets a leaf of the profile, whoever made the request', () => {
    for (const csr of [
      good,
      makeCsr(newKey('P-384'), nameDer('web'), []),
      byOpenssl(ec('P-256'), '-addext', `subjectAltName=URI:${WEB}`, '-addext', 'keyUsage=digitalSignature'),
    ]) {
      const answer = certifyCsr(issuer, csr, request);
      assert.ok(answer.ok, answer.ok ? '' : answer.error);
      assert.equal(opensslVerify(answer.value.certificatePem, root.certificate.pem, 'sslserver', NOW), 'OK');
    }
  });

  it('that Signet makes is read by OpenSSL, its signature verified and all that it asks for in it', () => {
    const dir = mkdtempSync(join(tmpdir(), 'signet-csr-'));
    writeFileSync(join(dir, 'csr'), good);
    const text = openssl(['req', '-in', join(dir, 'csr'), '-verify', '-noout', '-text']);
    rmSync(dir, { recursive: true });
    assert.match(text, new RegExp(`URI:${WEB}`));
    assert.match(text, /TLS Web Server Authentication, TLS Web Client Authentication/);
    assert.ok(createPrivateKey(key.privatePem));
    const read = readCsr(good);
    assert.deepEqual(read.ok && [read.value.uris, read.value.isCa], [[WEB], false]);
  });
});
