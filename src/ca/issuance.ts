import { AppError } from '../lib/errors.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { IssuingAuthority } from './authority.ts';
import { type CaCertificate, type CaKeyPair, makeCa } from './caCertificate.ts';
import type { CaDocument } from './caDocument.ts';
import { namingFault } from './external/nameConstraints.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import { signsForItself } from './imports.ts';
import { leafIssuer } from './leaf.ts';
import type { Making } from './making.ts';
import { activeRoot, intermediateInForce, type MeshState, replaceIntermediate, rootInForce } from './meshState.ts';
import { renamed } from './names.ts';
import type { SignerControl } from './signerControl.ts';
import { activeOf, own, type Slots, standing } from './slots.ts';

/** Life of an issuing intermediate: the root signs twice a year, and a leaf of any sensible life fits into the rest. */
export const INTERMEDIATE_LIFE: Duration = 365 * 86_400_000;

const WORKLOAD = /^spiffe:\/\/[^/]+\/ns\/[^/]+\/sa\/[^/]+$/;

/** Only `/ns/…/sa/…` of this trust domain: never the control plane's ID, never another domain's, never the domain's own. */
const checkId = (id: SpiffeId, trustDomain: TrustDomain): void => {
  if (parseSpiffeId(id) === undefined || !WORKLOAD.test(id) || !id.startsWith(`spiffe://${trustDomain}/`)) {
    throw new AppError(
      'identity_refused',
      `no certificate is issued for ${JSON.stringify(id)}: it is no workload of ${trustDomain}`,
    );
  }
};

/**
 * Past half of its life, or too short for the leaf that is wanted, and a new one would last longer; or of another name; or
 * made while the clock was ahead, and not good yet for anybody whose clock is right.
 */
const intermediateIsDue = (
  root: CaCertificate,
  held: CaCertificate,
  { name, ttl, now }: { readonly name: TrustDomain; readonly ttl: Duration; readonly now: Instant },
): boolean => {
  if (now < root.notBefore || now >= root.notAfter) return false;
  if (held.trustDomain !== name || now < held.notBefore) return true;
  const next = Math.min(now + INTERMEDIATE_LIFE, root.notAfter);
  const half = (held.notBefore + held.notAfter) / 2;
  return (now >= half || held.notAfter < now + ttl) && next - held.notAfter > 60_000;
};

/** Gives the same result for as long as it is asked about the same thing. */
export const remember = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  let held: { readonly key: K; readonly value: V } | undefined;
  return (key) => {
    if (held?.key !== key) held = { key, value: make(key) };
    return held.value;
  };
};

/** A new intermediate below `issuer`. */
export const newIntermediate = ({ trustDomain, curve }: Making, issuer: CaKeyPair, now: Instant): CaKeyPair =>
  makeCa('intermediate', { trustDomain: trustDomain(), life: INTERMEDIATE_LIFE, now, curve: curve(), issuer });

/** A slow signer holds up nobody for whom the present intermediate can sign. */
const prepareBySigner = async (document: CaDocument<MeshState>, signer: SignerControl, now: Instant): Promise<void> => {
  const { keys, certificate } = intermediateInForce(document.state());
  const tended = signer.tend(now);
  if (keys === undefined || now >= certificate.notAfter || now < certificate.notBefore) await tended;
  else tended.catch(() => undefined); // told by the queue, and by whoever tends
};

/** The name of the mesh, and the intermediate below a root of Signet's own. */
const ownPreparation = (document: CaDocument<MeshState>, making: Making): IssuingAuthority['prepare'] => {
  const { trustDomain } = making;
  let preparing: Promise<void> | undefined;
  const isDue = (ttl: Duration, now: Instant): boolean => {
    const state = document.state();
    const [root, held] = [rootInForce(state).certificate, intermediateInForce(state).certificate];
    // Whoever has the root's key renews what is below it.
    if (!signsForItself(state)) return false;
    // The plan names the intermediate that it leads to, which must stay that one.
    return state.rotation?.kind !== 'intermediate' && intermediateIsDue(root, held, { name: trustDomain(), ttl, now });
  };
  const renew = (renews: boolean, now: Instant): Promise<void> => {
    const name = trustDomain();
    const what = document.state().trustDomain === name ? 'renewed the intermediate' : `renamed it to ${name}`;
    const next = (state: MeshState): MeshState =>
      renews ? replaceIntermediate(state, own(newIntermediate(making, activeRoot(state).keys, now)), now) : state;
    return document.change(what, (state) => renamed(next(state), name), now);
  };
  return async (ttl, now) => {
    await preparing;
    const renews = isDue(ttl, now);
    if (preparing === undefined && (renews || document.state().trustDomain !== trustDomain())) {
      preparing = renew(renews, now).finally(() => {
        preparing = undefined;
      });
    }
    await preparing;
  };
};

/** Takes on the name that the mesh has now; whose certificates are signed elsewhere needs nothing else for that. */
const takeName = async (document: CaDocument<MeshState>, { trustDomain }: Making, now: Instant): Promise<void> => {
  const name = trustDomain();
  if (document.state().trustDomain === name) return;
  await document.change(`renamed it to ${name}`, (state) => renamed(state, name), now);
};

/** Issues leaves, and keeps itself able to: from the active intermediate, or from the signer where that signs them. */
export const issuance = (
  document: CaDocument<MeshState>,
  making: Making,
  signer: SignerControl,
  choice: () => SignerChoice | undefined,
): Pick<IssuingAuthority, 'issue' | 'prepare' | 'obtain'> => {
  const { trustDomain, curve } = making;
  const issuing = remember((intermediates: Slots) => {
    const { certificate, keys } = activeOf(intermediates);
    return { abovePem: certificate.pem + certificate.above.join(''), leaves: leafIssuer(keys) };
  });
  // Held against the name when the CAs were taken; the mesh may have another one since.
  const faultOf = remember((intermediates: Slots) =>
    remember((name: TrustDomain) =>
      namingFault([rootInForce(document.state()).certificate, standing(intermediates).certificate], name),
    ),
  );
  /** `checked`: the trust domain of which the ID is known to name a workload. */
  const issue = (id: SpiffeId, ttl: Duration, now: Instant, checked?: TrustDomain): X509Svid => {
    const { trustDomain: name, intermediates } = document.state();
    if (checked !== name) checkId(id, name);
    const fault = faultOf(intermediates)(name);
    if (fault !== undefined) throw new AppError('profile_violation', `no certificate is issued for ${id}: ${fault}`);
    const { abovePem, leaves } = issuing(intermediates);
    const leaf = leaves.issue({ id, use: 'workload', ttl, now }, curve());
    const { certificatePem, keyPem, serial, notBefore, notAfter } = leaf;
    return Object.freeze({ id, chainPem: certificatePem + abovePem, keyPem, serial, notBefore, notAfter });
  };
  const prepareHere = ownPreparation(document, making);
  const prepare = async (ttl: Duration, now: Instant): Promise<void> => {
    const signs = choice();
    if (signs === undefined) return prepareHere(ttl, now);
    await takeName(document, making, now);
    if (signs.sign === 'intermediate') await prepareBySigner(document, signer, now);
  };

  /** Until every sidecar trusts the signer's root, the root from before signs here if its key is here. */
  const leafOf = async (signs: SignerChoice, id: SpiffeId, ttl: Duration, now: Instant): Promise<X509Svid> => {
    const signsHere = (): boolean => intermediateInForce(document.state()).keys !== undefined;
    if (document.state().rotation?.step === 'distribute' && signsHere()) return issue(id, ttl, now);
    try {
      return await signer.leaf(signs, id, ttl, now);
    } catch (thrown) {
      const waits = thrown instanceof AppError && thrown.code === 'root_not_distributed';
      if (waits && signsHere()) return issue(id, ttl, now);
      throw thrown;
    }
  };
  return {
    issue: (id, ttl, now) => issue(id, ttl, now),
    prepare,
    obtain: async (id: SpiffeId, ttl: Duration, now: Instant): Promise<X509Svid> => {
      const name = trustDomain();
      checkId(id, name);
      await prepare(ttl, now);
      const signs = choice();
      if (signs?.sign === 'leaves') return leafOf(signs, id, ttl, now);
      return issue(id, ttl, now, name);
    },
  };
};
