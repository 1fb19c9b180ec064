import { X509Certificate } from 'node:crypto';
import type { Issuers } from '../../ca/authority.ts';
import type { HeldSvid } from '../../ca/heldSvids.ts';
import type { Leaf, SidecarFacts } from '../../ca/rotation.ts';
import type { Instant } from '../../lib/time.ts';
import type { HostPort } from '../../plan/proxyPlan.ts';
import { readCertificate, serialText } from '../../spiffe/readCertificate.ts';
import type { TrustBundle, X509Svid } from '../../spiffe/svid.ts';
import type { StreamId } from '../../xds/events.ts';
import type { HeldSecrets, PublishedSecrets } from './heldSecrets.ts';

/** A connected sidecar, as far as rotations are concerned. */
export type Holder = {
  readonly stream: StreamId;
  readonly node: string;
  readonly client: 'envoy' | 'grpc';
  readonly published: PublishedSecrets | undefined;
  /** Serial of the client certificate that its stream was opened with. */
  readonly credential: string | undefined;
  /** Where its Envoy's admin port can be asked. */
  readonly envoyAdmin: HostPort | undefined;
  /** What it said no with to the secrets that it was sent last. */
  readonly refused: string | undefined;
};

/** Where the facts are. */
export type FactSources = {
  readonly holders: readonly Holder[];
  /** All certificates that are kept, whoever is connected. */
  readonly issued: readonly HeldSvid[];
  readonly issuersOf: (svid: X509Svid) => Issuers | undefined;
  readonly ofStream: (stream: StreamId) => HeldSecrets;
  readonly ofNode: (node: string) => HeldSecrets;
  /** What a node was given last that keeps its certificate in files. */
  readonly fetched: (node: string) => HeldSecrets;
  /** Whether a node that is away may come back: not once its token was revoked, so nobody waits for it. */
  readonly mayReturn: (node: string) => boolean;
  /** The serial that an Envoy says it holds where that is not the one it ACKed. */
  readonly contradicted: (holder: Holder) => string | undefined;
};

const UNKNOWN: Issuers = Object.freeze({ root: '', intermediate: '' });
const NOBODY: ReadonlySet<string> = new Set();
const serials = new WeakMap<TrustBundle, ReadonlySet<string>>();

/** Serials of the roots in a bundle. */
const rootsOf = (bundle: TrustBundle | undefined): ReadonlySet<string> => {
  if (bundle === undefined) return NOBODY;
  const known = serials.get(bundle);
  if (known !== undefined) return known;
  const read = new Set(
    bundle.authorities.map((pem) => serialText(readCertificate(new X509Certificate(pem).raw).serial)),
  );
  serials.set(bundle, read);
  return read;
};

/** What is known of every sidecar at one moment: each stream, and everybody who is away with a certificate. */
export const sidecarFacts = (sources: FactSources, now: Instant): readonly SidecarFacts[] => {
  const { holders, issuersOf, fetched } = sources;
  const records = new Map(sources.issued.map((held) => [held.instance, held] as const));
  const leafOf = (svid: X509Svid): Leaf => ({ ...(issuersOf(svid) ?? UNKNOWN), notAfter: svid.notAfter });
  const allIssued = ({ svid, earlier }: HeldSvid): readonly Leaf[] => [
    leafOf(svid),
    ...earlier
      .filter(({ notAfter }) => notAfter > now)
      .map(({ issuers = UNKNOWN, notAfter }) => ({ ...issuers, notAfter })),
  ];
  /** The newest one alone, if it is known to have that; else any that was issued to it. */
  const holdsOf = (node: string, held: HeldSecrets): readonly Leaf[] => {
    const record = records.get(node);
    if (record === undefined) return [];
    return held.svid?.serial === record.svid.serial ? [leafOf(record.svid)] : allIssued(record);
  };
  const showsOf = ({ node, credential }: Holder): Leaf | undefined => {
    const record = records.get(node);
    if (credential === undefined || record === undefined) return undefined;
    const serial = fetched(node).svid?.serial ?? credential;
    if (serial === record.svid.serial) return leafOf(record.svid);
    const found = record.earlier.find((one) => one.serial === serial);
    return found === undefined ? undefined : { ...(found.issuers ?? UNKNOWN), notAfter: found.notAfter };
  };
  const connected = holders.map((holder): SidecarFacts => {
    const { node, client, stream, refused } = holder;
    // A gRPC application has its secrets from files, which somebody fetches for it.
    const held = client === 'grpc' ? fetched(node) : sources.ofStream(stream);
    const [trusts, holds] = [rootsOf(held.bundle), holdsOf(node, held)];
    const contradicted = sources.contradicted(holder);
    return { node, connected: true, trusts, holds, shows: showsOf(holder), refused, contradicted };
  });
  const here = new Set(holders.map(({ node }) => node));
  const away = sources.issued.flatMap(({ instance: node }): readonly SidecarFacts[] => {
    if (here.has(node) || !sources.mayReturn(node)) return [];
    const last = sources.ofNode(node);
    const [trusts, holds] = [rootsOf(last.bundle), holdsOf(node, last)];
    return [{ node, connected: false, trusts, holds, shows: undefined, refused: undefined, contradicted: undefined }];
  });
  return [...connected, ...away];
};
