import { keepNewest } from '../../lib/newest.ts';
import { trustDomainId } from '../../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../../spiffe/svid.ts';
import type { StreamEvent, StreamId } from '../../xds/events.ts';
import { TYPE } from '../../xds/resource.ts';

/** The secrets that a stream was published last: what they are, and what they were sent as, by name. */
export type PublishedSecrets = {
  readonly svid: X509Svid;
  readonly bundle: TrustBundle;
  readonly resources: ReadonlyMap<string, { readonly version: string }>;
};

/** What a sidecar is known to hold; `undefined` for what it was sent and did not confirm, or confirmed in another form. */
export type HeldSecrets = { readonly svid: X509Svid | undefined; readonly bundle: TrustBundle | undefined };

const NOTHING: HeldSecrets = Object.freeze({ svid: undefined, bundle: undefined });

/** Of sidecars that went away. */
const MOST_AWAY = 10_000;

/** Learns from the ACK ledger's events which certificate and which bundle each sidecar took. */
export const newHeldSecrets = () => {
  const streams = new Map<StreamId, HeldSecrets>();
  const away = new Map<string, HeldSecrets>();

  /** What it names is known if it is what it was published last, and not known any more if it is not. */
  const learn = (before: HeldSecrets, named: ReadonlyMap<string, string>, published: PublishedSecrets): HeldSecrets => {
    const isNewest = (name: string): boolean => named.get(name) === published.resources.get(name)?.version;
    const { svid, bundle } = published;
    const own = trustDomainId(bundle.trustDomain);
    return {
      svid: named.has(svid.id) ? (isNewest(svid.id) ? svid : undefined) : before.svid,
      bundle: named.has(own) ? (isNewest(own) ? bundle : undefined) : before.bundle,
    };
  };

  return Object.freeze({
    /** `true` if what is known may be another now. */
    follow: (event: StreamEvent, node: string, published: PublishedSecrets | undefined): boolean => {
      const { stream } = event;
      if (event.kind === 'closed') {
        keepNewest(away, node, streams.get(stream) ?? NOTHING, MOST_AWAY);
        return streams.delete(stream);
      }
      const named =
        event.kind === 'acked' && event.type === TYPE.sds
          ? event.taken
          : event.kind === 'progress'
            ? event.held.get(TYPE.sds)
            : undefined;
      if (named === undefined || published === undefined) return event.kind === 'opened' || event.kind === 'nacked';
      streams.set(stream, learn(streams.get(stream) ?? NOTHING, named, published));
      return true;
    },
    ofStream: (stream: StreamId): HeldSecrets => streams.get(stream) ?? NOTHING,
    /** Of the last stream of a node that is not connected, if that was in this process's life. */
    ofNode: (node: string): HeldSecrets => away.get(node) ?? NOTHING,
  });
};

export type HeldSecretsLedger = ReturnType<typeof newHeldSecrets>;
