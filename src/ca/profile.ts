import { hash } from 'node:crypto';
import { OID } from '../spiffe/oid.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import { extensionDer, OCTET_STRING, oidSequenceDer, SEQUENCE, tlv } from './der.ts';

/*
 * The extensions of every certificate that Signet makes. Rules: RFC 5280 §4.2.1 and
 * https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#appendix-a-x509-field-reference
 */

/** Uses of a leaf: a workload serves and calls, the control plane only serves. */
export type LeafUse = 'workload' | 'server';
export const PURPOSES: Readonly<Record<LeafUse, readonly string[]>> = {
  workload: [OID.serverAuth, OID.clientAuth],
  server: [OID.serverAuth],
};

/** BIT STRINGs with the number of unused bits first: digitalSignature; keyCertSign and cRLSign. */
export const KEY_USAGE_LEAF = Buffer.from([0x03, 0x02, 0x07, 0x80]);
export const KEY_USAGE_CA = Buffer.from([0x03, 0x02, 0x01, 0x06]);

let lastIdentified: { readonly point: Uint8Array; readonly identifier: Buffer } | undefined;

/** Leftmost 160 bits of the SHA-256 of the public key's bits (RFC 7093 §2, method 1). Whoever reads a leaf back asks for what was just written. */
export const keyIdentifier = (publicPoint: Uint8Array): Buffer => {
  if (lastIdentified?.point !== publicPoint)
    lastIdentified = { point: publicPoint, identifier: hash('sha256', publicPoint, 'buffer').subarray(0, 20) };
  return lastIdentified.identifier;
};

export const subjectKeyExtension = (identifier: Uint8Array): Buffer =>
  extensionDer(OID.subjectKeyIdentifier, false, tlv(OCTET_STRING, identifier));

export const authorityKeyExtension = (identifier: Uint8Array): Buffer =>
  extensionDer(OID.authorityKeyIdentifier, false, tlv(SEQUENCE, tlv(0x80, identifier)));

/** One URI. Critical in a leaf, whose subject is empty (RFC 5280 §4.2.1.6). */
export const uriExtension = (id: SpiffeId, critical: boolean): Buffer =>
  extensionDer(OID.subjectAltName, critical, tlv(SEQUENCE, tlv(0x86, Buffer.from(id, 'latin1'))));

/** Everything of a leaf that does not change from one to the next. */
export const leafExtensions = (use: LeafUse): Buffer =>
  Buffer.concat([
    extensionDer(OID.keyUsage, true, KEY_USAGE_LEAF),
    extensionDer(OID.extKeyUsage, false, oidSequenceDer(PURPOSES[use])),
    extensionDer(OID.basicConstraints, true, tlv(SEQUENCE)),
  ]);

/** `pathLength`: how many CAs may stand below this one. */
export const caExtensions = (pathLength: number): Buffer =>
  Buffer.concat([
    extensionDer(OID.keyUsage, true, KEY_USAGE_CA),
    extensionDer(OID.basicConstraints, true, tlv(SEQUENCE, Buffer.from([0x01, 0x01, 0xff, 0x02, 0x01, pathLength]))),
  ]);
