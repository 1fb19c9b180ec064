import { keepNewest } from '../../lib/newest.ts';
import { callersBundleId, trustDomainId } from '../../spiffe/spiffeId.ts';
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

/** With the versions of the names that it confirmed so far, and what that was learned from. */
type Learned = HeldSecrets & {
  readonly versions: ReadonlyMap<string, string>;
  readonly named: ReadonlyMap<string, string> | undefined;
  readonly published: PublishedSecrets | undefined;
};

const NOTHING: Learned = Object.freeze({
  svid: undefined,
  bundle: undefined,
  versions: new Map(),
  named: undefined,
  published: undefined,
});

const isSame = (a: PublishedSecrets | undefined, b: PublishedSecrets): boolean =>
  a?.resources === b.resources && a.svid === b.svid && a.bundle === b.bundle;

/** Of sidecars that went away. */
const MOST_AWAY = 10_000;

/** Learns from the ACK ledger's events which certificate and which bundle each sidecar took. */
export const newHeldSecrets = () => {
  const streams = new Map<StreamId, Learned>();
  const away = new Map<string, HeldSecrets>();

  /** What it names is known if it is what it was published last, and not known any more if it is not. */
  const learn = (before: Learned, named: ReadonlyMap<string, string>, published: PublishedSecrets): Learned => {
    const versions = before.versions.size === 0 ? named : new Map([...before.versions, ...named]);
    const isNewest = (name: string): boolean => versions.get(name) === published.resources.get(name)?.version;
    const { svid, bundle } = published;
    // What callers are held against is a secret of its own where others are trusted, and only servers ask for it.
    const callers = callersBundleId(bundle.trustDomain);
    const asked = versions.has(callers) && published.resources.has(callers);
    const bundles = [trustDomainId(bundle.trustDomain), ...(asked ? [callers] : [])];
    return {
      svid: named.has(svid.id) ? (isNewest(svid.id) ? svid : undefined) : before.svid,
      bundle: bundles.some((name) => named.has(name)) ? (bundles.every(isNewest) ? bundle : undefined) : before.bundle,
      versions,
      named,
      published,
    };
  };

  return Object.freeze({
    /** `true` if what is known may be another now. */
    follow: (event: StreamEvent, node: string, published: PublishedSecrets | undefined): boolean => {
      const { stream } = event;
      if (event.kind === 'closed') {
        const { svid, bundle } = streams.get(stream) ?? NOTHING;
        keepNewest(away, node, { svid, bundle }, MOST_AWAY);
        return streams.delete(stream);
      }
      const named =
        event.kind === 'acked' && event.type === TYPE.sds
          ? event.taken
          : event.kind === 'progress'
            ? event.held.get(TYPE.sds)
            : undefined;
      if (named === undefined || published === undefined) return event.kind === 'opened' || event.kind === 'nacked';
      const before = streams.get(stream) ?? NOTHING;
      // Most of what a sidecar takes are no secrets, and says the same of them.
      if (before.named === named && isSame(before.published, published)) return false;
      streams.set(stream, learn(before, named, published));
      return true;
    },
    ofStream: (stream: StreamId): HeldSecrets => streams.get(stream) ?? NOTHING,
    /** Of the last stream of a node that is not connected, if that was in this process's life. */
    ofNode: (node: string): HeldSecrets => away.get(node) ?? NOTHING,
  });
};

export type HeldSecretsLedger = ReturnType<typeof newHeldSecrets>;
