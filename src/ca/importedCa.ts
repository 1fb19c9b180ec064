import { X509Certificate } from 'node:crypto';
import { OID } from '../spiffe/oid.ts';
import { readCertificate, readElements } from '../spiffe/readCertificate.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffeId.ts';
import { type CaCertificate, statedIn } from './caCertificate.ts';
import type { Chain } from './external/chain.ts';
import { authorityKeyExtension, keyIdentifier } from './profile.ts';
import { openSslReads } from './sign.ts';
import { signatureAlgorithm } from './signer.ts';

const signatureOf = (x509: X509Certificate): CaCertificate['signature'] => {
  try {
    return signatureAlgorithm(x509.publicKey);
  } catch {
    return undefined;
  }
};

/** The trust domain that its SPIFFE ID names, if it has one; other names are no matter. */
const trustDomainIn = (subjectAltName: Buffer): TrustDomain | undefined => {
  const names = readElements(readElements(subjectAltName)[0]?.body ?? Buffer.alloc(0));
  const uris = names.filter(({ tag }) => tag === 0x86).map(({ body }) => body.toString('latin1'));
  return uris.map((uri) => parseTrustDomain(/^spiffe:\/\/([^/]+)/.exec(uri)?.[1] ?? '')).find((name) => name);
};

type Above = { readonly chain: readonly string[]; readonly root: CaCertificate };

/** Each signed by the next, and the last by the root. @throws Error */
const verifyLinks = (x509: X509Certificate, { chain, root }: Above): readonly X509Certificate[] => {
  const between = chain.map((one) => new X509Certificate(one));
  for (const [at, certificate] of [x509, ...between].entries()) {
    openSslReads(certificate.raw, between[at]?.publicKey ?? root.publicKey);
    if (!certificate.ca) throw new Error('a certificate of its chain is no CA');
  }
  return between;
};

/**
 * A CA certificate that was made elsewhere, as it lies in the state: a root, or an intermediate with what stands above it.
 * It is good for as long as all of them are. What else it is to be was checked before it was taken (external/chain.ts).
 * @throws Error naming what is wrong, without its contents
 */
export const readImportedCa = (kind: 'root' | 'intermediate', certificatePem: string, above?: Above): CaCertificate => {
  const x509 = new X509Certificate(certificatePem);
  const read = readCertificate(x509.raw);
  if (!x509.ca) throw new Error('it is not the right kind of CA certificate');
  if (above === undefined) openSslReads(x509.raw, x509.publicKey);
  const times = [
    read,
    ...(above === undefined ? [] : [...verifyLinks(x509, above).map((one) => readCertificate(one.raw)), above.root]),
  ];
  const notBefore = Math.max(...times.map((one) => one.notBefore));
  const notAfter = Math.min(...times.map((one) => one.notAfter));
  const stated = readElements(read.extensions.get(OID.subjectKeyIdentifier)?.value ?? Buffer.alloc(0))[0]?.body;
  const identifier = stated ?? keyIdentifier(read.spki);
  const names = read.extensions.get(OID.subjectAltName);
  return Object.freeze({
    ...statedIn(kind, x509, { ...read, notBefore, notAfter }),
    trustDomain: names && trustDomainIn(names.value),
    identifier,
    // Found by its signature, which says more than the identifier that the certificate states.
    issuedBy: above?.root.identifier ?? identifier,
    authorityKey: authorityKeyExtension(identifier),
    signature: signatureOf(x509),
    above: above?.chain ?? [],
  });
};

/** Root and issuer of a chain that was checked. The root itself may be the issuer. */
export const importedCas = ({
  leaf,
  between,
  root,
}: Chain): { readonly root: CaCertificate; readonly issuer: CaCertificate } => {
  const top = readImportedCa('root', root.pem);
  return {
    root: top,
    issuer: readImportedCa('intermediate', leaf.pem, { chain: between.map((one) => one.pem), root: top }),
  };
};
