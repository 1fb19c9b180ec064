import { bundleSecret, svidSecret } from '../features/certificates/envoy.ts';
import { Secret } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import { type Emitted, encode } from './emitted.ts';

/** The SDS secrets of one sidecar: its own certificate with its key, and the trust bundle, which is encoded once for all. */
export const emitSecrets = (svid: X509Svid, bundle: TrustBundle): readonly Emitted[] => {
  const shared = bundles.get(bundle) ?? encode(Secret, bundleSecret(bundle));
  bundles.set(bundle, shared);
  return [encode(Secret, svidSecret(svid)), shared];
};

const bundles = new WeakMap<TrustBundle, Emitted>();
