import { randomBytes } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { AuthorityStatus, MeshAuthority, RotationControl } from './authority.ts';
import { type CaCertificate, type CaKeyPair, makeCa } from './caCertificate.ts';
import type { CaDocument } from './caDocument.ts';
import { leafIssuer } from './leaf.ts';
import { activeIntermediate, activeRoot, type MeshState, replaceIntermediate, rootOf } from './meshState.ts';
import { renamed } from './names.ts';
import type { RotationKind } from './rotation.ts';
import { abortRotation, advanceRotation, pauseRotation, startRotation } from './rotationSteps.ts';
import { activeOf, type Slots, slotFacts, trusted } from './slots.ts';
import { vouches } from './vouch.ts';

/** Life of the mesh root and of the channel CA. */
export const ROOT_LIFE: Duration = 3650 * 86_400_000;

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

/** Past half of its life, or too short for the leaf that is wanted, and a new one would last longer; or of another name. */
const intermediateIsDue = (
  root: CaCertificate,
  held: CaCertificate,
  { name, ttl, now }: { readonly name: TrustDomain; readonly ttl: Duration; readonly now: Instant },
): boolean => {
  if (now < root.notBefore || now >= root.notAfter) return false;
  if (held.trustDomain !== name) return true;
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

const describe = (state: MeshState): AuthorityStatus => ({
  trustDomain: state.trustDomain,
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

/** What the mesh says now of the CAs that are made. */
export type Making = { readonly trustDomain: () => TrustDomain; readonly curve: () => Curve };

/** A new intermediate below `issuer`. */
const newIntermediate = ({ trustDomain, curve }: Making, issuer: CaKeyPair, now: Instant): CaKeyPair =>
  makeCa('intermediate', { trustDomain: trustDomain(), life: INTERMEDIATE_LIFE, now, curve: curve(), issuer });

const rotationControl = (document: CaDocument<MeshState>, making: Making): RotationControl => {
  const { trustDomain, curve } = making;
  const newCas = (kind: RotationKind, state: MeshState, now: Instant) => {
    if (kind === 'intermediate')
      return { root: undefined, intermediate: newIntermediate(making, activeRoot(state).keys, now) };
    const root = makeCa('root', { trustDomain: trustDomain(), life: ROOT_LIFE, now, curve: curve() });
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
export const meshAuthority = (making: Making, document: CaDocument<MeshState>): MeshAuthority => {
  const { trustDomain, curve } = making;
  let preparing: Promise<void> | undefined;
  const rootsOf = remember((roots: Slots) => Object.freeze(trusted(roots).map(({ certificate }) => certificate.pem)));
  const bundleOf = remember((name: TrustDomain) =>
    remember(
      (authorities: TrustBundle['authorities']): TrustBundle => Object.freeze({ trustDomain: name, authorities }),
    ),
  );
  const issuing = remember((intermediates: Slots) => {
    const { certificate, keys } = activeOf(intermediates);
    return { certificate, leaves: leafIssuer(keys) };
  });

  const isDue = (ttl: Duration, now: Instant): boolean => {
    const state = document.state();
    const [root, held] = [activeRoot(state).certificate, activeIntermediate(state).certificate];
    // The plan names the intermediate that it leads to, which must stay that one.
    return state.rotation?.kind !== 'intermediate' && intermediateIsDue(root, held, { name: trustDomain(), ttl, now });
  };
  const renew = (renews: boolean, now: Instant): Promise<void> => {
    const name = trustDomain();
    const what = document.state().trustDomain === name ? 'renewed the intermediate' : `renamed it to ${name}`;
    const next = (state: MeshState): MeshState =>
      renews ? replaceIntermediate(state, newIntermediate(making, activeRoot(state).keys, now), now) : state;
    return document.change(what, (state) => renamed(next(state), name), now);
  };

  return Object.freeze({
    trustBundle: () => {
      const state = document.state();
      return bundleOf(state.trustDomain)(rootsOf(state.roots));
    },
    issue: (id: SpiffeId, ttl: Duration, now: Instant): X509Svid => {
      checkId(id, document.state().trustDomain);
      const { certificate, leaves } = issuing(document.state().intermediates);
      const { certificatePem, ...leaf } = leaves.issue({ id, use: 'workload', ttl, now }, curve());
      return Object.freeze({ id, chainPem: certificatePem + certificate.pem, ...leaf });
    },
    prepare: async (ttl: Duration, now: Instant): Promise<void> => {
      await preparing;
      const renews = isDue(ttl, now);
      if (preparing === undefined && (renews || document.state().trustDomain !== trustDomain())) {
        preparing = renew(renews, now).finally(() => {
          preparing = undefined;
        });
      }
      await preparing;
    },
    vouchesFor: (svid: X509Svid, now: Instant) => vouches(svid, document.state(), now),
    describe: () => describe(document.state()),
    rotation: rotationControl(document, making),
  });
};
