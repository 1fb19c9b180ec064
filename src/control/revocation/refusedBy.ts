import type { IssuedCertificate } from '../../ca/issued.ts';
import type { Emitted } from '../../emit/emitted.ts';
import { inboundListenerName, inboundRouteName } from '../../envoy/names.ts';
import type { Instant } from '../../lib/time.ts';
import { type Mesh, ownDomains, type ServiceKey } from '../../model/mesh.ts';
import type { InboundPort } from '../../plan/proxyPlan.ts';
import { digestsFor } from '../../plan/revoked.ts';
import type { StreamEvent, StreamId } from '../../xds/events.ts';
import type { SidecarRecord } from '../../xds/ledger.ts';
import { TYPE } from '../../xds/resource.ts';
import type { Sidecar } from '../sidecar.ts';

/** How far a revocation has come. */
export type Refusing = {
  /** Connected sidecars that have to refuse, and how many of them have acknowledged that. */
  readonly of: number;
  readonly by: number;
  readonly waiting: readonly { readonly node: string; readonly why: 'pending' | 'refused' }[];
  /** Not connected, with a certificate that is still good: they have it first when they are back, which they may be. */
  readonly away: readonly { readonly node: string; readonly lastSeen: Instant }[];
};

export type RefusedByOptions = {
  readonly mesh: () => Mesh;
  readonly members: () => readonly { readonly sidecar: Sidecar; readonly record: SidecarRecord }[];
  /** The plan of a stream's own ports that was last published to it, and what was made of it. */
  readonly inboundOf: (stream: StreamId) => readonly InboundPort[];
  readonly emittedFor: (stream: StreamId) => readonly Emitted[];
  /** Instances that joined, and could be running without a stream. */
  readonly joined: () => readonly { readonly node: string; readonly lastSeen: Instant }[];
  /** Not once its token was revoked: its owner says by that that it is gone for good. */
  readonly mayReturn: (node: string) => boolean;
  /** Certificates that have not ended, revoked ones left out. */
  readonly good: () => readonly IssuedCertificate[];
};

type Ports = ReadonlyMap<number, ReadonlySet<string>>;

/**
 * Who is known to refuse which certificates: by port, the digests in the last policy that each sidecar acknowledged. Not by whether it
 * took everything: it may have said no to something else.
 */
export class RefusedBy {
  readonly #options: RefusedByOptions;
  readonly #taken = new Map<StreamId, Ports>();

  constructor(options: RefusedByOptions) {
    this.#options = options;
  }

  /** Learns from what a sidecar says that it holds. `true` if it refuses something that it did not before. */
  follow({ stream }: Sidecar, event: StreamEvent): boolean {
    if (event.kind === 'closed') this.#taken.delete(stream);
    if (event.kind !== 'progress' || event.progress === 'pending') return false;
    const inbound = this.#options.inboundOf(stream);
    const known = this.#taken.get(stream);
    // The rule: nothing is revoked.
    if (known === undefined && inbound.every(refusesNothing)) return false;
    const refusing = inbound.filter((port) => !refusesNothing(port));
    const before = known ?? new Map<number, ReadonlySet<string>>();
    const emitted = this.#options.emittedFor(stream);
    const taken = new Map(before);
    for (const port of refusing) {
      const { type, name } = carrierOf(port);
      const wanted = emitted.find((one) => one.type === type && one.name === name)?.version;
      // What stands in for it (quarantine) has another version.
      if (wanted !== undefined && event.held.get(type)?.get(name) === wanted) {
        taken.set(port.port, new Set(port.access.revoked));
      }
    }
    this.#taken.set(stream, taken);
    return [...taken].some(([port, digests]) => [...digests].some((digest) => before.get(port)?.has(digest) !== true));
  }

  /** How far these have come. */
  of(certificates: readonly IssuedCertificate[]): Refusing {
    const { mesh, members } = this.#options;
    const needed = neededBy(mesh(), certificates);
    const concerned = members().filter(({ sidecar }) => sidecar.client === 'envoy' && needed(sidecar.service).size > 0);
    const waiting = concerned.filter(({ sidecar }) => !this.#refuses(sidecar.stream, needed(sidecar.service)));
    return {
      of: concerned.length,
      by: concerned.length - waiting.length,
      waiting: waiting.map(({ sidecar: { node }, record: { progress } }) => ({
        node,
        why: progress === 'refused' ? 'refused' : 'pending',
      })),
      away: this.#away(needed, new Set(members().map(({ sidecar }) => sidecar.node))),
    };
  }

  #refuses(stream: StreamId, needed: Ports): boolean {
    const taken = this.#taken.get(stream);
    return [...needed].every(([port, digests]) =>
      [...digests].every((digest) => taken?.get(port)?.has(digest) === true),
    );
  }

  #away(needed: (service: ServiceKey) => Ports, here: ReadonlySet<string>): Refusing['away'] {
    const good = new Set(this.#options.good().map(({ instance }) => instance));
    return this.#options
      .joined()
      .filter(({ node }) => !here.has(node) && good.has(node) && needed(serviceOf(node)).size > 0)
      .filter(({ node }) => this.#options.mayReturn(node))
      .map(({ node, lastSeen }) => ({ node, lastSeen }));
  }
}

const refusesNothing = ({ access }: InboundPort): boolean => access.revoked.length === 0;

const serviceOf = (node: string): ServiceKey => node.slice(0, node.lastIndexOf('/')) as ServiceKey;

/** The resource that tells a sidecar what one of its ports refuses. */
const carrierOf = ({ port, protocol }: InboundPort) =>
  protocol === 'tcp'
    ? { type: TYPE.lds, name: inboundListenerName(port) }
    : { type: TYPE.rds, name: inboundRouteName(port) };

/** What each service's ports have to refuse, as the plan says it. */
const neededBy = (mesh: Mesh, certificates: readonly IssuedCertificate[]): ((service: ServiceKey) => Ports) => {
  const known = new Map<ServiceKey, Ports>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const service = mesh.services.get(key);
    const ports = new Map<number, ReadonlySet<string>>();
    for (const port of service?.ports ?? []) {
      const digests = service && digestsFor(service, port, { certificates, cuts: new Map() }, ownDomains(mesh));
      if (digests !== undefined && digests.length > 0) ports.set(port.port, new Set(digests));
    }
    known.set(key, ports);
    return ports;
  };
};
