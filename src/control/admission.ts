import { isIP } from 'node:net';
import { METADATA } from '../envoy/bootstrap.ts';
import { parseHostPort } from '../lib/hostPort.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Mesh, Service } from '../model/mesh.ts';
import type { HostPort } from '../plan/proxyPlan.ts';
import { everyAddress, plainAddress, registeredAddress } from './address.ts';
import type { Clock } from './clock.ts';
import type { JoinTokens } from './joinTokens.ts';
import { parseNodeId } from './node.ts';
import { permissionDenied, type Refusal } from './refusals.ts';
import { type Caller, DEFAULT_OUTBOUND, type Sidecar, type StreamId } from './sidecar.ts';

/** What a stream says of itself in its first request. */
export type NodeClaim = { readonly id: string; readonly metadata: unknown; readonly userAgent?: string };

export type AdmissionOptions = {
  readonly tokens: JoinTokens;
  readonly clock: Clock;
  readonly mesh: () => Mesh;
};

/** Decides who is served: a proven credential, then a node id that agrees with it. In doubt nobody. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  authenticate(authorization: string | undefined, peer: Caller['peer']): Result<Caller, Refusal> {
    const proven = this.#options.tokens.authenticate(authorization);
    return proven.ok ? ok({ token: proven.value.id, service: proven.value.service, peer }) : proven;
  }

  async admit(caller: Caller, claim: NodeClaim, stream: StreamId): Promise<Result<Sidecar, Refusal>> {
    const { tokens, clock } = this.#options;
    const mesh = this.#options.mesh();
    const node = parseNodeId(claim.id);
    if (node === undefined) return err(permissionDenied('node.id must be NAMESPACE/NAME/INSTANCE'));
    if (node.service !== caller.service) return err(permissionDenied('this credential is not for this node id'));
    const service = mesh.services.get(node.service);
    if (service === undefined) return err(permissionDenied('this mesh has no such service'));
    const placed = place(service, claim.metadata, caller.peer.address);
    if (!placed.ok) return err(permissionDenied(placed.error));
    const client = /^grpc\b/i.test(claim.userAgent ?? '') ? 'grpc' : 'envoy';
    const joined = await tokens.join(caller.token, node.id, mesh.rejoin, clock.now());
    if (!joined.ok) return joined;
    return ok({
      stream,
      node: node.id,
      service: node.service,
      token: caller.token,
      peer: plainAddress(caller.peer.address),
      // Nothing listens for callers where there is no sidecar.
      address: client === 'grpc' ? undefined : placed.value.registered,
      ref: { service: node.service, address: placed.value.listens, outbound: placed.value.outbound },
      client,
      connectedSince: clock.now(),
    });
  }
}

type Place = {
  readonly listens: string;
  readonly registered: string | undefined;
  readonly outbound: HostPort;
};

/** Where a sidecar listens and is called, by its node metadata and the address of its stream. */
const place = (service: Service, metadata: unknown, peer: string): Result<Place, string> => {
  const asked = textOf(metadata, METADATA.address);
  if (asked !== undefined && isIP(asked) === 0) return err(`${METADATA.address} must be an IP address`);
  const outboundText = textOf(metadata, METADATA.outbound);
  const outbound = outboundText === undefined ? DEFAULT_OUTBOUND : parseHostPort(outboundText);
  if (outbound === undefined || isIP(outbound.host) === 0 || outbound.port === 0) {
    return err(`${METADATA.outbound} must be IP:PORT`);
  }
  const listens = asked === undefined ? everyAddress(peer) : plainAddress(asked);
  const registered = registeredAddress(asked, peer);
  if (registered.ok) return ok({ listens, registered: registered.value, outbound });
  return registersItself(service) ? registered : ok({ listens, registered: undefined, outbound });
};

/** A caller only, or one whose endpoints the file names, needs no address that callers are told. */
export const registersItself = ({ ports, endpoints }: Service): boolean =>
  ports.length > 0 && endpoints.kind === 'auto';

const textOf = (metadata: unknown, key: string): string | undefined => {
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const value: unknown = Object.entries(metadata).find(([name]) => name === key)?.[1];
  return value === undefined || value === null ? undefined : String(value);
};
