import type { ChannelAuthority, MeshAuthority } from '../ca/authority.ts';
import { openAuthority } from '../ca/openAuthority.ts';
import { renewalTime } from '../ca/renewal.ts';
import { createSvidKeeper, type SvidKeeper as StoredSvids } from '../ca/svidStore.ts';
import type { Clock } from '../control/clock.ts';
import type { SvidKeeper } from '../control/controlPlane.ts';
import type { Log } from '../control/log.ts';
import type { Curve } from '../features/certificates/spec.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { anchorNames, serverNameOf } from '../spiffe/anchorName.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import type { ServerTls } from '../xds/tls.ts';

/** Both authorities and what is kept of their work. */
export type Certificates = {
  readonly authority: MeshAuthority;
  readonly channel: ChannelAuthority;
  readonly svids: SvidKeeper & Pick<StoredSvids, 'list'>;
  /** What the xDS listener shows, and whose certificates it takes. */
  readonly serverTls: (now: Instant) => ServerTls;
  /** Renews what the xDS listener shows and takes in time. */
  readonly keepChannelFresh: (clock: Clock, use: (tls: ServerTls) => void, log: Log) => FreshChannel;
};

export type FreshChannel = {
  /** Something that it shows or takes may be another now. */
  readonly look: () => void;
  readonly stop: () => void;
};

const LOOK_EVERY: Duration = 3_600_000;

/** @throws AppError `ca_corrupt`, `ca_foreign`, or the store's */
export const openCertificates = async (options: {
  readonly store: Store;
  readonly trustDomain: TrustDomain;
  readonly now: Instant;
  /** What the mesh says now of the keys that are made. */
  readonly curve: () => Curve;
  /** Of roots that are made. */
  readonly rootLife: () => Duration;
  /** Told of each certificate that is issued. */
  readonly issued: () => void;
  readonly log: Log;
}): Promise<Certificates> => {
  const { mesh, channel } = await openAuthority(options);
  const authority: MeshAuthority = {
    ...mesh,
    issue: (id, ttl, now) => {
      const svid = mesh.issue(id, ttl, now);
      options.issued();
      return svid;
    },
  };
  const { store, now, log } = options;
  const onFailure = (node: string, why: unknown): void =>
    log.error({ node, err: why }, 'the certificate could not be renewed; the one in force goes on');
  const keeper = createSvidKeeper({ store, authority, now, onFailure });
  const serverTls = (now: Instant): ServerTls => {
    const byAnchor = channel.credentialsByAnchor(now);
    const { chainPem, keyPem } = byAnchor[0] ?? channel.serverCredentials(now);
    const named = byAnchor.flatMap(({ anchorPem, ...shown }) =>
      anchorNames(anchorPem).map((name) => [serverNameOf(name), shown] as const),
    );
    return { chainPem, keyPem, named: new Map(named), clientAnchorsPem: authority.clientAnchors() };
  };
  return {
    authority,
    channel,
    svids: { ...keeper, renewalTime },
    serverTls,
    keepChannelFresh: (clock, use, log) => keepFresh(serverTls, clock, use, log),
  };
};

const keepFresh = (
  serverTls: Certificates['serverTls'],
  clock: Clock,
  use: (tls: ServerTls) => void,
  log: Log,
): FreshChannel => {
  const textOf = ({ chainPem, named = new Map(), clientAnchorsPem = [] }: ServerTls): string =>
    [chainPem, ...[...named.values()].map((shown) => shown.chainPem), ...clientAnchorsPem].join('');
  let held = textOf(serverTls(clock.now()));
  let cancel = (): void => {};
  const look = (): void => {
    cancel();
    try {
      const tls = serverTls(clock.now());
      if (textOf(tls) !== held) use(tls);
      held = textOf(tls);
    } catch (error) {
      log.error({ err: error }, 'the certificate of the xDS listener could not be renewed');
    }
    cancel = clock.after(LOOK_EVERY, look);
  };
  cancel = clock.after(LOOK_EVERY, look);
  return { look, stop: () => cancel() };
};
