import { err, ok, type Result } from '../../lib/result.ts';
import { type Instant, iso } from '../../lib/time.ts';
import { OID } from '../../spiffe/oid.ts';
import { readElements, readOid } from '../../spiffe/readCertificate.ts';
import { type TrustDomain, trustDomainId } from '../../spiffe/spiffeId.ts';
import {
  algorithmFault,
  authorityKeyOf,
  constraintsOf,
  extensionOf,
  type Foreign,
  isSelfSigned,
  KEY_CERT_SIGN,
  keyFault,
  keyUsageOf,
  readPemChain,
  subjectKeyOf,
} from './foreign.ts';
import { uriConstraintFault } from './nameConstraints.ts';

/** A chain that holds: `leaf` first, what stands between, and the root that ends it. */
export type Chain = { readonly leaf: Foreign; readonly between: readonly Foreign[]; readonly root: Foreign };

export type ChainCheck = {
  readonly trustDomain: TrustDomain;
  /** What the mesh was called before: CAs from then may say so. */
  readonly formerly: readonly TrustDomain[];
  readonly now: Instant;
  /** SubjectPublicKeyInfo, DER, that the first certificate is to be for. */
  readonly spki: Buffer;
  /** Whose key that is, for sentences: `the pending CSR`. */
  readonly keyOf: string;
  /** Roots that may end the chain without standing in it, PEM. */
  readonly knownRoots: readonly string[];
};

/** Critical extensions that Envoy's BoringSSL knows and that say nothing against a leaf without policies. */
const KNOWN_CRITICAL: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.subjectAltName,
  OID.nameConstraints,
  OID.certificatePolicies,
]);

const EMPTY = Buffer.alloc(0);
const EMPTY_NAME_BYTES = 2;

/** Faults that any certificate of a chain can have; to be read behind its name. */
export const commonFault = (certificate: Foreign, now: Instant): string | undefined => {
  const { read, x509 } = certificate;
  if (now < read.notBefore) return `is not valid before ${iso(read.notBefore)}, and the clock says ${iso(now)}`;
  if (now >= read.notAfter) return `expired at ${iso(read.notAfter)}`;
  if (read.serial.length > 20 || (read.serial[0] ?? 0x80) >= 0x80)
    return 'has a serial that is negative or longer than 20 octets';
  const unknown = [...read.extensions].find(([oid, { critical }]) => critical && !KNOWN_CRITICAL.has(oid))?.[0];
  if (unknown !== undefined) return `has the critical extension ${unknown}, which Envoy would refuse`;
  return keyFault(x509.publicKey) ?? algorithmFault(certificate);
};

/** The purposes of an extendedKeyUsage; `undefined` where it is absent. */
export const purposesOf = (certificate: Foreign): readonly string[] | undefined => {
  const value = extensionOf(certificate, OID.extKeyUsage);
  if (value === undefined) return undefined;
  return readElements(readElements(value)[0]?.body ?? EMPTY).map(({ body }) => readOid(body));
};

/** OpenSSL and BoringSSL hold the purposes of a CA against those of its leaves. */
const forTls = (purposes: readonly string[] | undefined): boolean =>
  purposes === undefined ||
  purposes.includes(OID.anyPurpose) ||
  (purposes.includes(OID.serverAuth) && purposes.includes(OID.clientAuth));

const nameFault = (
  certificate: Foreign,
  { trustDomain, formerly }: Pick<ChainCheck, 'trustDomain' | 'formerly'>,
): string | undefined => {
  const names = extensionOf(certificate, OID.subjectAltName);
  if (names === undefined) return undefined;
  const uris = readElements(readElements(names)[0]?.body ?? EMPTY)
    .filter(({ tag }) => tag === 0x86)
    .map(({ body }) => body.toString('latin1'));
  const own: readonly string[] = [trustDomain, ...formerly].map(trustDomainId);
  const foreign = uris.find((uri) => uri.startsWith('spiffe:') && !own.includes(uri));
  return foreign === undefined
    ? undefined
    : `names ${JSON.stringify(foreign)}, and a CA of this mesh may name ${trustDomainId(trustDomain)} only`;
};

/** Why whatever it signed is no certificate. */
const signingFault = (certificate: Foreign): string | undefined => {
  if (constraintsOf(certificate)?.ca !== true) return 'is no CA (basicConstraints says CA:FALSE, or is missing)';
  return ((keyUsageOf(certificate) ?? KEY_CERT_SIGN) & KEY_CERT_SIGN) === 0
    ? 'may not sign certificates (keyUsage is without keyCertSign)'
    : undefined;
};

/** What is wrong with a CA that has `below` other CAs below it; to be read behind its name. */
const caFault = (certificate: Foreign, below: number, check: ChainCheck): string | undefined => {
  const { trustDomain, now } = check;
  const common = commonFault(certificate, now);
  if (common !== undefined) return common;
  const cannot = signingFault(certificate);
  if (cannot !== undefined) return cannot;
  const pathLength = constraintsOf(certificate)?.pathLength;
  if (pathLength !== undefined && pathLength < below)
    return `has a path length of ${pathLength}, and ${below} other ${below === 1 ? 'CA stands' : 'CAs stand'} below it: sign it with a path length of ${below} or more`;
  if (!forTls(purposesOf(certificate)))
    return 'may not sign for TLS servers and clients (extendedKeyUsage without serverAuth and clientAuth)';
  if (certificate.read.subject.length === EMPTY_NAME_BYTES) return 'has an empty subject, and a CA needs one';
  const constrained = extensionOf(certificate, OID.nameConstraints);
  return (
    (constrained === undefined ? undefined : uriConstraintFault(constrained, trustDomain)) ??
    nameFault(certificate, check)
  );
};

/** Why `upper` did not sign `lower`; OpenSSL's own judgement (`checkIssued`) stands beside the own one. */
export const issuerFault = (lower: Foreign, upper: Foreign): string | undefined => {
  if (!lower.read.issuer.equals(upper.read.subject))
    return `${upper.name} is not the issuer that ${lower.name} names (${JSON.stringify(lower.x509.issuer.split('\n').join(', '))})`;
  const [wanted, has] = [authorityKeyOf(lower), subjectKeyOf(upper)];
  if (wanted !== undefined && has !== undefined && !wanted.equals(has))
    return `${lower.name} was signed by another key than that of ${upper.name} (their key identifiers differ)`;
  if (!lower.x509.verify(upper.x509.publicKey))
    return `the signature of ${lower.name} does not verify with the key of ${upper.name}`;
  if (lower.x509.checkIssued(upper.x509)) return undefined;
  return `${upper.name} ${signingFault(upper) ?? `did not issue ${lower.name}, as OpenSSL says`}`;
};

const spkiOf = ({ x509 }: Foreign): Buffer => x509.publicKey.export({ type: 'spki', format: 'der' });

/** The first one is for the key that was made here; says so if another one is. */
const keyMismatch = (chain: readonly Foreign[], { spki, keyOf }: ChainCheck): string | undefined => {
  const mine = chain.findIndex((certificate) => spkiOf(certificate).equals(spki));
  if (mine === 0) return undefined;
  if (mine > 0)
    return `it is in the wrong order: ${chain[mine]?.name} is for the key of ${keyOf} and has to stand first, each one's issuer behind it`;
  return `${chain[0]?.name} is for another key than that of ${keyOf}`;
};

const linkFault = (chain: readonly Foreign[]): string | undefined => {
  for (const [at, upper] of chain.entries()) {
    const lower = chain[at - 1];
    if (lower === undefined) continue;
    if (isSelfSigned(lower)) return `${upper.name} stands behind a root and signed nothing: remove it`;
    const fault = issuerFault(lower, upper);
    if (fault === undefined) continue;
    const right = chain.find((other) => other !== lower && issuerFault(lower, other) === undefined);
    return right === undefined
      ? fault
      : `it is in the wrong order: ${right.name} signed ${lower.name} and has to stand right behind it`;
  }
  return undefined;
};

/** The root that ends it: its own last certificate, or one that is known already. */
const rootOf = (chain: readonly Foreign[], known: readonly string[]): Result<Foreign, string> => {
  const last = chain.at(-1) as Foreign;
  if (isSelfSigned(last)) return ok(last);
  for (const pem of known) {
    const read = readPemChain(pem);
    const root = read.ok ? read.value[0] : undefined;
    if (root !== undefined && issuerFault(last, root) === undefined)
      return ok({ ...root, name: `the root (${root.name.replace(/^.*?\(/, '')}` });
  }
  return err(
    `it ends at ${last.name}, and the root that signed that one (${JSON.stringify(last.x509.issuer.split('\n').join(', '))}) is missing: add it as the last certificate`,
  );
};

/** How the first certificate of a chain is judged, and how many CAs it counts as for those above it. */
export type Judge = {
  readonly fault: (leaf: Foreign, issuer: Foreign) => string | undefined;
  readonly casBelow: 0 | 1;
};

/**
 * Holds a PEM chain against what this mesh needs of it: for the right key, in order, each signed by the next, up to a
 * root, every CA fit for what stands below it, and the first certificate fit in the eyes of `judge`.
 */
export const checkChain = (pemText: string, check: ChainCheck, judge: Judge): Result<Chain, string> => {
  const read = readPemChain(pemText);
  if (!read.ok) return read;
  const [leaf, ...above] = read.value;
  if (leaf === undefined) return err('it is empty');
  const early = keyMismatch(read.value, check) ?? linkFault(read.value);
  if (early !== undefined) return err(early);
  if (isSelfSigned(leaf)) return err(`${leaf.name} is signed by itself, and not by a CA of yours`);
  const root = rootOf(read.value, check.knownRoots);
  if (!root.ok) return root;
  const between = above.filter((certificate) => certificate !== root.value);
  const own = judge.fault(leaf, between[0] ?? root.value);
  if (own !== undefined) return err(`${leaf.name} ${own}`);
  for (const [at, certificate] of [...between, root.value].entries()) {
    const fault = caFault(certificate, at + judge.casBelow, check);
    if (fault !== undefined) return err(`${certificate.name} ${fault}`);
  }
  return ok({ leaf, between, root: root.value });
};

/** The same for a chain whose first certificate is a CA: what signs the leaves of this mesh. */
export const checkCaChain = (pemText: string, check: ChainCheck): Result<Chain, string> =>
  checkChain(pemText, check, { fault: (leaf) => caFault(leaf, 0, check), casBelow: 1 });
