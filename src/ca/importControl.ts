import { AppError, invariant } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import type { Instant } from '../lib/time.ts';
import { workloadId } from '../spiffe/spiffeId.ts';
import type { CaCertificate } from './caCertificate.ts';
import type { CaDocument } from './caDocument.ts';
import { type ChainCheck, checkCaChain } from './external/chain.ts';
import { readCsr } from './external/csr.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import { trialHandshake } from './external/trial.ts';
import type { CertificateFacts } from './facts.ts';
import { IMPORTED, prepareSigned, requestIntermediate, signedElsewhere } from './imports.ts';
import { leafIssuer } from './leaf.ts';
import type { Making } from './making.ts';
import type { MeshState } from './meshState.ts';
import { allNames } from './names.ts';
import { trusted } from './slots.ts';

export type Imported = {
  readonly root: CertificateFacts;
  /** Sidecars are told of it from now on; it signs when the rotation to it has distributed it. */
  readonly rootIsNew: boolean;
  readonly intermediate: CertificateFacts;
};

/** An intermediate that is signed elsewhere, by hand: `signet ca csr`, `signet ca import`. */
export type ImportControl = {
  /**
   * The pending request, PKCS#10 in PEM; made, and kept with its key before it is told, if there is none or `anew` is set.
   * @throws AppError `signer_signs` where mesh.yaml names a signer, or the store's
   */
  readonly request: (anew: boolean, now: Instant) => Promise<{ readonly csr: string; readonly since: Instant }>;
  /**
   * Takes the chain for it and prepares it.
   * @throws AppError `no_request`, `chain_refused` with what is wrong in a sentence, `rotation_refused`, the store's
   */
  readonly take: (chainPem: string, now: Instant) => Promise<Imported>;
};

/** The roots that are trusted, PEM. */
export const trustedPems = ({ roots }: MeshState): readonly string[] =>
  trusted(roots).map(({ certificate }) => certificate.pem);

export const refusedChain = (fault: string): AppError<'chain_refused'> =>
  new AppError('chain_refused', `the chain is refused: ${fault}`);

/** Whether OpenSSL takes a leaf below the new issuer, for both purposes. @throws AppError `chain_refused` */
export const tryIssuer = async (
  issuer: CaCertificate,
  leaf: { readonly chainPem: string; readonly keyPem: Secret },
  rootPem: string,
): Promise<void> => {
  const fault = await trialHandshake(leaf.chainPem, leaf.keyPem, rootPem);
  if (fault !== undefined) throw refusedChain(`OpenSSL refuses a certificate below ${issuer.name} (${fault})`);
};

/** @throws AppError `chain_refused` */
export const checkedIntermediate = async (
  chainPem: string,
  request: { readonly key: Secret; readonly csr: string; readonly keyOf: string },
  origin: string,
  against: Pick<ChainCheck, 'knownRoots' | 'trustDomain' | 'formerly' | 'now'>,
) => {
  const csr = readCsr(request.csr);
  invariant(csr.ok, 'a request that was made here can be read');
  const chain = checkCaChain(chainPem, { ...against, spki: csr.value.key.spki, keyOf: request.keyOf });
  if (!chain.ok) throw refusedChain(chain.error);
  const signed = signedElsewhere(chain.value, request.key, origin);
  const { certificate, keys } = signed.issuer;
  invariant(keys !== undefined, 'the key of the request is here');
  const id = workloadId(against.trustDomain, 'signet', 'trial');
  const trial = { id, use: 'workload', ttl: 600_000, now: against.now } as const;
  const leaf = leafIssuer(keys).issue(trial, 'P-256');
  const chainOfLeaf = [leaf.certificatePem, certificate.pem, ...certificate.above].join('');
  await tryIssuer(certificate, { chainPem: chainOfLeaf, keyPem: leaf.keyPem }, signed.root.certificate.pem);
  return signed;
};

export const importControl = (
  document: CaDocument<MeshState>,
  { trustDomain, curve }: Pick<Making, 'trustDomain' | 'curve'>,
  signer: () => SignerChoice | undefined,
): ImportControl => {
  const pendingOr = (): NonNullable<MeshState['pending']> => {
    const { pending } = document.state();
    if (pending !== undefined) return pending;
    throw new AppError(
      'no_request',
      'no request is pending, so no chain can be taken: make one with `signet ca csr` first',
    );
  };
  return Object.freeze({
    request: async (anew: boolean, now: Instant) => {
      if (signer() !== undefined)
        throw new AppError(
          'signer_signs',
          'mesh.certificates.signer signs for this mesh, so nobody else does: take it out of mesh.yaml first',
        );
      await document.change(
        'made a request for an intermediate',
        (state) => {
          if (state.pending !== undefined && !anew) return state;
          const { key, csr } = requestIntermediate(trustDomain(), curve());
          return { ...state, pending: { key, csr, since: now } };
        },
        now,
      );
      const { csr, since } = pendingOr();
      return { csr, since };
    },
    take: async (chainPem: string, now: Instant) => {
      const pending = pendingOr();
      const state = document.state();
      const request = { ...pending, keyOf: 'the pending request' };
      const signed = await checkedIntermediate(chainPem, request, IMPORTED, {
        knownRoots: trustedPems(state),
        formerly: allNames(state),
        trustDomain: trustDomain(),
        now,
      });
      await document.change(
        'imported an intermediate',
        (latest) => {
          if (latest.pending?.csr !== pending.csr) throw refusedChain('another request was made meanwhile');
          return prepareSigned(latest, signed, now);
        },
        now,
      );
      const [root, intermediate] = [signed.root.certificate.facts, signed.issuer.certificate.facts];
      return {
        root,
        intermediate,
        rootIsNew: !state.roots.some((slot) => slot.certificate.facts.fingerprint === root.fingerprint),
      };
    },
  });
};
