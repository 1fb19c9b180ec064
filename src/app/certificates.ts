import type { ChannelAuthority, MeshAuthority } from '../ca/authority.ts';
import { openAuthority } from '../ca/openAuthority.ts';
import { createSvidKeeper } from '../ca/svidStore.ts';
import type { Clock } from '../control/clock.ts';
import type { Log } from '../control/log.ts';
import type { SvidKeeper } from '../control/workloadCertificates.ts';
import type { Curve } from '../features/certificates/spec.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { OwnDomains } from '../spiffe/spiffeId.ts';
import type { ServerTls } from '../xds/tls.ts';

/** Both authorities and what is kept of their work. */
export type Certificates = {
  readonly authority: MeshAuthority;
  readonly channel: ChannelAuthority;
  readonly svids: SvidKeeper;
  /** What the xDS listener shows, and whose certificates it takes. */
  readonly serverTls: (now: Instant) => ServerTls;
  /** Another mesh is in force: if it has another name, the authority takes that on before anybody asks for a certificate. */
  readonly meshChanged: (ttl: Duration, now: Instant) => void;
  /** Renews what the xDS listener shows and takes in time; the result stops it. */
  readonly keepChannelFresh: (clock: Clock, use: (tls: ServerTls) => void, log: Log) => () => void;
};

/** Wall clocks jump, and a certificate that has ended lets nobody in. */
const LOOK_EVERY: Duration = 30_000;

/** @throws AppError `ca_corrupt`, `ca_foreign`, or the store's */
export const openCertificates = async (options: {
  readonly store: Store;
  /** What the mesh is called now: its trust domain, then its aliases. */
  readonly names: () => OwnDomains;
  readonly now: Instant;
  /** What the mesh says now of the keys that are made. */
  readonly curve: () => Curve;
  /** Told of each certificate that is issued. */
  readonly issued: () => void;
  readonly log: Log;
}): Promise<Certificates> => {
  const { mesh, channel } = await openAuthority({ ...options, trustDomain: options.names()[0] });
  const authority: MeshAuthority = {
    ...mesh,
    issue: (id, ttl, now) => {
      const svid = mesh.issue(id, ttl, now);
      options.issued();
      return svid;
    },
  };
  const { store, now, log } = options;
  const serverTls = (now: Instant): ServerTls => {
    const { chainPem, keyPem } = channel.serverCredentials(now);
    return { chainPem, keyPem, clientAnchorsPem: authority.trustBundle().authorities };
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
        .catch((error: unknown) => log.error({ err: error }, 'the certificate authority could not follow the mesh'));
    },
    keepChannelFresh: (clock, use, log) => keepFresh(serverTls, clock, use, log),
  };
};

const keepFresh = (
  serverTls: Certificates['serverTls'],
  clock: Clock,
  use: (tls: ServerTls) => void,
  log: Log,
): (() => void) => {
  const textOf = ({ chainPem, clientAnchorsPem }: ServerTls): string =>
    [chainPem, ...(clientAnchorsPem ?? [])].join('');
  let held = textOf(serverTls(clock.now()));
  let cancel = (): void => {};
  const look = (): void => {
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
  return () => cancel();
};
