import { keepNewest } from '../lib/newest.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import { type CaCertificate, readCa } from './caCertificate.ts';
import type { Issuers } from './facts.ts';
import { type MeshState, rootOf } from './meshState.ts';
import { slotOf } from './slots.ts';

/** All leaves of one intermediate carry the same text of it, so each is read once. */
const READ = 64;
const read = new Map<string, CaCertificate | undefined>();

const intermediateOf = (chainPem: string, trustDomain: TrustDomain): CaCertificate | undefined => {
  const begin = chainPem.indexOf('-----BEGIN CERTIFICATE-----', 1);
  if (begin < 0) return undefined;
  const text = chainPem.slice(begin);
  if (read.has(text)) return read.get(text);
  let found: CaCertificate | undefined;
  try {
    found = readCa('intermediate', text, trustDomain);
  } catch {
    // Whoever reads less into it than there is takes it for one of an unknown CA.
  }
  keepNewest(read, text, found, READ);
  return found;
};

/**
 * Who issued a leaf that this mesh's CAs issued, without verifying that again; `undefined` for any other chain. Cheap: for
 * questions about all leaves at once.
 */
export const issuersOf = (chainPem: string, state: MeshState, trustDomain: TrustDomain): Issuers | undefined => {
  const intermediate = intermediateOf(chainPem, trustDomain);
  if (intermediate === undefined) return undefined;
  const root = rootOf(state.roots, intermediate);
  return { root: root === undefined ? '' : slotOf(root), intermediate: intermediate.facts.serial };
};

/** Whether a leaf may be handed out again: none of a CA that was compromised or is gone, whatever is left of its life. */
export const mayServe = (chainPem: string, state: MeshState, trustDomain: TrustDomain): boolean => {
  const intermediate = intermediateOf(chainPem, trustDomain);
  if (intermediate === undefined) return false;
  const root = rootOf(state.roots, intermediate);
  const held = state.intermediates.find((slot) => slotOf(slot) === intermediate.facts.serial);
  const isBad = (slot: { readonly state: string } | undefined): boolean =>
    slot?.state === 'tainted' || slot?.state === 'revoked';
  return root !== undefined && !isBad(root) && !isBad(held);
};
