import type { Earlier } from '../ca/svidRecord.ts';
import type { Instant } from '../lib/time.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { HeldCertificate, HeldState } from './heldCertificates.ts';

/** What was issued to one instance. */
export type IssuedCertificates = {
  /** The node id. */
  readonly instance: string;
  readonly svid: X509Svid;
  /** Serial of the intermediate that signed it; `undefined` where that is not known. */
  readonly issuer: string | undefined;
  /** Those before it that have not ended. */
  readonly earlier: readonly Earlier[];
};

/**
 * `held`, `sent`, `refused`: what the connected sidecar says of its newest one, and `held` also of an older one that it still uses; `earlier`: was
 * replaced and has not ended; `away`: the newest one of an instance that is not connected.
 */
export type LiveState = HeldState | 'earlier' | 'away';

export type LiveCertificate = {
  readonly node: string;
  readonly id: SpiffeId;
  readonly serial: string;
  /** Serial of the intermediate; `undefined` where that was not recorded. */
  readonly issuer: string | undefined;
  readonly notBefore: Instant | undefined;
  readonly notAfter: Instant;
  readonly state: LiveState;
};

/** Every certificate that has not ended at `now`, by node, the newest of each first. */
export const liveCertificates = (
  issued: readonly IssuedCertificates[],
  connected: ReadonlyMap<string, readonly HeldCertificate[]>,
  now: Instant,
): readonly LiveCertificate[] =>
  issued
    .flatMap(({ instance: node, svid, issuer, earlier }) => {
      const streams = connected.get(node) ?? [];
      const { id, serial, notBefore, notAfter } = svid;
      const newest = { node, id, serial, issuer, notBefore, notAfter, state: stateOf(streams, serial) };
      const before = [...earlier].reverse().map((one): LiveCertificate => {
        const isUsed = streams.some((stream) => stream.svid?.serial === one.serial);
        const { serial, notBefore, notAfter, issuers } = one;
        const state = isUsed ? 'held' : 'earlier';
        return { node, id, serial, issuer: issuers?.intermediate, notBefore, notAfter, state };
      });
      return [newest, ...before];
    })
    .filter(({ notAfter }) => notAfter > now)
    .sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0));

/** Of several streams of one node the one that is worst off. */
const stateOf = (streams: readonly HeldCertificate[], serial: string): LiveState => {
  if (streams.length === 0) return 'away';
  const others = streams.filter((stream) => stream.state !== 'held' || stream.svid?.serial !== serial);
  if (others.length === 0) return 'held';
  return others.some(({ state }) => state === 'refused') ? 'refused' : 'sent';
};
