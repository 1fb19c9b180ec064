import { showHostPort } from '../../src/lib/hostPort.ts';
import { type AdsClient, type AdsClientOptions, codecOf, openAds } from './adsClient.ts';
import type { TestMesh } from './mesh.ts';
import { type Bootstrap, printBootstrap } from './sidecar.ts';

/** Type URLs by their short names. */
export const TYPE_URL = {
  cds: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  eds: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  lds: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  rds: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  sds: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;

const find = (value: unknown, key: string): unknown => {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const found: unknown = name === key ? inner : find(inner, key);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** The anchor of the control plane's channel, as a bootstrap carries it. */
export const anchorOf = (bootstrap: Bootstrap): string => {
  const anchor = find(find(bootstrap, 'trusted_ca'), 'inline_string');
  if (typeof anchor !== 'string') throw new Error('the bootstrap holds no anchor');
  return anchor;
};

export const createToken = async (mesh: TestMesh, ...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await mesh.ask('token', 'create', ...args);
  if (code !== 0) throw new Error(`signet token create ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
};

export type Workload = {
  readonly anchorPem: string;
  /** `open` is for streams of another kind than delta ADS. */
  readonly connect: (nodeId: string, token?: string, open?: (options: AdsClientOptions) => AdsClient) => AdsClient;
};

/** Somebody who speaks ADS to the control plane of this mesh with whatever they please. */
export const stranger = async (mesh: TestMesh, service: string): Promise<Workload> => {
  const { bootstrap } = await printBootstrap(mesh, [service]);
  const anchorPem = anchorOf(bootstrap);
  const serverId = find(find(bootstrap, 'match_typed_subject_alt_names'), 'exact');
  if (typeof serverId !== 'string') throw new Error('the bootstrap does not say who the control plane is');
  return {
    anchorPem,
    connect: (nodeId, token, open = openAds) =>
      open({
        address: mesh.xds,
        anchorPem,
        serverId,
        ...(token === undefined ? {} : { token }),
        nodeId,
        metadata: { 'signet.outbound': showHostPort({ host: mesh.xds.host, port: 15_001 }) },
      }),
  };
};

const SECRET = codecOf('envoy.extensions.transport_sockets.tls.v3.Secret');

type SecretRead = {
  readonly tls_certificate?: {
    readonly certificate_chain: { readonly inline_bytes: Buffer };
    readonly private_key: { readonly inline_bytes: Buffer };
  };
};

/** What a member of the mesh has to show, and to hold others against. */
export type MemberCertificate = {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly bundlePem: string;
  /** Of the channel to the control plane. */
  readonly anchorPem: string;
};

/** The certificate of a workload and its key, taken as its sidecar takes it. */
export const takeCertificate = async (mesh: TestMesh, service: string, uri: string): Promise<MemberCertificate> => {
  const token = await createToken(mesh, service);
  const { anchorPem, connect } = await stranger(mesh, service);
  const client = connect(`${service}/taker`, token);
  try {
    client.ask(TYPE_URL.sds, { subscribe: [uri] });
    const { resources } = await client.next();
    const bytes = resources.find(({ name }) => name === uri)?.value;
    const read = bytes === undefined ? undefined : (SECRET.decode(bytes) as SecretRead).tls_certificate;
    if (read === undefined) throw new Error(`no certificate came for ${uri}`);
    return {
      chainPem: read.certificate_chain.inline_bytes.toString(),
      keyPem: read.private_key.inline_bytes.toString(),
      bundlePem: (await mesh.ask('ca', 'bundle')).stdout,
      anchorPem,
    };
  } finally {
    client.close();
  }
};
