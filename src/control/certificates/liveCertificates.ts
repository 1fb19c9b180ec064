import type { HeldSvid } from '../../ca/heldSvids.ts';
import type { IssuedCertificate } from '../../ca/issued.ts';
import type { Instant } from '../../lib/time.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import type { HeldCertificate, HeldState } from './heldCertificates.ts';

/**
 * `held`, `sent`, `refused`: what the connected sidecar says of its newest one, and `held` also of an older one that it still uses; `earlier`: was
 * replaced and has not ended; `away`: the newest one of an instance that is not connected; `revoked`: is refused everywhere.
 */
export type LiveState = HeldState | 'earlier' | 'away' | 'revoked';

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

export type LiveSources = {
  /** What is kept of instances. */
  readonly issued: readonly HeldSvid[];
  /** What connected sidecars say. */
  readonly connected: ReadonlyMap<string, readonly HeldCertificate[]>;
  /** Every certificate that was issued: also those of instances that were revoked or forgotten. */
  readonly ledger: readonly IssuedCertificate[];
  readonly isRevoked: (serial: string) => boolean;
};

/** Every certificate that has not ended at `now`, by node, the newest of each first. */
export const liveCertificates = (
  { issued, connected, ledger, isRevoked }: LiveSources,
  now: Instant,
): readonly LiveCertificate[] => {
  const kept = keptOf(issued, connected);
  const known = new Set(kept.map(({ serial }) => serial));
  const instances = new Set(issued.map(({ instance }) => instance));
  const rest = ledger.flatMap(({ serial, id, instance: node, notAfter }): readonly LiveCertificate[] =>
    known.has(serial)
      ? []
      : [
          {
            node,
            id,
            serial,
            issuer: undefined,
            notBefore: undefined,
            notAfter,
            state: instances.has(node) ? 'earlier' : 'away',
          },
        ],
  );
  // The mesh, or the identity of the service, may have had another name when it was issued.
  const ids = new Map(ledger.map(({ serial, id }) => [serial, id]));
  return [...kept, ...rest]
    .filter(({ notAfter }) => notAfter > now)
    .map((one): LiveCertificate => {
      const id = ids.get(one.serial) ?? one.id;
      return isRevoked(one.serial) ? { ...one, id, state: 'revoked' } : { ...one, id };
    })
    .sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0));
};

const keptOf = (
  issued: readonly HeldSvid[],
  connected: ReadonlyMap<string, readonly HeldCertificate[]>,
): readonly LiveCertificate[] =>
  issued.flatMap(({ instance: node, svid, issuer, earlier }) => {
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
  });

/** Of several streams of one node the one that is worst off. */
const stateOf = (streams: readonly HeldCertificate[], serial: string): LiveState => {
  if (streams.length === 0) return 'away';
  const others = streams.filter((stream) => stream.state !== 'held' || stream.svid?.serial !== serial);
  if (others.length === 0) return 'held';
  return others.some(({ state }) => state === 'refused') ? 'refused' : 'sent';
};
