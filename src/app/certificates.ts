import type { ChannelAuthority, MeshAuthority } from '../ca/authority.ts';
import { openAuthority } from '../ca/openAuthority.ts';
import { createSvidKeeper, type SvidKeeper } from '../ca/svidStore.ts';
import type { Clock } from '../control/clock.ts';
import type { Log } from '../control/log.ts';
import type { Curve } from '../features/certificates/spec.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { anchorNames, serverNameOf } from '../spiffe/anchorName.ts';
import type { OwnDomains, SpiffeId } from '../spiffe/spiffeId.ts';
import type { ServerTls } from '../xds/tls.ts';
import type { MeshSignerPort } from './signer.ts';

/** Both authorities and what is kept of their work. */
export type Certificates = {
  readonly authority: MeshAuthority;
  readonly channel: ChannelAuthority;
  readonly svids: SvidKeeper;
  /** What the xDS listener shows, and whose certificates it takes. */
  readonly serverTls: (now: Instant) => ServerTls;
  /** Another mesh is in force: if it has another name, the authority takes that on before anybody asks for a certificate. */
  readonly meshChanged: (ttl: Duration, now: Instant) => void;
  /** Renews what the xDS listener shows and takes in time. */
  readonly keepChannelFresh: (clock: Clock, use: (tls: ServerTls) => void, log: Log) => FreshChannel;
};

export type FreshChannel = {
  /** Something that it shows or takes may be another now. */
  readonly look: () => void;
  readonly stop: () => void;
};

/** Wall clocks jump, and a certificate that has ended lets nobody in. */
const LOOK_EVERY: Duration = 30_000;

/** @throws AppError `ca_corrupt`, `ca_foreign`, or the store's; at a first start `signer_away`, `signer_failed` */
export const openCertificates = async (options: {
  readonly store: Store;
  /** What the mesh is called now: its trust domain, then its aliases. */
  readonly names: () => OwnDomains;
  readonly now: Instant;
  /** What the mesh says now of the keys that are made. */
  readonly curve: () => Curve;
  /** Of roots that are made. */
  readonly rootLife: () => Duration;
  /** Told of each certificate that is issued. */
  readonly issued: () => void;
  readonly log: Log;
  readonly signer: MeshSignerPort;
  /** An identity of the mesh, for a signer's trial at the first start. */
  readonly trial: SpiffeId | undefined;
}): Promise<Certificates> => {
  const { signer, names } = options;
  const opened = { ...options, trustDomain: names()[0], signer: signer.choice };
  const { mesh, channel } = await openAuthority(opened);
  const authority: MeshAuthority = {
    ...mesh,
    obtain: async (id, ttl, now) => {
      const svid = await mesh.obtain(id, ttl, now);
      options.issued();
      return svid;
    },
  };
  const { store, now, log } = options;
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
    svids: createSvidKeeper({ store, authority, now }),
    serverTls,
    meshChanged: (ttl, now) => {
      if (authority.describe().trustDomain === options.names()[0]) return;
      authority
        .prepare(ttl, now)
        .catch((error: unknown) =>
          log.error(
            { err: error },
            'the certificate authority could not take the new name of the mesh: it is tried again with the next certificate',
          ),
        );
    },
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
