import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import { type Secret, secret } from '../lib/secret.ts';
import type { Duration } from '../lib/time.ts';
import { serialText } from '../spiffe/readCertificate.ts';
import { type SpiffeId, type TrustDomain, trustDomainId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { nameDer } from './der.ts';
import { type Chain, checkChain } from './external/chain.ts';
import { makeCsr } from './external/csr.ts';
import { leafJudge } from './external/leafJudge.ts';
import type { SignerQueue } from './external/remoteSigner.ts';
import { checkedIntermediate, refusedChain, tryIssuer } from './importControl.ts';
import { requestIntermediate, type Signed, signedElsewhere } from './imports.ts';
import { newKey } from './keys.ts';
import { leafExtensions, uriExtension } from './profile.ts';

/** What is needed to ask a signer and to judge its answer. */
export type SignerWork = {
  readonly queue: SignerQueue;
  readonly trustDomain: TrustDomain;
  readonly curve: Curve;
  /** Roots that its chains need not bring along, PEM. */
  readonly knownRoots: readonly string[];
  /** What the mesh was called before. */
  readonly formerly: readonly TrustDomain[];
};

/** A new key and an intermediate for it. @throws AppError `signer_away`, `signer_failed` */
export const signedIntermediate = async (work: SignerWork): Promise<Signed> => {
  const { queue, trustDomain, formerly, curve, knownRoots } = work;
  const origin = queue.origin();
  const request = { ...requestIntermediate(trustDomain, curve), keyOf: 'the request' };
  const ask = { csr: request.csr, use: 'intermediate', id: trustDomainId(trustDomain), ttl: undefined } as const;
  return queue.ask(ask, (chainPem, now) =>
    checkedIntermediate(chainPem, request, origin, { knownRoots, trustDomain, formerly, now }),
  );
};

/** The CA that signed the leaf of a chain, and what stands above it; the root itself where nothing is between. */
const issuerOf = ({ between, root }: Chain): Chain => {
  const [leaf = root, ...above] = between;
  return { leaf, between: above, root };
};

const svidOf = (id: SpiffeId, { leaf, between }: Chain, keyPem: Secret): X509Svid =>
  Object.freeze({
    id,
    chainPem: [leaf, ...between].map(({ pem }) => pem).join(''),
    keyPem,
    serial: serialText(leaf.read.serial),
    notBefore: leaf.read.notBefore,
    notAfter: leaf.read.notAfter,
  });

export type SignedLeaf = { readonly svid: X509Svid; readonly above: Signed };

/**
 * A new key and a leaf for it from the signer, every promise of the profile checked on its return; the first one below
 * each issuer also by a handshake.
 * @throws AppError `signer_away`, `signer_failed`
 */
export const signedLeaf = async (
  work: SignerWork,
  { id, ttl }: { readonly id: SpiffeId; readonly ttl: Duration },
  triedIssuers: Set<string>,
): Promise<SignedLeaf> => {
  const { queue, trustDomain, formerly, knownRoots } = work;
  const key = newKey(work.curve);
  const keyPem = secret(key.privatePem);
  // Many CAs want a name in the subject; the identity is the URI alone. At most 64 characters (X.520).
  const subject = nameDer(id.slice(id.lastIndexOf('/') + 1).slice(0, 64));
  const csr = makeCsr(key, subject, [leafExtensions('workload'), uriExtension(id, true)]);
  const origin = queue.origin();
  return queue.ask({ csr, use: 'leaf', id, ttl }, async (chainPem, now) => {
    const check = { trustDomain, formerly, now, spki: key.spki, keyOf: 'the request', knownRoots };
    const chain = checkChain(chainPem, check, leafJudge({ id, ttl, now }));
    if (!chain.ok) throw refusedChain(chain.error);
    const svid = svidOf(id, chain.value, keyPem);
    const above = signedElsewhere(issuerOf(chain.value), undefined, origin);
    const { fingerprint } = above.issuer.certificate.facts;
    if (!triedIssuers.has(fingerprint)) await tryIssuer(above.issuer.certificate, svid, chain.value.root.pem);
    triedIssuers.add(fingerprint);
    return { svid, above };
  });
};

/** A leaf of a root that sidecars do not all trust yet must not be shown to any of them. */
export const waitsForRoot = (name: string): AppError<'root_not_distributed'> =>
  new AppError(
    'root_not_distributed',
    `the signer signs with ${name} now, and not every sidecar trusts that one yet: its certificates are used once the rotation to it has distributed it`,
  );
