import { randomBytes } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { type Secret, secret } from '../lib/secret.ts';
import type { Instant } from '../lib/time.ts';
import { type TrustDomain, trustDomainId } from '../spiffe/spiffeId.ts';
import { CA_KINDS, type CaCertificate, withKey } from './caCertificate.ts';
import { nameDer } from './der.ts';
import type { Chain } from './external/chain.ts';
import { makeCsr } from './external/csr.ts';
import { importedCas } from './importedCa.ts';
import { newKey, type PublicPart } from './keys.ts';
import { type MeshState, prepareRoot, replaceIntermediate, rootInForce } from './meshState.ts';
import { caExtensions, keyIdentifier, subjectKeyExtension, uriExtension } from './profile.ts';
import { startRotation } from './rotationSteps.ts';
import { inState, type NewSlot, prepare, refused, type Slots } from './slots.ts';

/** Of what `signet ca import` took; what a signer signed is marked with the signer. */
export const IMPORTED = 'import';

export type IntermediateRequest = { readonly key: Secret; readonly csr: string; readonly public: PublicPart };

/** A new key for an issuing intermediate, and the PKCS#10 request for it: a CA with path length 0, for this trust domain. */
export const requestIntermediate = (trustDomain: TrustDomain, curve: Curve): IntermediateRequest => {
  const key = newKey(curve);
  const subject = nameDer(`Signet ${CA_KINDS.intermediate.title} ${randomBytes(4).toString('hex')}`);
  const csr = makeCsr(key, subject, [
    caExtensions(CA_KINDS.intermediate.pathLength),
    subjectKeyExtension(keyIdentifier(key.point)),
    uriExtension(trustDomainId(trustDomain), false),
  ]);
  return { key: secret(key.privatePem), csr, public: key };
};

/** Root and issuer of a chain, as slots. */
export type Signed = { readonly root: NewSlot; readonly issuer: NewSlot };

/** Root and issuer of a checked chain as slots; `key` is the issuer's, if Signet has it. */
export const signedElsewhere = (chain: Chain, key: Secret | undefined, origin: string): Signed => {
  const { root, issuer } = importedCas(chain);
  const keys = key === undefined ? undefined : withKey(issuer, key);
  return { root: { certificate: root, keys: undefined, origin }, issuer: { certificate: issuer, keys, origin } };
};

/** Imports that wait for their rotation make room for newer ones. */
const withoutPrepared = (slots: Slots): Slots =>
  slots.filter(({ state, origin }) => state !== 'prepared' || origin === undefined);

/** Whether the root is the active one already. @throws AppError `rotation_refused` for one that may not come (back) */
const isActive = ({ roots }: MeshState, { raw, name, identifier }: CaCertificate): boolean => {
  const held = roots.find(({ certificate }) => certificate.raw.equals(raw));
  if (held === undefined) {
    const twin = roots.find(({ certificate }) => certificate.identifier.equals(identifier));
    if (twin === undefined) return false;
    throw refused(
      `${name} has the key of ${twin.certificate.name}, and is another certificate: a new root needs a new key`,
    );
  }
  if (held.state === 'active' || held.state === 'prepared') return held.state === 'active';
  throw refused(`${name} is ${held.state} here, and only the active root or a new one can come`);
};

const refuseWhileRotating = ({ rotation }: MeshState): void => {
  if (rotation !== undefined)
    throw refused(
      `the rotation ${rotation.id} is at its step ${rotation.step}: let it end, or \`signet ca rotate --abort\``,
    );
};

/**
 * Takes what was signed elsewhere and prepares it: a new root is trusted from now on and signs nothing, an intermediate
 * below the active root waits; a rotation brings either into use. What was imported before and not used goes.
 * @throws AppError `rotation_refused`
 */
export const prepareSigned = (state: MeshState, { root, issuer }: Signed, now: Instant): MeshState => {
  refuseWhileRotating(state);
  const cleared: MeshState = {
    ...state,
    pending: undefined,
    roots: withoutPrepared(state.roots),
    intermediates: withoutPrepared(state.intermediates),
  };
  if (!isActive(cleared, root.certificate)) return prepareRoot(cleared, root, issuer, now);
  return { ...cleared, intermediates: prepare(cleared.intermediates, issuer, now) };
};

/**
 * The same for what a signer of mesh.yaml signed, which nobody else will bring into use: below the active root it signs at
 * once, because leaves carry it; below the root that a rotation leads to it takes the place of the one that waits; with
 * another root the rotation to it begins.
 * @throws AppError `rotation_refused`
 */
export const adoptSigned = (state: MeshState, signed: Signed, reason: string, now: Instant): MeshState => {
  const { rotation, intermediates } = state;
  const active = isActive(state, signed.root.certificate);
  if (active && rotation?.kind !== 'intermediate') return replaceIntermediate(state, signed.issuer, now);
  if (!active && rotation?.to === signed.root.certificate.facts.serial)
    return { ...state, intermediates: prepare(withoutPrepared(intermediates), signed.issuer, now) };
  refuseWhileRotating(state);
  const prepared = prepareSigned(state, signed, now);
  const id = randomBytes(4).toString('hex');
  return startRotation(prepared, { id, kind: 'root', reason, cas: 'prepared' }, now);
};

/** Whether something signed elsewhere waits for its rotation. */
export const waitsForRotation = ({ roots, intermediates, rotation }: MeshState): boolean =>
  rotation === undefined &&
  [inState(roots, 'prepared'), inState(intermediates, 'prepared')].some((slot) => slot?.origin !== undefined);

/** Whether Signet has the key of the active root, and can make what stands below it. */
export const signsForItself = (state: MeshState): boolean => rootInForce(state).keys !== undefined;
