import { randomBytes } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { AuthorityStatus, MeshAuthority, RotationControl } from './authority.ts';
import { type CaCertificate, type CaKeyPair, makeCa } from './caCertificate.ts';
import type { CaDocument } from './caDocument.ts';
import { issuersOf, mayServe } from './issuers.ts';
import { leafIssuer } from './leaf.ts';
import { activeIntermediate, activeRoot, type MeshState, replaceIntermediate, rootOf } from './meshState.ts';
import type { RotationKind } from './rotation.ts';
import { abortRotation, advanceRotation, pauseRotation, startRotation } from './rotationSteps.ts';
import { activeOf, type Slots, slotFacts, trusted } from './slots.ts';
import { vouches } from './vouch.ts';

/** Life of the channel CA, and of the mesh root unless `mesh.certificates.rootLife` says another. */
export const ROOT_LIFE: Duration = 3650 * 86_400_000;

/** A root is replaced at this share of its life: the rest is for sidecars that are away, and for trouble. */
const ROTATE_AT = 0.8;

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

/** Gives the same result for as long as it is asked about the same thing. */
const remember = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  let held: { readonly key: K; readonly value: V } | undefined;
  return (key) => {
    if (held?.key !== key) held = { key, value: make(key) };
    return held.value;
  };
};

const describe = (trustDomain: TrustDomain, state: MeshState): AuthorityStatus => ({
  trustDomain,
  generation: state.generation,
  root: activeRoot(state).certificate.facts,
  intermediate: activeIntermediate(state).certificate.facts,
  slots: [
    ...state.roots.map((slot) => slotFacts('root', slot, slot.certificate)),
    ...state.intermediates.map((slot) =>
      slotFacts('intermediate', slot, rootOf(state.roots, slot.certificate)?.certificate ?? slot.certificate),
    ),
  ],
});

type Making = { readonly trustDomain: TrustDomain; readonly curve: () => Curve; readonly rootLife: () => Duration };

/** A new intermediate below `issuer`. */
const newIntermediate = ({ trustDomain, curve }: Making, issuer: CaKeyPair, now: Instant): CaKeyPair =>
  makeCa('intermediate', { trustDomain, life: INTERMEDIATE_LIFE, now, curve: curve(), issuer });

const rotationControl = (document: CaDocument<MeshState>, making: Making): RotationControl => {
  const { trustDomain, curve, rootLife } = making;
  const newCas = (kind: RotationKind, state: MeshState, now: Instant) => {
    if (kind === 'intermediate')
      return { root: undefined, intermediate: newIntermediate(making, activeRoot(state).keys, now) };
    const root = makeCa('root', { trustDomain, life: rootLife(), now, curve: curve() });
    return { root, intermediate: newIntermediate(making, root, now) };
  };
  return Object.freeze({
    plan: () => document.state().rotation,
    start: (kind: RotationKind, reason: string, now: Instant) =>
      document.change(
        `began the rotation (${kind}): ${reason}`,
        (state) => {
          const id = randomBytes(4).toString('hex');
          return startRotation(state, { id, kind, reason, cas: newCas(kind, state, now) }, now);
        },
        now,
      ),
    advance: (at: Parameters<RotationControl['advance']>[0], now: Instant) =>
      document.change(`ended the step ${at.step} of the rotation ${at.id}`, (s) => advanceRotation(s, at, now), now),
    pause: (now: Instant) => document.change('paused the rotation', (state) => pauseRotation(state, true), now),
    resume: (now: Instant) => document.change('resumed the rotation', (state) => pauseRotation(state, false), now),
    abort: (reason: string, now: Instant) =>
      document.change(`aborted the rotation: ${reason}`, (state) => abortRotation(state, reason, now), now),
    restorePrevious: document.restorePrevious,
  });
};

/** The authority over its document. `prepare` and `rotation` write; everything else works in memory. */
export const meshAuthority = (
  trustDomain: TrustDomain,
  curve: () => Curve,
  document: CaDocument<MeshState>,
  rootLife: () => Duration = () => ROOT_LIFE,
): MeshAuthority => {
  const making = { trustDomain, curve, rootLife };
  let preparing: Promise<void> | undefined;
  const bundleOf = remember(
    (roots: Slots): TrustBundle =>
      Object.freeze({
        trustDomain,
        authorities: Object.freeze(trusted(roots).map(({ certificate }) => certificate.pem)),
      }),
  );
  const issuing = remember((intermediates: Slots) => {
    const { certificate, keys } = activeOf(intermediates);
    return { certificate, leaves: leafIssuer(keys) };
  });

  const isDue = (ttl: Duration, now: Instant): boolean => {
    const state = document.state();
    const [root, held] = [activeRoot(state).certificate, activeIntermediate(state).certificate];
    // The plan names the intermediate that it leads to, which must stay that one.
    return state.rotation?.kind !== 'intermediate' && intermediateIsDue(root, held, ttl, now);
  };
  const renewIntermediate = (now: Instant): Promise<void> =>
    document.change(
      'renewed the intermediate',
      (state) => replaceIntermediate(state, newIntermediate(making, activeRoot(state).keys, now), now),
      now,
    );

  return Object.freeze({
    trustBundle: () => bundleOf(document.state().roots),
    issue: (id: SpiffeId, ttl: Duration, now: Instant): X509Svid => {
      checkId(id, trustDomain);
      const { certificate, leaves } = issuing(document.state().intermediates);
      const { certificatePem, ...leaf } = leaves.issue({ id, use: 'workload', ttl, now }, curve());
      return Object.freeze({ id, chainPem: certificatePem + certificate.pem, ...leaf });
    },
    prepare: async (ttl: Duration, now: Instant): Promise<void> => {
      if (preparing === undefined && isDue(ttl, now)) {
        preparing = renewIntermediate(now).finally(() => {
          preparing = undefined;
        });
      }
      await preparing;
    },
    vouchesFor: (svid: X509Svid, now: Instant) => vouches(svid, document.state(), trustDomain, now),
    mayServe: (svid: X509Svid) => mayServe(svid.chainPem, document.state(), trustDomain),
    issuersOf: (svid: X509Svid) => issuersOf(svid.chainPem, document.state(), trustDomain),
    clientAnchors: () =>
      trusted(document.state().roots).flatMap(({ state, certificate }) =>
        state === 'tainted' ? [] : [certificate.pem],
      ),
    rootDue: () => {
      const { notBefore, notAfter } = activeRoot(document.state()).certificate;
      return notBefore + Math.min(rootLife(), notAfter - notBefore) * ROTATE_AT;
    },
    describe: () => describe(trustDomain, document.state()),
    rotation: rotationControl(document, making),
  });
};
