import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { CaDocument } from './caDocument.ts';
import type { SignerChoice, SignerQueue, SignerStatus } from './external/remoteSigner.ts';
import { trustedPems } from './importControl.ts';
import { adoptSigned, type Signed } from './imports.ts';
import type { Making } from './making.ts';
import { intermediateInForce, type MeshState, rootInForce } from './meshState.ts';
import { allNames } from './names.ts';
import { type SignerWork, signedIntermediate, signedLeaf, waitsForRoot } from './signerWork.ts';
import { inState, type Slot } from './slots.ts';

/** The signer that mesh.yaml names, at work. */
export type SignerControl = {
  /**
   * Asks for the next intermediate if one is due: none of this signer's is held, or it is past half of its life or names another
   * trust domain. Asks in any case while the signer counts as away, though nobody waits for it: so it is known when it is back.
   * @throws AppError `signer_away`, `signer_failed`, `rotation_refused`, the store's; the present one goes on then
   */
  readonly tend: (now: Instant) => Promise<void>;
  /** A leaf from the signer. @throws AppError `signer_away`, `signer_failed`, `root_not_distributed`, the store's */
  readonly leaf: (choice: SignerChoice, id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  readonly status: () => (SignerStatus & { readonly sign: SignerChoice['sign'] }) | undefined;
};

/** The one that signs, or that waits for its rotation because its root is new. */
const newestOf = (state: MeshState): Slot =>
  state.rotation?.step === 'distribute'
    ? (inState(state.intermediates, 'prepared') ?? intermediateInForce(state))
    : intermediateInForce(state);

const isAway = (queue: SignerQueue): boolean => queue.status().away !== undefined;

const isDue = (state: MeshState, { queue }: SignerChoice, name: TrustDomain, now: Instant): boolean => {
  // The plan names the intermediate that it leads to, which must stay that one.
  if (state.rotation?.kind === 'intermediate') return false;
  const { certificate, keys, origin: from } = newestOf(state);
  const isNamedOtherwise = certificate.trustDomain !== undefined && certificate.trustDomain !== name;
  return (
    isAway(queue) ||
    from !== queue.origin() ||
    isNamedOtherwise ||
    keys === undefined ||
    // Made while the clock was ahead: not good yet for anybody whose clock is right.
    now < certificate.notBefore ||
    now >= (certificate.notBefore + certificate.notAfter) / 2
  );
};

const knows = ({ intermediates }: MeshState, { issuer }: Signed): boolean =>
  intermediates.some(({ certificate }) => certificate.raw.equals(issuer.certificate.raw));

export const signerControl = (
  document: CaDocument<MeshState>,
  { trustDomain, curve }: Pick<Making, 'trustDomain' | 'curve'>,
  choice: () => SignerChoice | undefined,
): SignerControl => {
  let asking: Promise<unknown> | undefined;
  const triedIssuers = new Set<string>();
  /** The leaf that was asked for last: what is asked for again to see whether the signer is back. */
  let last: { readonly id: SpiffeId; readonly ttl: Duration } | undefined;
  const work = ({ queue }: SignerChoice): SignerWork => ({
    queue,
    trustDomain: trustDomain(),
    curve: curve(),
    knownRoots: trustedPems(document.state()),
    formerly: allNames(document.state()),
  });
  const adopt = (what: string, signed: Signed, now: Instant): Promise<void> =>
    // Several may learn of the same one at the same time.
    document.change(
      what,
      (state) => (knows(state, signed) ? state : adoptSigned(state, signed, 'the signer signs with another root', now)),
      now,
    );
  const renew = async (signs: SignerChoice, now: Instant): Promise<void> =>
    adopt('took what the signer signed', await signedIntermediate(work(signs)), now);

  const wanted = (signs: SignerChoice, now: Instant): Promise<unknown> | undefined => {
    if (signs.sign === 'intermediate')
      return isDue(document.state(), signs, trustDomain(), now) ? renew(signs, now) : undefined;
    return last !== undefined && isAway(signs.queue) ? signedLeaf(work(signs), last, triedIssuers) : undefined;
  };

  return Object.freeze({
    tend: async (now: Instant) => {
      const signs = choice();
      asking ??=
        signs &&
        wanted(signs, now)?.finally(() => {
          asking = undefined;
        });
      await asking;
    },
    leaf: async (signs: SignerChoice, id: SpiffeId, ttl: Duration, now: Instant) => {
      last = { id, ttl };
      const { svid, above } = await signedLeaf(work(signs), { id, ttl }, triedIssuers);
      await adopt('learned who signs the leaves', above, now);
      // Closed: only the active root is known to be trusted by everybody who may meet this leaf.
      const root = above.root.certificate;
      if (!rootInForce(document.state()).certificate.raw.equals(root.raw)) throw waitsForRoot(root.name);
      return svid;
    },
    status: () => {
      const signs = choice();
      return signs && { sign: signs.sign, ...signs.queue.status() };
    },
  });
};
