import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { describe, it } from 'mocha';
import { makeCa } from '../../../src/ca/caCertificate.ts';
import { type LeafCheck, validateLeaf } from '../../../src/ca/checkLeaf.ts';
import { EMPTY_NAME, extensionDer, nameDer, SEQUENCE, tlv } from '../../../src/ca/der.ts';
import { newKey } from '../../../src/ca/keys.ts';
import {
  authorityKeyExtension,
  caExtensions,
  keyIdentifier,
  leafExtensions,
  subjectKeyExtension,
  uriExtension,
} from '../../../src/ca/profile.ts';
import { newSerial, signCertificate, type Template } from '../../../src/ca/sign.ts';
import { localSigner, type Signer, signatureAlgorithm } from '../../../src/ca/signer.ts';
import { OID } from '../../../src/spiffe/oid.ts';
import { layoutOf } from '../../../src/spiffe/readCertificate.ts';
import { workloadId } from '../../../src/spiffe/spiffeId.ts';
import { DAY, NOW, TD, WEB } from './support.ts';

const issuer = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW, curve: 'P-256' });
const p384Issuer = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW, curve: 'P-384' });
const stranger = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW, curve: 'P-256' });
const key = newKey('P-256');
const subjectKey = subjectKeyExtension(keyIdentifier(key.point));
const { authorityKey } = issuer.certificate;
const uri = uriExtension(WEB, true);
const leaf = leafExtensions('workload');
const second = (at: number): number => Math.floor(at / 1000) * 1000;
const right: Template = {
  serial: newSerial(),
  issuer: issuer.certificate.subject,
  subject: EMPTY_NAME,
  notBefore: second(NOW),
  notAfter: second(NOW + DAY),
  spki: key.spki,
  extensions: [leaf, subjectKey, authorityKey, uri],
};
const check: LeafCheck = { template: right, id: WEB, use: 'workload', key, issuer: issuer.certificate, verifies: true };
const twoUris = tlv(SEQUENCE, ...[WEB, workloadId(TD, 'prod', 'admin')].map((id) => tlv(0x86, Buffer.from(id))));
const withDns = tlv(SEQUENCE, tlv(0x86, Buffer.from(WEB)), tlv(0x82, Buffer.from('web.example')));

const p384 = newKey('P-384');
const otherCurve = Buffer.concat([p384.spki.subarray(0, -p384.point.length), p384.point]);
/** Signs rightly, and changes what it signed. */
const spoil = (change: (signature: Buffer) => Buffer): Signer => ({
  ...issuer.signer,
  sign: (tbs) => change(issuer.signer.sign(tbs)),
});

const WRONG: readonly (readonly [name: string, change: Partial<Template>, complaint: RegExp])[] = [
  [
    'another identity',
    { extensions: [leaf, subjectKey, authorityKey, uriExtension(workloadId(TD, 'prod', 'admin'), true)] },
    /subjectAltName/,
  ],
  [
    'two URIs',
    { extensions: [leaf, subjectKey, authorityKey, extensionDer(OID.subjectAltName, true, twoUris)] },
    /subjectAltName/,
  ],
  [
    'a DNS name',
    { extensions: [leaf, subjectKey, authorityKey, extensionDer(OID.subjectAltName, true, withDns)] },
    /\(/,
  ],
  ['a SAN that is not critical', { extensions: [leaf, subjectKey, authorityKey, uriExtension(WEB, false)] }, /\(/],
  ['no SAN', { extensions: [leaf, subjectKey, authorityKey] }, /\(/],
  ['CA:TRUE', { extensions: [caExtensions(0), subjectKey, authorityKey, uri] }, /\(/],
  ['only serverAuth', { extensions: [leafExtensions('server'), subjectKey, authorityKey, uri] }, /extKeyUsage/],
  ['an extension twice', { extensions: [leaf, subjectKey, authorityKey, uri, uri] }, /twice/],
  [
    'an extension too many',
    { extensions: [leaf, subjectKey, authorityKey, uri, extensionDer('2.5.29.32', false, tlv(SEQUENCE))] },
    /too many/,
  ],
  ['a subject', { subject: nameDer('web') }, /subject/],
  ['another issuer', { issuer: stranger.certificate.subject }, /issuer/],
  [
    'another issuer’s key identifier',
    { extensions: [leaf, subjectKey, authorityKeyExtension(stranger.certificate.identifier), uri] },
    /key identifiers/,
  ],
  ['another serial', { serial: newSerial() }, /serial/],
  ['an earlier begin', { notBefore: right.notBefore - 1000 }, /notBefore/],
  ['a later end', { notAfter: right.notAfter + 1000 }, /notAfter/],
  ['another key', { spki: newKey('P-256').spki }, /public key/],
  ['a key of another curve', { spki: otherCurve }, /public key/],
  ['no key', { spki: tlv(SEQUENCE) }, /\(/],
  ['a compressed key', { spki: Buffer.concat([key.spki.subarray(0, -65), key.point.subarray(0, 33)]) }, /\(/],
];

describe('the check before a leaf leaves', () => {
  it('passes what keeps the profile', () => {
    validateLeaf(signCertificate(right, issuer.signer), check);
  });

  for (const [name, change, complaint] of WRONG) {
    it(`withholds one with ${name}`, () => {
      const der = signCertificate({ ...right, ...change }, issuer.signer);
      assert.throws(() => validateLeaf(der, check), {
        name: 'AppError',
        code: 'profile_violation',
        message: complaint,
      });
    });
  }

  it('withholds one of which any octet before the signature is another, or that was cut off anywhere', () => {
    const der = signCertificate(right, issuer.signer);
    const unverified = { ...check, verifies: false };
    const { signature } = layoutOf(der);
    for (let at = 0; at < der.length; at += 1) {
      assert.throws(() => validateLeaf(der.subarray(0, at), unverified), { code: 'profile_violation' });
      for (const bit of at < signature ? [0x01, 0x20, 0x80] : []) {
        const changed = Buffer.from(der);
        changed[at] = (der[at] ?? 0) ^ bit;
        assert.throws(() => validateLeaf(changed, unverified), { code: 'profile_violation' }, `octet ${at}`);
      }
    }
  });

  it('withholds one that outlives its issuer, even if that was asked for', () => {
    const template = { ...right, notAfter: second(NOW + 11 * DAY) };
    assert.throws(() => validateLeaf(signCertificate(template, issuer.signer), { ...check, template }), /notAfter/);
  });

  it('withholds one whose signature is of another algorithm or form, verified or not', () => {
    const sha384 = signatureAlgorithm(p384Issuer.certificate.publicKey);
    const unverified = { ...check, verifies: false };
    const wrong: readonly (readonly [Signer, RegExp])[] = [
      [{ ...issuer.signer, algorithm: sha384 }, /signature algorithm/],
      [
        { ...issuer.signer, algorithm: { ...sha384, der: Buffer.from('300c06082a8648ce3d0403020500', 'hex') } },
        /algorithm/,
      ],
      [spoil((signature) => Buffer.concat([signature, signature])), /form of the signature/],
      [spoil((signature) => signature.subarray(2)), /\(/],
      [spoil(() => Buffer.from('3006020100020101', 'hex')), /form of the signature/],
      [spoil(() => Buffer.from('30060201ff020101', 'hex')), /form of the signature/],
      [spoil(() => Buffer.from('3007020200010201017f', 'hex')), /\(/],
    ];
    for (const [signer, complaint] of wrong) {
      const der = signCertificate(right, signer);
      assert.throws(() => validateLeaf(der, unverified), { code: 'profile_violation', message: complaint });
    }
    validateLeaf(signCertificate(right, p384Issuer.signer), {
      ...unverified,
      issuer: { ...issuer.certificate, signature: sha384 },
    });
  });

  it('withholds one that writes a time in the wrong form', () => {
    // 2049 and 2050 are one octet apart in length only, so the bytes are exchanged after signing.
    const der = signCertificate({ ...right, notAfter: second(Date.UTC(2050, 5)) }, issuer.signer);
    const late = { ...check, template: { ...right, notAfter: second(Date.UTC(2050, 5)) }, verifies: false };
    assert.throws(() => validateLeaf(der, late), /notAfter/);
    const long = { ...late, issuer: { ...issuer.certificate, notAfter: Number.POSITIVE_INFINITY } };
    validateLeaf(der, long);
    const early = Buffer.from(der);
    early.write('20490601000000Z', early.indexOf('20500601000000Z'), 'latin1');
    const template = { ...right, notAfter: Date.UTC(2049, 5) };
    assert.throws(() => validateLeaf(early, { ...long, template }), /form of a time/);
  });

  it('withholds one that somebody else signed, and bytes that are none', () => {
    assert.throws(() => validateLeaf(signCertificate(right, stranger.signer), check), /signature does not verify/);
    const own = localSigner(createPrivateKey(key.privatePem));
    assert.throws(() => validateLeaf(signCertificate(right, own), check), /signature does not verify/);
    const der = signCertificate(right, issuer.signer);
    for (const bytes of [Buffer.alloc(0), der.subarray(0, -1), Buffer.concat([der, der]), Buffer.from('PEM')]) {
      assert.throws(() => validateLeaf(bytes, check), { code: 'profile_violation' });
    }
  });
});
