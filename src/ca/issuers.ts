import { X509Certificate } from 'node:crypto';
import { keepNewest } from '../lib/newest.ts';
import { OID } from '../spiffe/oid.ts';
import { readCertificate, readElements, serialText } from '../spiffe/readCertificate.ts';
import { splitChain } from './der.ts';
import type { Issuers } from './facts.ts';
import type { MeshState } from './meshState.ts';
import { type Slot, slotOf } from './slots.ts';

/** What a chain says of the CAs above its leaf; `serial` is absent where a root signed the leaf itself. */
type Above = { readonly serial: string | undefined; readonly topKey: Buffer | undefined; readonly topIssuer: Buffer };

/** All leaves of one intermediate carry the same text of it, so each is read once. */
const READ = 64;
const read = new Map<string, Above | undefined>();

const readAbove = (chainPem: string): Above => {
  const certificates = splitChain(chainPem);
  const [first] = certificates;
  const top = readCertificate(new X509Certificate(certificates.at(-1) ?? '').raw);
  const [sequence] = readElements(top.extensions.get(OID.authorityKeyIdentifier)?.value ?? Buffer.alloc(0));
  const topKey = readElements(sequence?.body ?? Buffer.alloc(0)).find(({ tag }) => tag === 0x80)?.body;
  const serial = first === undefined ? undefined : serialText(readCertificate(new X509Certificate(first).raw).serial);
  return { serial, topKey, topIssuer: top.issuer };
};

const aboveOf = (chainPem: string): Above | undefined => {
  const begin = chainPem.indexOf('-----BEGIN CERTIFICATE-----', 1);
  const text = begin < 0 ? chainPem : chainPem.slice(begin);
  if (read.has(text)) return read.get(text);
  let found: Above | undefined;
  try {
    const above = readAbove(text);
    found = begin < 0 ? { ...above, serial: undefined } : above;
  } catch {
    // Whoever reads less into it than there is takes it for one of an unknown CA.
  }
  keepNewest(read, text, found, READ);
  return found;
};

/** By key where the chain names one (RFC 5280 §4.2.1.1), else by name. */
const rootAbove = ({ roots }: MeshState, { topKey, topIssuer }: Above): Slot | undefined =>
  roots.find(({ certificate: { identifier, subject } }) =>
    topKey === undefined ? subject.equals(topIssuer) : identifier.equals(topKey),
  );

/**
 * Who issued a leaf that this mesh's CAs issued, without verifying that again; `undefined` for any other chain. Cheap: for
 * questions about all leaves at once.
 */
export const issuersOf = (chainPem: string, state: MeshState): Issuers | undefined => {
  const above = aboveOf(chainPem);
  if (above === undefined) return undefined;
  const root = rootAbove(state, above);
  const serial = root === undefined ? '' : slotOf(root);
  return { root: serial, intermediate: above.serial ?? serial };
};

/** Whether a leaf may be handed out again: none of a CA that was compromised or is gone, whatever is left of its life. */
export const mayServe = (chainPem: string, state: MeshState): boolean => {
  const above = aboveOf(chainPem);
  if (above === undefined) return false;
  const root = rootAbove(state, above);
  const held = state.intermediates.find((slot) => slotOf(slot) === above.serial);
  const isBad = (slot: { readonly state: string } | undefined): boolean =>
    slot?.state === 'tainted' || slot?.state === 'revoked';
  return root !== undefined && !isBad(root) && !isBad(held);
};
