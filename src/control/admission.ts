import { isIP } from 'node:net';
import { METADATA } from '../envoy/bootstrap.ts';
import { isPlainLoopback, plainAddress } from '../lib/address.ts';
import { parseHostPort } from '../lib/hostPort.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { Mesh, Service } from '../model/mesh.ts';
import type { HostPort } from '../plan/proxyPlan.ts';
import type { ClientCertificate } from '../spiffe/clientCertificate.ts';
import type { CallCredentials } from '../xds/callCredentials.ts';
import { everyAddress, registeredAddress } from './address.ts';
import type { Clock } from './clock.ts';
import type { JoinTokens } from './joinTokens.ts';
import { type NodeId, parseNodeId } from './node.ts';
import { permissionDenied, type Refusal, unauthenticated } from './refusals.ts';
import { type Caller, DEFAULT_OUTBOUND, type Sidecar, type StreamId } from './sidecar.ts';

/** What a stream says of itself in its first request. */
export type NodeClaim = { readonly id: string; readonly metadata: unknown; readonly userAgent?: string };

export type AdmissionOptions = {
  readonly tokens: JoinTokens;
  readonly clock: Clock;
  readonly mesh: () => Mesh;
  /** The node id that a certificate was issued to, by its serial. */
  readonly holderOf: (serial: string, now: Instant) => string | undefined;
};

/** Decides who is served: a proven credential, then a node id that agrees with it. In doubt nobody. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** By token, by certificate, or by both: then each must be good, and they must be of one join. */
  authenticate({ authorization, certificate, peer }: CallCredentials): Result<Caller, Refusal> {
    const byCertificate = certificate === undefined ? undefined : this.#callerOf(certificate, peer);
    if (byCertificate?.ok === false || (authorization === undefined && byCertificate !== undefined)) {
      return byCertificate;
    }
    const proven = this.#options.tokens.authenticate(authorization);
    if (!proven.ok) return proven;
    const { id: token, service } = proven.value;
    if (byCertificate === undefined) return ok({ token, service, peer });
    return byCertificate.value.token === token ? byCertificate : err(unauthenticated());
  }

  /**
   * A certificate stands for the join of the instance that it was issued to: what ends that join ends it, too. Whatever
   * is wrong has the same answer.
   */
  #callerOf({ spiffeId, serial, notAfter }: ClientCertificate, peer: Caller['peer']): Result<Caller, Refusal> {
    const { tokens, clock, holderOf } = this.#options;
    const mesh = this.#options.mesh();
    const node = holderOf(serial, clock.now());
    const token = node === undefined ? undefined : tokens.joinOf(node, mesh.rejoin, clock.now());
    if (node === undefined || token === undefined) return err(unauthenticated());
    // The file may have given the service another identity since.
    if (mesh.services.get(token.service)?.identity !== spiffeId) return err(unauthenticated());
    return ok({ token: token.id, service: token.service, peer, certificate: { node, serial, notAfter } });
  }

  /** The service of a node id that agrees with its caller. */
  agree(caller: Caller, claimed: string): Result<{ readonly node: NodeId; readonly service: Service }, Refusal> {
    const node = parseNodeId(claimed);
    if (node === undefined) return err(permissionDenied('node.id must be NAMESPACE/NAME/INSTANCE'));
    // A token joins as many instances as it has uses; a certificate is that of one and joins no other.
    const own = caller.certificate === undefined || caller.certificate.node === node.id;
    if (node.service !== caller.service || !own) {
      return err(permissionDenied('this credential is not for this node id'));
    }
    const service = this.#options.mesh().services.get(node.service);
    return service === undefined ? err(permissionDenied('this mesh has no such service')) : ok({ node, service });
  }

  async admit(caller: Caller, claim: NodeClaim, stream: StreamId): Promise<Result<Sidecar, Refusal>> {
    const { clock } = this.#options;
    const agreed = this.agree(caller, claim.id);
    if (!agreed.ok) return agreed;
    const { node, service } = agreed.value;
    const placed = place(service, claim.metadata, caller.peer.address);
    if (!placed.ok) return err(permissionDenied(placed.error));
    const client = /^grpc\b/i.test(claim.userAgent ?? '') ? 'grpc' : 'envoy';
    const joined = await this.join(caller, node);
    if (!joined.ok) return joined;
    return ok({
      stream,
      node: node.id,
      service: node.service,
      token: caller.token,
      peer: plainAddress(caller.peer.address),
      certificateEnds: caller.certificate?.notAfter,
      credential: caller.certificate?.serial,
      anchors: textOf(claim.metadata, METADATA.anchors)?.split(',').slice(0, MOST_ANCHORS),
      envoyAdmin: adminOf(claim.metadata, plainAddress(caller.peer.address)),
      // Nothing listens for callers where there is no sidecar.
      address: client === 'grpc' ? undefined : placed.value.registered,
      ref: { service: node.service, address: placed.value.listens, outbound: placed.value.outbound },
      client,
      connectedSince: clock.now(),
    });
  }

  /** Joins the node, or notes that it is back. */
  join(caller: Caller, node: NodeId): Promise<Result<unknown, Refusal>> {
    const { tokens, clock, mesh } = this.#options;
    return tokens.join(caller.token, node.id, mesh().rejoin, clock.now());
  }
}

const MOST_ANCHORS = 16;

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

/**
 * An admin port on the sidecar's own host, as its bootstrap was made to say: on loopback if it is this host, or at the address
 * that its stream comes from. Whatever else it says is not asked: nobody sends Signet to other places.
 */
const adminOf = (metadata: unknown, peer: string): HostPort | undefined => {
  const said = parseHostPort(textOf(metadata, METADATA.admin) ?? '');
  if (said === undefined || said.port === 0) return undefined;
  const isOwn = isPlainLoopback(peer) ? isPlainLoopback(said.host) : said.host === peer;
  return isOwn ? said : undefined;
};

/** A caller only, or one whose endpoints the file names, needs no address that callers are told. */
export const registersItself = ({ ports, endpoints }: Service): boolean =>
  ports.length > 0 && endpoints.kind === 'auto';

const textOf = (metadata: unknown, key: string): string | undefined => {
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const value: unknown = Object.entries(metadata).find(([name]) => name === key)?.[1];
  return value === undefined || value === null ? undefined : String(value);
};
