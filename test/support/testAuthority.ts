import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

/** A certificate authority that no mesh knows, for those who pretend. */
export type TestAuthority = {
  readonly anchorPem: string;
  /** A leaf with one URI name or, as no SVID may have, several; its chain and key in PEM. */
  readonly leaf: (...uris: readonly string[]) => { readonly chainPem: string; readonly keyPem: string };
};

const keys = (): { readonly publicKey: string; readonly privateKey: string } =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });

type Subject = { readonly name: string; readonly publicKey: string; readonly extensions: object[] };

const certificate = (subject: Subject, issuer: { readonly name: string; readonly privateKey: string }): string => {
  const made = forge.pki.createCertificate();
  made.publicKey = forge.pki.publicKeyFromPem(subject.publicKey);
  made.serialNumber = `01${Math.floor(Math.random() * 0xffff_ffff).toString(16)}`;
  made.validity.notBefore = new Date(Date.now() - 60_000);
  made.validity.notAfter = new Date(Date.now() + 3_600_000);
  made.setSubject([{ name: 'commonName', value: subject.name }]);
  made.setIssuer([{ name: 'commonName', value: issuer.name }]);
  made.setExtensions(subject.extensions);
  made.sign(forge.pki.privateKeyFromPem(issuer.privateKey), forge.md.sha256.create());
  return forge.pki.certificateToPem(made);
};

export const testAuthority = (): TestAuthority => {
  const name = 'nobody';
  const root = keys();
  const extensions = [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ];
  const own = { name, privateKey: root.privateKey };
  const anchorPem = certificate({ name, publicKey: root.publicKey, extensions }, own);
  return {
    anchorPem,
    leaf: (...uris) => {
      const { publicKey, privateKey } = keys();
      const leafExtensions = [
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
        { name: 'subjectAltName', altNames: uris.map((value) => ({ type: 6, value })) },
      ];
      const chainPem = certificate({ name: 'leaf', publicKey, extensions: leafExtensions }, own);
      return { chainPem, keyPem: privateKey };
    },
  };
};
