import { randomBytes } from 'node:crypto';
import type { Duration, Instant } from '../lib/time.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { AuthorityStatus, MeshAuthority, Prepared, RotationControl } from './authority.ts';
import { makeCa } from './caCertificate.ts';
import type { CaDocument } from './caDocument.ts';
import { namingFault } from './external/nameConstraints.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import { importControl } from './importControl.ts';
import { signsForItself, waitsForRotation } from './imports.ts';
import { issuance, newIntermediate, remember } from './issuance.ts';
import { issuersOf, mayServe } from './issuers.ts';
import type { Making } from './making.ts';
import { activeRoot, intermediateInForce, type MeshState, rootInForce, rootOf } from './meshState.ts';
import type { RotationKind } from './rotation.ts';
import { abortRotation, advanceRotation, hurried, type NewCas, pauseRotation, startRotation } from './rotationSteps.ts';
import { signerControl } from './signerControl.ts';
import { inState, own, refused, type Slots, slotFacts, trusted } from './slots.ts';
import { vouches } from './vouch.ts';

/** Life of the channel CA, and of the mesh root unless `mesh.certificates.rootLife` says another. */
export const ROOT_LIFE: Duration = 3650 * 86_400_000;

/** A root is replaced at this share of its life: the rest is for sidecars that are away, and for trouble. */
const ROTATE_AT = 0.8;

const preparedIn = (state: MeshState): Prepared | undefined => {
  if (!waitsForRotation(state)) return undefined;
  const root = inState(state.roots, 'prepared');
  const slot = root ?? inState(state.intermediates, 'prepared');
  return slot && { kind: root === undefined ? 'intermediate' : 'root', subject: slot.certificate.facts.subject };
};

const describe = (state: MeshState): AuthorityStatus => ({
  trustDomain: state.trustDomain,
  generation: state.generation,
  requested: state.pending?.since,
  root: rootInForce(state).certificate.facts,
  intermediate: intermediateInForce(state).certificate.facts,
  slots: [
    ...state.roots.map((slot) => slotFacts('root', slot, slot.certificate)),
    ...state.intermediates.map((slot) =>
      slotFacts('intermediate', slot, rootOf(state.roots, slot.certificate)?.certificate ?? slot.certificate),
    ),
  ],
});

const rotationControl = (document: CaDocument<MeshState>, making: Making): RotationControl => {
  const { trustDomain, curve, rootLife } = making;
  const newCas = (kind: RotationKind, state: MeshState, now: Instant): NewCas => {
    if (waitsForRotation(state)) return 'prepared';
    // Closed: a root of one's own in place of an enterprise's is never the answer to a rotation that lacks its material.
    if (!signsForItself(state))
      throw refused(
        `the key of ${rootInForce(state).certificate.name} is not in Signet, so nothing new can be made below it here: have one signed (\`signet ca csr\`, \`signet ca import FILE\`), then rotate; a signer of mesh.yaml begins it by itself when it signs with another root`,
      );
    if (kind === 'intermediate')
      return { root: undefined, intermediate: own(newIntermediate(making, activeRoot(state).keys, now)) };
    const root = makeCa('root', { trustDomain: trustDomain(), life: rootLife(), now, curve: curve() });
    return { root: own(root), intermediate: own(newIntermediate(making, root, now)) };
  };
  return Object.freeze({
    plan: () => document.state().rotation,
    start: (kind: RotationKind, reason: string, now: Instant) =>
      document.change(
        `began the rotation (${kind}): ${reason}`,
        (state) => {
          const id = randomBytes(4).toString('hex');
          const base = kind === 'compromise' ? hurried(state, { id, reason }, now) : state;
          if (base.rotation?.id === id) return base;
          return startRotation(base, { id, kind, reason, cas: newCas(kind, base, now) }, now);
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
  making: Making,
  document: CaDocument<MeshState>,
  choice: () => SignerChoice | undefined = () => undefined,
): MeshAuthority => {
  const { rootLife } = making;
  const signer = signerControl(document, making, choice);
  const rootsOf = remember((roots: Slots) => Object.freeze(trusted(roots).map(({ certificate }) => certificate.pem)));
  const bundleOf = remember((name: TrustDomain) =>
    remember(
      (authorities: TrustBundle['authorities']): TrustBundle => Object.freeze({ trustDomain: name, authorities }),
    ),
  );
  return Object.freeze({
    trustBundle: () => {
      const state = document.state();
      return bundleOf(state.trustDomain)(rootsOf(state.roots));
    },
    ...issuance(document, making, signer, choice),
    vouchesFor: (svid: X509Svid, now: Instant) => vouches(svid, document.state(), now),
    mayServe: (svid: X509Svid) => mayServe(svid.chainPem, document.state()),
    issuersOf: (svid: X509Svid) => issuersOf(svid.chainPem, document.state()),
    clientAnchors: () =>
      trusted(document.state().roots).flatMap(({ state, certificate }) =>
        state === 'tainted' ? [] : [certificate.pem],
      ),
    renameFault: (name: TrustDomain) => {
      const [root, intermediate] = [rootInForce(document.state()), intermediateInForce(document.state())];
      // A signer is asked for another intermediate then.
      const stay = choice() === undefined && root.keys === undefined ? [root, intermediate] : [root];
      return namingFault(
        stay.map(({ certificate }) => certificate),
        name,
      );
    },
    rootDue: () => {
      const { notBefore, notAfter } = rootInForce(document.state()).certificate;
      return notBefore + Math.min(rootLife(), notAfter - notBefore) * ROTATE_AT;
    },
    abortedAt: () => document.state().abortedAt,
    rootIsOwn: () => signsForItself(document.state()),
    prepared: () => preparedIn(document.state()),
    describe: () => ({ ...describe(document.state()), signer: signer.status() }),
    rotation: rotationControl(document, making),
    imports: importControl(document, making, choice),
    tend: signer.tend,
  });
};
