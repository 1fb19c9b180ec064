import { X509Certificate } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { IssuingAuthority } from './authority.ts';
import { type CaCertificate, type CaKeyPair, makeCa, readCa } from './caCertificate.ts';
import { leafIssuer } from './leaf.ts';
import { openSslReads } from './sign.ts';
import { MESH_KEY, meshWrite } from './state.ts';

/** Life of an issuing intermediate: the root signs twice a year, and a leaf of any sensible life fits into the rest. */
export const INTERMEDIATE_LIFE: Duration = 365 * 86_400_000;

/** Only `/ns/…/sa/…` of this trust domain: never the control plane's ID, never another domain's, never the domain's own. */
const checkId = (id: SpiffeId, trustDomain: TrustDomain): void => {
  const workload = /^spiffe:\/\/([^/]+)\/ns\/[^/]+\/sa\/[^/]+$/.exec(id);
  if (parseSpiffeId(id) === undefined || workload === null || workload[1] !== trustDomain) {
    throw new AppError(
      'identity_refused',
      `no certificate is issued for ${JSON.stringify(id)}: it is no workload of ${trustDomain}`,
    );
  }
};

/** Past half of its life, or too short for the leaf that is wanted, and a new one would last longer. */
const intermediateIsDue = (root: CaCertificate, held: CaCertificate, ttl: Duration, now: Instant): boolean => {
  if (now < root.notBefore || now >= root.notAfter) return false;
  const next = Math.min(now + INTERMEDIATE_LIFE, root.notAfter);
  const half = (held.notBefore + held.notAfter) / 2;
  return (now >= half || held.notAfter < now + ttl) && next - held.notAfter > 60_000;
};

/** The leaf is signed by the intermediate that it carries, and that by our root. */
const chains = (svid: X509Svid, root: CaCertificate, trustDomain: TrustDomain, now: Instant): boolean => {
  const [leaf, above, ...more] = svid.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  if (leaf === undefined || above === undefined || more.length > 0) return false;
  try {
    const issuer = readCa('intermediate', above, trustDomain);
    openSslReads(new X509Certificate(above).raw, root.publicKey);
    openSslReads(new X509Certificate(leaf).raw, issuer.publicKey);
    return issuer.notBefore <= now && now < issuer.notAfter;
  } catch {
    return false;
  }
};

/** The authority over what the store holds. Everything but `prepare` works in memory. */
export const meshAuthority = (
  store: Store,
  trustDomain: TrustDomain,
  curve: () => Curve,
  state: { readonly root: CaKeyPair; readonly intermediate: CaKeyPair },
): IssuingAuthority => {
  const { root } = state;
  let intermediate = state.intermediate;
  let leaves = leafIssuer(intermediate);
  let preparing: Promise<void> | undefined;
  const bundle = Object.freeze({ trustDomain, authorities: Object.freeze([root.certificate.pem]) });

  const renewIntermediate = async (now: Instant): Promise<void> => {
    const next = makeCa('intermediate', { trustDomain, life: INTERMEDIATE_LIFE, now, curve: curve(), issuer: root });
    await store.commit([meshWrite(trustDomain, root, next, store.get(MESH_KEY)?.revision ?? 0)]);
    intermediate = next;
    leaves = leafIssuer(next);
  };

  return Object.freeze({
    trustBundle: () => bundle,
    issue: (id: SpiffeId, ttl: Duration, now: Instant): X509Svid => {
      checkId(id, trustDomain);
      const { certificatePem, ...leaf } = leaves.issue({ id, use: 'workload', ttl, now }, curve());
      return Object.freeze({ id, chainPem: certificatePem + intermediate.certificate.pem, ...leaf });
    },
    prepare: async (ttl: Duration, now: Instant): Promise<void> => {
      if (preparing === undefined && intermediateIsDue(root.certificate, intermediate.certificate, ttl, now)) {
        preparing = renewIntermediate(now).finally(() => {
          preparing = undefined;
        });
      }
      await preparing;
    },
    vouchesFor: (svid: X509Svid, now: Instant) => chains(svid, root.certificate, trustDomain, now),
    describe: () => ({ trustDomain, root: root.certificate.facts, intermediate: intermediate.certificate.facts }),
  });
};
