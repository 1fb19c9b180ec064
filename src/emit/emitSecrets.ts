import { bundlesSecret, svidSecret } from '../features/certificates/envoy.ts';
import { Secret } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import { invariant } from '../lib/errors.ts';
import { callersBundleId, trustDomainId } from '../spiffe/spiffeId.ts';
import type { TrustBundles, X509Svid } from '../spiffe/svid.ts';
import { type Emitted, encode, encodeAs } from './emitted.ts';

/**
 * The SDS secrets of one sidecar: its own certificate with its key, and what it holds others against. Each is encoded once,
 * as long as it is the same object: a sidecar that comes back is given the certificate that it had, and so is one whose policy changed.
 */
export const emitSecrets = (svid: X509Svid, trust: TrustBundles): readonly Emitted[] => {
  const shared = bundles.get(trust) ?? emitBundles(trust);
  bundles.set(trust, shared);
  const own = certificates.get(svid) ?? encodeAs(svidSecret, svid.id, svid);
  certificates.set(svid, own);
  return [own, ...shared];
};

const certificates = new WeakMap<X509Svid, Emitted>();
const bundles = new WeakMap<TrustBundles, readonly Emitted[]>();

// Two secrets where others are trusted: a caller must not take their word for a server of this mesh.
const emitBundles = ({ own, foreign }: TrustBundles): readonly Emitted[] => {
  const [first] = own;
  invariant(first !== undefined, 'a mesh has a trust domain of its own');
  const { trustDomain } = first;
  return [
    encode(Secret, bundlesSecret(trustDomainId(trustDomain), own)),
    ...(foreign.length === 0
      ? []
      : [encode(Secret, bundlesSecret(callersBundleId(trustDomain), [...own, ...foreign]))]),
  ];
};
