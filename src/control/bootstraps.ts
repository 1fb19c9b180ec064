import { randomBytes } from 'node:crypto';
import { bootstrap } from '../envoy/bootstrap.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Secret } from '../lib/secret.ts';
import { didYouMean } from '../lib/suggest.ts';
import type { Duration } from '../lib/time.ts';
import type { Mesh, ServiceKey } from '../model/mesh.ts';
import type { HostPort } from '../plan/proxyPlan.ts';
import { controlPlaneId } from '../spiffe/spiffeId.ts';
import { registeredAddress } from './address.ts';
import type { Clock } from './clock.ts';
import type { JoinTokens, NewToken } from './joinTokens.ts';
import { DEFAULT_OUTBOUND } from './sidecar.ts';

/** Flags of Envoy that no bootstrap can hold. `F` stands for the bootstrap's file. */
export const ENVOY_FLAGS: readonly string[] = [
  '--disable-hot-restart',
  '--drain-time-s',
  '5',
  '--drain-strategy',
  'immediate',
];
export const ENVOY_COMMAND = `envoy -c F ${ENVOY_FLAGS.join(' ')}`;

export type BootstrapAsk = {
  readonly service: ServiceKey;
  readonly xds?: HostPort | undefined;
  readonly address?: string | undefined;
  readonly outbound?: HostPort | undefined;
  readonly envoyAdmin?: number | { readonly pipe: string } | undefined;
  /** The sidecar shows a client certificate that somebody keeps in this folder of its host, and no token. */
  readonly clientCertificate?: { readonly folder: string } | undefined;
};

export type Issued = {
  readonly node: string;
  readonly bootstrap: Readonly<Record<string, unknown>>;
  /** What whoever keeps the client certificate needs to have one; `undefined` where the bootstrap has the token. */
  readonly join: Join | undefined;
};

/** How a node proves itself on the xDS port before there is an Envoy. */
export type Join = Channel & { readonly token: Secret };

/** Where the xDS port is, and how it is known. */
export type Channel = {
  readonly xds: HostPort;
  /** PEM of the channel CA, and the one URI that the server's certificate must name. */
  readonly anchorPem: string;
  readonly serverId: string;
};

/** Why something that an operator asked for cannot be had. */
export type AskRefusal = {
  readonly code: 'unknown_service' | 'xds_address_needed' | 'invalid_address';
  readonly message: string;
};

export type BootstrapsOptions = {
  readonly clock: Clock;
  readonly tokens: JoinTokens;
  readonly mesh: () => Mesh;
  readonly anchorPem: () => string;
  /** What sidecars are told; `undefined` if Signet listens on all addresses and so cannot know. */
  readonly advertised: () => HostPort | undefined;
};

const BOOTSTRAP_TTL: Duration = 3_600_000;

/** A sentence if the mesh has no such service. */
export const missingService = (mesh: Mesh, service: string): AskRefusal | undefined => {
  if (mesh.services.has(service as ServiceKey)) return undefined;
  const hint = didYouMean(service, mesh.services.keys());
  const message = `the mesh has no service ${service}${hint === undefined ? '' : `; ${hint}`}`;
  return { code: 'unknown_service', message };
};

/** Makes bootstraps: a new join token, a new instance id and where to find Signet. */
export class Bootstraps {
  readonly #options: BootstrapsOptions;

  constructor(options: BootstrapsOptions) {
    this.#options = options;
  }

  /** A bootstrap for one new instance, to be used within the hour. */
  async issue(ask: BootstrapAsk): Promise<Result<Issued, AskRefusal>> {
    const refusal = this.#refuse(ask);
    if (refusal !== undefined) return err(refusal);
    const { token } = await this.createToken(ask.service, BOOTSTRAP_TTL, 1);
    return ok(this.write(ask, token));
  }

  /** How clients know the xDS port; where it is they have to know themselves if Signet listens on all addresses. */
  channel(): Omit<Channel, 'xds'> & { readonly xds: HostPort | undefined } {
    const { mesh, anchorPem, advertised } = this.#options;
    return { xds: advertised(), anchorPem: anchorPem(), serverId: controlPlaneId(mesh().trustDomain) };
  }

  createToken(service: ServiceKey, ttl: Duration, uses: number): Promise<NewToken> {
    return this.#options.tokens.create(service, ttl, uses, this.#options.clock.now());
  }

  /** A bootstrap around a token that there is; `instance` is a new one unless said. */
  write(ask: BootstrapAsk, token: Secret, instance = randomBytes(5).toString('hex')): Issued {
    const mesh = this.#options.mesh();
    const xds = ask.xds ?? this.#options.advertised();
    if (xds === undefined) throw new TypeError('a bootstrap without the address of its control plane');
    const node = `${ask.service}/${instance}`;
    const { address, envoyAdmin, clientCertificate } = ask;
    const { anchorPem, serverId } = this.channel();
    const admin = typeof envoyAdmin === 'number' ? { host: '127.0.0.1', port: envoyAdmin } : envoyAdmin;
    const json = bootstrap({
      nodeId: node,
      credential: clientCertificate ?? { token },
      trustDomain: mesh.trustDomain,
      xds,
      channelAnchorPem: anchorPem,
      address,
      outbound: ask.outbound ?? DEFAULT_OUTBOUND,
      envoyAdmin: admin,
    });
    const join = clientCertificate === undefined ? undefined : { token, xds, anchorPem, serverId };
    return { node, bootstrap: json, join };
  }

  #refuse(ask: BootstrapAsk): AskRefusal | undefined {
    const missing = missingService(this.#options.mesh(), ask.service);
    if (missing !== undefined) return missing;
    if (ask.xds === undefined && this.#options.advertised() === undefined) {
      const message = 'Signet listens for sidecars on all addresses and cannot know theirs: say --xds HOST:PORT';
      return { code: 'xds_address_needed', message };
    }
    // Loopback is good here: the stream's own address is judged when it comes.
    const address = ask.address === undefined ? undefined : registeredAddress(ask.address, '127.0.0.1');
    if (address !== undefined && !address.ok) return { code: 'invalid_address', message: address.error };
    return undefined;
  }
}
