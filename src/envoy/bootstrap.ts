import { isIP } from 'node:net';
import { showHostPort } from '../lib/hostPort.ts';
import { reveal, type Secret } from '../lib/secret.ts';
import { anchorNames, serverNameOf } from '../spiffe/anchorName.ts';
import { controlPlaneId, type TrustDomain } from '../spiffe/spiffeId.ts';
import { CONTROL_PLANE_CLUSTER } from './names.ts';

type HostPort = { readonly host: string; readonly port: number };

export type BootstrapOptions = {
  /** `NAMESPACE/NAME/INSTANCE` */
  readonly nodeId: string;
  /** A join token, or the folder where somebody keeps a client certificate (see `CLIENT_CERTIFICATE`). */
  readonly credential: { readonly token: Secret } | { readonly folder: string };
  readonly trustDomain: TrustDomain;
  readonly xds: HostPort;
  /** Every anchor of the channel, PEM, the newest last. */
  readonly channelAnchorPem: string;
  /** Where this instance listens and what callers are told; absent: every address, and where its stream comes from. */
  readonly address?: string | undefined;
  readonly outbound: HostPort;
  readonly envoyAdmin?: HostPort | { readonly pipe: string } | undefined;
};

/**
 * What a folder holds that has a client certificate in it. `secret` refers to the other two and holds no key: Envoy logs a
 * file that it cannot read as a secret whole. `current` is a symbolic link to a folder of this certificate's own, so that
 * one rename replaces chain and key together. Envoy looks again whenever something is renamed in the folder.
 */
export const CLIENT_CERTIFICATE = {
  secret: 'secret.json',
  current: 'current',
  chain: 'chain.pem',
  key: 'key.pem',
} as const;
const SECRET_NAME = 'client-certificate';

/**
 * The contents of `secret`, which never change: an SDS response with the places of chain and key.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret#sds-configuration
 */
export const clientCertificateSecret = (folder: string): object => {
  const file = (name: string): object => ({ filename: `${folder}/${CLIENT_CERTIFICATE.current}/${name}` });
  return {
    resources: [
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: SECRET_NAME,
        tls_certificate: {
          certificate_chain: file(CLIENT_CERTIFICATE.chain),
          private_key: file(CLIENT_CERTIFICATE.key),
          watched_directory: { path: folder },
        },
      },
    ],
  };
};

/** Node metadata by which a sidecar says where it listens, where its admin port is, and which anchors it knows. */
export const METADATA = {
  address: 'signet.address',
  outbound: 'signet.outbound',
  admin: 'signet.envoy-admin',
  anchors: 'signet.anchors',
} as const;

const socket = ({ host, port }: HostPort): object => ({ socket_address: { address: host, port_value: port } });

// Without a limit in time: a sidecar that waits is better than one that starts without its configuration.
const ads = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };

/**
 * A complete Envoy bootstrap (JSON-ready) for any stock Envoy. With a join token it holds a secret: write it 0600.
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/bootstrap/v3/bootstrap.proto
 */
export const bootstrap = (options: BootstrapOptions): Readonly<Record<string, unknown>> => ({
  node: {
    id: options.nodeId,
    cluster: options.nodeId.split('/').slice(0, 2).join('/'),
    metadata: {
      [METADATA.outbound]: showHostPort(options.outbound),
      ...(options.address === undefined ? {} : { [METADATA.address]: options.address }),
      ...adminMetadata(options.envoyAdmin),
      [METADATA.anchors]: anchorNames(options.channelAnchorPem).join(),
    },
  },
  ...(options.envoyAdmin === undefined ? {} : { admin: { address: adminAddress(options.envoyAdmin) } }),
  dynamic_resources: {
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [
        {
          envoy_grpc: {
            cluster_name: CONTROL_PLANE_CLUSTER,
            // Back within the 60 s that a restarted control plane waits for its sidecars.
            retry_policy: { retry_back_off: { base_interval: '0.5s', max_interval: '5s' } },
          },
          ...callCredential(options.credential),
        },
      ],
    },
    cds_config: ads,
    lds_config: ads,
  },
  static_resources: { clusters: [controlPlaneCluster(options)] },
});

const callCredential = (credential: BootstrapOptions['credential']): object =>
  'token' in credential
    ? { initial_metadata: [{ key: 'authorization', value: `Bearer ${reveal(credential.token)}` }] }
    : {};

const ownCertificate = (credential: BootstrapOptions['credential']): object => {
  if ('token' in credential) return {};
  const { folder } = credential;
  const source = { path: `${folder}/${CLIENT_CERTIFICATE.secret}`, watched_directory: { path: folder } };
  const sds = { path_config_source: source, resource_api_version: 'V3' };
  return { tls_certificate_sds_secret_configs: [{ name: SECRET_NAME, sds_config: sds }] };
};

/** A socket in somebody's private folder is for that somebody alone. */
const adminMetadata = (admin: BootstrapOptions['envoyAdmin']): object =>
  admin === undefined || 'pipe' in admin ? {} : { [METADATA.admin]: showHostPort(admin) };

const adminAddress = (admin: HostPort | { readonly pipe: string }): object =>
  'pipe' in admin ? { pipe: { path: admin.pipe, mode: 0o600 } } : socket(admin);

const serverName = (anchorPem: string): object => {
  const newest = anchorNames(anchorPem).at(-1);
  return newest === undefined ? {} : { sni: serverNameOf(newest) };
};

const controlPlaneCluster = ({ xds, trustDomain, channelAnchorPem, credential }: BootstrapOptions): object => ({
  name: CONTROL_PLANE_CLUSTER,
  type: isIP(xds.host) === 0 ? 'STRICT_DNS' : 'STATIC',
  connect_timeout: '5s',
  load_assignment: {
    cluster_name: CONTROL_PLANE_CLUSTER,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(xds) } }] }],
  },
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: {
        http2_protocol_options: { connection_keepalive: { interval: '20s', timeout: '10s' } },
      },
    },
  },
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      ...serverName(channelAnchorPem),
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        alpn_protocols: ['h2'],
        ...ownCertificate(credential),
        // Exactly the control plane, by its own anchor: a workload's certificate passes neither.
        validation_context: {
          trusted_ca: { inline_string: channelAnchorPem },
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: controlPlaneId(trustDomain) } }],
        },
      },
    },
  },
});
