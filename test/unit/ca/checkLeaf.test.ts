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
import { OID } from '../../../src/spiffe/oid.ts';
import { workloadId } from '../../../src/spiffe/spiffeId.ts';
import { DAY, NOW, TD, WEB } from './support.ts';

const issuer = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW });
const stranger = makeCa('root', { trustDomain: TD, life: 10 * DAY, now: NOW });
const key = newKey();
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
const check: LeafCheck = { template: right, id: WEB, use: 'workload', point: key.point, issuer: issuer.certificate };
const twoUris = tlv(SEQUENCE, ...[WEB, workloadId(TD, 'prod', 'admin')].map((id) => tlv(0x86, Buffer.from(id))));
const withDns = tlv(SEQUENCE, tlv(0x86, Buffer.from(WEB)), tlv(0x82, Buffer.from('web.example')));

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
  ['another key', { spki: newKey().spki }, /public key/],
];

describe('the check before a leaf leaves', () => {
  it('passes what keeps the profile', () => {
    validateLeaf(signCertificate(right, issuer.key), check);
  });

  for (const [name, change, complaint] of WRONG) {
    it(`withholds one with ${name}`, () => {
      const der = signCertificate({ ...right, ...change }, issuer.key);
      assert.throws(() => validateLeaf(der, check), {
        name: 'AppError',
        code: 'profile_violation',
        message: complaint,
      });
    });
  }

  it('withholds one that outlives its issuer, even if that was asked for', () => {
    const template = { ...right, notAfter: second(NOW + 11 * DAY) };
    assert.throws(() => validateLeaf(signCertificate(template, issuer.key), { ...check, template }), /notAfter/);
  });

  it('withholds one that somebody else signed, and bytes that are none', () => {
    assert.throws(() => validateLeaf(signCertificate(right, stranger.key), check), /signature does not verify/);
    const own = createPrivateKey(key.privatePem);
    assert.throws(() => validateLeaf(signCertificate(right, own), check), /signature does not verify/);
    const der = signCertificate(right, issuer.key);
    for (const bytes of [Buffer.alloc(0), der.subarray(0, -1), Buffer.concat([der, der]), Buffer.from('PEM')]) {
      assert.throws(() => validateLeaf(bytes, check), { code: 'profile_violation' });
    }
  });
});
